//! A task of the connector against an embedded document server, fed with recorded records.

use bson::Document;
use bytes::Bytes;
use millstream_core::rejected::RejectedRow;
use millstream_core::{
    ByteBudget, ByteColumn, Decoded, Destination, Headers, Payload, Properties, RecordBatch,
    SinkConnector, SinkError, SinkMeters, SinkTask, TaskContext, TimestampType, TopicPartition,
};
use millstream_embedded::documents::{DocumentFault, DocumentProxy, DocumentServer};
use millstream_golden as golden;
use millstream_mongodb::MongoSinkConnector;
use serde_json::Value as Json;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

pub(crate) const NOW: i64 = 1_700_000_000_000;

/// The records of one poll as batches: consecutive ones of a partition belong together.
pub(crate) fn batches(records: &[Json]) -> Vec<Arc<RecordBatch>> {
    let origin = |record: &Json| {
        TopicPartition::new(
            record["topic"].as_str().unwrap(),
            record["partition"].as_i64().unwrap() as i32,
        )
    };
    records
        .chunk_by(|a, b| origin(a) == origin(b))
        .map(|rows| Arc::new(batch(origin(&rows[0]), rows)))
        .collect()
}

fn batch(origin: TopicPartition, rows: &[Json]) -> RecordBatch {
    let half = |schema: &str, value: &str| {
        let mut decoded = Decoded::with_capacity(ByteColumn::nulls(rows.len()));
        for row in rows {
            decoded.push(golden::schema_and_value(
                &serde_json::json!({"schema": row[schema], "value": row[value]}),
            ));
        }
        Payload::Decoded(decoded)
    };
    let offsets: Vec<i64> = rows
        .iter()
        .map(|row| row["offset"].as_i64().unwrap())
        .collect();
    RecordBatch {
        destination: Destination::Uniform(Arc::clone(&origin.topic)),
        origin,
        first_offset: offsets[0],
        next_offset: offsets[offsets.len() - 1] + 1,
        timestamps: rows
            .iter()
            .map(|row| row["timestamp"].as_i64().unwrap_or(-1))
            .collect(),
        timestamp_type: match rows[0]["timestamp_type"].as_str() {
            Some("LogAppendTime") => TimestampType::LogAppendTime,
            Some("NoTimestampType") => TimestampType::NoTimestampType,
            _ => TimestampType::CreateTime,
        },
        offsets,
        keys: half("key_schema", "key"),
        values: half("value_schema", "value"),
        headers: Headers::None,
        permit: None,
        fetched: Default::default(),
    }
}

/// Rows of one partition with these texts as raw values.
pub(crate) fn raw_batch(
    topic: &str,
    first_offset: i64,
    values: &[Option<&[u8]>],
    kind: millstream_core::RawKind,
) -> RecordBatch {
    let mut column = ByteColumn::new();
    for value in values {
        column.push(value.map(Bytes::copy_from_slice));
    }
    let rows = values.len();
    RecordBatch {
        origin: TopicPartition::new(topic, 0),
        destination: Destination::Uniform(topic.into()),
        first_offset,
        next_offset: first_offset + rows as i64,
        offsets: (first_offset..first_offset + rows as i64).collect(),
        timestamps: vec![NOW; rows],
        timestamp_type: TimestampType::CreateTime,
        keys: Payload::undecoded(ByteColumn::nulls(rows)),
        values: Payload::Raw { column, kind },
        headers: Headers::None,
        permit: None,
        fetched: Default::default(),
    }
}

pub(crate) struct Rig {
    /// The store behind the proxy: embedded, or the one that `MILLSTREAM_TEST_MONGODB` names as host:port.
    pub(crate) store: SocketAddr,
    _embedded: Option<DocumentServer>,
    pub(crate) proxy: DocumentProxy,
    pub(crate) properties: Properties,
    pub(crate) max_poll_records: usize,
    /// Whether texts are Java's, with what records hold.
    pub(crate) shows_content: bool,
    /// What its tasks count, all together.
    pub(crate) meters: Arc<SinkMeters>,
}

