//! Records that cannot be worked on, by every error policy, and the dead-letter topic with its own faults.

use crate::case::{Case, Shows, heal, play_all, see};
use crate::stage::{ARCHIVE, PARTITIONS, STREAM, Stage, TOPIC, value};
use crate::table;
use crate::worker::{Worker, until};
use Shows::{Degraded, Failed, Nothing};
use millstream_embedded::broker::{ApiAction, ApiFault, ApiKey};
use serde_json::Value;
use std::time::Duration;

const DEAD: &str = "dead";
const POISON: &[u8] = b"{\"secret\":";
const JSON: [(&str, &str); 2] = [
    (
        "value.converter",
        "org.apache.kafka.connect.json.JsonConverter",
    ),
    ("value.converter.schemas.enable", "false"),
];
const DEAD_LETTERS: [(&str, &str); 4] = [
    ("errors.tolerance", "all"),
    ("errors.deadletterqueue.topic.name", DEAD),
    ("errors.deadletterqueue.topic.replication.factor", "1"),
    ("errors.deadletterqueue.context.headers.enable", "true"),
];

/// As good as for ever.
const ALWAYS: u32 = 1_000_000;

fn settings(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    JSON.iter().chain(more).copied().collect()
}

/// Three good records in each partition, from an offset on.
fn produce(stage: &Stage, offsets: std::ops::Range<i64>) {
    for partition in 0..PARTITIONS {
        for offset in offsets.clone() {
            let text = format!("\"{}\"", value(partition, offset));
            stage
                .broker
                .produce(TOPIC, partition, None, Some(text.as_bytes()))
                .unwrap();
        }
    }
}

fn poison(stage: &Stage) {
    stage
        .broker
        .produce(TOPIC, 0, Some(b"key"), Some(POISON))
        .unwrap();
}

/// Returns once exactly these offsets of every partition are in S3.
async fn archived(stage: &Stage, offsets: &[i64]) {
    let mut wanted: Vec<(String, usize)> = (0..PARTITIONS)
        .flat_map(|partition| {
            offsets
                .iter()
                .map(move |offset| (value(partition, *offset), 1))
        })
        .collect();
    wanted.sort();
    until("the good records in S3", || async {
        let found: Vec<(String, usize)> = stage.objects().into_iter().collect();
        (found == wanted).then_some(())
    })
    .await;
}

async fn intolerant() -> String {
    let stage = Stage::new().await;
    let worker = stage.standalone("worker", &[]).await;
    produce(&stage, 0..3);
    stage.post_archive(&worker, &settings(&[])).await;
    archived(&stage, &[0, 1, 2]).await;
    poison(&stage);
    let seen = see(&stage, &worker, ARCHIVE, Failed).await;
    assert!(
        !worker.log().contains("secret"),
        "a record's content in the log"
    );
    // Nothing after the record is written, until somebody decides otherwise.
    produce(&stage, 10..13);
    archived(&stage, &[0, 1, 2]).await;
    let mut config = config(&worker).await;
    config["errors.tolerance"] = Value::from("all");
    let path = format!("/connectors/{ARCHIVE}/config");
    let (status, answer) = worker.request("PUT", &path, Some(&config)).await;
    assert!(status.is_success(), "{answer}");
    archived(&stage, &[0, 1, 2, 10, 11, 12]).await;
    seen
}

async fn config(worker: &Worker) -> Value {
    let path = format!("/connectors/{ARCHIVE}/config");
    worker.request("GET", &path, None).await.1
}

async fn tolerant() -> String {
    let stage = Stage::new().await;
    let worker = stage.standalone("worker", &[]).await;
    stage
        .post_archive(&worker, &settings(&[("errors.tolerance", "all")]))
        .await;
    produce(&stage, 0..3);
    poison(&stage);
    produce(&stage, 10..13);
    archived(&stage, &[0, 1, 2, 10, 11, 12]).await;
    heal(&worker, ARCHIVE, Nothing).await;
    String::new()
}

