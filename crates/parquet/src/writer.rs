//! Writer: the rows of one file. They are columns first (`Rows`), then compressed pages of the row group that is being filled,
//! then bytes that are given out.

use crate::bounds::Bounds;
use crate::codec::Codec;
use crate::dictionary::{self, PAGE_BYTES};
use crate::layout::Layout;
use crate::rows::Rows;
use arrow_schema::ArrowError;
use millstream_core::{RecordError, Value};
use parquet::arrow::arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use std::sync::Arc;

/// What parquet-mr 1.15.2 calls itself.
const CREATED_BY: &str =
    "parquet-mr version 1.15.2 (build 859eac165b08f927fa14590c33bc5f476405fb68)";

/// A page is closed at this many rows, if its values are no reason to.
const PAGE_ROWS: usize = 20_000;

/// Values that are encoded between two looks at the page's size.
const LOOK_AFTER: usize = 64;

/// Rows are encoded once they are this large: what every open file may hold, and a small part of a page of each column.
const BATCH_BYTES: usize = 64 * 1024;

/// Rows are encoded at this number at the latest, whatever their size.
const BATCH_ROWS: usize = PAGE_ROWS;

/// A row group is closed once it holds this much. The original's is 128 MiB before compression; readers are content with far
/// less, and it has to be in memory whole.
const ROW_GROUP_BYTES: usize = 16 * 1024 * 1024;

/// Where memory is short, a row group that holds less is not closed: its place in the footer would cost as much.
const LEAST_ROW_GROUP: usize = 32 * 1024;

/// What a column of a row group that is being filled holds beside its values, about.
const COLUMN_BYTES: usize = 4 * 1024;

/// What is remembered of a column of a closed row group until the footer is written, about.
const REMEMBERED_BYTES: usize = 1536;

/// What the crate's buffer before the file takes.
const FILE_BYTES: usize = 8 * 1024;

