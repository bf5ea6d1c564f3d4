//! ByteArrayFormat: each record's bytes, followed by the separator.

use super::encoder::{Column, Encoded, Encoder, Format, Part, encode_rows};
use bytes::Bytes;
use millstream_core::{
    ByteColumn, ColumnNeed, Decoded, Payload, RawKind, RecordError, SchemaRef, SchemaType, Value,
};
use std::ops::Range;

#[derive(Debug)]
pub(super) struct BytesFormat {
    separator: Bytes,
}

impl BytesFormat {
    pub(super) fn new(separator: &Bytes) -> Self {
        BytesFormat {
            separator: separator.clone(),
        }
    }
}

impl Format for BytesFormat {
    fn need(&self) -> ColumnNeed {
        ColumnNeed::RawOr(&[RawKind::Bytes])
    }

    fn open(
        &self,
        part: Part,
        _schema: Option<&SchemaRef>,
    ) -> Result<Box<dyn Encoder>, RecordError> {
        if part == Part::Headers {
            return Err(invalid_schema("ARRAY"));
        }
        Ok(Box::new(Separated {
            separator: self.separator.clone(),
        }))
    }
}

struct Separated {
    separator: Bytes,
}

impl Encoder for Separated {
    fn check(&mut self, column: Column<'_>, row: usize) -> Result<(), RecordError> {
        match column {
            Column::Payload(Payload::Raw { kind, .. }) => refuse(*kind),
            Column::Payload(Payload::Encoded(encoded)) => refuse_schema(encoded.schema(row)),
            Column::Payload(Payload::Decoded(decoded)) => bytes_of(decoded, row).map(|_| ()),
            Column::Headers(_) => Err(invalid_schema("ARRAY")),
        }
    }

    fn write(
        &mut self,
        column: Column<'_>,
        rows: Range<usize>,
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Encoded {
        match column {
            Column::Payload(payload) => encode(payload, rows, limit, out, &self.separator),
            Column::Headers(_) => {
                encode_rows(rows, limit, out, |_, _| Err(invalid_schema("ARRAY")))
            }
        }
    }
}

/// Texts and objects are no bytes.
fn refuse(kind: RawKind) -> Result<(), RecordError> {
    match kind {
        RawKind::Bytes | RawKind::Undecoded => Ok(()),
        RawKind::String => Err(invalid_schema("STRING")),
        RawKind::Json | RawKind::Document => Err(incompatible("java.util.HashMap")),
    }
}

fn encode(
    payload: &Payload,
    rows: Range<usize>,
    limit: usize,
    out: &mut Vec<u8>,
    separator: &[u8],
) -> Encoded {
    match payload {
        Payload::Raw { column, kind } => match kind {
            RawKind::Bytes | RawKind::Undecoded => encode_raw(column, rows, limit, out, separator),
            RawKind::String | RawKind::Json | RawKind::Document => {
                encode_rows(rows, limit, out, |_, _| refuse(*kind))
            }
        },
        // Data that stay encoded are records, or null.
        Payload::Encoded(encoded) => encode_rows(rows, limit, out, |row, out| {
            refuse_schema(encoded.schema(row))?;
            out.extend_from_slice(separator);
            Ok(())
        }),
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
    Encoded::all(done)
}

fn bytes_of(decoded: &Decoded, row: usize) -> Result<&[u8], RecordError> {
    refuse_schema(decoded.schemas[row].as_ref())?;
    match &decoded.values[row] {
        Value::Bytes(bytes) => Ok(bytes),
        Value::Null => Ok(&[]),
        other => Err(incompatible(other.java_class())),
    }
}

fn refuse_schema(schema: Option<&SchemaRef>) -> Result<(), RecordError> {
    match schema.filter(|schema| schema.kind != SchemaType::Bytes) {
        Some(schema) => Err(invalid_schema(schema.kind.java_name())),
        None => Ok(()),
    }
}

fn invalid_schema(kind: &str) -> RecordError {
    RecordError::data(format!(
        "Invalid schema type for ByteArrayConverter: {kind}"
    ))
}

fn incompatible(class: &str) -> RecordError {
    RecordError::data(format!(
        "ByteArrayConverter is not compatible with objects of type class {class}"
    ))
}
