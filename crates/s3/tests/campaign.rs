//! Random schemas and records, cut into batches at random, written by tasks that crash to an S3 that fails: each offset is in
//! one object, and objects are those of a run without any of that.
//!
//! Three rounds; `compat/objects --rounds N --seed S` runs more of them. A round is told by its seed.
#![allow(clippy::unwrap_used)]

// Each test program uses a part of it.
#[allow(dead_code)]
mod support {
    pub(crate) mod server;
}

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use millstream_avro::{AvroDataSettings, AvroSchema, Reader, container};
use millstream_core::contract::Ledger;
use millstream_core::{
    ByteBudget, ByteColumn, Decoded, Destination, Field, Headers, Map, Payload, Properties,
    RecordBatch, Schema, SchemaAndValue, SchemaRef, SchemaType, SinkConnector, SinkErrorKind,
    SinkTask, Struct, TaskContext, TimestampType, TopicPartition, Value,
};
use millstream_s3::S3SinkConnector;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Read;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use support::server::Server;

const MIB: usize = 1024 * 1024;
const LONG: Duration = Duration::from_secs(60);
const FORMAT: &str = "io.confluent.connect.s3.format";

/// What the objects of a round are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Json,
    Envelopes,
    Avro,
    Parquet,
}

struct Round {
    seed: u64,
    kind: Kind,
    settings: Vec<(&'static str, String)>,
    rows: Vec<Row>,
}

struct Row {
    value: SchemaAndValue,
    timestamp: i64,
}

/// The types of the fields that all versions have, behind the offset.
fn field_type(rng: &mut StdRng, depth: usize) -> Schema {
    let leaves = [
        SchemaType::Int8,
        SchemaType::Int16,
        SchemaType::Int32,
        SchemaType::Int64,
        SchemaType::Float32,
        SchemaType::Float64,
        SchemaType::Boolean,
        SchemaType::String,
        SchemaType::Bytes,
    ];
    let leaf = Schema {
        optional: rng.random(),
        ..Schema::of(*leaves.choose(rng).unwrap())
    };
    match rng.random_range(0..10) {
        0 if depth > 0 => Schema {
            value_schema: Some(Arc::new(leaf)),
            ..Schema::of(SchemaType::Array)
        },
        1 if depth > 0 => Schema {
            key_schema: Some(Arc::new(Schema::of(SchemaType::String))),
            value_schema: Some(Arc::new(leaf)),
            ..Schema::of(SchemaType::Map)
        },
        2 if depth > 0 => {
            let fields = 0..rng.random_range(1..4);
            Schema {
                name: Some("Inner".to_owned()),
                fields: fields
                    .map(|number| field(&format!("i{number}"), field_type(rng, 0)))
                    .collect(),
                ..Schema::of(SchemaType::Struct)
            }
        }
        _ => leaf,
    }
}

fn field(name: &str, schema: Schema) -> Field {
    Field {
        name: name.to_owned(),
        schema: Arc::new(schema),
    }
}

/// Versions of one schema: each has an optional field more than the one before.
fn versions(rng: &mut StdRng) -> Vec<SchemaRef> {
    let mut fields = vec![field("offset", Schema::of(SchemaType::Int64))];
    let mut has_inner = false;
    for number in 0..rng.random_range(1..6) {
        let mut schema = field_type(rng, 1);
        // Two structs of one name would be one type to Avro.
        if schema.kind == SchemaType::Struct && std::mem::replace(&mut has_inner, true) {
            schema = Schema::of(SchemaType::String);
        }
        fields.push(field(&format!("f{number}"), schema));
    }
    let count = rng.random_range(1..4);
    let made = (1..=count).map(|version| {
        fields.push(field(
            &format!("v{version}"),
            Schema::optional(SchemaType::String),
        ));
        Arc::new(Schema {
            name: Some("Row".to_owned()),
            version: Some(version),
            fields: fields.clone(),
            ..Schema::of(SchemaType::Struct)
        })
    });
    made.collect()
}

fn text(rng: &mut StdRng) -> Value {
    let letters = ["a", "é", "\"", "\n", "😀", "zz"];
    let length = match rng.random_range(0..40) {
        0 => 3_000,
        _ => rng.random_range(0..12),
    };
    let text: String = (0..length).map(|_| *letters.choose(rng).unwrap()).collect();
    Value::from(text.as_str())
}

fn value(rng: &mut StdRng, schema: &SchemaRef) -> Value {
    if schema.optional && rng.random_bool(0.2) {
        return Value::Null;
    }
    match schema.kind {
        SchemaType::Int8 => Value::Int8(rng.random()),
        SchemaType::Int16 => Value::Int16(rng.random()),
        SchemaType::Int32 => Value::Int32(rng.random()),
        SchemaType::Int64 => Value::Int64(rng.random()),
        SchemaType::Float32 => Value::Float32(rng.random_range(-1e3..1e3)),
        SchemaType::Float64 => Value::Float64(rng.random_range(-1e9..1e9)),
        SchemaType::Boolean => Value::Boolean(rng.random()),
        SchemaType::String => text(rng),
        SchemaType::Bytes => {
            let length = rng.random_range(0..20);
            Value::Bytes((0..length).map(|_| rng.random::<u8>()).collect())
        }
        SchemaType::Array => {
            let of = schema.value_schema.as_ref().unwrap();
            let length = rng.random_range(0..4);
            Value::Array((0..length).map(|_| value(rng, of)).collect())
        }
        SchemaType::Map => {
            let of = schema.value_schema.as_ref().unwrap();
            let pairs = (0..rng.random_range(0..4))
                .map(|number| (Value::from(&*format!("k{number}")), value(rng, of)));
            Value::Map(Map::linked(pairs.collect::<Vec<_>>()))
        }
        SchemaType::Struct => {
            let fields = schema.fields.iter();
            Value::Struct(Box::new(Struct {
                schema: Arc::clone(schema),
                values: fields.map(|field| value(rng, &field.schema)).collect(),
            }))
        }
    }
}

impl Round {
    fn new(seed: u64) -> Self {
        let rng = &mut StdRng::seed_from_u64(seed);
        let kinds = [Kind::Json, Kind::Envelopes, Kind::Avro, Kind::Parquet];
        let kind = *kinds.choose(rng).unwrap();
        let mut settings = vec![("flush.size", rng.random_range(1..60).to_string())];
        let mut set = |name, value: &str| settings.push((name, value.to_owned()));
        match kind {
            Kind::Json => set("format.class", &format!("{FORMAT}.json.JsonFormat")),
            Kind::Envelopes => {
                set("format.class", &format!("{FORMAT}.json.JsonFormat"));
                set("millstream.s3.envelope", "true");
            }
            Kind::Avro => set("format.class", &format!("{FORMAT}.avro.AvroFormat")),
            Kind::Parquet => {
                set("format.class", &format!("{FORMAT}.parquet.ParquetFormat"));
                // An empty list of two levels is read back as one that is not there.
                set("millstream.s3.parquet.three.level.lists", "true");
            }
        }
        if matches!(kind, Kind::Json | Kind::Envelopes) {
            match rng.random_range(0..3) {
                0 => set("s3.compression.type", "gzip"),
                1 => set("millstream.s3.zstd.level", "3"),
                _ => {}
            }
        }
        let compatibility = *["NONE", "BACKWARD", "FORWARD", "FULL"].choose(rng).unwrap();
        let compatibility = match kind {
            Kind::Envelopes => "NONE",
            _ => compatibility,
        };
        set("schema.compatibility", compatibility);
        if compatibility == "NONE" && rng.random() {
            set("millstream.s3.file.per.schema", "true");
        }
        if rng.random_bool(0.3) {
            set("millstream.s3.rotate.bytes", "2000");
        }
        if rng.random() {
            let class = "io.confluent.connect.storage.partitioner.HourlyPartitioner";
            set("partitioner.class", class);
            set("timestamp.extractor", "Record");
            set("locale", "en");
            set("timezone", "UTC");
            if rng.random() {
                set("rotate.interval.ms", "3600000");
                if rng.random() {
                    set("millstream.s3.rotate.grace.ms", "600000");
                }
            }
        }
        let versions = versions(rng);
        let (mut version, mut now) = (0, 1_700_000_000_000i64);
        let rows = (0..rng.random_range(50..300)).map(|offset| {
            if rng.random_bool(0.1) {
                version = rng.random_range(0..versions.len());
            }
            now += rng.random_range(0..400_000);
            let schema = Arc::clone(&versions[version]);
            let mut value = value(rng, &schema);
            if let Value::Struct(row) = &mut value {
                row.values[0] = Value::Int64(offset);
            }
            Row {
                value: SchemaAndValue {
                    schema: Some(schema),
                    value,
                },
                timestamp: match rng.random_range(0..60) {
                    0 => now + 1_000_000_000_000,
                    _ => now - rng.random_range(0..500_000),
                },
            }
        });
        let rows = rows.collect();
        Round {
            seed,
            kind,
            settings,
            rows,
        }
    }

