//! The reader without a group: ranges over whatever holes a log has, ends, leaders that move, topics that are made again.

#![allow(clippy::unwrap_used)]

use millstream_core::{ByteBudget, Payload, Properties, RecordBatch, TopicPartition};
use millstream_embedded::broker::{BatchBuilder, Broker, BrokerSettings};
use millstream_kafka::{KafkaReader, Read, ReadRange, ReadUpTo, ReaderSettings, StartAt, WhenLost};
use std::collections::BTreeMap;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

struct Bench(Broker);

impl Bench {
    async fn new(nodes: usize) -> Self {
        let settings = BrokerSettings {
            auto_create_topics: false,
            ..BrokerSettings::of_nodes(nodes)
        };
        Bench(Broker::start(settings).await.unwrap())
    }

    fn start(&self, ranges: Vec<ReadRange>, when_lost: WhenLost, budget: usize) -> KafkaReader {
        self.start_with(ranges, when_lost, budget, &[])
    }

    fn start_with(
        &self,
        ranges: Vec<ReadRange>,
        when_lost: WhenLost,
        budget: usize,
        more: &[(&str, &str)],
    ) -> KafkaReader {
        let bootstrap = self.0.bootstrap();
        let base = [
            ("bootstrap.servers", bootstrap.as_str()),
            ("metadata.max.age.ms", "300"),
            ("retry.backoff.ms", "20"),
            ("fetch.max.wait.ms", "50"),
        ];
        let config = Properties::from_iter(base.iter().chain(more).copied());
        let settings = ReaderSettings::from_properties(&config).unwrap();
        KafkaReader::start(settings, ranges, when_lost, ByteBudget::new(budget))
    }

    fn write(&self, topic: &str, records: &[(&str, Option<&str>)]) {
        for (key, value) in records {
            let value = value.map(str::as_bytes);
            self.0
                .produce(topic, 0, Some(key.as_bytes()), value)
                .unwrap();
        }
    }
}

fn range(partition: i32, from: StartAt, up_to: ReadUpTo) -> ReadRange {
    ReadRange {
        partition: TopicPartition::new("t", partition),
        from,
        up_to,
    }
}

async fn next(reader: &mut KafkaReader) -> Read {
    match tokio::time::timeout(PATIENCE, reader.next()).await {
        Ok(Read::Failed(error)) => panic!("the reader failed: {error}"),
        Ok(read) => read,
        Err(_) => panic!("nothing happened"),
    }
}

async fn failure(reader: &mut KafkaReader) -> String {
    loop {
        match tokio::time::timeout(PATIENCE, reader.next()).await {
            Ok(Read::Failed(error)) => return error.message,
            Ok(_) => {}
            Err(_) => panic!("nothing happened"),
        }
    }
}

fn rows(batch: &RecordBatch) -> Vec<(i64, String)> {
    let Payload::Raw { column, .. } = &batch.values else {
        unreachable!("a reader decodes nothing")
    };
    let text = |value: Option<&[u8]>| String::from_utf8(value.unwrap_or(b"-").to_vec()).unwrap();
    let values = column.iter().map(text);
    batch.offsets.iter().copied().zip(values).collect()
}

/// What a reader of so many partitions delivers until it has reached the end of all, by partition; and where it ended.
async fn whole(
    reader: &mut KafkaReader,
    partitions: usize,
) -> BTreeMap<i32, (Vec<(i64, String)>, i64)> {
    let mut read: BTreeMap<i32, Vec<(i64, String)>> = BTreeMap::new();
    let mut ends = BTreeMap::new();
    while ends.len() < partitions {
        match next(reader).await {
            Read::Batch(batch) => {
                assert!(!ends.contains_key(&batch.origin.partition));
                read.entry(batch.origin.partition)
                    .or_default()
                    .extend(rows(&batch));
            }
            Read::Reached { partition, offset } => {
                assert!(ends.insert(partition.partition, offset).is_none());
            }
            Read::StartedOver(_) => read.clear(),
            _ => {}
        }
    }
    let ends = ends.into_iter();
    ends.map(|(partition, end)| {
        (
            partition,
            (read.remove(&partition).unwrap_or_default(), end),
        )
    })
    .collect()
}

