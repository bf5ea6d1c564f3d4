//! RecordBatch: the unit of flow, rows of one topic-partition as columns.

use crate::budget::BytePermit;
use crate::byte_column::ByteColumn;
use crate::encoded::Encoded;
use crate::message::Messages;
use crate::offsets::TopicPartition;
use crate::schema::SchemaRef;
use crate::value::{SchemaAndValue, Value};
use bytes::Bytes;
use std::sync::Arc;

/// Rows in arrival order, all read from one partition of one topic.
///
/// The origin (topic, partition, offsets) never changes; a transform may rewrite the destination topic.
/// `first_offset..next_offset` is what the batch covers, so that dropping rows never loses progress.
#[derive(Debug)]
pub struct RecordBatch {
    pub origin: TopicPartition,
    pub destination: Destination,
    /// The position of the fetch that brought the batch; at most the first row's offset.
    pub first_offset: i64,
    /// The offset to go on with once every row is settled; beyond the last row where control records followed.
    pub next_offset: i64,
    pub offsets: Vec<i64>,
    /// Milliseconds since the epoch; `NO_TIMESTAMP` where the record has none.
    pub timestamps: Vec<i64>,
    pub timestamp_type: TimestampType,
    pub keys: Payload,
    pub values: Payload,
    pub headers: Headers,
    /// What was fetched beside the columns that stages work on.
    pub fetched: FetchedColumns,
    /// Memory that the batch holds; given back when the batch is dropped.
    pub permit: Option<BytePermit>,
}

/// What of a fetch stays as it was, whatever stages do.
#[derive(Clone, Debug, Default)]
pub struct FetchedColumns {
    /// Columns as fetched, where a stage replaced their bytes (a dead letter needs the originals).
    pub keys: Option<ByteColumn>,
    pub values: Option<ByteColumn>,
    /// The messages that the rows were made of, where they come from a queue.
    pub messages: Option<Arc<Messages>>,
}

/// Kafka's mark for a record without a timestamp.
pub const NO_TIMESTAMP: i64 = -1;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TimestampType {
    #[default]
    CreateTime,
    LogAppendTime,
    NoTimestampType,
}

impl TimestampType {
    /// Kafka's text for the type.
    pub fn name(self) -> &'static str {
        match self {
            TimestampType::CreateTime => "CreateTime",
            TimestampType::LogAppendTime => "LogAppendTime",
            TimestampType::NoTimestampType => "NoTimestampType",
        }
    }
}

/// The topic that a row is bound for, as transforms left it.
#[derive(Clone, Debug)]
pub enum Destination {
    /// All rows; nearly always the origin's topic.
    Uniform(Arc<str>),
    PerRow(Vec<Arc<str>>),
}

impl Destination {
    pub fn topic(&self, row: usize) -> &Arc<str> {
        match self {
            Destination::Uniform(topic) => topic,
            Destination::PerRow(topics) => &topics[row],
        }
    }

    /// The first row that is bound for another topic than this one.
    pub fn first_other(&self, origin: &str) -> Option<usize> {
        match self {
            Destination::Uniform(topic) => (**topic != *origin).then_some(0),
            Destination::PerRow(topics) => topics.iter().position(|topic| **topic != *origin),
        }
    }
}

/// The keys or the values of a batch, one for each row.
#[derive(Clone, Debug)]
pub enum Payload {
    /// Bytes that stand for values without their structure having been built.
    Raw {
        column: ByteColumn,
        kind: RawKind,
    },
    Encoded(Encoded),
    Decoded(Decoded),
}

/// What the bytes of a raw column mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawKind {
    /// As fetched; no converter has looked at them.
    Undecoded,
    /// Values of the schema "optional bytes": the bytes themselves.
    Bytes,
    /// Values of the schema "optional string": UTF-8, in which malformed bytes count as Java's decoder replaces them.
    String,
    /// Schemaless JSON values, already in the text that Java writes for them: key order, number text and escapes.
    Json,
    /// Schemaless JSON values, each in one of two forms. Behind the byte `DOCUMENT` stand an object's members as elements of BSON
    /// (bsonspec.org), in the order in which Java's map has them: whole numbers as int64, others as double, no name twice in an
    /// object, none with a `$` in front, none of the outermost with a `_` in front. A row without that byte is the text of `Json`.
    Document,
}

