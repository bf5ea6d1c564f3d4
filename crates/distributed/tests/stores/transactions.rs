//! The topic of configurations where the group supports exactly-once sources, or is on the way there: what its leader writes
//! in transactions, and who counts what of them. The leaders beside ours are made by hand.

use super::{broker, end, stores_at, until_end, written};
use bytes::Bytes;
use millstream_core::Properties;
use millstream_distributed::Stores;
use millstream_embedded::broker::{ApiAction, ApiFault, ApiKey, BatchBuilder, Broker, ReadRecord};
use millstream_kafka::{Admin, ClientSettings};
use millstream_worker::cluster::{ConfigEvent, ConfigRecord, ConfigStore, StoreError, TargetState};
use std::collections::BTreeMap;
use std::sync::Arc;

const MODES: [&str; 3] = ["disabled", "preparing", "enabled"];
const FAILED: &str = "Failed to write to config topic; this may be due to a transient error and the request can be safely retried";

async fn stores(broker: &Broker, support: &str) -> Stores {
    stores_at(broker.bootstrap(), support).await
}

fn connector(name: &str) -> ConfigRecord {
    ConfigRecord::Connector {
        name: name.into(),
        config: Some(Properties::from_iter([("k", "v")])),
    }
}

fn target(name: &str) -> ConfigRecord {
    ConfigRecord::Target {
        name: name.into(),
        state: Some(TargetState::Paused),
    }
}

fn tasks(name: &str, count: usize) -> ConfigRecord {
    ConfigRecord::Tasks {
        name: name.into(),
        configs: vec![Properties::from_iter([("k", "v")]); count],
    }
}

fn failed(number: u64) -> ConfigEvent {
    let outcome = Err(StoreError(FAILED.to_owned()));
    ConfigEvent::Written { number, outcome }
}

/// What a leader by another maker writes in a transaction that stays open.
fn begin_by_hand(broker: &Broker, producer: i64, name: &str) {
    let mut batch = BatchBuilder::of_producer(producer, 0, 0, true);
    let key = format!("connector-{name}");
    let value = br#"{"properties":{"k":"v"}}"#;
    batch.push(0, Some(key.as_bytes()), Some(value), &[]);
    broker.append("c", 0, &batch.finish()).unwrap();
}

async fn write(
    store: &mut dyn ConfigStore,
    number: u64,
    records: Vec<ConfigRecord>,
) -> ConfigEvent {
    store.write(number, records);
    until_end(store, number).await.1
}

async fn read(store: &mut dyn ConfigStore, number: u64) -> (Vec<ConfigRecord>, ConfigEvent) {
    store.read_to_end(number);
    until_end(store, number).await
}

/// Offsets and keys of the records in the topic; what is between them are markers.
fn log(broker: &Broker) -> Vec<(i64, String)> {
    let key = |key: Option<Bytes>| String::from_utf8(key.unwrap().to_vec()).unwrap();
    let records = broker.read("c", 0).unwrap().into_iter();
    let records = records.map(|ReadRecord { offset, key: k, .. }| (offset, key(k)));
    records.collect()
}

#[tokio::test]
async fn additions_21_the_marks_of_transactions_do_not_count() {
    let broker = broker().await;
    let mut leader = stores(&broker, "preparing").await;
    leader.configs.lead();
    assert_eq!(
        write(&mut leader.configs, 1, vec![connector("a")]).await,
        written(1)
    );
    assert_eq!(broker.offsets("c", 0).unwrap(), (0, 2));
    for support in MODES {
        let mut worker = stores(&broker, support).await;
        let all = (vec![connector("a")], end(1, 1));
        assert_eq!(read(&mut worker.configs, 1).await, all, "{support}");
    }
    assert_eq!(
        write(&mut leader.configs, 2, vec![connector("b")]).await,
        written(2)
    );
    assert_eq!(read(&mut leader.configs, 3).await.1, end(3, 3));
}

#[tokio::test]
async fn additions_22_what_was_aborted_counts_where_java_counts_it() {
    let broker = broker().await;
    let mut workers = BTreeMap::new();
    for support in MODES {
        workers.insert(support, stores(&broker, support).await);
    }
    begin_by_hand(&broker, 70, "a");
    broker.end_transaction("c", 0, (70, 0), true);
    begin_by_hand(&broker, 71, "b");
    broker.end_transaction("c", 0, (71, 0), false);
    for (support, worker) in &mut workers {
        let all = match *support {
            "enabled" => (vec![connector("a")], end(1, 1)),
            _ => (vec![connector("a"), connector("b")], end(1, 3)),
        };
        assert_eq!(read(&mut worker.configs, 1).await, all, "{support}");
    }
    // What is written later brings their offsets together again, and anybody may pause.
    let enabled = workers.get_mut("enabled").unwrap();
    assert_eq!(
        write(&mut enabled.configs, 2, vec![target("a")]).await,
        written(2)
    );
    for (support, worker) in &mut workers {
        assert_eq!(read(&mut worker.configs, 3).await.1, end(3, 5), "{support}");
    }
}

#[tokio::test]
async fn additions_23_only_where_it_is_enabled_the_end_of_a_transaction_is_waited_for() {
    let broker = broker().await;
    let mut workers = BTreeMap::new();
    for support in MODES {
        workers.insert(support, stores(&broker, support).await);
    }
    begin_by_hand(&broker, 70, "a");
    for (support, worker) in &mut workers {
        let all = match *support {
            "enabled" => (vec![], end(1, 0)),
            _ => (vec![connector("a")], end(1, 1)),
        };
        assert_eq!(read(&mut worker.configs, 1).await, all, "{support}");
    }
    broker.end_transaction("c", 0, (70, 0), true);
    let enabled = workers.get_mut("enabled").unwrap();
    let all = (vec![connector("a")], end(2, 1));
    assert_eq!(read(&mut enabled.configs, 2).await, all);
}

