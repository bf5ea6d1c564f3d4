//! Kafka's record batch, format 2: reading its header, checking it, walking its records and building new ones. Batches travel
//! and are stored as they arrive; only the fields outside the checksum are ever patched in place.

mod builder;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::error::ResponseError;

pub use builder::BatchBuilder;

/// Bytes of a batch before its first record.
pub(crate) const HEADER: usize = 61;
/// Base offset and batch length: what stands before the bytes that the length counts.
const PREFIX: usize = 12;
const CRC_AT: usize = 17;
const ATTRIBUTES_AT: usize = 21;

const COMPRESSION: i16 = 0b111;
const LOG_APPEND_TIME: i16 = 1 << 3;
pub(crate) const TRANSACTIONAL: i16 = 1 << 4;
pub(crate) const CONTROL: i16 = 1 << 5;

/// The header's fields that the broker looks at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct BatchHeader {
    pub(crate) base_offset: i64,
    pub(crate) size: usize,
    pub(crate) leader_epoch: i32,
    pub(crate) attributes: i16,
    pub(crate) last_offset_delta: i32,
    pub(crate) base_timestamp: i64,
    pub(crate) max_timestamp: i64,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) base_sequence: i32,
    pub(crate) count: i32,
}

impl BatchHeader {
    /// The header at the start of `bytes`, or `None` when the batch is not complete.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.len() < HEADER {
            return None;
        }
        let length = i32::from_be_bytes(field(bytes, 8));
        let size = usize::try_from(length).ok()?.checked_add(PREFIX)?;
        (size >= HEADER && size <= bytes.len()).then(|| Self {
            base_offset: i64::from_be_bytes(field(bytes, 0)),
            size,
            leader_epoch: i32::from_be_bytes(field(bytes, 12)),
            attributes: i16::from_be_bytes(field(bytes, ATTRIBUTES_AT)),
            last_offset_delta: i32::from_be_bytes(field(bytes, 23)),
            base_timestamp: i64::from_be_bytes(field(bytes, 27)),
            max_timestamp: i64::from_be_bytes(field(bytes, 35)),
            producer_id: i64::from_be_bytes(field(bytes, 43)),
            producer_epoch: i16::from_be_bytes(field(bytes, 51)),
            base_sequence: i32::from_be_bytes(field(bytes, 53)),
            count: i32::from_be_bytes(field(bytes, 57)),
        })
    }

    pub(crate) fn last_offset(&self) -> i64 {
        self.base_offset + i64::from(self.last_offset_delta)
    }

    pub(crate) fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    pub(crate) fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    pub(crate) fn is_compressed(&self) -> bool {
        self.attributes & COMPRESSION != 0
    }
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

/// Cuts what a producer sent into its batches and refuses what a broker may not store.
pub(crate) fn split(records: &[u8]) -> Result<Vec<(BatchHeader, &[u8])>, ResponseError> {
    let mut batches = Vec::with_capacity(1);
    let mut rest = records;
    while !rest.is_empty() {
        if rest.len() > CRC_AT && rest[16] != 2 {
            return Err(ResponseError::UnsupportedForMessageFormat);
        }
        let header = BatchHeader::parse(rest).ok_or(ResponseError::CorruptMessage)?;
        let (batch, tail) = rest.split_at(header.size);
        if crc(batch) != u32::from_be_bytes(field(batch, CRC_AT)) {
            return Err(ResponseError::CorruptMessage);
        }
        if header.count <= 0 || header.last_offset_delta != header.count - 1 || header.is_control()
        {
            return Err(ResponseError::InvalidRecord);
        }
        batches.push((header, batch));
        rest = tail;
    }
    if batches.is_empty() {
        Err(ResponseError::InvalidRecord)
    } else {
        Ok(batches)
    }
}

fn crc(batch: &[u8]) -> u32 {
    crc32c::crc32c(&batch[ATTRIBUTES_AT..])
}

/// Writes the offset and the leader's epoch, which the checksum does not cover.
pub(crate) fn place(batch: &mut [u8], base_offset: i64, leader_epoch: i32) {
    batch[..8].copy_from_slice(&base_offset.to_be_bytes());
    batch[12..16].copy_from_slice(&leader_epoch.to_be_bytes());
}

/// Makes the broker's clock the timestamp of every record, as `message.timestamp.type=LogAppendTime` asks.
pub(crate) fn stamp(batch: &mut [u8], now: i64) {
    let attributes = i16::from_be_bytes(field(batch, ATTRIBUTES_AT)) | LOG_APPEND_TIME;
    batch[ATTRIBUTES_AT..ATTRIBUTES_AT + 2].copy_from_slice(&attributes.to_be_bytes());
    batch[35..43].copy_from_slice(&now.to_be_bytes());
    seal(batch);
}

fn seal(batch: &mut [u8]) {
    let sum = crc(batch);
    batch[CRC_AT..CRC_AT + 4].copy_from_slice(&sum.to_be_bytes());
}

/// One record of a batch, borrowed from it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RawRecord<'a> {
    pub(crate) offset_delta: i64,
    pub(crate) timestamp_delta: i64,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: Vec<(&'a [u8], Option<&'a [u8]>)>,
    /// The record with its length prefix.
    pub(crate) whole: &'a [u8],
}