/// A row, as the layout's schema has it.
#[derive(Clone, Copy, Debug)]
pub enum Row<'a> {
    /// A struct.
    Whole(&'a Value),
    /// The only field of one.
    Field(&'a Value),
    /// A struct, as the layout's `writer` writes it.
    Datum(&'a [u8]),
}

/// Why rows could not be encoded, which is nobody's fault but ours.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    #[error("cannot encode Parquet columns")]
    Arrow(#[from] ArrowError),
    #[error("cannot write Parquet pages")]
    Parquet(#[from] ParquetError),
    #[error("cannot write Parquet bytes")]
    Io(#[from] std::io::Error),
}

pub struct Writer {
    layout: Arc<Layout>,
    compression: Compression,
    rows: Rows,
    /// Begun with the first row group, when it is known which columns get a dictionary.
    file: Option<File>,
    /// What the row group that is being filled holds, in bytes.
    filled: usize,
    /// What the values of rows that are encoded took as they were, in bytes.
    encoded: u64,
}

struct File {
    writer: SerializedFileWriter<Vec<u8>>,
    columns: ArrowRowGroupWriterFactory,
    /// The row group that is being filled.
    group: Option<Group>,
    /// Row groups that are closed.
    closed: usize,
}

struct Group {
    columns: Vec<ArrowColumnWriter>,
    bounds: Bounds,
}

impl Writer {
    /// Begins a file.
    ///
    /// # Errors
    /// If there is no such codec.
    pub fn new(layout: &Arc<Layout>, codec: Codec) -> Result<Self, RecordError> {
        Ok(Writer {
            compression: codec.compression()?,
            rows: Rows::new(&layout.fields),
            layout: Arc::clone(layout),
            file: None,
            filled: 0,
            encoded: 0,
        })
    }

    /// Whether a row can be written. Nothing of it is left.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn check(&mut self, row: Row<'_>) -> Result<(), RecordError> {
        let bytes = self.rows.bytes;
        self.push(row)?;
        self.rows.take_back(bytes);
        Ok(())
    }

    /// Takes a row. Nothing is left of one that fails.
    ///
    /// # Errors
    /// If its values are not what the schema says.
    pub fn push(&mut self, row: Row<'_>) -> Result<(), RecordError> {
        let Layout { schema, fields, .. } = &*self.layout;
        match (row, &fields[..]) {
            (Row::Whole(value), fields) => self.rows.push(schema, fields, value),
            (Row::Datum(datum), fields) => self.rows.push_datum(fields, datum),
            (Row::Field(value), [field]) => self.rows.push_field(field, value),
            (Row::Field(_), _) => Err(RecordError::data(
                "a row has one field, its file has others",
            )),
        }
    }

    /// Encodes rows if there are enough of them, and gives out the row group if that is large enough. To be called after
    /// each row.
    ///
    /// # Errors
    /// If the file is broken.
    pub fn advance(&mut self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if self.rows.bytes < BATCH_BYTES && self.rows.len < BATCH_ROWS {
            return Ok(());
        }
        self.encode()?;
        if self.filled >= ROW_GROUP_BYTES {
            self.close_group(out)?;
        }
        Ok(())
    }

    /// Gives out the row group, unless it is small: memory is short.
    ///
    /// # Errors
    /// As `advance`.
    pub fn rest(&mut self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        // The footer stays in memory, so the more there is of it the more a row group has to be.
        if self.rows.bytes + self.filled < LEAST_ROW_GROUP + self.remembered() {
            return Ok(());
        }
        self.close_group(out)
    }

    /// Gives out all that is left and the footer.
    ///
    /// # Errors
    /// As `advance`.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.close_group(out)?;
        let mut file = self.file()?;
        file.writer.finish()?;
        give_out(&mut file.writer, out)?;
        Ok(())
    }

    /// What the values of all rows take as they are: numbers by their width, texts with four bytes of length, a byte for a null.
    pub fn record_bytes(&self) -> u64 {
        self.encoded + self.rows.bytes as u64
    }

    /// Memory that is held, in bytes.
    pub fn memory(&self) -> usize {
        let file = self.file.as_ref().map_or(0, |_| FILE_BYTES);
        self.rows.memory() + self.filled + self.remembered() + file
    }

    /// Encodes all rows.
    fn encode(&mut self) -> Result<(), EncodeError> {
        if self.rows.len == 0 {
            return Ok(());
        }
        let mut file = self.file()?;
        let group = match &mut file.group {
            Some(group) => group,
            none => none.insert(Group {
                columns: file.columns.create_column_writers(file.closed)?,
                bounds: Bounds::new(&self.layout.message),
            }),
        };
        group.bounds.look_at(&self.rows);
        let mut writers = group.columns.iter_mut();
        let columns = self.rows.columns.iter_mut().zip(&self.layout.fields);
        for (column, node) in columns {
            let array = column.take(node.field.data_type())?;
            for (leaf, writer) in compute_leaves(&node.field, &array)?
                .iter()
                .zip(&mut writers)
            {
                writer.write(leaf)?;
            }
        }
        self.encoded += self.rows.bytes as u64;
        self.rows.len = 0;
        self.rows.bytes = 0;
        let columns = group.columns.iter();
        let columns = columns.map(|column| column.memory_size() + COLUMN_BYTES);
        self.filled = columns.sum();
        self.file = Some(file);
        Ok(())
    }

    fn close_group(&mut self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.encode()?;
        let Some(mut file) = self.file.take() else {
            return Ok(());
        };
        if let Some(mut group) = file.group.take() {
            let mut to = file.writer.next_row_group()?;
            for (index, column) in group.columns.into_iter().enumerate() {
                let mut chunk = column.close()?;
                group.bounds.correct(index, &mut chunk)?;
                chunk.append_to_row_group(&mut to)?;
            }
            to.close()?;
            file.closed += 1;
            give_out(&mut file.writer, out)?;
        }
        self.filled = 0;
        self.file = Some(file);
        Ok(())
    }

    /// What closed row groups hold.
    fn remembered(&self) -> usize {
        let closed = self.file.as_ref().map_or(0, |file| file.closed);
        closed * self.layout.message.num_columns() * REMEMBERED_BYTES
    }

    /// Takes the file, which is begun if there is none.
    fn file(&mut self) -> Result<File, EncodeError> {
        match self.file.take() {
            Some(file) => Ok(file),
            None => self.begin(),
        }
    }

    fn begin(&self) -> Result<File, EncodeError> {
        let layout = &self.layout;
        let key_values = vec![
            KeyValue::new("parquet.avro.schema".to_owned(), layout.avro.clone()),
            KeyValue::new("writer.model.name".to_owned(), "avro".to_owned()),
        ];
        let mut properties = WriterProperties::builder()
            .set_created_by(CREATED_BY.to_owned())
            .set_key_value_metadata(Some(key_values))
            .set_compression(self.compression)
            .set_data_page_size_limit(PAGE_BYTES)
            .set_data_page_row_count_limit(PAGE_ROWS)
            .set_write_batch_size(LOOK_AFTER)
            .set_statistics_truncate_length(None)
            .set_dictionary_enabled(false);
        let columns = layout.message.columns().iter();
        for (column, has_dictionary) in columns.zip(dictionary::decide(&self.rows)) {
            if has_dictionary {
                let path = column.path().clone();
                properties = properties.set_column_dictionary_enabled(path, true);
            }
        }
        let root = layout.message.root_schema_ptr();
        let writer = SerializedFileWriter::new(Vec::new(), root, Arc::new(properties.build()))?;
        Ok(File {
            columns: ArrowRowGroupWriterFactory::new(&writer, Arc::clone(&layout.arrow)),
            writer,
            group: None,
            closed: 0,
        })
    }
}

/// Moves what was written out, and leaves no buffer behind.
fn give_out(
    writer: &mut SerializedFileWriter<Vec<u8>>,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    writer.flush()?;
    let bytes = std::mem::take(writer.inner_mut());
    if out.capacity() == 0 {
        *out = bytes;
    } else {
        out.extend_from_slice(&bytes);
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
