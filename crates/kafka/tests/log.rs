//! The log over a compacted topic: read whole, followed, written, and read back.

#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use millstream_core::compacted_log::{CompactedLog, LogEntry, LogEvent, LogPlace, LogRecord};
use millstream_core::{ByteBudget, Properties};
use millstream_embedded::broker::{
    ApiAction, ApiFault, ApiKey, BatchBuilder, Broker, BrokerSettings,
};
use millstream_kafka::{KafkaLog, LogSettings};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

async fn broker(partitions: i32) -> Broker {
    let settings = BrokerSettings {
        auto_create_topics: false,
        ..BrokerSettings::of_nodes(2)
    };
    let broker = Broker::start(settings).await.unwrap();
    broker.create_topic("t", partitions).unwrap();
    broker
}

async fn open(broker: &Broker, more: &[(&str, &str)]) -> KafkaLog {
    let bootstrap = broker.bootstrap();
    let base = [
        ("bootstrap.servers", bootstrap.as_str()),
        ("metadata.max.age.ms", "300"),
        ("retry.backoff.ms", "20"),
        ("fetch.max.wait.ms", "50"),
    ];
    let config = Properties::from_iter(base.iter().chain(more).copied());
    let settings = LogSettings::from_properties(&config).unwrap();
    KafkaLog::open(settings, "t", ByteBudget::new(32 << 20))
        .await
        .unwrap()
}

fn entry(key: &str, value: Option<&str>) -> LogEntry {
    LogEntry {
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: value.map(|value| Bytes::copy_from_slice(value.as_bytes())),
    }
}

async fn next(log: &mut KafkaLog) -> LogEvent {
    match tokio::time::timeout(PATIENCE, log.next()).await {
        Ok(LogEvent::Failed(error)) => panic!("the log failed: {error}"),
        Ok(event) => event,
        Err(_) => panic!("nothing happened"),
    }
}

/// All that comes out before a call has ended, and its end.
async fn until(log: &mut KafkaLog, wanted: u64) -> (Vec<LogRecord>, Result<Vec<LogPlace>, String>) {
    let mut records = Vec::new();
    loop {
        match next(log).await {
            LogEvent::Record(record) => records.push(record),
            LogEvent::StartedOver { .. } => records.clear(),
            LogEvent::Written { number, outcome } | LogEvent::End { number, outcome }
                if number == wanted =>
            {
                return (records, outcome.map_err(|error| error.message));
            }
            _ => {}
        }
    }
}

/// What the records say together.
fn table(records: &[LogRecord]) -> BTreeMap<String, String> {
    let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    let mut table = BTreeMap::new();
    for record in records {
        match &record.value {
            Some(value) => table.insert(text(&record.key), text(value)),
            None => table.remove(&text(&record.key)),
        };
    }
    table
}

#[tokio::test]
async fn a_write_is_over_once_it_has_been_read_back() {
    let broker = broker(1).await;
    let mut log = open(&broker, &[]).await;
    log.read_to_end(1);
    let (records, end) = until(&mut log, 1).await;
    let at = |offset| LogPlace {
        partition: 0,
        offset,
    };
    assert_eq!((records.len(), end.unwrap()), (0, vec![at(0)]));
    // The second does not wait for the first, and comes behind it.
    log.write(2, vec![entry("a", Some("1")), entry("b", Some("2"))]);
    log.write(3, vec![entry("a", None)]);
    let (records, places) = until(&mut log, 2).await;
    assert_eq!(places.unwrap(), [at(0), at(1)]);
    assert!(records.len() >= 2);
    assert!(records[0].timestamp > 0);
    let (more, places) = until(&mut log, 3).await;
    assert_eq!(places.unwrap(), [at(2)]);
    let all: Vec<LogRecord> = records.into_iter().chain(more).collect();
    assert_eq!(table(&all), BTreeMap::from([("b".into(), "2".into())]));
    log.close(PATIENCE).await;
    // Another process reads what is left of it.
    broker.compact("t", 0).unwrap();
    let mut log = open(&broker, &[]).await;
    log.read_to_end(1);
    let (records, end) = until(&mut log, 1).await;
    assert_eq!(end.unwrap(), [at(3)]);
    assert_eq!(records.len(), 2, "the tombstone is still there");
    assert_eq!(table(&records), BTreeMap::from([("b".into(), "2".into())]));
    log.close(PATIENCE).await;
}

#[tokio::test]
async fn two_that_write_at_once_read_the_same() {
    let broker = broker(3).await;
    let mut logs = [open(&broker, &[]).await, open(&broker, &[]).await];
    for (who, log) in logs.iter_mut().enumerate() {
        for n in 0..50 {
            let value = format!("{who}/{n}");
            log.write(n, vec![entry(&format!("key {}", n % 7), Some(&value))]);
        }
    }
    let [one, other] = &mut logs;
    let both = tokio::join!(drain(one), drain(other));
    assert_eq!(both.0, both.1);
    assert_eq!(both.0.values().map(Vec::len).sum::<usize>(), 100);
}

