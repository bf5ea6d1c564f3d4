//! The fused hashing path against the ordinary way: the same rows, the same commands.
#![allow(clippy::unwrap_used)]

mod reports;
mod support;

use bson::{Document, doc};
use millstream_core::contract::done_to;
use millstream_core::digest::{
    DigestEncoding, Digester, HashFunction, HashInput, HashSettings, NullHashing,
};
use millstream_core::text::decode_utf8;
use millstream_core::{
    ByteColumn, Decoded, Field, Fusable, Payload, RawKind, RecordBatch, Schema, SchemaAndValue,
    SchemaType, Struct, Value,
};
use millstream_embedded::documents::{DocumentFault, DocumentFaultAction, DocumentProxy};
use proptest::prelude::*;
use serde_json::json;
use std::sync::Arc;
use support::rig::{Fed, Rig, feed, raw_batch};

const PACKAGE: &str = "com.mongodb.kafka.connect.sink.";

fn config(field: &str) -> serde_json::Value {
    json!({
        "topics": "orders", "database": "kafka", "collection": "hashed", "bulk.write.ordered": "false",
        "document.id.strategy": format!("{PACKAGE}processor.id.strategy.KafkaMetaDataStrategy"),
        "writemodel.strategy": format!("{PACKAGE}writemodel.strategy.InsertOneDefaultStrategy"),
        "provider": field,
    })
}

/// What Hash and HoistField make of a batch, one record after the other.
fn transformed(batch: &RecordBatch, hash: &HashSettings, field: &str) -> RecordBatch {
    let Payload::Raw { column, kind } = &batch.values else {
        panic!("raw values");
    };
    let digester = Digester::new(hash).unwrap();
    let mut value_schema = Schema::optional(if digester.is_binary() {
        SchemaType::Bytes
    } else {
        SchemaType::String
    });
    value_schema.name = None;
    let mut schema = Schema::of(SchemaType::Struct);
    schema.fields.push(Field {
        name: field.to_owned(),
        schema: Arc::new(value_schema),
    });
    let schema = Arc::new(schema);
    let mut decoded = Decoded::with_capacity(ByteColumn::nulls(column.len()));
    for bytes in column.iter() {
        let mut record = Struct::new(Arc::clone(&schema));
        if let Some(bytes) = bytes {
            let text = decode_utf8(bytes);
            let input = match (kind, hash.input) {
                (RawKind::String, HashInput::Text) => text.as_bytes(),
                _ => bytes,
            };
            let (mut digest, mut written) = (Vec::new(), Vec::new());
            digester.digest(input, &mut digest);
            digester.encode(&digest, &mut written);
            record.values[0] = if digester.is_binary() {
                Value::Bytes(written.into())
            } else {
                Value::from(String::from_utf8(written).unwrap())
            };
        }
        decoded.push(SchemaAndValue {
            schema: Some(Arc::clone(&schema)),
            value: Value::Struct(Box::new(record)),
        });
    }
    RecordBatch {
        origin: batch.origin.clone(),
        destination: batch.destination.clone(),
        first_offset: batch.first_offset,
        next_offset: batch.next_offset,
        offsets: batch.offsets.clone(),
        timestamps: batch.timestamps.clone(),
        timestamp_type: batch.timestamp_type,
        keys: batch.keys.clone(),
        values: Payload::Decoded(decoded),
        headers: batch.headers.clone(),
        fetched: batch.fetched.clone(),
        permit: None,
    }
}

/// The inserted documents, as they went over the wire.
fn inserted(proxy: &DocumentProxy) -> Vec<Document> {
    let inserts = proxy
        .recorded()
        .into_iter()
        .filter(|command| command.name == "insert");
    inserts
        .flat_map(|command| {
            assert_eq!(command.body.get_bool("ordered").ok(), Some(false));
            let documents = command.body.get_array("documents").unwrap().clone();
            documents
                .into_iter()
                .map(|document| document.as_document().unwrap().clone())
                .collect::<Vec<_>>()
        })
        .collect()
}

async fn run_fused(
    batch: &Arc<RecordBatch>,
    kind: RawKind,
    hash: &HashSettings,
    field: &str,
) -> (Vec<Document>, Fed) {
    let rig = Rig::new(&config(field), Vec::new()).await;
    let mut task = rig.start(true).await.unwrap();
    let stages = [
        Fusable::HashValue(hash.clone()),
        Fusable::HoistValue {
            field: field.to_owned(),
        },
    ];
    assert!(task.fuse(kind, &stages));
    let fed = feed(task.as_mut(), vec![Arc::clone(batch)]).await;
    (inserted(&rig.proxy), fed)
}

async fn run_plain(batch: &Arc<RecordBatch>, hash: &HashSettings, field: &str) -> Vec<Document> {
    let rig = Rig::new(&config(field), Vec::new()).await;
    let mut task = rig.start(true).await.unwrap();
    let fed = feed(
        task.as_mut(),
        vec![Arc::new(transformed(batch, hash, field))],
    )
    .await;
    assert!(fed.error.is_none() && fed.rejected.is_empty());
    inserted(&rig.proxy)
}

