//! The task with a container as its format, whose bytes cannot be taken back: rows that fail, spilling, parts, rotations,
//! faults of S3 and partitions that come and go, in any order.
#![allow(clippy::unwrap_used)]

// Each test program uses a part of it.
#[allow(dead_code)]
#[path = "../../tests/support/server.rs"]
mod server;

use super::*;
use crate::compress::Compressors;
use crate::config::{self, S3Config};
use crate::format::container::{self, BAD, Container};
use crate::format::{Output, Part};
use bytes::Bytes;
use flate2::read::GzDecoder;
use millstream_core::contract::Ledger;
use millstream_core::{
    ByteBudget, ByteColumn, Header, Headers, Payload, Properties, RawKind, TimestampType, Value,
};
use proptest::prelude::*;
use serde_json::json;
use server::Server;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

const MIB: usize = 1 << 20;
const PARTITIONS: i32 = 4;
const LONG: Duration = Duration::from_secs(20);

/// What a run is set up with.
#[derive(Clone, Copy, Debug)]
struct Setup {
    flush_size: usize,
    /// Memory for what is open.
    budget: usize,
    part_size: usize,
    is_compressed: bool,
    /// Whether keys and headers are stored beside the values.
    has_siblings: bool,
    is_scheduled: bool,
}

#[derive(Clone, Debug)]
enum Step {
    /// Rows for a partition: which of their parts is bad, if any.
    Put(i32, Vec<Row>),
    /// The next requests for parts fail.
    Fault(u32),
    /// The partition goes and comes back: what is not durable is read again.
    Move(i32),
    Later(i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row {
    Good { size: usize },
    BadValue,
    BadKey,
    NoKey,
    BadHeader,
}

async fn start(server: &Server, setup: Setup, open: &ByteBudget) -> S3Task {
    let schedule = if setup.is_scheduled { "1000" } else { "-1" };
    let properties = Properties::from_iter([
        ("s3.bucket.name", "archive".to_owned()),
        ("flush.size", setup.flush_size.to_string()),
        ("storage.class", config::S3_STORAGE.to_owned()),
        ("format.class", config::JSON_FORMAT.to_owned()),
        ("aws.access.key.id", "test".to_owned()),
        ("aws.secret.access.key", "test".to_owned()),
        ("retry.backoff.ms", "1".to_owned()),
        ("store.url", server.endpoint.clone()),
        ("keys.format.class", config::JSON_FORMAT.to_owned()),
        ("headers.format.class", config::JSON_FORMAT.to_owned()),
        ("store.kafka.keys", setup.has_siblings.to_string()),
        ("store.kafka.headers", setup.has_siblings.to_string()),
        ("rotate.schedule.interval.ms", schedule.to_owned()),
        ("enable.conditional.writes", "false".to_owned()),
        ("timezone", "UTC".to_owned()),
    ]);
    let values = config::definition().validate(&properties);
    let config = S3Config::from_values(&values).unwrap();
    let mut settings = Settings::new(&config, &properties)
        .map_err(SinkError::from)
        .unwrap();
    let compressors = setup.is_compressed.then(|| Compressors::gzip(-1));
    let output = |part: Part| {
        Arc::new(Output {
            format: Arc::new(Container),
            part,
            extension: ".blocks".to_owned(),
            compressors: compressors.clone(),
        })
    };
    settings.values = output(Part::Values);
    settings.keys = setup.has_siblings.then(|| output(Part::Keys));
    settings.headers = setup.has_siblings.then(|| output(Part::Headers));
    settings.compressors = compressors;
    // Far less than S3 takes: so that objects have several.
    settings.part_size = setup.part_size;
    let (signs, checksums) = (settings.signs_payload, settings.checksums);
    let store = Box::pin(Store::new(&config, &properties, signs, checksums)).await;
    let context = TaskContext {
        has_reporter: true,
        goes_on_after_rejected: true,
        ..TaskContext::new("container", 0, open.clone(), ByteBudget::new(16 * MIB))
    };
    S3Task::new(settings, store.unwrap(), &context)
}

fn batch(partition: i32, first: i64, rows: &[Row]) -> Arc<RecordBatch> {
    let origin = TopicPartition::new("t", partition);
    let (mut keys, mut values, mut headers) = (ByteColumn::new(), ByteColumn::new(), Vec::new());
    for (offset, row) in (first..).zip(rows) {
        let name = format!("{partition} {offset}");
        let or_bad = |is_bad: bool| Bytes::from(if is_bad { BAD.to_owned() } else { name.clone() });
        let mut value = or_bad(*row == Row::BadValue);
        if let Row::Good { size } = row {
            value = Bytes::from(format!("{name} {}", "x".repeat(*size)));
        }
        values.push(Some(value));
        keys.push((*row != Row::NoKey).then(|| or_bad(*row == Row::BadKey)));
        headers.push(vec![Header {
            key: "h".to_owned(),
            schema: None,
            value: Value::Bytes(or_bad(*row == Row::BadHeader)),
        }]);
    }
    let raw = |column| Payload::Raw {
        column,
        kind: RawKind::String,
    };
    Arc::new(RecordBatch {
        destination: Destination::Uniform(origin.topic.clone()),
        first_offset: first,
        next_offset: first + rows.len() as i64,
        offsets: (first..first + rows.len() as i64).collect(),
        timestamps: vec![0; rows.len()],
        timestamp_type: TimestampType::CreateTime,
        keys: raw(keys),
        values: raw(values),
        headers: Headers::Decoded {
            rows: headers,
            raw: None,
        },
        fetched: Default::default(),
        permit: None,
        origin,
    })
}

/// A task, what Kafka has, and what came of it.
struct Run {
    server: Server,
    setup: Setup,
    open: ByteBudget,
    task: S3Task,
    now: i64,
    /// All rows of each partition.
    log: BTreeMap<i32, Vec<Row>>,
    ledger: Ledger,
    durable: BTreeMap<i32, i64>,
    rejected: BTreeSet<(i32, i64)>,
}

impl Run {
    async fn new(setup: Setup) -> Self {
        let server = Server::start(true).await;
        let open = ByteBudget::new(setup.budget);
        let mut task = start(&server, setup, &open).await;
        let all: Vec<TopicPartition> = (0..PARTITIONS)
            .map(|number| TopicPartition::new("t", number))
            .collect();
        task.open(&all).await.unwrap();
        Run {
            server,
            setup,
            open,
            task,
            now: 0,
            log: BTreeMap::new(),
            ledger: Ledger::default(),
            durable: BTreeMap::new(),
            rejected: BTreeSet::new(),
        }
    }

    async fn perform(&mut self, step: Step) {
        match step {
            Step::Put(partition, rows) => {
                let log = self.log.entry(partition).or_default();
                let first = log.len() as i64;
                log.extend(&rows);
                self.put(batch(partition, first, &rows)).await;
            }
            Step::Fault(times) => {
                let fault =
                    json!({"op": "UploadPart", "times": times, "status": 503, "code": "SlowDown"});
                self.server.state().faults = vec![fault];
            }
            Step::Later(millis) => self.now += millis,
            Step::Move(partition) => {
                let origin = TopicPartition::new("t", partition);
                // What is durable is committed before a partition goes.
                self.task.finish(LONG).await.unwrap();
                self.poll().await;
                self.task.close(std::slice::from_ref(&origin)).await;
                self.ledger.forget(&origin);
                self.task.open(&[origin]).await.unwrap();
                let from = self.durable.get(&partition).copied().unwrap_or(0);
                let rows = self.log.get(&partition).cloned().unwrap_or_default();
                if rows.len() as i64 > from {
                    self.put(batch(partition, from, &rows[from as usize..]))
                        .await;
                }
            }
        }
        self.poll().await;
    }

    async fn put(&mut self, rows: Arc<RecordBatch>) {
        self.ledger.deliver(&rows);
        while let Err(error) = self.task.put(Arc::clone(&rows), self.now).await {
            assert!(
                matches!(error.kind, millstream_core::SinkErrorKind::Retriable { .. }),
                "{error}"
            );
            self.task.finish(LONG).await.unwrap();
            self.poll().await;
        }
    }

    async fn poll(&mut self) {
        if let Ok(progress) = self.task.poll(self.now).await {
            for (origin, _) in self.ledger.complete(&progress) {
                if let Some(offset) = self.ledger.position(&origin) {
                    self.durable.insert(origin.partition, offset);
                }
            }
            let rejected = progress.rejected.iter();
            self.rejected
                .extend(rejected.map(|row| (row.origin.partition, row.offset)));
        }
        let context = &self.task.context;
        self.task
            .writers
            .agree_with_a_look_at_each(&context.settings, context.memory.held());
    }

    fn is_good(&self, row: Row) -> bool {
        match row {
            Row::Good { .. } => true,
            Row::BadValue => false,
            Row::BadKey | Row::NoKey | Row::BadHeader => !self.setup.has_siblings,
        }
    }

    /// The rows of an object, by the name that each tells.
    fn read(&self, body: &[u8], part: Part) -> Vec<(i32, i64)> {
        let mut plain = body.to_vec();
        if self.setup.is_compressed {
            plain.clear();
            GzDecoder::new(body).read_to_end(&mut plain).unwrap();
        }
        let (head, rows) = container::read(&plain);
        let kind = if part == Part::Headers {
            "none"
        } else {
            "STRING"
        };
        assert_eq!(head, format!("{part:?} {kind}\n"));
        let names = rows.iter().map(|row| {
            let mut words = row.split(' ').map(|word| word.parse::<i64>());
            let mut next = || words.next().unwrap().unwrap();
            (next() as i32, next())
        });
        names.collect()
    }

    /// Whatever is durable is in exactly one object, in order, and so are its key and headers; all else was rejected.
    fn judge(&self) {
        let state = self.server.state();
        let mut stored: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
        for (key, object) in &state.objects {
            if key.ends_with(".keys.blocks") || key.ends_with(".headers.blocks") {
                assert!(self.setup.has_siblings);
                continue;
            }
            let rows = self.read(&object.body, Part::Values);
            let (partition, first) = rows[0];
            let stem = format!("topics/t/partition={partition}/t+{partition}+{first:010}");
            assert_eq!(*key, format!("{stem}.blocks"));
            if self.setup.has_siblings {
                for (part, name) in [(Part::Keys, "keys"), (Part::Headers, "headers")] {
                    let sibling = &state.objects[&format!("{stem}.{name}.blocks")];
                    assert_eq!(self.read(&sibling.body, part), rows);
                }
            }
            let stored = stored.entry(partition).or_default();
            stored.extend(rows.iter().map(|(_, offset)| *offset));
        }
        for (partition, log) in &self.log {
            let durable = self.durable.get(partition).copied().unwrap_or(0);
            let rows = (0..).zip(log).filter(|(offset, _)| *offset < durable);
            let good: Vec<i64> = rows
                .filter(|(_, row)| self.is_good(**row))
                .map(|(offset, _)| offset)
                .collect();
            let stored = stored.remove(partition).unwrap_or_default();
            // What is stored and not known to be durable went with its partition, and came again under the same name.
            assert_eq!(stored, good, "partition {partition}");
            for (offset, row) in (0..).zip(log) {
                let was_rejected = self.rejected.contains(&(*partition, offset));
                assert_eq!(was_rejected, !self.is_good(*row), "{partition} {offset}");
            }
        }
    }

    /// Nothing is left behind, not even memory.
    async fn end(mut self) {
        self.task.finish(LONG).await.unwrap();
        self.poll().await;
        self.judge();
        let all: Vec<TopicPartition> = (0..PARTITIONS)
            .map(|number| TopicPartition::new("t", number))
            .collect();
        self.task.close(&all).await;
        assert_eq!(self.server.state().unfinished_uploads(), 0);
        let later = self.now + 60_000;
        let _ = self.task.poll(self.now).await;
        let _ = self.task.poll(later).await;
        assert_eq!(self.task.context.memory.held(), 0);
        assert_eq!(self.open.available(), self.setup.budget);
    }
}

fn row() -> impl Strategy<Value = Row> {
    prop_oneof![
        12 => (0..300usize).prop_map(|size| Row::Good { size }),
        1 => (5_000..40_000usize).prop_map(|size| Row::Good { size }),
        1 => Just(Row::BadValue),
        1 => Just(Row::BadKey),
        1 => Just(Row::NoKey),
        1 => Just(Row::BadHeader),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..PARTITIONS, proptest::collection::vec(row(), 1..60)).prop_map(|(partition, rows)| Step::Put(partition, rows)),
        1 => (1..4u32).prop_map(Step::Fault),
        1 => (0..PARTITIONS).prop_map(Step::Move),
        2 => (0..2_000i64).prop_map(Step::Later),
    ]
}

fn setup() -> impl Strategy<Value = Setup> {
    let budget = prop_oneof![Just(1024), Just(128 * 1024), Just(64 * MIB)];
    let part_size = prop_oneof![Just(8 * 1024), Just(MIB)];
    (1..200usize, budget, part_size, any::<[bool; 3]>()).prop_map(
        |(flush_size, budget, part_size, [is_compressed, has_siblings, is_scheduled])| Setup {
            flush_size,
            budget,
            part_size,
            is_compressed,
            has_siblings,
            is_scheduled,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_container_holds_each_row_once_whatever_happens(
        setup in setup(),
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut run = Run::new(setup).await;
            for step in steps {
                run.perform(step).await;
            }
            run.end().await;
        });
    }
}
