//! What the tests saw, as sections of `docs/errors.md`: each test owns one, and finds it as it stands or writes it.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::{env, fs};

/// The page's sections, in its order.
const SECTIONS: [&str; 4] = ["Kafka", "S3", "Document store", "Records"];

const INTRO: &str = "# Error messages

What a person sees when a service fails, and what the worker does. Every row was produced by a test
(`crates/millstream/tests/faults`): the binary runs against services that fail in this way while records flow; then they
are well again, and every record is found exactly once. *Seen* is the reason in the connector's status, as `degraded`
while the task runs on, or as the cause in `trace` once it has failed. Host names stand for
addresses, and … for what differs from time to time.

Rows with *nothing* are over before the status would change.
";

/// One answer to a fault. Several faults with the same one share a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) place: String,
    pub(crate) fault: String,
    pub(crate) seen: String,
    pub(crate) outcome: String,
}

/// One test at a time touches the page.
static PAGE: Mutex<()> = Mutex::new(());

/// Compares a section with the page, or writes it.
pub(crate) fn check(section: &str, rows: &[Row]) {
    // With a choice of cases the table is not whole.
    if env::var_os("MILLSTREAM_CASE").is_some() {
        return;
    }
    let _page = PAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let table = render(rows);
    let written = fs::read_to_string(path()).unwrap_or_default();
    if env::var_os("MILLSTREAM_WRITE_DOCS").is_some() {
        let mut page = INTRO.to_owned();
        for name in SECTIONS {
            let content = if name == section {
                &table
            } else {
                find(&written, name)
            };
            page.push_str(&format!("\n## {name}\n\n{}\n", content.trim()));
        }
        fs::write(path(), page).unwrap();
        return;
    }
    let known = find(&written, section).trim();
    assert!(
        known == table.trim(),
        "section {section} of docs/errors.md is stale; run `MILLSTREAM_WRITE_DOCS=1 cargo test --release -p millstream --test faults`\n{}",
        difference(known, &table)
    );
}

fn render(rows: &[Row]) -> String {
    let mut merged: Vec<Row> = Vec::new();
    for row in rows {
        let same = merged.iter_mut().find(|known| {
            (&known.place, &known.seen, &known.outcome) == (&row.place, &row.seen, &row.outcome)
        });
        match same {
            Some(known) => known.fault = format!("{}, {}", known.fault, row.fault),
            None => merged.push(row.clone()),
        }
    }
    let mut table = "| Where | Fault | Seen | What happens |\n|---|---|---|---|\n".to_owned();
    for row in merged {
        let cells = [row.place, row.fault, row.seen, row.outcome];
        let cells = cells.map(|cell| cell.replace('|', "\\|").replace('\n', " "));
        table.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    table
}

/// The content of a section.
fn find<'a>(page: &'a str, section: &str) -> &'a str {
    let heading = format!("\n## {section}\n");
    let Some(at) = page.find(&heading) else {
        return "";
    };
    let rest = &page[at + heading.len()..];
    &rest[..rest.find("\n## ").unwrap_or(rest.len())]
}

fn difference(known: &str, now: &str) -> String {
    let lines = |text: &str, other: &str, sign: &str| {
        text.lines()
            .filter(|line| !other.lines().any(|o| o == *line))
            .map(|line| format!("{sign} {line}\n"))
            .collect::<String>()
    };
    lines(known, now, "-") + &lines(now, known, "+")
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors.md")
}
