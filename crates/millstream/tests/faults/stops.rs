//! Signals, rebalances and self healing: what ends well, what ends at once, and what comes back by itself.

use crate::case::{Shows, heal, see};
use crate::stage::{ARCHIVE, STREAM, Stage};
use crate::worker::{Worker, until};
use millstream_embedded::broker::{ApiAction, ApiFault, ApiKey};
use millstream_embedded::documents::DocumentFaultAction::CloseBefore;
use millstream_embedded::faults::Faults;
use millstream_embedded::s3::S3Action;
use serde_json::json;
use std::time::Duration;

/// Every answer of S3 takes this long, so that uploads are under way when something happens.
fn slow() -> Faults {
    Faults {
        delay: Duration::from_millis(30),
        ..Faults::default()
    }
}

/// Waits until the group has so many members and nothing to settle.
async fn members(stage: &Stage, group: &str, wanted: usize) {
    until(&format!("{wanted} members of {group}"), || async {
        let (state, members) = stage.broker.group(group)?;
        (members.len() == wanted && matches!(state, "Stable" | "Empty")).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_ends_the_archive_in_order() {
    let stage = Stage::new().await;
    let mut worker = stage.standalone("first", &[]).await;
    stage.s3_wire.set(slow());
    stage.post_archive(&worker, &[]).await;
    stage.produce(60);
    until("the first objects", || async {
        (stage.objects().len() > 9).then_some(())
    })
    .await;
    worker.signal("-TERM");
    assert_eq!(worker.ended().await, 0, "{}", worker.log());
    members(&stage, "connect-s3-sink", 0).await;
    // What was closed or in flight is there and committed; the rest is the next worker's.
    let archived = stage.objects().len() as i64;
    let committed: i64 = (0..3)
        .filter_map(|p| stage.broker.committed("connect-s3-sink", "MyTopic", p))
        .map(|(offset, _)| offset)
        .sum();
    assert_eq!(archived, committed);
    let worker = stage.standalone("second", &[]).await;
    stage.post_archive(&worker, &[]).await;
    stage.archived().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_ends_the_hash_job_in_order() {
    let stage = Stage::new().await;
    stage.produce(200);
    let mut worker = stage.stream("first").await;
    stage.stored().await;
    stage.produce(200);
    worker.signal("-INT");
    assert_eq!(worker.ended().await, 0, "{}", worker.log());
    members(&stage, "millstream-MyTopic", 0).await;
    let _worker = stage.stream("second").await;
    stage.stored().await;
}

/// What cannot be finished is left to the next worker, and the group is told so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_during_an_outage_still_leaves_the_group() {
    let stage = Stage::new().await;
    let deadline = [("task.shutdown.graceful.timeout.ms", "5000")];
    let mut worker = stage.standalone("first", &deadline).await;
    stage.post_archive(&worker, &[]).await;
    stage.produce(3);
    stage.archived().await;
    let faults = stage.s3.faults();
    faults.fail_next(
        "CompleteMultipartUpload",
        S3Action::Error(503, "SlowDown"),
        1_000,
    );
    faults.fail_next("AbortMultipartUpload", S3Action::Stall, 1_000);
    stage.produce(3);
    see(&stage, &worker, ARCHIVE, Shows::Degraded).await;
    worker.signal("-TERM");
    assert_eq!(worker.ended().await, 0, "{}", worker.log());
    let (_, members) = stage.broker.group("connect-s3-sink").unwrap();
    assert!(members.is_empty(), "{members:?}\n{}", worker.log());
    stage.s3.faults().clear();
    let worker = stage.standalone("second", &[]).await;
    stage.post_archive(&worker, &[]).await;
    stage.archived().await;
}

/// Leaving is a courtesy: whatever the coordinator says to it, the end is in order and the next worker goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_that_takes_no_leave_holds_up_no_stop() {
    let plays = [
        ApiAction::Error(15),
        ApiAction::Error(25),
        ApiAction::Error(-1),
        ApiAction::Delay(Duration::from_secs(3)),
        ApiAction::Disconnect,
        ApiAction::LoseAnswer,
    ]
    .map(|action| async move {
        let stage = Stage::new().await;
        let mut worker = stage.standalone("first", &[]).await;
        stage.post_archive(&worker, &[]).await;
        stage.produce(6);
        stage.archived().await;
        let fault = ApiFault::new(ApiKey::LeaveGroup, action).times(1_000);
        stage.broker.faults().add(fault);
        worker.signal("-TERM");
        assert_eq!(worker.ended().await, 0, "{action:?}: {}", worker.log());
        assert!(
            stage.broker.faults().left() < 1_000,
            "{action:?} was never played"
        );
        stage.broker.faults().clear();
        let worker = stage.standalone("second", &[]).await;
        stage.post_archive(&worker, &[]).await;
        stage.produce(6);
        stage.archived().await;
    });
    futures::future::join_all(plays).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_at_once() {
    let stage = Stage::new().await;
    let mut worker = stage
        .standalone("worker", &[("task.shutdown.graceful.timeout.ms", "50000")])
        .await;
    stage.post_archive(&worker, &[]).await;
    stage.produce(3);
    stage.archived().await;
    stage
        .s3
        .faults()
        .fail_next("CompleteMultipartUpload", S3Action::Stall, 1_000);
    stage.produce(3);
    until("an upload under way", || async {
        (stage.s3.faults().left() < 1_000).then_some(())
    })
    .await;
    worker.signal("-TERM");
    until("the first signal to be taken", || async {
        worker
            .log()
            .contains("a second signal stops at once")
            .then_some(())
    })
    .await;
    worker.signal("-TERM");
    assert_eq!(worker.ended().await, 143);
    // The next worker goes on where the commits say.
    stage.s3.faults().clear();
    let worker = stage.standalone("second", &[]).await;
    stage.post_archive(&worker, &[]).await;
    stage.archived().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebalance_during_uploads_loses_and_doubles_nothing() {
    let stage = Stage::new().await;
    stage.s3_wire.set(slow());
    let first = stage.standalone("first", &[]).await;
    stage.post_archive(&first, &[]).await;
    stage.produce(30);
    until("the first objects", || async {
        (stage.objects().len() > 9).then_some(())
    })
    .await;
    let mut second = stage.standalone("second", &[]).await;
    stage.post_archive(&second, &[]).await;
    // Not a multiple of the flush size: files are open when their partitions go.
    stage.produce(31);
    members(&stage, "connect-s3-sink", 2).await;
    stage.produce(31);
    second.signal("-TERM");
    assert_eq!(second.ended().await, 0, "{}", second.log());
    members(&stage, "connect-s3-sink", 1).await;
    stage.produce(31);
    stage.archived().await;
    heal(&first, ARCHIVE, Shows::Nothing).await;
}

/// A worker that sleeps through its session and wakes up in the middle of its uploads has nothing to say any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_wakes_up_late_overwrites_nothing() {
    let stage = Stage::new().await;
    stage.s3_wire.set(slow());
    // With a schedule objects are written only where there is none of the name.
    let conditional = [
        ("rotate.schedule.interval.ms", "3600000"),
        ("timezone", "UTC"),
    ];
    let first = stage.standalone("first", &[]).await;
    stage.post_archive(&first, &conditional).await;
    stage.produce(31);
    until("the first objects", || async {
        (stage.object_count() > 2).then_some(())
    })
    .await;
    first.signal("-STOP");
    let second = stage.standalone("second", &[]).await;
    stage.post_archive(&second, &conditional).await;
    stage.produce(2);
    stage.archived().await;
    let written = stage.object_times();
    first.signal("-CONT");
    members(&stage, "connect-s3-sink", 2).await;
    stage.produce(30);
    stage.archived().await;
    heal(&first, ARCHIVE, Shows::Nothing).await;
    let now = stage.object_times();
    for (path, time) in &written {
        assert_eq!(
            now.get(path),
            Some(time),
            "{} was written again",
            path.display()
        );
    }
}

/// The hash job as a connector of a worker. Its documents replace earlier ones, so that their order matters.
async fn post_hashing(stage: &Stage, worker: &Worker, more: &[(&str, &str)]) {
    let mut config = json!({
        "connector.class": "com.mongodb.kafka.connect.MongoSinkConnector",
        "topics": "MyTopic",
        "connection.uri": stage.document_uri(),
        "database": "kafka",
        "collection": "hashed",
        "transforms": "hash,wrap",
        "transforms.hash.type": "io.aiven.kafka.connect.transforms.Hash$Value",
        "transforms.hash.function": "md5",
        "transforms.wrap.type": "org.apache.kafka.connect.transforms.HoistField$Value",
        "transforms.wrap.field": "value",
        "document.id.strategy": "com.mongodb.kafka.connect.sink.processor.id.strategy.KafkaMetaDataStrategy",
        "writemodel.strategy": "com.mongodb.kafka.connect.sink.writemodel.strategy.ReplaceOneDefaultStrategy",
        "max.batch.size": "2",
    });
    for (key, value) in more {
        config[*key] = json!(value);
    }
    let body = json!({"name": STREAM, "config": config});
    let (status, answer) = worker.request("POST", "/connectors", Some(&body)).await;
    assert!(status.is_success(), "{answer}");
}

/// Writes that wait for each other hold up no rebalance while the store is away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebalance_during_an_outage_of_the_store_goes_on() {
    let stage = Stage::new().await;
    // What is in flight is waited for, but less long than the group waits for a member.
    let short = [("task.shutdown.graceful.timeout.ms", "2000")];
    let first = stage.standalone("first", &short).await;
    post_hashing(&stage, &first, &[]).await;
    stage.produce(3);
    stage.stored().await;
    stage.document_proxy.break_all("update", CloseBefore);
    stage.produce(30);
    see(&stage, &first, STREAM, Shows::Degraded).await;
    let second = stage.standalone("second", &short).await;
    let meanwhile = [("millstream.mongo.validate.connect", "false")];
    post_hashing(&stage, &second, &meanwhile).await;
    members(&stage, "connect-stream", 2).await;
    stage.document_proxy.heal();
    stage.stored().await;
    heal(&first, STREAM, Shows::Degraded).await;
}

/// Java's worker fails a task whose start fails, and shows nothing of outages it rides out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_self_healing_failures_are_java_s() {
    let stage = Stage::new().await;
    let worker = stage
        .standalone("worker", &[("millstream.self.healing", "false")])
        .await;
    stage
        .s3
        .faults()
        .fail_next("HeadBucket", S3Action::Error(503, "SlowDown"), 1_000);
    stage.post_archive(&worker, &[]).await;
    see(&stage, &worker, ARCHIVE, Shows::Failed).await;
    stage.s3.faults().clear();
    heal(&worker, ARCHIVE, Shows::Failed).await;
    stage.produce(3);
    stage.archived().await;
    stage
        .s3
        .faults()
        .fail_next("UploadPart", S3Action::Error(503, "SlowDown"), 5);
    stage.produce(3);
    until("the faults to happen", || async {
        let task = worker.task(ARCHIVE).await;
        assert!(task.is_well(), "{task:?}");
        (stage.s3.faults().left() == 0).then_some(())
    })
    .await;
    stage.archived().await;
    // MongoDB's sink gives up at the first write that fails.
    post_hashing(&stage, &worker, &[]).await;
    stage.stored().await;
    stage.document_proxy.break_all("update", CloseBefore);
    stage.produce(3);
    see(&stage, &worker, STREAM, Shows::Failed).await;
    stage.document_proxy.heal();
    heal(&worker, STREAM, Shows::Failed).await;
    stage.stored().await;
}

/// A sink that has given up on an outage fails; the task starts again by itself once it is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_failed_for_now_starts_again_by_itself() {
    let stage = Stage::new().await;
    let worker = stage.standalone("worker", &[]).await;
    post_hashing(
        &stage,
        &worker,
        &[("millstream.mongo.retry.timeout.ms", "500")],
    )
    .await;
    stage.produce(3);
    stage.stored().await;
    stage.document_proxy.break_all("update", CloseBefore);
    stage.produce(3);
    see(&stage, &worker, STREAM, Shows::FailedForNow).await;
    stage.document_proxy.heal();
    heal(&worker, STREAM, Shows::FailedForNow).await;
    stage.produce(3);
    stage.stored().await;
}
