//! The port that a worker opens itself: what it tells from the first moment to the last.

use crate::process::{Process, ask, once, properties, until, until_status};
use millstream_embedded::broker::{ApiAction, ApiFault, ApiKey, Broker, BrokerSettings};
use serde_json::{Value as Json, json};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::net::TcpListener;

const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";

/// Any free port of this machine, which the log tells.
const ANY: (&str, &str) = ("HEALTHCHECK_PORT", "http://127.0.0.1:0");

pub(crate) fn standalone(folder: &Path, bootstrap: &str, more: &[(&str, &str)]) -> String {
    let mut settings = vec![
        ("bootstrap.servers", bootstrap),
        ("key.converter", JSON),
        ("value.converter", JSON),
        ("listeners", "http://127.0.0.1:0"),
    ];
    settings.extend(more);
    properties(folder, "worker.properties", &settings)
}

fn member(folder: &Path, bootstrap: &str) -> String {
    standalone(
        folder,
        bootstrap,
        &[
            ("group.id", "kc"),
            ("config.storage.topic", "kc_config"),
            ("offset.storage.topic", "kc_offset"),
            ("status.storage.topic", "kc_status"),
            ("config.storage.replication.factor", "1"),
            ("offset.storage.replication.factor", "1"),
            ("status.storage.replication.factor", "1"),
            ("millstream.health.start.grace.ms", "0"),
        ],
    )
}

async fn broker() -> Broker {
    let settings = BrokerSettings {
        auto_create_topics: false,
        ..BrokerSettings::of_nodes(1)
    };
    Broker::start(settings).await.unwrap()
}

fn file_sink(folder: &Path, file: &Path) -> String {
    let file = file.display().to_string();
    let settings = [
        ("name", "c"),
        ("connector.class", "FileStreamSink"),
        ("topics", "t"),
        ("file", &file),
    ];
    properties(folder, "c.properties", &settings)
}

/// An alarm leaves the worker as it is, and the log tells of it at the next look.
async fn is_a_matter_for_people(health: SocketAddr, process: &Process, line: &str) {
    for path in ["/", "/live", "/ready"] {
        assert_eq!(json(health, path).await.0, 200, "{path}");
    }
    until("the line", || {
        let is_told = process.log().contains(line);
        async move { is_told.then_some(()) }
    })
    .await;
}

/// A connector whose file can never be opened.
fn failing(folder: &Path) -> String {
    let config = json!({"name": "c", "config": {
        "connector.class": "FileStreamSink", "topics": "t", "file": "/nowhere/out.txt"}});
    let path = folder.join("c.json");
    std::fs::write(&path, config.to_string()).unwrap();
    path.display().to_string()
}

async fn json(address: SocketAddr, path: &str) -> (u16, Json) {
    let answer = ask(address, "GET", path).await.unwrap();
    (answer.status, serde_json::from_str(&answer.body).unwrap())
}

#[tokio::test]
async fn a_failed_task_is_told_and_counts_where_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker().await;
    broker.create_topic("t", 1).unwrap();
    let worker = standalone(folder.path(), &broker.bootstrap(), &[]);
    let connector = failing(folder.path());
    for (fails, status) in [("false", 200), ("true", 503)] {
        let env = [ANY, ("HEALTHCHECK_FAIL_ON_TASKS", fails)];
        let log = folder.path().join("log");
        let mut process = Process::start(&["standalone", &worker, &connector], &env, log);
        let health = process.health().await;
        let verdict = until("the failure", || async move {
            let (status, body) = json(health, "/").await;
            let failures = body["failures"].as_array().map_or(0, Vec::len);
            (failures == 1).then_some((status, body))
        });
        let (found, verdict) = verdict.await;
        assert_eq!(found, status, "{verdict}");
        assert_eq!(verdict["healthy"], status == 200);
        assert_eq!(verdict["failure_rate"], 0.5);
        assert_eq!(verdict["failures"][0]["type"], "task");
        // Neither kept from traffic nor restarted.
        assert_eq!(json(health, "/ready").await, (200, json!({"status": "UP"})));
        assert_eq!(json(health, "/live").await, (200, json!({"status": "UP"})));
        let (_, told) = json(health, "/status").await;
        assert_eq!(told["verdict"], "alarming", "{told}");
        assert_eq!(told["alarms"][0]["alarm"], "task_failed", "{told}");
        let port = health.port().to_string();
        for (path, code) in [("/live", 0), ("/ready", 0), ("/", i32::from(status != 200))] {
            let asked = format!("--once={path}");
            let (found, log) = once(&[&asked, "--port", &port], folder.path()).await;
            assert_eq!(found, code, "{path}: {log}");
        }
        let rest = process.address("REST API is ready").await;
        let url = format!("http://{rest}");
        let (found, log) = once(&["--once", "--connect-url", &url], folder.path()).await;
        assert_eq!(found, 1, "{log}");
        assert!(log.contains("task 0 of connector"), "{log}");
    }
}

