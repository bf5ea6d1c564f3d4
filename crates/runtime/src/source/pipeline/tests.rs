//! The pipeline between a source that is told what to bring and a Kafka that answers when it is told to.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::error_policy::ErrorPolicy;
use crate::plan::PlanParts;
use crate::source::SourcePlan;
use async_trait::async_trait;
use bytes::Bytes;
use millstream_core::batch::FetchedColumns;
use millstream_core::{
    ByteBudget, ByteColumn, Converter, Destination, ErrorSettings, Header, HeaderConverter,
    Headers, OffsetStore, Payload, RawKind, RecordBatch, RecordError, RecordSender, SchemaAndValue,
    SchemaRef, SourceMap, SourceTask, TaskId, Value,
};
use std::collections::VecDeque;
use std::future::pending;
use std::sync::Mutex;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Writes texts as they are, all but `bad`.
struct Picky;

#[async_trait]
impl Converter for Picky {
    fn class_name(&self) -> &'static str {
        "Picky"
    }

    fn decode(
        &mut self,
        _topic: &str,
        _bytes: Option<&[u8]>,
    ) -> Result<SchemaAndValue, RecordError> {
        Ok(SchemaAndValue::NULL)
    }

    fn encode(
        &mut self,
        _topic: &str,
        _schema: Option<&SchemaRef>,
        value: &Value,
    ) -> Result<Option<Bytes>, RecordError> {
        match value {
            Value::Null => Ok(None),
            value if value.to_string() == "bad" => Err(RecordError::data("bad")),
            value => Ok(Some(Bytes::from(value.to_string()))),
        }
    }
}

impl HeaderConverter for Picky {
    fn class_name(&self) -> &'static str {
        "Picky"
    }

    fn decode(
        &mut self,
        _topic: &str,
        _header: &str,
        _bytes: Option<&[u8]>,
    ) -> Result<SchemaAndValue, RecordError> {
        Ok(SchemaAndValue::NULL)
    }

    fn encode(&mut self, _topic: &str, _header: &Header) -> Result<Option<Bytes>, RecordError> {
        Ok(None)
    }
}

/// Batches of texts with the offset after each, in order.
#[derive(Clone, Default)]
struct Source {
    batches: Arc<Mutex<VecDeque<Vec<(&'static str, i64)>>>>,
    acknowledged: Arc<Mutex<Vec<i64>>>,
}

fn place() -> SourcePlace {
    SourcePlace {
        partition: Arc::new(SourceMap::from_iter([("p", "one")])),
        offset_name: "at",
    }
}

#[async_trait]
impl SourceTask for Source {
    async fn poll(&mut self, _clock: fn() -> i64) -> Result<SourceBatch, SourceError> {
        let batch = self.batches.lock().unwrap().pop_front();
        let Some(rows) = batch else {
            return pending().await;
        };
        let mut column = ByteColumn::new();
        for (text, _) in &rows {
            column.push(Some(Bytes::from_static(text.as_bytes())));
        }
        Ok(SourceBatch {
            records: RecordBatch {
                origin: TopicPartition::new("t", -1),
                destination: Destination::Uniform("t".into()),
                first_offset: 0,
                next_offset: 0,
                timestamps: vec![5; rows.len()],
                timestamp_type: TimestampType::CreateTime,
                keys: Payload::undecoded(ByteColumn::nulls(rows.len())),
                values: Payload::Raw {
                    column,
                    kind: RawKind::String,
                },
                offsets: rows.into_iter().map(|(_, offset)| offset).collect(),
                headers: Headers::None,
                fetched: FetchedColumns::default(),
                permit: None,
            },
            key_schema: None,
            value_schema: None,
            place: Some(place()),
        })
    }

    fn acknowledged(&mut self, rows: &[i64], _now: i64) {
        self.acknowledged.lock().unwrap().extend(rows);
    }
}

/// What was sent, and how each call is to be answered.
#[derive(Clone, Default)]
struct Kafka {
    sent: Arc<Mutex<Vec<(Vec<String>, oneshot::Sender<Result<(), WriteError>>)>>>,
    /// Texts that are never taken.
    refused: &'static [&'static str],
    /// Calls that are refused for now.
    busy: Arc<Mutex<usize>>,
}

