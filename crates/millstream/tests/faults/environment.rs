//! Workers and `stream` that are given nothing but environment variables: what they start with, what they refuse, what they
//! say, and what `env` shows of it.

use crate::discovery::borrowed;
use crate::stage::{ARCHIVE, Stage, TOPIC};
use crate::worker::Worker;
use hyper::StatusCode;
use millstream_embedded::broker::{Broker, BrokerSettings};
use serde_json::{Value, json};
use std::process::{Command, Stdio};

const STRING: &str = "org.apache.kafka.connect.storage.StringConverter";
const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";

/// A task definition for Java's image, on a port that the test need not know.
fn image(bootstrap: &str) -> Vec<(&'static str, String)> {
    [
        ("CONNECT_PLUGIN_PATH", "/usr/share/java"),
        ("CONNECT_BOOTSTRAP_SERVERS", bootstrap),
        ("CONNECT_GROUP_ID", "KcS3SinkGroup"),
        ("CONNECT_CONFIG_STORAGE_TOPIC", "kc_config"),
        ("CONNECT_OFFSET_STORAGE_TOPIC", "kc_offset"),
        ("CONNECT_STATUS_STORAGE_TOPIC", "kc_status"),
        ("CONNECT_CONFIG_STORAGE_REPLICATION_FACTOR", "1"),
        ("CONNECT_OFFSET_STORAGE_REPLICATION_FACTOR", "1"),
        ("CONNECT_STATUS_STORAGE_REPLICATION_FACTOR", "1"),
        ("CONNECT_KEY_CONVERTER", STRING),
        ("CONNECT_VALUE_CONVERTER", STRING),
        ("CONNECT_REST_HOST_NAME", "127.0.0.1"),
        ("CONNECT_REST_PORT", "0"),
        ("CONNECT_REST_ADVERTISED_HOST_NAME", "localhost"),
        ("CONNECT_OFFSET_FLUSH_INTERVAL_MS", "500"),
        ("CONNECT_INTERNAL_KEY_CONVERTER", JSON),
        ("CONNECT_INTERNAL_VALUE_CONVERTER", JSON),
        ("CONNECT_LOG4J_ROOT_LOGLEVEL", "INFO"),
        (
            "CONNECT_LOG4J_LOGGERS",
            "org.apache.zookeeper=ERROR,org.apache.kafka.clients=DEBUG,org.reflections=ERROR",
        ),
        ("KAFKA_HEAP_OPTS", "-Xmx2g"),
        // Where the machine of the test has it.
        ("HOST", ""),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .to_vec()
}

/// The exit code and the standard output of a command that ends by itself.
fn output(arguments: &[&str], env: &[(&str, &str)]) -> (i32, String) {
    let ended = Command::new(env!("CARGO_BIN_EXE_millstream"))
        .args(arguments)
        .env_clear()
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(ended.stdout).unwrap();
    (ended.status.code().unwrap_or(-1), text)
}

fn names(value: &Value) -> Vec<&str> {
    let all = value.as_object().unwrap().keys();
    all.map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_definition_for_the_image_starts_a_worker_whose_tasks_say_whose_they_are() {
    let stage = Stage::new().await;
    let env = image(&stage.broker_wire.address().to_string());
    let mut env = borrowed(&env);
    env.push(("LOG_FORMAT", "json"));
    let log = stage.path("worker.log");
    let worker = Worker::start(&["worker"], &env, log).await;
    stage.produce(3);
    stage.post_archive(&worker, &[]).await;
    stage.archived().await;
    // Levels of the variables are in force and shown; one is changed while the worker runs.
    let (_, loggers) = worker.request("GET", "/admin/loggers", None).await;
    assert_eq!(loggers["root"]["level"], "INFO");
    assert_eq!(
        loggers["org.apache.kafka.clients.NetworkClient"]["level"],
        "DEBUG"
    );
    for name in [
        "io.confluent.connect.s3.S3SinkConnector",
        "millstream_runtime",
        STRING,
    ] {
        assert!(names(&loggers).contains(&name), "{name}");
    }
    let quiet = json!({"level": "WARN"});
    let path = "/admin/loggers/org.apache.kafka.clients";
    let (status, changed) = worker.request("PUT", path, Some(&quiet)).await;
    assert_eq!(status, StatusCode::OK);
    assert!(changed.to_string().contains("NetworkClient"), "{changed}");

    let log = worker.log();
    let mut of_consumer = 0;
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"));
        for member in ["timestamp", "level", "message"] {
            assert!(line[member].is_string(), "{member}: {line}");
        }
        // Lines about records and partitions of the connector's topic name its task, wherever they are written.
        if line["topic"] == TOPIC {
            assert_eq!(
                (&line["connector"], &line["task"]),
                (&json!(ARCHIVE), &json!(0)),
                "{line}"
            );
            of_consumer += 1;
        }
    }
    assert!(of_consumer > 0, "{log}");
    let lines = |text: &str| log.lines().filter(|line| line.contains(text)).count();
    // One line for each log and topic, not for each partition.
    assert!(lines("position set by auto.offset.reset") >= 3);
    let positions = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["level"] == "INFO")
        .filter(|line| line["message"] == "position set by auto.offset.reset");
    assert!(positions.count() <= 5, "{log}");
    for told in [
        "CONNECT_INTERNAL_KEY_CONVERTER is deprecated",
        "CONNECT_PLUGIN_PATH has no effect",
        "CONNECT_LOG4J_LOGGERS has no effect on org.apache.zookeeper",
        "KAFKA_HEAP_OPTS has no effect",
        "enough brokers are there",
    ] {
        assert_eq!(lines(told), 1, "{told}: {log}");
    }
}

