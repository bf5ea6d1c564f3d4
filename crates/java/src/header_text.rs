//! Values as text for headers: Connect's `Values.convertToString`.

use crate::civil::CivilTime;
use crate::number::{f32_text, f64_text};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use millstream_core::logical::DAY_MILLIS;
use millstream_core::value::Value;

/// Strings as they are, numbers as Java prints them, bytes in base64, lists and maps like JSON but for their keys and
/// dates; a struct is a map with its defaults put in.
pub fn header_text(value: &Value) -> String {
    let mut text = String::new();
    append(&mut text, value, false);
    text
}

/// A date by its size: below a day as a time, whole days as a date, else both; always with a `Z`.
pub fn date_text(millis: i64) -> String {
    let t = CivilTime::from_millis(millis);
    let time = || {
        format!(
            "{:02}:{:02}:{:02}.{:03}Z",
            t.hour, t.minute, t.second, t.millisecond
        )
    };
    let date = || format!("{:04}-{:02}-{:02}", t.year, t.month, t.day);
    if millis < DAY_MILLIS {
        time()
    } else if millis % DAY_MILLIS == 0 {
        date()
    } else {
        format!("{}T{}", date(), time())
    }
}

fn append(text: &mut String, value: &Value, embedded: bool) {
    let quoted = |text: &mut String, content: &str| {
        if embedded {
            text.push('"');
            for c in content.chars() {
                if matches!(c, '"' | '\\') {
                    text.push('\\');
                }
                text.push(c);
            }
            text.push('"');
        } else {
            text.push_str(content);
        }
    };
    match value {
        Value::Float32(v) => text.push_str(&f32_text(*v)),
        Value::Float64(v) => text.push_str(&f64_text(*v)),
        Value::String(string) => quoted(text, &string.to_java_utf8()),
        Value::Bytes(bytes) => quoted(text, &STANDARD.encode(bytes)),
        Value::Date(millis) => text.push_str(&date_text(*millis)),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                append(text, item, true);
            }
            text.push(']');
        }
        Value::Map(map) => {
            append_pairs(text, map.iter().map(|(key, value)| (key.clone(), value)));
        }
        Value::Struct(record) => {
            let fields = record.schema.fields.iter().enumerate();
            append_pairs(
                text,
                fields.map(|(at, field)| (Value::from(field.name.as_str()), record.get_at(at))),
            );
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}

fn append_pairs<'a>(text: &mut String, pairs: impl Iterator<Item = (Value, &'a Value)>) {
    text.push('{');
    for (index, (key, value)) in pairs.enumerate() {
        if index > 0 {
            text.push(',');
        }
        append(text, &key, true);
        text.push(':');
        append(text, value, true);
    }
    text.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_what_is_nested() {
        let list = Value::Array(vec![Value::Int32(1), Value::from("q\"u"), Value::Null]);
        assert_eq!(header_text(&list), "[1,\"q\\\"u\",null]");
        assert_eq!(header_text(&Value::from("a \"b\"")), "a \"b\"");
        assert_eq!(date_text(-5), "23:59:59.995Z");
        assert_eq!(date_text(86_400_000), "1970-01-02");
        assert_eq!(date_text(86_400_001), "1970-01-02T00:00:00.001Z");
    }
}
