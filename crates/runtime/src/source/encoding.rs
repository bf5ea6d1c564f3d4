//! Encoding: columns of values to the bytes of records.

use bytes::Bytes;
use millstream_core::converter::RowErrors;
use millstream_core::{
    ByteColumn, Converter, Decoded, Destination, Header, HeaderConverter, Payload, RawHeaders,
    RawKind, RecordError, SchemaAndValue, SchemaRef, Text, Value, text,
};

/// The values of a raw column, all of one schema.
pub(super) fn decode(column: ByteColumn, kind: RawKind, schema: Option<&SchemaRef>) -> Decoded {
    let mut decoded = Decoded::with_capacity(column.clone());
    for row in 0..column.len() {
        let value = column
            .get_shared(row)
            .map_or(Value::Null, |bytes| match kind {
                RawKind::String => Value::String(Text::from(&*text::decode_utf8(&bytes))),
                RawKind::Bytes | RawKind::Undecoded | RawKind::Json | RawKind::Document => {
                    Value::Bytes(bytes)
                }
            });
        decoded.push(SchemaAndValue {
            schema: schema.cloned(),
            value,
        });
    }
    decoded
}

/// The bytes of a column; a row that fails becomes null and is noted. A raw column that is not decoded is one that the
/// converter writes as it is.
pub(super) fn encode(
    converter: &mut dyn Converter,
    topics: &Destination,
    payload: &Payload,
    errors: &mut RowErrors,
) -> ByteColumn {
    let decoded = match payload {
        Payload::Raw { column, .. } => return column.clone(),
        // What came of a source was not read by a converter.
        Payload::Encoded(encoded) => return encoded.raw.clone(),
        Payload::Decoded(decoded) => decoded,
    };
    let mut column = ByteColumn::with_capacity(decoded.values.len());
    for (row, (schema, value)) in decoded.schemas.iter().zip(&decoded.values).enumerate() {
        let encoded = converter.encode(topics.topic(row), schema.as_ref(), value);
        column.push(encoded.unwrap_or_else(|error| {
            errors.push((row, error));
            None
        }));
    }
    column
}

/// The bytes of headers, row by row; a row that fails has none and is noted.
pub(super) fn encode_headers(
    converter: &mut dyn HeaderConverter,
    topics: &Destination,
    rows: &[Vec<Header>],
    errors: &mut RowErrors,
) -> RawHeaders {
    let mut raw = RawHeaders {
        starts: vec![0],
        ..RawHeaders::default()
    };
    for (row, headers) in rows.iter().enumerate() {
        match encode_row(converter, topics.topic(row), headers) {
            Ok(values) => {
                for (header, value) in headers.iter().zip(values) {
                    raw.keys
                        .push(Some(Bytes::copy_from_slice(header.key.as_bytes())));
                    raw.values.push(value);
                }
            }
            Err(error) => errors.push((row, error)),
        }
        raw.starts.push(raw.keys.len() as u32);
    }
    raw
}

fn encode_row(
    converter: &mut dyn HeaderConverter,
    topic: &str,
    headers: &[Header],
) -> Result<Vec<Option<Bytes>>, RecordError> {
    let headers = headers.iter();
    headers
        .map(|header| converter.encode(topic, header))
        .collect()
}
