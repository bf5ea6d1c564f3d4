//! Logs: written, read back, claimed.

use super::*;
use millstream_core::compacted_log::{CompactedLog, LogEntry, LogEvent};
use millstream_kafka::{
    KafkaLog, KafkaReader, LogSettings, Read, ReadRange, ReadUpTo, ReaderSettings, StartAt,
    WhenLost,
};

#[tokio::test]
async fn a_log_is_written_read_back_and_read_by_ranges() {
    let bench = Bench::new("log", 3).await;
    let settings = LogSettings::from_properties(&bench.properties(&[])).unwrap();
    let mut log = KafkaLog::open(settings, &bench.topic, ByteBudget::new(8 << 20))
        .await
        .unwrap();
    for number in 0..100 {
        let key = format!("key {}", number % 10);
        let entry = LogEntry {
            key: Bytes::from(key),
            value: (number % 3 > 0).then(|| Bytes::from(number.to_string())),
        };
        log.write(number, vec![entry]);
    }
    log.read_to_end(100);
    let (mut records, mut ended) = (Vec::new(), 0);
    while ended < 101 {
        match tokio::time::timeout(PATIENCE, log.next()).await.unwrap() {
            LogEvent::Record(record) => records.push(record),
            LogEvent::Written { outcome, .. } => {
                let place = outcome.unwrap()[0];
                assert!(records.iter().any(|record| record.at == place));
                ended += 1;
            }
            LogEvent::End { outcome, .. } => {
                assert_eq!(outcome.unwrap().len(), 3);
                ended += 1;
            }
            LogEvent::Failed(error) => panic!("{error}"),
            _ => {}
        }
    }
    assert_eq!(records.len(), 100);
    log.close(PATIENCE).await;
    let ranges = (0..3).map(|partition| ReadRange {
        partition: bench.partition(partition),
        from: StartAt::Offset(1),
        up_to: ReadUpTo::EndAsOfNow,
    });
    let settings = ReaderSettings::from_properties(&bench.properties(&[])).unwrap();
    let budget = ByteBudget::new(8 << 20);
    let mut reader = KafkaReader::start(settings, ranges.collect(), WhenLost::Fail, budget);
    let (mut rows, mut reached) = (0, 0);
    while reached < 3 {
        match tokio::time::timeout(PATIENCE, reader.next()).await.unwrap() {
            Read::Batch(batch) => rows += batch.len(),
            Read::Reached { .. } => reached += 1,
            Read::Failed(error) => panic!("{error}"),
            _ => {}
        }
    }
    assert_eq!(rows, 97);
    reader.close(PATIENCE).await;
}

/// A log of committed records that writes in transactions, under an id named after its topic.
async fn claimed(bench: &Bench, more: &[(&str, &str)]) -> KafkaLog {
    let base = [("isolation.level", "read_committed")];
    let config = bench.properties(&[&base, more].concat());
    let settings = LogSettings::from_properties(&config).unwrap();
    let settings = settings.with_transactional_id(bench.topic.clone());
    let mut log = KafkaLog::open(settings, &bench.topic, ByteBudget::new(8 << 20))
        .await
        .unwrap();
    log.claim();
    log
}

/// Until the call of this number has ended: how many records came out, and its outcome.
async fn ended(log: &mut KafkaLog, wanted: u64) -> (usize, Result<Vec<i64>, String>) {
    let mut records = 0;
    loop {
        match tokio::time::timeout(PATIENCE, log.next()).await.unwrap() {
            LogEvent::Record(_) => records += 1,
            LogEvent::Written { number, outcome } | LogEvent::End { number, outcome } => {
                assert_eq!(number, wanted);
                let offsets = outcome.map(|all| all.iter().map(|place| place.offset).collect());
                return (records, offsets.map_err(|error| error.message));
            }
            LogEvent::Failed(error) => panic!("{error}"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn transactions_are_written_by_whoever_claimed_them_last() {
    let bench = Bench::new("transactions", 1).await;
    let entries = |count: usize| {
        let entries = (0..count).map(|number| LogEntry {
            key: Bytes::from(number.to_string()),
            value: Some(Bytes::from("v".repeat(1_000))),
        });
        entries.collect::<Vec<_>>()
    };
    let mut one = claimed(&bench, &[]).await;
    // More than one batch, and then a marker.
    one.write_in_transaction(1, entries(100));
    assert_eq!(ended(&mut one, 1).await, (100, Ok((0..100).collect())));
    one.write_in_transaction(2, entries(1));
    assert_eq!(ended(&mut one, 2).await, (1, Ok(vec![101])));
    let mut other = claimed(&bench, &[]).await;
    other.write_in_transaction(1, entries(1));
    assert_eq!(ended(&mut other, 1).await, (102, Ok(vec![103])));
    one.write_in_transaction(3, entries(1));
    let (_, refused) = ended(&mut one, 3).await;
    let refused = refused.unwrap_err();
    assert!(refused.contains("PRODUCER"), "{refused}");
    // What is no transaction is written by anybody.
    one.write(4, entries(1));
    assert_eq!(ended(&mut one, 4).await.1, Ok(vec![105]));
    one.claim();
    one.write_in_transaction(5, entries(1));
    assert_eq!(ended(&mut one, 5).await.1, Ok(vec![106]));
    other.read_to_end(2);
    assert_eq!(ended(&mut other, 2).await, (2, Ok(vec![108])));
    tokio::join!(one.close(PATIENCE), other.close(PATIENCE));
}

/// Brokers take up to 15 minutes (`transaction.max.timeout.ms`), so what they refuse shows what they were asked for.
#[tokio::test]
async fn a_transaction_may_be_open_for_as_long_as_the_settings_say() {
    let bench = Bench::new("transaction-timeout", 1).await;
    let entry = || LogEntry {
        key: Bytes::from("k"),
        value: Some(Bytes::from("v")),
    };
    for (timeout_ms, offsets) in [("900000", Some(vec![0])), ("900001", None)] {
        let mut log = claimed(&bench, &[("transaction.timeout.ms", timeout_ms)]).await;
        log.write_in_transaction(1, vec![entry()]);
        let (_, outcome) = ended(&mut log, 1).await;
        if let Err(why) = &outcome {
            assert!(why.contains("INVALID_TRANSACTION_TIMEOUT"), "{why}");
        }
        assert_eq!(outcome.ok(), offsets, "{timeout_ms}");
        log.close(PATIENCE).await;
    }
}
