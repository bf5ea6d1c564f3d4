//! Deliberate differences from Java's worker that show only in a whole worker; `docs/compatibility.md` lists them.

use crate::rest;
use crate::stage::{ARCHIVE, Stage};
use crate::worker::until;
use hyper::StatusCode;
use millstream_embedded::faults::Faults;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_answers_before_there_is_a_broker() {
    let stage = Stage::new().await;
    stage.broker_wire.set(Faults::refusing());
    let worker = stage.standalone("worker", &[]).await;
    let (status, root) = worker.request("GET", "/", None).await;
    assert_eq!(
        (status, &root["kafka_cluster_id"]),
        (StatusCode::OK, &Value::Null)
    );
    stage.broker_wire.heal();
    until("the cluster's id", || async {
        let (_, root) = rest::send(worker.address, "GET", "/", None).await?;
        root["kafka_cluster_id"].is_string().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_misspelt_key_leaves_one_warning() {
    let stage = Stage::new().await;
    let worker = stage.standalone("worker", &[]).await;
    stage.post_archive(&worker, &[("flush.sizes", "7")]).await;
    stage.produce(3);
    stage.archived().await;
    let log = worker.log();
    let warnings: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("unknown setting") && line.contains("flush.sizes"))
        .collect();
    assert!(
        matches!(warnings[..], [warning] if warning.contains(ARCHIVE)),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_shows_references_and_not_what_they_stand_for() {
    let stage = Stage::new().await;
    let secret = stage.path("secret");
    std::fs::write(&secret, "password=hunter2\n").unwrap();
    let providers = [
        ("config.providers", "file"),
        (
            "config.providers.file.class",
            "org.apache.kafka.common.config.provider.FileConfigProvider",
        ),
    ];
    let worker = stage.standalone("worker", &providers).await;
    let reference = format!("${{file:{}:password}}", secret.display());
    let body = json!({"name": "x", "config": {"topics": reference}});
    let (status, answer) = worker.request("POST", "/connectors", Some(&body)).await;
    let message = answer["message"].as_str().unwrap_or_default();
    assert!(status.is_client_error(), "{status}: {answer}");
    assert!(
        message.contains(&reference) && !message.contains("hunter2"),
        "{message}"
    );
}