/// The records of an uncompressed batch; `None` when they do not parse.
pub(crate) fn records(batch: &[u8]) -> Option<Vec<RawRecord<'_>>> {
    let header = BatchHeader::parse(batch)?;
    let mut rest = &batch[HEADER..header.size];
    let mut records = Vec::new();
    for _ in 0..header.count {
        let start = rest;
        let mut body = take_sized(&mut rest)??;
        let whole = &start[..start.len() - rest.len()];
        take(&mut body, 1)?;
        let timestamp_delta = take_varint(&mut body)?;
        let offset_delta = take_varint(&mut body)?;
        let key = take_sized(&mut body)?;
        let value = take_sized(&mut body)?;
        let mut headers = Vec::new();
        for _ in 0..take_varint(&mut body)? {
            headers.push((take_sized(&mut body)??, take_sized(&mut body)?));
        }
        records.push(RawRecord {
            offset_delta,
            timestamp_delta,
            key,
            value,
            headers,
            whole,
        });
    }
    Some(records)
}

fn take<'a>(rest: &mut &'a [u8], n: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(n)?;
    *rest = tail;
    Some(head)
}

/// A length and that many bytes; a negative length is null.
fn take_sized<'a>(rest: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    match take_varint(rest)? {
        n if n < 0 => Some(None),
        n => take(rest, usize::try_from(n).ok()?).map(Some),
    }
}

fn take_varint(rest: &mut &[u8]) -> Option<i64> {
    let mut raw = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = take(rest, 1)?[0];
        raw |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((raw >> 1) as i64 ^ -((raw & 1) as i64));
        }
    }
    None
}

/// The batch with only the records that `keep` wants, their offsets unchanged; `None` when nothing is left. The batch must be
/// uncompressed.
pub(crate) fn retain(batch: &[u8], keep: impl Fn(&RawRecord<'_>) -> bool) -> Option<Bytes> {
    let kept: Vec<_> = records(batch)?.into_iter().filter(keep).collect();
    if kept.is_empty() {
        return None;
    }
    let mut out = BytesMut::with_capacity(batch.len());
    out.put_slice(&batch[..HEADER]);
    for record in &kept {
        out.put_slice(record.whole);
    }
    let length = (out.len() - PREFIX) as i32;
    out[8..12].copy_from_slice(&length.to_be_bytes());
    out[57..61].copy_from_slice(&(kept.len() as i32).to_be_bytes());
    seal(&mut out);
    Some(out.freeze())
}

/// The control batch that ends a transaction of `producer` in a partition.
pub(crate) fn end_marker(producer: (i64, i16), committed: bool, now: i64) -> Bytes {
    let mut builder = BatchBuilder::with(TRANSACTIONAL | CONTROL, (producer.0, producer.1, -1));
    let key = [0, 0, 0, u8::from(committed)];
    builder.push(now, Some(&key), Some(&[0; 6]), &[]);
    builder.finish()
}

/// Whether a control batch says that its transaction was committed.
pub(crate) fn is_commit(batch: &[u8]) -> bool {
    let key =
        records(batch).and_then(|records| records.first().and_then(|r| r.key.map(<[u8]>::to_vec)));
    key.is_some_and(|key| key.get(2..4) == Some(&[0, 1]))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn sample(values: &[&str]) -> Bytes {
        let mut builder = BatchBuilder::new();
        for (i, value) in values.iter().enumerate() {
            let key = format!("k{}", i % 2);
            builder.push(
                1_000 + i as i64,
                Some(key.as_bytes()),
                Some(value.as_bytes()),
                &[("h", None)],
            );
        }
        builder.finish()
    }

    #[test]
    fn builds_what_it_reads() {
        let batch = sample(&["a", "bb", "ccc"]);
        let (header, whole) = split(&batch).unwrap()[0];
        assert_eq!(
            (header.count, header.last_offset(), header.max_timestamp),
            (3, 2, 1_002)
        );
        let records = records(whole).unwrap();
        assert_eq!(records[2].value, Some(&b"ccc"[..]));
        assert_eq!(records[2].headers, vec![(&b"h"[..], None)]);
    }

    #[test]
    fn refuses_a_flipped_byte() {
        let mut batch = sample(&["a"]).to_vec();
        *batch.last_mut().unwrap() ^= 1;
        assert_eq!(split(&batch), Err(ResponseError::CorruptMessage));
    }

    #[test]
    fn keeps_offsets_when_records_go() {
        let kept = retain(&sample(&["a", "b", "c"]), |record| {
            record.key == Some(b"k1")
        })
        .unwrap();
        let header = BatchHeader::parse(&kept).unwrap();
        assert_eq!((header.count, header.last_offset_delta), (1, 2));
        assert_eq!(records(&kept).unwrap()[0].offset_delta, 1);
        assert_eq!(crc(&kept), u32::from_be_bytes(field(&kept, CRC_AT)));
    }

    #[test]
    fn markers_tell_their_outcome() {
        assert!(is_commit(&end_marker((7, 0), true, 5)));
        assert!(!is_commit(&end_marker((7, 0), false, 5)));
    }

    proptest! {
        #[test]
        fn survives_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = split(&bytes);
            let _ = records(&bytes);
        }
    }
}