/// The dead letters so far: value and headers.
fn dead_letters(stage: &Stage) -> Vec<(Vec<u8>, Vec<(String, String)>)> {
    let records = stage.broker.read(DEAD, 0).unwrap_or_default();
    let text = |bytes: &Option<bytes::Bytes>| {
        String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).into_owned()
    };
    records
        .iter()
        .map(|record| {
            let headers = record
                .headers
                .iter()
                .map(|(name, value)| (name.clone(), text(value)));
            (
                record.value.as_deref().unwrap_or_default().to_vec(),
                headers.collect(),
            )
        })
        .collect()
}

async fn told() -> String {
    let stage = Stage::new().await;
    let worker = stage.standalone("worker", &[]).await;
    stage.post_archive(&worker, &settings(&DEAD_LETTERS)).await;
    produce(&stage, 0..3);
    poison(&stage);
    produce(&stage, 10..13);
    archived(&stage, &[0, 1, 2, 10, 11, 12]).await;
    let letters = dead_letters(&stage);
    assert_eq!(letters.len(), 1);
    let (bytes, headers) = &letters[0];
    assert_eq!(bytes, POISON);
    let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    let expected = [
        "topic",
        "partition",
        "offset",
        "connector.name",
        "task.id",
        "stage",
        "class.name",
        "exception.class.name",
        "exception.message",
        "exception.stacktrace",
    ];
    assert_eq!(
        names,
        expected.map(|name| format!("__connect.errors.{name}"))
    );
    let values: Vec<&str> = headers
        .iter()
        .take(8)
        .map(|(_, value)| value.as_str())
        .collect();
    assert_eq!(
        values,
        [
            TOPIC,
            "0",
            "3",
            ARCHIVE,
            "0",
            "VALUE_CONVERTER",
            "org.apache.kafka.connect.json.JsonConverter",
            "org.apache.kafka.connect.errors.DataException",
        ]
    );
    heal(&worker, ARCHIVE, Nothing).await;
    String::new()
}

/// A request of the dead letters' clients is hit while a poison record comes.
async fn told_through_faults(
    api: ApiKey,
    action: ApiAction,
    shows: Shows,
    is_at_start: bool,
) -> String {
    let stage = Stage::new().await;
    let worker = stage.standalone("worker", &[]).await;
    let mut all = settings(&DEAD_LETTERS);
    if api == ApiKey::InitProducerId {
        all.push(("producer.override.enable.idempotence", "true"));
    }
    let fault = ApiFault::new(api, action).times(ALWAYS);
    if is_at_start {
        stage.broker.faults().add(fault.clone());
    }
    stage.post_archive(&worker, &all).await;
    produce(&stage, 0..3);
    if !is_at_start {
        archived(&stage, &[0, 1, 2]).await;
        stage.broker.faults().add(fault);
    }
    poison(&stage);
    let seen = see(&stage, &worker, ARCHIVE, shows).await;
    stage.broker.faults().clear();
    heal(&worker, ARCHIVE, shows).await;
    produce(&stage, 10..13);
    archived(&stage, &[0, 1, 2, 10, 11, 12]).await;
    let letters = dead_letters(&stage);
    // Without idempotence an answer that was lost means the letter is there once for every try.
    if action == ApiAction::LoseAnswer {
        assert!(!letters.is_empty());
    } else {
        assert_eq!(letters.len(), 1);
    }
    seen
}

async fn null_value(policy: &'static str, shows: Shows) -> String {
    let stage = Stage::new().await;
    let mut env = stage.stream_env();
    env.push(("ON_NULL_VALUE", policy.to_owned()));
    let env: Vec<(&str, &str)> = env.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let worker = Worker::start(&["stream"], &env, stage.path("worker.log")).await;
    stage.produce(3);
    stage.stored().await;
    stage.broker.produce(TOPIC, 0, None, None).unwrap();
    let seen = see(&stage, &worker, STREAM, shows).await;
    if shows == Nothing {
        until("the record to be passed", || async {
            let committed = stage.broker.committed("millstream-MyTopic", TOPIC, 0)?;
            (committed.0 == 4).then_some(())
        })
        .await;
        assert_eq!(worker.metric("millstream_records_filtered_total").await, 1);
    }
    stage.stored().await;
    seen
}

