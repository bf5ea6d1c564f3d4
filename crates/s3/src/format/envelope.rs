//! Envelope: a record as one JSON object, `{"key":…,"value":…,"headers":[{"key":…,"value":…},…],"timestamp":…}`.
//!
//! Key and value are written as JsonFormat writes values, headers as it writes headers, the timestamp in epoch milliseconds;
//! what a record lacks is null.

use super::encoder::headers_of;
use super::{headers, json};
use crate::config::S3Config;
use bytes::Bytes;
use millstream_core::batch::NO_TIMESTAMP;
use millstream_core::{ByteColumn, Payload, RawKind, RecordBatch, RecordError};
use millstream_java::json::ConnectJson;
use std::io::Write;
use std::ops::Range;

/// Envelopes are made of so many bytes at a time, and a record more.
const STEP: usize = 256 * 1024;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Envelope {
    options: ConnectJson,
}

/// The records of some rows.
pub(crate) struct Enveloped {
    pub(crate) values: Payload,
    /// Why the row after those cannot be written.
    pub(crate) failure: Option<RecordError>,
}

impl Envelope {
    pub(crate) fn new(config: &S3Config) -> Self {
        Envelope {
            options: json::options(config),
        }
    }

    /// The first of these rows, and as many of the others as are made at a time.
    pub(crate) fn of(&self, batch: &RecordBatch, rows: Range<usize>) -> Enveloped {
        let (mut text, mut ends) = (Vec::new(), Vec::new());
        let mut failure = None;
        for row in rows {
            if text.len() >= STEP {
                break;
            }
            if let Err(error) = self.write(batch, row, &mut text) {
                failure = Some(error);
                break;
            }
            ends.push(text.len());
        }
        let text = Bytes::from(text);
        let mut column = ByteColumn::with_capacity(ends.len());
        let mut start = 0;
        for end in &ends {
            column.push(Some(text.slice(start..*end)));
            start = *end;
        }
        Enveloped {
            values: Payload::Raw {
                column,
                kind: RawKind::Json,
            },
            failure,
        }
    }

    /// After an error part of the record is in `out`, behind what was there.
    fn write(&self, batch: &RecordBatch, row: usize, out: &mut Vec<u8>) -> Result<(), RecordError> {
        out.extend_from_slice(b"{\"key\":");
        json::write_row(&batch.keys, row, out, self.options)?;
        out.extend_from_slice(b",\"value\":");
        json::write_row(&batch.values, row, out, self.options)?;
        out.extend_from_slice(b",\"headers\":");
        headers::write_array(headers_of(&batch.headers, row), out, headers::Nulls::Taken)?;
        out.extend_from_slice(b",\"timestamp\":");
        match batch.timestamps[row] {
            NO_TIMESTAMP => out.extend_from_slice(b"null"),
            // Writing to a vector cannot fail.
            timestamp => drop(write!(out, "{timestamp}")),
        }
        out.push(b'}');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use millstream_core::{
        Decoded, Destination, Header, Headers, SchemaAndValue, Text, TimestampType, TopicPartition,
        Value,
    };

    fn raw(rows: &[Option<&str>], kind: RawKind) -> Payload {
        let mut column = ByteColumn::new();
        for row in rows {
            column.push(row.map(|text| Bytes::from(text.to_owned())));
        }
        Payload::Raw { column, kind }
    }

    fn batch(keys: Payload, values: Payload, timestamps: Vec<i64>) -> RecordBatch {
        let origin = TopicPartition::new("t", 0);
        let rows = timestamps.len() as i64;
        RecordBatch {
            destination: Destination::Uniform(origin.topic.clone()),
            first_offset: 0,
            next_offset: rows,
            offsets: (0..rows).collect(),
            timestamps,
            timestamp_type: TimestampType::CreateTime,
            keys,
            values,
            headers: Headers::None,
            fetched: Default::default(),
            permit: None,
            origin,
        }
    }

    fn texts(made: &Enveloped) -> Vec<String> {
        let Payload::Raw { column, .. } = &made.values else {
            panic!("envelopes are texts");
        };
        let rows = column.iter().map(|row| row.unwrap().to_vec());
        rows.map(|row| String::from_utf8(row).unwrap()).collect()
    }

    const ENVELOPE: Envelope = Envelope {
        options: ConnectJson {
            decimal_format: millstream_java::json::DecimalFormat::Base64,
            replace_null_with_default: true,
        },
    };

    #[test]
    fn a_record_is_written_whole() {
        let keys = raw(&[Some("a\"b"), None], RawKind::String);
        let values = raw(&[Some("{\"x\":1}"), None], RawKind::Json);
        let mut batch = batch(keys, values, vec![1_700_000_000_000, NO_TIMESTAMP]);
        let header = |key: &str, value| Header {
            key: key.to_owned(),
            schema: None,
            value,
        };
        let of_first = vec![
            header("h", Value::String(Text::from("1"))),
            header("h", Value::Null),
        ];
        batch.headers = Headers::Decoded {
            rows: vec![of_first, Vec::new()],
            raw: None,
        };
        let made = ENVELOPE.of(&batch, 0..2);
        assert!(made.failure.is_none());
        assert_eq!(
            texts(&made),
            [
                r#"{"key":"a\"b","value":{"x":1},"headers":[{"key":"h","value":"1"},{"key":"h","value":null}],"timestamp":1700000000000}"#,
                r#"{"key":null,"value":null,"headers":[],"timestamp":null}"#,
            ]
        );
    }

    #[test]
    fn rows_before_a_bad_one_are_given_and_it_is_told() {
        let mut decoded = Decoded::with_capacity(ByteColumn::nulls(2));
        for value in [
            Value::String(Text::from("good")),
            Value::Map(millstream_core::map::Map::linked([(
                Value::Null,
                Value::Null,
            )])),
        ] {
            decoded.push(SchemaAndValue {
                schema: None,
                value,
            });
        }
        let keys = raw(&[None, None], RawKind::String);
        let made = ENVELOPE.of(&batch(keys, Payload::Decoded(decoded), vec![1, 2]), 0..2);
        assert_eq!(made.values.len(), 1);
        assert!(made.failure.is_some());
        assert_eq!(texts(&made).len(), 1);
    }

    #[test]
    fn so_much_is_made_at_a_time() {
        let row = "x".repeat(STEP / 2);
        let values = raw(&[Some(row.as_str()); 5], RawKind::String);
        let made = ENVELOPE.of(
            &batch(raw(&[None; 5], RawKind::String), values, vec![0; 5]),
            1..5,
        );
        assert_eq!(made.values.len(), 2);
    }
}
