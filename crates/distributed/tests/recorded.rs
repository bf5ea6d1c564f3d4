//! Every record that Java's worker was seen to write, read and written again to the same bytes.

#![allow(clippy::unwrap_used)]

use millstream_core::Map;
use millstream_core::compacted_log::LogEntry;
use millstream_distributed::records::config::ConfigEntry;
use millstream_distributed::records::offset::OffsetTable;
use millstream_distributed::records::status;
use serde_json::Value as Json;

const SERIES: [&str; 4] = [
    "connect/topics-1-sink-states.jsonl",
    "connect/topics-2-restarts-and-failure.jsonl",
    "connect/topics-4-source-offsets.jsonl",
    "connect/topics-5-loggers-and-transforms.jsonl",
];

/// With something in place of what differed from run to run.
fn fill(text: &str) -> String {
    let text = text.replace("{{MILLIS}}", "1730000000000");
    text.replace("{{SESSION_KEY}}", "AAEC/w==")
}

fn again(topic: &str, key: &[u8], value: Option<&[u8]>) -> LogEntry {
    match topic {
        "kc_config" => ConfigEntry::read(key, value).unwrap().write(),
        "kc_status" => status::write(&status::read(key, value).unwrap()),
        _ => {
            let mut table = OffsetTable::default();
            table.read(key, value).unwrap();
            let key: Json = serde_json::from_slice(key).unwrap();
            let map = |json: &Json| {
                let pairs = json.as_object().unwrap().iter();
                Map::linked(pairs.map(|(name, value)| {
                    let value = value.as_str().unwrap();
                    (name.as_str().into(), value.into())
                }))
            };
            let (connector, partition) = (key[0].as_str().unwrap(), map(&key[1]));
            let offset = table.get(connector, &partition).unwrap();
            // From nothing, so that the key's bytes are made anew.
            let written = OffsetTable::default().write(connector, &partition, offset);
            written.unwrap()
        }
    }
}

#[test]
fn recorded_records_are_written_to_the_same_bytes() {
    let mut count = 0;
    for file in SERIES {
        for step in millstream_golden::cases(file) {
            for record in step["records"].as_array().into_iter().flatten() {
                let key = fill(record["key"]["text"].as_str().unwrap());
                let value = record["value"]["text"].as_str().map(fill);
                let topic = record["topic"].as_str().unwrap();
                let written = again(topic, key.as_bytes(), value.as_ref().map(String::as_bytes));
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                assert_eq!(text(&written.key), key);
                assert_eq!(written.value.as_deref().map(text), value, "{file} {key}");
                count += 1;
            }
        }
    }
    assert!(count > 200, "{count} records");
}
