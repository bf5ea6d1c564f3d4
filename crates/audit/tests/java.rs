//! Buckets that Confluent's sink has written, from the recordings: none of them has a fault but those whose records were left
//! out, and every file of Parquet and Avro is counted as its writer did.
#![allow(clippy::unwrap_used)]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use millstream_audit::compression::Compression;
use millstream_audit::contents::{ContentKind, Counter, ParquetEnd, parquet_rows};
use millstream_audit::existing::Existing;
use millstream_audit::finding::Severity;
use millstream_audit::judge::{Expected, Rules, TopicExpected, judge};
use millstream_audit::ledger::{Ledger, Listed, Noted};
use millstream_audit::names::NameSettings;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const FILES: [&str; 6] = ["formats", "json", "keys", "lab", "requests", "rotation"];

fn cases() -> Vec<Value> {
    FILES
        .iter()
        .flat_map(|name| millstream_golden::cases(&format!("s3/{name}.jsonl")))
        .collect()
}

fn settings(config: &Value) -> NameSettings {
    let text = |key: &str, unset: &str| config[key].as_str().unwrap_or(unset).trim().to_owned();
    NameSettings {
        topics_dir: text("topics.dir", "topics"),
        directory_delim: text("directory.delim", "/"),
        file_delim: text("file.delim", "+"),
        tombstones: text("tombstone.encoded.partition", "tombstone"),
        values: config["format.bytearray.extension"]
            .as_str()
            .map(str::to_owned),
        ..NameSettings::default()
    }
}

/// The offsets that the sink was given, by topic and partition.
fn given(case: &Value) -> BTreeMap<String, TopicExpected> {
    let mut offsets: BTreeMap<(String, i32), BTreeSet<i64>> = BTreeMap::new();
    let empty = Vec::new();
    for step in case["steps"].as_array().unwrap() {
        for record in step["put"].as_array().unwrap_or(&empty) {
            let place = (
                record["topic"].as_str().unwrap().to_owned(),
                record["partition"].as_i64().unwrap() as i32,
            );
            offsets
                .entry(place)
                .or_default()
                .insert(record["offset"].as_i64().unwrap());
        }
        if let Some(generated) = step.get("generate") {
            let place = (
                generated["topic"].as_str().unwrap().to_owned(),
                generated["partition"].as_i64().unwrap() as i32,
            );
            let first = generated["first_offset"].as_i64().unwrap_or(0);
            let all = offsets.entry(place).or_default();
            all.extend(first..first + generated["count"].as_i64().unwrap());
        }
    }
    let mut expected: BTreeMap<String, TopicExpected> = BTreeMap::new();
    for ((topic, partition), offsets) in offsets {
        let mut existing = Existing::default();
        for offset in offsets {
            existing.record(offset).unwrap();
        }
        let due = Expected {
            existing,
            ..Expected::default()
        };
        expected
            .entry(topic)
            .or_default()
            .each
            .insert(partition, due);
    }
    expected
}

/// The records of a recorded object; `None` if the recording keeps a digest alone.
fn count(
    object: &Value,
    id: &millstream_audit::ledger::ObjectId,
    extension: &str,
    separator: &str,
) -> Option<u64> {
    if let Some(file) = object["base64"].as_str() {
        let file = STANDARD.decode(file).unwrap();
        let rows = object["parquet"]["rows"]
            .as_array()
            .map(|rows| rows.len() as u64);
        let Ok(ParquetEnd::Rows(found)) = parquet_rows(&file, file.len() as u64) else {
            panic!("{}: a footer of parquet-mr is read", object["key"]);
        };
        assert!(rows.is_none_or(|rows| rows == found), "{}", object["key"]);
        return Some(found);
    }
    if let Some(blocks) = object["avro"]["blocks"].as_array() {
        return Some(
            blocks
                .iter()
                .map(|block| block["count"].as_u64().or(block[0].as_u64()).unwrap())
                .sum(),
        );
    }
    let text = object["text"].as_str()?;
    let kind = match ContentKind::of(extension, separator.as_bytes()) {
        ContentKind::Json { .. } => ContentKind::Json {
            compression: Compression::None,
        },
        ContentKind::Bytes { separator, .. } => ContentKind::Bytes {
            separator,
            compression: Compression::None,
        },
        other => other,
    };
    let mut counter = Counter::new(&kind, id.part).ok()?;
    counter.push(text.as_bytes()).ok()?;
    counter.finish().ok()
}

#[test]
fn golden_buckets_of_java_have_the_faults_they_were_made_with_and_no_others() {
    let mut found = Vec::new();
    let mut clean = 0;
    for case in cases() {
        let Some(objects) = case["expected"]["objects"]
            .as_array()
            .filter(|objects| !objects.is_empty())
        else {
            continue;
        };
        let config = &case["config"];
        let mut ledger = Ledger::new(settings(config));
        let separator = config["format.bytearray.separator"]
            .as_str()
            .unwrap_or("\n");
        for object in objects {
            let key = object["key"].as_str().unwrap();
            let size = object["size"]
                .as_u64()
                .or(object["length"].as_u64())
                .unwrap_or(1);
            if let Noted::Object(id) = ledger
                .list(Listed {
                    key,
                    size,
                    is_archived: false,
                })
                .unwrap()
            {
                let extension = ledger.extension_of(&id).to_owned();
                if let Some(records) = count(object, &id, &extension, separator) {
                    ledger.counted(&id, records);
                }
            }
        }
        let verdict = judge(
            ledger,
            &Rules {
                is_deep: true,
                ..Rules::default()
            },
            &given(&case),
        );
        let (findings, _) = verdict.findings.sorted();
        let kinds: BTreeSet<&str> = findings
            .iter()
            .filter(|it| it.severity != Severity::Note)
            .map(|it| it.kind.name())
            .collect();
        if kinds.is_empty() {
            clean += 1;
        } else {
            found.push(format!(
                "{}: {}",
                case["name"].as_str().unwrap(),
                Vec::from_iter(kinds).join(" ")
            ));
        }
    }
    // A header without a value fails after its value was written; without a delimiter nobody knows where a partition's number
    // ends; ignored nulls leave a hole.
    let made = [
        "headers-null-value: wrong-count",
        "delims-blank-are-trimmed: foreign",
        "tombstone-ignore: gap",
    ];
    assert_eq!(found, made);
    assert!(clean > 200, "{clean}");
}
