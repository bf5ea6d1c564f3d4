//! Record batches (format 2) as bytes: building one of made-up records, and walking one.

use crate::random::Random;
use crate::wire::{Reader, put_varint};
use crate::{Failure, Kind, avro};
use millstream_kafka::codec::{Codec, compress};

/// Bytes of a batch before its records, and where its checksum and the checksummed part begin.
const HEADER: usize = 61;
const CRC_AT: usize = 17;
const CRC_FROM: usize = 21;
/// The lower byte of the attributes, where nothing but the codec is ever set.
const CODEC_AT: usize = 22;

/// What `length` of a batch leaves out: the base offset and the length itself.
const UNCOUNTED: usize = 12;

/// One batch of `count` records without keys; different seeds give different values.
pub(crate) fn build(kind: Kind, codec: Codec, count: usize, seed: u64) -> Result<Vec<u8>, Failure> {
    let mut random = Random::new(seed);
    let mut records = Vec::new();
    let mut record = Vec::new();
    for delta in 0..count {
        record.clear();
        record.push(0);
        put_varint(&mut record, 0);
        put_varint(&mut record, delta as i64);
        put_varint(&mut record, -1);
        let value = match kind {
            Kind::Text => text(&mut random, 100).into_bytes(),
            Kind::Text1k => text(&mut random, 1_000).into_bytes(),
            Kind::Text10k => text(&mut random, 10_000).into_bytes(),
            Kind::Text1m => text(&mut random, 1_000_000).into_bytes(),
            Kind::Json => object(&mut random).into_bytes(),
            Kind::Avro => avro::message(delta as i64, &mut random),
            Kind::Nested => nested(&mut random).into_bytes(),
        };
        put_varint(&mut record, value.len() as i64);
        record.extend(value);
        put_varint(&mut record, 0);
        put_varint(&mut records, record.len() as i64);
        records.extend(&record);
    }
    let mut batch = vec![0; HEADER];
    batch.extend(compress(codec, &records)?);
    let length = (batch.len() - UNCOUNTED) as i32;
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    batch[16] = 2;
    batch[CODEC_AT] = codec.id();
    batch[23..27].copy_from_slice(&(count as i32 - 1).to_be_bytes());
    for at in [27, 35] {
        batch[at..at + 8].copy_from_slice(&1_700_000_000_000i64.to_be_bytes());
    }
    // No producer id, epoch or sequence.
    batch[43..57].fill(0xff);
    batch[57..61].copy_from_slice(&(count as i32).to_be_bytes());
    let crc = crc32c::crc32c(&batch[CRC_FROM..]);
    batch[CRC_AT..CRC_FROM].copy_from_slice(&crc.to_be_bytes());
    Ok(batch)
}

/// What a walk saw: the records, the bytes of their values, and the offset to fetch next.
#[derive(Default)]
pub(crate) struct Walked {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    pub(crate) next_offset: i64,
}

/// Checks and walks every whole batch of a fetched set. What is compressed is checked and counted, not walked.
pub(crate) fn walk(mut set: &[u8], walked: &mut Walked) -> Result<(), Failure> {
    while let Some(head) = set.get(..HEADER) {
        let mut reader = Reader(head);
        let base_offset = reader.i64()?;
        let length = reader.i32()?.max(0) as usize + UNCOUNTED;
        let Some(batch) = set.get(..length) else {
            break;
        };
        let crc = Reader(&batch[CRC_AT..]).i32()? as u32;
        if batch[16] != 2 || crc32c::crc32c(&batch[CRC_FROM..]) != crc {
            return Err(format!("a damaged batch at offset {base_offset}").into());
        }
        let count = Reader(&batch[57..]).i32()?;
        let mut records = Reader(&batch[HEADER..]);
        let walked_records = if batch[CODEC_AT] == 0 { count } else { 0 };
        for _ in 0..walked_records {
            let length = records.varint()? as usize;
            let mut record = Reader(records.bytes(length)?);
            record.bytes(1)?;
            record.varint()?;
            record.varint()?;
            let key = record.varint()?.max(0) as usize;
            record.bytes(key)?;
            let value = record.varint()?.max(0) as usize;
            walked.bytes += std::hint::black_box(record.bytes(value)?).len() as u64;
        }
        walked.records += count as u64;
        walked.next_offset = base_offset + i64::from(Reader(&batch[23..]).i32()?) + 1;
        set = &set[length..];
    }
    Ok(())
}

