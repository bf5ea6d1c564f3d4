//! Lines that are compressed by Zstandard, and records that are written whole.

use super::extensions::names;
use crate::support::server::Server;
use crate::{LONG, MIB, batch, partition, start, start_task};
use bytes::Bytes;
use millstream_core::{
    ByteBudget, ByteColumn, Header, Headers, Payload, RawKind, RecordBatch, Text, Value,
};
use std::sync::Arc;

const ZSTD: (&str, &str) = ("millstream.s3.zstd.level", "3");
const ENVELOPE: (&str, &str) = ("millstream.s3.envelope", "true");

fn bodies(server: &Server) -> Vec<Bytes> {
    let state = server.state();
    state.objects.values().map(|it| it.body.clone()).collect()
}

#[tokio::test]
async fn objects_are_frames_of_zstandard() {
    let server = Server::start(true).await;
    let mut task = start(&server, &[ZSTD], &ByteBudget::new(64 * MIB)).await;
    task.open(&[partition(0)]).await.unwrap();
    let rows = batch(partition(0), 0, &["a", "b", "c"]);
    task.put(rows, 0).await.unwrap();
    task.finish(LONG).await.unwrap();
    assert_eq!(names(&server), ["partition=0/t+0+0000000000.json.zst"]);
    let body = zstd::decode_all(&bodies(&server)[0][..]).unwrap();
    assert_eq!(body, b"\"a\"\n\"b\"\n\"c\"\n");
}

/// Of hundreds of open objects most give their compressors back, and go on with another frame.
#[tokio::test]
async fn many_open_objects_share_what_memory_there_is() {
    const PARTITIONS: i32 = 100;
    let (server, budget) = (Server::start(true).await, ByteBudget::new(8 * MIB));
    let settings = [ZSTD, ("flush.size", "40")];
    let mut task = start(&server, &settings, &budget).await;
    let all: Vec<_> = (0..PARTITIONS).map(partition).collect();
    task.open(&all).await.unwrap();
    let text = |row: i64, number: i32| format!("{row} {number} {}", "x".repeat(2000));
    for row in 0..40 {
        for number in 0..PARTITIONS {
            let rows = batch(partition(number), row, &[text(row, number).as_str()]);
            task.put(rows, 0).await.unwrap();
        }
    }
    task.finish(LONG).await.unwrap();
    let bodies = bodies(&server);
    assert_eq!(bodies.len(), PARTITIONS as usize);
    let mut whole = 0;
    for body in bodies {
        let lines = String::from_utf8(zstd::decode_all(&body[..]).unwrap()).unwrap();
        let number: i32 = lines.split(' ').nth(1).unwrap().parse().unwrap();
        let mut expected = String::new();
        for row in 0..40 {
            expected.push_str(&format!("\"{}\"\n", text(row, number)));
        }
        assert_eq!(lines, expected);
        whole += 1;
    }
    assert_eq!(whole, PARTITIONS);
}

/// Rows with keys and headers.
fn records(first: i64, values: &[Option<&str>], kind: RawKind) -> Arc<RecordBatch> {
    let texts = vec![""; values.len()];
    let mut batch = Arc::into_inner(batch(partition(0), first, &texts)).unwrap();
    let column = |rows: &mut dyn Iterator<Item = Option<String>>| {
        let mut column = ByteColumn::new();
        for row in rows {
            column.push(row.map(Bytes::from));
        }
        column
    };
    let keys = column(&mut (0..values.len()).map(|row| Some(format!("k{row}"))));
    batch.keys = Payload::Raw {
        column: keys,
        kind: RawKind::String,
    };
    batch.values = Payload::Raw {
        column: column(&mut values.iter().map(|value| value.map(str::to_owned))),
        kind,
    };
    batch.timestamps = (first..).take(values.len()).collect();
    let header = |row: usize| Header {
        key: "row".to_owned(),
        schema: None,
        value: Value::String(Text::from(row.to_string().as_str())),
    };
    batch.headers = Headers::Decoded {
        rows: (0..values.len()).map(|row| vec![header(row)]).collect(),
        raw: None,
    };
    Arc::new(batch)
}

#[tokio::test]
async fn a_record_is_written_with_key_headers_and_timestamp() {
    let server = Server::start(true).await;
    let settings = [ENVELOPE, ("flush.size", "2")];
    let budget = ByteBudget::new(64 * MIB);
    let mut task = start_task(&server, &settings, &budget, true).await;
    let needs = task.needs();
    assert!(needs.headers && needs.key == needs.value);
    task.open(&[partition(0)]).await.unwrap();
    let values = [Some("{\"a\":1}"), Some("[]"), Some("3")];
    task.put(records(7, &values, RawKind::Json), 0)
        .await
        .unwrap();
    task.finish(LONG).await.unwrap();
    assert_eq!(names(&server), ["partition=0/t+0+0000000007"]);
    let expected = concat!(
        r#"{"key":"k0","value":{"a":1},"headers":[{"key":"row","value":"0"}],"timestamp":7}"#,
        "\n",
        r#"{"key":"k1","value":[],"headers":[{"key":"row","value":"1"}],"timestamp":8}"#,
        "\n",
    );
    assert_eq!(bodies(&server)[0], expected);
}

/// More bytes than are put into envelopes at a time, over several files.
#[tokio::test]
async fn large_batches_are_written_whole() {
    let server = Server::start(true).await;
    let settings = [ENVELOPE, ("flush.size", "7")];
    let mut task = start(&server, &settings, &ByteBudget::new(64 * MIB)).await;
    task.open(&[partition(0)]).await.unwrap();
    let values: Vec<String> = (0..20).map(|row| row.to_string().repeat(100_000)).collect();
    let rows: Vec<Option<&str>> = values.iter().map(|value| Some(value.as_str())).collect();
    task.put(records(0, &rows, RawKind::String), 0)
        .await
        .unwrap();
    task.finish(LONG).await.unwrap();
    let bodies = bodies(&server);
    assert_eq!(bodies.len(), 2);
    let lines = bodies.concat();
    let lines = lines
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty());
    for (row, line) in lines.enumerate() {
        let record: serde_json::Value = serde_json::from_slice(line).unwrap();
        assert_eq!(record["value"], *values[row]);
        assert_eq!(record["timestamp"], row);
    }
}