#[tokio::test]
async fn what_is_required_and_missing_ends_the_start_as_the_image_does() {
    let folder = tempfile::tempdir().unwrap();
    let run = async |env: &[(&str, &str)]| {
        let log = folder.path().join("log");
        Worker::run(&["worker"], env, log).await
    };
    let mut env = image("127.0.0.1:1");
    env.retain(|(name, _)| !["CONNECT_GROUP_ID", "CONNECT_VALUE_CONVERTER"].contains(name));
    env.push(("CONNECT_GROUPID", "g".to_owned()));
    let (code, log) = run(&borrowed(&env)).await;
    assert_eq!(code, 1, "{log}");
    let required: Vec<&str> = log
        .lines()
        .filter_map(|line| line.split_once("ERROR ").map(|(_, text)| text))
        .collect();
    assert_eq!(
        required,
        [
            "CONNECT_GROUP_ID is required.",
            "CONNECT_VALUE_CONVERTER is required."
        ]
    );
    assert!(
        log.contains("CONNECT_GROUPID is not read; did you mean CONNECT_GROUP_ID?"),
        "{log}"
    );
    // Wrong settings are told all at once, as those of a file.
    let mut env = image("127.0.0.1:1");
    env.push(("CONNECT_CONNECT_PROTOCOL", "x".to_owned()));
    env.push((
        "CONNECT_TASK_SHUTDOWN_GRACEFUL_TIMEOUT_MS",
        "soon".to_owned(),
    ));
    let (code, log) = run(&borrowed(&env)).await;
    assert_eq!(code, 2, "{log}");
    assert!(
        log.contains("configuration connect.protocol") && log.contains("soon"),
        "{log}"
    );
}

#[tokio::test]
async fn brokers_are_waited_for_as_long_as_the_variables_say() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(BrokerSettings::of_nodes(2)).await.unwrap();
    let mut env = image(&broker.bootstrap());
    env.push(("CONNECT_CUB_KAFKA_MIN_BROKERS", "3".to_owned()));
    env.push(("CONNECT_CUB_KAFKA_TIMEOUT", "1".to_owned()));
    let (code, log) = Worker::run(&["worker"], &borrowed(&env), folder.path().join("few")).await;
    assert_eq!(code, 1, "{log}");
    assert!(
        log.contains("Expected 3 brokers but found only 2."),
        "{log}"
    );
    let mut env = image("127.0.0.1:1");
    env.push(("CONNECT_CUB_KAFKA_TIMEOUT", "1".to_owned()));
    let (code, log) = Worker::run(&["worker"], &borrowed(&env), folder.path().join("none")).await;
    assert_eq!(code, 1, "{log}");
    assert!(log.contains("Expected 1 brokers but found none: "), "{log}");
    assert!(log.contains("127.0.0.1:1"), "{log}");
}

