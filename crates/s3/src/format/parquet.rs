//! ParquetFormat: rows in columns. A key becomes a record of one field, and so do the headers of a record.

use super::avro::mapping;
use super::copies::Copies;
use super::encoder::{Column, Encoded, Encoder, Format, Part, headers_of};
use super::headers;
use super::kept::Kept;
use crate::config::S3Config;
use crate::schemas::{same_object, same_schema, schema_of};
use millstream_core::rejected::{CONNECT_EXCEPTION, SCHEMA_BUILDER_EXCEPTION};
use millstream_core::{
    ColumnNeed, Field, Payload, RawKind, RecordError, Schema, SchemaRef, SchemaType, Text, Value,
};
use millstream_parquet::{Codec, EncodeError, Layout, LayoutOptions, Row, Writer};
use std::borrow::Cow;
use std::error::Error;
use std::io;
use std::ops::Range;
use std::sync::{Arc, LazyLock};
use tracing::warn;

/// Layouts that are kept: objects of one schema, of which many may be open, share one.
const LAYOUTS: usize = 100;

/// What the original does not have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ParquetExtensions {
    /// Of decimals whose schema does not tell it, in digits.
    pub(crate) decimal_precision: u32,
    pub(crate) three_level_lists: bool,
}

#[derive(Debug)]
pub(super) struct ParquetFormat {
    options: LayoutOptions,
    codec: Codec,
    layouts: Kept<Layout>,
}

impl ParquetFormat {
    pub(super) fn new(config: &S3Config, extensions: ParquetExtensions) -> Self {
        ParquetFormat {
            options: LayoutOptions {
                decimal_precision: extensions.decimal_precision,
                three_level_lists: extensions.three_level_lists,
                ..LayoutOptions::new(mapping(config))
            },
            // Every value of the setting is a codec's name.
            codec: Codec::parse(&config.parquet_codec).unwrap_or(Codec::Snappy),
            layouts: Kept::new(LAYOUTS),
        }
    }

    pub(super) fn extension(&self) -> &'static str {
        self.codec.extension()
    }

    /// The layout of objects whose first record has this schema.
    fn layout(&self, part: Part, schema: &SchemaRef) -> Result<Arc<Layout>, RecordError> {
        self.layouts.of(Some(schema), || {
            let layout = match part {
                Part::Keys => Layout::new(&envelope("RecordKey", "key", schema), &self.options)?,
                Part::Values | Part::Headers => Layout::new(schema, &self.options)?,
            };
            for note in layout.notes() {
                let name = schema.name.as_deref().unwrap_or_default();
                warn!(?part, schema = name, "parquet: {note}");
            }
            Ok(layout)
        })
    }
}

impl Format for ParquetFormat {
    fn need(&self) -> ColumnNeed {
        ColumnNeed::EncodedOr(&[])
    }

    fn open(
        &self,
        part: Part,
        schema: Option<&SchemaRef>,
    ) -> Result<Box<dyn Encoder>, RecordError> {
        let layout = match (part, schema) {
            (Part::Headers, _) => self.layout(part, &HEADERS)?,
            (_, Some(schema)) => self.layout(part, schema)?,
            (Part::Keys, None) => return Err(key_without_schema()),
            (Part::Values, None) => return Err(value_without_schema()),
        };
        Ok(Box::new(Rows {
            part,
            schema: schema.cloned(),
            writer: Writer::new(&layout, self.codec)?,
            copies: Copies::default(),
            layout,
            failure: None,
        }))
    }
}

/// `RecordHeaders`, of one field.
static HEADERS: LazyLock<SchemaRef> =
    LazyLock::new(|| envelope("RecordHeaders", "headers", &headers::array_schema()));

fn envelope(name: &str, field: &str, schema: &SchemaRef) -> SchemaRef {
    Arc::new(Schema {
        name: Some(name.to_owned()),
        fields: vec![Field {
            name: field.to_owned(),
            schema: Arc::clone(schema),
        }],
        ..Schema::of(SchemaType::Struct)
    })
}

fn key_without_schema() -> RecordError {
    let message = "fieldSchema for field key cannot be null.";
    RecordError::new(SCHEMA_BUILDER_EXCEPTION, message)
}

/// The original fails with a null pointer: it is no record that is wrong but the converter's configuration.
fn value_without_schema() -> RecordError {
    RecordError::new(
        CONNECT_EXCEPTION,
        "a value without a schema cannot be written with ParquetFormat: set value.converter to one that gives schemas, as \
         AvroConverter or JsonConverter with value.converter.schemas.enable=true, or use JsonFormat",
    )
}

