//! A record batch of format 2 under construction: records are encoded as they come.

use super::ProducerRecord;
use crate::codec::{Codec, compress};
use bytes::{BufMut, Bytes, BytesMut};
use tokio::time::Instant;

const HEADER: usize = 61;
/// What the checksum covers begins here.
const ATTRIBUTES_AT: usize = 21;
const TRANSACTIONAL: u16 = 1 << 4;

/// Who writes a batch; without idempotence nobody in particular.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProducerId {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
}

impl ProducerId {
    pub(super) const NONE: ProducerId = ProducerId { id: -1, epoch: -1 };
}

#[derive(Debug)]
pub(crate) struct Batch {
    records: Vec<u8>,
    count: i32,
    base_timestamp: i64,
    max_timestamp: i64,
    /// The records compressed, once no more are added.
    body: Option<Bytes>,
    pub(super) created: Instant,
    /// The call of each record, and its place in it.
    pub(super) owners: Vec<(u64, usize)>,
    /// An attempt may have been written without our hearing of it.
    pub(super) is_in_doubt: bool,
}

impl Batch {
    pub(crate) fn new(now: Instant) -> Self {
        Batch {
            records: Vec::new(),
            count: 0,
            base_timestamp: 0,
            max_timestamp: i64::MIN,
            body: None,
            created: now,
            owners: Vec::new(),
            is_in_doubt: false,
        }
    }

    pub(super) fn size(&self) -> usize {
        HEADER + self.records.len()
    }

    pub(crate) fn count(&self) -> i32 {
        self.count
    }

    /// Whether a record can still be added without the batch growing beyond `limit`.
    pub(crate) fn has_room(&self, record: &ProducerRecord, limit: usize) -> bool {
        self.body.is_none() && (self.count == 0 || self.size() + record.size() <= limit)
    }

    pub(crate) fn push(&mut self, record: &ProducerRecord, timestamp: i64, owner: (u64, usize)) {
        if self.count == 0 {
            self.base_timestamp = timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(timestamp);
        let start = self.records.len();
        let out = &mut self.records;
        out.push(0);
        varlong(out, timestamp.wrapping_sub(self.base_timestamp));
        varlong(out, self.count.into());
        field(out, record.key.as_deref());
        field(out, record.value.as_deref());
        varlong(out, record.headers.len() as i64);
        for (key, value) in &record.headers {
            field(out, Some(key));
            field(out, value.as_deref());
        }
        // The length comes first, but is known last; it is short, and so is the move.
        let length = out.len() - start;
        let mut prefix = Vec::with_capacity(5);
        varlong(&mut prefix, length as i64);
        out.splice(start..start, prefix);
        self.count += 1;
        self.owners.push(owner);
    }

    /// The batch as it goes over the wire.
    pub(super) fn encode(
        &mut self,
        codec: Codec,
        producer: ProducerId,
        base_sequence: i32,
    ) -> std::io::Result<Bytes> {
        self.encode_as(codec, producer, base_sequence, 0)
    }

    /// As `encode`, for a batch that is part of a transaction.
    pub(crate) fn encode_in_transaction(
        &mut self,
        codec: Codec,
        producer: ProducerId,
        base_sequence: i32,
    ) -> std::io::Result<Bytes> {
        self.encode_as(codec, producer, base_sequence, TRANSACTIONAL)
    }

    fn encode_as(
        &mut self,
        codec: Codec,
        producer: ProducerId,
        base_sequence: i32,
        attributes: u16,
    ) -> std::io::Result<Bytes> {
        let body = match &self.body {
            Some(body) => body.clone(),
            None => {
                let body = Bytes::from(compress(codec, &self.records)?);
                self.body.insert(body).clone()
            }
        };
        let mut out = BytesMut::with_capacity(HEADER + body.len());
        out.put_i64(0);
        out.put_i32((HEADER - 12 + body.len()) as i32);
        out.put_i32(-1);
        out.put_u8(2);
        out.put_u32(0);
        out.put_u16(u16::from(codec.id()) | attributes);
        out.put_i32(self.count - 1);
        out.put_i64(self.base_timestamp);
        out.put_i64(self.max_timestamp);
        out.put_i64(producer.id);
        out.put_i16(producer.epoch);
        out.put_i32(if producer == ProducerId::NONE {
            -1
        } else {
            base_sequence
        });
        out.put_i32(self.count);
        out.put_slice(&body);
        let crc = crc32c::crc32c(&out[ATTRIBUTES_AT..]);
        out[ATTRIBUTES_AT - 4..ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
        Ok(out.freeze())
    }
}

fn field(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            varlong(out, bytes.len() as i64);
            out.extend_from_slice(bytes);
        }
        None => varlong(out, -1),
    }
}

fn varlong(out: &mut Vec<u8>, value: i64) {
    let mut raw = ((value << 1) ^ (value >> 63)) as u64;
    while raw >= 0x80 {
        out.push(raw as u8 | 0x80);
        raw >>= 7;
    }
    out.push(raw as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::walker::{WalkOptions, Walker};
    use millstream_core::{Headers, Payload, TopicPartition};
    use proptest::prelude::*;

    type Fields = (
        Option<Vec<u8>>,
        Option<Vec<u8>>,
        Vec<(Vec<u8>, Option<Vec<u8>>)>,
        i64,
    );

    fn fields() -> impl Strategy<Value = Fields> {
        let field = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300));
        let key = proptest::collection::vec(any::<u8>(), 0..5);
        let headers = proptest::collection::vec((key, field()), 0..3);
        (field(), field(), headers, 0i64..1 << 50)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_walker_reads_it_back(records in proptest::collection::vec(fields(), 1..20), codec in 0u8..5) {
            let mut batch = Batch::new(Instant::now());
            for (place, (key, value, headers, timestamp)) in records.iter().enumerate() {
                let bytes = |b: &Vec<u8>| Bytes::from(b.clone());
                let record = ProducerRecord {
                    key: key.as_ref().map(bytes),
                    value: value.as_ref().map(bytes),
                    headers: headers.iter().map(|(k, v)| (bytes(k), v.as_ref().map(bytes))).collect(),
                    ..ProducerRecord::default()
                };
                let before = batch.size();
                batch.push(&record, *timestamp, (0, place));
                prop_assert!(batch.size() - before <= record.size());
            }
            let codec = Codec::of(codec).expect("0 to 4 are codecs");
            let wire = batch.encode(codec, ProducerId { id: 7, epoch: 1 }, 5).expect("memory takes all");
            let options = WalkOptions { fetch_offset: 0, check_crcs: true, aborted: None };
            let walked: Vec<_> = Walker::new(wire, TopicPartition::new("t", 0), options).collect();
            prop_assert_eq!(walked.len(), 1);
            let read = walked[0].as_ref().expect("what was written is sound");
            let column = |payload: &Payload, row| match payload {
                Payload::Raw { column, .. } => column.get(row).map(<[u8]>::to_vec),
                Payload::Encoded(_) | Payload::Decoded(_) => None,
            };
            for (row, (key, value, headers, timestamp)) in records.iter().enumerate() {
                prop_assert_eq!(&column(&read.keys, row), key);
                prop_assert_eq!(&column(&read.values, row), value);
                prop_assert_eq!(read.timestamps[row], *timestamp);
                if let Headers::Raw(raw) = &read.headers {
                    let found: Vec<_> = raw.row(row).map(|(k, v)| (k.to_vec(), v.map(<[u8]>::to_vec))).collect();
                    prop_assert_eq!(&found, headers);
                } else {
                    prop_assert!(headers.is_empty());
                }
            }
        }
    }
}