fn write_error(is_transient: bool) -> WriteError {
    WriteError {
        topic: "t".into(),
        reason: "no".to_owned(),
        is_transient,
        rejection: None,
    }
}

#[async_trait]
impl RecordSender for Kafka {
    async fn send(&self, records: Vec<OutgoingRecord>) -> Result<Acknowledgement, WriteError> {
        let mut busy = self.busy.lock().unwrap();
        if *busy > 0 {
            *busy -= 1;
            return Err(write_error(true));
        }
        let texts = records
            .into_iter()
            .map(|record| String::from_utf8(record.value.unwrap_or_default().to_vec()).unwrap());
        let texts: Vec<String> = texts.collect();
        if texts.iter().any(|text| self.refused.contains(&&**text)) {
            return Ok(Box::pin(std::future::ready(Err(write_error(false)))));
        }
        let (reply, answer) = oneshot::channel();
        self.sent.lock().unwrap().push((texts, reply));
        Ok(Box::pin(async move {
            answer.await.unwrap_or_else(|_| Err(write_error(true)))
        }))
    }
}

/// Keeps what is written to it, unless it is away.
#[derive(Clone, Default)]
struct Store {
    written: Arc<Mutex<Vec<i64>>>,
    is_away: Arc<Mutex<bool>>,
}

#[async_trait]
impl OffsetStore for Store {
    async fn read(&self, _connector: &str) -> Result<Vec<(SourceMap, SourceMap)>, OffsetError> {
        Ok(Vec::new())
    }

    async fn write(
        &self,
        connector: &str,
        offsets: &[(SourceMap, Option<SourceMap>)],
    ) -> Result<(), OffsetError> {
        assert_eq!(connector, "c");
        if *self.is_away.lock().unwrap() {
            return pending().await;
        }
        for (partition, offset) in offsets {
            assert_eq!(*partition, *place().partition);
            let offset = offset.as_ref().and_then(|offset| offset.get("at"));
            let Some(millstream_core::Plain::Integer(offset)) = offset else {
                panic!("an offset is a number");
            };
            self.written.lock().unwrap().push(*offset);
        }
        Ok(())
    }
}

/// A task that runs, and its surroundings.
struct Stage {
    source: Source,
    kafka: Kafka,
    store: Store,
    target: watch::Sender<Target>,
    events: mpsc::Receiver<TaskEvent>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), TaskFailure>>,
}

