//! Has the linker keep one of several functions with the same code, of which generic code makes many, and put next to each other
//! what a start needs of functions that would stand far apart: less that a process has to hold.

use std::env;
use std::path::Path;
use std::process::Command;

/// Written by `bench/order`.
const START_ORDER: &str = "start-order.txt";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={START_ORDER}");
    let target = |name: &str| env::var(format!("CARGO_CFG_TARGET_{name}")).unwrap_or_default();
    // The linker that Rust brings for this target knows how; another one, chosen by flags, may not.
    let is_known = ["ARCH", "OS", "ENV"].map(target) == ["x86_64", "linux", "gnu"];
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let linker = env::var("RUSTC_LINKER").unwrap_or_default();
    if is_known && linker.is_empty() && !flags.contains("link") && brings_its_linker() {
        println!("cargo:rustc-link-arg-bins=-Wl,--icf=all");
        let package = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        let order = Path::new(&package).join(START_ORDER);
        println!(
            "cargo:rustc-link-arg-bins=-Wl,--symbol-ordering-file={}",
            order.display()
        );
        // Names of another compiler or library are not there.
        println!("cargo:rustc-link-arg-bins=-Wl,--no-warn-symbol-ordering");
    }
}

/// Compilers that a distribution has built often come without, and take the system's.
fn brings_its_linker() -> bool {
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let Ok(answer) = Command::new(rustc).args(["--print", "sysroot"]).output() else {
        return false;
    };
    let sysroot = String::from_utf8_lossy(&answer.stdout).into_owned();
    let linker = "lib/rustlib/x86_64-unknown-linux-gnu/bin/gcc-ld/ld.lld";
    Path::new(sysroot.trim()).join(linker).exists()
}