struct Rows {
    part: Part,
    /// Of every row.
    schema: Option<SchemaRef>,
    writer: Writer,
    layout: Arc<Layout>,
    /// Data that go into columns as they are.
    copies: Copies,
    /// Why no more can be written.
    failure: Option<EncodeError>,
}

impl Rows {
    /// Calls with a row as the writer takes it.
    fn with(
        &mut self,
        column: Column<'_>,
        row: usize,
        call: impl FnOnce(&mut Writer, Row<'_>) -> Result<(), RecordError>,
    ) -> Result<(), RecordError> {
        let payload = match column {
            Column::Payload(payload) => payload,
            Column::Headers(all) => {
                let headers = headers::as_array(headers_of(all, row))?;
                return call(&mut self.writer, Row::Field(&headers));
            }
        };
        self.check_schema(schema_of(payload, row))?;
        if let (Payload::Encoded(encoded), Part::Values, Some(own)) =
            (payload, self.part, self.layout.writer())
            && let Some(datum) = encoded.datum(row)
            && let Some(bytes) = self.copies.of(own, datum)
        {
            return call(&mut self.writer, Row::Datum(bytes));
        }
        let value = value_of(payload, row)?;
        match self.part {
            Part::Keys => call(&mut self.writer, Row::Field(&value)),
            Part::Values | Part::Headers => call(&mut self.writer, Row::Whole(&value)),
        }
    }

    /// Values of another schema go to another object; keys are no reason for one.
    fn check_schema(&mut self, schema: Option<&SchemaRef>) -> Result<(), RecordError> {
        let own = self.schema.as_ref();
        if same_object(own, schema) {
            return Ok(());
        }
        match own.zip(schema) {
            Some((own, schema)) if same_schema(own, schema) => {
                // The rows after it have most likely the same object.
                self.schema = Some(Arc::clone(schema));
                Ok(())
            }
            _ => Err(RecordError::data(
                "a record's schema is not that of the Parquet object which it belongs to",
            )),
        }
    }

    fn fail(&mut self, error: EncodeError) -> RecordError {
        let why = text_of(&error);
        self.failure = Some(error);
        RecordError::new(CONNECT_EXCEPTION, why)
    }
}

impl Encoder for Rows {
    fn check(&mut self, column: Column<'_>, row: usize) -> Result<(), RecordError> {
        self.with(column, row, |writer, row| writer.check(row))
    }

    fn write(
        &mut self,
        column: Column<'_>,
        rows: Range<usize>,
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Encoded {
        let mut done = 0;
        for row in rows {
            if out.len() >= limit {
                break;
            }
            let pushed = match &self.failure {
                Some(failure) => Err(RecordError::new(CONNECT_EXCEPTION, text_of(failure))),
                None => self.with(column, row, |writer, row| writer.push(row)),
            };
            let advanced = pushed.and_then(|()| {
                let advanced = self.writer.advance(out);
                advanced.map_err(|error| self.fail(error))
            });
            if let Err(failure) = advanced {
                return Encoded {
                    rows: done,
                    failure: Some(failure),
                };
            }
            done += 1;
        }
        Encoded::all(done)
    }

    fn record_bytes(&self) -> Option<u64> {
        Some(self.writer.record_bytes())
    }

    fn memory(&self) -> usize {
        self.writer.memory()
    }

    fn rest(&mut self, out: &mut Vec<u8>) {
        if self.failure.is_none()
            && let Err(error) = self.writer.rest(out)
        {
            self.fail(error);
        }
    }

    fn finish(self: Box<Self>, out: &mut Vec<u8>) -> io::Result<()> {
        let finished = match self.failure {
            Some(failure) => Err(failure),
            None => self.writer.finish(out),
        };
        finished.map_err(io::Error::other)
    }
}

fn text_of(error: &EncodeError) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

fn value_of(payload: &Payload, row: usize) -> Result<Cow<'_, Value>, RecordError> {
    Ok(match payload {
        Payload::Encoded(encoded) => Cow::Owned(encoded.value(row)?),
        Payload::Decoded(decoded) => Cow::Borrowed(&decoded.values[row]),
        Payload::Raw { column, kind } => Cow::Owned(match (column.get_shared(row), kind) {
            (None, _) => Value::Null,
            (Some(bytes), RawKind::Bytes | RawKind::Undecoded | RawKind::Document) => {
                Value::Bytes(bytes)
            }
            (Some(bytes), RawKind::String | RawKind::Json) => {
                let text = millstream_core::text::decode_utf8(&bytes);
                Value::String(Text::from(text.into_owned()))
            }
        }),
    })
}
