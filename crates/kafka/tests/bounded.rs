//! What comes from outside is not believed: whatever counts and lengths bytes claim, decoding them takes no more memory
//! than so many bytes can stand for. The allocator of this program counts.

#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use millstream_core::TopicPartition;
use millstream_kafka::group::Assignor;
use millstream_kafka::group::assignor::{Member, PartitionRacks, TopicSizes};
use millstream_kafka::group::protocol::{Assignment, Subscription};
use millstream_kafka::walker::{WalkOptions, Walker};
use peak_alloc::PeakAlloc;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const SEED: u64 = 20_261_129;

/// A byte of gzip stands for a thousand, and those for records with their columns.
const FACTOR: usize = 8_000;
const ROOM: usize = 64 * 1024;

/// Fails if the decoder takes more than so many bytes may cost.
fn within_bounds(what: &str, input: &[u8], decode: impl FnOnce(&Bytes)) {
    let bytes = Bytes::copy_from_slice(input);
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    decode(&bytes);
    let taken = MEMORY.peak_usage().saturating_sub(before);
    assert!(
        taken <= ROOM + FACTOR * input.len(),
        "{what} took {taken} bytes for {} (seed {SEED}): {input:?}",
        input.len()
    );
}

fn subscription(bytes: &Bytes) {
    let _ = Subscription::decode(bytes);
}

fn assignment(bytes: &Bytes) {
    let _ = Assignment::decode(bytes);
}

/// The user data of a sticky member is read when partitions are shared out.
fn user_data(bytes: &Bytes) {
    let member = Member {
        id: "m".to_owned(),
        instance: None,
        subscription: Subscription {
            topics: vec!["t".to_owned()],
            user_data: Some(bytes.clone()),
            ..Subscription::default()
        },
    };
    let topics = TopicSizes::from([("t".into(), 3)]);
    for assignor in [Assignor::Sticky, Assignor::CooperativeSticky] {
        assignor.assign(
            &topics,
            &PartitionRacks::new(),
            std::slice::from_ref(&member),
        );
    }
}

fn records(bytes: &Bytes) {
    let options = WalkOptions {
        fetch_offset: 0,
        check_crcs: false,
        aborted: None,
    };
    Walker::new(bytes.clone(), TopicPartition::new("t", 0), options).for_each(drop);
}

/// Claims some billion of something, somewhere.
fn bend(whole: &[u8], random: &mut StdRng) -> Vec<u8> {
    let mut bent = whole.to_vec();
    let claims: [&[u8]; 5] = [
        &[0x7F, 0xFF, 0xFF, 0xFF],
        &[0xFF, 0xFF, 0xFF, 0xFF, 0x0F],
        &[0x7F, 0xFF],
        &[0x80],
        &[],
    ];
    for _ in 0..random.random_range(1..3) {
        let claim = claims[random.random_range(0..claims.len())];
        let at = random.random_range(0..=bent.len());
        let end = bent.len().min(at + claim.len());
        bent.splice(at..end, claim.iter().copied());
    }
    if random.random_bool(0.3) {
        bent.truncate(random.random_range(0..=bent.len()));
    }
    bent
}

fn said(version: i16) -> Vec<u8> {
    let partitions = [0, 1, 7].map(|p| TopicPartition::new("topic", p)).to_vec();
    let subscription = Subscription {
        topics: vec!["topic".to_owned(), "u".to_owned()],
        user_data: Some(Bytes::from_static(b"user")),
        owned: partitions,
        generation: Some(3),
        rack: Some("r".to_owned()),
    };
    let mut bytes = subscription.encode().to_vec();
    bytes[..2].copy_from_slice(&version.to_be_bytes());
    bytes
}

/// The batches of the recordings, every format and codec.
fn recorded() -> Vec<Vec<u8>> {
    ["batches-v2", "batches-v0-v1", "frames-of-other-clients"]
        .iter()
        .flat_map(|file| millstream_golden::cases(&format!("records/{file}.jsonl")))
        .map(|case| millstream_golden::bytes_of(&case["base64"]).to_vec())
        .filter(|bytes| (1..4_000).contains(&bytes.len()))
        .collect()
}

#[test]
fn report_f1_no_count_from_outside_is_believed() {
    // What once ended the process.
    let found: [&[u8]; 5] = [
        // A subscription of 2^31 - 1 topics; one that owns as many; an assignment; user data; the longest topic name.
        &[0, 1, 0x7F, 0xFF, 0xFF, 0xFF],
        &[
            0, 1, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF,
        ],
        &[0, 0, 0x33, 0xFF, 0xFF, 0xFF, 0, 1, b't'],
        &[0x7F, 0xFF, 0xFF, 0xFF, 0, 1, b't', 0x7F, 0xFF, 0xFF, 0xFF],
        &[0, 1, 0, 0, 0, 1, 0x7F, 0xFF],
    ];
    for bytes in found {
        within_bounds("a subscription", bytes, subscription);
        within_bounds("an assignment", bytes, assignment);
        within_bounds("user data", bytes, user_data);
    }
    // A batch of format 2 that claims 2^31 - 1 records.
    let mut claims = vec![0; 80];
    claims[8..12].copy_from_slice(&68u32.to_be_bytes());
    claims[16] = 2;
    claims[57..61].copy_from_slice(&[0x7F, 0xFF, 0xFF, 0xFF]);
    within_bounds("a batch", &claims, records);
    claims[22] = 4;
    within_bounds("a compressed batch", &claims, records);

    let mut random = StdRng::seed_from_u64(SEED);
    let given = Assignment {
        partitions: vec![TopicPartition::new("topic", 3), TopicPartition::new("u", 1)],
        user_data: Some(Bytes::from_static(b"x")),
    };
    let given = given.encode().to_vec();
    for _ in 0..3_000 {
        let arbitrary: Vec<u8> = (0..random.random_range(0..60))
            .map(|_| random.random())
            .collect();
        let version = random.random_range(0..4);
        for bytes in [&arbitrary, &bend(&said(version), &mut random)] {
            within_bounds("a subscription", bytes, subscription);
            within_bounds("user data", bytes, user_data);
        }
        for bytes in [&arbitrary, &bend(&given, &mut random)] {
            within_bounds("an assignment", bytes, assignment);
            within_bounds("user data", bytes, user_data);
        }
        within_bounds("records", &arbitrary, records);
    }
    let recorded = recorded();
    assert!(!recorded.is_empty(), "the recordings are there");
    for whole in &recorded {
        for _ in 0..20 {
            within_bounds("records", &bend(whole, &mut random), records);
        }
    }
}
