//! The walker against the library's decoder, on good bytes and on any.

#![allow(clippy::unwrap_used)]

use super::*;
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{
    Compression, Record, RecordBatchDecoder, RecordBatchEncoder, RecordEncodeOptions,
    TimestampType as WireTimestampType,
};
use millstream_core::{Headers, Payload};
use millstream_golden::{Outcome, bytes_of};
use proptest::prelude::*;
use serde_json::Value as Json;

/// One record as read: offset, timestamp, type, key, value, headers.
type Read = (
    i64,
    i64,
    TimestampType,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Vec<(Vec<u8>, Option<Vec<u8>>)>,
);

struct Walked {
    records: Vec<Read>,
    error: Option<String>,
    next: i64,
}

fn walk(input: Bytes, options: WalkOptions) -> Walked {
    let mut next = options.fetch_offset;
    let mut walker = Walker::new(input, TopicPartition::new("t", 0), options);
    let (mut records, mut error) = (Vec::new(), None);
    for item in &mut walker {
        match item {
            Ok(batch) => {
                assert_eq!(batch.first_offset, next, "batches follow each other");
                next = batch.next_offset;
                records.extend((0..batch.len()).map(|row| read(&batch, row)));
            }
            Err(e) => error = Some(e.to_string()),
        }
    }
    assert_eq!(next, walker.position());
    Walked {
        records,
        error,
        next,
    }
}

fn read(batch: &RecordBatch, row: usize) -> Read {
    let field = |payload: &Payload| match payload {
        Payload::Raw { column, .. } => column.get(row).map(<[u8]>::to_vec),
        Payload::Encoded(_) | Payload::Decoded(_) => unreachable!("the walker decodes nothing"),
    };
    let headers = match &batch.headers {
        Headers::Raw(raw) => raw
            .row(row)
            .map(|(k, v)| (k.to_vec(), v.map(<[u8]>::to_vec)))
            .collect(),
        Headers::None | Headers::Decoded { .. } => Vec::new(),
    };
    (
        batch.offsets[row],
        batch.timestamps[row],
        batch.timestamp_type,
        field(&batch.keys),
        field(&batch.values),
        headers,
    )
}

/// Whether the offsets are those that the case lists, in full or with its middle left out.
fn offsets_match(actual: &[i64], expected: &Json) -> bool {
    let listed = expected["offsets"].as_array().unwrap();
    if let Some(count) = expected["count"].as_u64() {
        let ends = [listed[0].as_i64(), listed.last().unwrap().as_i64()];
        return actual.len() as u64 == count
            && [actual.first().copied(), actual.last().copied()] == ends;
    }
    listed
        .iter()
        .map(|o| o.as_i64().unwrap())
        .eq(actual.iter().copied())
}

/// Compares what was delivered with the consumer that the case describes.
fn compare(walked: &Walked, expected: &Json, name: &str) -> Result<(), String> {
    let error = &expected["error"];
    if walked.error.is_some() == error.is_null() {
        return Err(format!("error {:?}, expected {error}", walked.error));
    }
    // Where Java failed with something other than its own errors, it lost records that it had read.
    let slipped = error["class"]
        .as_str()
        .is_some_and(|class| !class.starts_with("org.apache.kafka"));
    let offsets: Vec<i64> = walked.records.iter().map(|r| r.0).collect();
    if !slipped && !offsets_match(&offsets, expected) {
        return Err(format!("offsets {offsets:?}, expected {expected}"));
    }
    // No writer makes these. Java's position falls behind records that it has delivered; ours never does.
    let goes_back = [
        "bad-crc-of-second",
        "bad-offset-delta-max",
        "odd-last-offset-delta-negative",
        "v1-wrapper-offset-0",
    ];
    let next = expected["next_fetch_offset"].as_i64().unwrap();
    if !slipped && !goes_back.contains(&name) && walked.next != next {
        return Err(format!("next {}, expected {next}", walked.next));
    }
    Ok(())
}

fn field_matches(actual: Option<&[u8]>, expected: &Json) -> bool {
    match expected["length"].as_u64() {
        Some(length) => actual.is_some_and(|bytes| bytes.len() as u64 == length),
        None if expected.is_null() => actual.is_none(),
        None => actual == Some(&bytes_of(expected)[..]),
    }
}