fn offsets(rows: &[(i64, String)]) -> Vec<i64> {
    rows.iter().map(|(offset, _)| *offset).collect()
}

#[tokio::test]
async fn ranges_begin_and_end_where_they_say() {
    let bench = Bench::new(2).await;
    bench.0.create_topic("t", 4).unwrap();
    for partition in 0..3 {
        let mut batch = BatchBuilder::new();
        for n in 0..10 {
            batch.push(0, None, Some(n.to_string().as_bytes()), &[]);
        }
        bench.0.append("t", partition, &batch.finish()).unwrap();
        bench.0.produce("t", partition, None, Some(b"10")).unwrap();
    }
    let ranges = vec![
        // Within one batch.
        range(0, StartAt::Offset(3), ReadUpTo::Offset(7)),
        range(1, StartAt::Earliest, ReadUpTo::EndAsOfNow),
        // Nothing at all.
        range(2, StartAt::Offset(5), ReadUpTo::Offset(5)),
        range(3, StartAt::Earliest, ReadUpTo::EndAsOfNow),
    ];
    let mut reader = bench.start(ranges, WhenLost::Fail, 1 << 20);
    let read = whole(&mut reader, 4).await;
    assert_eq!(offsets(&read[&0].0), [3, 4, 5, 6]);
    assert_eq!(offsets(&read[&1].0), (0..11).collect::<Vec<_>>());
    assert_eq!(read[&1].1, 11);
    assert_eq!(read[&2], (vec![], 5));
    assert_eq!(read[&3], (vec![], 0));
    reader.close(PATIENCE).await;
}

#[tokio::test]
async fn compacted_holes_are_no_end() {
    let bench = Bench::new(1).await;
    bench.0.create_topic("t", 1).unwrap();
    let twice: Vec<_> = (0..40).map(|n| (["a", "b"][n % 2], Some("x"))).collect();
    bench.write("t", &twice);
    bench.write("t", &[("c", Some("y")), ("c", Some("z"))]);
    bench.0.compact("t", 0).unwrap();
    // 38, 39 and 41 are left. Both ends of a range lie in holes, and once the whole range.
    for (from, to, expected) in [
        (0, 42, vec![38, 39, 41]),
        (5, 39, vec![38]),
        (5, 20, vec![]),
        (39, 41, vec![39]),
        (40, 41, vec![]),
    ] {
        let ranges = vec![range(0, StartAt::Offset(from), ReadUpTo::Offset(to))];
        let mut reader = bench.start(ranges, WhenLost::Fail, 1 << 20);
        let (read, end) = whole(&mut reader, 1).await.remove(&0).unwrap();
        assert_eq!(offsets(&read), expected, "{from}..{to}");
        assert!(end >= to);
        reader.close(PATIENCE).await;
    }
}

#[tokio::test]
async fn aborted_transactions_are_left_out_and_open_ones_are_the_end() {
    let bench = Bench::new(1).await;
    bench.0.create_topic("t", 1).unwrap();
    let write = |producer: i64, sequence: i32, values: &[&str]| {
        let mut batch = BatchBuilder::of_producer(producer, 0, sequence, true);
        for value in values {
            batch.push(0, None, Some(value.as_bytes()), &[]);
        }
        bench.0.append("t", 0, &batch.finish()).unwrap();
    };
    write(1, 0, &["aborted", "aborted"]);
    write(2, 0, &["kept"]);
    bench.0.end_transaction("t", 0, (1, 0), false);
    bench.0.end_transaction("t", 0, (2, 0), true);
    write(3, 0, &["open"]);
    let cases = [
        ("read_committed", ReadUpTo::EndAsOfNow, vec![2]),
        ("read_committed", ReadUpTo::Offset(2), vec![]),
        ("read_uncommitted", ReadUpTo::EndAsOfNow, vec![0, 1, 2, 5]),
        ("read_uncommitted", ReadUpTo::Offset(1), vec![0]),
    ];
    for (level, up_to, expected) in cases {
        let ranges = vec![range(0, StartAt::Earliest, up_to)];
        let config = [("isolation.level", level)];
        let mut reader = bench.start_with(ranges, WhenLost::Fail, 1 << 20, &config);
        let read = whole(&mut reader, 1).await;
        assert_eq!(offsets(&read[&0].0), expected, "{level} {up_to:?}");
        reader.close(PATIENCE).await;
    }
}

