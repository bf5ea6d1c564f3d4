//! The process itself: what `stream` shows and how it ends, signals, open files, and what a demo writes.

use crate::rest::{self, Task};
use crate::stage::{STREAM, Stage, TOPIC};
use crate::worker::{Worker, until};
use hyper::StatusCode;
use millstream_embedded::faults::Faults;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PASSWORD: &str = "s3cr3tpw";

/// `stream` as people run it: its REST API only shows.
async fn read_only_stream(stage: &Stage, name: &str, more: &[(&str, &str)]) -> Worker {
    let mut settings = vec![("REST_ALLOW_CHANGES", "")];
    settings.extend(more);
    stage.stream_with(name, &settings).await
}

/// The same, where it ends by itself: its exit code and its log.
async fn stream_to_its_end(stage: &Stage, more: &[(&str, &str)]) -> (i32, String) {
    let env = stage.stream_env();
    let mut env: Vec<(&str, &str)> = env.iter().map(|(k, v)| (*k, v.as_str())).collect();
    env.push(("REST_ALLOW_CHANGES", ""));
    env.extend(more);
    Worker::run(&["stream"], &env, stage.path("ended.log")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_c3_stream_shows_no_secret_and_takes_no_change() {
    let stage = Stage::new().await;
    let key = stage.path("key");
    std::fs::write(&key, format!("{PASSWORD}\n")).unwrap();
    let hash = [
        ("HASH_ALGORITHM", "hmac-sha256"),
        ("HASH_KEY_FILE", key.to_str().unwrap()),
    ];
    let worker = read_only_stream(&stage, "worker", &hash).await;
    stage.produce(1);
    until("a document for each", || async {
        (stage.document_count().await? == 3).then_some(())
    })
    .await;
    let paths = ["", "/config", "/status", "/tasks", "/tasks-config"]
        .map(|rest| format!("/connectors/{STREAM}{rest}"));
    for path in paths
        .iter()
        .map(String::as_str)
        .chain(["/connectors?expand=info&expand=status"])
    {
        let (_, answer) = worker.request("GET", path, None).await;
        let text = answer.to_string();
        assert!(
            !text.contains(PASSWORD) && !text.contains("serverSelectionTimeoutMS"),
            "{path}: {text}"
        );
    }
    let (_, config) = worker.request("GET", &paths[1], None).await;
    assert_eq!(config["connection.uri"], "${stream:MONGODB_URI}");
    assert_eq!(config["transforms.hash.key"], "${stream:HASH_KEY_FILE}");
    let change = json!({"name": "other", "config": {}});
    for (method, path, body) in [
        ("POST", "/connectors", Some(&change)),
        ("DELETE", paths[0].as_str(), None),
        ("PUT", &format!("{}/stop", paths[0]), None),
        ("POST", &format!("{}/restart", paths[0]), None),
        (
            "PUT",
            "/admin/loggers/root",
            Some(&json!({"level": "TRACE"})),
        ),
    ] {
        let (status, answer) = worker.request(method, path, body).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{method} {path}: {answer}");
        assert!(
            answer["message"]
                .as_str()
                .is_some_and(|why| why.contains("REST_ALLOW_CHANGES")),
            "{answer}"
        );
    }
    let (_, names) = worker.request("GET", "/connectors", None).await;
    assert_eq!(names, json!([STREAM]));
    assert!(!worker.log().contains(PASSWORD), "{}", worker.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_c15_c21_a_failed_task_ends_stream_with_its_cause_whether_it_listens_or_not() {
    let stage = Stage::new().await;
    let wrong = [("AUTO_OFFSET_RESET", "smallest")];
    let (code, log) = stream_to_its_end(&stage, &wrong).await;
    assert_eq!(code, 1, "{log}");
    let last = log.lines().last().unwrap_or_default();
    assert!(
        last.contains("ERROR") && last.contains("AUTO_OFFSET_RESET") && last.contains("earliest"),
        "{last}"
    );
    // With changes allowed somebody may help it.
    let worker = stage.stream_with("helped", &wrong).await;
    let task = worker
        .task_until(STREAM, "failed", |task| task.state == "FAILED")
        .await;
    assert!(task.trace.contains("smallest"), "{}", task.trace);
    assert!(
        rest::send(worker.address, "GET", "/health", None)
            .await
            .is_some()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_b16_c21_signals_stop_in_order_or_ask_for_a_line() {
    let stage = Stage::new().await;
    let mut worker = stage.standalone("worker", &[]).await;
    stage.post_archive(&worker, &[]).await;
    stage.produce(3);
    stage.archived().await;
    for signal in ["-QUIT", "-USR1", "-USR2"] {
        let lines = |log: &str| log.lines().filter(|line| line.contains("progress")).count();
        let before = lines(&worker.log());
        worker.signal(signal);
        until("a line of progress", || async {
            (lines(&worker.log()) > before).then_some(())
        })
        .await;
    }
    let told = |what: &str| {
        worker
            .log()
            .lines()
            .filter(|line| line.contains(what))
            .count()
    };
    assert_eq!(
        (told("partitions assigned"), told("partitions revoked")),
        (1, 0),
        "{}",
        worker.log()
    );
    stage.produce(3);
    stage.archived().await;
    worker.signal("-HUP");
    assert_eq!(worker.ended().await, 0);
    let log = worker.log();
    assert!(
        log.lines()
            .last()
            .is_some_and(|line| line.contains("stopped")),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_c2_open_files_are_as_many_as_may_be() {
    let stage = Stage::new().await;
    let worker = stage.standalone("worker", &[]).await;
    let limits = worker.proc("limits");
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    let mut numbers = line.split_whitespace().skip(3);
    assert_eq!(numbers.next(), numbers.next(), "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_c12_misspelt_settings_of_a_worker_are_told() {
    let stage = Stage::new().await;
    let misspelt = [("bootstrap.server", "kafka:9092"), ("rest.port", "8083")];
    let worker = stage.standalone("worker", &misspelt).await;
    let log = worker.log();
    for (key, meant) in [
        ("bootstrap.server", "bootstrap.servers"),
        ("rest.port", "listeners"),
    ] {
        let told = log.lines().any(|line| {
            line.contains("WARN")
                && line.contains(&format!("key=\"{key}\""))
                && line.contains(meant)
        });
        assert!(told, "{key}: {log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_c13_the_published_recipe_gives_no_warning() {
    let stage = Stage::new().await;
    let worker = stage.standalone("worker", &[]).await;
    stage.post_archive(&worker, &[]).await;
    stage.produce(3);
    stage.archived().await;
    assert!(
        !worker.log().contains("schema.generator.class"),
        "{}",
        worker.log()
    );
}

/// A demo's standard output and error.
async fn demo(arguments: &[&str], folder: &std::path::Path) -> (String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
    command
        .arg("demo")
        .args(arguments)
        .args(["--dir"])
        .arg(folder);
    command.env_remove("RUST_LOG").stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_c11_c19_a_demo_tells_numbers_that_add_up_and_has_its_folder_alone() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("demo");
    let first = demo(&["--json", "--for", "2s"], &folder);
    let second = async {
        until("the first demo's folder", || async {
            folder.join("demo.lock").exists().then_some(())
        })
        .await;
        // Whoever comes second is told so, whichever that is.
        demo(&["--for", "1s"], &folder).await
    };
    let ((json, log), (_, refused)) = tokio::join!(first, second);
    let summary: Value =
        serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}\n{log}"));
    let number = |key: &str| summary[key].as_u64().unwrap();
    assert_eq!(number("documents"), number("records_in"), "{summary}");
    assert!(
        number("s3_records") > 4_000 && number("records_in") - number("s3_records") <= 147,
        "{summary}"
    );
    assert!(!log.contains("WARN") && !log.contains("Snapshot"), "{log}");
    assert!(
        refused.contains("another demo (process") && refused.contains("--dir"),
        "{refused}"
    );
    // The next one goes on from there, and says where each record is.
    let (text, log) = demo(&["--for", "500ms"], &folder).await;
    assert!(
        text.contains("records in") && text.contains("wait until"),
        "{text}\n{log}"
    );
    assert!(!log.contains("resetting"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_b14_a_null_that_is_to_fail_is_named() {
    let stage = Stage::new().await;
    let put = |value: Option<&[u8]>| stage.broker.produce(TOPIC, 0, None, value).unwrap();
    for _ in 0..5 {
        put(Some(b"before"));
    }
    put(None);
    for _ in 0..5 {
        put(Some(b"behind"));
    }
    let (code, log) = stream_to_its_end(&stage, &[("ON_NULL_VALUE", "fail")]).await;
    assert_eq!(code, 1, "{log}");
    let last = log.lines().last().unwrap_or_default();
    for part in ["ERROR", TOPIC, "partition 0", "offset 5"] {
        assert!(last.contains(part), "{part}: {log}");
    }
    // What comes before it may be there or come again; nothing behind it is.
    let before: BTreeSet<String> = (0..5).map(|offset| format!("{TOPIC}#0#{offset}")).collect();
    let stored = stage.document_ids().await;
    assert!(stored.is_subset(&before), "{stored:?}");
}

/// A port on which nobody listens.
pub(crate) fn closed_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// How long after the start the cause of an outage is told, with what the log says of it. The driver alone would take half
/// a minute, and Kafka's client does not give up at all.
async fn told_after(worker: &Worker, begun: Instant, causes: &[&str]) -> Duration {
    let line = until("the cause", || async {
        let log = worker.log();
        let mut lines = log.lines().map(str::to_owned);
        lines.find(|line| line.contains("WARN") && causes.iter().all(|cause| line.contains(cause)))
    })
    .await;
    let tells_all = |text: &String| causes.iter().all(|cause| text.contains(cause));
    let told = worker.task_until(STREAM, "with the cause", |task| {
        task.degraded.as_ref().is_some_and(tells_all)
    });
    told.await;
    let elapsed = begun.elapsed();
    eprintln!("after {elapsed:?}: {line}");
    elapsed
}

/// Two seconds are promised; the rest is for a busy machine.
const SOON: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_c5_a_document_store_that_is_away_is_told_of_at_once() {
    let stage = Stage::new().await;
    stage.produce(10);
    let nobody = closed_port().to_string();
    let uri = format!("mongodb://{nobody}/");
    let begun = Instant::now();
    let worker = read_only_stream(&stage, "worker", &[("MONGODB_URI", &uri)]).await;
    let causes = [nobody.as_str(), "connection refused"];
    let elapsed = told_after(&worker, begun, &causes).await;
    assert!(elapsed < SOON, "{elapsed:?}");
    drop(worker);
    // One that goes away while records flow.
    let uri = format!("mongodb://{}/", stage.document_wire.address());
    let worker = read_only_stream(&stage, "second", &[("MONGODB_URI", &uri)]).await;
    stage.stored().await;
    stage.document_wire.go_away();
    let begun = Instant::now();
    stage.produce(10);
    let store = stage.document_wire.address().to_string();
    let elapsed = told_after(&worker, begun, &[&store]).await;
    assert!(elapsed < SOON, "{elapsed:?}");
    stage.document_wire.heal();
    stage.stored().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_c5_a_kafka_that_is_away_is_told_of_at_once() {
    let stage = Stage::new().await;
    let nobody = closed_port().to_string();
    let begun = Instant::now();
    let away = [("KAFKA_BOOTSTRAP_SERVERS", nobody.as_str())];
    let worker = read_only_stream(&stage, "worker", &away).await;
    let causes = [nobody.as_str(), "onnection refused"];
    let elapsed = told_after(&worker, begun, &causes).await;
    assert!(elapsed < SOON, "{elapsed:?}");
    drop(worker);
    let worker = read_only_stream(&stage, "second", &[]).await;
    stage.produce(10);
    stage.stored().await;
    stage.broker_wire.go_away();
    let begun = Instant::now();
    let broker = stage.broker_wire.address().to_string();
    let elapsed = told_after(&worker, begun, &[&broker]).await;
    assert!(elapsed < SOON, "{elapsed:?}");
    stage.broker_wire.heal();
    stage.produce(10);
    stage.stored().await;
}

/// What the demo's S3 service thinks of a request is the connector's to tell.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_message_27_the_demos_log_has_no_word_of_the_libraries_in_it() {
    const BAD: &str = "bad-bucket";
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("demo");
    let arguments = ["demo", "--json", "--dir", folder.to_str().unwrap()];
    let worker = Worker::start(&arguments, &[], root.path().join("demo.log")).await;
    let (_, mut config) = until("the archive", || async {
        let (status, config) = worker
            .request("GET", "/connectors/s3-sink/config", None)
            .await;
        status.is_success().then_some((status, config))
    })
    .await;
    config["s3.bucket.name"] = json!("My_Bucket!");
    config["name"] = json!(BAD);
    worker.create(BAD, &config).await;
    let is_told = |task: &Task| task.state == "FAILED" || task.degraded.is_some();
    let task = worker.task_until(BAD, "told", is_told).await;
    let log = worker.log();
    assert!(log.contains("My_Bucket!"), "{task:?}\n{log}");
    for inner in ["failed to prepare", "S3Error(", "Inner {"] {
        assert!(!log.contains(inner), "{inner}: {log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_c5_progress_is_what_is_stored() {
    let stage = Stage::new().await;
    stage.document_wire.set(Faults::refusing());
    stage.produce(100);
    let worker = read_only_stream(&stage, "worker", &[]).await;
    let degraded = |task: &Task| task.degraded.is_some();
    worker.task_until(STREAM, "degraded", degraded).await;
    worker.signal("-USR1");
    let progress = until("a line of progress", || async {
        let log = worker.log();
        let mut lines = log.lines().map(str::to_owned);
        lines.find(|line| line.contains("progress"))
    })
    .await;
    assert!(progress.contains("stored=0"), "{progress}");
    assert!(worker.log().contains("WARN"), "{}", worker.log());
    stage.document_wire.heal();
    stage.stored().await;
    until("all as stored", || async {
        worker.signal("-USR1");
        worker.log().contains("stored=300").then_some(())
    })
    .await;
}