/// Compares the fields of the delivered records with those that the case lists.
fn compare_fields(walked: &Walked, case: &Json) -> Result<(), String> {
    let listed: Vec<(&Json, &Json)> = case["batches"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|batch| {
            let records = batch["records"].as_array().into_iter().flatten();
            records.map(move |record| (batch, record))
        })
        .collect();
    // A batch of ours has one timestamp type; wrappers around another format are from hand-made files alone.
    let mixes_formats = matches!(
        case["name"].as_str(),
        Some("v1-inner-v0" | "v0-inner-v1" | "v1-inner-log-append-bit")
    );
    for record in &walked.records {
        let (offset, timestamp, kind, key, value, headers) = record;
        let Some((batch, expected)) = listed
            .iter()
            .find(|(_, r)| r["offset"].as_i64() == Some(*offset))
        else {
            continue;
        };
        let expected_kind = expected["timestamp_type"]
            .as_str()
            .or(batch["timestamp_type"].as_str());
        let expected_headers = expected["headers"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        let same = *timestamp == expected["timestamp"].as_i64().unwrap()
            && (Some(kind.name()) == expected_kind || mixes_formats)
            && field_matches(key.as_deref(), &expected["key"])
            && field_matches(value.as_deref(), &expected["value"])
            && headers.len() == expected_headers.len()
            && headers.iter().zip(expected_headers).all(|((k, v), e)| {
                e[0].as_str()
                    .is_none_or(|text| text == String::from_utf8_lossy(k))
                    && field_matches(v.as_deref(), &e[1])
            });
        if !same {
            return Err(format!("\n   actual {record:?}\n expected {expected}"));
        }
    }
    Ok(())
}

fn outcome(result: Result<(), String>) -> Outcome {
    result.map_or_else(Outcome::Failed, |()| Outcome::Passed)
}

#[test]
fn golden_batches() {
    millstream_golden::run("batches", |_, case| {
        let name = case["name"].as_str().unwrap();
        let input = bytes_of(&case["base64"]);
        let options = |check_crcs| WalkOptions {
            fetch_offset: case["fetch_offset"].as_i64().unwrap(),
            check_crcs,
            aborted: None,
        };
        let walked = walk(input.clone(), options(true));
        let unchecked = walk(input, options(false));
        let without = Some(&case["consumer_without_crc_check"])
            .filter(|c| !c.is_null())
            .unwrap_or(&case["consumer"]);
        outcome(
            compare(&walked, &case["consumer"], name)
                .and_then(|()| compare(&unchecked, without, name))
                .and_then(|()| compare_fields(&walked, case)),
        )
    });
}

#[test]
fn golden_transactions() {
    millstream_golden::run("transactions", |_, case| {
        let name = case["name"].as_str().unwrap();
        let list = case["aborted_transactions"].as_array();
        let aborted = list
            .into_iter()
            .flatten()
            .map(|t| AbortedTransaction {
                producer_id: t["producer_id"].as_i64().unwrap(),
                first_offset: t["first_offset"].as_i64().unwrap(),
            })
            .collect();
        let run = |aborted, expected| {
            let options = WalkOptions {
                fetch_offset: case["fetch_offset"].as_i64().unwrap(),
                check_crcs: true,
                aborted,
            };
            compare(&walk(bytes_of(&case["base64"]), options), expected, name)
        };
        outcome(
            run(Some(aborted), &case["read_committed"])
                .and_then(|()| run(None, &case["read_uncommitted"])),
        )
    });
}

fn arbitrary_record() -> impl Strategy<Value = Record> {
    let field = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..200));
    let headers = proptest::collection::vec(("[a-z]{0,5}", field()), 0..3);
    (any::<i64>(), field(), field(), headers).prop_map(|(timestamp, key, value, headers)| Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: 1,
        producer_id: -1,
        producer_epoch: -1,
        timestamp_type: WireTimestampType::Creation,
        offset: 0,
        sequence: -1,
        timestamp: timestamp >> 20,
        key: key.map(Bytes::from),
        value: value.map(Bytes::from),
        headers: headers
            .into_iter()
            .map(|(k, v)| (StrBytes::from_string(k), v.map(Bytes::from)))
            .collect::<IndexMap<_, _>>(),
    })
}

/// The small batches of the recordings: every format and codec.
fn recorded() -> &'static [Vec<u8>] {
    static CASES: std::sync::OnceLock<Vec<Vec<u8>>> = std::sync::OnceLock::new();
    CASES.get_or_init(|| {
        ["batches-v2", "batches-v0-v1"]
            .iter()
            .flat_map(|file| millstream_golden::cases(&format!("records/{file}.jsonl")))
            .map(|case| bytes_of(&case["base64"]).to_vec())
            .filter(|bytes| (1..4_000).contains(&bytes.len()))
            .chain([vec![0; 200]])
            .collect()
    })
}