fn word(random: &mut Random) -> &'static str {
    const WORDS: [&str; 8] = [
        "mill", "stream", "water", "wheel", "stone", "grain", "flour", "sluice",
    ];
    WORDS[random.below(8) as usize]
}

fn text(random: &mut Random, size: usize) -> String {
    let mut text = format!("Kafka message {:08} ", random.below(100_000_000));
    while text.len() < size {
        text.push_str(word(random));
        text.push(' ');
    }
    text.truncate(size);
    text
}

/// Amounts end in no zero and have few digits, as prices do.
fn object(random: &mut Random) -> String {
    format!(
        r#"{{"order_id":{},"customer":"customer-{:06}","total":{}.{}{},"items":{},"status":"shipped to mill yards"}}"#,
        10_000_000 + random.below(90_000_000),
        random.below(1_000_000),
        1_000 + random.below(9_000),
        random.below(10),
        1 + random.below(9),
        10 + random.below(90),
    )
}

/// Members stand in the order in which Java writes them.
fn nested(random: &mut Random) -> String {
    let items: Vec<String> = (0..4)
        .map(|_| {
            let skus = [10, 1000, 100_000][random.below(3) as usize];
            format!(
                r#"{{"quantity":{},"price":{},"sku":"SKU-{}"}}"#,
                random.below(20),
                price(random),
                random.below(skus)
            )
        })
        .collect();
    let words: Vec<&str> = (0..45).map(|_| word(random)).collect();
    format!(
        r#"{{"note":"{}","total":{},"paid":{},"id":{},"items":[{}],"customer":{{"score":{},"level":{},"name":"customer {}"}}}}"#,
        words.join(" "),
        price(random),
        ["true", "false", "null"][random.below(3) as usize],
        random.below(10_000_000),
        items.join(","),
        price(random),
        random.below(5),
        random.below(100_000),
    )
}

/// Of one to three digits, and two behind the point of which the last is no zero.
fn price(random: &mut Random) -> String {
    let (whole, tenths) = (random.below(1000), random.below(10));
    format!("{whole}.{tenths}{}", 1 + random.below(9))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(kind: Kind, size: u64) {
        let batch = build(kind, Codec::None, 500, 7).unwrap();
        let mut walked = Walked::default();
        walk(&[batch.clone(), batch].concat(), &mut walked).unwrap();
        assert_eq!(walked.records, 1000);
        assert_eq!(walked.bytes, 1000 * size);
        assert_eq!(walked.next_offset, 500);
    }

    #[test]
    fn what_is_built_is_walked() {
        check(Kind::Text, 100);
        check(Kind::Text1k, 1_000);
        check(Kind::Text10k, 10_000);
        check(Kind::Json, 110);
        check(Kind::Avro, 100);
    }

    #[test]
    fn what_is_compressed_is_counted() {
        let plain = build(Kind::Nested, Codec::None, 50, 7).unwrap();
        for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            let batch = build(Kind::Nested, codec, 50, 7).unwrap();
            assert!(batch.len() < plain.len() / 2 + plain.len() / 4);
            let mut walked = Walked::default();
            walk(&batch, &mut walked).unwrap();
            assert_eq!(
                (walked.records, walked.bytes, walked.next_offset),
                (50, 0, 50)
            );
        }
    }

    #[test]
    fn damage_is_seen_and_a_cut_batch_is_left() {
        let mut batch = build(Kind::Text, Codec::None, 3, 7).unwrap();
        let mut walked = Walked::default();
        walk(&batch[..batch.len() - 1], &mut walked).unwrap();
        assert_eq!(walked.records, 0);
        *batch.last_mut().unwrap() ^= 1;
        assert!(walk(&batch, &mut walked).is_err());
    }
}