/// Nothing but target states is written beside a transaction.
#[tokio::test]
async fn additions_32_tasks_are_written_in_one_transaction_and_their_commit_in_another() {
    let broker = broker().await;
    let mut leader = stores(&broker, "enabled").await;
    leader.configs.lead();
    for (number, records) in [
        (1, vec![target("a"), connector("a")]),
        (2, vec![tasks("a", 2)]),
        (3, vec![tasks("a", 0), target("a")]),
    ] {
        assert_eq!(
            write(&mut leader.configs, number, records).await,
            written(number)
        );
    }
    let keys = [
        (0, "target-state-a"),
        (1, "connector-a"),
        (3, "task-a-0"),
        (4, "task-a-1"),
        (6, "commit-a"),
        (8, "commit-a"),
        (10, "target-state-a"),
    ];
    assert_eq!(log(&broker), keys.map(|(at, key)| (at, key.to_owned())));
    let mut worker = stores(&broker, "enabled").await;
    assert_eq!(read(&mut worker.configs, 1).await.1, end(1, 11));
}

/// Under the id that Java's leaders have, too.
#[tokio::test]
async fn the_next_leader_shuts_out_the_last() {
    let broker = broker().await;
    let mut one = stores(&broker, "enabled").await;
    let mut other = stores(&broker, "enabled").await;
    one.configs.lead();
    assert_eq!(
        write(&mut one.configs, 1, vec![connector("a")]).await,
        written(1)
    );
    other.configs.lead();
    assert_eq!(
        write(&mut other.configs, 1, vec![connector("b")]).await,
        written(1)
    );
    assert_eq!(
        write(&mut one.configs, 2, vec![connector("c")]).await,
        failed(2)
    );
    // What any worker may write it still writes.
    assert_eq!(
        write(&mut one.configs, 3, vec![target("a")]).await,
        written(3)
    );
    // It leads again, and is told so.
    one.configs.lead();
    assert_eq!(
        write(&mut one.configs, 4, vec![connector("d")]).await,
        written(4)
    );
    let names: Vec<Arc<str>> = {
        let records = read(&mut other.configs, 5).await.0.into_iter();
        let names = records.filter_map(|record| match record {
            ConfigRecord::Connector { name, .. } => Some(name),
            _ => None,
        });
        names.collect()
    };
    assert_eq!(names, ["d".into()]);
}

/// Whatever breaks, the write is told to have failed or is there once; and what is left open of it is aborted.
#[tokio::test]
async fn a_transaction_that_breaks_off_is_aborted_by_the_next() {
    let broker = broker().await;
    let mut leader = stores(&broker, "enabled").await;
    leader.configs.lead();
    assert_eq!(
        write(&mut leader.configs, 1, vec![connector("a")]).await,
        written(1)
    );
    // INVALID_TXN_STATE
    let refused = ApiFault::new(ApiKey::EndTxn, ApiAction::Error(48));
    broker.faults().add(refused);
    assert_eq!(
        write(&mut leader.configs, 2, vec![connector("b")]).await,
        failed(2)
    );
    // A record of anybody's is read all the same.
    assert_eq!(
        write(&mut leader.configs, 3, vec![target("a")]).await,
        written(3)
    );
    for (number, api) in (4..).zip([
        ApiKey::FindCoordinator,
        ApiKey::AddPartitionsToTxn,
        ApiKey::Produce,
        ApiKey::EndTxn,
    ]) {
        for action in [
            ApiAction::Disconnect,
            ApiAction::LoseAnswer,
            // NOT_COORDINATOR, and for a produce NOT_LEADER_OR_FOLLOWER
            ApiAction::Error(if api == ApiKey::Produce { 6 } else { 16 }),
        ] {
            let is_metadata =
                api == ApiKey::AddPartitionsToTxn && matches!(action, ApiAction::Error(_));
            if is_metadata {
                // CONCURRENT_TRANSACTIONS
                broker
                    .faults()
                    .add(ApiFault::new(api, ApiAction::Error(51)).times(2));
            } else {
                broker.faults().add(ApiFault::new(api, action));
            }
            let name = format!("{api:?}");
            assert_eq!(
                write(&mut leader.configs, number, vec![connector(&name)]).await,
                written(number),
                "{api:?} {action:?}"
            );
        }
    }
    let mut worker = stores(&broker, "enabled").await;
    let connectors = read(&mut worker.configs, 1).await.0.len();
    // The first, its target, and three of each kind.
    assert_eq!(connectors, 2 + 12);
}

/// As before the tasks of a source start; where a transaction of theirs is just ending, once that is over.
#[tokio::test]
async fn producers_are_shut_out_from_outside() {
    let broker = broker().await;
    let mut leader = stores(&broker, "enabled").await;
    assert_eq!(
        write(&mut leader.configs, 1, vec![connector("a")]).await,
        written(1)
    );
    let bootstrap = broker.bootstrap();
    let config = [
        ("bootstrap.servers", bootstrap.as_str()),
        ("retry.backoff.ms", "20"),
    ];
    let settings = ClientSettings::from_properties(&Properties::from_iter(config)).unwrap();
    // CONCURRENT_TRANSACTIONS
    let ending = ApiFault::new(ApiKey::InitProducerId, ApiAction::Error(51));
    broker.faults().add(ending.times(2));
    let fenced = Admin::new(settings);
    fenced.fence_producers("connect-cluster-g").await.unwrap();
    assert_eq!(broker.faults().left(), 0);
    assert_eq!(
        write(&mut leader.configs, 2, vec![connector("b")]).await,
        failed(2)
    );
}