#[tokio::test]
async fn a_file_goes_before_variables() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("worker.properties");
    std::fs::write(&file, "bootstrap.servers=x\n").unwrap();
    let env = image("127.0.0.1:1");
    let arguments = ["worker", file.to_str().unwrap()];
    let (code, log) = Worker::run(&arguments, &borrowed(&env), folder.path().join("log")).await;
    assert_eq!(code, 2, "{log}");
    assert!(
        log.contains("variables that begin with CONNECT_ are not read"),
        "{log}"
    );
    assert!(
        log.contains("Missing required configuration \"key.converter\""),
        "{log}"
    );
}

#[test]
fn env_shows_what_was_understood_and_hides_secrets() {
    let mut env = image("b-1:9092");
    let jaas = "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"u\" password=\"s3cr3tpw\";";
    env.push(("CONNECT_SASL_JAAS_CONFIG", jaas.to_owned()));
    env.push(("CONNECT_SASL_MECHANISM", "PLAIN".to_owned()));
    env.push(("CONNECT_SECURITY_PROTOCOL", "SASL_PLAINTEXT".to_owned()));
    env.push(("CONNECT_SASL_JASS_CONFIG", jaas.to_owned()));
    let (code, text) = output(&["env"], &borrowed(&env));
    assert_eq!(code, 0, "{text}");
    assert!(!text.contains("s3cr3tpw"), "{text}");
    let (code, text) = output(&["env", "--json"], &borrowed(&env));
    assert!(code == 0 && !text.contains("s3cr3tpw"), "{text}");
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&report["for"], &report["ok"]),
        (&json!("worker"), &json!(true))
    );
    let setting = |name: &str| {
        let settings = report["settings"].as_array().unwrap();
        settings
            .iter()
            .find(|it| it["name"] == name)
            .cloned()
            .unwrap_or_default()
    };
    assert_eq!(
        setting("consumer.sasl.jaas.config"),
        json!({
            "name": "consumer.sasl.jaas.config", "value": "[hidden]", "hidden": true, "open": null,
            "from": {"kind": "inherited", "name": "sasl.jaas.config"},
        })
    );
    assert_eq!(setting("listeners")["value"], "http://127.0.0.1:0");
    let notes = report["notes"].as_array().unwrap();
    let slip = notes
        .iter()
        .find(|note| note["about"] == "CONNECT_SASL_JASS_CONFIG")
        .unwrap();
    assert_eq!(slip["remedy"], "did you mean CONNECT_SASL_JAAS_CONFIG?");
}

#[test]
fn env_ends_with_78_where_something_is_wrong_and_asks_nobody() {
    let (code, text) = output(
        &["env", "--for", "worker"],
        &[("CONNECT_BOOTSTRAP_SERVER", "b:1")],
    );
    assert_eq!(code, 78, "{text}");
    for told in [
        "CONNECT_BOOTSTRAP_SERVERS is required.",
        "did you mean CONNECT_BOOTSTRAP_SERVERS?",
        "8 problem(s)",
    ] {
        assert!(text.contains(told), "{told}: {text}");
    }
    // The workshop's variables: what its scripts compute is said to be asked for.
    let workshop = [
        ("NAMESPACE", "FargateWorkshopNamespace"),
        ("MSK_SERVICE", "KafkaSvc"),
        ("DDB_SERVICE", "DbSvc"),
        ("REGION", "eu-west-1"),
    ];
    let (code, text) = output(&["env", "--json"], &workshop);
    assert_eq!(code, 0, "{text}");
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["for"], "stream");
    let open: Vec<&str> = report["settings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["open"].is_string())
        .filter_map(|it| it["name"].as_str())
        .collect();
    assert_eq!(open, ["KAFKA_BOOTSTRAP_SERVERS", "MONGODB_URI"]);
    let wrong = [&workshop[1..], &[("HASH_ALGORITHM", "md6")]].concat();
    let (code, text) = output(&["env"], &wrong);
    assert_eq!(code, 78, "{text}");
    assert!(text.contains("md6"), "{text}");
    let (code, text) = output(&["env"], &workshop[1..]);
    assert_eq!(code, 78, "{text}");
    assert!(
        text.contains("NAMESPACE (--namespace) is missing"),
        "{text}"
    );
}
