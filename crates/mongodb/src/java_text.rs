//! Values as Java prints them, for error texts; and documents as the Java driver's JSON writer does.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bson::{Bson, Document};
use millstream_core::Value;
use millstream_java::civil::java_date;
use millstream_java::number as java_number;

/// Java's `String.valueOf`.
pub(crate) fn java_text(value: &Value) -> String {
    let joined = |parts: Vec<String>| parts.join(", ");
    match value {
        Value::String(text) => text.to_java_utf8().into_owned(),
        Value::Float32(v) => java_number::f32_text(*v),
        Value::Float64(v) => java_number::f64_text(*v),
        Value::Bytes(_) => "[B@0".to_owned(),
        Value::Date(millis) => java_date(*millis),
        Value::Array(items) => format!("[{}]", joined(items.iter().map(java_text).collect())),
        Value::Map(map) => {
            let pairs = map
                .iter()
                .map(|(k, v)| format!("{}={}", java_text(k), java_text(v)));
            format!("{{{}}}", joined(pairs.collect()))
        }
        Value::Struct(record) => {
            let fields = record.schema.fields.iter().zip(&record.values);
            let set = fields.filter(|(_, value)| !value.is_null());
            let parts: Vec<String> = set
                .map(|(field, value)| format!("{}={}", field.name, java_text(value)))
                .collect();
            format!("Struct{{{}}}", parts.join(","))
        }
        plain => plain.to_string(),
    }
}

/// Java's `String.valueOf` of what a converter reads from JSON without a schema.
pub(crate) fn json_value_text(value: &Bson) -> String {
    match value {
        Bson::Array(items) => {
            let items: Vec<String> = items.iter().map(json_value_text).collect();
            format!("[{}]", items.join(", "))
        }
        Bson::Document(document) => {
            let pairs: Vec<String> = document
                .iter()
                .map(|(name, value)| format!("{name}={}", json_value_text(value)))
                .collect();
            format!("{{{}}}", pairs.join(", "))
        }
        Bson::String(text) => text.clone(),
        Bson::Double(v) => java_number::f64_text(*v),
        other => other.to_string(),
    }
}

/// `BsonDocument.toJson()`: relaxed extended JSON with blanks after colons and commas.
pub(crate) fn relaxed_json(document: &Document) -> String {
    let members: Vec<String> = document
        .iter()
        .map(|(name, value)| format!("{}: {}", quoted(name), relaxed_value(value)))
        .collect();
    format!("{{{}}}", members.join(", "))
}

fn relaxed_value(value: &Bson) -> String {
    match value {
        Bson::Document(document) => relaxed_json(document),
        Bson::Array(items) => {
            let items: Vec<String> = items.iter().map(relaxed_value).collect();
            format!("[{}]", items.join(", "))
        }
        Bson::String(text) => quoted(text),
        Bson::Double(v) if v.is_finite() => java_number::f64_text(*v),
        Bson::Double(v) if v.is_nan() => r#"{"$numberDouble": "NaN"}"#.to_owned(),
        Bson::Double(v) => {
            let sign = if *v < 0.0 { "-" } else { "" };
            format!(r#"{{"$numberDouble": "{sign}Infinity"}}"#)
        }
        Bson::Int32(v) => v.to_string(),
        Bson::Int64(v) => v.to_string(),
        Bson::Boolean(v) => v.to_string(),
        Bson::Null => "null".to_owned(),
        Bson::ObjectId(id) => format!(r#"{{"$oid": "{id}"}}"#),
        Bson::DateTime(time) => match time.try_to_rfc3339_string() {
            Ok(text) => format!(r#"{{"$date": "{text}"}}"#),
            Err(_) => format!(
                r#"{{"$date": {{"$numberLong": "{}"}}}}"#,
                time.timestamp_millis()
            ),
        },
        Bson::Binary(binary) => format!(
            r#"{{"$binary": {{"base64": "{}", "subType": "{:02x}"}}}}"#,
            STANDARD.encode(&binary.bytes),
            u8::from(binary.subtype)
        ),
        Bson::Decimal128(v) => format!(r#"{{"$numberDecimal": "{v}"}}"#),
        other => quoted(&other.to_string()),
    }
}

/// Java's writer takes half a surrogate pair, which its characters are, for something to escape.
fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    for c in serde_json::Value::from(text).to_string().chars() {
        if c.len_utf16() == 1 {
            quoted.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            quoted.push_str(&format!("\\u{unit:x}"));
        }
    }
    quoted
}

/// How Java shows a value in some messages: `BsonInt32{value=5}`.
pub(crate) fn java_debug(value: &Bson) -> String {
    match value {
        Bson::Null => "BsonNull".to_owned(),
        Bson::Int32(v) => format!("BsonInt32{{value={v}}}"),
        Bson::Int64(v) => format!("BsonInt64{{value={v}}}"),
        Bson::Double(v) => format!("BsonDouble{{value={}}}", java_number::f64_text(*v)),
        Bson::Boolean(v) => format!("BsonBoolean{{value={v}}}"),
        Bson::String(v) => format!("BsonString{{value='{v}'}}"),
        Bson::ObjectId(v) => format!("BsonObjectId{{value={v}}}"),
        Bson::DateTime(v) => format!("BsonDateTime{{value={}}}", v.timestamp_millis()),
        Bson::Binary(v) => {
            let bytes: Vec<String> = v
                .bytes
                .iter()
                .map(|&byte| (byte as i8).to_string())
                .collect();
            format!(
                "BsonBinary{{type={}, data=[{}]}}",
                u8::from(v.subtype),
                bytes.join(", ")
            )
        }
        Bson::Document(document) => relaxed_json(document),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_core::Text;

    #[test]
    fn a_document_is_written_as_by_the_driver() {
        let document = bson::doc! {"a": "}\"ä,🦀", "b": 1.0};
        assert_eq!(
            relaxed_json(&document),
            r#"{"a": "}\"ä,\ud83e\udd80", "b": 1.0}"#
        );
    }

    #[test]
    fn half_a_surrogate_pair_reads_as_java_writes_it() {
        let text = Value::String(Text::from_utf16(&[0x61, 0xD83D]));
        assert_eq!(java_text(&text), "a?");
    }

    #[test]
    fn report_f21_a_date_reads_as_java_s() {
        assert_eq!(java_text(&Value::Date(0)), "Thu Jan 01 00:00:00 UTC 1970");
    }
}
