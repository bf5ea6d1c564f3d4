//! The seam to converters: bytes of a record to values and back.

use crate::batch::{Decoded, Destination, Header, Payload, RawHeaders, RawKind};
use crate::byte_column::ByteColumn;
use crate::edit::Editor;
use crate::rejected::RecordError;
use crate::schema::SchemaRef;
use crate::value::{SchemaAndValue, Value};
use bytes::Bytes;
use std::pin::Pin;

/// A row's number in its column, and what went wrong with it.
pub type RowErrors = Vec<(usize, RecordError)>;

/// What a converter has to fetch before it can go on. It goes on beside the task's loop, and may be dropped at any time.
pub type Preparation = Pin<Box<dyn Future<Output = Result<(), Unavailable>> + Send>>;

/// What a converter needs is out of reach: no record is to blame, and the same is asked for again later.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unavailable {
    /// One sentence with the place and the remedy, without any secret.
    pub reason: String,
}

/// Converts keys or values. Only a `Preparation` does I/O.
pub trait Converter: Send {
    /// The full Java name.
    fn class_name(&self) -> &'static str;

    /// What has to be fetched before `decode_column` may be called on this column (schemas of a registry); usually nothing.
    /// An answer that a record is to blame for is no error here: `decode_column` tells it.
    fn prepare(
        &mut self,
        _topic: &str,
        _column: &ByteColumn,
        _headers: Option<&RawHeaders>,
    ) -> Option<Preparation> {
        None
    }

    /// The same before `encode` is called on these rows.
    fn prepare_encode(&mut self, _topics: &Destination, _rows: &Decoded) -> Option<Preparation> {
        None
    }

    /// The raw forms this converter can offer instead of values, if any.
    fn raw_kinds(&self) -> &'static [RawKind] {
        &[]
    }

    /// Whether every record converts, so that a column nobody reads need not be looked at.
    fn never_fails(&self) -> bool {
        false
    }

    /// Brings an undecoded column into one of the forms of `raw_kinds`. A row that fails becomes null and is noted.
    fn to_raw(
        &mut self,
        _topic: &str,
        column: &ByteColumn,
        _kind: RawKind,
        _errors: &mut RowErrors,
    ) -> ByteColumn {
        column.clone()
    }

    /// As `to_raw` in the form of `Json`, with the editor's edits made in the objects. `None` if a row is of another kind or is not
    /// taken: nothing is said of any row then, and the column has to be decoded.
    fn to_raw_edited(
        &mut self,
        _column: &ByteColumn,
        _editor: &mut dyn Editor,
    ) -> Option<ByteColumn> {
        None
    }

    /// One record's bytes (`None`: null) to a value with its schema.
    fn decode(&mut self, topic: &str, bytes: Option<&[u8]>) -> Result<SchemaAndValue, RecordError>;

    /// A column's rows to values; a row that fails becomes null and is noted. Some converters look into the rows' headers.
    fn decode_column(
        &mut self,
        topic: &str,
        column: &ByteColumn,
        _headers: Option<&RawHeaders>,
        errors: &mut RowErrors,
    ) -> Decoded {
        let mut decoded = Decoded::with_capacity(column.clone());
        for (row, bytes) in column.iter().enumerate() {
            let outcome = self.decode(topic, bytes);
            decoded.push(outcome.unwrap_or_else(|error| {
                errors.push((row, error));
                SchemaAndValue::NULL
            }));
        }
        decoded
    }

    /// The same for who takes data that stay encoded: as such, if the converter has them, or as values.
    fn encoded_column(
        &mut self,
        topic: &str,
        column: &ByteColumn,
        headers: Option<&RawHeaders>,
        errors: &mut RowErrors,
    ) -> Payload {
        Payload::Decoded(self.decode_column(topic, column, headers, errors))
    }

    /// Whether well-formed bytes of this kind are what `encode` makes of them.
    fn writes_raw(&self, _kind: RawKind) -> bool {
        false
    }

    /// A value to a record's bytes; `None` is a tombstone.
    fn encode(
        &mut self,
        topic: &str,
        schema: Option<&SchemaRef>,
        value: &Value,
    ) -> Result<Option<Bytes>, RecordError>;
}

/// Converts the values of headers.
pub trait HeaderConverter: Send {
    /// The full Java name.
    fn class_name(&self) -> &'static str;

    /// Whether every header converts, so that headers nobody reads need not be looked at.
    fn never_fails(&self) -> bool {
        false
    }

    fn decode(
        &mut self,
        topic: &str,
        header: &str,
        bytes: Option<&[u8]>,
    ) -> Result<SchemaAndValue, RecordError>;

    fn encode(&mut self, topic: &str, header: &Header) -> Result<Option<Bytes>, RecordError>;
}