impl Rig {
    /// A server, a proxy with these faults before it, and the settings with the address put in.
    pub(crate) async fn new(config: &Json, faults: Vec<DocumentFault>) -> Self {
        let (embedded, store) = match std::env::var("MILLSTREAM_TEST_MONGODB") {
            Ok(address) => (None, address.parse().unwrap()),
            Err(_) => {
                let server = DocumentServer::start(([127, 0, 0, 1], 0).into(), None)
                    .await
                    .unwrap();
                let address = server.addr();
                (Some(server), address)
            }
        };
        let proxy = DocumentProxy::start(store, faults).await.unwrap();
        let mut properties = Properties::new();
        // Unless a case says otherwise nothing is retried, as in the original.
        properties.insert("millstream.mongo.retry.timeout.ms", "0");
        properties.insert("connection.uri", "mongodb://DOCSTORE/");
        for (key, value) in config.as_object().unwrap() {
            properties.insert(key.as_str(), value.as_str().unwrap());
        }
        let uri = properties
            .get("connection.uri")
            .unwrap()
            .replace("DOCSTORE", &proxy.addr().to_string());
        properties.insert("connection.uri", uri);
        Rig {
            store,
            _embedded: embedded,
            proxy,
            properties,
            max_poll_records: 500,
            shows_content: true,
            meters: Arc::default(),
        }
    }

    /// All documents of a collection, past the proxy.
    pub(crate) async fn documents(&self, database: &str, collection: &str) -> Vec<Document> {
        let client = mongodb::Client::with_uri_str(format!("mongodb://{}/", self.store))
            .await
            .unwrap();
        let mut cursor = client
            .database(database)
            .collection::<Document>(collection)
            .find(Document::new())
            .await
            .unwrap();
        let mut documents = Vec::new();
        while cursor.advance().await.unwrap() {
            documents.push(cursor.deserialize_current().unwrap());
        }
        documents
    }

    /// How many commands of a name have gone over the wire.
    pub(crate) fn sent(&self, command: &str) -> usize {
        let recorded = self.proxy.recorded();
        recorded.iter().filter(|one| one.name == command).count()
    }

    pub(crate) async fn start(&self, has_reporter: bool) -> Result<Box<dyn SinkTask>, SinkError> {
        let context = TaskContext {
            max_poll_records: self.max_poll_records,
            shows_content: self.shows_content,
            meters: Arc::clone(&self.meters),
            ..context(has_reporter)
        };
        MongoSinkConnector
            .start_task(&self.properties, context)
            .await
    }
}

/// A task with these settings, as it starts before any server has answered.
pub(crate) async fn start_task(
    properties: &Properties,
    has_reporter: bool,
) -> Result<Box<dyn SinkTask>, SinkError> {
    MongoSinkConnector
        .start_task(properties, context(has_reporter))
        .await
}

fn context(has_reporter: bool) -> TaskContext {
    let budget = || ByteBudget::new(1 << 30);
    TaskContext {
        has_reporter,
        goes_on_after_rejected: has_reporter,
        ..TaskContext::new("golden", 0, budget(), budget())
    }
}

/// What one poll came to.
#[derive(Default)]
pub(crate) struct Fed {
    pub(crate) error: Option<SinkError>,
    pub(crate) rejected: Vec<RejectedRow>,
    pub(crate) done: Vec<(TopicPartition, Range<i64>)>,
}

/// Feeds the batches one by one, each to its end.
pub(crate) async fn feed(task: &mut dyn SinkTask, batches: Vec<Arc<RecordBatch>>) -> Fed {
    let mut fed = Fed::default();
    for batch in batches {
        if let Err(error) = step(task, batch, &mut fed).await {
            fed.error = Some(error);
            break;
        }
    }
    fed
}

async fn step(
    task: &mut dyn SinkTask,
    batch: Arc<RecordBatch>,
    fed: &mut Fed,
) -> Result<(), SinkError> {
    task.put(batch, NOW).await?;
    task.finish(Duration::from_secs(10)).await?;
    let progress = task.poll(NOW).await?;
    fed.rejected.extend(progress.rejected);
    fed.done.extend(progress.done);
    Ok(())
}
