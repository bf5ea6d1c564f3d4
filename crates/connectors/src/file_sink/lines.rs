//! Lines: the values of a batch as text, a line each.

use millstream_core::{Payload, RawKind, RecordBatch, Value, text};
use millstream_java::string::java_string;

/// Adds a line for each row: what Java's `println` writes of its value.
pub(super) fn append(batch: &RecordBatch, lines: &mut Vec<u8>) {
    match &batch.values {
        Payload::Raw {
            column,
            kind: RawKind::String,
        } => {
            let start = lines.len();
            for value in column.iter() {
                line(value.unwrap_or(b"null"), lines);
            }
            // A line break is never part of a longer character, so all lines are well formed if the whole is.
            if simdutf8::basic::from_utf8(&lines[start..]).is_err() {
                lines.truncate(start);
                for value in column.iter() {
                    line(
                        text::decode_utf8(value.unwrap_or(b"null")).as_bytes(),
                        lines,
                    );
                }
            }
        }
        // Any other column has come as values, unless it is empty; data that stay encoded are not asked for.
        Payload::Raw { .. } | Payload::Encoded(_) => {}
        Payload::Decoded(decoded) => {
            for value in &decoded.values {
                match value {
                    Value::String(text) => line(text.to_java_utf8().as_bytes(), lines),
                    other => line(java_string(other).as_bytes(), lines),
                }
            }
        }
    }
}

fn line(text: &[u8], lines: &mut Vec<u8>) {
    lines.extend_from_slice(text);
    lines.push(b'\n');
}