    fn batch(&self, rows: Range<usize>) -> Arc<RecordBatch> {
        let count = rows.len();
        let mut values = Decoded::with_capacity(ByteColumn::nulls(count));
        for row in &self.rows[rows.clone()] {
            values.push(SchemaAndValue {
                schema: row.value.schema.clone(),
                value: row.value.value.clone(),
            });
        }
        Arc::new(RecordBatch {
            destination: Destination::Uniform(origin().topic),
            first_offset: rows.start as i64,
            next_offset: rows.end as i64,
            offsets: (rows.start as i64..rows.end as i64).collect(),
            timestamps: self.rows[rows].iter().map(|row| row.timestamp).collect(),
            timestamp_type: TimestampType::CreateTime,
            keys: Payload::undecoded(ByteColumn::nulls(count)),
            values: Payload::Decoded(values),
            headers: Headers::None,
            fetched: Default::default(),
            permit: None,
            origin: origin(),
        })
    }

    async fn task(&self, server: &Server, open: usize) -> Box<dyn SinkTask> {
        let mut properties = Properties::from_iter([
            ("s3.bucket.name", "archive"),
            ("storage.class", "io.confluent.connect.s3.storage.S3Storage"),
            ("aws.access.key.id", "test"),
            ("aws.secret.access.key", "test"),
            ("retry.backoff.ms", "1"),
            ("store.url", server.endpoint.as_str()),
        ]);
        for (name, value) in &self.settings {
            properties.insert(*name, value.as_str());
        }
        let (open, sent) = (ByteBudget::new(open), ByteBudget::new(16 * MIB));
        let context = TaskContext::new("campaign", 0, open, sent);
        let started = S3SinkConnector.start_task(&properties, context).await;
        let mut task = started.unwrap_or_else(|error| panic!("{:?}: {error}", self.settings));
        task.open(&[origin()]).await.unwrap();
        task
    }

