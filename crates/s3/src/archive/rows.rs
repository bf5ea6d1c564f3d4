//! ObjectRows: the rows of an object that is a container, as Connect's values.

use crate::format::Part;
use millstream_avro::container::FileReader;
use millstream_avro::{AvroDataSettings, AvroSchema, Reader};
use millstream_core::limits::LONGEST_LINE;
use millstream_core::{ByteColumn, Decoded, RecordError, SchemaAndValue, SchemaRef, Value};
use millstream_parquet::RowReader;
use std::fs::File;
use std::io::BufReader;

/// Why rows cannot be read. Nothing of their contents is in the text.
#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    #[error("{0}")]
    Container(#[from] millstream_avro::container::ContainerError),
    #[error("its schema or a record of it cannot be read: {0}")]
    Avro(String),
    #[error("{0}")]
    Parquet(#[from] millstream_parquet::ReadError),
}

fn avro(error: RecordError) -> RowsError {
    RowsError::Avro(error.message)
}

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    Avro,
    Parquet,
}

/// Some rows at a time: a block, or as many.
#[derive(Debug)]
pub struct ObjectRows(Rows);

#[derive(Debug)]
enum Rows {
    Avro {
        file: Box<FileReader<BufReader<File>>>,
        reader: Reader,
    },
    Parquet {
        file: Box<RowReader>,
        schema: SchemaRef,
        /// Keys and headers are each a field of a struct.
        is_wrapped: bool,
    },
}

impl ObjectRows {
    /// Reads the head of a file. Blocks it, like `next`.
    ///
    /// # Errors
    /// If it is no such container, or not the sink's.
    pub fn open(file: File, container: Container, of: Part) -> Result<Self, RowsError> {
        Ok(ObjectRows(match container {
            Container::Avro => {
                let file = FileReader::open(BufReader::new(file), LONGEST_LINE)?;
                let schema = AvroSchema::parse(file.schema()).map_err(avro)?;
                let settings = AvroDataSettings::default();
                let reader = Reader::new(schema, None, &settings).map_err(avro)?;
                let file = Box::new(file);
                Rows::Avro { file, reader }
            }
            Container::Parquet => {
                let file = Box::new(RowReader::open(file)?);
                let is_wrapped = of != Part::Values;
                let schema = match (is_wrapped, file.schema().fields.as_slice()) {
                    (false, _) => SchemaRef::clone(file.schema()),
                    (true, [field]) => SchemaRef::clone(&field.schema),
                    (true, _) => {
                        let why = "keys and headers are files of one column".to_owned();
                        return Err(millstream_parquet::ReadError::Schema(why).into());
                    }
                };
                Rows::Parquet {
                    file,
                    schema,
                    is_wrapped,
                }
            }
        }))
    }
}

impl Iterator for ObjectRows {
    type Item = Result<Decoded, RowsError>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Rows::Avro { file, reader } => match file.next_block() {
                Ok(None) => None,
                Ok(Some(block)) => Some(block_rows(reader, block.count, &block.bytes)),
                Err(error) => Some(Err(error.into())),
            },
            Rows::Parquet {
                file,
                schema,
                is_wrapped,
            } => {
                let rows = match file.next()? {
                    Ok(rows) => rows,
                    Err(error) => return Some(Err(error.into())),
                };
                let mut decoded = Decoded::with_capacity(ByteColumn::nulls(rows.len()));
                for row in rows {
                    let value = match row {
                        Value::Struct(mut row) if *is_wrapped => {
                            row.values.pop().unwrap_or(Value::Null)
                        }
                        row => row,
                    };
                    push(&mut decoded, Some(schema), value);
                }
                Some(Ok(decoded))
            }
        }
    }
}

fn block_rows(reader: &Reader, count: u64, mut bytes: &[u8]) -> Result<Decoded, RowsError> {
    let mut decoded = Decoded::with_capacity(ByteColumn::new());
    for _ in 0..count {
        let value = reader.take(&mut bytes).map_err(avro)?;
        push(&mut decoded, reader.connect_schema(), value);
    }
    match bytes.len() {
        0 => Ok(decoded),
        left => Err(RowsError::Avro(format!(
            "{left} bytes are left behind the records of a block"
        ))),
    }
}

fn push(decoded: &mut Decoded, schema: Option<&SchemaRef>, value: Value) {
    let schema = schema.cloned();
    decoded.push(SchemaAndValue { schema, value });
}

/// The headers of a row of an object of headers: keys, and values as texts. `None` if it is something else.
pub fn headers_of_row(row: &Value) -> Option<Vec<(String, Option<String>)>> {
    let Value::Array(headers) = row else {
        return None;
    };
    let header = |header: &Value| match header {
        Value::Struct(header) => {
            let text = |at: usize| match header.values.get(at)? {
                Value::String(text) => Some(Some(text.to_java_utf8().into_owned())),
                Value::Null => Some(None),
                _ => None,
            };
            Some((text(0)??, text(1)?))
        }
        _ => None,
    };
    headers.iter().map(header).collect()
}
