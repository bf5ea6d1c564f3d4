//! What becomes of objects on their way: outages, refusals, partitions that go away, thousands of partitions.
#![allow(clippy::unwrap_used)]

mod reports {
    pub(crate) mod config;
    pub(crate) mod extensions;
    pub(crate) mod interleaved;
    pub(crate) mod lines;
    pub(crate) mod memory;
    pub(crate) mod parquet;
    pub(crate) mod paths;
    pub(crate) mod rotation;
}
mod support {
    pub(crate) mod server;
}

use bytes::Bytes;
use millstream_core::contract::done_to;
use millstream_core::{
    ByteBudget, ByteColumn, Connector, Destination, Headers, Payload, Properties, RawKind,
    RecordBatch, SinkConnector, SinkErrorKind, SinkTask, TaskContext, TimestampType,
    TopicPartition,
};
use millstream_s3::S3SinkConnector;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use support::server::Server;

const MIB: usize = 1024 * 1024;
const LONG: Duration = Duration::from_secs(20);

async fn start(server: &Server, settings: &[(&str, &str)], open: &ByteBudget) -> Box<dyn SinkTask> {
    start_task(server, settings, open, false).await
}

/// What a connector needs: its objects are of JSON, three records each.
pub(crate) fn least() -> Properties {
    Properties::from_iter([
        ("s3.bucket.name", "archive"),
        ("flush.size", "3"),
        ("storage.class", "io.confluent.connect.s3.storage.S3Storage"),
        (
            "format.class",
            "io.confluent.connect.s3.format.json.JsonFormat",
        ),
    ])
}

async fn start_task(
    server: &Server,
    settings: &[(&str, &str)],
    open: &ByteBudget,
    has_reporter: bool,
) -> Box<dyn SinkTask> {
    let mut properties = least();
    let of_server = [
        ("aws.access.key.id", "test"),
        ("aws.secret.access.key", "test"),
        ("s3.part.size", "5242880"),
        ("s3.part.retries", "1"),
        ("retry.backoff.ms", "1000"),
        ("store.url", server.endpoint.as_str()),
    ];
    for (key, value) in of_server.iter().chain(settings) {
        properties.insert(*key, *value);
    }
    let context = TaskContext {
        has_reporter,
        goes_on_after_rejected: has_reporter,
        ..TaskContext::new("uploads", 0, open.clone(), ByteBudget::new(16 * MIB))
    };
    S3SinkConnector
        .start_task(&properties, context)
        .await
        .expect("the bucket is there")
}

fn partition(number: i32) -> TopicPartition {
    TopicPartition::new("t", number)
}

/// Rows of one text each, from an offset on.
fn batch(origin: TopicPartition, first: i64, texts: &[&str]) -> Arc<RecordBatch> {
    let mut column = ByteColumn::new();
    for text in texts {
        column.push(Some(Bytes::copy_from_slice(text.as_bytes())));
    }
    let rows = texts.len();
    Arc::new(RecordBatch {
        destination: Destination::Uniform(origin.topic.clone()),
        first_offset: first,
        next_offset: first + rows as i64,
        offsets: (first..first + rows as i64).collect(),
        timestamps: vec![0; rows],
        timestamp_type: TimestampType::CreateTime,
        keys: Payload::undecoded(ByteColumn::nulls(rows)),
        values: Payload::Raw {
            column,
            kind: RawKind::String,
        },
        headers: Headers::None,
        fetched: Default::default(),
        permit: None,
        origin,
    })
}

fn fault(op: &str, times: u32, status: u16, code: &str) -> serde_json::Value {
    json!({"op": op, "times": times, "status": status, "code": code})
}

/// Stores one object whose `op` fails once; tells whether it was stored after all, and what the task said.
async fn outcome_of(op: &str, status: u16, code: &str) -> (bool, SinkErrorKind, String) {
    let server = Server::start(true).await;
    let mut task = start(&server, &[], &ByteBudget::new(64 * MIB)).await;
    task.open(&[partition(0)]).await.unwrap();
    server.state().faults = vec![fault(op, 1, status, code)];
    let rows = batch(partition(0), 0, &["a", "b", "c"]);
    task.put(rows, 0).await.unwrap();
    // Until the failure is known: a retry becomes due, or the task fails.
    let error = loop {
        if let Err(error) = task.finish(Duration::from_millis(5)).await {
            break error;
        }
        if let Err(error) = task.poll(0).await {
            break error;
        }
    };
    if error.kind != SinkErrorKind::Fatal {
        // The next attempt is due.
        let _ = task.poll(10_000).await;
        task.finish(LONG).await.unwrap();
        let progress = task.poll(10_000).await.unwrap();
        assert_eq!(done_to(&progress.done), [(partition(0), 3)]);
    }
    let stored = server
        .state()
        .objects
        .contains_key("topics/t/partition=0/t+0+0000000000.json");
    (stored, error.kind, error.message)
}

