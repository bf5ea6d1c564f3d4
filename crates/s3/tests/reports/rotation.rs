//! When files are closed by the wall clock.

use crate::support::server::Server;
use crate::{LONG, MIB, batch, partition, start, start_task};
use bytes::Bytes;
use millstream_core::contract::done_to;
use millstream_core::{
    ByteBudget, ByteColumn, Header, Headers, Payload, RawKind, RecordBatch, SinkErrorKind, Value,
};
use std::sync::Arc;

const DAY: i64 = 86_400_000;

/// A clock that was a day ahead for a while: files do not stay open until that day.
#[tokio::test]
async fn report_c18_a_clock_that_went_ahead_once_holds_no_file_open() {
    let server = Server::start(true).await;
    let settings = [
        ("flush.size", "1000"),
        ("rotate.schedule.interval.ms", "5000"),
        ("timezone", "UTC"),
    ];
    let mut task = start(&server, &settings, &ByteBudget::new(64 * MIB)).await;
    let right = 20_000 * DAY;
    for (first, now) in [(0, right), (1, right + DAY), (2, right + DAY + 1000)] {
        if first == 0 {
            task.poll(now).await.unwrap();
            task.open(&[partition(0)]).await.unwrap();
        }
        task.put(batch(partition(0), first, &["a"]), now)
            .await
            .unwrap();
    }
    // The clock is right again, with a file open.
    task.put(batch(partition(0), 3, &["b"]), right + 1000)
        .await
        .unwrap();
    let due = task.next_due().expect("a time to look again");
    assert_eq!(due, right + 5000);
    task.poll(due).await.unwrap();
    task.finish(LONG).await.unwrap();
    let progress = task.poll(due).await.unwrap();
    assert_eq!(done_to(&progress.done), [(partition(0), 4)]);
}

fn key_of(offset: i64) -> String {
    format!("topics/t/partition=0/t+0+{offset:010}.json")
}

/// Where an object may be there already, what comes behind it in the same batch waits for what becomes of it; the order of
/// requests is the original's, which was asked.
#[tokio::test]
async fn report_f22_nothing_is_closed_before_a_conflict_is_settled() {
    let server = Server::start(true).await;
    let settings = [
        ("flush.size", "3"),
        ("rotate.schedule.interval.ms", "3600000"),
        ("timezone", "UTC"),
    ];
    let mut task = start(&server, &settings, &ByteBudget::new(64 * MIB)).await;
    task.open(&[partition(0)]).await.unwrap();
    server.state().put_object(&key_of(103), "another's".into());
    server.state().requests.clear();
    task.put(batch(partition(0), 100, &["a"; 10]), 0)
        .await
        .unwrap();
    assert_eq!(
        done_to(&task.poll(0).await.unwrap().done),
        [(partition(0), 103)]
    );
    assert_eq!(task.take_rewinds(), [(partition(0), 104)]);
    task.put(batch(partition(0), 104, &["a"; 6]), 0)
        .await
        .unwrap();
    task.finish(LONG).await.unwrap();
    assert_eq!(
        done_to(&task.poll(0).await.unwrap().done),
        [(partition(0), 110)]
    );
    let requests: Vec<String> = server
        .state()
        .requests
        .iter()
        .filter(|request| request["op"] != "AbortMultipartUpload")
        .map(|request| {
            let text = |name: &str| request[name].as_str().unwrap_or("").to_owned();
            format!("{} {} {}", text("op"), text("key"), request["status"])
        })
        .collect();
    let stored = |offset, status: u16| {
        let key = key_of(offset);
        [
            format!("CreateMultipartUpload {key} 200"),
            format!("UploadPart {key} 200"),
            format!("CompleteMultipartUpload {key} {status}"),
        ]
    };
    let looked = |offset, status: u16| format!("HeadObject {} {status}", key_of(offset));
    let mut expected: Vec<String> = Vec::new();
    expected.extend(stored(100, 200));
    expected.extend(stored(103, 412));
    // One to learn whose it is, the rest to find a free name.
    expected.extend([looked(103, 200), looked(104, 404)]);
    expected.extend(stored(104, 200));
    expected.extend(stored(107, 200));
    assert_eq!(requests, expected);
}

/// Rows of a topic whose keys and values these are.
fn keyed(first: i64, kind: RawKind, rows: &[(Option<&str>, &str)]) -> Arc<RecordBatch> {
    let texts: Vec<&str> = rows.iter().map(|(_, value)| *value).collect();
    let mut keyed = Arc::into_inner(batch(partition(0), first, &texts)).unwrap();
    let mut keys = ByteColumn::new();
    for (key, _) in rows {
        keys.push(key.map(|key| Bytes::copy_from_slice(key.as_bytes())));
    }
    keyed.keys = Payload::Raw {
        column: keys,
        kind: RawKind::String,
    };
    if let Payload::Raw { kind: old, .. } = &mut keyed.values {
        *old = kind;
    }
    Arc::new(keyed)
}

const WITH_KEYS: [(&str, &str); 2] = [
    ("store.kafka.keys", "true"),
    (
        "keys.format.class",
        "io.confluent.connect.s3.format.json.JsonFormat",
    ),
];

