//! Rows: the columns under construction.

use bytes::Bytes;
use millstream_core::{
    ByteColumn, Destination, Headers, Payload, RawHeaders, RecordBatch, TimestampType,
    TopicPartition,
};

pub(super) fn timestamp_type(attributes: u8) -> TimestampType {
    if attributes & 8 == 0 {
        TimestampType::CreateTime
    } else {
        TimestampType::LogAppendTime
    }
}

/// Where a field lies in the current buffer: start and length; `None` is null.
pub(super) type Place = Option<(usize, usize)>;

/// What a row costs in the columns: offset, timestamp and two spans.
const ROW: usize = 40;

pub(super) struct Rows {
    pub(super) timestamp_type: TimestampType,
    offsets: Vec<i64>,
    timestamps: Vec<i64>,
    keys: ByteColumn,
    values: ByteColumn,
    headers: Option<RawHeaders>,
    /// The buffer that places refer to, and its number in the key and value columns.
    buffer: Bytes,
    number: u32,
    /// Its number in the header columns, once a header lies in it.
    header_number: Option<u32>,
    unfolded: usize,
}

impl Rows {
    /// With room for as many rows as are expected, so that the columns need not grow.
    pub(super) fn new(timestamp_type: TimestampType, expected: usize) -> Self {
        Rows {
            timestamp_type,
            offsets: Vec::with_capacity(expected),
            timestamps: Vec::with_capacity(expected),
            keys: ByteColumn::with_capacity(expected),
            values: ByteColumn::with_capacity(expected),
            headers: None,
            buffer: Bytes::new(),
            number: 0,
            header_number: None,
            unfolded: 0,
        }
    }

    pub(super) fn weight(&self) -> usize {
        self.unfolded + self.len() * ROW
    }

    /// As `set_buffer`, for bytes that are no part of the response.
    pub(super) fn set_unfolded(&mut self, buffer: &Bytes, rows: usize) {
        self.unfolded += buffer.len();
        self.set_buffer(buffer, rows);
    }

    pub(super) fn len(&self) -> usize {
        self.offsets.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// From here on places refer to this buffer; `rows` are expected in it.
    pub(super) fn set_buffer(&mut self, buffer: &Bytes, rows: usize) {
        if self.buffer.as_ptr() != buffer.as_ptr() || self.buffer.len() != buffer.len() {
            self.buffer = buffer.clone();
            self.number = self.keys.add_buffer(buffer.clone());
            self.values.add_buffer(buffer.clone());
            self.header_number = None;
        }
        self.offsets.reserve(rows);
        self.timestamps.reserve(rows);
        self.keys.reserve(rows);
        self.values.reserve(rows);
    }

    #[inline(always)]
    pub(super) fn push(&mut self, offset: i64, timestamp: i64, key: Place, value: Place) {
        self.offsets.push(offset);
        self.timestamps.push(timestamp);
        self.keys.push_place(self.number, key);
        self.values.push_place(self.number, value);
        if let Some(headers) = &mut self.headers {
            headers.starts.push(headers.keys.len() as u32);
        }
    }

    /// Adds a header to the row pushed last.
    pub(super) fn add_header(&mut self, key: (usize, usize), value: Place) {
        let rows = self.offsets.len();
        let headers = self.headers.get_or_insert_with(|| RawHeaders {
            starts: vec![0; rows + 1],
            ..RawHeaders::default()
        });
        let number = *self.header_number.get_or_insert_with(|| {
            headers.values.add_buffer(self.buffer.clone());
            headers.keys.add_buffer(self.buffer.clone())
        });
        headers.keys.push_place(number, Some(key));
        headers.values.push_place(number, value);
        if let Some(end) = headers.starts.last_mut() {
            *end = headers.keys.len() as u32;
        }
    }

    pub(super) fn finish(
        self,
        origin: &TopicPartition,
        first_offset: i64,
        next_offset: i64,
    ) -> RecordBatch {
        RecordBatch {
            origin: origin.clone(),
            destination: Destination::Uniform(origin.topic.clone()),
            first_offset,
            next_offset,
            offsets: self.offsets,
            timestamps: self.timestamps,
            timestamp_type: self.timestamp_type,
            keys: Payload::undecoded(self.keys),
            values: Payload::undecoded(self.values),
            headers: self.headers.map_or(Headers::None, Headers::Raw),
            fetched: millstream_core::batch::FetchedColumns::default(),
            permit: None,
        }
    }
}
