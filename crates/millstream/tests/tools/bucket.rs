//! A bucket that our own sink has filled, for whoever looks at it afterwards.

use millstream_core::{
    ByteBudget, ByteColumn, ConverterUse, Destination, Header, Headers, Payload, Properties,
    RawKind, RecordBatch, SinkConnector, SinkTask, TaskContext, TimestampType, TopicPartition,
    Value,
};
use millstream_embedded::s3::S3Server;
use millstream_kafka::{KafkaReader, Read, ReadRange, ReadUpTo, ReaderSettings, StartAt, WhenLost};
use millstream_plugins::CONVERTERS;
use millstream_s3::S3SinkConnector;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Records of each partition.
pub(crate) const RECORDS: i64 = 30;
/// Records in an object.
pub(crate) const FLUSH: i64 = 5;
const MIB: usize = 1024 * 1024;
const LONG: Duration = Duration::from_secs(20);

/// An S3 and its folder.
pub(crate) struct Store {
    pub(crate) server: S3Server,
    pub(crate) folder: tempfile::TempDir,
}

impl Store {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let addr = "127.0.0.1:0".parse().unwrap();
        let server = S3Server::start(addr, folder.path(), "test", "test")
            .await
            .unwrap();
        Store { server, folder }
    }

    /// A connector's settings for a bucket here.
    pub(crate) fn settings(&self, bucket: &str, more: &[(&str, &str)]) -> Properties {
        let endpoint = self.server.endpoint();
        let flush = FLUSH.to_string();
        let mut properties = Properties::from_iter([
            ("name", "archive"),
            ("s3.bucket.name", bucket),
            ("flush.size", flush.as_str()),
            ("storage.class", "io.confluent.connect.s3.storage.S3Storage"),
            (
                "format.class",
                "io.confluent.connect.s3.format.json.JsonFormat",
            ),
            (
                "keys.format.class",
                "io.confluent.connect.s3.format.json.JsonFormat",
            ),
            (
                "headers.format.class",
                "io.confluent.connect.s3.format.json.JsonFormat",
            ),
            (
                "key.converter",
                "org.apache.kafka.connect.storage.StringConverter",
            ),
            (
                "value.converter",
                "org.apache.kafka.connect.storage.StringConverter",
            ),
            ("aws.access.key.id", "test"),
            ("aws.secret.access.key", "test"),
            ("s3.part.retries", "1"),
            ("store.url", endpoint.as_str()),
        ]);
        for (key, value) in more {
            properties.insert(*key, *value);
        }
        properties
    }

    /// Begins an upload of topic `orders`. It is unfinished as long as the task lives, which would abort it at its end.
    pub(crate) async fn begin_upload(&self, bucket: &str) -> Box<dyn SinkTask> {
        let settings = self.settings(bucket, &[("s3.part.size", "5242880")]);
        let (open, in_flight) = (ByteBudget::new(64 * MIB), ByteBudget::new(64 * MIB));
        let context = TaskContext::new("archive", 0, open, in_flight);
        let mut task = S3SinkConnector
            .start_task(&settings, context)
            .await
            .unwrap();
        let place = TopicPartition::new("orders", 0);
        task.open(std::slice::from_ref(&place)).await.unwrap();
        let mut large = batch(place);
        let mut column = ByteColumn::new();
        column.push(Some(vec![b'x'; 6 * MIB].into()));
        large.values = Payload::Raw {
            column,
            kind: RawKind::String,
        };
        (large.first_offset, large.next_offset, large.offsets) =
            (RECORDS, RECORDS + 1, vec![RECORDS]);
        large.timestamps.truncate(1);
        (large.keys, large.headers) = (Payload::undecoded(ByteColumn::nulls(1)), Headers::None);
        task.put(Arc::new(large), 0).await.unwrap();
        let is_upload = |entry: std::io::Result<fs::DirEntry>| {
            let name = entry.unwrap().file_name();
            name.to_string_lossy().starts_with(".upload")
        };
        while !fs::read_dir(self.folder.path()).unwrap().any(is_upload) {
            task.poll(0).await.unwrap();
            tokio::task::yield_now().await;
        }
        task
    }

    /// Where an object of a bucket stands.
    pub(crate) fn path(&self, bucket: &str, key: &str) -> PathBuf {
        self.folder.path().join(bucket).join(key)
    }

    /// The connector's file in a folder; gives its path.
    pub(crate) fn file(&self, bucket: &str, more: &[(&str, &str)], name: &str) -> PathBuf {
        let settings = self.settings(bucket, more);
        let object: serde_json::Map<String, serde_json::Value> = settings
            .iter()
            .map(|(key, value)| (key.to_owned(), value.into()))
            .collect();
        let path = self.folder.path().join(name);
        fs::write(&path, serde_json::Value::Object(object).to_string()).unwrap();
        path
    }

    /// Fills a bucket: topic `orders`, two partitions, each with its records.
    pub(crate) async fn fill(&self, bucket: &str, more: &[(&str, &str)]) {
        self.server.create_bucket(bucket).unwrap();
        let properties = self.settings(bucket, more);
        let context = TaskContext::new(
            "archive",
            0,
            ByteBudget::new(64 * MIB),
            ByteBudget::new(16 * MIB),
        );
        let mut task = S3SinkConnector
            .start_task(&properties, context)
            .await
            .unwrap();
        let places = [0, 1].map(|partition| TopicPartition::new("orders", partition));
        task.open(&places).await.unwrap();
        for place in &places {
            task.put(Arc::new(batch(place.clone())), 0).await.unwrap();
        }
        task.poll(0).await.unwrap();
        task.finish(LONG).await.unwrap();
    }

    /// Fills a bucket with the records of a topic, all of them.
    pub(crate) async fn archive(
        &self,
        servers: &str,
        topic: &str,
        partitions: i32,
        bucket: &str,
        more: &[(&str, &str)],
    ) {
        self.server.create_bucket(bucket).unwrap();
        let context = TaskContext::new(
            "archive",
            0,
            ByteBudget::new(64 * MIB),
            ByteBudget::new(16 * MIB),
        );
        let properties = self.settings(bucket, more);
        let mut task = S3SinkConnector
            .start_task(&properties, context)
            .await
            .unwrap();
        let places: Vec<TopicPartition> = (0..partitions)
            .map(|partition| TopicPartition::new(topic, partition))
            .collect();
        task.open(&places).await.unwrap();
        let client = Properties::from_iter([("bootstrap.servers", servers)]);
        let ranges = places.iter().map(|place| ReadRange {
            partition: place.clone(),
            from: StartAt::Earliest,
            up_to: ReadUpTo::EndAsOfNow,
        });
        let settings = ReaderSettings::from_properties(&client).unwrap();
        let mut reader = KafkaReader::start(
            settings,
            ranges.collect(),
            WhenLost::Fail,
            ByteBudget::new(16 * MIB),
        );
        let mut left = places.len();
        while left > 0 {
            match reader.next().await {
                Read::Batch(batch) if !batch.offsets.is_empty() => task
                    .put(Arc::new(converted(batch, &properties)), 0)
                    .await
                    .unwrap(),
                Read::Reached { .. } => left -= 1,
                Read::Failed(error) => panic!("{error}"),
                _ => {}
            }
        }
        reader.close(LONG).await;
        task.poll(0).await.unwrap();
        task.finish(LONG).await.unwrap();
    }
}

