//! The stores over a broker: what one worker writes, all read; and what Java's workers have left there.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod transactions;

use millstream_core::Properties;
use millstream_distributed::{Stores, open};
use millstream_embedded::broker::{
    ApiAction, ApiFault, ApiKey, BatchBuilder, Broker, BrokerSettings,
};
use millstream_worker::WorkerSettings;
use millstream_worker::cluster::{
    ConfigEvent, ConfigRecord, ConfigStore, Position, RunState, Status, StatusEvent, StatusKey,
    StatusRecord, StatusStore, StatusValue, TargetState,
};
use std::fmt::Write;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpSocket;

const PATIENCE: Duration = Duration::from_secs(60);

async fn broker() -> Broker {
    let settings = BrokerSettings {
        auto_create_topics: false,
        ..BrokerSettings::of_nodes(1)
    };
    Broker::start(settings).await.unwrap()
}

async fn stores(broker: &Broker) -> Stores {
    stores_at(broker.bootstrap(), "disabled").await
}

/// `support`: how the group is set to support exactly-once sources.
async fn stores_at(bootstrap: String, support: &str) -> Stores {
    let settings = [
        ("bootstrap.servers", bootstrap.as_str()),
        ("group.id", "g"),
        ("config.storage.topic", "c"),
        ("offset.storage.topic", "o"),
        ("status.storage.topic", "s"),
        ("config.storage.replication.factor", "1"),
        ("offset.storage.replication.factor", "1"),
        ("status.storage.replication.factor", "1"),
        ("key.converter", "k"),
        ("value.converter", "v"),
        ("retry.backoff.ms", "20"),
        ("metadata.max.age.ms", "300"),
        ("exactly.once.source.support", support),
    ];
    let mut file = String::new();
    for (key, value) in settings {
        writeln!(file, "{key}={value}").unwrap();
    }
    let (settings, config) = WorkerSettings::of_cluster(file.as_bytes()).unwrap();
    open(&settings, &config, None).await.unwrap().0
}

/// All that comes out until this call has ended, and its end.
async fn until_end(store: &mut dyn ConfigStore, wanted: u64) -> (Vec<ConfigRecord>, ConfigEvent) {
    let mut records = Vec::new();
    loop {
        let event = tokio::time::timeout(PATIENCE, store.next()).await.unwrap();
        match event {
            ConfigEvent::Record { record, .. } => records.push(record),
            ConfigEvent::Passed { .. } => {}
            ConfigEvent::Written { number, .. } | ConfigEvent::End { number, .. } => {
                if number == wanted {
                    return (records, event);
                }
            }
        }
    }
}

fn written(number: u64) -> ConfigEvent {
    let outcome = Ok(());
    ConfigEvent::Written { number, outcome }
}

fn end(number: u64, position: i64) -> ConfigEvent {
    let outcome = Ok(Position(position));
    ConfigEvent::End { number, outcome }
}

fn texts(broker: &Broker, topic: &str, partition: i32) -> Vec<(String, Option<String>)> {
    let text = |bytes: &bytes::Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    let records = broker.read(topic, partition).unwrap().into_iter();
    let texts = records.map(|record| {
        let value = record.value.as_ref().map(text);
        (record.key.as_ref().map(text).unwrap(), value)
    });
    texts.collect()
}

