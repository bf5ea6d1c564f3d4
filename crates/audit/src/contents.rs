//! What is in an object, counted while its bytes come: nothing is kept but the line, or the block's head, that is being read.

mod avro;
mod lines;
mod parquet;

pub use crate::unreadable::Unreadable;
pub use parquet::{ParquetEnd, parquet_rows};

use crate::compression::{Compression, Unpacker};
use crate::names::Part;
use avro::AvroCounter;
use lines::{JsonLines, Separated};
use std::fmt;
use std::io::{self, Write};

/// How an object is read, by what its name ends in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContentKind {
    /// A line of JSON for each record.
    Json { compression: Compression },
    /// Records that end with a separator; without one they cannot be counted.
    Bytes {
        separator: Vec<u8>,
        compression: Compression,
    },
    /// A container file; the codec is in it.
    Avro,
    /// Counted by its footer, which is at its end.
    Parquet,
}

impl ContentKind {
    /// Of an object that ends so. `separator` is that of records that are bytes.
    pub fn of(extension: &str, separator: &[u8]) -> Self {
        let (compression, plain) = Compression::of(extension);
        match plain {
            ".json" => ContentKind::Json { compression },
            ".avro" => ContentKind::Avro,
            name if name.ends_with(".parquet") => ContentKind::Parquet,
            _ => ContentKind::Bytes {
                separator: separator.to_vec(),
                compression,
            },
        }
    }

    /// Whether nothing stands between its records.
    pub fn is_uncountable(&self) -> bool {
        matches!(self, ContentKind::Bytes { separator, .. } if separator.is_empty())
    }
}

/// Counts the records of an object.
pub struct Counter(Reading);

enum Reading {
    Lines(Unpacker<Lines>),
    Avro(AvroCounter),
}

impl fmt::Debug for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counter")
    }
}

impl Counter {
    /// For an object of this kind, with this part of its records.
    ///
    /// # Errors
    /// If there is nothing to count by; of Parquet that is [`parquet_rows`]' work.
    pub fn new(kind: &ContentKind, part: Part) -> Result<Self, Unreadable> {
        let (counting, compression) = match kind {
            ContentKind::Avro => return Ok(Counter(Reading::Avro(AvroCounter::default()))),
            ContentKind::Parquet => return Err(Unreadable::NoParquet("it is read from its end")),
            ContentKind::Bytes { separator, .. } if separator.is_empty() => {
                return Err(Unreadable::NoSeparator);
            }
            ContentKind::Bytes {
                separator,
                compression,
            } => (Counting::Separated(Separated::new(separator)), *compression),
            // Java's sink may put two keys of different kinds on a line and none on the next.
            ContentKind::Json { compression } if part == Part::Keys => {
                (Counting::Separated(Separated::new(b"\n")), *compression)
            }
            ContentKind::Json { compression } => {
                (Counting::Json(JsonLines::default()), *compression)
            }
        };
        let lines = Lines {
            counting,
            broken: None,
        };
        Ok(Counter(Reading::Lines(Unpacker::new(compression, lines)?)))
    }

    /// Takes the next bytes of the object.
    ///
    /// # Errors
    /// If they cannot be what the object is to be.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Unreadable> {
        match &mut self.0 {
            Reading::Lines(unpacker) => {
                let pushed = unpacker.push(bytes);
                pushed.map_err(|why| unpacker.inner().broken.take().unwrap_or(why))
            }
            Reading::Avro(avro) => avro.push(bytes),
        }
    }

    /// How many records the object has, now that all of its bytes were taken.
    ///
    /// # Errors
    /// If it ends within a record, or too early.
    pub fn finish(self) -> Result<u64, Unreadable> {
        let mut unpacker = match self.0 {
            Reading::Lines(unpacker) => unpacker,
            Reading::Avro(avro) => return avro.finish(),
        };
        let finished = unpacker.finish();
        finished.map_err(|why| unpacker.inner().broken.take().unwrap_or(why))?;
        match &unpacker.inner().counting {
            Counting::Json(json) => json.finish(),
            Counting::Separated(separated) => separated.finish(),
        }
    }
}

/// Counts what a decoder writes.
struct Lines {
    counting: Counting,
    /// Why it does not go on: the decoder's own error says nothing of that.
    broken: Option<Unreadable>,
}

enum Counting {
    Json(JsonLines),
    Separated(Separated),
}

impl Lines {
    fn push(&mut self, bytes: &[u8]) -> Result<(), Unreadable> {
        match &mut self.counting {
            Counting::Json(json) => json.push(bytes),
            Counting::Separated(separated) => {
                separated.push(bytes);
                Ok(())
            }
        }
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.push(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(broken) => {
                self.broken = Some(broken);
                Err(io::Error::from(io::ErrorKind::InvalidData))
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
