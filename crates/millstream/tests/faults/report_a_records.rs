//! Records that a sink cannot take, when nobody would hear of them: tolerated is only what somebody is told of.

use crate::rest::Task;
use crate::stage::{Stage, TOPIC};
use crate::worker::{Worker, until};
use mongodb::Client;
use mongodb::bson::{Document, doc};
use serde_json::{Map, Value, json};

const ALL: (&str, &str) = ("errors.tolerance", "all");
const DEAD: &str = "dead";
const DEAD_LETTERS: [(&str, &str); 2] = [
    ("errors.deadletterqueue.topic.name", DEAD),
    ("errors.deadletterqueue.topic.replication.factor", "1"),
];
const RAW_FORMAT: (&str, &str) = (
    "format.class",
    "io.confluent.connect.s3.format.bytearray.ByteArrayFormat",
);
const BY_FIELD: [(&str, &str); 4] = [
    (
        "partitioner.class",
        "io.confluent.connect.storage.partitioner.FieldPartitioner",
    ),
    ("partition.field.name", "a"),
    (
        "value.converter",
        "org.apache.kafka.connect.json.JsonConverter",
    ),
    ("value.converter.schemas.enable", "false"),
];
const WITH_KEYS: [(&str, &str); 2] = [
    ("store.kafka.keys", "true"),
    (
        "keys.format.class",
        "io.confluent.connect.s3.format.json.JsonFormat",
    ),
];

fn with<'a>(parts: &[&[(&'a str, &'a str)]]) -> Vec<(&'a str, &'a str)> {
    parts.concat()
}

/// Records of a topic of its own, in one partition.
fn fill(stage: &Stage, topic: &str, records: &[(Option<&str>, Option<&str>)]) {
    let takes = [("max.message.bytes", "4194304")];
    stage.broker.create_topic_with(topic, 1, &takes).unwrap();
    for (key, value) in records {
        let (key, value) = (key.map(str::as_bytes), value.map(str::as_bytes));
        stage.broker.produce(topic, 0, key, value).unwrap();
    }
}

async fn failed(worker: &Worker, connector: &str) -> Task {
    worker
        .task_until(connector, "failed", |task| task.state == "FAILED")
        .await
}

fn committed(stage: &Stage, connector: &str, topic: &str) -> Option<i64> {
    let group = format!("connect-{connector}");
    stage
        .broker
        .committed(&group, topic, 0)
        .map(|(offset, _)| offset)
}

