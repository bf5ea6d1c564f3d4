//! Building batches, for the broker's own markers and for tests and benches that need no client.

use bytes::{BufMut, Bytes, BytesMut};

use super::{HEADER, PREFIX, TRANSACTIONAL, seal};

/// Builds an uncompressed batch, record by record.
#[derive(Debug)]
pub struct BatchBuilder {
    out: BytesMut,
    scratch: BytesMut,
    count: i32,
    base_timestamp: i64,
    max_timestamp: i64,
    attributes: i16,
    producer: (i64, i16, i32),
}

impl Default for BatchBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl BatchBuilder {
    /// An empty batch of no particular producer.
    pub fn new() -> Self {
        Self::with(0, (-1, -1, -1))
    }

    /// An empty batch of the producer `(id, epoch, first sequence)`, inside a transaction when asked.
    pub fn of_producer(id: i64, epoch: i16, first_sequence: i32, transactional: bool) -> Self {
        Self::with(
            if transactional { TRANSACTIONAL } else { 0 },
            (id, epoch, first_sequence),
        )
    }

    pub(super) fn with(attributes: i16, producer: (i64, i16, i32)) -> Self {
        let mut out = BytesMut::with_capacity(1024);
        out.put_bytes(0, HEADER);
        Self {
            out,
            scratch: BytesMut::new(),
            count: 0,
            base_timestamp: 0,
            max_timestamp: 0,
            attributes,
            producer,
        }
    }

    /// Adds a record.
    pub fn push(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, Option<&[u8]>)],
    ) {
        if self.count == 0 {
            self.base_timestamp = timestamp;
            self.max_timestamp = timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(timestamp);
        self.scratch.clear();
        self.scratch.put_u8(0);
        put_varint(&mut self.scratch, timestamp - self.base_timestamp);
        put_varint(&mut self.scratch, i64::from(self.count));
        put_sized(&mut self.scratch, key);
        put_sized(&mut self.scratch, value);
        put_varint(&mut self.scratch, headers.len() as i64);
        for (name, value) in headers {
            put_sized(&mut self.scratch, Some(name.as_bytes()));
            put_sized(&mut self.scratch, *value);
        }
        put_varint(&mut self.out, self.scratch.len() as i64);
        self.out.put_slice(&self.scratch);
        self.count += 1;
    }

    /// Bytes so far.
    pub fn size(&self) -> usize {
        self.out.len()
    }

    /// The finished batch with base offset 0.
    pub fn finish(mut self) -> Bytes {
        let length = (self.out.len() - PREFIX) as i32;
        let mut header = &mut self.out[..HEADER];
        header.put_i64(0);
        header.put_i32(length);
        header.put_i32(-1);
        header.put_u8(2);
        header.put_u32(0);
        header.put_i16(self.attributes);
        header.put_i32(self.count - 1);
        header.put_i64(self.base_timestamp);
        header.put_i64(self.max_timestamp);
        header.put_i64(self.producer.0);
        header.put_i16(self.producer.1);
        header.put_i32(self.producer.2);
        header.put_i32(self.count);
        seal(&mut self.out);
        self.out.freeze()
    }
}

fn put_varint(out: &mut impl BufMut, value: i64) {
    let mut raw = ((value << 1) ^ (value >> 63)) as u64;
    while raw >= 0x80 {
        out.put_u8(raw as u8 | 0x80);
        raw >>= 7;
    }
    out.put_u8(raw as u8);
}

fn put_sized(out: &mut impl BufMut, bytes: Option<&[u8]>) {
    match bytes {
        None => put_varint(out, -1),
        Some(bytes) => {
            put_varint(out, bytes.len() as i64);
            out.put_slice(bytes);
        }
    }
}
