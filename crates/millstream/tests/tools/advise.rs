//! `millstream advise` as a process: mistakes, prices of one's own, a topic and a connector that are measured.

use super::{Ended, Stage, run};
use millstream_core::Properties;
use millstream_kafka::KafkaProducer;
use millstream_kafka::producer::{ProducerRecord, ProducerSettings};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

async fn alone(line: &str) -> Ended {
    run(std::env::temp_dir().as_path(), line, &[], "").await
}

fn json(ended: &Ended) -> Value {
    assert_eq!(ended.code, 0, "{ended:?}");
    serde_json::from_str(&ended.out).unwrap()
}

#[tokio::test]
async fn all_mistakes_are_told_at_once_with_a_remedy() {
    let ended = alone(
        "advise --messages-per-day -5 --size 2Kb --delay 5mn --prices no-such-file --connector c --url http://x --over 5",
    )
    .await;
    assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{ended:?}");
    for told in [
        "--messages-per-day -5: is negative: write 288, 10k or 1.5M",
        "--size 2Kb: has the unit Kb",
        "--delay 5mn: has the unit mn, and there are ms, s, m, h, d: write 500ms, 30s, 5m or 1h",
        "--prices no-such-file: cannot be read",
        "--over 5: has no unit",
    ] {
        assert!(ended.err.contains(told), "{told} in {}", ended.err);
    }
    let ended = alone("advise").await;
    assert_eq!(ended.code, 2, "{ended:?}");
    for told in [
        "--messages-per-day is missing",
        "--size is missing",
        "--topic",
        "--connector",
    ] {
        assert!(ended.err.contains(told), "{told} in {}", ended.err);
    }
    let ended = alone("advise --topic t").await;
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.err.contains("--bootstrap-server"), "{ended:?}");
    let ended = alone("advise --connector c").await;
    assert!(ended.code == 2 && ended.err.contains("--url"), "{ended:?}");
}

#[tokio::test]
async fn prices_are_those_of_the_file_that_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let text = include_str!("../../../advise/prices.json").replace("us-east-1", "eu-west-1");
    std::fs::write(
        folder.path().join("prices.json"),
        text.replace("0.03238", "0.06476"),
    )
    .unwrap();
    let line = "advise --messages-per-day 288 --size 40 --job hash --json --prices prices.json";
    let found = json(&run(folder.path(), line, &[], "").await);
    assert_eq!(found["prices"]["region"], "eu-west-1");
    // 2 · 0.03238 · 0.25 · 730 + 0.00356 · 0.5 · 730
    let month = found["offers"][0]["month"].as_f64().unwrap();
    assert!((month - 13.1181).abs() < 1e-9, "{month}");
    std::fs::write(folder.path().join("prices.json"), text_without_units()).unwrap();
    let ended = run(folder.path(), line, &[], "").await;
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(
        ended
            .err
            .contains("--prices prices.json: prices.s3_put_requests.unit is to be"),
        "{ended:?}"
    );
}

fn text_without_units() -> String {
    include_str!("../../../advise/prices.json").replace("\"1,000 requests\"", "\"request\"")
}

/// A record of 40 bytes every ten minutes for twenty hours, in two partitions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_is_measured_by_its_offsets_and_sizes() {
    let stage = Stage::new().await;
    stage.out("topics --create --topic t --partitions 2").await;
    let told = stage.run("advise --topic t").await;
    assert_eq!(told.code, 1, "{told:?}");
    assert!(
        told.err
            .contains("the topic has no records: give --messages-per-day"),
        "{told:?}"
    );
    let properties = Properties::from_iter([("bootstrap.servers", stage.servers.as_str())]);
    let producer = KafkaProducer::start(ProducerSettings::from_properties(&properties).unwrap());
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_millis() as i64;
    for number in 0..120 {
        let record = ProducerRecord {
            topic: Arc::from("t"),
            partition: Some(number % 2),
            value: Some(vec![b'x'; 40].into()),
            timestamp: Some(now - i64::from(119 - number) * 600_000 - 1000),
            ..ProducerRecord::default()
        };
        producer.send(vec![record]).await.unwrap().await.unwrap();
    }
    let found = json(&stage.run("advise --topic t --json").await);
    let load = &found["load"];
    let messages = load["messages_per_day"].as_f64().unwrap();
    assert!((messages - 144.0).abs() < 12.0, "{load}");
    assert_eq!(
        (&load["size"], &found["partitions"]),
        (&40.0.into(), &2.0.into())
    );
    let told = load["measured"][0].as_str().unwrap();
    assert!(
        told.starts_with("Topic t: ") && told.contains("40 bytes a record"),
        "{told}"
    );
    let text = stage.out("advise --topic t --size 80").await;
    assert!(text.contains("messages a day of 80 bytes"), "{text}");
    let missing = stage.run("advise --topic nobody").await;
    assert!(
        missing.code == 1 && missing.err.contains("nobody"),
        "{missing:?}"
    );
}

/// Answers as a worker does: a connector, its status, and counters that have grown by 600 records at each look.
fn worker() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut looks = 0;
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = BufReader::new(stream.try_clone().unwrap()).lines();
            let first = head.next().unwrap().unwrap();
            while head
                .next()
                .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
            {}
            let path = first.split(' ').nth(1).unwrap().to_owned();
            let body = match path.as_str() {
                "/connectors/s3%2Dsink" => r#"{"name":"s3-sink","config":{"connector.class":"io.confluent.connect.s3.S3SinkConnector","topics":"t","flush.size":"3"}}"#.to_owned(),
                "/connectors/s3%2Dsink/status" => format!(r#"{{"tasks":[{{"id":0,"worker_id":"{address}"}}]}}"#),
                "/metrics" => {
                    looks += 1;
                    let records = looks * 600;
                    format!(
                        "kafka_connect_sink_task_metrics_sink_record_read_total{{connector=\"s3-sink\",task=\"0\"}} {records}\nmillstream_kafka_bytes_in_total{{connector=\"s3-sink\",task=\"0\"}} {}\nmillstream_task_position_lag_records{{connector=\"s3-sink\",task=\"0\"}} 7\n",
                        records * 100
                    )
                }
                _ => String::new(),
            };
            let status = if body.is_empty() {
                "404 Not Found"
            } else {
                "200 OK"
            };
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            )
            .unwrap();
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn a_connector_is_measured_by_its_settings_and_counters() {
    let url = worker();
    let found = json(
        &alone(&format!(
            "advise --connector s3-sink --url {url} --over 100ms --json"
        ))
        .await,
    );
    let load = &found["load"];
    assert_eq!(
        (&load["size"], &load["backlog"]),
        (&100.0.into(), &7.0.into())
    );
    // 600 records in a little more than a tenth of a second.
    let per_second = load["per_second"].as_f64().unwrap();
    assert!(per_second > 10.0 && per_second <= 6000.0, "{load}");
    assert_eq!(
        found["offers"][0]["objects"]["records"]
            .as_f64()
            .unwrap()
            .round(),
        3.0
    );
    let warnings = found["warnings"].to_string();
    assert!(
        warnings.contains("rotate.schedule.interval.ms"),
        "{warnings}"
    );
    let ended = alone(&format!("advise --connector other --url {url}")).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(
        ended.err.contains("/connectors/other is answered with 404"),
        "{ended:?}"
    );
    let ended = alone("advise --connector c --url http://127.0.0.1:1").await;
    assert!(
        ended.code == 1 && ended.err.contains("cannot ask http://127.0.0.1:1"),
        "{ended:?}"
    );
}
