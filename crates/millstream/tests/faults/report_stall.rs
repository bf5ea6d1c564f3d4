//! Servers that answer, but more slowly than `max.poll.interval.ms` would allow a task to wait for them: the member keeps
//! its place in the group, and what is stored is committed. Otherwise all would be read and written again, for ever.

use crate::memory::append;
use crate::stage::{ARCHIVE, Stage};
use crate::worker::{Worker, until};
use millstream_embedded::faults::{FaultProxy, Faults};
use serde_json::json;
use std::time::{Duration, Instant};

const TOPIC: &str = "Slow";

/// A third of it is what a sink may take for a batch.
const INTERVAL: (&str, &str) = ("consumer.override.max.poll.interval.ms", "1500");

/// Bytes of a record.
const SIZE: usize = 100;

fn slow_down(wire: &FaultProxy, delay: Duration) {
    wire.set(Faults {
        delay,
        ..Faults::default()
    });
}

/// Returns once so many records are committed, and nobody has left the group meanwhile.
async fn committed(stage: &Stage, worker: &Worker, connector: &str, records: i64) {
    let group = format!("connect-{connector}");
    until("all to be committed", || async {
        let (offset, _) = stage.broker.committed(&group, TOPIC, 0)?;
        (offset == records).then_some(())
    })
    .await;
    let log = worker.log();
    assert!(!log.contains("leaving the group"), "{log}");
    assert_eq!(log.matches("partitions assigned").count(), 1, "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_stall_objects_that_take_longer_than_the_poll_interval_are_committed() {
    const RECORDS: i64 = 1_500;
    let stage = Stage::new().await;
    stage.broker.create_topic(TOPIC, 1).unwrap();
    append(&stage, TOPIC, 0, 0, RECORDS, SIZE);
    // Of the batch's objects some 300 may be in flight.
    let memory = [("millstream.memory.bytes", "67108864")];
    let worker = stage.standalone("worker", &memory).await;
    slow_down(&stage.s3_wire, Duration::from_millis(50));
    let more = [("topics", TOPIC), ("flush.size", "1"), INTERVAL];
    stage.post_archive(&worker, &more).await;
    committed(&stage, &worker, ARCHIVE, RECORDS).await;
    assert_eq!(stage.object_count() as i64, RECORDS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_stall_writes_that_take_longer_than_the_poll_interval_are_committed() {
    const BATCHES: i64 = 5;
    const EACH: i64 = 5;
    let stage = Stage::new().await;
    stage.broker.create_topic(TOPIC, 1).unwrap();
    for batch in 0..BATCHES {
        append(&stage, TOPIC, 0, batch * EACH, EACH, SIZE);
    }
    let worker = stage.standalone("worker", &[]).await;
    post_documents(&stage, &worker, &[]).await;
    // A batch takes two seconds: five writes one after the other, each there and back.
    slow_down(&stage.document_wire, Duration::from_millis(200));
    committed(&stage, &worker, SINK, BATCHES * EACH).await;
}

/// One write every tenth of a second, of a batch that takes four seconds so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_stall_a_limited_rate_holds_up_no_member() {
    const RECORDS: i64 = 40;
    let stage = Stage::new().await;
    stage.broker.create_topic(TOPIC, 1).unwrap();
    append(&stage, TOPIC, 0, 0, RECORDS, SIZE);
    let worker = stage.standalone("worker", &[]).await;
    let begun = Instant::now();
    let rate = [
        ("rate.limiting.every.n", "1"),
        ("rate.limiting.timeout", "100"),
    ];
    post_documents(&stage, &worker, &rate).await;
    committed(&stage, &worker, SINK, RECORDS).await;
    assert!(begun.elapsed() >= Duration::from_millis(100 * RECORDS as u64));
}

const SINK: &str = "document-sink";

/// Each record is a write of its own.
async fn post_documents(stage: &Stage, worker: &Worker, more: &[(&str, &str)]) {
    let mut config = json!({
        "connector.class": "com.mongodb.kafka.connect.MongoSinkConnector",
        "topics": TOPIC,
        "connection.uri": stage.document_uri(),
        "database": "shop",
        "collection": "slow",
        "max.batch.size": "1",
        "transforms": "hoist",
        "transforms.hoist.type": "org.apache.kafka.connect.transforms.HoistField$Value",
        "transforms.hoist.field": "text",
        "document.id.strategy": "com.mongodb.kafka.connect.sink.processor.id.strategy.KafkaMetaDataStrategy",
        // One batch of the topic at a time.
        "consumer.override.max.partition.fetch.bytes": "1",
    });
    for (key, value) in more.iter().chain(&[INTERVAL]) {
        config[*key] = json!(value);
    }
    worker.create(SINK, &config).await;
}
