//! What a status says while a connector waits for its servers: something, and soon.

use crate::rest::Task;
use crate::stage::{ARCHIVE, Stage};
use crate::worker::until;
use millstream_embedded::faults::Faults;
use std::time::{Duration, Instant};

/// Five seconds until the first word, and what a busy machine adds.
const SOON: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_c6_a_start_that_hangs_says_whom_it_waits_for_long_before_it_has_failed() {
    let stage = Stage::new().await;
    let worker = stage.standalone("worker", &[]).await;
    stage.s3_wire.set(Faults::stalling());
    stage.post_archive(&worker, &[]).await;
    let begun = Instant::now();
    worker
        .task_until(ARCHIVE, "degraded", Task::is_degraded)
        .await;
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    assert!(worker.log().contains("WARN"), "{}", worker.log());
    stage.produce(3);
    stage.s3_wire.heal();
    stage.s3_wire.drop_connections();
    stage.archived().await;
}

/// What a line of progress is made of: what is stored, in how many objects, and how far that is behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_c20_a_task_counts_what_is_stored_and_how_far_it_is_behind() {
    let stage = Stage::new().await;
    let worker = stage.standalone("worker", &[]).await;
    stage.post_archive(&worker, &[]).await;
    stage.produce(3);
    stage.archived().await;
    // Two in each partition stay open.
    stage.produce(2);
    for (metric, value) in [
        ("millstream_records_stored_total", 9),
        ("millstream_objects_stored_total", 3),
        ("millstream_records_lag", 6),
    ] {
        until(metric, || async {
            (worker.metric(metric).await == value).then_some(())
        })
        .await;
    }
}