fn cases() -> Vec<Case> {
    let case = |place: &str, fault: &str, shows, play| Case {
        place: place.to_owned(),
        fault: fault.to_owned(),
        shows,
        play,
    };
    let dead = |place: &str, fault: &str, api, action, shows, is_at_start| {
        case(
            place,
            fault,
            shows,
            Box::pin(told_through_faults(api, action, shows, is_at_start)),
        )
    };
    let late = ApiAction::Delay(Duration::from_secs(3));
    let (create, produce) = ("CreateTopics (dead letters)", "Produce (dead letters)");
    let id = "InitProducerId (dead letters)";
    vec![
        case(
            "a value that is no JSON",
            "`errors.tolerance` = none",
            Failed,
            Box::pin(intolerant()),
        ),
        case(
            "a value that is no JSON",
            "`errors.tolerance` = all",
            Nothing,
            Box::pin(tolerant()),
        ),
        case(
            "a value that is no JSON",
            "a dead-letter topic",
            Nothing,
            Box::pin(told()),
        ),
        case(
            "a record without a value",
            "`ON_NULL_VALUE` = skip",
            Nothing,
            Box::pin(null_value("skip", Nothing)),
        ),
        case(
            "a record without a value",
            "`ON_NULL_VALUE` = fail",
            Failed,
            Box::pin(null_value("fail", Failed)),
        ),
        dead(
            create,
            "cut off",
            ApiKey::CreateTopics,
            ApiAction::Disconnect,
            Degraded,
            true,
        ),
        dead(
            create,
            "NOT_CONTROLLER",
            ApiKey::CreateTopics,
            ApiAction::Error(41),
            Degraded,
            true,
        ),
        dead(
            create,
            "INVALID_REPLICATION_FACTOR",
            ApiKey::CreateTopics,
            ApiAction::Error(38),
            Failed,
            true,
        ),
        dead(
            create,
            "TOPIC_AUTHORIZATION_FAILED",
            ApiKey::CreateTopics,
            ApiAction::Error(29),
            Failed,
            true,
        ),
        dead(
            produce,
            "cut off",
            ApiKey::Produce,
            ApiAction::Disconnect,
            Degraded,
            false,
        ),
        dead(
            produce,
            "answer lost",
            ApiKey::Produce,
            ApiAction::LoseAnswer,
            Degraded,
            false,
        ),
        dead(produce, "late", ApiKey::Produce, late, Degraded, false),
        dead(
            produce,
            "NOT_LEADER_OR_FOLLOWER",
            ApiKey::Produce,
            ApiAction::Error(6),
            Degraded,
            false,
        ),
        dead(
            produce,
            "NOT_ENOUGH_REPLICAS",
            ApiKey::Produce,
            ApiAction::Error(19),
            Degraded,
            false,
        ),
        dead(
            produce,
            "TOPIC_AUTHORIZATION_FAILED",
            ApiKey::Produce,
            ApiAction::Error(29),
            Failed,
            false,
        ),
        dead(
            produce,
            "MESSAGE_TOO_LARGE",
            ApiKey::Produce,
            ApiAction::Error(10),
            Failed,
            false,
        ),
        dead(
            id,
            "COORDINATOR_LOAD_IN_PROGRESS",
            ApiKey::InitProducerId,
            ApiAction::Error(14),
            Degraded,
            false,
        ),
        dead(
            id,
            "CLUSTER_AUTHORIZATION_FAILED",
            ApiKey::InitProducerId,
            ApiAction::Error(31),
            Failed,
            false,
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_records() {
    let rows = play_all(cases(), 12).await;
    table::check("Records", &rows);
}
