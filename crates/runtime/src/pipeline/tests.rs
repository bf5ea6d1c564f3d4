//! The pipeline against a scripted consumer and a recording sink.

use super::*;
use crate::dead_letter::DeadLetters;
use crate::plan::PlanParts;
use crate::run::run_task;
use crate::task::{SinkParts, TaskParts};
use async_trait::async_trait;
use bytes::Bytes;
use millstream_core::converter::RowErrors;
use millstream_core::rejected::Stage;
use millstream_core::{
    ByteColumn, ColumnNeed, Confirms, ConsumerError, Converter, Destination, ErrorSettings,
    FetchedColumns, Header, HeaderConverter, Headers, OutgoingRecord, Payload, Progress, RawKind,
    RecordError, RecordWriter, SchemaAndValue, SchemaRef, SinkNeeds, TaskId, TimestampType,
    Tolerance, Value, WriteError,
};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Mutex;
use tokio::sync::oneshot;
use tokio::time::sleep;

/// What consumer and sink were asked to do, in order.
type Log = Arc<Mutex<Vec<String>>>;

fn note(log: &Log, line: String) {
    log.lock()
        .expect("no test panics while it holds the log")
        .push(line);
}

/// The commit during which the coordinator hangs.
const NEVER_ANSWERED: &str = "t-0@1001";

struct Script {
    items: VecDeque<Fetched>,
    /// When the task is stopped, in the paused time of the test.
    end: Instant,
    log: Log,
    stop: CancellationToken,
    confirms: Confirms,
}

impl Script {
    async fn end(&self) -> Fetched {
        sleep_until(self.end).await;
        self.stop.cancel();
        std::future::pending().await
    }
}

#[async_trait]
impl Consumer for Script {
    async fn next(&mut self) -> Fetched {
        match self.items.pop_front() {
            Some(item) => item,
            None => self.end().await,
        }
    }

    async fn next_event(&mut self) -> Fetched {
        let is_event = |item: &Fetched| !matches!(item, Fetched::Batch(_) | Fetched::Failed(_));
        let Some(index) = self.items.iter().position(is_event) else {
            return self.end().await;
        };
        let event = self.items.remove(index).expect("it was found");
        if matches!(event, Fetched::Revoked { .. } | Fetched::Lost(_)) {
            // What was fetched of partitions that go is not delivered any more.
            self.items.drain(..index);
        }
        event
    }

