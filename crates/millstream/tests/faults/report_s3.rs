//! What a person is told of S3 when a setting is wrong or a server behind it is: end to end, with the words.

use crate::stage::{ARCHIVE, Stage};
use crate::worker::{Worker, until};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A worker whose environment has no credentials but what it is given.
async fn standalone(stage: &Stage, env: &[(&str, &str)]) -> Worker {
    let file = stage.path("worker.properties");
    std::fs::write(&file, stage.standalone_properties(&[])).unwrap();
    let nowhere = stage.path("nowhere").display().to_string();
    let mut all = vec![
        ("AWS_CONFIG_FILE", nowhere.as_str()),
        ("AWS_SHARED_CREDENTIALS_FILE", nowhere.as_str()),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    all.extend(env);
    let log: PathBuf = stage.path("worker.log");
    Worker::start(&["standalone", file.to_str().unwrap()], &all, log).await
}

/// A server that answers every request in the same way, and gives its address.
async fn serve(answer: &'static str) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (address, tasks)
}

const NO_KEYS: [(&str, &str); 2] = [("aws.access.key.id", ""), ("aws.secret.access.key", "")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_message_1_says_which_credentials_to_set_and_once() {
    let stage = Stage::new().await;
    let worker = standalone(&stage, &[]).await;
    stage.post_archive(&worker, &NO_KEYS).await;
    let failed = |task: &crate::rest::Task| task.state == "FAILED";
    let task = worker.task_until(ARCHIVE, "failed", failed).await;
    let causes: Vec<&str> = task
        .trace
        .lines()
        .filter(|line| line.contains("Exception: ") || line.starts_with("Caused by"))
        .collect();
    assert_eq!(causes.len(), 1, "{}", task.trace);
    assert!(
        causes[0].ends_with(
            "HeadBucket failed for bucket archive: no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or \
             aws.access.key.id and aws.secret.access.key in the connector, or give the machine a role (tried: environment, \
             profile, web identity, ECS, EC2)"
        ),
        "{}",
        task.trace
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_message_2_metadata_that_refuses_is_one_sentence() {
    let stage = Stage::new().await;
    let (metadata, _server) =
        serve("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
    let endpoint = format!("http://{metadata}");
    let env = [
        ("AWS_EC2_METADATA_DISABLED", "false"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint.as_str()),
    ];
    let worker = standalone(&stage, &env).await;
    stage.post_archive(&worker, &NO_KEYS).await;
    let degraded = |task: &crate::rest::Task| task.degraded.is_some();
    let task = worker.task_until(ARCHIVE, "degraded", degraded).await;
    assert_eq!(
        task.degraded.as_deref(),
        Some(
            "HeadBucket failed for bucket archive: no AWS credentials: EC2 metadata denied credentials (Status Code: 403)"
        )
    );
    let log = worker.log();
    assert!(!log.contains("ProviderError("), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_c6_a_server_that_does_not_answer_is_told_of_soon() {
    let stage = Stage::new().await;
    let worker = standalone(&stage, &[]).await;
    stage
        .s3_wire
        .set(millstream_embedded::faults::Faults::stalling());
    let begun = Instant::now();
    stage.post_archive(&worker, &[]).await;
    let expected = format!(
        "HeadBucket failed for bucket archive: request to S3 at http://{} (store.url) timed out: no response within 8 s",
        stage.s3_wire.address()
    );
    let is_told = |task: &crate::rest::Task| task.degraded.as_ref() == Some(&expected);
    worker
        .task_until(ARCHIVE, "degraded by the silence", is_told)
        .await;
    // Ten seconds are promised; the rest is for a busy machine.
    assert!(
        begun.elapsed() < Duration::from_secs(25),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_c7_no_level_writes_the_customers_key() {
    const KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    let stage = Stage::new().await;
    let worker = standalone(&stage, &[("RUST_LOG", "trace")]).await;
    stage.produce(3);
    let settings = [("s3.ssea.name", "AES256"), ("s3.sse.customer.key", KEY)];
    stage.post_archive(&worker, &settings).await;
    stage.archived().await;
    let log = worker.log();
    assert!(
        log.contains("TRACE") || log.contains("DEBUG"),
        "the log is detailed"
    );
    assert!(!log.contains(KEY));
    // The signature's key is derived from it.
    assert!(!log.contains("AWS4-HMAC-SHA256"), "no signed request");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_c17_an_outage_is_one_line_with_its_task() {
    let stage = Stage::new().await;
    let worker = standalone(&stage, &[]).await;
    stage.post_archive(&worker, &[]).await;
    let busy = millstream_embedded::s3::S3Action::Error(503, "SlowDown");
    let faults = stage.s3.faults();
    faults.fail_next("CreateMultipartUpload", busy, 200);
    stage.produce(30);
    // Many refusals later, and not for want of trying.
    until("refusals", || async { (faults.left() == 0).then_some(()) }).await;
    stage.archived().await;
    let log = worker.log();
    let lines: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("request failed, retrying"))
        .collect();
    assert!((1..=3).contains(&lines.len()), "{} lines", lines.len());
    for line in lines {
        let names_all = ["connector=\"s3-sink\"", "task=0", "failures=", "SlowDown"];
        assert!(names_all.iter().all(|name| line.contains(name)), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_a20_the_environment_cannot_switch_integrity_off_without_a_word() {
    let stage = Stage::new().await;
    let env = [("AWS_REQUEST_CHECKSUM_CALCULATION", "WHEN_REQUIRED")];
    let worker = standalone(&stage, &env).await;
    stage.produce(6);
    stage.post_archive(&worker, &[]).await;
    stage.archived().await;
    let log = worker.log();
    let said = "AWS_REQUEST_CHECKSUM_CALCULATION switches checksums off";
    assert_eq!(log.matches(said).count(), 1, "{log}");
}
