//! Converters whose schemas a registry keeps: while it is away the task says so and nothing is lost or blamed; an id that it
//! does not know makes a dead letter; who asks is told to nobody else.

use crate::rest::Task;
use crate::stage::{ARCHIVE, PARTITIONS, Stage, TOPIC};
use crate::worker::{Worker, until};
use millstream_embedded::faults::{FaultProxy, Faults};
use millstream_embedded::registry::RegistryServer;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;

const AVRO: &str = "io.confluent.connect.avro.AvroConverter";
const DEAD: &str = "dead";
const PASSWORD: &str = "s3cret-of-the-registry";
/// `user:` and the password.
const BASIC: &str = "dXNlcjpzM2NyZXQtb2YtdGhlLXJlZ2lzdHJ5";
const FIRST: &str = r#"{"type":"record","name":"a.Place","fields":[{"name":"partition","type":"int"},{"name":"number","type":"int"}]}"#;
const SECOND: &str = r#"{"type":"record","name":"a.Place","fields":[{"name":"partition","type":"int"},{"name":"number","type":"int"},{"name":"word","type":"string","default":"x"}]}"#;

struct Registry {
    server: RegistryServer,
    wire: FaultProxy,
}

impl Registry {
    async fn start() -> Registry {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = RegistryServer::start(any).await.unwrap();
        server.want(&format!("Basic {BASIC}"));
        let wire = FaultProxy::start(server.addr()).await.unwrap();
        Registry { server, wire }
    }

    fn url(&self) -> String {
        format!("http://user:{PASSWORD}@{}", self.wire.address())
    }
}

/// A record in Confluent's form: an id, then small numbers and a text.
fn record(id: i32, numbers: [i32; 2], text: Option<&str>) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend(id.to_be_bytes());
    bytes.extend(numbers.map(|number| (number * 2) as u8));
    if let Some(text) = text {
        bytes.push(text.len() as u8 * 2);
        bytes.extend(text.bytes());
    }
    bytes
}