#[tokio::test]
async fn each_failure_of_s3_has_its_class_and_its_words() {
    let passing = [
        (500, "InternalError"),
        (502, "BadGateway"),
        (503, "SlowDown"),
        (504, "GatewayTimeout"),
        (429, "TooManyRequests"),
        (403, "RequestTimeTooSkewed"),
        (400, "RequestTimeout"),
        (400, "ExpiredToken"),
        (200, "InternalError"),
        (307, "TemporaryRedirect"),
    ];
    let lasting = [
        (400, "KMS.DisabledException"),
        (403, "AccessDenied"),
        (404, "NoSuchBucket"),
        (409, "OperationAborted"),
    ];
    for op in [
        "CreateMultipartUpload",
        "UploadPart",
        "CompleteMultipartUpload",
    ] {
        for (status, code) in passing {
            let (stored, kind, message) = outcome_of(op, status, code).await;
            assert!(stored, "{op} {status} {code}");
            assert!(
                matches!(kind, SinkErrorKind::Retriable { .. }),
                "{op} {status} {code}"
            );
            assert!(message.ends_with(&format!("injected (Service: S3, Status Code: {status})")));
        }
        for (status, code) in lasting {
            let (stored, kind, message) = outcome_of(op, status, code).await;
            assert!(!stored, "{op} {status} {code}");
            assert_eq!(kind, SinkErrorKind::Fatal, "{op} {status} {code}");
            assert!(message.ends_with(&format!("injected (Service: S3, Status Code: {status})")));
        }
    }
}

#[tokio::test]
async fn an_outage_is_waited_out_and_nothing_is_lost() {
    let server = Server::start(true).await;
    let settings = [("flush.size", "1"), ("retry.backoff.ms", "60000")];
    let mut task = start(&server, &settings, &ByteBudget::new(64 * MIB)).await;
    task.open(&[partition(0)]).await.unwrap();
    server.state().faults = vec![fault("CreateMultipartUpload", u32::MAX, 503, "SlowDown")];
    let text = "x".repeat(MIB);
    // More than may be in flight: at some point a batch is refused, and stays refused.
    let mut next = 0;
    let refused = loop {
        assert!(next < 200, "an outage must fill what may be in flight");
        match task.put(batch(partition(0), next, &[&text]), 0).await {
            Ok(()) => next += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused.kind, SinkErrorKind::Retriable { .. }));
    let state = task.poll(0).await.unwrap_err();
    assert_eq!(
        state.message,
        "CreateMultipartUpload failed for bucket archive: injected (Service: S3, Status Code: 503)"
    );
    server.state().faults.clear();
    // The next attempts are due after a minute.
    let _ = task.poll(60_000).await;
    task.finish(LONG).await.unwrap();
    task.put(batch(partition(0), next, &["last"]), 60_000)
        .await
        .unwrap();
    task.finish(LONG).await.unwrap();
    let progress = task.poll(60_000).await.unwrap();
    assert_eq!(done_to(&progress.done), [(partition(0), next + 1)]);
    assert_eq!(server.state().objects.len(), next as usize + 1);
}

#[tokio::test]
async fn a_lost_partition_completes_nothing() {
    let server = Server::start(true).await;
    let mut task = start(&server, &[], &ByteBudget::new(64 * MIB)).await;
    task.open(&[partition(0), partition(1)]).await.unwrap();
    // One part is on its way, the rest of the object is open; another object cannot be completed.
    let long = "x".repeat(6 * MIB);
    task.put(batch(partition(0), 0, &[&long]), 0).await.unwrap();
    server.state().faults = vec![fault("CompleteMultipartUpload", u32::MAX, 503, "SlowDown")];
    task.put(batch(partition(1), 0, &["a", "b", "c"]), 0)
        .await
        .unwrap();
    let is_held_up = || {
        let state = server.state();
        let asked = |op: &str| state.requests.iter().any(|request| request["op"] == op);
        asked("UploadPart") && asked("CompleteMultipartUpload")
    };
    while !is_held_up() {
        task.finish(Duration::from_millis(5)).await.unwrap();
    }
    task.close(&[partition(0), partition(1)]).await;
    server.state().faults.clear();
    assert_eq!(server.state().unfinished_uploads(), 0);
    assert!(server.state().objects.is_empty());
    // What was open is read again by the next owner, which may be the same.
    task.open(&[partition(1)]).await.unwrap();
    task.put(batch(partition(1), 0, &["a", "b", "c"]), 0)
        .await
        .unwrap();
    task.finish(LONG).await.unwrap();
    let progress = task.poll(0).await.unwrap();
    assert_eq!(done_to(&progress.done), [(partition(1), 3)]);
}

