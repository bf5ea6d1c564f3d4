//! `millstream restore` as a process: a topic goes into a bucket and comes back equal, also when it is killed on the way.

use super::bucket::{RECORDS, Store};
use super::stage::{Ended, Stage};
use millstream_core::Properties;
use millstream_kafka::{KafkaProducer, ProducerRecord, ProducerSettings};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const PARTS: [(&str, &str); 2] = [
    ("store.kafka.keys", "true"),
    ("store.kafka.headers", "true"),
];

async fn lines(stage: &Stage, topic: &str) -> Vec<Value> {
    let out = stage
        .out(&format!(
            "consume --topic {topic} --from-beginning --to-end --json"
        ))
        .await;
    let mut lines: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    lines.sort_by_key(|line| (line["partition"].as_i64(), line["offset"].as_i64()));
    lines
}

async fn restore(stage: &Stage, file: &Path, line: &str) -> Ended {
    stage
        .with(
            &format!("restore --topic orders {line}"),
            &[file.to_str().unwrap()],
            "",
        )
        .await
}

/// Without the name of the topic, in which copies differ.
fn nameless(mut lines: Vec<Value>) -> Vec<Value> {
    for line in &mut lines {
        line.as_object_mut().unwrap().remove("topic");
    }
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_comes_back_record_by_record() {
    let stage = Stage::new().await;
    for topic in ["orders", "copy", "keyed"] {
        stage
            .out(&format!("topics --create --topic {topic} --partitions 3"))
            .await;
    }
    let client = Properties::from_iter([("bootstrap.servers", stage.servers.as_str())]);
    let producer = KafkaProducer::start(ProducerSettings::from_properties(&client).unwrap());
    let records = (0..120i64).map(|n| {
        let timestamp = 1_700_000_000_000 + n;
        let key = (n % 7 > 0).then(|| format!("k\"{} 😀", n % 7));
        ProducerRecord {
            topic: "orders".into(),
            partition: Some((n % 3) as i32),
            timestamp: Some(timestamp),
            key: Some(key.unwrap_or_default().into()),
            value: Some(format!("{{\"at\":{timestamp},\"text\":\"é\\n{n}\"}}").into()),
            headers: vec![
                ("a".into(), Some(format!("h {n}").into())),
                ("a".into(), Some("\"2\"".into())),
            ],
        }
    });
    let sent = producer.send(records.collect()).await.unwrap();
    sent.await.unwrap();
    producer.close(Duration::from_secs(10)).await;

    let store = Store::new().await;
    let json = (
        "value.converter",
        "org.apache.kafka.connect.json.JsonConverter",
    );
    let settings = [PARTS.as_slice(), &[json, ("s3.compression.type", "gzip")]].concat();
    store
        .archive(&stage.servers, "orders", 3, "archive", &settings)
        .await;
    let file = store.file("archive", &settings, "connector.json");

    let dry = restore(
        &stage,
        &file,
        "--to-topic copy --timestamp-field at --dry-run",
    )
    .await;
    assert_eq!(dry.code, 0, "{dry:?}");
    assert!(
        dry.out.contains("partition 2: 8 objects") && dry.out.contains("Nothing was written"),
        "{dry:?}"
    );
    assert!(lines(&stage, "copy").await.is_empty());

    let done = restore(&stage, &file, "--to-topic copy --timestamp-field at").await;
    assert_eq!(
        (done.code, done.out.as_str()),
        (0, "120 records written to topic copy, 0 were there\n"),
        "{done:?}"
    );
    let origin = nameless(lines(&stage, "orders").await);
    assert_eq!(nameless(lines(&stage, "copy").await), origin);

    // A second time it is refused, and with --resume there is nothing to do.
    let again = restore(&stage, &file, "--to-topic copy --timestamp-field at").await;
    assert_eq!(again.code, 2, "{again:?}");
    assert!(again.err.contains("--resume"), "{again:?}");
    let resumed = restore(
        &stage,
        &file,
        "--to-topic copy --timestamp-field at --resume",
    )
    .await;
    assert_eq!(
        (resumed.code, resumed.out.as_str()),
        (0, "0 records written to topic copy, 120 were there\n"),
        "{resumed:?}"
    );

    // Records that were written whole bring their timestamps along.
    let whole = [
        json,
        ("millstream.s3.envelope", "true"),
        ("millstream.s3.zstd.level", "3"),
    ];
    store
        .archive(&stage.servers, "orders", 3, "whole", &whole)
        .await;
    stage
        .out("topics --create --topic whole --partitions 3")
        .await;
    let whole = store.file("whole", &whole, "whole.json");
    let done = restore(&stage, &whole, "--to-topic whole").await;
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(nameless(lines(&stage, "whole").await), origin);
    // Objects that were written otherwise are refused.
    stage
        .out("topics --create --topic other --partitions 3")
        .await;
    let mixed = [
        json,
        ("millstream.s3.envelope", "true"),
        ("s3.compression.type", "gzip"),
    ];
    let mixed = store.file("archive", &mixed, "mixed.json");
    let refused = restore(&stage, &mixed, "--to-topic other").await;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused.err.contains("millstream.s3.envelope"),
        "{refused:?}"
    );

    // By keys, behind what is there.
    stage.with("produce --topic keyed", &[], "x\n").await;
    let state = store.folder.path().join("state");
    let flags = format!(
        "--to-topic keyed --by-key --state {} --json",
        state.display()
    );
    for (written, there) in [(120, 0), (0, 120)] {
        let keyed = restore(&stage, &file, &flags).await;
        assert_eq!(keyed.code, 0, "{keyed:?}");
        let told: Value = serde_json::from_str(&keyed.out).unwrap();
        assert_eq!(
            (&told["written"], &told["there"]),
            (&written.into(), &there.into())
        );
    }
    let mut places: Vec<(Value, Value)> = lines(&stage, "keyed")
        .await
        .iter()
        .map(|it| (it["key"].clone(), it["partition"].clone()))
        .collect();
    assert_eq!(places.len(), 121);
    places.retain(|(key, _)| !key.is_null());
    places.sort_by_key(|place| (place.0.to_string(), place.1.as_i64()));
    places.dedup();
    assert_eq!(places.len(), 7, "each key has one partition: {places:?}");

    // Ranges of offsets and of times.
    for (flags, expected) in [
        ("--from 3 --to 6", 9),
        ("--from-time 1700000000010 --to-time 1700000000020", 10),
        ("--partition 1 --from 38", 2),
    ] {
        let topic = format!("some{expected}");
        stage
            .out(&format!("topics --create --topic {topic} --partitions 3"))
            .await;
        let done = restore(
            &stage,
            &file,
            &format!("--to-topic {topic} --timestamp-field at {flags}"),
        )
        .await;
        assert_eq!(done.code, 0, "{flags}: {done:?}");
        assert_eq!(lines(&stage, &topic).await.len(), expected, "{flags}");
    }
}