/// As string converters leave a batch; values are JSON already.
fn converted(mut batch: RecordBatch, properties: &Properties) -> RecordBatch {
    let raw = |payload: &Payload, kind| match payload {
        Payload::Raw { column, .. } => Payload::Raw {
            column: column.clone(),
            kind,
        },
        Payload::Encoded(_) | Payload::Decoded(_) => panic!("nobody has decoded it"),
    };
    batch.keys = raw(&batch.keys, RawKind::String);
    batch.values = match (&batch.values, properties.get(SCHEMAS)) {
        (Payload::Raw { column, .. }, Some("true")) => {
            let plugin = CONVERTERS.iter().find(|plugin| plugin.class == JSON);
            let own = properties.with_prefix("value.converter.");
            let made = (plugin.unwrap().make)(&own, ConverterUse::Value);
            let mut errors = Vec::new();
            let mut converter = made.unwrap();
            let topic = &batch.origin.topic;
            let decoded = converter.decode_column(topic, column, None, &mut errors);
            assert!(errors.is_empty(), "{errors:?}");
            Payload::Decoded(decoded)
        }
        (values, _) => raw(values, RawKind::Json),
    };
    if let Headers::Raw(raw) = &batch.headers {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let header = |(key, value): (&[u8], Option<&[u8]>)| Header {
            key: text(key),
            schema: None,
            value: Value::String(text(value.unwrap()).into()),
        };
        let rows = (0..batch.offsets.len())
            .map(|row| raw.row(row).map(header).collect())
            .collect();
        batch.headers = Headers::Decoded { rows, raw: None };
    }
    batch
}

/// Whether values have their schemas with them; JSON without otherwise.
const SCHEMAS: &str = "value.converter.schemas.enable";
const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";

/// Hours of records are two, so that time partitioners make two folders.
fn batch(origin: TopicPartition) -> RecordBatch {
    let rows = RECORDS as usize;
    let column = |what: &str| {
        let mut column = ByteColumn::new();
        for row in 0..rows {
            column.push(Some(format!("{what} {}-{row}", origin.partition).into()));
        }
        Payload::Raw {
            column,
            kind: RawKind::String,
        }
    };
    let headers = (0..rows).map(|row| {
        let value = Value::String(format!("h{row}").into());
        vec![Header {
            key: "h".to_owned(),
            schema: None,
            value,
        }]
    });
    RecordBatch {
        destination: Destination::Uniform(origin.topic.clone()),
        first_offset: 0,
        next_offset: RECORDS,
        offsets: (0..RECORDS).collect(),
        timestamps: (0..RECORDS)
            .map(|offset| 1_700_000_000_000 + offset * 240_000)
            .collect(),
        timestamp_type: TimestampType::CreateTime,
        keys: column("key"),
        values: column("value"),
        headers: Headers::Decoded {
            rows: headers.collect(),
            raw: None,
        },
        fetched: Default::default(),
        permit: None,
        origin,
    }
}

/// Copies a folder.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