#[tokio::test]
async fn thousands_of_open_objects_stay_within_their_share() {
    let server = Server::start(true).await;
    let budget = ByteBudget::new(8 * MIB);
    let mut task = start(&server, &[("flush.size", "8")], &budget).await;
    let partitions: Vec<TopicPartition> = (0..1000).map(partition).collect();
    task.open(&partitions).await.unwrap();
    // 16 MB are open before the first object is closed.
    let texts: Vec<String> = (0..8).map(|row| format!("{row}").repeat(2048)).collect();
    for (row, text) in texts.iter().enumerate() {
        for origin in &partitions {
            task.put(batch(origin.clone(), row as i64, &[text]), 0)
                .await
                .unwrap();
        }
    }
    task.finish(LONG).await.unwrap();
    let progress = task.poll(0).await.unwrap();
    assert_eq!(progress.done.len(), partitions.len());
    assert_eq!(budget.available(), 8 * MIB);
    let lines: Vec<String> = texts.iter().map(|text| format!("\"{text}\"\n")).collect();
    let state = server.state();
    assert_eq!(state.objects.len(), partitions.len());
    for object in state.objects.values() {
        assert_eq!(object.body, lines.concat());
        assert_eq!(object.content_type.as_deref(), Some("binary/octet-stream"));
    }
}

#[test]
fn a_setting_of_our_own_shows_where_it_is_used() {
    let name = "millstream.s3.sign.payload";
    let check = |text: Option<&str>, errors: &[&str]| {
        let properties = Properties::from_iter(text.map(|text| (name, text)));
        let values = S3SinkConnector.validate(&properties);
        let found = values.iter().find(|value| value.name == name);
        assert_eq!(found.is_some(), text.is_some());
        assert_eq!(found.map_or(&[][..], |value| &value.errors), errors);
    };
    check(None, &[]);
    check(Some("true"), &[]);
    let wrong = format!(
        "Invalid value yes for configuration {name}: Expected value to be either true or false"
    );
    check(Some("yes"), &[&wrong]);
}

#[tokio::test]
async fn a_clash_of_names_goes_on_at_the_next_free_one() {
    let server = Server::start(true).await;
    let settings = [
        ("rotate.schedule.interval.ms", "3600000"),
        ("timezone", "UTC"),
    ];
    let mut task = start(&server, &settings, &ByteBudget::new(64 * MIB)).await;
    task.open(&[partition(0)]).await.unwrap();
    let name = |offset: i64| format!("topics/t/partition=0/t+0+{offset:010}.json");
    for offset in 0..2 {
        server.state().put_object(&name(offset), "theirs".into());
    }
    task.put(batch(partition(0), 0, &["a", "b", "c"]), 0)
        .await
        .unwrap();
    task.finish(LONG).await.unwrap();
    let _ = task.poll(0).await;
    // Fetched before the consumer is moved back: it comes again.
    task.put(batch(partition(0), 3, &["d"]), 0).await.unwrap();
    assert_eq!(task.take_rewinds(), [(partition(0), 2)]);
    task.put(batch(partition(0), 3, &["d"]), 0).await.unwrap();
    task.put(batch(partition(0), 2, &["c", "d", "e"]), 0)
        .await
        .unwrap();
    task.finish(LONG).await.unwrap();
    let progress = task.poll(0).await.unwrap();
    assert_eq!(done_to(&progress.done), [(partition(0), 5)]);
    let state = server.state();
    assert_eq!(state.objects[&name(0)].body, "theirs");
    assert_eq!(state.objects[&name(2)].body, "\"c\"\n\"d\"\n\"e\"\n");
}
