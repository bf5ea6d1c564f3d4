//! The archive sink keeps the contract of sinks.
#![allow(clippy::unwrap_used)]

#[allow(dead_code, reason = "each test file uses its part")]
mod support {
    pub(crate) mod server;
}

use async_trait::async_trait;
use bytes::Bytes;
use millstream_avro::container::FileReader;
use millstream_avro::{AvroDataSettings, AvroSchema, Reader};
use millstream_core::contract::{self, Store, Subject};
use millstream_core::{
    ByteColumn, Decoded, Destination, Field, Headers, Payload, Properties, RawKind, RecordBatch,
    Schema, SchemaAndValue, SchemaRef, SchemaType, SinkConnector, SinkError, SinkTask, Struct,
    TaskContext, TimestampType, TopicPartition, Value,
};
use millstream_s3::S3SinkConnector;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::RowAccessor;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, LazyLock};
use support::server::Server;

/// Objects of three rows, with their keys beside them: a row without a key is rejected.
struct Archive {
    server: Server,
    /// `json`, `avro` or `parquet`.
    format: &'static str,
}

impl Archive {
    async fn json() -> Self {
        Archive {
            server: Server::start(true).await,
            format: "json",
        }
    }

    async fn avro() -> Self {
        Archive {
            format: "avro",
            ..Archive::json().await
        }
    }

    async fn parquet() -> Self {
        Archive {
            format: "parquet",
            ..Archive::json().await
        }
    }
}

const JSON: &str = "io.confluent.connect.s3.format.json.JsonFormat";
const PARQUET: &str = "io.confluent.connect.s3.format.parquet.ParquetFormat";
const AVRO: &str = "io.confluent.connect.s3.format.avro.AvroFormat";

/// The texts of a file of optional strings.
fn texts_of(file: &[u8]) -> Vec<String> {
    let mut file = FileReader::open(file, 1 << 20).unwrap();
    let schema = AvroSchema::parse(file.schema()).unwrap();
    let reader = Reader::new(schema, None, &AvroDataSettings::default()).unwrap();
    let mut texts = Vec::new();
    while let Some(block) = file.next_block().unwrap() {
        let mut rest = block.bytes.as_slice();
        for _ in 0..block.count {
            texts.push(reader.take(&mut rest).unwrap().to_string());
        }
        assert!(rest.is_empty(), "a block is larger than its data");
    }
    texts
}

/// The texts of a file of structs of one.
fn columns_of(file: &Bytes) -> Vec<String> {
    let file = SerializedFileReader::new(file.clone()).unwrap();
    let rows = file.get_row_iter(None).unwrap();
    rows.map(|row| row.unwrap().get_string(0).unwrap().clone())
        .collect()
}

/// Texts as structs of one.
fn structs(texts: ByteColumn) -> Payload {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        let field = Field {
            name: "text".to_owned(),
            schema: Arc::new(Schema::of(SchemaType::String)),
        };
        Arc::new(Schema {
            name: Some("Row".to_owned()),
            fields: vec![field],
            ..Schema::of(SchemaType::Struct)
        })
    });
    let mut structs = Decoded::with_capacity(texts.clone());
    for row in 0..texts.len() {
        let text = String::from_utf8(texts.get(row).unwrap().to_vec()).unwrap();
        let schema = Arc::clone(&SCHEMA);
        let values = vec![Value::from(text)];
        structs.push(SchemaAndValue {
            schema: Some(Arc::clone(&schema)),
            value: Value::Struct(Box::new(Struct { schema, values })),
        });
    }
    Payload::Decoded(structs)
}

#[async_trait]
impl Subject for Archive {
    async fn start(&self, context: TaskContext) -> Result<Box<dyn SinkTask>, SinkError> {
        let format = match self.format {
            "avro" => AVRO,
            "parquet" => PARQUET,
            _ => JSON,
        };
        let properties = Properties::from_iter([
            ("s3.bucket.name", "archive"),
            ("flush.size", "3"),
            ("storage.class", "io.confluent.connect.s3.storage.S3Storage"),
            ("format.class", format),
            ("store.kafka.keys", "true"),
            ("keys.format.class", format),
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
            values: match self.format {
                "parquet" => structs(values),
                _ => Payload::Raw {
                    column: values,
                    kind,
                },
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
            .filter(|(key, _)| !key.contains(".keys."));
        let texts = values.flat_map(|(_, object)| match self.format {
            "avro" => texts_of(&object.body),
            "parquet" => columns_of(&object.body),
            _ => {
                let text = String::from_utf8(object.body.to_vec()).unwrap();
                text.lines()
                    .map(|line| line.trim_matches('"').to_owned())
                    .collect()
            }
        });
        let rows = texts.map(|text| {
            let (partition, row) = text.split_once('@').unwrap();
            let origin = TopicPartition::new("contract", partition.parse().unwrap());
            (origin, row.parse().unwrap())
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
    contract::replays(Archive::json).await;
    contract::replays(Archive::avro).await;
    contract::replays(Archive::parquet).await;
}

#[tokio::test]
async fn rebalances() {
    contract::rebalances(Archive::json).await;
    contract::rebalances(Archive::avro).await;
    contract::rebalances(Archive::parquet).await;
}

#[tokio::test]
async fn refusals() {
    contract::refusals(Archive::json).await;
    contract::refusals(Archive::avro).await;
    contract::refusals(Archive::parquet).await;
}

#[tokio::test]
async fn late_rejections() {
    contract::late_rejections(Archive::json).await;
    contract::late_rejections(Archive::avro).await;
    contract::late_rejections(Archive::parquet).await;
}

#[tokio::test]
async fn crashes() {
    contract::crashes(Archive::json).await;
    contract::crashes(Archive::avro).await;
    contract::crashes(Archive::parquet).await;
}

#[tokio::test]
async fn flushes() {
    contract::flushes(Archive::json).await;
    contract::flushes(Archive::avro).await;
    contract::flushes(Archive::parquet).await;
}