/// Records of these numbers in every partition, and the lines that they become.
fn produce(
    stage: &Stage,
    id: i32,
    numbers: std::ops::Range<i32>,
    text: Option<&str>,
) -> Vec<String> {
    let mut lines = Vec::new();
    for partition in 0..PARTITIONS {
        for number in numbers.clone() {
            let bytes = record(id, [partition, number], text);
            stage
                .broker
                .produce(TOPIC, partition, None, Some(&bytes))
                .unwrap();
            let word = text.map_or_else(String::new, |text| format!(r#","word":"{text}""#));
            lines.push(format!(
                r#"{{"partition":{partition},"number":{number}{word}}}"#
            ));
        }
    }
    lines
}

/// Returns once exactly these lines are in S3, each once.
async fn archived(stage: &Stage, worker: &Worker, lines: &[String]) {
    let wanted: BTreeMap<String, usize> = lines.iter().map(|line| (line.clone(), 1)).collect();
    worker
        .task_until(ARCHIVE, "whose records are in S3", |_| {
            stage.objects() == wanted
        })
        .await;
}

fn dead_letters(stage: &Stage) -> usize {
    stage
        .broker
        .read(DEAD, 0)
        .map_or(0, |records| records.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_while_the_registry_is_away() {
    let stage = Stage::new().await;
    let registry = Registry::start().await;
    registry.server.register("MyTopic-value", "AVRO", FIRST);
    let worker = stage.standalone("worker", &[]).await;
    let url = registry.url();
    let settings = [
        ("value.converter", AVRO),
        ("value.converter.schema.registry.url", &*url),
        ("errors.tolerance", "all"),
        ("errors.deadletterqueue.topic.name", DEAD),
        ("errors.deadletterqueue.topic.replication.factor", "1"),
        ("errors.deadletterqueue.context.headers.enable", "true"),
    ];
    let mut lines = produce(&stage, 1, 0..3, None);
    stage.post_archive(&worker, &settings).await;
    archived(&stage, &worker, &lines).await;

    // A new schema comes while nobody can be asked for it.
    registry.wire.set(Faults::refusing());
    let id = registry.server.register("MyTopic-value", "AVRO", SECOND);
    let later = produce(&stage, id, 3..6, Some("new"));
    let task = worker
        .task_until(ARCHIVE, "that is degraded", Task::is_degraded)
        .await;
    let reason = task.degraded.unwrap();
    assert!(
        reason.contains("the schema registry cannot be asked: http://127.0.0.1:"),
        "{reason}"
    );
    assert!(stage.objects().len() == lines.len() && dead_letters(&stage) == 0);
    // Neither a pause nor a look at the task waits for it.
    let (status, _) = worker
        .request("PUT", &format!("/connectors/{ARCHIVE}/pause"), None)
        .await;
    assert!(status.is_success());
    worker
        .task_until(ARCHIVE, "that is paused", |task| task.state == "PAUSED")
        .await;
    worker
        .request("PUT", &format!("/connectors/{ARCHIVE}/resume"), None)
        .await;
    registry.wire.heal();
    lines.extend(later);
    archived(&stage, &worker, &lines).await;
    worker
        .task_until(ARCHIVE, "that is well", |task| task.is_well())
        .await;
    assert_eq!(dead_letters(&stage), 0);

    // An id that nobody has registered is the record's fault, and those behind it go on.
    let unknown = record(99, [0, 0], None);
    stage
        .broker
        .produce(TOPIC, 0, Some(b"key"), Some(&unknown))
        .unwrap();
    lines.extend(produce(&stage, 1, 6..9, None));
    archived(&stage, &worker, &lines).await;
    let dead = until("the dead letter", || async {
        let records = stage.broker.read(DEAD, 0).ok()?;
        (!records.is_empty()).then_some(records)
    })
    .await;
    let [letter] = &dead[..] else {
        panic!("{} dead letters", dead.len())
    };
    assert_eq!(letter.value.as_deref(), Some(&unknown[..]));

    let (_, status) = worker
        .request("GET", &format!("/connectors/{ARCHIVE}/status"), None)
        .await;
    for text in [worker.log(), worker.output(), status.to_string(), reason] {
        assert!(!text.contains(PASSWORD) && !text.contains(BASIC), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_waits_for_the_registry() {
    const LINES: &str = "lines";
    let stage = Stage::new().await;
    stage.broker.create_topic(LINES, 1).unwrap();
    let registry = Registry::start().await;
    registry.wire.set(Faults::refusing());
    let worker = stage.standalone("worker", &[]).await;
    let file = stage.path("lines.txt");
    fs::write(&file, "one\ntwo\n").unwrap();
    let config = json!({
        "connector.class": "FileStreamSource",
        "file": file,
        "topic": LINES,
        "value.converter": AVRO,
        "value.converter.schema.registry.url": registry.url(),
    });
    worker.create("source", &config).await;
    worker
        .task_until("source", "that is degraded", Task::is_degraded)
        .await;
    registry.wire.heal();
    let records = until("both lines", || async {
        let records = stage.broker.read(LINES, 0).ok()?;
        (records.len() == 2).then_some(records)
    })
    .await;
    let values: Vec<_> = records
        .iter()
        .map(|record| record.value.as_deref().unwrap())
        .collect();
    assert_eq!(
        values,
        [&b"\0\0\0\0\x01\x06one"[..], b"\0\0\0\0\x01\x06two"]
    );
    assert_eq!(
        registry.server.versions("lines-value")[0].text,
        "\"string\""
    );
    worker
        .task_until("source", "that is well", |task| task.is_well())
        .await;
    assert!(!worker.log().contains(PASSWORD), "{}", worker.log());
}

/// Everything that is wrong is told at once, when the connector is posted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_settings_are_refused_with_their_keys() {
    let stage = Stage::new().await;
    let worker = stage.standalone("worker", &[]).await;
    let config = stage.archive_config(&[
        ("value.converter", AVRO),
        ("value.converter.basic.auth.credentials.source", "NOBODY"),
        ("value.converter.auto.register.schemas", "maybe"),
    ]);
    let body = json!({"name": "bad", "config": config});
    let (status, answer) = worker.request("POST", "/connectors", Some(&body)).await;
    assert_eq!(status.as_u16(), 400);
    let answer = answer.to_string();
    for key in [
        "schema.registry.url",
        "basic.auth.credentials.source",
        "auto.register.schemas",
    ] {
        assert!(answer.contains(key), "{key}: {answer}");
    }
    let config = stage.archive_config(&[
        ("value.converter", AVRO),
        ("value.converter.schema.registry.url", "http://127.0.0.1:1"),
        ("value.converter.basic.auth.credentials.source", "USER_INFO"),
        ("value.converter.proxy.host", "proxy"),
    ]);
    let body = json!({"name": "bad", "config": config});
    let (status, answer) = worker.request("POST", "/connectors", Some(&body)).await;
    assert_eq!(status.as_u16(), 400);
    let answer = answer.to_string();
    assert!(
        answer.contains("basic.auth.user.info: ") && answer.contains("proxy.port: "),
        "{answer}"
    );
    let (_, plugins) = worker
        .request("GET", "/connector-plugins?connectorsOnly=false", None)
        .await;
    let row = json!({"class": AVRO, "type": "converter"});
    assert!(plugins.as_array().unwrap().contains(&row), "{plugins}");
}