/// How far each partition is done.
fn ends(fed: &Fed) -> Vec<i64> {
    done_to(&fed.done).into_iter().map(|(_, end)| end).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn the_fused_path_writes_the_same_documents(
        values in prop::collection::vec(prop::option::weighted(0.9, prop::collection::vec(any::<u8>(), 0..200)), 1..420),
        function in prop::sample::select(vec![HashFunction::Md5, HashFunction::Sha224, HashFunction::Sha256, HashFunction::Blake3]),
        encoding in prop::sample::select(vec![DigestEncoding::Hex, DigestEncoding::Base64, DigestEncoding::Binary]),
        is_text: bool,
        first_offset in 0i64..1_000_000_000_000,
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let kind = if is_text { RawKind::String } else { RawKind::Bytes };
            let rows: Vec<Option<&[u8]>> = values.iter().map(Option::as_deref).collect();
            let batch = Arc::new(raw_batch("orders", first_offset, &rows, kind));
            let mut hash = HashSettings::plain(function);
            hash.encoding = encoding;
            hash.null = NullHashing::Pass;
            let (fused, fed) = run_fused(&batch, kind, &hash, "value").await;
            assert!(fed.error.is_none());
            assert_eq!(ends(&fed), [first_offset + rows.len() as i64]);
            assert_eq!(fused, run_plain(&batch, &hash, "value").await);
        });
    }
}

#[tokio::test]
async fn writes_the_documented_document() {
    let batch = Arc::new(raw_batch(
        "orders",
        41,
        &[Some(b"Kafka message sent at 1700000000.0")],
        RawKind::String,
    ));
    let hash = HashSettings::plain(HashFunction::Sha224);
    let (documents, _) = run_fused(&batch, RawKind::String, &hash, "value").await;
    let expected = "93b8273c34e6ba47ffdc9b0c0f4f2a62519fa145277a821b8dc538ba";
    assert_eq!(documents, [doc! {"_id": "orders#0#41", "value": expected}]);
}

#[tokio::test]
async fn nulls_fail_or_are_left_out() {
    let batch = Arc::new(raw_batch(
        "orders",
        0,
        &[Some(b"a"), None, Some(b"b")],
        RawKind::Bytes,
    ));
    let mut hash = HashSettings::plain(HashFunction::Md5);
    let (documents, fed) = run_fused(&batch, RawKind::Bytes, &hash, "value").await;
    assert_eq!(documents.len(), 2);
    assert_eq!(
        fed.rejected
            .iter()
            .map(|row| row.offset)
            .collect::<Vec<_>>(),
        [1]
    );
    hash.null = NullHashing::Skip;
    let (documents, fed) = run_fused(&batch, RawKind::Bytes, &hash, "value").await;
    assert_eq!((documents.len(), fed.rejected.len()), (2, 0));
    assert_eq!(ends(&fed), [3]);
}

#[tokio::test]
async fn other_chains_are_not_taken() {
    let rig = Rig::new(&config("x"), Vec::new()).await;
    let mut task = rig.start(true).await.unwrap();
    let hoist = |field: &str| Fusable::HoistValue {
        field: field.to_owned(),
    };
    let hash = Fusable::HashValue(HashSettings::plain(HashFunction::Md5));
    assert!(!task.fuse(RawKind::String, &[hoist("value")]));
    assert!(!task.fuse(RawKind::String, &[hash.clone(), hoist("_id")]));
    assert!(!task.fuse(RawKind::Json, &[hash.clone(), hoist("value")]));
    assert!(task.fuse(RawKind::String, &[hash, hoist("value")]));
}

/// A replay, and a connection lost after the store had applied the command: every record once, none reported.
#[tokio::test]
async fn replays_and_lost_answers_leave_every_record_once() {
    let rows: Vec<Vec<u8>> = (0..500)
        .map(|n| format!("message {n}").into_bytes())
        .collect();
    let rows: Vec<Option<&[u8]>> = rows.iter().map(|row| Some(row.as_slice())).collect();
    let lost = DocumentFault {
        command: "insert".to_owned(),
        nth: 1,
        action: DocumentFaultAction::CloseAfter,
    };
    let mut settings = config("x");
    settings["millstream.mongo.retry.timeout.ms"] = json!("30000");
    let rig = Rig::new(&settings, vec![lost]).await;
    let mut task = rig.start(true).await.unwrap();
    let stages = [
        Fusable::HashValue(HashSettings::plain(HashFunction::Md5)),
        Fusable::HoistValue {
            field: "value".to_owned(),
        },
    ];
    assert!(task.fuse(RawKind::String, &stages));
    for first in [0, 0] {
        let batch = Arc::new(raw_batch("orders", first, &rows, RawKind::String));
        let fed = feed(task.as_mut(), vec![batch]).await;
        assert!(fed.error.is_none() && fed.rejected.is_empty());
    }
    let client = mongodb::Client::with_uri_str(format!("mongodb://{}/", rig.store))
        .await
        .unwrap();
    let count = client
        .database("kafka")
        .collection::<Document>("hashed")
        .count_documents(doc! {})
        .await
        .unwrap();
    assert_eq!(count, 500);
}
