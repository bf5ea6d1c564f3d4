//! What a status says while a connector waits for its servers: something, and soon.

use crate::stage::{ARCHIVE, Stage};
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
    let task = worker
        .task_until(ARCHIVE, "degraded", |task| task.degraded.is_some())
        .await;
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    assert_eq!(task.state, "RUNNING");
    assert!(worker.log().contains("WARN"), "{}", worker.log());
    stage.produce(3);
    stage.s3_wire.heal();
    stage.s3_wire.drop_connections();
    stage.archived().await;
}
