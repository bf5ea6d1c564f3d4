//! House rules as tests: who imports whom, that the map is true, and what may not stand in the sources.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Circles among the modules of a crate that may stay, each with its reason.
const CIRCLES: [(&str, &[&str]); 1] = [
    // One vocabulary: a value holds maps and structs, a struct its schema, a schema a default value.
    ("core", &["map", "schema", "value"]),
];

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn root() -> PathBuf {
    crates().parent().unwrap().to_owned()
}

/// The table of a section of ARCHITECTURE.md: the cells of each row, without the heading.
fn table(heading: &str) -> Vec<Vec<String>> {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let (_, section) = page
        .split_once(&format!("\n## {heading}\n"))
        .unwrap_or_else(|| panic!("ARCHITECTURE.md has no section {heading}"));
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with('|'));
    let cells = |row: &str| {
        let cells = row.trim_matches('|').split(" | ");
        cells.map(|cell| cell.trim().to_owned()).collect()
    };
    rows.skip(2).map(cells).collect()
}

/// What stands in backticks.
fn quoted(text: &str) -> Vec<String> {
    let parts = text.split('`').skip(1).step_by(2);
    parts.map(str::to_owned).collect()
}

#[test]
fn crates_import_only_whom_the_map_allows() {
    let rooms = table("The rooms");
    for entry in fs::read_dir(crates()).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let Ok(manifest) = fs::read_to_string(folder.join("Cargo.toml")) else {
            continue;
        };
        let room = rooms.iter().find(|room| quoted(&room[0]).contains(&name));
        let room =
            room.unwrap_or_else(|| panic!("crate {name} is not on the map in ARCHITECTURE.md"));
        let allowed = quoted(&room[2]);
        let mut section = "";
        for line in manifest.lines() {
            if line.starts_with('[') {
                section = line;
            }
            // Tests may use more; a build script or a platform may not.
            let is_checked = section.ends_with("dependencies]") && !section.contains("dev-");
            if !is_checked || room[2] == "everything" {
                continue;
            }
            if let Some(rest) = line.strip_prefix("millstream-") {
                let sibling = rest.split(['.', ' ', '=']).next().unwrap();
                assert!(
                    allowed.iter().any(|allowed| allowed == sibling),
                    "{name} may not import {sibling}"
                );
            }
        }
    }
    for room in rooms {
        for name in quoted(&room[0]) {
            assert!(crates().join(&name).is_dir(), "there is no crate {name}");
        }
    }
}

/// A module may be read and tested without those above it. A parent may name its children; for a child, it is above.
#[test]
fn modules_form_no_circles() {
    for entry in fs::read_dir(crates()).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let modules = modules(&folder.join("src"));
        let mut left: BTreeMap<&Module, BTreeSet<Module>> = BTreeMap::new();
        for (module, text) in &modules {
            let mut imports = imports(module, text, &modules);
            imports.retain(|other| !other.starts_with(module));
            left.insert(module, imports);
        }
        // Who imports nobody that is left, or is imported by nobody, is in no circle.
        loop {
            let imported: BTreeSet<Module> = left.values().flatten().cloned().collect();
            let names: BTreeSet<Module> = left.keys().map(|module| (*module).clone()).collect();
            let before = left.len();
            left.retain(|module, imports| {
                imports.retain(|other| names.contains(other));
                !imports.is_empty() && imported.contains(*module)
            });
            if left.len() == before {
                break;
            }
        }
        let circle: Vec<String> = left.keys().map(|module| module.join("::")).collect();
        let known = CIRCLES.iter().find(|(of, _)| *of == name);
        let known = known.map_or(&[][..], |(_, circle)| *circle);
        assert_eq!(circle, known, "a circle in {name}: {left:?}");
    }
}

/// The names on the way to it; the root of a crate has none.
type Module = Vec<String>;

/// The modules of a crate with their texts, without comments and tests.
fn modules(src: &Path) -> BTreeMap<Module, String> {
    let mut files = Vec::new();
    rust_files(src, &mut files);
    let mut modules = BTreeMap::new();
    for file in files {
        let path = file.strip_prefix(src).unwrap().with_extension("");
        let mut module: Module = path
            .iter()
            .map(|name| name.to_str().unwrap().to_owned())
            .collect();
        if matches!(&*module, [root] if root == "lib" || root == "main") {
            module.clear();
        }
        if module.iter().any(|name| name == "tests") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let lines = text.lines().map(|line| match line.find("//") {
            Some(comment) => &line[..comment],
            None => line,
        });
        modules.insert(module, lines.collect::<Vec<_>>().join("\n"));
    }
    modules
}

