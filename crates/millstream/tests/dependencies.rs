//! What we depend on: licences, one TLS provider, no crate twice without need, and nothing that is not used.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Licences that ask for no more than a notice.
const LICENCES: [&str; 13] = [
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    // Certificates of public authorities.
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "bzip2-1.0.6",
];

/// Other providers of TLS than aws-lc-rs under rustls: a second one means two sets of ciphers, of bugs and of builds.
const BANNED: [&str; 6] = [
    "boring",
    "mbedtls",
    "native-tls",
    "openssl",
    "openssl-sys",
    "ring",
];

/// Crates that are there in more than one version, because crates that we need ask for different ones. p12-keystore, which
/// reads the key stores of HTTPS listeners, has five of them here: nom, num-bigint and synstructure are older below it, rand
/// and rand_core newer than bson's. lapin's channels have an older spin than crc-fast, and serde_amqp's macros a newer
/// convert_case than derive_more's.
const MANIFOLD: [&str; 12] = [
    "base64",
    "convert_case",
    "crypto-common",
    "digest",
    "getrandom",
    "nom",
    "num-bigint",
    "rand",
    "rand_core",
    "spin",
    "syn",
    "synstructure",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Everything that is compiled for this machine, without what tests alone use: name, version and licence.
fn compiled() -> BTreeSet<(String, String, String)> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tree = [
        "tree",
        "--offline",
        "--locked",
        "--workspace",
        "--edges=normal,build",
    ];
    let output = Command::new(cargo)
        .current_dir(root())
        .args(tree)
        .args(["--prefix=none", "--format={p}|{l}"])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().filter_map(|line| line.split_once('|'));
    lines
        .map(|(package, licence)| {
            let mut words = package.split(' ');
            let mut next = || words.next().unwrap().to_owned();
            let licence = licence.trim_end_matches(" (*)");
            (next(), next(), licence.to_owned())
        })
        .collect()
}

#[test]
fn licences_ask_for_no_more_than_a_notice() {
    for (name, version, licence) in compiled() {
        assert!(may_be_used(&licence), "{name} {version}: {licence}");
    }
    assert!(!may_be_used("") && !may_be_used("GPL-3.0") && !may_be_used("MIT AND GPL-3.0"));
    assert!(may_be_used("GPL-3.0 OR MIT") && may_be_used("(GPL-3.0 OR MIT) AND ISC"));
}

/// Whether one of the alternatives consists of licences on the list. An exception only takes conditions away.
fn may_be_used(licence: &str) -> bool {
    let spaced = licence.replace('(', " ( ").replace(')', " ) ");
    let spaced = spaced.replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let (is_allowed, rest) = any_of(&words);
    is_allowed && rest.is_empty()
}

fn any_of<'a>(words: &'a [&'a str]) -> (bool, &'a [&'a str]) {
    let (mut is_allowed, mut rest) = all_of(words);
    while let ["OR", behind @ ..] = rest {
        let (other, behind) = all_of(behind);
        (is_allowed, rest) = (is_allowed || other, behind);
    }
    (is_allowed, rest)
}

fn all_of<'a>(words: &'a [&'a str]) -> (bool, &'a [&'a str]) {
    let (mut is_allowed, mut rest) = one(words);
    while let ["AND", behind @ ..] = rest {
        let (other, behind) = one(behind);
        (is_allowed, rest) = (is_allowed && other, behind);
    }
    (is_allowed, rest)
}

fn one<'a>(words: &'a [&'a str]) -> (bool, &'a [&'a str]) {
    match words {
        ["(", inner @ ..] => match any_of(inner) {
            (is_allowed, [")", rest @ ..]) => (is_allowed, rest),
            (_, rest) => (false, rest),
        },
        [name, "WITH", _, rest @ ..] | [name, rest @ ..] => (LICENCES.contains(name), rest),
        [] => (false, words),
    }
}

#[test]
fn there_is_one_provider_of_tls_and_no_needless_second_version() {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, version, _) in compiled() {
        assert!(!BANNED.contains(&&*name), "{name} {version} is banned");
        versions.entry(name).or_default().insert(version);
    }
    assert!(versions.contains_key("aws-lc-rs"), "TLS has a provider");
    versions.retain(|_, versions| versions.len() > 1);
    let manifold: Vec<&String> = versions.keys().collect();
    assert_eq!(manifold, MANIFOLD, "{versions:?}");
}

/// By name: a dependency that no source names, or that stands in two lists, goes.
#[test]
fn every_dependency_is_used() {
    let mut used = BTreeSet::new();
    let mut needless = Vec::new();
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let folder = entry.unwrap().path();
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let own = words_of(&[folder.join("src")]);
        let of_tests = words_of(&["tests", "examples"].map(|part| folder.join(part)));
        let listed = names(&manifest, "dependencies");
        let of_tests_alone = names(&manifest, "dev-dependencies");
        for name in listed.union(&of_tests_alone) {
            let word = match &**name {
                // Its library has another name.
                "md-5" => "md5".to_owned(),
                name => name.replace('-', "_"),
            };
            let is_named =
                own.contains(&word) || (of_tests_alone.contains(name) && of_tests.contains(&word));
            if !is_named {
                needless.push(format!("{}: {name}", folder.display()));
            }
            used.insert(name.clone());
        }
        // Tests may add features to what is there, but only then.
        let twice = listed.intersection(&of_tests_alone);
        let plain = |name: &&String| {
            let line = format!("\n{name}.workspace = true\n");
            manifest.matches(&line).count() > 1
        };
        let twice = twice.filter(plain);
        needless.extend(twice.map(|name| format!("{}: {name}, twice", folder.display())));
    }
    let workspace = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let unused = names(&workspace, "workspace.dependencies");
    needless.extend(unused.difference(&used).cloned());
    assert!(needless.is_empty(), "{needless:#?}");
}

/// What a section of a manifest lists.
fn names(manifest: &str, section: &str) -> BTreeSet<String> {
    let lines = manifest.lines();
    let lines = lines.skip_while(|line| *line != format!("[{section}]"));
    let lines = lines.skip(1).take_while(|line| !line.starts_with('['));
    let entries = lines.filter(|line| line.contains('=') && !line.starts_with('#'));
    entries
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .map(str::to_owned)
        .collect()
}

/// The words of all sources below the folders.
fn words_of(folders: &[PathBuf]) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut open = folders.to_vec();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(path).unwrap();
                let parts = text.split(|c: char| !c.is_alphanumeric() && c != '_');
                words.extend(parts.map(str::to_owned));
            }
        }
    }
    words
}
