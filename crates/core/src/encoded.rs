//! Encoded: records whose structure is known and was looked at, and which stay bytes all the same: a sink whose files hold such
//! bytes takes them as they are, and values are made where somebody needs them.

use crate::byte_column::ByteColumn;
use crate::record_error::RecordError;
use crate::schema::SchemaRef;
use crate::value::Value;
use std::any::Any;
use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

/// How the data of one schema are encoded. Who knows an encoding finds it by its type.
pub trait Encoding: Any + Debug + Send + Sync {
    /// The schema of the values.
    fn schema(&self) -> Option<&SchemaRef>;

    /// The value of a datum.
    ///
    /// # Errors
    /// If the bytes are none.
    fn read(&self, datum: &[u8]) -> Result<Value, RecordError>;
}

/// A column of data; a row without a datum is null and has no schema.
#[derive(Clone, Debug)]
pub struct Encoded {
    encodings: Vec<Arc<dyn Encoding>>,
    rows: Vec<Option<Place>>,
    /// As fetched.
    pub raw: ByteColumn,
}

/// Where a row's datum is.
#[derive(Clone, Copy, Debug)]
struct Place {
    encoding: u32,
    /// Within the row as fetched.
    start: u32,
    end: u32,
    is_canonical: bool,
}

/// What a row holds, which is never null.
#[derive(Clone, Copy, Debug)]
pub struct Datum<'a> {
    pub encoding: &'a Arc<dyn Encoding>,
    pub bytes: &'a [u8],
    /// Whether the value has no other bytes that its encoder would write.
    pub is_canonical: bool,
}

impl Datum<'_> {
    /// # Errors
    /// As the encoding's `read`.
    pub fn value(&self) -> Result<Value, RecordError> {
        self.encoding.read(self.bytes)
    }
}

impl Encoded {
    /// Without rows yet, which are those of the column.
    pub fn with_capacity(raw: ByteColumn) -> Self {
        Encoded {
            encodings: Vec::new(),
            rows: Vec::with_capacity(raw.len()),
            raw,
        }
    }

    /// Adds an encoding and returns its number for `push`.
    pub fn add(&mut self, encoding: Arc<dyn Encoding>) -> u32 {
        self.encodings.push(encoding);
        (self.encodings.len() - 1) as u32
    }

    /// Adds a row whose datum is so much of it.
    pub fn push(&mut self, encoding: u32, place: Range<usize>, is_canonical: bool) {
        self.rows.push(Some(Place {
            encoding,
            // A row is no longer than its buffer, which is at most 4 GiB.
            start: place.start as u32,
            end: place.end as u32,
            is_canonical,
        }));
    }

    pub fn push_null(&mut self) {
        self.rows.push(None);
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn is_null(&self, row: usize) -> bool {
        self.rows[row].is_none()
    }

    pub fn schema(&self, row: usize) -> Option<&SchemaRef> {
        self.encodings[self.rows[row]?.encoding as usize].schema()
    }

    /// The row's datum; `None` for null.
    pub fn datum(&self, row: usize) -> Option<Datum<'_>> {
        let place = self.rows[row]?;
        let raw = self.raw.get(row)?;
        Some(Datum {
            encoding: &self.encodings[place.encoding as usize],
            bytes: &raw[place.start as usize..place.end as usize],
            is_canonical: place.is_canonical,
        })
    }

    /// The row's value.
    ///
    /// # Errors
    /// As the encoding's `read`.
    pub fn value(&self, row: usize) -> Result<Value, RecordError> {
        self.datum(row)
            .map_or(Ok(Value::Null), |datum| datum.value())
    }

    /// Keeps the rows for which `keep` says so, in order.
    pub fn retain(&mut self, keep: impl Fn(usize) -> bool) {
        let mut row = 0;
        self.rows.retain(|_| {
            row += 1;
            keep(row - 1)
        });
        self.raw.retain(keep);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[derive(Debug)]
    struct Texts;

    impl Encoding for Texts {
        fn schema(&self) -> Option<&SchemaRef> {
            None
        }

        fn read(&self, datum: &[u8]) -> Result<Value, RecordError> {
            let text = std::str::from_utf8(datum).map_err(|_| RecordError::data("no text"))?;
            Ok(Value::from(text))
        }
    }

    #[test]
    fn rows_keep_their_data() {
        let mut raw = ByteColumn::new();
        for row in [Some("-ab-"), None, Some("--"), Some("-c")] {
            raw.push(row.map(Bytes::from));
        }
        let mut encoded = Encoded::with_capacity(raw);
        let texts = encoded.add(Arc::new(Texts));
        encoded.push(texts, 1..3, true);
        encoded.push_null();
        encoded.push(texts, 1..1, false);
        encoded.push(texts, 1..2, true);
        encoded.retain(|row| row != 0);
        let values: Vec<_> = (0..3).map(|row| encoded.value(row).unwrap()).collect();
        assert_eq!(values, [Value::Null, Value::from(""), Value::from("c")]);
        assert!(encoded.is_null(0) && !encoded.is_null(1));
        assert!(!encoded.datum(1).unwrap().is_canonical);
        assert_eq!(encoded.raw.get(2), Some(&b"-c"[..]));
    }
}