/// The modules that a text names from `crate` or `super` on.
fn imports(module: &Module, text: &str, all: &BTreeMap<Module, String>) -> BTreeSet<Module> {
    let mut found = BTreeSet::new();
    for start in ["crate::", "super::"] {
        for (at, _) in text.match_indices(start) {
            let before = text[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let mut paths = Vec::new();
            path_tree(&text[at..], &mut Vec::new(), &mut paths);
            for path in paths {
                let mut place = module.clone();
                let mut rest = path.iter().map(String::as_str).peekable();
                if rest.next_if_eq(&"crate").is_some() {
                    place.clear();
                }
                while rest.next_if_eq(&"super").is_some() {
                    place.pop();
                }
                for name in rest {
                    place.push(name.to_owned());
                    if !all.contains_key(&place) {
                        place.pop();
                        break;
                    }
                }
                if place != *module {
                    found.insert(place);
                }
            }
        }
    }
    found
}

/// The paths of `a::b` or `a::{b, c::{d, e}}` at the start of a text; gives what is behind it.
fn path_tree<'a>(text: &'a str, so_far: &mut Module, paths: &mut Vec<Module>) -> &'a str {
    let depth = so_far.len();
    let mut text = text.trim_start();
    loop {
        let is_end = |c: char| !c.is_alphanumeric() && c != '_';
        let end = text.find(is_end).unwrap_or(text.len());
        so_far.push(text[..end].to_owned());
        text = &text[end..];
        let Some(rest) = text.strip_prefix("::") else {
            paths.push(so_far.clone());
            break;
        };
        text = rest;
        if let Some(rest) = text.strip_prefix('{') {
            text = rest;
            while !text.trim_start().starts_with('}') && !text.is_empty() {
                text = path_tree(text, so_far, paths);
                // An alias, a comma.
                text = text.trim_start_matches(|c| c != ',' && c != '}');
                text = text.strip_prefix(',').unwrap_or(text);
            }
            text = text.trim_start().strip_prefix('}').unwrap_or_default();
            break;
        }
    }
    so_far.truncate(depth);
    text
}

/// A newcomer finds what the map sends them to.
#[test]
fn files_that_the_map_names_exist() {
    let tasks = table("Where to begin");
    assert!(tasks.len() >= 10, "ten tasks at least");
    for task in tasks {
        let places = quoted(&task[1]);
        let mut files = places.iter().filter(|name| name.contains('/')).peekable();
        assert!(files.peek().is_some(), "{}: no file", task[0]);
        for file in files {
            assert!(root().join(file).exists(), "{}: {file}", task[0]);
        }
    }
}

/// Words that the code and its messages use in one sense.
#[test]
fn the_glossary_has_the_words_of_a_rows_way() {
    let glossary = table("Glossary");
    for word in [
        "open",
        "closed",
        "in flight",
        "durable",
        "settled",
        "rejected",
        "filtered",
        "fused",
        "degraded",
    ] {
        let row = glossary.iter().find(|row| row[0] == word);
        assert!(
            row.is_some_and(|row| !row[1].is_empty()),
            "the glossary lacks {word}"
        );
    }
}

/// Files and bounds that are told of in the text are still there under these names.
#[test]
fn the_map_tells_of_what_is_there() {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let mut files = Vec::new();
    rust_files(&crates(), &mut files);
    let paths: Vec<String> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    let texts: Vec<String> = files
        .iter()
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    let is_bound =
        |name: &str| name.len() > 3 && name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let (mut named, mut bounds) = (0, 0);
    for name in page.lines().flat_map(quoted) {
        if is_bound(&name) {
            bounds += 1;
            let defined = format!("const {name}:");
            assert!(
                texts.iter().any(|text| text.contains(&defined)),
                "there is no {name}"
            );
        } else if name.ends_with(".rs") && !name.contains('<') {
            named += 1;
            let end = format!("/{name}");
            assert!(
                paths.iter().any(|path| path.ends_with(&end)),
                "there is no {name}"
            );
        }
    }
    assert!(named > 50 && bounds > 5, "{named} files, {bounds} bounds");
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
