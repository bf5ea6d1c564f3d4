//! What the pages for users promise: an alarm's section, an example's output, a command's flags, a place in the index. To write
//! the examples of `docs/sizing.md` anew: `MILLSTREAM_WRITE_DOCS=1 cargo test --release -p millstream --test pages`.
#![allow(clippy::unwrap_used)]

use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn found(text: &str, pattern: &str) -> Vec<String> {
    let pattern = Regex::new(pattern).unwrap();
    let captures = pattern.captures_iter(text);
    captures.map(|found| found[1].to_owned()).collect()
}

/// The names that the stacks and the rules give to alarms.
fn alarms() -> BTreeSet<String> {
    let mut names: BTreeSet<String> = BTreeSet::new();
    let rules = found(
        &read("deploy/prometheus/alerts.yml"),
        r"(?m)^ *- alert: (\w+)$",
    );
    assert!(rules.len() > 10, "{rules:?}");
    names.extend(rules);
    let stack = read("deploy/cdk/lib/observability.ts");
    let watches = stack.split("function watches").nth(1).unwrap();
    let named = found(watches, r"name: '(\w+)'");
    assert!(named.len() > 10, "{named:?}");
    names.extend(named);
    // One for each of the three brokers that the stack has.
    for prefix in found(watches, r"name: `(\w+)\$\{index \+ 1\}`") {
        names.extend((1..=3).map(|broker| format!("{prefix}{broker}")));
    }
    names
}

#[test]
fn every_alarm_has_its_section_and_every_section_its_alarm() {
    let page = read("docs/runbook.md");
    let mut sections = page.split("\n<a id=");
    sections.next();
    let mut told = BTreeSet::new();
    for section in sections {
        let (anchors, text) = section.split_once("\n## ").unwrap();
        let anchors = found(&format!("<a id={anchors}"), "<a id=\"(\\w+)\">");
        let title = text.lines().next().unwrap();
        let names = found(text.lines().nth(2).unwrap(), "`(\\w+)`");
        let small: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
        assert_eq!(anchors, small, "{title}");
        for part in ["**Means.** ", "**Look at.** ", "**Do.** "] {
            assert_eq!(text.matches(part).count(), 1, "{title}: {part}");
        }
        for name in names {
            assert!(told.insert(name.clone()), "{name} has two sections");
        }
    }
    assert_eq!(told, alarms());
    // What alarms say is a link to it.
    let stack = read("deploy/cdk/lib/observability.ts");
    assert!(stack.contains("docs/runbook.md#${watch.name.toLowerCase()}"));
}

#[test]
fn the_index_names_every_page() {
    let index = read("docs/README.md");
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") && name != "README.md" {
            assert!(index.contains(&format!("]({name})")), "{name}");
        }
    }
    for page in [
        "README.md",
        "docs/README.md",
        "docs/migrate.md",
        "docs/runbook.md",
        "docs/sizing.md",
        "docs/start.md",
    ] {
        let text = read(page);
        let folder = root().join(page).parent().unwrap().to_owned();
        for link in found(&text, r"\]\(([\w./-]+)(?:#[\w-]+)?\)") {
            assert!(folder.join(&link).exists(), "{page}: {link}");
        }
    }
}

/// A command as it stands in a page, with the lines that it goes on in.
fn commands(text: &str) -> Vec<Vec<String>> {
    let joined = text.replace("\\\n", " ");
    let pattern = Regex::new(r"(?m)(?:^|[` ])millstream ([a-z]+[^`\n|&;<]*)").unwrap();
    let found = pattern.captures_iter(&joined);
    found
        .map(|found| found[1].split_whitespace().map(str::to_owned).collect())
        .collect()
}

#[test]
fn every_command_and_flag_of_the_pages_is_known() {
    let mut helps: BTreeMap<String, String> = BTreeMap::new();
    let mut flags = 0;
    for page in [
        "README.md",
        "docs/migrate.md",
        "docs/runbook.md",
        "docs/sizing.md",
        "docs/audit.md",
        "docs/commands.md",
        "docs/start.md",
    ] {
        for words in commands(&read(page)) {
            let command = &words[0];
            let help = helps.entry(command.clone()).or_insert_with(|| {
                let program = env!("CARGO_BIN_EXE_millstream");
                let output = Command::new(program)
                    .args([command, "--help"])
                    .output()
                    .unwrap();
                String::from_utf8(output.stdout).unwrap()
            });
            let is_known = help.contains("Usage: millstream");
            // A sentence may go on behind the name.
            let named = words.iter().filter(|word| word.starts_with("--"));
            let named: Vec<&str> = named
                .map(|word| word.trim_end_matches([',', '.', ')', ':']))
                .collect();
            assert!(is_known || named.is_empty(), "{page}: millstream {command}");
            for flag in named.iter().map(|flag| flag.split('=').next().unwrap()) {
                flags += 1;
                let known = Regex::new(&format!("{}(?:[^a-z-]|$)", regex::escape(flag))).unwrap();
                assert!(
                    known.is_match(help) || flag == "--help",
                    "{page}: millstream {command} {flag}"
                );
            }
        }
    }
    assert!(flags > 30, "{flags}");
}

/// A block of `docs/sizing.md` is a command behind `$` and what it prints.
#[test]
fn every_example_of_sizing_is_what_the_command_prints() {
    let page = read("docs/sizing.md");
    let mut written = String::new();
    let mut examples = 0;
    let mut rest = page.as_str();
    while let Some((before, block)) = rest.split_once("```console\n$ millstream ") {
        let (block, after) = block.split_once("\n```\n").unwrap();
        let line = block.lines().next().unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_millstream"))
            .args(line.split_whitespace())
            .current_dir(root())
            .env_clear()
            .output()
            .unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
        let printed = String::from_utf8(output.stdout).unwrap();
        written.push_str(&format!(
            "{before}```console\n$ millstream {line}\n{printed}```\n"
        ));
        examples += 1;
        rest = after;
    }
    written.push_str(rest);
    assert!(examples >= 5, "{examples}");
    // The one way to write what is otherwise compared.
    if std::env::var_os("MILLSTREAM_WRITE_DOCS").is_some() {
        fs::write(root().join("docs/sizing.md"), &written).unwrap();
    }
    assert!(
        written == read("docs/sizing.md"),
        "docs/sizing.md is stale; see the first lines of this test"
    );
}