/// Objects that hold values by their types come back by the connector's converters.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn avro_and_parquet_come_back_as_the_converters_write_them() {
    let stage = Stage::new().await;
    for topic in ["orders", "from-avro", "from-parquet", "nowhere"] {
        stage
            .out(&format!("topics --create --topic {topic} --partitions 2"))
            .await;
    }
    let client = Properties::from_iter([("bootstrap.servers", stage.servers.as_str())]);
    let producer = KafkaProducer::start(ProducerSettings::from_properties(&client).unwrap());
    let schema = json!({"type": "struct", "name": "Order", "optional": false, "fields": [
        {"field": "id", "type": "int64", "optional": false},
        {"field": "at", "type": "int64", "optional": false, "name": "org.apache.kafka.connect.data.Timestamp", "version": 1},
        {"field": "tags", "type": "array", "optional": false, "items": {"type": "string", "optional": false}},
        {"field": "note", "type": "string", "optional": true},
    ]});
    let records = (0..60i64).map(|n| {
        let at = 1_700_000_000_000 + n;
        let tags: Vec<String> = (0..n % 3).map(|tag| format!("t{tag}")).collect();
        let note = (n % 4 > 0).then(|| format!("é {n}"));
        let payload = json!({"id": n, "at": at, "tags": tags, "note": note});
        ProducerRecord {
            topic: "orders".into(),
            partition: Some((n % 2) as i32),
            timestamp: Some(at),
            key: Some(format!("k{n}").into()),
            value: Some(
                json!({"schema": schema, "payload": payload})
                    .to_string()
                    .into(),
            ),
            headers: vec![("h".into(), Some(format!("v{n}").into()))],
        }
    });
    let sent = producer.send(records.collect()).await.unwrap();
    sent.await.unwrap();
    producer.close(Duration::from_secs(10)).await;
    // What stands in JSON is compared as JSON.
    let told = |mut lines: Vec<Value>| {
        for line in &mut lines {
            let value: Value = serde_json::from_str(line["value"].as_str().unwrap()).unwrap();
            line["value"] = value["payload"].clone();
        }
        nameless(lines)
    };
    let origin = told(lines(&stage, "orders").await);
    assert_eq!(origin.len(), 60);

    let store = Store::new().await;
    for (form, class) in [("avro", "AvroFormat"), ("parquet", "ParquetFormat")] {
        let class = format!("io.confluent.connect.s3.format.{form}.{class}");
        let typed = [
            ("format.class", class.as_str()),
            ("keys.format.class", class.as_str()),
            ("headers.format.class", class.as_str()),
            (
                "value.converter",
                "org.apache.kafka.connect.json.JsonConverter",
            ),
            ("value.converter.schemas.enable", "true"),
        ];
        let settings = [PARTS.as_slice(), &typed].concat();
        store
            .archive(&stage.servers, "orders", 2, form, &settings)
            .await;
        let file = store.file(form, &settings, &format!("{form}.json"));
        let flags = format!("--to-topic from-{form} --timestamp-field at");
        let done = restore(&stage, &file, &flags).await;
        assert_eq!(done.code, 0, "{done:?}");
        let found = told(lines(&stage, &format!("from-{form}")).await);
        assert_eq!(found, origin, "{form}");

        // Who converts has to be known.
        let unknown: Vec<(&str, &str)> = settings
            .iter()
            .copied()
            .filter(|(key, _)| !key.starts_with("value.converter"))
            .chain([("value.converter", "NoConverter")])
            .collect();
        let file = store.file(form, &unknown, "unknown.json");
        let refused = restore(&stage, &file, "--to-topic nowhere").await;
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(refused.err.contains("value.converter"), "{refused:?}");
    }
    assert!(lines(&stage, "nowhere").await.is_empty());
}

