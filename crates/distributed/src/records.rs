//! Records of the internal topics, as Java's workers write and read them: UTF-8 keys, and values of compact JSON whose fields
//! stand in a fixed order. Layouts: Kafka Connect's KafkaConfigBackingStore, KafkaStatusBackingStore and
//! KafkaOffsetBackingStore of 4.3.1, and records of it.

pub mod config;
pub mod offset;
pub mod status;

use bytes::Bytes;
use millstream_core::Properties;
use millstream_core::compacted_log::LogEntry;
use millstream_java::json::write_str;
use serde_json::value::RawValue;
use serde_json::{Map as Fields, Value as Json};
use std::borrow::Cow;

/// A record that tells nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Java's converter fails, and the record does not count for the position.
    #[error("its value is not JSON")]
    NotJson,
    /// It is JSON, but not of this layout.
    #[error("{0}")]
    Odd(String),
}

impl Unusable {
    fn odd(why: impl Into<String>) -> Self {
        Unusable::Odd(why.into())
    }
}

/// A key as Java's string deserializer reads it.
fn text_of(key: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(key)
}

fn entry(key: String, value: Option<Vec<u8>>) -> LogEntry {
    LogEntry {
        key: Bytes::from(key),
        value: value.map(Bytes::from),
    }
}

/// The value, if it is JSON.
fn json(value: &[u8]) -> Result<Json, Unusable> {
    serde_json::from_slice(value).map_err(|_| {
        // What is too deep or too large for us may be JSON for Java.
        match serde_json::from_slice::<&RawValue>(value) {
            Ok(_) => Unusable::odd("its value cannot be held"),
            Err(_) => Unusable::NotJson,
        }
    })
}

/// The fields of a value that is to be an object; `None` for a tombstone.
fn fields(value: Option<&[u8]>) -> Result<Option<Fields<String, Json>>, Unusable> {
    match value.map(json).transpose()? {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Object(fields)) => Ok(Some(fields)),
        Some(_) => Err(Unusable::odd("its value is no object")),
    }
}

fn required<T>(value: Option<T>, what: &str) -> Result<T, Unusable> {
    value.ok_or_else(|| Unusable::odd(format!("it has no usable field {what}")))
}

/// A map of texts; other scalars, which Java does not write, are taken as they are spelt.
fn properties(value: &Json) -> Option<Properties> {
    let mut properties = Properties::new();
    for (key, value) in value.as_object()? {
        match value {
            Json::Null => properties.insert_null(key),
            Json::String(text) => properties.insert(key, text),
            other => properties.insert(key, other.to_string()),
        }
    }
    Some(properties)
}

/// Writes `{"a":…,"b":…}`, field by field.
struct Writer(Vec<u8>);

impl Writer {
    fn new() -> Self {
        Writer(vec![b'{'])
    }

    fn name(&mut self, name: &str) -> &mut Vec<u8> {
        if self.0.last() != Some(&b'{') {
            self.0.push(b',');
        }
        write_str(&mut self.0, name);
        self.0.push(b':');
        &mut self.0
    }

    fn text(mut self, name: &str, value: Option<&str>) -> Self {
        push_text(self.name(name), value);
        self
    }

    fn number(mut self, name: &str, value: i64) -> Self {
        millstream_java::json::write_i64(self.name(name), value);
        self
    }

    fn flag(mut self, name: &str, value: bool) -> Self {
        let text: &[u8] = if value { b"true" } else { b"false" };
        self.name(name).extend_from_slice(text);
        self
    }

    fn properties(mut self, name: &str, properties: &Properties) -> Self {
        let mut inner = Writer::new();
        for (key, value) in properties.entries() {
            push_text(inner.name(key), value);
        }
        let inner = inner.end();
        self.name(name).extend_from_slice(&inner);
        self
    }

    fn object(mut self, name: &str, inner: Writer) -> Self {
        let inner = inner.end();
        self.name(name).extend_from_slice(&inner);
        self
    }

    fn end(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }
}

fn push_text(out: &mut Vec<u8>, value: Option<&str>) {
    match value {
        Some(text) => write_str(out, text),
        None => out.extend_from_slice(b"null"),
    }
}