#[tokio::test]
async fn what_was_waited_for_comes_and_following_goes_on() {
    let bench = Bench::new(1).await;
    bench.0.create_topic("t", 2).unwrap();
    let ranges = vec![
        range(0, StartAt::Latest, ReadUpTo::Offset(3)),
        range(1, StartAt::Earliest, ReadUpTo::Follow),
    ];
    let mut reader = bench.start(ranges, WhenLost::Fail, 1 << 20);
    let mut begun = Vec::new();
    while begun.len() < 2 {
        if let Read::Begun(places) = next(&mut reader).await {
            begun.extend(places);
        }
    }
    assert!(begun.iter().all(|(_, offset)| *offset == 0), "{begun:?}");
    for n in 0..5 {
        let value = Some(n.to_string());
        let value = value.as_deref().map(str::as_bytes);
        bench.0.produce("t", 0, None, value).unwrap();
        bench.0.produce("t", 1, None, value).unwrap();
    }
    let (mut bounded, mut followed, mut has_ended) = (Vec::new(), Vec::new(), false);
    while !has_ended || followed.len() < 5 {
        match next(&mut reader).await {
            Read::Batch(batch) if batch.origin.partition == 0 => bounded.extend(batch.offsets),
            Read::Batch(batch) => followed.extend(batch.offsets),
            Read::Reached { partition, offset } => {
                assert_eq!(partition.partition, 0);
                assert!(offset >= 3);
                has_ended = true;
            }
            _ => {}
        }
    }
    assert_eq!(bounded, [0, 1, 2]);
    assert_eq!(followed, [0, 1, 2, 3, 4]);
    reader.close(PATIENCE).await;
}

#[tokio::test]
async fn a_leader_that_moves_is_followed() {
    let bench = Bench::new(3).await;
    bench.0.create_topic("t", 1).unwrap();
    let ranges = vec![range(0, StartAt::Earliest, ReadUpTo::Offset(30))];
    let mut reader = bench.start(ranges, WhenLost::Fail, 1 << 20);
    for n in 0..30 {
        if n % 5 == 0 {
            bench.0.move_leader("t", 0, 1 + n / 5 % 3).unwrap();
        }
        bench.0.produce("t", 0, None, Some(b"x")).unwrap();
    }
    let (read, _) = whole(&mut reader, 1).await.remove(&0).unwrap();
    assert_eq!(offsets(&read), (0..30).collect::<Vec<_>>());
    reader.close(PATIENCE).await;
}

#[tokio::test]
async fn a_topic_made_again_is_told() {
    for when_lost in [WhenLost::Fail, WhenLost::StartOver] {
        let bench = Bench::new(1).await;
        bench.0.create_topic("t", 1).unwrap();
        bench.write("t", &[("a", Some("1")), ("b", Some("2"))]);
        let ranges = vec![range(0, StartAt::Earliest, ReadUpTo::Follow)];
        let mut reader = bench.start(ranges, when_lost, 1 << 20);
        let mut seen = 0;
        while seen < 2 {
            if let Read::Batch(batch) = next(&mut reader).await {
                seen += batch.len();
            }
        }
        bench.0.delete_topic("t").unwrap();
        bench.0.create_topic("t", 1).unwrap();
        bench.write(
            "t",
            &[("a", Some("new")), ("b", Some("2")), ("c", Some("3"))],
        );
        if when_lost == WhenLost::Fail {
            let message = failure(&mut reader).await;
            assert!(message.contains("t-0"), "{message}");
            continue;
        }
        let mut read = Vec::new();
        while read.len() < 3 {
            match next(&mut reader).await {
                Read::Batch(batch) => read.extend(rows(&batch)),
                Read::StartedOver(_) => read.clear(),
                _ => {}
            }
        }
        assert_eq!(read[0], (0, "new".to_owned()));
        reader.close(PATIENCE).await;
    }
}

