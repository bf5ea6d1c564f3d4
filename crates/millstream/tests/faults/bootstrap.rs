//! Connectors that are to be there from the first start: created once by whoever leads, left as they are where they are, and
//! asked for again while what they need is away.

use crate::cluster::{HASTY, broker, file};
use crate::discovery::{any, borrowed};
use crate::report_process::closed_port;
use crate::rest;
use crate::stage::{ARCHIVE, Stage, TOPIC};
use crate::worker::{Worker, until};
use futures::future::join_all;
use millstream_embedded::aws::{ControlPlane, Step};
use millstream_embedded::documents::DocumentServer;
use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

const PLACE: &str = "MILLSTREAM_BOOTSTRAP_CONNECTORS";
const HEALTH: (&str, &str) = ("HEALTHCHECK_PORT", "http://127.0.0.1:0");

/// A sink into a file.
fn sink(folder: &Path, tasks: u32) -> Value {
    let file = folder.join("out.txt").display().to_string();
    json!({"connector.class": "FileStreamSink", "topics": "t", "tasks.max": tasks, "file": file})
}

fn write(folder: &Path, document: &Value) -> String {
    let path = folder.join("connectors.json");
    fs::write(&path, document.to_string()).unwrap();
    path.display().to_string()
}

/// What the health port answers at a path.
async fn health(worker: &Worker, path: &str) -> (u16, Value) {
    let log = worker.log();
    let line = log
        .lines()
        .find(|line| line.contains("health port is open"));
    let address = line.and_then(|line| line.split("address=").nth(1));
    let address: SocketAddr = address.unwrap().trim().parse().unwrap();
    let answer = until("the health port", || rest::send(address, "GET", path, None));
    let (status, body) = answer.await;
    (status.as_u16(), body)
}

async fn until_ready(worker: &Worker) {
    until("readiness", || async {
        (health(worker, "/ready").await.0 == 200).then_some(())
    })
    .await;
}

/// Why the worker is not ready, once that is told.
async fn until_lacking(worker: &Worker, part: &str) {
    until(part, || async {
        let (status, body) = health(worker, "/ready").await;
        let why = body["reason"].as_str().unwrap_or_default();
        (status == 503 && why.contains(part)).then_some(())
    })
    .await;
}