/// What a row of `RawKind::Document` begins with if elements follow. No text of JSON begins so.
pub const DOCUMENT: u8 = 0;

/// Values with their schemas, and the bytes they came from (a dead letter needs those).
#[derive(Clone, Debug)]
pub struct Decoded {
    /// One for each row; `None` is schemaless. Rows that share a schema share its `Arc`.
    pub schemas: Vec<Option<SchemaRef>>,
    pub values: Vec<Value>,
    pub raw: ByteColumn,
}

impl Payload {
    pub fn undecoded(column: ByteColumn) -> Self {
        Payload::Raw {
            column,
            kind: RawKind::Undecoded,
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Payload::Raw { column, .. } => column.len(),
            Payload::Encoded(encoded) => encoded.len(),
            Payload::Decoded(decoded) => decoded.values.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the row's value is null.
    pub fn is_null(&self, row: usize) -> bool {
        match self {
            Payload::Raw { column, .. } => column.is_null(row),
            Payload::Encoded(encoded) => encoded.is_null(row),
            Payload::Decoded(decoded) => decoded.values[row].is_null(),
        }
    }

    pub fn decoded(&self) -> Option<&Decoded> {
        match self {
            Payload::Decoded(decoded) => Some(decoded),
            Payload::Raw { .. } | Payload::Encoded(_) => None,
        }
    }

    pub fn decoded_mut(&mut self) -> Option<&mut Decoded> {
        match self {
            Payload::Decoded(decoded) => Some(decoded),
            Payload::Raw { .. } | Payload::Encoded(_) => None,
        }
    }

    fn retain(&mut self, mask: &RowMask) {
        match self {
            Payload::Raw { column, .. } => column.retain(|row| mask.get(row)),
            Payload::Encoded(encoded) => encoded.retain(|row| mask.get(row)),
            Payload::Decoded(decoded) => {
                retain_rows(&mut decoded.schemas, mask);
                retain_rows(&mut decoded.values, mask);
                decoded.raw.retain(|row| mask.get(row));
            }
        }
    }
}

impl Decoded {
    pub fn with_capacity(raw: ByteColumn) -> Self {
        let rows = raw.len();
        Decoded {
            schemas: Vec::with_capacity(rows),
            values: Vec::with_capacity(rows),
            raw,
        }
    }

    pub fn push(&mut self, row: SchemaAndValue) {
        self.schemas.push(row.schema);
        self.values.push(row.value);
    }

    pub fn set(&mut self, row: usize, to: SchemaAndValue) {
        self.schemas[row] = to.schema;
        self.values[row] = to.value;
    }
}

/// The headers of a batch.
#[derive(Clone, Debug, Default)]
pub enum Headers {
    /// No row has any.
    #[default]
    None,
    Raw(RawHeaders),
    Decoded {
        rows: Vec<Vec<Header>>,
        /// As fetched, for dead letters; `None` where no row had any.
        raw: Option<RawHeaders>,
    },
}

/// Headers as fetched: row `r` has the entries `starts[r]..starts[r + 1]`.
#[derive(Clone, Debug, Default)]
pub struct RawHeaders {
    /// One more than there are rows.
    pub starts: Vec<u32>,
    pub keys: ByteColumn,
    pub values: ByteColumn,
}

impl RawHeaders {
    /// The row's headers in order: key and value, both as fetched.
    pub fn row(&self, row: usize) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> + '_ {
        let range = self.starts[row] as usize..self.starts[row + 1] as usize;
        range.map(|entry| {
            (
                self.keys.get(entry).unwrap_or_default(),
                self.values.get(entry),
            )
        })
    }

    fn retain(&mut self, mask: &RowMask) {
        let mut kept = RawHeaders {
            starts: vec![0],
            ..RawHeaders::default()
        };
        let mut keep_entry = vec![false; self.keys.len()];
        let mut total = 0;
        for row in 0..self.starts.len().saturating_sub(1) {
            if mask.get(row) {
                let range = self.starts[row] as usize..self.starts[row + 1] as usize;
                total += range.len() as u32;
                keep_entry[range].fill(true);
                kept.starts.push(total);
            }
        }
        self.keys.retain(|entry| keep_entry[entry]);
        self.values.retain(|entry| keep_entry[entry]);
        self.starts = kept.starts;
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    pub key: String,
    pub schema: Option<SchemaRef>,
    pub value: Value,
}

impl Headers {
    fn retain(&mut self, mask: &RowMask) {
        match self {
            Headers::None => {}
            Headers::Raw(raw) => raw.retain(mask),
            Headers::Decoded { rows, raw } => {
                retain_rows(rows, mask);
                if let Some(raw) = raw {
                    raw.retain(mask);
                }
            }
        }
    }
}

/// One bit for each row of a batch: the rows that a stage is to touch, or to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowMask(Vec<bool>);

impl RowMask {
    pub fn all(rows: usize) -> Self {
        RowMask(vec![true; rows])
    }

    pub fn from_fn(rows: usize, test: impl FnMut(usize) -> bool) -> Self {
        RowMask((0..rows).map(test).collect())
    }

    pub fn get(&self, row: usize) -> bool {
        self.0[row]
    }

    pub fn clear(&mut self, row: usize) {
        self.0[row] = false;
    }

    pub fn negate(&mut self) {
        for bit in &mut self.0 {
            *bit = !*bit;
        }
    }

    pub fn is_all(&self) -> bool {
        self.0.iter().all(|&bit| bit)
    }

    pub fn rows(&self) -> impl Iterator<Item = usize> + '_ {
        self.0
            .iter()
            .enumerate()
            .filter(|(_, bit)| **bit)
            .map(|(row, _)| row)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl RecordBatch {
    /// The number of rows, which may be zero: such a batch still carries progress.
    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// Drops the rows that the mask does not name; the offsets that the batch covers stay.
    pub fn retain(&mut self, mask: &RowMask) {
        if mask.is_all() {
            return;
        }
        if let Destination::PerRow(topics) = &mut self.destination {
            retain_rows(topics, mask);
        }
        retain_rows(&mut self.offsets, mask);
        retain_rows(&mut self.timestamps, mask);
        self.keys.retain(mask);
        self.values.retain(mask);
        self.headers.retain(mask);
        for column in [&mut self.fetched.keys, &mut self.fetched.values]
            .into_iter()
            .flatten()
        {
            column.retain(|row| mask.get(row));
        }
    }

    /// The row's key bytes as fetched, for a dead letter.
    pub fn raw_key(&self, row: usize) -> Option<Bytes> {
        raw_bytes(self.fetched.keys.as_ref(), &self.keys, row)
    }

    /// The row's value bytes as fetched.
    pub fn raw_value(&self, row: usize) -> Option<Bytes> {
        raw_bytes(self.fetched.values.as_ref(), &self.values, row)
    }

    /// The row's headers as fetched.
    pub fn raw_headers(&self, row: usize) -> Vec<(Bytes, Option<Bytes>)> {
        let raw = match &self.headers {
            Headers::None => return Vec::new(),
            Headers::Raw(raw) => raw,
            Headers::Decoded { raw: Some(raw), .. } => raw,
            Headers::Decoded { raw: None, .. } => return Vec::new(),
        };
        raw.row(row)
            .map(|(key, value)| {
                (
                    Bytes::copy_from_slice(key),
                    value.map(Bytes::copy_from_slice),
                )
            })
            .collect()
    }
}

fn raw_bytes(fetched: Option<&ByteColumn>, payload: &Payload, row: usize) -> Option<Bytes> {
    if let Some(column) = fetched {
        return column.get_shared(row);
    }
    match payload {
        Payload::Raw { column, .. } => column.get_shared(row),
        Payload::Encoded(encoded) => encoded.raw.get_shared(row),
        Payload::Decoded(decoded) => decoded.raw.get_shared(row),
    }
}

fn retain_rows<T>(rows: &mut Vec<T>, mask: &RowMask) {
    let mut row = 0;
    rows.retain(|_| {
        row += 1;
        mask.get(row - 1)
    });
}