#[tokio::test]
async fn offsets_that_are_gone_are_an_error_or_a_new_beginning() {
    let bench = Bench::new(1).await;
    bench.0.create_topic("t", 1).unwrap();
    bench.write("t", &[("a", Some("1")); 10]);
    bench.0.delete_records("t", 0, 6).unwrap();
    let ranges = vec![range(0, StartAt::Offset(2), ReadUpTo::EndAsOfNow)];
    let mut reader = bench.start(ranges.clone(), WhenLost::Fail, 1 << 20);
    let message = failure(&mut reader).await;
    assert!(message.contains("t-0=2"), "{message}");
    let mut reader = bench.start(ranges, WhenLost::StartOver, 1 << 20);
    let mut has_begun_at = None;
    let mut read = Vec::new();
    loop {
        match next(&mut reader).await {
            Read::StartedOver(_) => has_begun_at = None,
            Read::Begun(places) => has_begun_at = Some(places[0].1),
            Read::Batch(batch) => read.extend(batch.offsets),
            Read::Reached { offset, .. } => {
                assert_eq!(offset, 10);
                break;
            }
            _ => {}
        }
    }
    assert_eq!((has_begun_at, read), (Some(6), vec![6, 7, 8, 9]));
}

/// An unclean change of leader: what was read of the old log is told to count for nothing.
#[tokio::test]
async fn a_log_that_was_cut_short_is_read_again() {
    let bench = Bench::new(2).await;
    bench.0.create_topic("t", 1).unwrap();
    bench.write("t", &[("a", Some("old")); 10]);
    let ranges = vec![range(0, StartAt::Earliest, ReadUpTo::Follow)];
    let mut reader = bench.start(ranges, WhenLost::StartOver, 1 << 20);
    let mut seen = 0;
    while seen < 10 {
        if let Read::Batch(batch) = next(&mut reader).await {
            seen += batch.len();
        }
    }
    bench.0.truncate("t", 0, 4).unwrap();
    bench.0.move_leader("t", 0, 2).unwrap();
    bench.write("t", &[("a", Some("new")); 9]);
    let mut read = Vec::new();
    let mut times = 0;
    while times == 0 || read.len() < 13 {
        match next(&mut reader).await {
            Read::Batch(batch) => read.extend(rows(&batch)),
            Read::StartedOver(_) => {
                read.clear();
                times += 1;
            }
            _ => {}
        }
    }
    assert_eq!(offsets(&read), (0..13).collect::<Vec<_>>());
    assert_eq!((&*read[3].1, &*read[4].1), ("old", "new"));
    reader.close(PATIENCE).await;
}

#[tokio::test]
async fn a_missing_topic_is_waited_for_by_name() {
    let bench = Bench::new(1).await;
    let ranges = vec![range(0, StartAt::Earliest, ReadUpTo::Offset(1))];
    let mut reader = bench.start(ranges, WhenLost::Fail, 1 << 20);
    loop {
        if let Read::Degraded(degraded) = next(&mut reader).await {
            assert_eq!(degraded.reason, "topic t does not exist, waiting for it");
            break;
        }
    }
    bench.0.create_topic("t", 1).unwrap();
    bench.write("t", &[("a", Some("1"))]);
    let read = whole(&mut reader, 1).await;
    assert_eq!(offsets(&read[&0].0), [0]);
    reader.close(PATIENCE).await;
}

#[tokio::test]
async fn no_more_is_held_than_the_budget_has() {
    let bench = Bench::new(1).await;
    bench.0.create_topic("t", 1).unwrap();
    let value = "x".repeat(1_000);
    bench.write("t", &[("a", Some(value.as_str())); 2_000]);
    let ranges = vec![range(0, StartAt::Earliest, ReadUpTo::EndAsOfNow)];
    let config = [("isolation.level", "read_committed")];
    let mut reader = bench.start_with(ranges, WhenLost::Fail, 256 << 10, &config);
    let mut records = 0;
    loop {
        match next(&mut reader).await {
            Read::Batch(batch) => {
                records += batch.len();
                let held: usize = batch
                    .permit
                    .iter()
                    .map(millstream_core::BytePermit::bytes)
                    .sum();
                assert!((1..=256 << 10).contains(&held), "{held}");
            }
            Read::Reached { .. } => break,
            _ => {}
        }
    }
    assert_eq!(records, 2_000);
    reader.close(PATIENCE).await;
}
