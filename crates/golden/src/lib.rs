//! The golden runner's common part: reads the recorded cases, parses their values, counts what came of them.
//!
//! A case decides from itself whether it is due. Results go to `target/golden.json` and `target/golden.txt`,
//! a row per file: due, passed, failed, not due. The folder is `MILLSTREAM_GOLDEN`, by default the copies in `data/`.

mod format;
mod table;

pub use format::{bytes_of, records_equal, schema, schema_and_value, value};

use serde_json::Value as Json;
use std::path::{Path, PathBuf};

/// What came of one case.
#[derive(Debug)]
pub enum Outcome {
    Passed,
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

/// The cases of one file, `None` if the folder lacks it. A `.jsonl` file has one a line, a `.json` file is one.
///
/// # Panics
/// If a file is not JSON.
pub fn cases(file: &str) -> Option<Vec<Json>> {
    let text = std::fs::read_to_string(folder().join(file)).ok()?;
    let parse = |text: &str| -> Json {
        serde_json::from_str(text).unwrap_or_else(|error| {
            let too_deep = error.to_string().starts_with("recursion limit exceeded");
            assert!(too_deep, "{file} is not JSON: {error}");
            // The judge knows such a case by its name alone.
            let name = text.split('"').nth(3).unwrap_or_default();
            serde_json::json!({"name": name, "config": {}})
        })
    };
    Some(if file.ends_with(".jsonl") {
        text.lines()
            .filter(|line| !line.trim().is_empty())
            .map(parse)
            .collect()
    } else {
        vec![parse(&text)]
    })
}

/// Runs every case of the files that the folder has and writes their rows into the table.
///
/// # Panics
/// If a due case failed, or if files are there and none of their cases is due.
pub fn run(files: &[&str], mut judge: impl FnMut(&str, &Json) -> Outcome) {
    let mut failures = Vec::new();
    let (mut present, mut due) = (0, 0);
    for file in files {
        let Some(cases) = cases(file) else { continue };
        present += 1;
        let mut row = table::Row::default();
        for (number, case) in cases.iter().enumerate() {
            let outcome = judge(file, case);
            row.count(&outcome);
            if let Outcome::Failed(why) = outcome {
                let name = case["name"]
                    .as_str()
                    .map_or_else(|| number.to_string(), str::to_owned);
                failures.push(format!("{file} {name}: {why}"));
            }
        }
        due += row.due;
        table::write(file, row);
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
    assert!(
        present == 0 || due > 0,
        "none of the cases in {files:?} is due"
    );
}
