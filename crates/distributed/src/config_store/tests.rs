//! The store of configurations over a log that answers, fails or keeps silent.

use super::*;
use crate::fake_log::{Answers, FakeLog};
use futures::FutureExt;
use millstream_core::Properties;
use millstream_worker::cluster::TargetState;
use std::sync::Arc;

const SYNC: Duration = Duration::from_secs(3);

fn store() -> (FakeLog, KafkaConfigStore) {
    let log = FakeLog::default();
    let (failed, _) = mpsc::channel(1);
    let store = KafkaConfigStore::new(Box::new(log.clone()), SYNC, failed);
    (log, store)
}

/// All that happens by itself.
fn happen(store: &mut KafkaConfigStore) -> Vec<ConfigEvent> {
    std::iter::from_fn(|| store.next().now_or_never()).collect()
}

fn name() -> Arc<str> {
    "c".into()
}

fn connector() -> ConfigRecord {
    ConfigRecord::Connector {
        name: name(),
        config: Some(Properties::from_iter([("k", "v")])),
    }
}

fn tasks(count: usize) -> ConfigRecord {
    ConfigRecord::Tasks {
        name: name(),
        configs: vec![Properties::new(); count],
    }
}

fn record(position: i64, record: ConfigRecord) -> ConfigEvent {
    let position = Position(position);
    ConfigEvent::Record { position, record }
}

fn written(number: u64, outcome: Result<(), &str>) -> ConfigEvent {
    let outcome = outcome.map_err(|said| StoreError(said.to_owned()));
    ConfigEvent::Written { number, outcome }
}

#[tokio::test]
async fn a_write_tells_its_records_and_then_its_end() {
    let (log, mut store) = store();
    store.write(1, vec![connector()]);
    store.write(2, vec![tasks(2)]);
    assert_eq!(
        happen(&mut store),
        [
            record(1, connector()),
            written(1, Ok(())),
            ConfigEvent::Passed {
                position: Position(2)
            },
            ConfigEvent::Passed {
                position: Position(3)
            },
            record(4, tasks(2)),
            written(2, Ok(())),
        ]
    );
    assert_eq!(
        log.take_calls(),
        ["connector-c", "end", "task-c-0 task-c-1", "commit-c"]
    );
}

#[tokio::test]
async fn the_end_is_the_position_that_workers_compare() {
    let (log, mut store) = store();
    log.append("session-key", Some("{"));
    log.append("elsewhere", Some("{}"));
    log.append("elsewhere", Some("{"));
    store.read_to_end(5);
    let passed = ConfigEvent::Passed {
        position: Position(2),
    };
    let end = ConfigEvent::End {
        number: 5,
        outcome: Ok(Position(2)),
    };
    assert_eq!(happen(&mut store), [passed, end]);
}

#[tokio::test]
async fn a_write_that_fails_is_told_in_java_s_words() {
    let (log, mut store) = store();
    log.inner().answers = Answers::Refuses;
    store.write(1, vec![connector()]);
    store.write(2, vec![tasks(1)]);
    let target = ConfigRecord::Target {
        name: name(),
        state: Some(TargetState::Paused),
    };
    store.write(3, vec![target]);
    assert_eq!(
        happen(&mut store),
        [
            written(1, Err("Error writing connector configuration to Kafka")),
            written(2, Err("Error writing root configuration to Kafka")),
            written(3, Err("Error writing target state to Kafka")),
        ]
    );
    assert_eq!(log.take_calls(), ["connector-c", "end", "target-state-c"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_takes_longer_than_it_may() {
    let (log, mut store) = store();
    store.read_to_end(1);
    happen(&mut store);
    log.inner().answers = Answers::Never;
    let begun = Instant::now();
    store.write(2, vec![connector()]);
    store.write(3, vec![tasks(0)]);
    store.read_to_end(4);
    let end = store.next().await;
    assert!(
        matches!(
            &end,
            ConfigEvent::End {
                number: 4,
                outcome: Err(_)
            }
        ),
        "{end:?}"
    );
    assert_eq!(begun.elapsed().as_secs(), SYNC.as_secs());
    let failed = written(2, Err("Error writing connector configuration to Kafka"));
    assert_eq!(store.next().await, failed);
    let failed = written(3, Err("Error writing root configuration to Kafka"));
    assert_eq!(store.next().await, failed);
    assert_eq!(begun.elapsed().as_secs(), WRITE_TIMEOUT.as_secs());
    // The end that the log tells too late is nobody's.
    assert!(store.calls.is_empty() && store.writes.is_empty());
    log.inner().answers = Answers::Done;
    store.write(5, vec![connector()]);
    assert_eq!(
        happen(&mut store),
        [record(1, connector()), written(5, Ok(()))]
    );
}

#[tokio::test]
async fn a_topic_that_starts_over_takes_what_it_lacks_with_it() {
    let (log, mut store) = store();
    log.append("connector-c", Some(r#"{"properties":{"k":"v"}}"#));
    log.append("connector-d", Some(r#"{"properties":{"k":"v"}}"#));
    happen(&mut store);
    log.start_over();
    log.append("connector-c", Some(r#"{"properties":{"k":"v"}}"#));
    let events = happen(&mut store);
    let started = ConfigEvent::Passed {
        position: Position(0),
    };
    let gone = |record| ConfigEvent::Record {
        position: Position(1),
        record,
    };
    assert_eq!(
        events,
        [
            started,
            record(1, connector()),
            gone(ConfigRecord::Connector {
                name: "d".into(),
                config: None
            }),
            gone(ConfigRecord::Target {
                name: "d".into(),
                state: None
            }),
        ]
    );
}

#[tokio::test]
async fn with_exactly_once_support_a_leader_writes_in_transactions() {
    let (log, store) = store();
    let mut store = store.in_transactions();
    let target = || ConfigRecord::Target {
        name: name(),
        state: Some(TargetState::Paused),
    };
    store.lead();
    store.write(1, vec![target(), connector()]);
    store.write(2, vec![tasks(2)]);
    store.write(3, vec![target()]);
    happen(&mut store);
    assert_eq!(
        log.take_calls(),
        [
            "claim",
            "together target-state-c connector-c",
            "end",
            "together task-c-0 task-c-1",
            "together commit-c",
            "target-state-c",
        ]
    );
    // Java's words for what was to be a transaction, and as ever for the rest.
    log.inner().answers = Answers::Refuses;
    store.write(4, vec![connector()]);
    store.write(5, vec![target()]);
    assert_eq!(
        happen(&mut store),
        [
            written(
                4,
                Err(
                    "Failed to write to config topic; this may be due to a transient error and the request can be safely retried"
                )
            ),
            written(5, Err("Error writing target state to Kafka")),
        ]
    );
}

#[tokio::test]
async fn without_it_nobody_claims_the_log() {
    let (log, mut store) = store();
    store.lead();
    store.write(1, vec![connector()]);
    happen(&mut store);
    assert_eq!(log.take_calls(), ["connector-c"]);
}
