//! What the tests saw, as sections of `docs/errors.md`: each test owns one, and finds it as it stands or writes it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::{env, fs};

/// The page's sections, in its order.
const SECTIONS: [&str; 6] = [
    "Kafka",
    "Authentication",
    "S3",
    "Document store",
    "Records",
    "Finding brokers and database in AWS",
];

const INTRO: &str = "# Error messages

What a person sees when a service fails, and what the worker does. Every row was produced by a test
(`crates/millstream/tests/faults`): the binary runs against services that fail in this way while records flow; then they
are well again, and every record is found exactly once.

*Message* is the reason in the connector's status, as `degraded` while the task runs on, or as the cause in `trace` once it
has failed; of a process that does not start it is the last line of its log. Search this page for a few of its words. What several rows have in common stands once at the head of its
section, under a number that the rows name in brackets. Host names stand for addresses, CODE for the row's fault, REQUEST
for where it happens, and … for what differs from time to time.

| What happens | |
|---|---|
| continues | the task goes on before its status would change |
| degraded, retried | the task stays RUNNING, its status is degraded while the fault lasts; it recovers by itself |
| FAILED | the task has failed and is restarted by hand, once the cause is mended |
| FAILED, restarts | the task has failed and restarts by itself |
| asked again, starts | the start goes on asking, and is done once it has an answer |
| asked again, exit code … | the start goes on asking until `DISCOVERY_TIMEOUT`, or for 30 s where a permission is missing; then the process ends with this code |
| exit code … | the process ends at once with this code: asking again is of no use |
";

/// One answer to a fault. Several faults with the same one share a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) place: String,
    pub(crate) fault: String,
    /// The message, or those of which one is seen; none where nothing is.
    pub(crate) seen: Vec<String>,
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
    let table = render(section, rows);
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

/// What a section says: the clauses that several of its rows share, each with a number, and the rows.
fn render(section: &str, rows: &[Row]) -> String {
    let merged = merge(rows);
    let shared = shared_clauses(&merged);
    let letter = section.chars().next().unwrap_or_default();
    let mut text = String::new();
    if !shared.is_empty() {
        text.push_str("| Number | Message |\n|---|---|\n");
        for (number, clause) in (1..).zip(&shared) {
            text.push_str(&line(&[format!("{letter}{number}"), code(clause)]));
        }
        text.push('\n');
    }
    text.push_str("| Where | Fault | Message | What happens |\n|---|---|---|---|\n");
    for row in merged {
        let messages: Vec<String> = row
            .seen
            .iter()
            .map(|message| with_numbers(message, &shared, letter))
            .collect();
        let seen = match messages.as_slice() {
            [] => "none".to_owned(),
            [message] => message.clone(),
            [first @ .., last] => format!("{} or {last}", first.join(", ")),
        };
        text.push_str(&line(&[row.place, row.fault, seen, row.outcome]));
    }
    text
}

/// Faults of one place with the same message share a row; so do those whose message differs in the fault's name alone. What
/// a message repeats of its row is left out, so that more rows have the same one.
fn merge(rows: &[Row]) -> Vec<Row> {
    let mut merged: Vec<Row> = Vec::new();
    for row in rows {
        let mut row = row.clone();
        for what in [" failed for ", " is slow for "] {
            let begin = format!("{}{what}", row.place);
            for seen in &mut row.seen {
                *seen = seen.replace(&begin, &format!("REQUEST{what}"));
            }
        }
        let has_code = row.seen.iter().any(|seen| seen.contains(&row.fault));
        if has_code && row.fault.chars().any(|c| c.is_ascii_uppercase()) {
            for seen in &mut row.seen {
                *seen = seen.replace(&row.fault, "CODE");
            }
        }
        let same = merged.iter_mut().find(|known| {
            (&known.place, &known.seen, &known.outcome) == (&row.place, &row.seen, &row.outcome)
        });
        match same {
            Some(known) => known.fault = format!("{}, {}", known.fault, row.fault),
            None => merged.push(row),
        }
    }
    merged
}

/// A message's clauses: what failed and why, and what to do about it.
fn clauses(message: &str) -> impl Iterator<Item = &str> {
    message.split("; ")
}

/// The clauses that stand in more than one row, in the order of their first.
fn shared_clauses(rows: &[Row]) -> Vec<String> {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for row in rows {
        let of_row: BTreeSet<&str> = row.seen.iter().flat_map(|seen| clauses(seen)).collect();
        // In the order of the text.
        for clause in row.seen.iter().flat_map(|seen| clauses(seen)) {
            if counts.iter().all(|(known, _)| *known != clause) {
                counts.push((clause, 0));
            }
        }
        for (known, count) in &mut counts {
            *count += usize::from(of_row.contains(known));
        }
    }
    let shared = counts.into_iter().filter(|(_, count)| *count > 1);
    shared.map(|(clause, _)| clause.to_owned()).collect()
}

/// A message with the numbers of what it shares with others; what it alone says stays as it is.
fn with_numbers(message: &str, shared: &[String], letter: char) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut own: Vec<&str> = Vec::new();
    for clause in clauses(message) {
        match shared.iter().position(|known| known == clause) {
            Some(place) => {
                parts.extend(code_of(&mut own));
                parts.push(format!("[{letter}{}]", place + 1));
            }
            None => own.push(clause),
        }
    }
    parts.extend(code_of(&mut own));
    parts.join("; ")
}

fn code_of(clauses: &mut Vec<&str>) -> Option<String> {
    let text = std::mem::take(clauses).join("; ");
    (!text.is_empty()).then(|| code(&text))
}

fn code(text: &str) -> String {
    format!("`` {} ``", text.trim())
}

fn line(cells: &[String]) -> String {
    let cells: Vec<String> = cells
        .iter()
        .map(|cell| cell.replace('|', "\\|").replace('\n', " "))
        .collect();
    format!("| {} |\n", cells.join(" | "))
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
