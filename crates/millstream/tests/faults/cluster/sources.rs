//! Where a source stands outlives its worker: in the topic of a cluster, and in the file of a standalone worker.

use super::{HASTY, broker, start};
use crate::worker::{Worker, until};
use millstream_embedded::broker::Broker;
use serde_json::json;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

/// A worker is killed once all lines are stored for. The next one brings those alone that are added.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_goes_on_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker().await;
    let start = async |name: &str| start(folder.path(), name, &broker, &HASTY).await;
    goes_on(folder.path(), &broker, start, "-KILL").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_goes_on_where_the_offset_file_says() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker().await;
    let offsets = folder.path().join("offsets");
    let start = async |name: &str| {
        let json = "org.apache.kafka.connect.json.JsonConverter";
        let text = format!(
            "bootstrap.servers={}\nkey.converter={json}\nvalue.converter={json}\nlisteners=http://127.0.0.1:0\noffset.storage.file.filename={}\n",
            broker.bootstrap(),
            offsets.display()
        );
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        let log = folder.path().join(format!("{name}.log"));
        Worker::start(&["standalone", &file.display().to_string()], &[], log).await
    };
    goes_on(folder.path(), &broker, start, "-TERM").await;
    // Java's streams begin so.
    assert_eq!(std::fs::read(&offsets).unwrap()[..4], [0xac, 0xed, 0, 5]);
    std::fs::write(&offsets, "{}").unwrap();
    let log = folder.path().join("refused.log");
    let file = folder.path().join("one").display().to_string();
    let (code, text) = Worker::run(&["standalone", &file], &[], log).await;
    assert_eq!(code, 1);
    let expected = "holds no offsets of Kafka Connect";
    assert!(text.contains(expected), "{text}");
}

async fn goes_on(
    folder: &Path,
    broker: &Broker,
    start: impl AsyncFn(&str) -> Worker,
    signal: &str,
) {
    broker.create_topic("lines", 1).unwrap();
    let input = folder.join("in.txt");
    let body = json!({"name": "f", "config": {
        "connector.class": "FileStreamSource",
        "topic": "lines",
        "file": input.display().to_string(),
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
    }});
    let mut expected = Vec::new();
    for (name, lines) in [("one", ["a", "b"]), ("two", ["c", "d"])] {
        for line in lines {
            append(&input, line);
            expected.push(line.to_owned());
        }
        let mut worker = start(name).await;
        // What is there already is refused: a cluster keeps its connectors, too.
        let (status, _) = worker.request("POST", "/connectors", Some(&body)).await;
        assert!([201, 409].contains(&status.as_u16()), "{status}");
        until("all lines", || async {
            (values(broker).len() >= expected.len()).then_some(())
        })
        .await;
        if signal == "-KILL" {
            let position = expected.len() * 2;
            until("the offset behind them", || async {
                let (_, offsets) = worker.request("GET", "/connectors/f/offsets", None).await;
                (offsets["offsets"][0]["offset"]["position"] == position).then_some(())
            })
            .await;
        }
        worker.signal(signal);
        worker.ended().await;
        assert_eq!(values(broker), expected, "{}", worker.log());
    }
}

fn append(path: &Path, line: &str) {
    let file = OpenOptions::new().create(true).append(true).open(path);
    writeln!(file.unwrap(), "{line}").unwrap();
}

fn values(broker: &Broker) -> Vec<String> {
    let text = |bytes: &bytes::Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    let records = broker.read("lines", 0).unwrap().into_iter();
    records
        .map(|record| record.value.as_ref().map(text).unwrap())
        .collect()
}