    /// The rows of each object, each with its offset.
    fn objects(&self, server: &Server) -> BTreeMap<String, Vec<(i64, String)>> {
        let state = server.state();
        let objects = state.objects.iter();
        let read = objects.map(|(key, object)| (key.clone(), self.read(key, &object.body)));
        read.collect()
    }

    fn read(&self, key: &str, body: &Bytes) -> Vec<(i64, String)> {
        match self.kind {
            Kind::Json | Kind::Envelopes => {
                let lines = match key.rsplit('.').next().unwrap() {
                    "gz" => {
                        let mut plain = Vec::new();
                        let mut decoder = MultiGzDecoder::new(&body[..]);
                        decoder.read_to_end(&mut plain).unwrap();
                        plain
                    }
                    "zst" => zstd::decode_all(&body[..]).unwrap(),
                    _ => body.to_vec(),
                };
                let lines = String::from_utf8(lines).unwrap();
                let rows = lines.lines().map(|line| {
                    let row: serde_json::Value = serde_json::from_str(line).unwrap();
                    let offset = match self.kind {
                        Kind::Envelopes => &row["value"]["offset"],
                        _ => &row["offset"],
                    };
                    (offset.as_i64().unwrap(), line.to_owned())
                });
                rows.collect()
            }
            Kind::Avro => avro_rows(body),
            Kind::Parquet => {
                let file = SerializedFileReader::new(body.clone()).unwrap();
                let rows = file.get_row_iter(None).unwrap().map(|row| {
                    let row = row.unwrap();
                    (row.get_long(0).unwrap(), row.to_string())
                });
                rows.collect()
            }
        }
    }
}

fn origin() -> TopicPartition {
    TopicPartition::new("t", 0)
}

/// The records of a container file.
fn avro_rows(file: &[u8]) -> Vec<(i64, String)> {
    let mut file = container::FileReader::open(file, MIB).unwrap();
    let schema = AvroSchema::parse(file.schema()).unwrap();
    let reader = Reader::new(schema, None, &AvroDataSettings::default()).unwrap();
    let mut rows = Vec::new();
    while let Some(block) = file.next_block().unwrap() {
        let mut bytes = block.bytes.as_slice();
        for _ in 0..block.count {
            let row = reader.take(&mut bytes).unwrap();
            let Value::Struct(fields) = &row else {
                panic!("rows are structs")
            };
            let Value::Int64(offset) = fields.values[0] else {
                panic!("the first field is the offset")
            };
            rows.push((offset, format!("{:?}", fields.values)));
        }
        assert!(bytes.is_empty());
    }
    rows
}

/// A task, and what it has told.
struct Run<'a> {
    round: &'a Round,
    server: Server,
    task: Box<dyn SinkTask>,
    ledger: Ledger,
    durable: i64,
}

impl<'a> Run<'a> {
    async fn new(round: &'a Round, open: usize) -> Self {
        let server = Server::start(true).await;
        Run {
            task: round.task(&server, open).await,
            round,
            server,
            ledger: Ledger::default(),
            durable: 0,
        }
    }

