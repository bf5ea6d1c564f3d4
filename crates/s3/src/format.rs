//! Formats: how records become the bytes of an object. Each writes whole records, one after another.

mod bytes;
mod headers;
mod json;

use crate::config::{BYTE_ARRAY_FORMAT, JSON_FORMAT, S3Config};
use ::bytes::Bytes;
use millstream_core::java_json::{ConnectJson, DecimalFormat};
use millstream_core::{ColumnNeed, Header, Payload, RawKind, RecordError};
use std::ops::Range;

/// How the values, keys or headers of a file are written.
#[derive(Clone, Debug)]
pub(crate) enum Format {
    Json(ConnectJson),
    Bytes { separator: Bytes },
}

/// What an `encode` did.
pub(crate) struct Encoded {
    pub(crate) rows: usize,
    /// Why the row after those could not be written; nothing of it is in the output.
    pub(crate) failure: Option<RecordError>,
}

impl Format {
    /// The format of a class; `None` if it is none that is supported.
    pub(crate) fn new(class: &str, config: &S3Config, separator: &Bytes) -> Option<Self> {
        match class {
            JSON_FORMAT => Some(Format::Json(ConnectJson {
                decimal_format: if config.json_decimal_format.eq_ignore_ascii_case("NUMERIC") {
                    DecimalFormat::Numeric
                } else {
                    DecimalFormat::Base64
                },
                replace_null_with_default: true,
            })),
            BYTE_ARRAY_FORMAT => Some(Format::Bytes {
                separator: separator.clone(),
            }),
            _ => None,
        }
    }

    /// With its compression suffix.
    pub(crate) fn extension(&self, config: &S3Config) -> String {
        let plain = match self {
            Format::Json(_) => ".json",
            Format::Bytes { .. } => &config.format_bytearray_extension,
        };
        let suffix = if config.compression_type == "gzip" {
            ".gz"
        } else {
            ""
        };
        format!("{plain}{suffix}")
    }

    /// The forms in which the format takes keys and values.
    pub(crate) fn need(&self) -> ColumnNeed {
        match self {
            Format::Json(_) => ColumnNeed::RawOr(&[RawKind::String, RawKind::Json, RawKind::Bytes]),
            Format::Bytes { .. } => ColumnNeed::RawOr(&[RawKind::Bytes]),
        }
    }

    /// Writes rows until `out` holds `limit` bytes, a row fails, or all are written.
    pub(crate) fn encode(
        &self,
        payload: &Payload,
        rows: Range<usize>,
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Encoded {
        match self {
            Format::Json(options) => json::encode(payload, rows, limit, out, *options),
            Format::Bytes { separator } => bytes::encode(payload, rows, limit, out, separator),
        }
    }

    /// Writes the headers of one record.
    pub(crate) fn encode_headers(
        &self,
        headers: &[Header],
        out: &mut Vec<u8>,
    ) -> Result<(), RecordError> {
        match self {
            Format::Json(_) => headers::encode_json(headers, out),
            Format::Bytes { .. } => Err(bytes::invalid_schema("ARRAY")),
        }
    }
}

/// Writes rows one by one with `write`; a failed row leaves nothing behind.
fn encode_rows(
    rows: Range<usize>,
    limit: usize,
    out: &mut Vec<u8>,
    mut write: impl FnMut(usize, &mut Vec<u8>) -> Result<(), RecordError>,
) -> Encoded {
    let mut done = 0;
    for row in rows {
        if out.len() >= limit {
            break;
        }
        let before = out.len();
        if let Err(failure) = write(row, out) {
            out.truncate(before);
            return Encoded {
                rows: done,
                failure: Some(failure),
            };
        }
        done += 1;
    }
    Encoded {
        rows: done,
        failure: None,
    }
}
