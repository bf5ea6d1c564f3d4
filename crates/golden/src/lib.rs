//! The golden runner's common part: reads the recorded cases, parses their values, counts what came of them.
//!
//! A case decides from itself whether it is due. Results go to `target/golden.json` and `target/golden.txt`,
//! a row per file: due, passed, failed, not due. The folder is `MILLSTREAM_GOLDEN`, by default the copies in `data/`.
//! Its `cases.txt` says how many cases of each file are due, so that none gets lost unseen. A folder without that list
//! has to hold the files of ours, and may hold more.

mod files;
mod format;
mod table;

pub use format::{bytes_of, records_equal, schema, schema_and_value, value};

use serde_json::Value as Json;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// What came of one case.
#[derive(Debug)]
pub enum Outcome {
    Passed,
    /// No case: it prepared those that follow.
    Setup,
    Failed(String),
    /// The case uses something that does not exist yet; the text names it.
    NotDue(String),
}

impl Outcome {
    /// Passed, if the two are equal; otherwise a text that shows both.
    pub fn equal<T: PartialEq + std::fmt::Debug>(actual: &T, expected: &T) -> Self {
        if actual == expected {
            Outcome::Passed
        } else {
            Outcome::Failed(format!("\n   actual {actual:?}\n expected {expected:?}"))
        }
    }
}

/// The folder with the recordings.
pub fn folder() -> PathBuf {
    // The one variable a test run may be pointed elsewhere with.
    std::env::var_os("MILLSTREAM_GOLDEN").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("data"),
        PathBuf::from,
    )
}

/// The cases of one file. A `.jsonl` file has one a line, a `.json` file is one.
///
/// # Panics
/// If the folder lacks the file, or if it is not JSON.
pub fn cases(file: &str) -> Vec<Json> {
    let path = folder().join(file);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("cannot read the cases of {}: {error}", path.display()));
    let parse = |text: &str| -> Json {
        serde_json::from_str(text).unwrap_or_else(|error| {
            let too_deep = error.to_string().starts_with("recursion limit exceeded");
            assert!(too_deep, "{file} is not JSON: {error}");
            // The judge knows such a case by its name alone.
            let name = text.split('"').nth(3).unwrap_or_default();
            serde_json::json!({"name": name, "config": {}})
        })
    };
    if file.ends_with(".jsonl") {
        text.lines()
            .filter(|line| !line.trim().is_empty())
            .map(parse)
            .collect()
    } else {
        vec![parse(&text)]
    }
}

/// Runs every case of the runner's files (see `files.rs`) and writes their rows into the table. A judge that panics has
/// failed that one case.
///
/// # Panics
/// If a due case failed, if other numbers of cases are due than the list says, or if a listed file is not there.
pub fn run(runner: &str, mut judge: impl FnMut(&str, &Json) -> Outcome) {
    let list = files::List::of_folder();
    let missing = list.missing(runner).into_iter();
    let mut failures: Vec<String> = missing
        .map(|file| format!("{file}: {} lacks it", folder().display()))
        .collect();
    for file in files::files(runner) {
        let cases = cases(&file);
        let mut row = table::Row::default();
        for (number, case) in cases.iter().enumerate() {
            let judged = AssertUnwindSafe(|| judge(&file, case));
            let outcome =
                catch_unwind(judged).unwrap_or_else(|panic| Outcome::Failed(text_of(&*panic)));
            row.count(&outcome);
            if let Outcome::Failed(why) = outcome {
                let name = case["name"]
                    .as_str()
                    .map_or_else(|| number.to_string(), str::to_owned);
                failures.push(format!("{file} {name}: {why}"));
            }
        }
        if let Some(listed) = list.of(&file).filter(|_| list.has_numbers)
            && (row.due, row.not_due) != (listed.due, listed.not_due)
        {
            failures.push(format!(
                "{file}: {} cases are due and {} are not, cases.txt says {} and {}",
                row.due, row.not_due, listed.due, listed.not_due
            ));
        }
        table::write(&file, row);
    }
    assert!(
        failures.is_empty(),
        "{} golden cases failed:\n{}",
        failures.len(),
        failures
            .iter()
            .take(25)
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("\n")
    );
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("the judge panicked: {}", text.unwrap_or_default())
}
