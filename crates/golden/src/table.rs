//! The table of results, shared by test processes that may run one after another.

use crate::Outcome;
use serde_json::{Map, Value as Json, json};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Row {
    pub(crate) due: usize,
    passed: usize,
    failed: usize,
    pub(crate) not_due: usize,
}

impl Row {
    pub(crate) fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Setup => {}
            Outcome::NotDue(_) => self.not_due += 1,
            Outcome::Passed => {
                self.due += 1;
                self.passed += 1;
            }
            Outcome::Failed(_) => {
                self.due += 1;
                self.failed += 1;
            }
        }
    }
}

/// Puts the row of a file into `target/golden.json` and writes `target/golden.txt` anew.
pub(crate) fn write(file: &str, row: Row) {
    let target = target();
    let lock = File::create(target.join("golden.lock")).expect("the target folder is writable");
    lock.lock().expect("the lock file can be locked");
    let path = target.join("golden.json");
    let mut rows: Map<String, Json> = fs::read_to_string(&path)
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    rows.insert(
        file.to_owned(),
        json!({"due": row.due, "passed": row.passed, "failed": row.failed, "not_due": row.not_due}),
    );
    rows.sort_keys();
    let mut text = format!(
        "{:<48}{:>6}{:>8}{:>8}{:>9}\n",
        "file", "due", "passed", "failed", "not due"
    );
    for (file, row) in &rows {
        text.push_str(&format!(
            "{file:<48}{:>6}{:>8}{:>8}{:>9}\n",
            count(row, "due"),
            count(row, "passed"),
            count(row, "failed"),
            count(row, "not_due")
        ));
    }
    fs::write(&path, Json::Object(rows).to_string()).expect("the target folder is writable");
    fs::write(target.join("golden.txt"), text).expect("the target folder is writable");
}

fn count(row: &Json, column: &str) -> u64 {
    row[column].as_u64().unwrap_or(0)
}

/// The workspace's target folder.
fn target() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"),
        PathBuf::from,
    );
    fs::create_dir_all(&target).expect("the target folder can be made");
    target
}