    /// Whether S3 takes what it is to take.
    async fn put(&mut self, rows: Range<usize>, goes_on: bool) {
        let batch = self.round.batch(rows);
        self.ledger.deliver(&batch);
        while let Err(error) = self.task.put(Arc::clone(&batch), 0).await {
            let is_retriable = matches!(error.kind, SinkErrorKind::Retriable { .. });
            assert!(is_retriable, "{error}");
            if !goes_on {
                return;
            }
            let _ = self.task.finish(LONG).await;
            self.poll().await;
        }
        self.poll().await;
    }

    async fn poll(&mut self) {
        if let Ok(progress) = self.task.poll(0).await {
            self.ledger.complete(&progress);
            if let Some(offset) = self.ledger.position(&origin()) {
                assert!(offset >= self.durable, "what is durable stays so");
                self.durable = offset;
            }
        }
    }

    /// The process dies; another one begins where offsets are committed.
    async fn crash(&mut self, open: usize) {
        self.server.state().left = None;
        self.server.state().faults.clear();
        self.task = self.round.task(&self.server, open).await;
        self.ledger.forget(&origin());
    }

    async fn end(mut self) -> (BTreeMap<String, Vec<(i64, String)>>, i64) {
        self.task.finish(LONG).await.unwrap();
        self.poll().await;
        (self.round.objects(&self.server), self.durable)
    }
}

async fn play(round: &Round) {
    let rows = round.rows.len();
    let mut plain = Run::new(round, 64 * MIB).await;
    plain.put(0..rows, true).await;
    let (expected, durable) = plain.end().await;

    let mut stored: Vec<i64> = expected.values().flatten().map(|row| row.0).collect();
    stored.sort_unstable();
    let all: Vec<i64> = (0..durable).collect();
    assert_eq!(stored, all, "each offset is in one object");
    for (key, rows) in &expected {
        let stem = key.rsplit('/').next().unwrap().split('.').next().unwrap();
        assert_eq!(stem, format!("t+0+{:010}", rows[0].0), "{key}");
        assert!(rows.is_sorted_by_key(|row| row.0), "{key}");
    }

    let rng = &mut StdRng::seed_from_u64(round.seed ^ 0x5eed);
    let budget = |rng: &mut StdRng| *[1024, 64 * 1024, 64 * MIB].choose(rng).unwrap();
    let open = budget(rng);
    let mut run = Run::new(round, open).await;
    let mut at = 0;
    while at < rows {
        let end = rows.min(at + rng.random_range(1..40));
        let mut goes_on = true;
        match rng.random_range(0..8) {
            0 => {
                let ops = [
                    "CreateMultipartUpload",
                    "UploadPart",
                    "CompleteMultipartUpload",
                ];
                // Refused, lost on the way, or carried out and the answer lost.
                let fault = match rng.random_range(0..3) {
                    0 => json!({"status": 503, "code": "SlowDown"}),
                    1 => json!({"reset": true}),
                    _ => json!({"reset": true, "forward": true}),
                };
                let mut fault = fault;
                fault["op"] = json!(ops.choose(rng).unwrap());
                fault["times"] = json!(rng.random_range(1..3));
                run.server.state().faults.push(fault);
            }
            1 => {
                run.server.state().left = Some((rng.random_range(1..6), rng.random()));
                goes_on = false;
            }
            _ => {}
        }
        run.put(at..end, goes_on).await;
        at = end;
        if !goes_on {
            let _ = run.task.finish(Duration::from_millis(20)).await;
            run.poll().await;
        }
        if !goes_on || rng.random_bool(0.1) {
            let open = budget(rng);
            run.crash(open).await;
            at = usize::try_from(run.durable).unwrap();
        }
    }
    let (found, reached) = run.end().await;
    assert_eq!(reached, durable);
    let names = |objects: &BTreeMap<String, Vec<(i64, String)>>| -> Vec<String> {
        objects.keys().cloned().collect()
    };
    assert_eq!(names(&found), names(&expected));
    assert_eq!(found, expected);
}

fn number(name: &str, default: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.map_or(default, |text| text.parse().unwrap())
}

#[test]
fn each_offset_is_in_one_object_whatever_happens() {
    let rounds = number("MILLSTREAM_ROUNDS", 3);
    let first = number("MILLSTREAM_SEED", 1);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    for seed in first..first + rounds {
        let round = Round::new(seed);
        eprintln!(
            "seed {seed}: {:?}, {} rows, {:?}",
            round.kind,
            round.rows.len(),
            round.settings
        );
        runtime.block_on(Box::pin(play(&round)));
    }
}
