//! The sink against the recordings of MongoDB's own connector: the same statements on the wire, the same
//! records reported, the same texts of validation.
#![allow(clippy::unwrap_used)]

#[path = "golden/end_to_end.rs"]
mod end_to_end;

#[path = "golden/models.rs"]
mod models;

#[path = "golden/validation.rs"]
mod validation;

mod support;

use end_to_end::judge_end_to_end;
use millstream_core::RecordError;
use millstream_golden::Outcome;
use models::judge_models;
use serde_json::Value as Json;
use validation::{judge_config, judge_config_def, judge_config_live, judge_config_secure};

fn run(runner: &str, judge: impl AsyncFn(&Json) -> Outcome) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    millstream_golden::run(runner, |_, case| match not_due(case) {
        Some(why) => Outcome::NotDue(why),
        None => runtime.block_on(judge(case)),
    });
}

#[test]
fn golden_models() {
    run("mongodb models", judge_models);
}

#[test]
fn golden_config() {
    run("mongodb config", judge_config);
}

#[test]
fn golden_config_live() {
    run("mongodb config live", judge_config_live);
}

#[test]
fn golden_config_secure() {
    run("mongodb config secure", judge_config_secure);
}

#[test]
fn golden_end_to_end() {
    run("mongodb end to end", judge_end_to_end);
}

#[test]
fn golden_config_def() {
    millstream_golden::run("mongodb settings", |_, case| judge_config_def(case));
}

/// What a case needs that does not exist yet, or where we differ on purpose.
fn not_due(case: &Json) -> Option<String> {
    let name = case["name"].as_str().unwrap();
    let on_purpose = [
        (
            "N7-rename-same-target",
            "the first of two fields renamed alike wins",
        ),
        ("topics-", "a topic without a name is a validation error"),
        (
            "K7-database-dot",
            "a bad database name is a validation error",
        ),
        (
            "K3-transformer-unknown",
            "an unknown transformer is a validation error",
        ),
        ("csfle-incomplete", "encryption is refused as a whole"),
        (
            "N10-field-path-no-key-error",
            "the text does not show the record",
        ),
        ("N8-regexp-bad-pattern", "a bad rule is a validation error"),
        ("N8-regexp-missing-item", "a bad rule is a validation error"),
        (
            "renamer-regexp-bad-pattern",
            "a bad rule is a validation error",
        ),
        (
            "T3-map-ejson-like",
            "a bad name fails its record, not the batch",
        ),
        (
            "T7-dollar-top",
            "a bad name fails its record, not the batch",
        ),
        ("T7-nul-name", "a bad name fails its record, not the batch"),
        (
            "dollar-name-data",
            "a bad name fails its record, not the batch",
        ),
        (
            "T7-deep",
            "deeper than the runner reads; json.rs has its own test",
        ),
        ("override-bad-class", "reported under the full name"),
        (
            "secure-no-privileges",
            "a store that tells no privileges is a warning",
        ),
        (
            "secure-sha1",
            "a store that tells no privileges is a warning",
        ),
        (
            "secure-truststore-missing",
            "a store that cannot be read is an error of its key",
        ),
        ("secure-ca-file", "tlsCAFile is read"),
    ];
    let found = on_purpose
        .iter()
        .find(|(prefix, _)| name.starts_with(prefix));
    found.map(|(_, why)| format!("differs on purpose: {why}"))
}

/// Texts that carry an object's identity, or that Java words as it likes.
fn same_error(actual: &RecordError, expected: &Json) -> bool {
    let class = expected["class"].as_str().unwrap();
    let free = [
        "NullPointer",
        "ClassCast",
        "IndexOutOfBounds",
        "ConcurrentModification",
        "PatternSyntax",
        "JsonParse",
        "NumberFormat",
    ];
    if free.iter().any(|name| class.contains(name)) {
        return true;
    }
    actual.java_message().replace("[B@0", "[B@HASH") == expected["message"].as_str().unwrap_or("")
        && actual.class == class
}