async fn names(worker: &Worker) -> Value {
    worker.request("GET", "/connectors", None).await.1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_that_start_together_create_each_connector_once() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker().await;
    broker.create_topic("t", 2).unwrap();
    let both = json!({"a": sink(folder.path(), 1), "b": sink(folder.path(), 2)});
    let place = write(folder.path(), &both);
    let start = async |name: &str| {
        let settings = file(folder.path(), name, &broker, &HASTY);
        let log = folder.path().join(format!("{name}.log"));
        Worker::start(&["worker", &settings], &[(PLACE, &place), HEALTH], log).await
    };
    let workers = join_all(["one", "two"].map(&start)).await;
    for worker in &workers {
        until("both connectors", || async {
            (names(worker).await == json!(["a", "b"])).then_some(())
        })
        .await;
        until_ready(worker).await;
    }
    let logs = workers[0].log() + &workers[1].log();
    for name in ["a", "b"] {
        let is_it = |line: &&str| {
            line.contains("connector created") && line.contains(&format!("connector={name}"))
                || line.contains("connector created") && line.contains(&format!("\"{name}\""))
        };
        assert_eq!(logs.lines().filter(is_it).count(), 1, "{name}: {logs}");
    }
    // One that comes later finds them, and changes nothing.
    write(
        folder.path(),
        &json!([{"name": "b", "config": sink(folder.path(), 3)}]),
    );
    let third = start("three").await;
    until("what is there", || async {
        let log = third.log();
        let line = log.lines().find(|line| line.contains("left as it is"))?;
        line.contains("1 of its settings differ").then_some(())
    })
    .await;
    let (_, config) = third.request("GET", "/connectors/b/config", None).await;
    assert_eq!(config["tasks.max"], "2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_told_at_once_before_anything_starts() {
    let stage = Stage::new().await;
    let properties = stage.path("worker.properties");
    fs::write(&properties, stage.standalone_properties(&[])).unwrap();
    let standalone = ["standalone", properties.to_str().unwrap()];
    let run = async |place: &str| {
        let (code, log) = Worker::run(&standalone, &[(PLACE, place)], stage.path("run.log")).await;
        assert_eq!(code, 78, "{log}");
        assert!(log.contains(PLACE), "{log}");
        log
    };
    for (place, part) in [
        ("/no/such/connectors.json", "put it there"),
        (
            "s3://bucket",
            "write the path of a file, ssm:NAME or s3://bucket/key",
        ),
    ] {
        let log = run(place).await;
        assert!(log.contains(part), "{log}");
    }
    let folder = stage.folder.path();
    let broken = folder.join("broken.json");
    fs::write(&broken, "[{\"name\": \"a\",\n \"config\": }]").unwrap();
    let log = run(broken.to_str().unwrap()).await;
    assert!(
        log.contains("no JSON") && log.contains("line 2 column 12"),
        "{log}"
    );
    let config = stage.archive_config(&[("flush.size", "few"), ("topics", "")]);
    let invalid = json!([
        {"name": ARCHIVE, "config": config},
        {"name": "classless", "config": {"topics": "t", "aws.secret.access.key": "hush"}},
    ]);
    let log = run(&write(folder, &invalid)).await;
    for part in [
        "connector s3-sink: flush.size: Invalid value few",
        "; correct flush.size",
        "connector s3-sink: ",
        "connector classless: connector.class is missing; set connector.class",
    ] {
        assert!(log.contains(part), "{part}: {log}");
    }
    assert!(!log.contains("hush"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connector_that_cannot_be_created_is_told_and_tried_again() {
    let stage = Stage::new().await;
    let plane = plane().await;
    // In an object of S3; the database is not there yet, which validation asks.
    let database = closed_port();
    let config = json!({
        "connector.class": "com.mongodb.kafka.connect.MongoSinkConnector",
        "topics": TOPIC,
        "connection.uri": format!("mongodb://{database}/?serverSelectionTimeoutMS=500"),
        "database": "kafka",
        "collection": "later",
    });
    let document = json!({"name": "later", "config": config}).to_string();
    plane.set_object("/config/my%20connectors.json", &document);
    let mut env = aws(&plane);
    env.push((PLACE, "s3://config/my connectors.json".to_owned()));
    let env = borrowed(&env);
    let worker = stage.standalone_in("worker", &[], &env).await;
    until_lacking(&worker, "no connector is there yet: ").await;
    let (_, status) = health(&worker, "/status").await;
    assert_eq!(status["alarms"][0]["alarm"], "not_created", "{status}");
    assert_eq!(status["alarms"][0]["connector"], "later", "{status}");
    assert_eq!(status["live"], true);
    assert_eq!(names(&worker).await, json!([]));
    let _database = DocumentServer::start(database, None).await.unwrap();
    worker
        .task_until("later", "that runs", |task| task.is_well())
        .await;
    until_ready(&worker).await;
    assert_eq!(health(&worker, "/status").await.1["alarms"], json!([]));
    assert_eq!(plane.refusals(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parameter_that_is_away_stops_no_worker_and_is_asked_for_again() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker().await;
    broker.create_topic("t", 1).unwrap();
    let plane = plane().await;
    let away = || Step::error(503, "ServiceUnavailable", "");
    // The start gives up after five attempts.
    plane.script("GetParameter", (0..5).map(|_| away()));
    let mut env = aws(&plane);
    env.push((PLACE, "ssm:/millstream/prod/connectors".to_owned()));
    let env = borrowed(&env);
    let settings = file(folder.path(), "one", &broker, &HASTY);
    let start = async |name: &str| {
        let log = folder.path().join(format!("{name}.log"));
        Worker::start(&["worker", &settings], &env, log).await
    };
    let worker = start("one").await;
    assert_eq!(plane.calls("GetParameter"), 5);
    until_lacking(&worker, "ParameterNotFound").await;
    assert!(
        worker.log().contains("ServiceUnavailable"),
        "{}",
        worker.log()
    );
    // What comes then is wrong, and then right.
    plane.set_parameter("/millstream/prod/connectors", "{\"name\": \"a\"");
    until_lacking(&worker, "the document is no JSON").await;
    let right = json!({"name": "a", "config": sink(folder.path(), 1)});
    plane.set_parameter("/millstream/prod/connectors", &right.to_string());
    worker
        .task_until("a", "that runs", |task| task.is_well())
        .await;
    until_ready(&worker).await;
    // A cluster that has connectors is not taken out of use for a parameter that is away.
    plane.script("GetParameter", (0..50).map(|_| away()));
    let second = start("two").await;
    until_ready(&second).await;
    let (_, status) = health(&second, "/status").await;
    let text = status["alarms"][0]["text"].as_str().unwrap_or_default();
    assert!(text.contains("ServiceUnavailable"), "{status}");
    assert_eq!(plane.refusals(), []);
}

async fn plane() -> ControlPlane {
    ControlPlane::start(any(), "AKID", "SECRET").await.unwrap()
}

/// What a task is given to ask AWS.
fn aws(plane: &ControlPlane) -> Vec<(&'static str, String)> {
    let endpoint = plane.endpoint();
    let given = [
        ("AWS_ENDPOINT_URL_SSM", &*endpoint),
        ("AWS_ENDPOINT_URL_S3", &*endpoint),
        ("AWS_ACCESS_KEY_ID", "AKID"),
        ("AWS_SECRET_ACCESS_KEY", "SECRET"),
        ("REGION", "eu-west-1"),
        HEALTH,
    ];
    given.map(|(name, value)| (name, value.to_owned())).into()
}
