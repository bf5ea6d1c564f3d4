//! JSON as Jackson prints the trees of a schema: no blanks, numbers as Java's.

use millstream_java::json::{write_f64, write_str};
use serde_json::Value as Json;

/// Appends a tree.
pub fn write(out: &mut Vec<u8>, json: &Json) {
    match json {
        Json::Null => out.extend_from_slice(b"null"),
        Json::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Json::Number(number) if number.is_f64() => {
            write_f64(out, number.as_f64().unwrap_or_default());
        }
        Json::Number(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Json::String(text) => write_str(out, text),
        Json::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(out, item);
            }
            out.push(b']');
        }
        Json::Object(pairs) => {
            out.push(b'{');
            for (index, (key, value)) in pairs.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_str(out, key);
                out.push(b':');
                write(out, value);
            }
            out.push(b'}');
        }
    }
}
