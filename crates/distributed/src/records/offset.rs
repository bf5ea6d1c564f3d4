//! Records of the topic of source offsets: `["connector",{partition}]` → `{offset}`.

use super::{Unusable, entry, fields, json, required};
use bytes::Bytes;
use millstream_core::compacted_log::LogEntry;
use millstream_core::{Map, RecordError, Text, Value};
use millstream_java::json::write_value;
use serde_json::Value as Json;
use std::collections::HashMap;

/// Why a partition or an offset of a source cannot be kept; the texts are Java's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOffset {
    #[error("Offsets may only use String keys")]
    Key,
    #[error(
        "Offsets may only contain primitive types as values, but field {field} contains {kind}"
    )]
    Value { field: String, kind: &'static str },
    #[error(transparent)]
    Unwritable(#[from] RecordError),
}

/// Where connectors stand, by what they call a partition. Connectors find their offsets by comparing the bytes of keys, whose
/// fields stand in the order of a hash map of Java's; here a partition is found whatever the order, and what was written
/// under some bytes is written under the same ones again.
#[derive(Clone, Debug, Default)]
pub struct OffsetTable(HashMap<String, Kept>);

#[derive(Clone, Debug)]
struct Kept {
    key: Bytes,
    offset: Map,
}

impl OffsetTable {
    /// Takes a record.
    ///
    /// # Errors
    /// If it tells nothing.
    pub fn read(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), Unusable> {
        let parsed = json(key)?;
        let found = required(name_of(&parsed), "connector and partition")?;
        match fields(value)? {
            None => {
                self.0.remove(&found);
            }
            Some(fields) => {
                let key = Bytes::copy_from_slice(key);
                let offset = map(&fields);
                self.0.insert(found, Kept { key, offset });
            }
        }
        Ok(())
    }

    /// Where the connector stands in a partition.
    ///
    /// # Errors
    /// If the partition is none that could be kept.
    pub fn get(&self, connector: &str, partition: &Map) -> Result<Option<&Map>, InvalidOffset> {
        let (name, _) = named(connector, partition)?;
        Ok(self.0.get(&name).map(|kept| &kept.offset))
    }

    /// All partitions of a connector, each with where it stands.
    pub fn of(&self, connector: &str) -> Vec<(Map, Map)> {
        let all = self.0.values().filter_map(|kept| {
            let key = json(&kept.key).ok()?;
            match key.as_array()?.as_slice() {
                [Json::String(name), Json::Object(partition)] if name == connector => {
                    Some((map(partition), kept.offset.clone()))
                }
                _ => None,
            }
        });
        all.collect()
    }

    /// The record that says where the connector stands; `None`: nowhere.
    ///
    /// # Errors
    /// If the partition or the offset is none that can be kept.
    pub fn write(
        &self,
        connector: &str,
        partition: &Map,
        offset: Option<&Map>,
    ) -> Result<LogEntry, InvalidOffset> {
        let (name, new) = named(connector, partition)?;
        let value = offset.map(|offset| {
            check(offset)?;
            text(&Value::Map(offset.clone()))
        });
        let written = entry(String::new(), value.transpose()?);
        let key = self.0.get(&name).map(|kept| kept.key.clone());
        Ok(LogEntry {
            key: key.unwrap_or_else(|| Bytes::from(new)),
            ..written
        })
    }
}

/// A key's name in the table, and its bytes as they are written for the first time.
fn named(connector: &str, partition: &Map) -> Result<(String, Vec<u8>), InvalidOffset> {
    check(partition)?;
    let name = Value::String(Text::from(connector));
    let bytes = text(&Value::Array(vec![name, Value::Map(partition.clone())]))?;
    let parsed = json(&bytes).ok().as_ref().and_then(name_of);
    // What was written just now is JSON of two items.
    Ok((parsed.unwrap_or_default(), bytes))
}

fn text(value: &Value) -> Result<Vec<u8>, InvalidOffset> {
    let mut text = Vec::new();
    write_value(&mut text, value)?;
    Ok(text)
}

fn check(map: &Map) -> Result<(), InvalidOffset> {
    for (key, value) in map.iter() {
        let Value::String(key) = key else {
            return Err(InvalidOffset::Key);
        };
        let kind = match value {
            Value::Array(_) => "ARRAY",
            Value::Map(_) => "MAP",
            Value::Struct(_) => "STRUCT",
            _ => continue,
        };
        let field = key.to_string();
        return Err(InvalidOffset::Value { field, kind });
    }
    Ok(())
}

/// The connector and the partition with its fields in order of their names.
fn name_of(key: &Json) -> Option<String> {
    match key.as_array()?.as_slice() {
        [connector @ Json::String(_), partition @ Json::Object(_)] => {
            Some(format!("{connector}{}", sorted(partition)))
        }
        _ => None,
    }
}

fn sorted(value: &Json) -> String {
    match value {
        Json::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            let name = |name: &str| Json::String(name.to_owned());
            let fields = fields
                .into_iter()
                .map(|(field, value)| format!("{}:{}", name(field), sorted(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        Json::Array(items) => {
            let items = items.iter().map(sorted);
            format!("[{}]", items.collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

/// As JsonConverter reads it: whole numbers are INT64, others FLOAT64, and objects hash maps.
fn map(fields: &serde_json::Map<String, Json>) -> Map {
    let pairs = fields
        .iter()
        .map(|(name, value)| (Value::String(Text::from(&**name)), plain(value)));
    Map::hashed(pairs)
}

fn plain(value: &Json) -> Value {
    match value {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Boolean(*value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Int64(number),
            None => Value::Float64(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::String(Text::from(&**text)),
        Json::Array(items) => Value::Array(items.iter().map(plain).collect()),
        Json::Object(fields) => Value::Map(map(fields)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashed(pairs: &[(&str, Value)]) -> Map {
        let pairs = pairs.iter().cloned();
        Map::hashed(pairs.map(|(name, value)| (Value::String(Text::from(name)), value)))
    }

    fn shown(bytes: &[u8]) -> &str {
        std::str::from_utf8(bytes).expect("UTF-8")
    }

    #[test]
    fn keys_stand_in_the_order_of_java_s_hash_map() {
        for (sent, expected) in [
            (
                vec!["topic", "cluster", "partition"],
                r#"{"cluster":0,"partition":0,"topic":0}"#,
            ),
            (vec!["table", "protocol"], r#"{"protocol":0,"table":0}"#),
            (vec!["database", "server"], r#"{"server":0,"database":0}"#),
            (
                vec!["kafka_topic", "kafka_partition"],
                r#"{"kafka_partition":0,"kafka_topic":0}"#,
            ),
        ] {
            let pairs: Vec<_> = sent.iter().map(|name| (*name, Value::Int32(0))).collect();
            let written = OffsetTable::default().write("c", &hashed(&pairs), None);
            let written = written.expect("writable");
            assert_eq!(shown(&written.key), format!(r#"["c",{expected}]"#));
            assert_eq!(written.value, None);
        }
        let partition = hashed(&[("d", Value::Float64(1.0))]);
        let offset = hashed(&[("position", Value::Int64(30))]);
        let written = OffsetTable::default().write("my-conn", &partition, Some(&offset));
        let written = written.expect("writable");
        assert_eq!(shown(&written.key), r#"["my-conn",{"d":1.0}]"#);
        assert_eq!(
            written.value.as_deref().map(shown),
            Some(r#"{"position":30}"#)
        );
    }

    #[test]
    fn a_partition_is_found_in_any_order_and_keeps_its_bytes() {
        let mut table = OffsetTable::default();
        let key = r#"["c",{"topic":"t", "cluster":"x"}]"#;
        let value = r#"{"offset":7,"part":0.5,"more":{"a":[1,null,true]}}"#;
        table
            .read(key.as_bytes(), Some(value.as_bytes()))
            .expect("readable");
        let text = |text: &str| Value::String(Text::from(text));
        let partition = hashed(&[("cluster", text("x")), ("topic", text("t"))]);
        let found = table.get("c", &partition).expect("a partition");
        let found = found.expect("known");
        let number = found.iter().find(|(name, _)| *name == text("offset"));
        assert!(matches!(number, Some((_, Value::Int64(7)))));
        let written = table.write("c", &partition, None).expect("writable");
        assert_eq!(shown(&written.key), key);
        table.read(key.as_bytes(), None).expect("readable");
        assert!(table.get("c", &partition).expect("a partition").is_none());
        for odd in [r#"["c"]"#, r#"[{},"c"]"#, r#"["c",{},1]"#, "7"] {
            let read = table.read(odd.as_bytes(), None);
            assert!(matches!(read, Err(Unusable::Odd(_))), "{odd}");
        }
        assert_eq!(table.read(b"\xff", None), Err(Unusable::NotJson));
    }

    #[test]
    fn only_plain_values_under_texts_are_kept() {
        let table = OffsetTable::default();
        let nested = hashed(&[("a", Value::Array(Vec::new()))]);
        let error = table.write("c", &nested, None).expect_err("an array");
        assert_eq!(
            error.to_string(),
            "Offsets may only contain primitive types as values, but field a contains ARRAY"
        );
        let numbered = Map::hashed([(Value::Int32(1), Value::Null)]);
        let error = table.get("c", &numbered).expect_err("a number");
        assert_eq!(error.to_string(), "Offsets may only use String keys");
    }
}
