//! The document sink keeps the contract of sinks, with inserts that may meet themselves and with replacements.
#![allow(clippy::unwrap_used)]

mod support;

use async_trait::async_trait;
use millstream_core::contract::{self, Store, Subject};
use millstream_core::{
    RawKind, RecordBatch, SinkConnector, SinkError, SinkTask, TaskContext, TopicPartition,
};
use millstream_mongodb::MongoSinkConnector;
use std::collections::BTreeSet;
use std::ops::Range;
use support::rig::{Rig, raw_batch};

/// Two documents a command. A text that is no document is rejected.
struct Documents(Rig);

impl Documents {
    async fn written_by(strategy: &str) -> Self {
        let package = "com.mongodb.kafka.connect.sink.writemodel.strategy";
        let config = serde_json::json!({
            "topics": "contract",
            "database": "shop",
            "collection": "rows",
            "max.batch.size": "2",
            "mongo.errors.tolerance": "all",
            "writemodel.strategy": format!("{package}.{strategy}"),
        });
        let mut rig = Rig::new(&config, Vec::new()).await;
        rig.properties
            .insert("millstream.mongo.retry.timeout.ms", "600000");
        Documents(rig)
    }

    async fn inserted() -> Self {
        Self::written_by("InsertOneDefaultStrategy").await
    }

    async fn replaced() -> Self {
        Self::written_by("ReplaceOneDefaultStrategy").await
    }
}

#[async_trait]
impl Subject for Documents {
    async fn start(&self, context: TaskContext) -> Result<Box<dyn SinkTask>, SinkError> {
        MongoSinkConnector
            .start_task(&self.0.properties, context)
            .await
    }

    fn batch(&self, origin: &TopicPartition, rows: Range<i64>, bad: &BTreeSet<i64>) -> RecordBatch {
        let partition = origin.partition;
        let text = |row: i64| match bad.contains(&row) {
            true => "no document".to_owned(),
            false => format!(r#"{{"_id": "{partition}@{row}"}}"#),
        };
        let texts: Vec<String> = rows.clone().map(text).collect();
        let values: Vec<Option<&[u8]>> = texts.iter().map(|text| Some(text.as_bytes())).collect();
        RecordBatch {
            origin: origin.clone(),
            ..raw_batch("contract", rows.start, &values, RawKind::String)
        }
    }

    async fn stored(&self) -> Vec<(TopicPartition, i64)> {
        let documents = self.0.documents("shop", "rows").await;
        let rows = documents.iter().map(|document| {
            let (partition, row) = document.get_str("_id").unwrap().split_once('@').unwrap();
            let origin = TopicPartition::new("contract", partition.parse().unwrap());
            (origin, row.parse().unwrap())
        });
        rows.collect()
    }

    fn set(&self, store: Store) {
        match store {
            Store::Well => self.0.proxy.heal(),
            Store::DiesAfter {
                requests,
                answers_last,
            } => self.0.proxy.die_after(requests, answers_last),
        }
    }

    fn carried_out(&self) -> usize {
        self.0.proxy.writes()
    }
}

#[tokio::test]
async fn replays() {
    contract::replays(Documents::inserted).await;
    contract::replays(Documents::replaced).await;
}

#[tokio::test]
async fn rebalances() {
    contract::rebalances(Documents::inserted).await;
    contract::rebalances(Documents::replaced).await;
}

#[tokio::test]
async fn refusals() {
    contract::refusals(Documents::inserted).await;
    contract::refusals(Documents::replaced).await;
}

#[tokio::test]
async fn late_rejections() {
    contract::late_rejections(Documents::inserted).await;
    contract::late_rejections(Documents::replaced).await;
}

#[tokio::test]
async fn crashes() {
    contract::crashes(Documents::inserted).await;
    contract::crashes(Documents::replaced).await;
}

#[tokio::test]
async fn flushes() {
    contract::flushes(Documents::inserted).await;
    contract::flushes(Documents::replaced).await;
}
