//! The archive sink keeps the contract of sinks.
#![allow(clippy::unwrap_used)]

#[allow(dead_code, reason = "each test file uses its part")]
mod support {
    pub(crate) mod server;
}

use async_trait::async_trait;
use bytes::Bytes;
use millstream_core::contract::{self, Store, Subject};
use millstream_core::{
    ByteColumn, Destination, Headers, Payload, Properties, RawKind, RecordBatch, SinkConnector,
    SinkError, SinkTask, TaskContext, TimestampType, TopicPartition,
};
use millstream_s3::S3SinkConnector;
use std::collections::BTreeSet;
use std::ops::Range;
use support::server::Server;

/// Objects of three rows, with their keys beside them: a row without a key is rejected.
struct Archive {
    server: Server,
}

impl Archive {
    async fn new() -> Self {
        Archive {
            server: Server::start(true).await,
        }
    }
}

#[async_trait]
impl Subject for Archive {
    async fn start(&self, context: TaskContext) -> Result<Box<dyn SinkTask>, SinkError> {
        let properties = Properties::from_iter([
            ("s3.bucket.name", "archive"),
            ("flush.size", "3"),
            ("storage.class", "io.confluent.connect.s3.storage.S3Storage"),
            (
                "format.class",
                "io.confluent.connect.s3.format.json.JsonFormat",
            ),
            ("store.kafka.keys", "true"),
            (
                "keys.format.class",
                "io.confluent.connect.s3.format.json.JsonFormat",
            ),
            ("behavior.on.null.values", "ignore"),
            ("aws.access.key.id", "test"),
            ("aws.secret.access.key", "test"),
            ("store.url", self.server.endpoint.as_str()),
        ]);
        S3SinkConnector.start_task(&properties, context).await
    }

    fn batch(&self, origin: &TopicPartition, rows: Range<i64>, bad: &BTreeSet<i64>) -> RecordBatch {
        let (mut keys, mut values) = (ByteColumn::new(), ByteColumn::new());
        for row in rows.clone() {
            keys.push((!bad.contains(&row)).then(|| Bytes::from_static(b"k")));
            values.push(Some(Bytes::from(format!("{}@{row}", origin.partition))));
        }
        let kind = RawKind::String;
        RecordBatch {
            destination: Destination::Uniform(origin.topic.clone()),
            origin: origin.clone(),
            first_offset: rows.start,
            next_offset: rows.end,
            timestamps: rows.clone().map(|_| 0).collect(),
            timestamp_type: TimestampType::CreateTime,
            offsets: rows.collect(),
            keys: Payload::Raw { column: keys, kind },
            values: Payload::Raw {
                column: values,
                kind,
            },
            headers: Headers::None,
            fetched: Default::default(),
            permit: None,
        }
    }

    async fn stored(&self) -> Vec<(TopicPartition, i64)> {
        let state = self.server.state();
        let values = state
            .objects
            .iter()
            .filter(|(key, _)| !key.ends_with(".keys.json"));
        let texts = values.map(|(_, object)| String::from_utf8(object.body.to_vec()).unwrap());
        let rows = texts.flat_map(|text| {
            let rows = text.lines().map(|line| {
                let (partition, row) = line.trim_matches('"').split_once('@').unwrap();
                let origin = TopicPartition::new("contract", partition.parse().unwrap());
                (origin, row.parse().unwrap())
            });
            rows.collect::<Vec<_>>()
        });
        rows.collect()
    }

    fn set(&self, store: Store) {
        self.server.state().left = match store {
            Store::Well => None,
            Store::DiesAfter {
                requests,
                answers_last,
            } => Some((requests, answers_last)),
        };
    }

    fn carried_out(&self) -> usize {
        self.server.state().changes
    }
}

#[tokio::test]
async fn replays() {
    contract::replays(Archive::new).await;
}

#[tokio::test]
async fn rebalances() {
    contract::rebalances(Archive::new).await;
}

#[tokio::test]
async fn refusals() {
    contract::refusals(Archive::new).await;
}

#[tokio::test]
async fn late_rejections() {
    contract::late_rejections(Archive::new).await;
}

#[tokio::test]
async fn crashes() {
    contract::crashes(Archive::new).await;
}