#[tokio::test]
async fn a_worker_that_waits_for_its_brokers_is_alive_and_not_ready() {
    let folder = tempfile::tempdir().unwrap();
    // It takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let worker = member(folder.path(), &address);
    let mut process = Process::start(&["worker", &worker], &[ANY], folder.path().join("log"));
    let health = process.health().await;
    assert_eq!(json(health, "/live").await.0, 200);
    let (status, body) = json(health, "/ready").await;
    assert_eq!(status, 503);
    assert!(
        body["reason"].as_str().unwrap().contains("is starting"),
        "{body}"
    );
    let (status, body) = json(health, "/").await;
    assert_eq!((status, &body["healthy"]), (503, &json!(false)));
    let port = health.port().to_string();
    let (live, log) = once(&["--once", "--port", &port], folder.path()).await;
    assert_eq!(live, 0, "{log}");
    let (ready, log) = once(&["--once=/ready", "--port", &port], folder.path()).await;
    assert_eq!(ready, 1, "{log}");
    assert!(log.contains("is starting"), "{log}");
    process.signal("-TERM");
    assert_eq!(process.ended().await, 0);
    let (gone, log) = once(&["--once", "--port", &port], folder.path()).await;
    assert_eq!(gone, 1);
    assert!(log.contains("no health port answers"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_told_to_stop_is_not_ready_and_still_alive() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker().await;
    let worker = member(folder.path(), &broker.bootstrap());
    let mut process = Process::start(&["worker", &worker], &[ANY], folder.path().join("log"));
    let health = process.health().await;
    until_status(health, "/ready", 200).await;
    assert_eq!(json(health, "/").await.0, 200);
    // It takes its time to leave.
    let late = ApiAction::Delay(Duration::from_secs(3));
    broker.faults().add(ApiFault::new(ApiKey::LeaveGroup, late));
    process.signal("-TERM");
    let answer = until_status(health, "/ready", 503).await;
    assert!(answer.body.contains("is stopping"), "{}", answer.body);
    assert_eq!(json(health, "/live").await.0, 200);
    assert_eq!(process.ended().await, 0, "{}", process.log());
}

#[tokio::test]
async fn a_port_that_is_taken_keeps_no_worker_from_its_work() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker().await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let worker = standalone(folder.path(), &broker.bootstrap(), &[]);
    let listener = format!("http://{address}");
    let env = [("HEALTHCHECK_PORT", listener.as_str())];
    let mut process = Process::start(&["standalone", &worker], &env, folder.path().join("log"));
    let rest = process.address("REST API is ready").await;
    assert_eq!(ask(rest, "GET", "/connectors").await.unwrap().status, 200);
    let log = process.log();
    assert!(log.contains("the health port cannot be opened"), "{log}");
    assert!(log.contains("HEALTHCHECK_PORT"), "{log}");
    // Whoever had it ends.
    drop(taken);
    assert_eq!(process.health().await, address);
    assert_eq!(ask(address, "GET", "/ready").await.unwrap().status, 200);
    let off = [("HEALTHCHECK_PORT", "off")];
    let mut silent = Process::start(&["standalone", &worker], &off, folder.path().join("off"));
    silent.address("REST API is ready").await;
    assert!(!silent.log().contains("health port"), "{}", silent.log());
    let wrong = [("HEALTHCHECK_PORT", "eighty")];
    let mut ends = Process::start(
        &["standalone", &worker],
        &wrong,
        folder.path().join("wrong"),
    );
    assert_eq!(ends.ended().await, 1);
    assert!(ends.log().contains("HEALTHCHECK_PORT"), "{}", ends.log());
}

/// The file is a pipe that nobody reads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_has_work_and_does_none_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker().await;
    broker.create_topic("t", 1).unwrap();
    let value = "x".repeat(200);
    for _ in 0..3000 {
        broker
            .produce("t", 0, None, Some(value.as_bytes()))
            .unwrap();
    }
    // Slowly enough that the lag is known before the pipe is full: a sink that does not return keeps the task from more.
    let late = ApiFault::new(ApiKey::Fetch, ApiAction::Delay(Duration::from_millis(300)));
    broker.faults().add(late.times(100));
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let mut options = std::fs::OpenOptions::new();
    // Opened for both, it waits for nobody.
    let _held = options.read(true).write(true).open(&pipe).unwrap();
    let text = "org.apache.kafka.connect.storage.StringConverter";
    let settings = [
        ("value.converter", text),
        ("key.converter", text),
        ("consumer.max.partition.fetch.bytes", "8000"),
        ("consumer.auto.offset.reset", "earliest"),
        ("millstream.health.stalled.ms", "2000"),
    ];
    let worker = standalone(folder.path(), &broker.bootstrap(), &settings);
    let connector = file_sink(folder.path(), &pipe);
    let log = folder.path().join("log");
    let mut process = Process::start(&["standalone", &worker, &connector], &[ANY], log);
    let health = process.health().await;
    let alarm = until("the alarm", || async move {
        let (_, told) = json(health, "/status").await;
        let alarms = told["alarms"].as_array()?.clone();
        alarms.into_iter().find(|alarm| alarm["alarm"] == "stalled")
    });
    let alarm = alarm.await;
    assert_eq!(alarm["connector"], "c", "{alarm}");
    let metrics = ask(health, "GET", "/metrics").await.unwrap().body;
    let series = r#"millstream_task_alarm{connector="c",task="0",alarm="stalled"} 1"#;
    assert!(metrics.contains(series), "{metrics}");
    is_a_matter_for_people(health, &process, "no progress for").await;
}

