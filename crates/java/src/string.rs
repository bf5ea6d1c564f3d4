//! Values as Java's `toString` shows them.

use crate::date::date_string;
use crate::number::{f32_text, f64_text};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use millstream_core::Value;

/// The text of `String.valueOf`. Bytes, whose Java text is an identity, are given in base64.
pub fn java_string(value: &Value) -> String {
    let joined = |parts: Vec<String>, separator: &str| parts.join(separator);
    match value {
        Value::Int32(v) => itoa::Buffer::new().format(*v).to_owned(),
        Value::Int64(v) => itoa::Buffer::new().format(*v).to_owned(),
        Value::Float32(v) => f32_text(*v),
        Value::Float64(v) => f64_text(*v),
        Value::Date(millis) => date_string(*millis),
        Value::Bytes(bytes) => STANDARD.encode(bytes),
        Value::Array(items) => {
            format!(
                "[{}]",
                joined(items.iter().map(java_string).collect(), ", ")
            )
        }
        Value::Map(map) => {
            let pairs = map.iter();
            let pairs = pairs.map(|(k, v)| format!("{}={}", java_string(k), java_string(v)));
            format!("{{{}}}", joined(pairs.collect(), ", "))
        }
        Value::Struct(record) => {
            let fields = record.schema.fields.iter().zip(&record.values);
            let set = fields.filter(|(_, value)| !value.is_null());
            let pairs = set.map(|(field, value)| format!("{}={}", field.name, java_string(value)));
            format!("Struct{{{}}}", joined(pairs.collect(), ","))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn dates_are_in_utc_and_bytes_in_base64() {
        let date = java_string(&Value::Date(0));
        assert_eq!(date, "Thu Jan 01 00:00:00 UTC 1970");
        // Before 15 October 1582 Java counts by the Julian calendar.
        let date = java_string(&Value::Date(-12_219_292_800_001));
        assert_eq!(date, "Thu Oct 04 23:59:59 UTC 1582");
        let date = java_string(&Value::Date(-62_135_596_800_000));
        assert_eq!(date, "Mon Jan 03 00:00:00 UTC 1");
        let bytes = java_string(&Value::Bytes(Bytes::from_static(b"\xff\x00")));
        assert_eq!(bytes, "/wA=");
    }
}
