//! The Kafka side of what people reported, in the whole binary: topics that are not there, starts without a committed
//! offset, settings of clients that nobody knows.

use crate::stage::{ARCHIVE, PARTITIONS, Stage, TOPIC};
use crate::worker::until;

const GROUP: &str = "millstream-MyTopic";

/// An idle reader of the latest is stopped before it has read anything; what comes meanwhile is not lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_b3_a_reader_of_the_latest_misses_nothing_over_a_restart() {
    let stage = Stage::new().await;
    let latest = [("AUTO_OFFSET_RESET", "latest")];
    let mut worker = stage.stream_with("first", &latest).await;
    until("the start positions to be committed", || async {
        (0..PARTITIONS)
            .all(|p| stage.broker.committed(GROUP, TOPIC, p).is_some())
            .then_some(())
    })
    .await;
    worker.signal("-KILL");
    worker.ended().await;
    stage.produce(5);
    let _worker = stage.stream_with("second", &latest).await;
    stage.stored().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_a16_the_status_names_the_topic_that_is_waited_for() {
    let stage = Stage::new().await;
    let worker = stage.standalone("worker", &[]).await;
    let settings = [
        ("topics", "MyTopic,Later"),
        ("consumer.override.allow.auto.create.topics", "false"),
    ];
    stage.post_archive(&worker, &settings).await;
    let reason = "topic Later does not exist, waiting for it";
    let is_told = |text: &Option<String>| text.as_deref() == Some(reason);
    worker
        .task_until(ARCHIVE, "waits", |task| {
            task.state == "RUNNING" && is_told(&task.degraded)
        })
        .await;
    // The topic that is there is read meanwhile.
    stage.produce(3);
    stage.archived().await;
    let log = worker.log();
    let lines = log.lines().filter(|line| line.contains(reason));
    assert_eq!(lines.count(), 1, "{log}");
    stage.broker.create_topic("Later", 1).unwrap();
    worker
        .task_until(ARCHIVE, "is well", |task| task.is_well())
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_c12_a_misspelt_client_setting_is_named() {
    let stage = Stage::new().await;
    let worker = stage.standalone("worker", &[]).await;
    let settings = [
        ("consumer.override.max.pol.records", "7"),
        ("consumer.override.metadata.broker.list", "b:1"),
    ];
    stage.post_archive(&worker, &settings).await;
    stage.produce(3);
    stage.archived().await;
    let log = worker.log();
    let named = |words: &str| {
        let lines = log.lines();
        lines
            .filter(|l| l.contains(words) && l.contains(ARCHIVE))
            .count()
    };
    assert_eq!(named("did you mean max.poll.records?"), 1, "{log}");
    assert_eq!(named("write bootstrap.servers"), 1, "{log}");
}