/// More comes than the consumer is given.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_falls_behind_is_told_in_the_status_the_log_and_the_metrics() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker().await;
    broker.create_topic("t", 1).unwrap();
    let late = ApiFault::new(ApiKey::Fetch, ApiAction::Delay(Duration::from_millis(200)));
    broker.faults().add(late.times(1_000_000));
    let text = "org.apache.kafka.connect.storage.StringConverter";
    let settings = [
        ("value.converter", text),
        ("key.converter", text),
        // A few records an answer.
        ("consumer.max.partition.fetch.bytes", "1000"),
        ("consumer.auto.offset.reset", "earliest"),
        // Lag is worked out once a second, and looked at every 1.5 s.
        ("millstream.health.lag.growing.ms", "7500"),
    ];
    let worker = standalone(folder.path(), &broker.bootstrap(), &settings);
    let connector = file_sink(folder.path(), &folder.path().join("out.txt"));
    let log = folder.path().join("log");
    let mut process = Process::start(&["standalone", &worker, &connector], &[ANY], log);
    let health = process.health().await;
    let value = "x".repeat(500);
    let told = until("the alarm", || {
        for _ in 0..20 {
            broker
                .produce("t", 0, None, Some(value.as_bytes()))
                .unwrap();
        }
        async move {
            let (_, told) = json(health, "/status").await;
            let alarms = told["alarms"].as_array()?;
            let mut alarms = alarms.iter();
            let is_told = alarms.any(|alarm| alarm["alarm"] == "lag_growing");
            is_told.then_some(told)
        }
    })
    .await;
    assert_eq!(told["verdict"], "alarming", "{told}");
    assert_eq!(told["live"], true, "{told}");
    let alarm = |name: &str| {
        let series = format!(r#"millstream_task_alarm{{connector="c",task="0",alarm="{name}"}}"#);
        async move {
            let metrics = ask(health, "GET", "/metrics").await.unwrap().body;
            let mut lines = metrics.lines();
            lines.find_map(|line| {
                line.strip_prefix(&series)
                    .map(|value| value.trim().to_owned())
            })
        }
    };
    for (name, value) in [
        ("lag_growing", "1"),
        ("stalled", "0"),
        ("degraded", "0"),
        ("task_failed", "0"),
    ] {
        assert_eq!(alarm(name).await.as_deref(), Some(value), "{name}");
    }
    is_a_matter_for_people(health, &process, "the lag has grown from").await;
}

/// The port is served beside the control loop, so that a process that hangs as a whole says nothing at all.
#[tokio::test]
async fn a_process_that_hangs_is_not_alive() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker().await;
    let worker = standalone(folder.path(), &broker.bootstrap(), &[]);
    let mut process = Process::start(&["standalone", &worker], &[ANY], folder.path().join("log"));
    let health = process.health().await;
    until_status(health, "/live", 200).await;
    let port = health.port().to_string();
    process.signal("-STOP");
    let (live, log) = once(&["--once", "--port", &port], folder.path()).await;
    assert_eq!(live, 1, "{log}");
    process.signal("-CONT");
    until_status(health, "/live", 200).await;
    let (live, log) = once(&["--once", "--port", &port], folder.path()).await;
    assert_eq!(live, 0, "{log}");
}

#[tokio::test]
async fn the_hash_job_has_a_port_without_an_api() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker().await;
    broker.create_topic("MyTopic", 1).unwrap();
    let bootstrap = broker.bootstrap();
    let env = [
        ANY,
        ("KAFKA_BOOTSTRAP_SERVERS", &bootstrap),
        // Nobody is there; that is an outage, which makes the task degraded and the worker no worse.
        (
            "MONGODB_URI",
            "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100",
        ),
    ];
    let mut process = Process::start(&["stream"], &env, folder.path().join("log"));
    let health = process.health().await;
    until_status(health, "/ready", 200).await;
    let alarms = until("the outage", || async move {
        let (_, told) = json(health, "/status").await;
        let alarms = told["alarms"].as_array()?;
        (!alarms.is_empty()).then(|| alarms.clone())
    });
    assert_eq!(alarms.await[0]["alarm"], "degraded");
    assert_eq!(json(health, "/").await.0, 200);
    let metrics = ask(health, "GET", "/metrics").await.unwrap();
    assert!(
        metrics.body.contains("millstream_task_degraded"),
        "{}",
        metrics.body
    );
    process.signal("-TERM");
    assert_eq!(process.ended().await, 0);
}