impl Stage {
    fn start(batches: &[&[(&'static str, i64)]], tolerance: Tolerance, kafka: Kafka) -> Self {
        let source = Source::default();
        let batches = batches.iter().map(|batch| batch.to_vec());
        source.batches.lock().unwrap().extend(batches);
        let store = Store::default();
        let id = TaskId::new("c", 0);
        let errors = ErrorSettings {
            tolerance,
            log: false,
            log_records: false,
            shows_content: false,
        };
        let parts = SourceParts {
            source: Box::new(source.clone()),
            sender: Arc::new(kafka.clone()),
            plan: SourcePlan::new(PlanParts {
                key: Box::new(Picky),
                value: Box::new(Picky),
                header: Box::new(Picky),
                chain: Vec::new(),
            }),
            errors: Arc::new(ErrorPolicy::new(id.clone(), errors, None)),
            tolerance,
            offsets: Arc::new(store.clone()),
            flush_timeout: Duration::from_secs(5),
            in_flight: ByteBudget::new(1 << 20),
        };
        let settings = TaskSettings {
            id,
            commit_interval: Duration::from_secs(1),
            finish_deadline: Duration::from_secs(3),
            retries_outages: true,
            clock: || 7,
        };
        let (target, targets) = watch::channel(Target::Running);
        let (reports, events) = mpsc::channel(64);
        let stop = CancellationToken::new();
        let metrics = Arc::new(TaskMetrics::default());
        let pipeline =
            SourcePipeline::new(settings, parts, targets, reports, metrics, stop.clone());
        Stage {
            source,
            kafka,
            store,
            target,
            events,
            stop,
            task: tokio::spawn(pipeline.run()),
        }
    }

    /// Lets so much time pass, in which everything happens that can.
    async fn pass(&self, millis: u64) {
        tokio::time::advance(Duration::from_millis(millis)).await;
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }

    fn sent(&self) -> Vec<String> {
        let sent = self.kafka.sent.lock().unwrap();
        sent.iter().map(|(texts, _)| texts.join(" ")).collect()
    }

    /// Kafka answers the first call that it has not answered and that holds this text.
    fn answer(&self, text: &str, outcome: Result<(), WriteError>) {
        let mut sent = self.kafka.sent.lock().unwrap();
        let place = sent
            .iter()
            .position(|(texts, _)| texts.iter().any(|t| t == text))
            .unwrap_or_else(|| panic!("{text} was not sent"));
        let (_, reply) = sent.remove(place);
        reply.send(outcome).unwrap();
    }

    fn written(&self) -> Vec<i64> {
        self.store.written.lock().unwrap().clone()
    }

    async fn end(self) -> (Result<(), TaskFailure>, Vec<i64>, Vec<TaskEvent>) {
        let Stage {
            store,
            task,
            stop,
            mut events,
            ..
        } = self;
        stop.cancel();
        let outcome = task.await.unwrap();
        let mut told = Vec::new();
        while let Some(event) = events.recv().await {
            told.push(event);
        }
        let written = store.written.lock().unwrap().clone();
        (outcome, written, told)
    }
}

#[tokio::test(start_paused = true)]
async fn an_offset_is_stored_once_everything_before_it_is_acknowledged() {
    let stage = Stage::start(
        &[&[("a", 1), ("b", 2)], &[("c", 3)], &[("d", 4)]],
        Tolerance::None,
        Kafka::default(),
    );
    stage.pass(0).await;
    assert_eq!(stage.sent(), ["a b", "c", "d"]);
    stage.answer("c", Ok(()));
    stage.pass(1_000).await;
    assert!(stage.written().is_empty(), "a and b may be lost");
    stage.answer("a", Ok(()));
    stage.pass(1_000).await;
    assert_eq!(stage.written(), [3]);
    assert_eq!(*stage.source.acknowledged.lock().unwrap(), [3, 1, 2]);
    // What is acknowledged while the task stops is stored with its end.
    stage.stop.cancel();
    stage.pass(0).await;
    stage.answer("d", Ok(()));
    let (outcome, written, told) = stage.end().await;
    assert!(outcome.is_ok());
    assert_eq!(written, [3, 4]);
    assert_eq!(told, [TaskEvent::Topic("t".into())]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_within_bounds_and_stores_what_counts() {
    let stage = Stage::start(
        &[&[("a", 1)], &[("b", 2)]],
        Tolerance::None,
        Kafka::default(),
    );
    stage.pass(0).await;
    stage.answer("a", Ok(()));
    stage.pass(0).await;
    let (outcome, written, _) = stage.end().await;
    assert!(outcome.is_ok());
    assert_eq!(written, [1], "b may be lost");
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_not_taken_is_sent_again_and_the_status_says_so() {
    let kafka = Kafka {
        busy: Arc::new(Mutex::new(2)),
        ..Kafka::default()
    };
    let stage = Stage::start(&[&[("a", 1)], &[("b", 2)]], Tolerance::None, kafka);
    stage.pass(0).await;
    assert!(stage.sent().is_empty());
    stage.pass(100).await;
    stage.pass(100).await;
    assert_eq!(stage.sent(), ["a", "b"]);
    stage.answer("a", Ok(()));
    stage.answer("b", Ok(()));
    stage.pass(0).await;
    stage.pass(1_000).await;
    let (_, written, told) = stage.end().await;
    assert_eq!(written, [2]);
    let is = |event: &TaskEvent, what: &str| format!("{event:?}").starts_with(what);
    assert!(is(&told[0], "Degraded") && is(&told[1], "Degraded") && is(&told[2], "Recovered"));
}

#[tokio::test(start_paused = true)]
async fn what_kafka_never_takes_ends_the_task_or_is_skipped_alone() {
    let refusing = || Kafka {
        refused: &["huge"],
        ..Kafka::default()
    };
    let batches: &[&[(&str, i64)]] = &[&[("a", 1), ("huge", 2), ("b", 3)], &[("c", 4)]];
    let stage = Stage::start(batches, Tolerance::None, refusing());
    stage.pass(0).await;
    let failure = stage.task.await.unwrap().unwrap_err();
    assert!(
        failure.trace.starts_with(
            "org.apache.kafka.connect.errors.ConnectException: Unrecoverable exception from producer send callback\n\
             Caused by: org.apache.kafka.common.KafkaException: cannot write to topic t: no"
        ),
        "{failure}"
    );
    let stage = Stage::start(batches, Tolerance::All, refusing());
    stage.pass(0).await;
    stage.answer("a", Ok(()));
    stage.pass(0).await;
    stage.answer("b", Ok(()));
    stage.answer("c", Ok(()));
    stage.pass(0).await;
    stage.pass(1_000).await;
    let (outcome, written, _) = stage.end().await;
    assert!(outcome.is_ok());
    assert_eq!(written, [4]);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_convert_ends_the_task_or_has_no_offset_of_its_own() {
    let batches: &[&[(&str, i64)]] = &[&[("a", 1), ("bad", 2)], &[("bad", 3)]];
    let stage = Stage::start(batches, Tolerance::None, Kafka::default());
    stage.pass(0).await;
    let failure = stage.task.await.unwrap().unwrap_err();
    assert!(
        failure.trace.starts_with(
            "org.apache.kafka.connect.errors.ConnectException: Tolerance exceeded in error handler\n\
             \tat record {topic='t', source offset=2}, stage VALUE_CONVERTER, class Picky"
        ),
        "{failure}"
    );
    let stage = Stage::start(batches, Tolerance::All, Kafka::default());
    stage.pass(0).await;
    stage.answer("a", Ok(()));
    stage.pass(1_000).await;
    assert_eq!(*stage.source.acknowledged.lock().unwrap(), [2, 3, 1]);
    let (outcome, written, _) = stage.end().await;
    assert!(outcome.is_ok());
    assert_eq!(
        written,
        [1],
        "what was dropped is covered by the next that is sent"
    );
}

#[tokio::test(start_paused = true)]
async fn offsets_that_are_not_stored_in_time_are_stored_next_time() {
    let stage = Stage::start(
        &[&[("a", 1)], &[("b", 2)]],
        Tolerance::None,
        Kafka::default(),
    );
    *stage.store.is_away.lock().unwrap() = true;
    stage.pass(0).await;
    stage.answer("a", Ok(()));
    stage.pass(1_000).await;
    stage.answer("b", Ok(()));
    stage.pass(5_000).await;
    *stage.store.is_away.lock().unwrap() = false;
    stage.pass(1_000).await;
    assert_eq!(stage.written(), [2]);
    let (_, _, told) = stage.end().await;
    let told = format!("{told:?}");
    assert!(told.contains("offset.flush.timeout.ms") && told.contains("Recovered"));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_paused_is_not_asked() {
    let mut stage = Stage::start(&[], Tolerance::None, Kafka::default());
    stage.target.send_replace(Target::Paused);
    stage.pass(0).await;
    assert_eq!(stage.events.recv().await, Some(TaskEvent::Paused));
    stage
        .source
        .batches
        .lock()
        .unwrap()
        .push_back(vec![("a", 1)]);
    stage.pass(10_000).await;
    assert!(stage.sent().is_empty());
    stage.target.send_replace(Target::Running);
    stage.pass(0).await;
    assert_eq!(stage.sent(), ["a"]);
    assert_eq!(stage.events.recv().await, Some(TaskEvent::Running));
}

#[tokio::test(start_paused = true)]
async fn a_kafka_that_does_not_answer_is_told_of() {
    let mut stage = Stage::start(&[&[("a", 1)]], Tolerance::None, Kafka::default());
    stage.pass(0).await;
    stage.pass(5_000).await;
    let Some(TaskEvent::Degraded(degraded)) = stage.events.recv().await else {
        panic!("nothing is told");
    };
    assert_eq!(degraded.reason, "Kafka does not acknowledge records yet");
    stage.answer("a", Ok(()));
    stage.pass(0).await;
    assert_eq!(stage.events.recv().await, Some(TaskEvent::Recovered));
}