fn encode(records: &[Record]) -> Bytes {
    let options = RecordEncodeOptions {
        version: 2,
        compression: Compression::None,
    };
    let mut buffer = bytes::BytesMut::new();
    RecordBatchEncoder::encode(&mut buffer, records, &options).unwrap();
    buffer.freeze()
}

fn all(fetch_offset: i64) -> WalkOptions {
    WalkOptions {
        fetch_offset,
        check_crcs: true,
        aborted: None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn reads_what_the_other_decoder_reads(
        mut records in proptest::collection::vec(arbitrary_record(), 1..20),
        from in 0i64..25,
    ) {
        for (offset, record) in records.iter_mut().enumerate() {
            record.offset = offset as i64;
            record.sequence = offset as i32;
        }
        let input = encode(&records);
        let expected: Vec<Read> = RecordBatchDecoder::decode(&mut input.clone())
            .unwrap()
            .records
            .into_iter()
            .filter(|r| r.offset >= from)
            .map(|r| (
                r.offset,
                r.timestamp,
                TimestampType::CreateTime,
                r.key.map(|b| b.to_vec()),
                r.value.map(|b| b.to_vec()),
                r.headers.into_iter().map(|(k, v)| (k.as_bytes().to_vec(), v.map(|b| b.to_vec()))).collect(),
            ))
            .collect();
        let walked = walk(input, all(from));
        prop_assert_eq!(walked.error, None);
        prop_assert_eq!(walked.records, expected);
        prop_assert_eq!(walked.next, from.max(records.len() as i64));
    }

    #[test]
    fn damage_never_panics(
        case in any::<prop::sample::Index>(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let cases = recorded();
        let mut bytes = cases[case.index(cases.len())].clone();
        for (place, byte) in damage {
            // The first hundred bytes hold all headers; the rest is mostly payload.
            let place = place.index(bytes.len().min(100));
            bytes[place] = byte;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        for check_crcs in [true, false] {
            walk(Bytes::from(bytes.clone()), WalkOptions { check_crcs, ..all(0) });
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), magic in 0u8..3) {
        let mut bytes = bytes;
        if bytes.len() > MAGIC_AT {
            let length = (bytes.len() - LOG_OVERHEAD) as u32;
            bytes[8..LOG_OVERHEAD].copy_from_slice(&length.to_be_bytes());
            bytes[MAGIC_AT] = magic;
        }
        walk(Bytes::from(bytes), WalkOptions { check_crcs: false, ..all(0) });
    }
}

/// A message of format 1 without its wrapper: relative offset, checksum, value.
fn message_v1(offset: i64, value: &[u8], codec: u8) -> Vec<u8> {
    let mut body = vec![1, codec];
    body.extend_from_slice(&7i64.to_be_bytes());
    body.extend_from_slice(&(-1i32).to_be_bytes());
    body.extend_from_slice(&(value.len() as i32).to_be_bytes());
    body.extend_from_slice(value);
    let mut message = offset.to_be_bytes().to_vec();
    message.extend_from_slice(&(body.len() as i32 + 4).to_be_bytes());
    message.extend_from_slice(&crc32fast::hash(&body).to_be_bytes());
    message.extend_from_slice(&body);
    message
}

/// As Java, which checks a wrapped message when its turn comes.
#[test]
fn report_f4_messages_before_a_damaged_one_are_delivered() {
    let mut wrapped = message_v1(0, b"a", 0);
    let mut damaged = message_v1(1, b"b", 0);
    *damaged.last_mut().unwrap() ^= 1;
    wrapped.extend_from_slice(&damaged);
    let gzip = crate::codec::compress(crate::codec::Codec::Gzip, &wrapped).unwrap();
    let wrapper = message_v1(1, &gzip, 1);
    let walked = walk(Bytes::from(wrapper.clone()), all(0));
    let values: Vec<_> = walked.records.iter().map(|r| (r.0, r.4.clone())).collect();
    assert_eq!(values, [(0, Some(b"a".to_vec()))]);
    assert!(walked.error.is_some_and(|e| e.contains("at offset 1")));
    assert_eq!(walked.next, 1);
    // What lies before the position is not looked at, and nothing is without the checks.
    let unchecked = walk(
        Bytes::from(wrapper.clone()),
        WalkOptions {
            check_crcs: false,
            ..all(0)
        },
    );
    assert_eq!((unchecked.records.len(), unchecked.error), (2, None));
    assert!(walk(Bytes::from(wrapper), all(2)).error.is_none());
}