#[tokio::test]
async fn a_configuration_is_written_and_read_by_all() {
    let broker = broker().await;
    let (mut one, mut other) = (stores(&broker).await, stores(&broker).await);
    let name: Arc<str> = "n".into();
    let mut config = Properties::from_iter([("connector.class", "FileStreamSink"), ("name", "n")]);
    config.insert_null("x");
    let records = vec![
        ConfigRecord::Target {
            name: name.clone(),
            state: Some(TargetState::Stopped),
        },
        ConfigRecord::Connector {
            name: name.clone(),
            config: Some(config),
        },
    ];
    one.configs.write(1, records.clone());
    assert_eq!(
        until_end(&mut one.configs, 1).await,
        (records.clone(), written(1))
    );
    let tasks = ConfigRecord::Tasks {
        name: name.clone(),
        configs: vec![Properties::from_iter([("k", "v")]); 2],
    };
    one.configs.write(2, vec![tasks.clone()]);
    assert_eq!(
        until_end(&mut one.configs, 2).await,
        (vec![tasks.clone()], written(2))
    );
    other.configs.read_to_end(1);
    let all: Vec<ConfigRecord> = records.into_iter().chain([tasks]).collect();
    assert_eq!(until_end(&mut other.configs, 1).await, (all, end(1, 5)));
    let value = |text: &str| Some(text.to_owned());
    let expected = [
        (
            "target-state-n",
            value(r#"{"state":"PAUSED","state.v2":"STOPPED"}"#),
        ),
        (
            "connector-n",
            value(r#"{"properties":{"connector.class":"FileStreamSink","name":"n","x":null}}"#),
        ),
        ("task-n-0", value(r#"{"properties":{"k":"v"}}"#)),
        ("task-n-1", value(r#"{"properties":{"k":"v"}}"#)),
        ("commit-n", value(r#"{"tasks":2}"#)),
    ];
    assert_eq!(
        texts(&broker, "c", 0),
        expected.map(|(key, value)| (key.to_owned(), value))
    );
    // Deleted by the other; settings of tasks stay, and count for nothing.
    let gone = vec![
        ConfigRecord::Connector {
            name: name.clone(),
            config: None,
        },
        ConfigRecord::Target { name, state: None },
    ];
    other.configs.write(2, gone.clone());
    assert_eq!(
        until_end(&mut other.configs, 2).await,
        (gone.clone(), written(2))
    );
    one.configs.read_to_end(3);
    assert_eq!(until_end(&mut one.configs, 3).await, (gone, end(3, 7)));
}

#[tokio::test]
async fn a_topic_that_was_made_again_is_read_again() {
    let broker = broker().await;
    let mut one = stores(&broker).await;
    let name: Arc<str> = "n".into();
    let created = ConfigRecord::Connector {
        name: name.clone(),
        config: Some(Properties::new()),
    };
    one.configs.write(1, vec![created]);
    until_end(&mut one.configs, 1).await;
    broker.delete_topic("c").unwrap();
    broker.create_topic("c", 1).unwrap();
    let gone = ConfigRecord::Connector { name, config: None };
    let found = async {
        loop {
            if let ConfigEvent::Record { record, .. } = one.configs.next().await {
                return record;
            }
        }
    };
    assert_eq!(tokio::time::timeout(PATIENCE, found).await.unwrap(), gone);
    one.configs.read_to_end(2);
    assert_eq!(until_end(&mut one.configs, 2).await.1, end(2, 0));
}

fn status(task: u32, state: RunState) -> StatusRecord {
    StatusRecord {
        key: StatusKey::Task(millstream_core::TaskId::new("c", task)),
        value: Some(StatusValue::Status(Status {
            state,
            trace: None,
            worker_id: "h:8083".to_owned(),
            generation: 4,
            version: Some("4.3.1".to_owned()),
        })),
    }
}

async fn until_flushed(store: &mut dyn StatusStore, wanted: u64) -> Vec<StatusRecord> {
    let mut records = Vec::new();
    loop {
        let event = tokio::time::timeout(PATIENCE, store.next()).await.unwrap();
        match event {
            StatusEvent::Record(record) => records.push(record),
            StatusEvent::End => {}
            StatusEvent::Flushed { number } if number == wanted => return records,
            StatusEvent::Flushed { .. } => {}
        }
    }
}

#[tokio::test]
async fn statuses_lie_where_java_looks_for_them_and_survive_an_outage() {
    let broker = broker().await;
    let mut one = stores(&broker).await;
    let refused = ApiFault::new(ApiKey::Produce, ApiAction::Error(6));
    broker.faults().add(refused.on_topic("s").times(3));
    one.statuses.write(status(0, RunState::Running));
    one.statuses.write(status(0, RunState::Paused));
    one.statuses.flush(1);
    let read = until_flushed(&mut one.statuses, 1).await;
    assert_eq!(
        read,
        [status(0, RunState::Running), status(0, RunState::Paused)]
    );
    let value =
        r#"{"state":"PAUSED","trace":null,"worker_id":"h:8083","generation":4,"version":"4.3.1"}"#;
    let last = texts(&broker, "s", 1).pop();
    assert_eq!(
        last,
        Some(("status-task-c-0".to_owned(), Some(value.to_owned())))
    );
    let mut other = stores(&broker).await;
    other.statuses.write(StatusRecord {
        key: status(0, RunState::Paused).key,
        value: None,
    });
    other.statuses.flush(1);
    until_flushed(&mut other.statuses, 1).await;
    let gone = async {
        loop {
            if let StatusEvent::Record(record) = one.statuses.next().await {
                return record.value;
            }
        }
    };
    assert_eq!(tokio::time::timeout(PATIENCE, gone).await.unwrap(), None);
}

#[tokio::test]
async fn brokers_that_are_away_are_waited_for() {
    // A socket that does not listen refuses connections, and nobody else gets its port.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = socket.local_addr().unwrap();
    let mut opening = std::pin::pin!(stores_at(address.to_string(), "disabled"));
    let early = tokio::time::timeout(Duration::from_millis(300), &mut opening).await;
    assert!(early.is_err(), "there is no broker");
    let settings = BrokerSettings {
        auto_create_topics: false,
        ..BrokerSettings::of_nodes(1)
    };
    let _broker = Broker::start_on(settings, vec![socket.listen(16).unwrap()]).unwrap();
    let mut opened = tokio::time::timeout(PATIENCE, opening).await.unwrap();
    opened.configs.read_to_end(1);
    assert_eq!(until_end(&mut opened.configs, 1).await.1, end(1, 0));
}

/// As many records as a large cluster leaves behind.
#[tokio::test]
async fn a_long_log_is_read_quickly() {
    const RECORDS: usize = 100_000;
    let broker = broker().await;
    let mut one = stores(&broker).await;
    let value = format!(r#"{{"properties":{{"k":"{}"}}}}"#, "v".repeat(200));
    for first in (0..RECORDS).step_by(500) {
        let mut batch = BatchBuilder::new();
        for number in first..first + 500 {
            let key = format!("task-c-{number}");
            batch.push(0, Some(key.as_bytes()), Some(value.as_bytes()), &[]);
        }
        broker.append("c", 0, &batch.finish()).unwrap();
    }
    let begun = Instant::now();
    one.configs.read_to_end(1);
    let (_, event) = until_end(&mut one.configs, 1).await;
    assert_eq!(event, end(1, RECORDS as i64));
    println!(
        "{RECORDS} records were read in {} ms",
        begun.elapsed().as_millis()
    );
}
