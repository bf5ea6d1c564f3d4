//! ByteArrayFormat: each record's bytes, followed by the separator.

use super::{Encoded, encode_rows};
use millstream_core::{ByteColumn, Decoded, Payload, RawKind, RecordError, SchemaType, Value};
use std::ops::Range;

pub(super) fn encode(
    payload: &Payload,
    rows: Range<usize>,
    limit: usize,
    out: &mut Vec<u8>,
    separator: &[u8],
) -> Encoded {
    match payload {
        Payload::Raw { column, kind } => match kind {
            RawKind::Bytes | RawKind::Undecoded => encode_raw(column, rows, limit, out, separator),
            RawKind::String => encode_rows(rows, limit, out, |_, _| Err(invalid_schema("STRING"))),
            RawKind::Json => encode_rows(rows, limit, out, |_, _| {
                Err(incompatible("java.util.HashMap"))
            }),
        },
        Payload::Decoded(decoded) => encode_rows(rows, limit, out, |row, out| {
            let bytes = bytes_of(decoded, row)?;
            out.reserve(bytes.len() + separator.len());
            out.extend_from_slice(bytes);
            out.extend_from_slice(separator);
            Ok(())
        }),
    }
}

fn encode_raw(
    column: &ByteColumn,
    rows: Range<usize>,
    limit: usize,
    out: &mut Vec<u8>,
    separator: &[u8],
) -> Encoded {
    let mut done = 0;
    for row in rows {
        if out.len() >= limit {
            break;
        }
        let bytes = column.get(row).unwrap_or_default();
        // Once for both: a large record's buffer would grow to twice its size for the separator.
        out.reserve(bytes.len() + separator.len());
        out.extend_from_slice(bytes);
        out.extend_from_slice(separator);
        done += 1;
    }
    Encoded {
        rows: done,
        failure: None,
    }
}

fn bytes_of(decoded: &Decoded, row: usize) -> Result<&[u8], RecordError> {
    if let Some(schema) = &decoded.schemas[row]
        && schema.kind != SchemaType::Bytes
    {
        return Err(invalid_schema(schema.kind.java_name()));
    }
    match &decoded.values[row] {
        Value::Bytes(bytes) => Ok(bytes),
        Value::Null => Ok(&[]),
        other => Err(incompatible(other.java_class())),
    }
}

pub(super) fn invalid_schema(kind: &str) -> RecordError {
    RecordError::data(format!(
        "Invalid schema type for ByteArrayConverter: {kind}"
    ))
}

fn incompatible(class: &str) -> RecordError {
    RecordError::data(format!(
        "ByteArrayConverter is not compatible with objects of type class {class}"
    ))
}