/// The first record of a partition lacks a key: it is reported, names and offsets follow from those that are written. The
/// original, asked the same, commits offset 0 in the last case; here nothing is committed before something is stored.
#[tokio::test]
async fn report_f23_a_first_record_without_a_key_moves_no_offset() {
    let server = Server::start(true).await;
    let budget = ByteBudget::new(64 * MIB);
    let mut task = start_task(&server, &WITH_KEYS, &budget, true).await;
    task.open(&[partition(0)]).await.unwrap();
    let rows = [
        (None, "v"),
        (Some("k"), "v"),
        (Some("k"), "v"),
        (Some("k"), "v"),
    ];
    task.put(keyed(7, RawKind::String, &rows), 0).await.unwrap();
    task.finish(LONG).await.unwrap();
    let progress = task.poll(0).await.unwrap();
    assert_eq!(done_to(&progress.done), [(partition(0), 11)]);
    let reported: Vec<(i64, &str)> = progress
        .rejected
        .iter()
        .map(|row| (row.offset, row.error.message.as_str()))
        .collect();
    let message = "Key cannot be null for SinkRecord: SinkRecord{kafkaOffset=7, topic='t', kafkaPartition=0} ";
    assert_eq!(reported, [(7, message)]);
    let keys: Vec<String> = server.state().objects.keys().cloned().collect();
    assert_eq!(keys, [key_of(8), key_of(8).replace(".json", ".keys.json")]);

    let mut task = start_task(&server, &WITH_KEYS, &budget, true).await;
    task.open(&[partition(0)]).await.unwrap();
    let schemaless = keyed(0, RawKind::Json, &[(None, "{}")]);
    task.put(schemaless, 0).await.unwrap();
    let text = keyed(1, RawKind::String, &[(Some("k"), "v")]);
    task.put(text, 0).await.unwrap();
    let progress = task.poll(0).await.unwrap();
    assert_eq!((progress.done.len(), progress.rejected.len()), (0, 1));
}

/// The original writes the value before it fails at the headers, so that the files no longer go line by line together.
#[tokio::test]
async fn a_record_whose_headers_cannot_be_stored_leaves_nothing_in_any_object() {
    let server = Server::start(true).await;
    let settings = [
        ("store.kafka.headers", "true"),
        (
            "headers.format.class",
            "io.confluent.connect.s3.format.json.JsonFormat",
        ),
    ];
    let budget = ByteBudget::new(64 * MIB);
    let mut task = start_task(&server, &settings, &budget, true).await;
    task.open(&[partition(0)]).await.unwrap();
    let with_headers = |name: &str| match name {
        "none" => Vec::new(),
        name => vec![Header {
            key: name.to_owned(),
            value: Value::Int32(1),
            schema: None,
        }],
    };
    let mut rows = Arc::into_inner(batch(partition(0), 0, &["a", "b", "c", "d"])).unwrap();
    rows.headers = Headers::Decoded {
        rows: ["h", "none", "i", "j"].map(with_headers).into(),
        raw: None,
    };
    task.put(Arc::new(rows), 0).await.unwrap();
    task.finish(LONG).await.unwrap();
    let progress = task.poll(0).await.unwrap();
    assert_eq!(done_to(&progress.done), [(partition(0), 4)]);
    let refused: Vec<i64> = progress.rejected.iter().map(|row| row.offset).collect();
    assert_eq!(refused, [1]);
    let state = server.state();
    let lines = |name: &str| {
        let body = &state.objects[name].body;
        let text = String::from_utf8_lossy(body);
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lines(&key_of(0)), [r#""a""#, r#""c""#, r#""d""#]);
    let headers = lines(&key_of(0).replace(".json", ".headers.json"));
    let names: Vec<bool> = ["h", "i", "j"]
        .iter()
        .zip(&headers)
        .map(|(name, line)| line.contains(&format!(r#""{name}""#)))
        .collect();
    assert_eq!(names, [true; 3], "{headers:?}");
}

/// Without a reporter there is nobody to tell: the task fails, with the cause.
#[tokio::test]
async fn report_a1_a_bad_record_fails_the_task_where_nobody_is_told() {
    let server = Server::start(true).await;
    let budget = ByteBudget::new(64 * MIB);
    let bytes = (
        "format.class",
        "io.confluent.connect.s3.format.bytearray.ByteArrayFormat",
    );
    let field = [
        (
            "partitioner.class",
            "io.confluent.connect.storage.partitioner.FieldPartitioner",
        ),
        ("partition.field.name", "a"),
    ];
    for (settings, rows, cause) in [
        (
            WITH_KEYS.as_slice(),
            keyed(0, RawKind::String, &[(None, "v")]),
            "Key cannot be null",
        ),
        (
            &[bytes],
            keyed(0, RawKind::String, &[(None, "v")]),
            "Invalid schema type for ByteArrayConverter: STRING",
        ),
        (
            &field,
            keyed(0, RawKind::Json, &[(None, "{}")]),
            "Error encoding partition.",
        ),
    ] {
        let mut task = start_task(&server, settings, &budget, false).await;
        task.open(&[partition(0)]).await.unwrap();
        let error = task.put(rows, 0).await.unwrap_err();
        assert_eq!(error.kind, SinkErrorKind::Fatal);
        assert!(error.message.contains(cause), "{error}");
    }
    assert!(server.state().objects.is_empty());
}

/// What the original's words leave open stands behind them.
#[tokio::test]
async fn report_message_10_a_partition_that_cannot_be_encoded_says_what_is_needed() {
    let server = Server::start(true).await;
    let settings = [
        (
            "partitioner.class",
            "io.confluent.connect.storage.partitioner.FieldPartitioner",
        ),
        ("partition.field.name", "f"),
    ];
    let mut task = start(&server, &settings, &ByteBudget::new(64 * MIB)).await;
    task.open(&[partition(0)]).await.unwrap();
    let rows = keyed(0, RawKind::Json, &[(None, "{}")]);
    let error = task.put(rows, 0).await.unwrap_err();
    let source = error.source.map(|source| source.to_string());
    let source = source.expect("a cause");
    assert!(
        source.contains("partition.field.name=f needs values that are structs with a schema"),
        "{source}"
    );
}
