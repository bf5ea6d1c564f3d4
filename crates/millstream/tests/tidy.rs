//! House rules as tests: who imports whom, and what may not stand in the sources.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

/// Each crate with the siblings it may depend on; tests may use more.
const MAY_IMPORT: [(&str, &[&str]); 13] = [
    ("core", &[]),
    ("java", &["core"]),
    ("plugins", &["core", "java"]),
    ("wire", &[]),
    ("kafka", &["core", "wire"]),
    ("s3", &["core", "java"]),
    ("mongodb", &["core", "java"]),
    ("runtime", &["core"]),
    ("worker", &["core", "java"]),
    ("embedded", &["wire"]),
    ("golden", &["core"]),
    ("bench", &["core", "kafka"]),
    (
        "millstream",
        &[
            "core", "plugins", "kafka", "s3", "mongodb", "runtime", "worker", "embedded",
        ],
    ),
];

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

#[test]
fn crates_import_only_whom_the_map_allows() {
    for entry in fs::read_dir(crates()).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let Ok(manifest) = fs::read_to_string(folder.join("Cargo.toml")) else {
            continue;
        };
        let allowed = MAY_IMPORT
            .iter()
            .find(|(known, _)| *known == name)
            .unwrap_or_else(|| panic!("crate {name} is not on the map in ARCHITECTURE.md"))
            .1;
        let mut section = "";
        for line in manifest.lines() {
            if line.starts_with('[') {
                section = line;
            }
            if section != "[dependencies]" {
                continue;
            }
            if let Some(rest) = line.strip_prefix("millstream-") {
                let sibling = rest.split(['.', ' ', '=']).next().unwrap();
                assert!(
                    allowed.contains(&sibling),
                    "{name} may not import {sibling}"
                );
            }
        }
    }
}

#[test]
fn sources_keep_the_house_rules() {
    let mut files = Vec::new();
    rust_files(&crates(), &mut files);
    assert!(files.len() > 50, "the sources were not found");
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let place = file.display();
        assert!(
            text.starts_with("//!"),
            "{place} does not begin by saying what it is for"
        );
        for banned in [
            concat!("#[ign", "ore"),
            concat!("todo", "!("),
            concat!("thread::sl", "eep"),
        ] {
            assert!(!text.contains(banned), "{place} contains {banned}");
        }
    }
}

fn rust_files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            into.push(path);
        }
    }
}
