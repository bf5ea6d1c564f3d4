//! JsonFormat: one line of JSON for each record.

use super::encoder::{Column, Encoded, Encoder, Format, Part, encode_rows, headers_of};
use super::headers;
use crate::config::S3Config;
use millstream_core::{
    ByteColumn, ColumnNeed, Decoded, Payload, RawKind, RecordError, SchemaRef, Value,
};
use millstream_java::json::{
    ConnectJson, DecimalFormat, write_bytes, write_connect, write_string, write_value,
};
use std::ops::Range;

#[derive(Debug)]
pub(super) struct JsonFormat {
    options: ConnectJson,
}

impl JsonFormat {
    pub(super) fn new(config: &S3Config) -> Self {
        JsonFormat {
            options: options(config),
        }
    }
}

pub(super) fn options(config: &S3Config) -> ConnectJson {
    let is_numeric = config.json_decimal_format.eq_ignore_ascii_case("NUMERIC");
    ConnectJson {
        decimal_format: if is_numeric {
            DecimalFormat::Numeric
        } else {
            DecimalFormat::Base64
        },
        replace_null_with_default: true,
    }
}

impl Format for JsonFormat {
    fn need(&self) -> ColumnNeed {
        ColumnNeed::RawOr(&[RawKind::String, RawKind::Json, RawKind::Bytes])
    }

    fn open(
        &self,
        _part: Part,
        _schema: Option<&SchemaRef>,
    ) -> Result<Box<dyn Encoder>, RecordError> {
        Ok(Box::new(Lines {
            options: self.options,
            trial: Vec::new(),
        }))
    }
}

struct Lines {
    options: ConnectJson,
    /// What a check has written.
    trial: Vec<u8>,
}

/// As much of it is kept for the next check.
const TRIAL: usize = 4096;

impl Encoder for Lines {
    fn check(&mut self, column: Column<'_>, row: usize) -> Result<(), RecordError> {
        match column {
            Column::Payload(Payload::Raw { .. }) => Ok(()),
            Column::Payload(payload @ (Payload::Encoded(_) | Payload::Decoded(_))) => {
                // What can be wrong is told by writing it alone.
                let checked = write_row(payload, row, &mut self.trial, self.options);
                self.trial.clear();
                self.trial.shrink_to(TRIAL);
                checked
            }
            Column::Headers(all) => headers::check(headers_of(all, row)),
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
            Column::Payload(payload) => encode(payload, rows, limit, out, self.options),
            Column::Headers(all) => encode_rows(rows, limit, out, |row, out| {
                headers::encode_json(headers_of(all, row), out)
            }),
        }
    }

    fn memory(&self) -> usize {
        self.trial.capacity()
    }
}

fn encode(
    payload: &Payload,
    rows: Range<usize>,
    limit: usize,
    out: &mut Vec<u8>,
    options: ConnectJson,
) -> Encoded {
    match payload {
        // One loop for each kind, so that the writer is inlined into it.
        Payload::Raw { column, kind } => match kind {
            RawKind::String => encode_raw(column, rows, limit, out, write_string),
            RawKind::Json => encode_raw(column, rows, limit, out, |out, json| {
                // With the line's end, for which a large record's buffer would grow to twice its size.
                out.reserve(json.len() + 1);
                out.extend_from_slice(json);
            }),
            // A column that no converter has looked at holds bytes as well; documents are not asked for.
            RawKind::Bytes | RawKind::Undecoded | RawKind::Document => {
                encode_raw(column, rows, limit, out, write_bytes)
            }
        },
        Payload::Encoded(_) => encode_rows(rows, limit, out, |row, out| {
            write_row(payload, row, out, options)?;
            out.push(b'\n');
            Ok(())
        }),
        Payload::Decoded(decoded) => encode_rows(rows, limit, out, |row, out| {
            write_decoded(decoded, row, out, options)?;
            out.push(b'\n');
            Ok(())
        }),
    }
}

/// The hot path: a text goes from the fetch buffer into the object's, quoted on the way.
#[inline]
fn encode_raw(
    column: &ByteColumn,
    rows: Range<usize>,
    limit: usize,
    out: &mut Vec<u8>,
    write: impl Fn(&mut Vec<u8>, &[u8]),
) -> Encoded {
    let mut done = 0;
    for row in rows {
        if out.len() >= limit {
            break;
        }
        match column.get(row) {
            Some(bytes) => write(out, bytes),
            None => out.extend_from_slice(b"null"),
        }
        out.push(b'\n');
        done += 1;
    }
    Encoded::all(done)
}

/// One row without the end of its line. After an error part of it may be in `out`.
pub(super) fn write_row(
    payload: &Payload,
    row: usize,
    out: &mut Vec<u8>,
    options: ConnectJson,
) -> Result<(), RecordError> {
    match payload {
        Payload::Encoded(encoded) => {
            let value = encoded.value(row)?;
            return write_typed(encoded.schema(row), &value, out, options);
        }
        Payload::Decoded(decoded) => return write_decoded(decoded, row, out, options),
        Payload::Raw { column, kind } => match (column.get(row), kind) {
            (None, _) => out.extend_from_slice(b"null"),
            (Some(text), RawKind::String) => write_string(out, text),
            (Some(json), RawKind::Json) => out.extend_from_slice(json),
            (Some(bytes), RawKind::Bytes | RawKind::Undecoded | RawKind::Document) => {
                write_bytes(out, bytes);
            }
        },
    }
    Ok(())
}

/// A struct goes through JsonConverter, anything else through a plain object mapper that asks for no schema.
fn write_decoded(
    decoded: &Decoded,
    row: usize,
    out: &mut Vec<u8>,
    options: ConnectJson,
) -> Result<(), RecordError> {
    let schema = decoded.schemas[row].as_ref();
    write_typed(schema, &decoded.values[row], out, options)
}

fn write_typed(
    schema: Option<&SchemaRef>,
    value: &Value,
    out: &mut Vec<u8>,
    options: ConnectJson,
) -> Result<(), RecordError> {
    match value {
        Value::Struct(_) => write_connect(out, schema.map(|schema| &**schema), value, options),
        value => write_value(out, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use millstream_core::{Schema, SchemaType, Text};
    use proptest::prelude::*;
    use std::sync::Arc;

    proptest! {
        /// The raw path and the decoded one give the same bytes.
        #[test]
        fn raw_strings_equal_decoded_ones(texts in proptest::collection::vec("\\PC{0,40}|[\"\\\\\u{0}-\u{1f}😀]{0,9}", 0..20)) {
            let mut column = ByteColumn::new();
            let mut decoded = Decoded::with_capacity(ByteColumn::nulls(texts.len()));
            let schema = Arc::new(Schema::optional(SchemaType::String));
            for text in &texts {
                column.push(Some(Bytes::from(text.clone())));
                decoded.push(millstream_core::SchemaAndValue {
                    schema: Some(schema.clone()),
                    value: Value::String(Text::from(text.as_str())),
                });
            }
            let rows = 0..texts.len();
            let (mut fast, mut slow) = (Vec::new(), Vec::new());
            let raw = Payload::Raw { column, kind: RawKind::String };
            encode(&raw, rows.clone(), usize::MAX, &mut fast, ConnectJson::default());
            encode(&Payload::Decoded(decoded), rows, usize::MAX, &mut slow, ConnectJson::default());
            prop_assert_eq!(fast, slow);
        }
    }
}
