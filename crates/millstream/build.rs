//! Has the linker keep one of several functions with the same code, of which generic code makes many: two megabytes less that
//! a process has to hold.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target = |name: &str| env::var(format!("CARGO_CFG_TARGET_{name}")).unwrap_or_default();
    // The linker that Rust brings for this target knows how; another one, chosen by flags, may not.
    let has_own_linker = ["ARCH", "OS", "ENV"].map(target) == ["x86_64", "linux", "gnu"];
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let linker = env::var("RUSTC_LINKER").unwrap_or_default();
    if has_own_linker && linker.is_empty() && !flags.contains("link") {
        println!("cargo:rustc-link-arg-bins=-Wl,--icf=all");
    }
}
