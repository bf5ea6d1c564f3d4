//! Encoders: records on their way to the bytes of an object.
//!
//! Lines are an object's bytes as soon as they are written. A container holds records back until a block of them is whole,
//! and counts them in what it writes then and at its end: nothing that it has given out can be taken back. So a row is
//! written whole or not at all, what is held back is counted as memory, and is given out early where memory is short.

use millstream_core::{ColumnNeed, Header, Headers, Payload, RecordError, SchemaRef};
use std::fmt::Debug;
use std::io;
use std::ops::Range;

/// What an object holds of each record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Values,
    Keys,
    Headers,
}

/// The rows of a batch, as an object takes them.
#[derive(Clone, Copy)]
pub(crate) enum Column<'a> {
    /// Values or keys.
    Payload(&'a Payload),
    Headers(&'a Headers),
}

/// How objects of one kind are written.
pub(crate) trait Format: Debug + Send + Sync {
    /// The forms in which it takes keys and values.
    fn need(&self) -> ColumnNeed;

    /// Begins an object. `schema` is that of its first record; the failure is that record's.
    fn open(&self, part: Part, schema: Option<&SchemaRef>)
    -> Result<Box<dyn Encoder>, RecordError>;
}

/// Writes one object.
pub(crate) trait Encoder: Send {
    /// Why a row cannot be written, if so: `write` takes every row that passes. Nothing is written, so that a record that is
    /// to go to several objects goes to all of them or to none.
    fn check(&mut self, column: Column<'_>, row: usize) -> Result<(), RecordError>;

    /// Writes rows until `out` holds `limit` bytes, a row cannot be written, or all are written. Of a row that cannot be
    /// written nothing is left, neither in `out` nor in what is held back.
    fn write(
        &mut self,
        column: Column<'_>,
        rows: Range<usize>,
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Encoded;

    /// Bytes of all records so far, before compression; `None` of lines, which are in `out` as they are.
    fn record_bytes(&self) -> Option<u64> {
        None
    }

    /// Memory that is held, in bytes.
    fn memory(&self) -> usize {
        0
    }

    /// Gives out what is held back, as far as that can be done: memory is short.
    fn rest(&mut self, _out: &mut Vec<u8>) {}

    /// Gives out what is held back, and the end of the object.
    ///
    /// # Errors
    /// If that cannot be made of what was written: the object is not to be stored.
    fn finish(self: Box<Self>, _out: &mut Vec<u8>) -> io::Result<()> {
        Ok(())
    }
}

/// What a `write` did.
pub(crate) struct Encoded {
    pub(crate) rows: usize,
    /// Why the row after those could not be written.
    pub(crate) failure: Option<RecordError>,
}

impl Encoded {
    pub(crate) fn all(rows: usize) -> Self {
        Encoded {
            rows,
            failure: None,
        }
    }
}

/// The headers of a row.
pub(crate) fn headers_of(headers: &Headers, row: usize) -> &[Header] {
    match headers {
        Headers::Decoded { rows, .. } => &rows[row],
        Headers::None | Headers::Raw(_) => &[],
    }
}

/// Writes rows one by one with `write`; what a row that fails has written is taken back.
pub(super) fn encode_rows(
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
    Encoded::all(done)
}
