//! The worker as a whole: what a reference stands for stays hidden, and what is misspelt leaves a word.

use crate::stage::{ARCHIVE, Stage};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_c8_neither_status_nor_log_tells_what_a_reference_stands_for() {
    let stage = Stage::new().await;
    let secrets = stage.path("secrets");
    std::fs::write(&secrets, "bucket=hunter2-bucket\n").unwrap();
    let providers = [
        ("config.providers", "file"),
        ("config.providers.file.class", "FileConfigProvider"),
    ];
    let worker = stage.standalone("worker", &providers).await;
    let reference = format!("${{file:{}:bucket}}", secrets.display());
    let more = [
        ("s3.bucket.name", reference.as_str()),
        ("consumer.override.max.pol.records", "7"),
        ("topics.dir", "${nobody:x}"),
    ];
    stage.post_archive(&worker, &more).await;
    let failed = worker
        .task_until(ARCHIVE, "failed", |task| task.state == "FAILED")
        .await;
    assert!(
        failed.trace.contains(&reference) && !failed.trace.contains("hunter2"),
        "{}",
        failed.trace
    );
    let log = worker.log();
    assert!(!log.contains("hunter2"), "{log}");
    for said in [
        "did you mean consumer.override.max.poll.records?",
        "config.providers names no provider nobody",
    ] {
        assert!(log.contains(said), "{said}: {log}");
    }
}