/// Reads until all 50 writes have ended, and then all that is there: by partition.
async fn drain(log: &mut KafkaLog) -> BTreeMap<i32, Vec<LogRecord>> {
    let mut open: BTreeSet<u64> = (0..50).collect();
    let mut read: BTreeMap<i32, Vec<LogRecord>> = BTreeMap::new();
    let mut count = 0;
    while !open.is_empty() || count < 100 {
        match next(log).await {
            LogEvent::Record(record) => {
                count += 1;
                read.entry(record.at.partition).or_default().push(record);
            }
            LogEvent::Written { number, outcome } => {
                let place = outcome.unwrap()[0];
                let known = &read[&place.partition];
                assert!(known.iter().any(|record| record.at == place));
                assert!(open.remove(&number));
            }
            _ => {}
        }
    }
    read
}

#[tokio::test]
async fn a_record_without_a_key_is_named_and_passed_over() {
    let broker = broker(1).await;
    broker.produce("t", 0, Some(b"a"), Some(b"1")).unwrap();
    broker.produce("t", 0, None, Some(b"secret")).unwrap();
    broker.produce("t", 0, Some(b"b"), Some(b"2")).unwrap();
    let mut log = open(&broker, &[]).await;
    log.read_to_end(1);
    let mut seen = Vec::new();
    loop {
        match next(&mut log).await {
            LogEvent::Record(record) => seen.push(record.at.offset),
            LogEvent::Bad { at, reason } => {
                assert_eq!(at.offset, 1);
                assert_eq!(reason, "the record of t-0 at offset 1 has no key");
            }
            LogEvent::End { .. } => break,
            _ => {}
        }
    }
    assert_eq!(seen, [0, 2]);
}

#[tokio::test]
async fn a_topic_made_again_is_read_anew() {
    let broker = broker(1).await;
    let mut log = open(&broker, &[]).await;
    log.write(1, vec![entry("a", Some("old")), entry("b", Some("old"))]);
    until(&mut log, 1).await.1.unwrap();
    broker.delete_topic("t").unwrap();
    broker.create_topic("t", 1).unwrap();
    broker.produce("t", 0, Some(b"a"), Some(b"new")).unwrap();
    let mut records = Vec::new();
    let mut has_started_over = false;
    while !has_started_over || records.is_empty() {
        match next(&mut log).await {
            LogEvent::StartedOver { partition: 0 } => {
                records.clear();
                has_started_over = true;
            }
            LogEvent::Record(record) => records.push(record),
            _ => {}
        }
    }
    assert_eq!(
        table(&records),
        BTreeMap::from([("a".into(), "new".into())])
    );
    log.read_to_end(2);
    assert_eq!(until(&mut log, 2).await.1.unwrap()[0].offset, 1);
}

#[tokio::test]
async fn a_leader_that_moves_loses_no_write() {
    let broker = broker(1).await;
    let mut log = open(&broker, &[]).await;
    for n in 0..20 {
        if n % 4 == 0 {
            broker.move_leader("t", 0, 1 + (n / 4) % 2).unwrap();
        }
        let number = n as u64;
        log.write(number, vec![entry("k", Some(&n.to_string()))]);
        let (records, outcome) = until(&mut log, number).await;
        outcome.unwrap();
        assert_eq!(records.len(), 1);
    }
}

/// Every call ends, also while nobody answers.
#[tokio::test]
async fn calls_end_in_bounded_time() {
    let broker = broker(1).await;
    let config = [
        ("default.api.timeout.ms", "400"),
        ("request.timeout.ms", "200"),
        ("delivery.timeout.ms", "400"),
        ("retry.backoff.max.ms", "20"),
    ];
    let mut log = open(&broker, &config).await;
    log.read_to_end(0);
    until(&mut log, 0).await.1.unwrap();
    for key in [ApiKey::ListOffsets, ApiKey::Produce] {
        let refusal = ApiFault::new(key, ApiAction::Error(6)).times(100_000);
        broker.faults().add(refusal);
    }
    log.read_to_end(1);
    let error = until(&mut log, 1).await.1.unwrap_err();
    assert!(error.contains("NOT_LEADER_OR_FOLLOWER"), "{error}");
    log.write(2, vec![entry("a", Some("1"))]);
    let error = until(&mut log, 2).await.1.unwrap_err();
    assert!(error.contains("delivery.timeout.ms"), "{error}");
    broker.faults().clear();
    log.write(3, vec![entry("a", Some("2"))]);
    until(&mut log, 3).await.1.unwrap();
    // What was written is not read back while fetches are refused.
    let refusal = ApiFault::new(ApiKey::Fetch, ApiAction::Error(6)).times(100_000);
    broker.faults().add(refusal);
    log.write(4, vec![entry("a", Some("3"))]);
    let error = until(&mut log, 4).await.1.unwrap_err();
    assert!(error.contains("default.api.timeout.ms"), "{error}");
}

#[tokio::test]
async fn a_hundred_thousand_records_are_read_to_their_end() {
    let broker = broker(1).await;
    let value = vec![b'x'; 100];
    for chunk in 0..1_000 {
        let mut batch = BatchBuilder::new();
        for n in 0..100 {
            let key = format!("connector-{}", (chunk * 100 + n) % 20_000);
            batch.push(0, Some(key.as_bytes()), Some(&value), &[]);
        }
        broker.append("t", 0, &batch.finish()).unwrap();
    }
    let started = Instant::now();
    let mut log = open(&broker, &[]).await;
    log.read_to_end(1);
    let (records, end) = until(&mut log, 1).await;
    let took = started.elapsed();
    assert_eq!((records.len(), end.unwrap()[0].offset), (100_000, 100_000));
    eprintln!("100,000 records in {} ms", took.as_millis());
    assert!(took < Duration::from_secs(10), "{took:?}");
}
