//! AvroFormat: an object container file. Its schema is that of its first record, which later ones have to fit.

use super::copies::Copies;
use super::encoder::{Column, Encoded, Encoder, Format, Part, headers_of};
use super::headers;
use super::kept::Kept;
use crate::config::S3Config;
use millstream_avro::container::{Codec, FileWriter};
use millstream_avro::{AvroDataSettings, Writer, avro_schema, put_bytes, put_long};
use millstream_core::text::decode_utf8;
use millstream_core::{ColumnNeed, Header, Payload, RawKind, RecordError, SchemaRef, Value};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use tracing::warn;

/// Schemas whose plans are kept for the next files.
const KEPT_SCHEMAS: usize = 32;

/// Of the headers of a record, whose values are texts.
const HEADERS: &str = r#"{"type":"array","items":{"type":"record","name":"ConnectDefault","namespace":"io.confluent.connect.avro","fields":[{"name":"key","type":"string"},{"name":"value","type":"string"}]}}"#;

#[derive(Debug)]
pub(super) struct AvroFormat {
    settings: AvroDataSettings,
    codec: Codec,
    writers: Kept<Writer>,
}

/// The sink's settings of the mapping between Connect and Avro.
pub(super) fn mapping(config: &S3Config) -> AvroDataSettings {
    AvroDataSettings {
        enhanced_schema_support: config.enhanced_avro_schema_support,
        connect_meta_data: config.connect_meta_data,
        allow_optional_map_keys: config.allow_optional_map_keys,
        ..AvroDataSettings::default()
    }
}

impl AvroFormat {
    pub(super) fn new(config: &S3Config) -> Self {
        AvroFormat {
            settings: mapping(config),
            // Validation lets no other name pass.
            codec: Codec::from_name(&config.avro_codec).unwrap_or(Codec::Null),
            writers: Kept::new(KEPT_SCHEMAS),
        }
    }

    fn writer(&self, schema: Option<&SchemaRef>) -> Result<Arc<Writer>, RecordError> {
        self.writers.of(schema, || {
            let avro = avro_schema(schema, &self.settings)?;
            for note in avro.notes() {
                warn!("files of a schema will not be read by everyone: {note}");
            }
            Writer::new(schema, avro, &self.settings)
        })
    }
}

impl Format for AvroFormat {
    fn need(&self) -> ColumnNeed {
        ColumnNeed::EncodedOr(&[RawKind::String, RawKind::Bytes])
    }

    fn open(
        &self,
        part: Part,
        schema: Option<&SchemaRef>,
    ) -> Result<Box<dyn Encoder>, RecordError> {
        let writer = match part {
            Part::Headers => None,
            Part::Values | Part::Keys => Some(self.writer(schema)?),
        };
        let text = writer
            .as_ref()
            .map_or(HEADERS, |writer| writer.schema().text());
        let sync = rand::random();
        Ok(Box::new(AvroFile {
            file: FileWriter::new(text, self.codec, sync),
            writer,
            copies: Copies::default(),
            trial: Vec::new(),
            written: 0,
        }))
    }
}

struct AvroFile {
    file: FileWriter,
    /// None for headers.
    writer: Option<Arc<Writer>>,
    /// Data that are copied.
    copies: Copies,
    /// What a check has written.
    trial: Vec<u8>,
    /// Bytes of all data.
    written: u64,
}

/// As much of it is kept for the next check.
const TRIAL: usize = 4096;

impl Encoder for AvroFile {
    fn check(&mut self, column: Column<'_>, row: usize) -> Result<(), RecordError> {
        let checked = write_datum(
            self.writer.as_deref(),
            &mut self.copies,
            column,
            row,
            &mut self.trial,
        );
        self.trial.clear();
        self.trial.shrink_to(TRIAL);
        checked
    }

    fn write(
        &mut self,
        column: Column<'_>,
        rows: Range<usize>,
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Encoded {
        let (writer, copies) = (self.writer.as_deref(), &mut self.copies);
        for (done, row) in rows.clone().enumerate() {
            if out.len() >= limit {
                return Encoded::all(done);
            }
            let bytes = &mut self.written;
            let written = self.file.append(out, |block| {
                let before = block.len();
                write_datum(writer, copies, column, row, block)
                    .inspect_err(|_| block.truncate(before))?;
                *bytes += (block.len() - before) as u64;
                Ok(())
            });
            if let Err(failure) = written {
                return Encoded {
                    rows: done,
                    failure: Some(failure),
                };
            }
        }
        Encoded::all(rows.len())
    }

    fn record_bytes(&self) -> Option<u64> {
        Some(self.written)
    }

    fn memory(&self) -> usize {
        self.file.memory() + self.trial.capacity()
    }

    fn rest(&mut self, out: &mut Vec<u8>) {
        self.file.flush(out);
    }

    fn finish(mut self: Box<Self>, out: &mut Vec<u8>) -> io::Result<()> {
        self.file.flush(out);
        Ok(())
    }
}

fn write_datum(
    writer: Option<&Writer>,
    copies: &mut Copies,
    column: Column<'_>,
    row: usize,
    out: &mut Vec<u8>,
) -> Result<(), RecordError> {
    match (column, writer) {
        (Column::Payload(Payload::Decoded(decoded)), Some(writer)) => {
            writer.encode(&decoded.values[row], out)
        }
        (Column::Payload(Payload::Encoded(encoded)), Some(writer)) => {
            let Some(datum) = encoded.datum(row) else {
                return writer.encode(&Value::Null, out);
            };
            match copies.of(writer, datum) {
                Some(bytes) => out.extend_from_slice(bytes),
                None => writer.encode(&datum.value()?, out)?,
            }
            Ok(())
        }
        (Column::Payload(Payload::Raw { column, kind }), Some(_)) => {
            // Raw values are optional bytes or texts.
            let bytes = column.get(row);
            put_long(out, bytes.is_some().into());
            match (bytes, kind) {
                (Some(bytes), RawKind::String) => put_bytes(out, decode_utf8(bytes).as_bytes()),
                (Some(bytes), _) => put_bytes(out, bytes),
                (None, _) => {}
            }
            Ok(())
        }
        (Column::Headers(all), _) => write_headers(headers_of(all, row), out),
        // Headers are no payload.
        (Column::Payload(_), None) => Ok(()),
    }
}

fn write_headers(headers: &[Header], out: &mut Vec<u8>) -> Result<(), RecordError> {
    if !headers.is_empty() {
        put_long(out, headers.len() as i64);
    }
    for header in headers {
        put_bytes(out, header.key.as_bytes());
        put_bytes(out, headers::text(header)?.as_bytes());
    }
    put_long(out, 0);
    Ok(())
}