async fn is_committed(stage: &Stage, connector: &str, topic: &str, offset: i64) {
    until("the offset to be committed", || async {
        (committed(stage, connector, topic) == Some(offset)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_a1_what_the_sink_cannot_take_is_tolerated_only_if_somebody_hears_of_it() {
    let stage = Stage::new().await;
    let worker = stage.standalone("worker", &[]).await;
    fill(&stage, "texts", &[(Some("k"), Some("a text"))]);
    fill(&stage, "maps", &[(Some("k"), Some("{\"a\":1}"))]);
    let half = [(Some("k"), Some("v")), (None, Some("w"))];
    fill(&stage, "half", &half);
    let cases = [
        (
            "texts",
            with(&[&[RAW_FORMAT]]),
            "Invalid schema type for ByteArrayConverter: STRING",
            0,
        ),
        ("maps", with(&[&BY_FIELD]), "Error encoding partition.", 0),
        ("half", with(&[&WITH_KEYS]), "Key cannot be null", 1),
    ];
    for (topic, settings, _, _) in &cases {
        let own = [("topics", *topic), ALL];
        stage
            .post_archive_as(&worker, topic, &with(&[settings, &own]))
            .await;
    }
    for (topic, _, cause, offset) in &cases {
        let task = failed(&worker, topic).await;
        let trace = task.trace;
        assert!(trace.contains(cause), "{trace}");
        assert_eq!(trace.matches(cause).count(), 1, "{trace}");
        let place = format!("topic='{topic}', partition=0, offset={offset}}}");
        assert!(trace.contains(&place), "{trace}");
        assert!(trace.contains("Exception: "), "{trace}");
        assert!(committed(&stage, topic, topic).is_none_or(|at| at <= *offset));
    }
    // The same, and the error log hears of it.
    for (topic, settings, _, _) in &cases {
        let name = format!("{topic}-logged");
        let own = [("topics", *topic), ALL, ("errors.log.enable", "true")];
        stage
            .post_archive_as(
                &worker,
                &name,
                &with(&[settings, &own, &[("flush.size", "1")]]),
            )
            .await;
    }
    for (topic, _, _, offset) in &cases {
        let name = format!("{topic}-logged");
        let line = format!("Error encountered in task {name}-0");
        until("the line in the log", || async {
            worker.log().contains(&line).then_some(())
        })
        .await;
        let task = worker.task(&name).await;
        assert_eq!(task.state, "RUNNING", "{}", task.trace);
        if *offset > 0 {
            is_committed(&stage, &name, topic, 1).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_a2_nothing_tolerated_means_that_what_is_reported_ends_the_task() {
    let stage = Stage::new().await;
    let worker = stage.standalone("worker", &[]).await;
    let records = [(Some("k"), None), (Some("k"), Some("behind"))];
    fill(&stage, "tombstone", &records);
    fill(&stage, "maps", &[(Some("k"), Some("{\"a\":1}"))]);
    let own = [
        ("topics", "tombstone"),
        ("behavior.on.null.values", "ignore"),
        ("flush.size", "1"),
    ];
    stage
        .post_archive_as(&worker, "reported", &with(&[&own, &DEAD_LETTERS]))
        .await;
    let logged = [("topics", "maps"), ("errors.log.enable", "true")];
    stage
        .post_archive_as(&worker, "logged", &with(&[&BY_FIELD, &logged]))
        .await;
    // Without a reporter the tombstone is passed over, as in Java.
    stage.post_archive_as(&worker, "silent", &own).await;
    is_committed(&stage, "silent", "tombstone", 2).await;
    for (name, cause) in [
        ("reported", "DataException: Skipping null value record."),
        ("logged", "PartitionException: Error encoding partition."),
    ] {
        let trace = failed(&worker, name).await.trace;
        let exiting = "org.apache.kafka.connect.errors.ConnectException: \
                       Exiting WorkerSinkTask due to unrecoverable exception.";
        assert!(trace.starts_with(exiting), "{trace}");
        assert!(
            trace.contains("ConnectException: Tolerance exceeded in error handler\nCaused by: "),
            "{trace}"
        );
        assert!(trace.contains(cause), "{trace}");
    }
    assert!(committed(&stage, "reported", "tombstone").is_none_or(|at| at == 0));
    assert_eq!(stage.broker.read(DEAD, 0).unwrap().len(), 1);
    // Behind the tombstone nothing was written but by the connector that passed it over.
    assert_eq!(stage.objects(), [("behind".to_owned(), 1)].into());
}

/// Java logs a dead letter that is too large and loses it; it is no reason to stop either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_a17_a_dead_letter_over_the_limit_stops_nobody_and_says_where_its_record_is() {
    let stage = Stage::new().await;
    let worker = stage.standalone("worker", &[]).await;
    let large = "x".repeat(1 << 20);
    let records = [
        (Some("k"), Some("\"before\"")),
        (Some("k"), Some(large.as_str())),
        (Some("k"), Some("nope")),
        (Some("k"), Some("\"behind\"")),
    ];
    fill(&stage, "large", &records);
    let own = [
        ("topics", "large"),
        ALL,
        ("flush.size", "1"),
        (
            "value.converter",
            "org.apache.kafka.connect.json.JsonConverter",
        ),
        ("value.converter.schemas.enable", "false"),
    ];
    stage
        .post_archive_as(&worker, "large", &with(&[&own, &DEAD_LETTERS]))
        .await;
    is_committed(&stage, "large", "large", 4).await;
    let letters = stage.broker.read(DEAD, 0).unwrap();
    let mut seen: Vec<(Option<usize>, String)> = letters
        .iter()
        .map(|letter| {
            let headers = letter.headers.iter();
            let told = headers.filter(|(name, _)| {
                name.ends_with("errors.offset") || name.ends_with("omitted.bytes")
            });
            let text: Vec<String> = told
                .filter_map(|(_, value)| {
                    Some(String::from_utf8_lossy(value.as_deref()?).into_owned())
                })
                .collect();
            (letter.value.as_ref().map(bytes::Bytes::len), text.join(" "))
        })
        .collect();
    seen.sort();
    let expected = [(None, "1 1048577".to_owned()), (Some(4), String::new())];
    assert_eq!(seen, expected);
    let log = worker.log();
    assert!(log.contains("producer.override.max.request.size"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_a13_a_renamed_topic_is_refused_with_the_transform_that_did_it() {
    let stage = Stage::new().await;
    let worker = stage.standalone("worker", &[]).await;
    fill(&stage, "rrA", &[(Some("k"), Some("v"))]);
    fill(&stage, "rrB", &[]);
    let own = [
        ("topics", "rrA,rrB"),
        ("transforms", "r"),
        (
            "transforms.r.type",
            "org.apache.kafka.connect.transforms.RegexRouter",
        ),
        ("transforms.r.regex", "rrA"),
        ("transforms.r.replacement", "rrB"),
    ];
    stage.post_archive_as(&worker, "router", &own).await;
    let trace = failed(&worker, "router").await.trace;
    assert!(
        trace.contains(
            "No writer found for topic partition rrB-0. The record's topic-partition does not match any assigned \
             partitions: org.apache.kafka.connect.transforms.RegexRouter renamed topic rrA to rrB, and renaming a topic \
             before this sink is not supported"
        ),
        "{trace}"
    );
    assert!(!trace.contains("Assigned partitions: ["), "{trace}");
}

async fn post_documents(stage: &Stage, worker: &Worker, name: &str, more: &[(&str, &str)]) {
    let mut config = json!({
        "connector.class": "com.mongodb.kafka.connect.MongoSinkConnector",
        "topics": TOPIC,
        "connection.uri": stage.document_uri(),
        "database": "d",
        "collection": name,
    });
    for (key, value) in more {
        let fields: &mut Map<String, Value> = config.as_object_mut().unwrap();
        fields.insert((*key).to_owned(), Value::from(*value));
    }
    worker.create(name, &config).await;
}

/// The document sink drops by a tolerance of its own where nobody hears of it, as the original does; then the log has a
/// line and the failures are counted. Where there is a reporter, that one asks the worker's tolerance.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_a1_the_document_sink_drops_by_its_own_tolerance_and_says_so() {
    let stage = Stage::new().await;
    let worker = stage.standalone("worker", &[]).await;
    let records = [(None, Some("no json")), (None, Some("{\"_id\":1}"))];
    fill(&stage, "mixed", &records);
    let (topic, own) = (("topics", "mixed"), ("mongo.errors.tolerance", "all"));
    post_documents(&stage, &worker, "dropped", &[topic, own]).await;
    post_documents(&stage, &worker, "tolerated", &[topic, ALL]).await;
    post_documents(
        &stage,
        &worker,
        "told",
        &with(&[&[topic, own], &DEAD_LETTERS]),
    )
    .await;
    post_documents(&stage, &worker, "strict", &with(&[&[topic], &DEAD_LETTERS])).await;
    for name in ["dropped", "tolerated"] {
        is_committed(&stage, name, "mixed", 2).await;
        let log = worker.log();
        let lines: Vec<&str> = log
            .lines()
            .filter(|line| line.contains("were skipped") && line.contains(name))
            .collect();
        assert!(
            matches!(lines[..], [line] if line.contains("records=1") && line.contains("offset=0")),
            "{log}"
        );
    }
    let uri = stage.document_uri();
    // The driver of the test does not know every option of the sink's.
    let uri = uri.split('?').next().unwrap();
    let database = Client::with_uri_str(uri).await.unwrap().database("d");
    for (name, cause, documents) in [
        ("told", "Tolerance exceeded in error handler", 0),
        ("strict", "DataException: ", 0),
        ("dropped", "", 1),
    ] {
        if !cause.is_empty() {
            let trace = failed(&worker, name).await.trace;
            assert!(trace.contains(cause), "{trace}");
            assert!(
                trace.contains("topic='mixed', partition=0, offset=0}"),
                "{trace}"
            );
        }
        let stored = database.collection::<Document>(name);
        assert_eq!(
            stored.count_documents(doc! {}).await.unwrap(),
            documents,
            "{name}"
        );
    }
    assert_eq!(stage.broker.read(DEAD, 0).unwrap().len(), 1);
}
