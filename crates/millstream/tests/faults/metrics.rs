//! What is charted and what alerts: every metric that the shipped dashboards and rules name is one that a worker shows.

use crate::stage::{Stage, TOPIC};
use crate::worker::{Worker, until};
use regex::Regex;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What a name of a metric begins with; whatever else an expression holds is PromQL's own.
const OURS: [&str; 3] = ["millstream_", "kafka_", "process_"];

fn deploy(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../deploy")
        .join(folder);
    let entries = fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// The names of metrics in an expression, without what stands in quotes.
fn names(expression: &str) -> BTreeSet<String> {
    let quoted = Regex::new(r#""[^"]*""#).unwrap();
    let bare = quoted.replace_all(expression, "");
    let name = Regex::new(r"[A-Za-z_:][A-Za-z0-9_:]*").unwrap();
    let found = name.find_iter(&bare).map(|found| found.as_str().to_owned());
    found
        .filter(|name| OURS.iter().any(|start| name.starts_with(start)))
        .collect()
}

/// Every expression of a dashboard: those of panels, and those that variables are read from.
fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                match value {
                    Value::String(text) if key == "expr" || key == "definition" => {
                        found.push(text.clone());
                    }
                    value => expressions(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| expressions(item, found)),
        _ => {}
    }
}

/// The expressions of the rules, and how many rules there are without one of the things that each has.
fn rules(text: &str) -> Vec<String> {
    let rules: Vec<&str> = text.split("\n      - alert: ").skip(1).collect();
    let line = |rule: &str, start: &str| {
        let mut lines = rule.lines().map(str::trim);
        let found = lines.find_map(|line| line.strip_prefix(start).map(str::to_owned));
        found.unwrap_or_else(|| panic!("no {start} in {rule}"))
    };
    let mut alerts = BTreeSet::new();
    for rule in &rules {
        let name = rule.lines().next().unwrap();
        assert!(alerts.insert(name), "{name} twice");
        for start in ["severity: ", "summary: ", "runbook: "] {
            line(rule, start);
        }
    }
    rules.iter().map(|rule| line(rule, "expr: ")).collect()
}

/// A worker with both sinks, by both families' names.
async fn worker(stage: &Stage) -> Worker {
    let both = [("millstream.metrics.names", "both")];
    let worker = stage.standalone("worker", &both).await;
    stage.post_archive(&worker, &[]).await;
    let config = json!({
        "connector.class": "com.mongodb.kafka.connect.MongoSinkConnector",
        "topics": TOPIC,
        "connection.uri": stage.document_uri(),
        "database": "d",
        "collection": "c",
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
        "transforms": "h",
        "transforms.h.type": "org.apache.kafka.connect.transforms.HoistField$Value",
        "transforms.h.field": "value",
    });
    worker.create("documents", &config).await;
    worker
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_that_is_charted_or_alerts_is_there() {
    let stage = Stage::new().await;
    let worker = worker(&stage).await;
    stage.produce(3);
    stage.archived().await;
    let read = r#"kafka_connect_sink_task_metrics_sink_record_read_total{connector="documents""#;
    until("documents read", || async {
        (worker.metric(read).await == 9).then_some(())
    })
    .await;
    let (_, text) = worker.request("GET", "/metrics", None).await;
    let text = text.as_str().unwrap();
    let sample = Regex::new(r"(?m)^[a-zA-Z_:][a-zA-Z0-9_:]*").unwrap();
    let shown: BTreeSet<&str> = sample.find_iter(text).map(|name| name.as_str()).collect();
    let mut charted = 0;
    for file in deploy("grafana") {
        let board: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        assert!(
            board["schemaVersion"].as_u64().unwrap() >= 39,
            "{}",
            file.display()
        );
        let panels = board["panels"].as_array().unwrap();
        let ids: BTreeSet<u64> = panels.iter().map(|p| p["id"].as_u64().unwrap()).collect();
        assert_eq!(ids.len(), panels.len(), "{}", file.display());
        let mut found = Vec::new();
        expressions(&board, &mut found);
        for name in found.iter().flat_map(|expression| names(expression)) {
            charted += 1;
            assert!(shown.contains(&*name), "{}: {name}\n{text}", file.display());
        }
    }
    assert!(charted > 80, "{charted}");
    for file in deploy("prometheus") {
        for expression in rules(&fs::read_to_string(&file).unwrap()) {
            let names = names(&expression);
            assert!(!names.is_empty(), "{expression}");
            for name in names {
                assert!(shown.contains(&*name), "{}: {name}\n{text}", file.display());
            }
        }
    }
    // What the panels ask: how large objects are, how long uploads and bulk writes take, what is behind.
    for (name, value) in [
        (r#"millstream_upload_seconds_count{connector="s3-sink""#, 3),
        (r#"millstream_object_bytes_count{connector="s3-sink""#, 3),
        (r#"millstream_records_stored_total{connector="s3-sink""#, 9),
        ("millstream_task_failed", 0),
        (r#"millstream_position_lag_records{connector="s3-sink""#, 0),
    ] {
        until(name, || async {
            (worker.metric(name).await == value).then_some(())
        })
        .await;
    }
    let writes = r#"millstream_bulk_write_seconds_count{connector="documents""#;
    assert!(worker.metric(writes).await > 0, "{text}");
}

/// Lag by both meanings: what is read and open is behind by what is committed alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lag_is_told_by_position_and_by_what_is_committed() {
    let stage = Stage::new().await;
    let worker = stage.standalone("worker", &[]).await;
    stage.produce(3);
    stage.post_archive(&worker, &[]).await;
    stage.archived().await;
    // Two in each partition stay open.
    stage.produce(2);
    for (metric, value) in [
        ("millstream_committed_lag_records", 6),
        ("millstream_task_committed_lag_records", 6),
        ("millstream_position_lag_records", 0),
        ("millstream_task_position_lag_records", 0),
        ("millstream_task_stalled_seconds", 0),
        (
            "kafka_connect_sink_task_metrics_sink_record_active_count{",
            6,
        ),
    ] {
        until(metric, || async {
            (worker.metric(metric).await == value).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_for_cloudwatch_are_on_the_standard_output() {
    let stage = Stage::new().await;
    let emf = [
        ("millstream.metrics.emf", "true"),
        ("millstream.metrics.emf.interval.ms", "1000"),
    ];
    let worker = stage.standalone("worker", &emf).await;
    stage.post_archive(&worker, &[]).await;
    stage.produce(3);
    stage.archived().await;
    // Totals are told as what has come since, so that they sum up.
    let told = |name: &str| {
        let output = worker.output();
        // The last line may still be on its way.
        let (whole, _) = output.rsplit_once('\n').unwrap_or_default();
        let lines = whole.lines();
        let lines = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
        let of_task = lines.filter(|line| line["Connector"] == "s3-sink");
        of_task.filter_map(|line| line[name].as_f64()).sum::<f64>()
    };
    until("all records told", || async {
        (told("RecordsStored") == 9.0).then_some(())
    })
    .await;
    assert_eq!(told("ObjectsStored"), 3.0);
    assert!(told("ObjectSize") > 0.0);
}

/// The client of a source counts as that of a sink does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_source_sends_is_counted() {
    let stage = Stage::new().await;
    let worker = stage.standalone("worker", &[]).await;
    let lines = stage.path("lines.txt");
    fs::write(&lines, "one\ntwo\n").unwrap();
    let config = json!({
        "connector.class": "FileStreamSource",
        "topic": TOPIC,
        "file": lines.to_str().unwrap(),
    });
    worker.create("lines", &config).await;
    for (metric, least) in [
        (
            "kafka_connect_source_task_metrics_source_record_write_total",
            2,
        ),
        ("millstream_records_stored_total", 2),
        ("millstream_kafka_bytes_out_total", 10),
        ("kafka_producer_producer_metrics_request_total", 2),
        ("kafka_producer_producer_metrics_connection_count", 1),
    ] {
        until(metric, || async {
            (worker.metric(metric).await >= least).then_some(())
        })
        .await;
    }
}