fn end(stage: &Stage, partition: i32) -> i64 {
    stage.broker.offsets("killed", partition).unwrap().1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_that_is_killed_goes_on_without_doubles() {
    let stage = Stage::new().await;
    let store = Store::new().await;
    store.fill("archive", &PARTS).await;
    let file = store.file("archive", &PARTS, "connector.json");
    for topic in ["halves", "killed", "foreign"] {
        stage
            .out(&format!("topics --create --topic {topic} --partitions 2"))
            .await;
    }
    let half = restore(&stage, &file, "--to-topic halves --to 12").await;
    assert_eq!(half.code, 0, "{half:?}");
    let rest = restore(&stage, &file, "--to-topic halves --resume").await;
    assert_eq!(
        (rest.code, rest.out.as_str()),
        (0, "36 records written to topic halves, 24 were there\n"),
        "{rest:?}"
    );
    let whole = nameless(lines(&stage, "halves").await);
    assert_eq!(whole.len(), 2 * RECORDS as usize);
    let (last, headers) = (&whole[59], &whole[59]["headers"]);
    assert_eq!(
        (&last["key"], &last["value"]),
        (&"key 1-29".into(), &"value 1-29".into())
    );
    assert!(headers.to_string().contains("h29"), "{headers}");

    // Killed as soon as something is there, again and again.
    for _ in 0..5 {
        let before = end(&stage, 0) + end(&stage, 1);
        let mut child = Command::new(env!("CARGO_BIN_EXE_millstream"))
            .args([
                "restore",
                "--topic",
                "orders",
                "--to-topic",
                "killed",
                "--resume",
                "--bootstrap-server",
                &stage.servers,
            ])
            .arg(&file)
            .env_clear()
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while child.try_wait().unwrap().is_none() {
            if end(&stage, 0) + end(&stage, 1) > before {
                child.kill().unwrap();
            }
            tokio::task::yield_now().await;
        }
        child.wait().unwrap();
    }
    let done = restore(&stage, &file, "--to-topic killed --resume").await;
    assert_eq!(done.code, 0, "{done:?}");
    let text = |lines: &[Value]| -> Vec<(Value, Value, Value)> {
        lines
            .iter()
            .map(|it| {
                (
                    it["partition"].clone(),
                    it["key"].clone(),
                    it["value"].clone(),
                )
            })
            .collect()
    };
    assert_eq!(text(&lines(&stage, "killed").await), text(&whole));

    // Who has written to the topic besides is noticed.
    stage.with("produce --topic foreign", &[], "x\n").await;
    let refused = restore(&stage, &file, "--to-topic foreign --resume").await;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused.err.contains("somebody else has written to it"),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_restored_is_told_before_anything_is_written() {
    let stage = Stage::new().await;
    let store = Store::new().await;
    store.fill("archive", &PARTS).await;
    stage
        .out("topics --create --topic one --partitions 1")
        .await;
    stage
        .out("topics --create --topic two --partitions 2")
        .await;
    let file = store.file("archive", &PARTS, "connector.json");
    let unknown = [
        PARTS.as_slice(),
        &[("value.converter", "io.confluent.connect.avro.AvroConverter")],
    ]
    .concat();
    let unknown = store.file("archive", &unknown, "unknown.json");
    for (file, line, code, told) in [
        (&file, "--to-topic nowhere", 2, "there is no topic nowhere"),
        (&file, "--to-topic one", 2, "--by-key"),
        (&file, "--to-topic two --from 9 --to 9", 2, "--to 9"),
        (&file, "--to-topic two --partition 7", 1, "holds no objects"),
        (&unknown, "--to-topic two", 2, "--values"),
        (
            &file,
            "--to-topic two --from-time 5",
            2,
            "--timestamp-field",
        ),
        (
            &file,
            "--to-topic two --values base64",
            1,
            "values of row 0",
        ),
    ] {
        let ended = restore(&stage, file, line).await;
        assert_eq!(ended.code, code, "{line}: {ended:?}");
        assert!(ended.err.contains(told), "{line}: {ended:?}");
    }
    assert!(lines(&stage, "two").await.is_empty());
}
