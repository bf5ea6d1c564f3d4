//! Client CPU of the hashing job's last step: raw 100-byte values in, `insert` commands out, against a server
//! that answers at once and keeps nothing. `docs_hash sink <address>` is that server, in its own process;
//! `docs_hash run <address> <millions> [json]` feeds it and prints CPU seconds per million records.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use bson::{Document, doc};
use bytes::Bytes;
use millstream_core::digest::{HashFunction, HashSettings};
use millstream_core::{
    ByteBudget, ByteColumn, Destination, Fusable, Headers, Payload, Properties, RawKind,
    RecordBatch, SinkConnector, SinkTask, TaskContext, TimestampType, TopicPartition,
};
use millstream_mongodb::MongoSinkConnector;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

const ROWS: usize = 10_000;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args[0].as_str() {
        "sink" => {
            for client in TcpListener::bind(&args[1]).unwrap().incoming() {
                let client = client.unwrap();
                std::thread::spawn(move || serve(client));
            }
        }
        _ => tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap()
            .block_on(run(&args[1], args[2].parse().unwrap(), args.len() > 3)),
    }
}

async fn run(address: &str, millions: usize, json: bool) {
    let package = "com.mongodb.kafka.connect.sink.";
    let properties = Properties::from_iter([
        ("topics", "MyTopic".to_owned()),
        ("database", "kafka".to_owned()),
        ("collection", "hashed".to_owned()),
        ("connection.uri", format!("mongodb://{address}/")),
        ("bulk.write.ordered", "false".to_owned()),
        (
            "document.id.strategy",
            format!("{package}processor.id.strategy.KafkaMetaDataStrategy"),
        ),
        (
            "writemodel.strategy",
            format!("{package}writemodel.strategy.InsertOneDefaultStrategy"),
        ),
    ]);
    let budget = || ByteBudget::new(1 << 30);
    let context = TaskContext::new("bench", 0, budget(), budget());
    let mut task = MongoSinkConnector
        .start_task(&properties, context)
        .await
        .unwrap();
    if !json {
        let stages = [
            Fusable::HashValue(HashSettings::plain(HashFunction::Md5)),
            Fusable::HoistValue {
                field: "value".to_owned(),
            },
        ];
        assert!(task.fuse(RawKind::String, &stages));
    }
    let batches = millions * 1_000_000 / ROWS;
    let buffer = if json { json_rows() } else { text_rows() };
    feed(task.as_mut(), &buffer, json, 0, 20).await;
    let before = cpu();
    let started = std::time::Instant::now();
    feed(task.as_mut(), &buffer, json, 20, batches).await;
    println!(
        "cpu-s per million {:.3}, {:.2} million records a second",
        (cpu() - before) / millions as f64,
        millions as f64 / started.elapsed().as_secs_f64()
    );
}

async fn feed(
    task: &mut dyn SinkTask,
    buffer: &(Bytes, Vec<(usize, usize)>),
    json: bool,
    from: usize,
    count: usize,
) {
    for number in from..from + count {
        let first = (number * ROWS) as i64;
        let mut column = ByteColumn::with_capacity(ROWS);
        let shared = column.add_buffer(buffer.0.clone());
        for &(start, len) in &buffer.1 {
            column.push_span(shared, start, len);
        }
        let batch = RecordBatch {
            origin: TopicPartition::new("MyTopic", 0),
            destination: Destination::Uniform("MyTopic".into()),
            first_offset: first,
            next_offset: first + ROWS as i64,
            offsets: (first..first + ROWS as i64).collect(),
            timestamps: vec![0; ROWS],
            timestamp_type: TimestampType::CreateTime,
            keys: Payload::undecoded(ByteColumn::nulls(ROWS)),
            values: Payload::Raw {
                column,
                kind: if json { RawKind::Json } else { RawKind::String },
            },
            headers: Headers::None,
            fetched: Default::default(),
            permit: None,
        };
        task.put(Arc::new(batch), 0).await.unwrap();
        task.poll(0).await.unwrap();
    }
    task.finish(Duration::from_secs(60)).await.unwrap();
}

fn text_rows() -> (Bytes, Vec<(usize, usize)>) {
    rows(|row| format!("Kafka message sent at {row:078}"))
}

fn json_rows() -> (Bytes, Vec<(usize, usize)>) {
    rows(|row| {
        format!(
            r#"{{"customer":"c-{row:08}","id":{row},"total":{}.25,"items":{},"country":"DE","paid":true}}"#,
            row % 977,
            row % 9
        )
    })
}

fn rows(text: impl Fn(usize) -> String) -> (Bytes, Vec<(usize, usize)>) {
    let mut buffer = Vec::new();
    let mut spans = Vec::new();
    for row in 0..ROWS {
        let text = text(row);
        spans.push((buffer.len(), text.len()));
        buffer.extend_from_slice(text.as_bytes());
    }
    (buffer.into(), spans)
}

/// Seconds of CPU that this process has used, from the kernel's own count.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / 100.0
}

fn serve(mut client: TcpStream) {
    client.set_nodelay(true).unwrap();
    let mut header = [0; 16];
    let mut body = Vec::new();
    while client.read_exact(&mut header).is_ok() {
        let word = |at: usize| i32::from_le_bytes(header[at..at + 4].try_into().unwrap());
        body.resize(word(0) as usize - 16, 0);
        client.read_exact(&mut body).unwrap();
        let is_query = word(12) == 2004;
        let document = if is_query || body.get(10..16).is_none_or(|name| name != b"insert") {
            doc! {"helloOk": true, "ismaster": true, "isWritablePrimary": true, "maxBsonObjectSize": 16 << 20,
            "maxMessageSizeBytes": 48_000_000, "maxWriteBatchSize": 100_000, "minWireVersion": 0,
            "maxWireVersion": 21, "readOnly": false, "ok": 1.0}
        } else {
            doc! {"ok": 1.0, "n": 1}
        };
        client
            .write_all(&answer(&document, word(4), is_query))
            .unwrap();
    }
}

fn answer(document: &Document, to: i32, is_query: bool) -> Vec<u8> {
    let bytes = document.to_vec().unwrap();
    let mut out = vec![0; 16];
    if is_query {
        out.extend_from_slice(&[0; 16]);
        out.extend_from_slice(&1i32.to_le_bytes());
    } else {
        out.extend_from_slice(&[0; 5]);
    }
    out.extend_from_slice(&bytes);
    let length = out.len() as i32;
    out[..4].copy_from_slice(&length.to_le_bytes());
    out[8..12].copy_from_slice(&to.to_le_bytes());
    out[12..16].copy_from_slice(&if is_query { 1i32 } else { 2013 }.to_le_bytes());
    out
}