    async fn commit(
        &mut self,
        offsets: &[(TopicPartition, i64, String)],
    ) -> Result<(), ConsumerError> {
        let offsets: Vec<String> = offsets
            .iter()
            .map(|(tp, o, _)| format!("{tp}@{o}"))
            .collect();
        note(&self.log, format!("commit {}", offsets.join(" ")));
        if offsets == [NEVER_ANSWERED] {
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    fn confirms(&self) -> Confirms {
        self.confirms
    }

    async fn confirm(
        &mut self,
        done: &[(TopicPartition, Range<i64>)],
    ) -> Result<(), ConsumerError> {
        let done: Vec<String> = done.iter().map(|(tp, r)| format!("{tp}@{r:?}")).collect();
        note(&self.log, format!("confirm {}", done.join(" ")));
        Ok(())
    }

    fn pause(&mut self, partitions: &[TopicPartition]) {
        note(&self.log, format!("pause {}", some_of(partitions)));
    }

    fn resume(&mut self, partitions: &[TopicPartition]) {
        note(&self.log, format!("resume {}", some_of(partitions)));
    }

    fn seek(&mut self, partition: &TopicPartition, offset: i64) {
        note(&self.log, format!("seek {partition}@{offset}"));
    }

    async fn close(self: Box<Self>, _: Duration) {
        note(&self.log, "leave".to_owned());
    }
}

struct Recorder {
    log: Log,
    /// How long it works on a batch before it has progressed; without, a batch is done at once.
    work: Option<Duration>,
    /// When it has progressed next.
    progress_at: Option<Instant>,
    /// Refusals to give before the first batch is taken.
    refusals: usize,
    /// After so many batches, so many refusals.
    refuses_behind: Option<(usize, usize)>,
    done: Vec<(TopicPartition, Range<i64>)>,
    /// Rejects what it has taken, with the next poll, and has more to report after `finish`.
    rejects: bool,
    rejected: Rejected,
    /// Where to go on from after the first batch.
    rewind: Option<i64>,
    /// Fails for good with this batch, counted from 0.
    fails_at: Option<usize>,
    taken: usize,
}

impl Recorder {
    fn new(log: &Log) -> Self {
        Recorder {
            log: log.clone(),
            work: None,
            progress_at: None,
            refusals: 0,
            refuses_behind: None,
            done: Vec::new(),
            rejects: false,
            rejected: Rejected::default(),
            rewind: None,
            fails_at: None,
            taken: 0,
        }
    }
}

#[async_trait]
impl SinkTask for Recorder {
    fn needs(&self) -> SinkNeeds {
        let value = ColumnNeed::RawOr(&[RawKind::Bytes]);
        SinkNeeds {
            key: ColumnNeed::Nothing,
            value,
            headers: false,
        }
    }

    async fn open(&mut self, partitions: &[TopicPartition]) -> Result<(), SinkError> {
        note(&self.log, format!("open {}", partitions[0]));
        Ok(())
    }

    async fn put(&mut self, batch: Arc<RecordBatch>, _: i64) -> Result<(), SinkError> {
        let behind = self.refuses_behind.as_mut();
        let behind = behind.filter(|(taken, left)| *taken == self.taken && *left > 0);
        if self.refusals > 0 || behind.is_some() {
            self.refusals = self.refusals.saturating_sub(1);
            if let Some((_, left)) = behind {
                *left -= 1;
            }
            note(&self.log, "refuse".to_owned());
            return Err(SinkError::retriable("busy", Duration::from_secs(5)));
        }
        if self.fails_at == Some(self.taken) {
            return Err(SinkError::fatal("broken"));
        }
        self.taken += 1;
        note(&self.log, format!("put {:?}", batch.offsets));
        self.progress_at = self.work.map(|work| Instant::now() + work);
        self.done
            .push((batch.origin.clone(), batch.first_offset..batch.next_offset));
        if self.rejects {
            let error = RecordError::data("it is late");
            self.rejected
                .push(&batch, 0, Stage::TaskPut, "Recorder", error);
        }
        Ok(())
    }

    async fn progressed(&mut self) {
        match self.progress_at {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    async fn poll(&mut self, _: i64) -> Result<Progress, SinkError> {
        if let Some(at) = self.progress_at {
            if Instant::now() < at {
                return Ok(Progress::default());
            }
            self.progress_at = None;
            let late = Instant::now() - at;
            note(&self.log, format!("heard after {late:?}"));
        }
        Ok(Progress {
            done: std::mem::take(&mut self.done),
            rejected: std::mem::take(&mut self.rejected.rows),
            ..Progress::default()
        })
    }

    fn take_rewinds(&mut self) -> Vec<(TopicPartition, i64)> {
        let rewind = self.rewind.take_if(|_| self.taken > 0);
        rewind
            .map(|offset| (TopicPartition::new("t", 0), offset))
            .into_iter()
            .collect()
    }

    async fn finish(&mut self, _: Duration) -> Result<(), SinkError> {
        note(&self.log, "finish".to_owned());
        if self.rejects {
            self.done.push((TopicPartition::new("t", 0), 0..1001));
        }
        Ok(())
    }

    async fn close(&mut self, _: &[TopicPartition]) {
        note(&self.log, "close".to_owned());
    }
}

/// Passes bytes, but refuses a value `bad`.
struct Picky;

#[async_trait]
impl Converter for Picky {
    fn class_name(&self) -> &'static str {
        "Picky"
    }

    fn raw_kind(&self) -> Option<RawKind> {
        Some(RawKind::Bytes)
    }

    fn to_raw(&mut self, _: &str, column: &ByteColumn, errors: &mut RowErrors) -> ByteColumn {
        for (row, bytes) in column.iter().enumerate() {
            if bytes == Some(b"bad") {
                errors.push((row, RecordError::data("it is bad")));
            }
        }
        column.clone()
    }

    fn decode(&mut self, _: &str, bytes: Option<&[u8]>) -> Result<SchemaAndValue, RecordError> {
        let value = bytes.map_or(Value::Null, |b| Value::Bytes(Bytes::copy_from_slice(b)));
        Ok(SchemaAndValue {
            schema: None,
            value,
        })
    }

    fn encode(
        &mut self,
        _: &str,
        _: Option<&SchemaRef>,
        _: &Value,
    ) -> Result<Option<Bytes>, RecordError> {
        Ok(None)
    }
}

impl HeaderConverter for Picky {
    fn class_name(&self) -> &'static str {
        "Picky"
    }

    fn never_fails(&self) -> bool {
        true
    }

    fn decode(
        &mut self,
        _: &str,
        _: &str,
        _: Option<&[u8]>,
    ) -> Result<SchemaAndValue, RecordError> {
        Ok(SchemaAndValue::NULL)
    }

    fn encode(&mut self, _: &str, _: &Header) -> Result<Option<Bytes>, RecordError> {
        Ok(None)
    }
}

fn batch(first: i64, values: &[&'static str]) -> Fetched {
    let mut column = ByteColumn::new();
    for value in values {
        column.push(Some(Bytes::from_static(value.as_bytes())));
    }
    let rows = values.len();
    Fetched::Batch(RecordBatch {
        origin: TopicPartition::new("t", 0),
        destination: Destination::Uniform("t".into()),
        first_offset: first,
        next_offset: first + rows as i64,
        offsets: (first..first + rows as i64).collect(),
        timestamps: vec![0; rows],
        timestamp_type: TimestampType::CreateTime,
        keys: Payload::undecoded(ByteColumn::nulls(rows)),
        values: Payload::undecoded(column),
        headers: Headers::None,
        fetched: FetchedColumns::default(),
        permit: None,
    })
}

fn assigned() -> Fetched {
    Fetched::Assigned(vec![TopicPartition::new("t", 0)])
}

fn revoked() -> (Fetched, oneshot::Receiver<()>) {
    let (done, released) = oneshot::channel();
    (
        Fetched::Revoked {
            partitions: vec![TopicPartition::new("t", 0)],
            done,
        },
        released,
    )
}

/// A dead-letter topic that takes nothing for this long.
struct Slow(Duration);

#[async_trait]
impl RecordWriter for Slow {
    async fn write(&self, _: Vec<OutgoingRecord>) -> Result<(), WriteError> {
        sleep(self.0).await;
        Ok(())
    }
}

/// Runs the items through a pipeline until they are used up; gives the outcome and the log.
async fn run(
    items: impl IntoIterator<Item = Fetched>,
    tolerance: Tolerance,
    refusals: usize,
) -> (Result<(), TaskFailure>, String) {
    run_with(items, tolerance, refusals, None, false).await
}

/// As `run`, with a dead-letter topic.
async fn run_with(
    items: impl IntoIterator<Item = Fetched>,
    tolerance: Tolerance,
    refusals: usize,
    dead_letters: Option<Slow>,
    rejects: bool,
) -> (Result<(), TaskFailure>, String) {
    let log = Log::default();
    let sink = Recorder {
        refusals,
        rejects,
        ..Recorder::new(&log)
    };
    let played = Box::pin(play(items, sink, tolerance, dead_letters)).await;
    (played.outcome, played.log)
}

struct Played {
    outcome: Result<(), TaskFailure>,
    log: String,
    events: Vec<TaskEvent>,
    counts: crate::metrics::Counts,
}

async fn play(
    items: impl IntoIterator<Item = Fetched>,
    sink: Recorder,
    tolerance: Tolerance,
    dead_letters: Option<Slow>,
) -> Played {
    let scene = Scene {
        tolerance,
        dead_letters,
        ..Scene::new(items, sink)
    };
    scene.play().await
}

/// What a pipeline meets.
struct Scene {
    items: Vec<Fetched>,
    sink: Recorder,
    tolerance: Tolerance,
    dead_letters: Option<Slow>,
    commit_interval: Duration,
    confirms: Confirms,
    /// What the owner wants, and after how many seconds.
    targets: Vec<(u64, Target)>,
    fetched: ByteBudget,
    lasts: Duration,
}

impl Scene {
    fn new(items: impl IntoIterator<Item = Fetched>, sink: Recorder) -> Self {
        Scene {
            items: items.into_iter().collect(),
            sink,
            tolerance: Tolerance::None,
            dead_letters: None,
            commit_interval: Duration::from_secs(60),
            confirms: Confirms::Prefix,
            targets: Vec::new(),
            fetched: ByteBudget::new(1 << 20),
            lasts: Duration::from_secs(30),
        }
    }

    /// Plays it to its end, or until the task fails.
    async fn play(mut self) -> Played {
        let log = self.sink.log.clone();
        let stop = CancellationToken::new();
        let id = TaskId::new("c", 0);
        let start = Instant::now();
        let consumer = Script {
            items: self.items.into(),
            end: start + self.lasts,
            log: log.clone(),
            stop: stop.clone(),
            confirms: self.confirms,
        };
        let parts = PlanParts {
            key: Box::new(Picky),
            value: Box::new(Picky),
            header: Box::new(Picky),
            chain: Vec::new(),
        };
        let plan = Plan::new(parts, &mut self.sink);
        let errors = ErrorSettings {
            tolerance: self.tolerance,
            log: false,
            log_records: false,
            shows_content: false,
        };
        let letters = |writer| DeadLetters::new(id.clone(), "dead", false, Arc::new(writer));
        let dead_letters = self.dead_letters.map(letters);
        let parts = TaskParts::Sink(SinkParts {
            consumer: Box::new(consumer),
            sink: Box::new(self.sink),
            plan,
            errors: ErrorPolicy::new(id.clone(), errors, dead_letters),
            fetched: self.fetched,
        });
        let settings = TaskSettings {
            id,
            commit_interval: self.commit_interval,
            finish_deadline: Duration::from_secs(5),
            retries_outages: true,
            clock: || 0,
        };
        let (owner, targets) = watch::channel(Target::Running);
        let (reports, mut reported) = mpsc::channel(64);
        let metrics = Arc::new(TaskMetrics::default());
        let task = run_task(
            settings,
            Box::pin(async { Ok(parts) }),
            targets,
            reports,
            Arc::clone(&metrics),
            stop,
        );
        let turns = async {
            for (seconds, target) in self.targets {
                sleep_until(start + Duration::from_secs(seconds)).await;
                note(&log, format!("{target:?} wanted"));
                owner.send_replace(target);
            }
            std::future::pending::<()>().await
        };
        let outcome = tokio::select! {
            outcome = task => outcome,
            () = turns => unreachable!("it waits for ever"),
        };
        let mut events = Vec::new();
        while let Ok(event) = reported.try_recv() {
            events.push(event);
        }
        Played {
            outcome,
            log: log.lock().expect("the pipeline has ended").join("; "),
            events,
            counts: metrics.counts(),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_finishes_commits_and_leaves() {
    let (outcome, log) = run(
        [assigned(), batch(0, &["a", "b"]), batch(2, &["c"])],
        Tolerance::None,
        0,
    )
    .await;
    assert!(outcome.is_ok());
    assert_eq!(
        log,
        "open t-0; put [0, 1]; put [2]; finish; commit t-0@3; close; leave"
    );
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_hangs_holds_up_no_stop() {
    let (outcome, log) = run([assigned(), batch(1000, &["a"])], Tolerance::None, 0).await;
    assert!(outcome.is_ok());
    assert_eq!(
        log,
        "open t-0; put [1000]; finish; commit t-0@1001; close; leave"
    );
}

#[tokio::test(start_paused = true)]
async fn a_poison_record_fails_the_task_before_its_batch_is_put() {
    let items = [
        assigned(),
        batch(0, &["a"]),
        batch(1, &["b", "bad", "c"]),
        batch(4, &["d"]),
    ];
    let (outcome, log) = run(items, Tolerance::None, 0).await;
    let trace = outcome.expect_err("nothing is tolerated").trace;
    assert!(
        trace.contains("topic='t', partition=0, offset=2"),
        "{trace}"
    );
    assert!(trace.contains("it is bad"), "{trace}");
    // What is durable is committed on every way out, as in Java.
    assert_eq!(log, "open t-0; put [0]; finish; commit t-0@1; close; leave");
}

/// A sink that has failed is asked nothing any more; what it said before counts.
#[tokio::test(start_paused = true)]
async fn a_task_that_its_sink_fails_commits_what_is_durable() {
    let log = Log::default();
    let sink = Recorder {
        fails_at: Some(1),
        ..Recorder::new(&log)
    };
    let items = [assigned(), batch(0, &["a", "b"]), batch(2, &["c"])];
    let played = Scene::new(items, sink).play().await;
    let trace = played.outcome.expect_err("the sink is broken").trace;
    assert!(trace.contains("broken"), "{trace}");
    assert_eq!(
        played.log,
        "open t-0; put [0, 1]; commit t-0@2; close; leave"
    );
}

/// `PUT /connectors/{name}/pause` and `resume` while the sink's server is away.
#[tokio::test(start_paused = true)]
async fn a_pause_takes_effect_during_an_outage() {
    let log = Log::default();
    let sink = Recorder {
        refusals: 4,
        ..Recorder::new(&log)
    };
    let scene = Scene {
        targets: vec![(7, Target::Paused), (12, Target::Running)],
        ..Scene::new([assigned(), batch(0, &["a"]), batch(1, &["b"])], sink)
    };
    let played = scene.play().await;
    assert!(played.outcome.is_ok());
    // The batch in hand was read before the pause, and goes on being offered as in Java.
    assert_eq!(
        played.log,
        "open t-0; refuse; refuse; Paused wanted; pause t-0; refuse; Running wanted; resume t-0; \
         refuse; put [0]; put [1]; finish; commit t-0@2; close; leave"
    );
    assert!(played.events.contains(&TaskEvent::Paused));
}

#[tokio::test(start_paused = true)]
async fn a_pause_takes_effect_while_dead_letters_wait() {
    let log = Log::default();
    let scene = Scene {
        tolerance: Tolerance::All,
        dead_letters: Some(Slow(Duration::from_secs(10))),
        targets: vec![(5, Target::Paused), (6, Target::Running)],
        ..Scene::new([assigned(), batch(0, &["bad", "b"])], Recorder::new(&log))
    };
    let played = scene.play().await;
    assert!(played.outcome.is_ok());
    assert_eq!(
        played.log,
        "open t-0; Paused wanted; pause t-0; Running wanted; resume t-0; put [1]; finish; \
         commit t-0@2; close; leave"
    );
}

/// A stop waits for no outage.
#[tokio::test(start_paused = true)]
async fn a_stop_ends_an_outage() {
    let log = Log::default();
    let sink = Recorder {
        refusals: 100,
        ..Recorder::new(&log)
    };
    let played = Scene::new([assigned(), batch(0, &["a"])], sink)
        .play()
        .await;
    assert!(played.outcome.is_ok());
    let end = played.log.rsplit("refuse; ").next();
    assert_eq!(end, Some("finish; close; leave"));
}

/// What is durable is committed on the interval, whatever else the task waits for.
#[tokio::test(start_paused = true)]
async fn commits_go_on_during_outages() {
    let log = Log::default();
    let scene = Scene {
        tolerance: Tolerance::All,
        dead_letters: Some(Slow(Duration::from_secs(15))),
        commit_interval: Duration::from_secs(7),
        ..Scene::new(
            [assigned(), batch(0, &["a", "b"]), batch(2, &["bad"])],
            Recorder::new(&log),
        )
    };
    let played = scene.play().await;
    assert!(played.outcome.is_ok());
    assert_eq!(
        played.log,
        "open t-0; put [0, 1]; commit t-0@2; put []; commit t-0@3; finish; close; leave"
    );
    let log = Log::default();
    let sink = Recorder {
        work: Some(Duration::from_secs(2)),
        refusals: 0,
        refuses_behind: Some((1, 2)),
        ..Recorder::new(&log)
    };
    let scene = Scene {
        commit_interval: Duration::from_secs(4),
        ..Scene::new([assigned(), batch(0, &["a"]), batch(1, &["b"])], sink)
    };
    let played = scene.play().await;
    assert!(played.outcome.is_ok());
    assert_eq!(
        played.log,
        "open t-0; put [0]; refuse; heard after 0ns; refuse; commit t-0@1; put [1]; \
         heard after 0ns; commit t-0@2; finish; close; leave"
    );
}

/// Rows that a sink rejects late hold back the offset, and not what can be said of other partitions or rows.
#[tokio::test(start_paused = true)]
async fn a_source_of_ranges_hears_of_each_when_it_is_done() {
    let log = Log::default();
    let sink = Recorder {
        rejects: true,
        ..Recorder::new(&log)
    };
    let scene = Scene {
        tolerance: Tolerance::All,
        dead_letters: Some(Slow(Duration::from_secs(3))),
        confirms: Confirms::Ranges,
        ..Scene::new([assigned(), batch(0, &["a", "b", "c"])], sink)
    };
    let played = scene.play().await;
    assert!(played.outcome.is_ok());
    assert_eq!(
        played.log,
        "open t-0; put [0, 1, 2]; confirm t-0@1..3; confirm t-0@0..1; finish; commit t-0@3; close; leave"
    );
}

/// A refused batch is due again while rows that the sink rejected meanwhile are still being settled: the task waits for
/// those, and does not run in a circle until then.
#[tokio::test(start_paused = true)]
async fn a_refused_batch_waits_for_rows_that_are_being_settled() {
    let log = Log::default();
    let sink = Recorder {
        work: Some(Duration::from_secs(3)),
        refuses_behind: Some((1, 1)),
        rejects: true,
        ..Recorder::new(&log)
    };
    let scene = Scene {
        tolerance: Tolerance::All,
        dead_letters: Some(Slow(Duration::from_secs(8))),
        ..Scene::new([assigned(), batch(0, &["a"]), batch(1, &["b"])], sink)
    };
    let played = scene.play().await;
    assert!(played.outcome.is_ok());
    assert_eq!(
        played.log,
        "open t-0; put [0]; refuse; heard after 0ns; put [1]; heard after 0ns; finish; commit t-0@2; close; leave"
    );
}

#[tokio::test(start_paused = true)]
async fn a_rewind_is_read_again_and_counts_from_there() {
    let log = Log::default();
    let sink = Recorder {
        rewind: Some(1),
        ..Recorder::new(&log)
    };
    let items = [assigned(), batch(0, &["a", "b"]), batch(1, &["b", "c"])];
    let played = Scene::new(items, sink).play().await;
    assert!(played.outcome.is_ok());
    assert_eq!(
        played.log,
        "open t-0; put [0, 1]; seek t-0@1; put [1, 2]; finish; commit t-0@3; close; leave"
    );
}

#[tokio::test(start_paused = true)]
async fn lost_partitions_are_closed_without_a_commit() {
    let lost = Fetched::Lost(vec![TopicPartition::new("t", 0)]);
    let items = [assigned(), batch(0, &["a"]), lost];
    let (outcome, log) = run(items, Tolerance::None, 0).await;
    assert!(outcome.is_ok());
    assert_eq!(log, "open t-0; put [0]; close; finish; close; leave");
}

#[tokio::test(start_paused = true)]
async fn what_the_consumer_retries_is_reported() {
    let away = Degraded {
        reason: "no broker".to_owned(),
        since: 7,
        next_try: Duration::from_secs(1),
    };
    let log = Log::default();
    let degraded = TaskEvent::Degraded(away.clone());
    let items = [assigned(), Fetched::Degraded(away), Fetched::Recovered];
    let played = Scene::new(items, Recorder::new(&log)).play().await;
    assert!(played.outcome.is_ok());
    let told: Vec<&TaskEvent> = played
        .events
        .iter()
        .filter(|e| **e != TaskEvent::Running)
        .collect();
    assert_eq!(told, [&degraded, &TaskEvent::Recovered]);
}

#[tokio::test(start_paused = true)]
async fn a_tolerated_record_is_skipped_and_its_offset_counts() {
    let items = [assigned(), batch(0, &["a", "bad"]), batch(2, &["bad"])];
    let (outcome, log) = run(items, Tolerance::All, 0).await;
    assert!(outcome.is_ok());
    assert_eq!(
        log,
        "open t-0; put [0]; put []; finish; commit t-0@3; close; leave"
    );
}

#[tokio::test(start_paused = true)]
async fn a_refused_batch_is_given_again_in_order() {
    let items = [assigned(), batch(0, &["a"]), batch(1, &["b"])];
    let (outcome, log) = run(items, Tolerance::None, 2).await;
    assert!(outcome.is_ok());
    assert_eq!(
        log,
        "open t-0; refuse; refuse; put [0]; put [1]; finish; commit t-0@2; close; leave"
    );
}

#[tokio::test(start_paused = true)]
async fn a_revocation_during_an_outage_is_answered_and_the_batch_abandoned() {
    let (revocation, released) = revoked();
    let items = [
        assigned(),
        batch(0, &["a"]),
        batch(1, &["b"]),
        revocation,
        assigned(),
        batch(0, &["a"]),
    ];
    let (outcome, log) = run(items, Tolerance::None, 1).await;
    assert!(outcome.is_ok());
    assert_eq!(released.await, Ok(()));
    assert_eq!(
        log,
        "open t-0; refuse; finish; close; open t-0; put [0]; finish; commit t-0@1; close; leave"
    );
}

#[tokio::test(start_paused = true)]
async fn a_revocation_is_answered_while_dead_letters_wait() {
    let (revocation, released) = revoked();
    let items = [
        assigned(),
        batch(0, &["a"]),
        batch(1, &["bad", "b"]),
        batch(3, &["c"]),
        revocation,
        assigned(),
        batch(1, &["bad", "b"]),
    ];
    let slow = Slow(Duration::from_secs(10));
    let (outcome, log) = run_with(items, Tolerance::All, 0, Some(slow), false).await;
    assert!(outcome.is_ok());
    assert_eq!(released.await, Ok(()));
    // What was settled after the partition had gone is not committed; its next owner reads on from the committed offset.
    assert_eq!(
        log,
        "open t-0; put [0]; finish; commit t-0@1; close; open t-0; put [2]; finish; commit t-0@3; close; leave"
    );
}

/// What lies behind a rejected row that has no dead letter yet is not committed, however much of it is durable.
#[tokio::test(start_paused = true)]
async fn a_stop_commits_nothing_behind_an_unsettled_row() {
    let items = [assigned(), batch(0, &["a"])];
    let never = Slow(Duration::from_secs(1_000_000));
    let (outcome, log) = run_with(items, Tolerance::All, 0, Some(never), true).await;
    assert!(outcome.is_ok());
    assert_eq!(log, "open t-0; put [0]; finish; close; leave");
}

#[tokio::test(start_paused = true)]
async fn report_b2_what_a_sink_has_news_of_is_asked_for_at_once() {
    let log = Log::default();
    let sink = Recorder {
        work: Some(Duration::from_millis(3)),
        ..Recorder::new(&log)
    };
    let items = [assigned(), batch(0, &["a", "b"])];
    let played = play(items, sink, Tolerance::None, None).await;
    assert!(played.outcome.is_ok());
    assert_eq!(
        played.log,
        "open t-0; put [0, 1]; heard after 0ns; finish; commit t-0@2; close; leave"
    );
    assert_eq!(played.counts.records_stored, 2);
}

/// A sink without room may well answer what it is asked meanwhile: that does not make it well.
#[tokio::test(start_paused = true)]
async fn report_c4_a_sink_that_refuses_is_degraded_until_it_takes_the_batch() {
    let log = Log::default();
    let sink = Recorder {
        refusals: 3,
        ..Recorder::new(&log)
    };
    let items = [assigned(), batch(0, &["a"])];
    let played = play(items, sink, Tolerance::None, None).await;
    assert!(played.outcome.is_ok());
    let seen: Vec<&str> = played
        .events
        .iter()
        .filter_map(|event| match event {
            TaskEvent::Degraded(degraded) => Some(&*degraded.reason),
            TaskEvent::Recovered => Some("recovered"),
            _ => None,
        })
        .collect();
    assert_eq!(seen, ["busy", "busy", "busy", "recovered"]);
}

/// Without anybody to hear of them, rows that the sink itself rejects fail nothing: its own settings let it drop them.
#[tokio::test(start_paused = true)]
async fn report_a1_rows_that_a_sink_drops_without_a_reporter_are_counted_and_fail_nothing() {
    let items = || [assigned(), batch(0, &["a"])];
    let rejecting = |log: &Log| Recorder {
        rejects: true,
        ..Recorder::new(log)
    };
    let log = Log::default();
    let played = play(items(), rejecting(&log), Tolerance::None, None).await;
    assert!(played.outcome.is_ok());
    assert_eq!(
        (played.counts.records_rejected, played.counts.records_stored),
        (1, 0)
    );
    // With one, the report is what ends the task.
    let log = Log::default();
    let letters = Some(Slow(Duration::ZERO));
    let played = play(items(), rejecting(&log), Tolerance::None, letters).await;
    let trace = played.outcome.expect_err("nothing is tolerated").trace;
    let start = "org.apache.kafka.connect.errors.ConnectException: \
                 Exiting WorkerSinkTask due to unrecoverable exception.\n\
                 \tat record {topic='t', partition=0, offset=0}, stage TASK_PUT, class Recorder\n\
                 Caused by: org.apache.kafka.connect.errors.ConnectException: Tolerance exceeded in error handler\n\
                 Caused by: org.apache.kafka.connect.errors.DataException: it is late";
    assert_eq!(trace, start);
}

/// The items of a scene with an oversized batch, behind another one that the sink refuses as well.
async fn play_oversized(is_wanted_by_others: bool) -> (String, bool) {
    let log = Log::default();
    let budget = ByteBudget::one_by_one(100, 0);
    let (own, other) = (budget.for_holder(), budget.for_holder());
    let permit = own.try_acquire(101).expect("nobody has one");
    permit.comes_from(&TopicPartition::new("t", 0), 1);
    let Fetched::Batch(mut oversized) = batch(1, &["b"]) else {
        unreachable!("it is a batch");
    };
    oversized.permit = Some(permit);
    let sink = Recorder {
        refuses_behind: Some((1, usize::MAX)),
        ..Recorder::new(&log)
    };
    let items = [assigned(), batch(0, &["a"]), Fetched::Batch(oversized)];
    let scene = Scene {
        fetched: own,
        commit_interval: Duration::from_secs(1),
        lasts: limits::OVERSIZED_PATIENCE + Duration::from_secs(10),
        ..Scene::new(items, sink)
    };
    let has_come = Arc::new(Mutex::new(false));
    let waiting = is_wanted_by_others.then(|| {
        let (log, has_come) = (log.clone(), Arc::clone(&has_come));
        tokio::spawn(async move {
            let _permit = other.acquire(500).await;
            *has_come.lock().expect("nothing panics") = true;
            note(&log, "the next one".to_owned());
        })
    });
    let played = scene.play().await;
    assert!(played.outcome.is_ok());
    drop(waiting);
    let has_come = *has_come.lock().expect("nothing panics");
    (played.log.replace("refuse; ", ""), has_come)
}

/// A task whose sink takes nothing gives up the oversized record that others wait for, and reads it again later; what was
/// durable before stays so.
#[tokio::test(start_paused = true)]
async fn report_a9_an_oversized_record_makes_way_for_those_of_others() {
    let (log, has_come) = play_oversized(true).await;
    assert!(has_come, "{log}");
    assert_eq!(
        log,
        "open t-0; put [0]; commit t-0@1; close; open t-0; seek t-0@1; the next one; finish; close; leave"
    );
}

#[tokio::test(start_paused = true)]
async fn report_a9_an_oversized_record_that_nobody_waits_for_is_kept() {
    let (log, _) = play_oversized(false).await;
    assert_eq!(log, "open t-0; put [0]; commit t-0@1; finish; close; leave");
}
