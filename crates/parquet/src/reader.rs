//! RowReader: the rows of a file back as Connect's values, by the Avro schema that its writer has put into the footer.
//!
//! Lists of two levels and of three are read, as the format's rules for older writers say (parquet-format, "LogicalTypes").

mod cells;

use arrow_array::{Array, RecordBatchReader, StructArray};
use cells::cells;
use millstream_avro::{AvroDataSettings, AvroSchema, Reader};
use millstream_core::{SchemaRef, SchemaType, Value};
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use std::fs::File;

/// Rows that are read at a time.
const ROWS: usize = 256;

/// Where Java's writer and ours put the Avro schema that a file was written by.
const AVRO_SCHEMA: &str = "parquet.avro.schema";

/// Why rows cannot be read. Nothing of their contents is in the text.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("it is no Parquet file that can be read: {0}")]
    Damaged(String),
    #[error(
        "its footer has no {AVRO_SCHEMA}, so that the types of its records are not known: another program has written it"
    )]
    NoSchema,
    #[error("the schema in its footer cannot be used: {0}")]
    Schema(String),
    #[error("column {0} does not hold what the schema in the footer says")]
    Column(String),
}

/// Reads one file.
pub struct RowReader {
    schema: SchemaRef,
    batches: ParquetRecordBatchReader,
}

impl std::fmt::Debug for RowReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RowReader")
    }
}

impl RowReader {
    /// Reads the footer.
    ///
    /// # Errors
    /// If there is none, or it does not say what the rows are.
    pub fn open(file: File) -> Result<Self, ReadError> {
        // What Arrow's writers add says nothing of Connect's types.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let damaged = |error: parquet::errors::ParquetError| ReadError::Damaged(error.to_string());
        let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options)
            .map_err(damaged)?;
        let metadata = builder.metadata().file_metadata().key_value_metadata();
        let entry = metadata
            .into_iter()
            .flatten()
            .find(|entry| entry.key == AVRO_SCHEMA);
        let text = entry.and_then(|entry| entry.value.as_deref());
        let schema = connect_schema(text.ok_or(ReadError::NoSchema)?)?;
        let batches = builder.with_batch_size(ROWS).build().map_err(damaged)?;
        if batches.schema().fields().len() != schema.fields.len() {
            return Err(ReadError::Schema(
                "it has another number of fields than the file has columns".to_owned(),
            ));
        }
        Ok(RowReader { schema, batches })
    }

    /// That of every row: a struct.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }
}

impl Iterator for RowReader {
    type Item = Result<Vec<Value>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = match self.batches.next()? {
            Ok(batch) => StructArray::from(batch),
            Err(error) => return Some(Err(ReadError::Damaged(error.to_string()))),
        };
        let rows = cells(&batch as &dyn Array, &self.schema);
        Some(rows.map_err(|wrong| ReadError::Column(wrong.0)))
    }
}

fn connect_schema(text: &str) -> Result<SchemaRef, ReadError> {
    let wrong = |error: millstream_core::RecordError| ReadError::Schema(error.message);
    let schema = AvroSchema::parse(text).map_err(wrong)?;
    let reader = Reader::new(schema, None, &AvroDataSettings::default()).map_err(wrong)?;
    match reader.connect_schema() {
        Some(schema) if schema.kind == SchemaType::Struct => Ok(SchemaRef::clone(schema)),
        _ => Err(ReadError::Schema("it is no record".to_owned())),
    }
}

#[cfg(test)]
mod tests;
