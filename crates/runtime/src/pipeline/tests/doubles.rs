//! A scripted consumer, a recording sink, and what else a pipeline meets.

use super::super::partitions::some_of;
use async_trait::async_trait;
use bytes::Bytes;
use millstream_core::converter::RowErrors;
use millstream_core::rejected::Stage;
use millstream_core::{
    ByteColumn, ColumnNeed, Confirms, Consumer, ConsumerError, Converter, Destination, Fetched,
    FetchedColumns, Header, HeaderConverter, Headers, OutgoingRecord, Payload, Preparation,
    Progress, RawHeaders, RawKind, RecordBatch, RecordError, RecordWriter, Rejected,
    SchemaAndValue, SchemaRef, SinkError, SinkNeeds, SinkTask, TimestampType, TopicPartition,
    Unavailable, Value, WriteError,
};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

/// What consumer and sink were asked to do, in order.
pub(super) type Log = Arc<Mutex<Vec<String>>>;

pub(super) fn note(log: &Log, line: String) {
    log.lock()
        .expect("no test panics while it holds the log")
        .push(line);
}

/// The commit during which the coordinator hangs.
pub(super) const NEVER_ANSWERED: &str = "t-0@1001";

pub(super) struct Script {
    pub(super) items: VecDeque<Fetched>,
    /// When the task is stopped, in the paused time of the test.
    pub(super) end: Instant,
    pub(super) log: Log,
    pub(super) stop: CancellationToken,
    pub(super) confirms: Confirms,
}

impl Script {
    pub(super) async fn end(&self) -> Fetched {
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

pub(super) struct Recorder {
    pub(super) log: Log,
    /// How long it works on a batch before it has progressed; without, a batch is done at once.
    pub(super) work: Option<Duration>,
    /// When it has progressed next.
    pub(super) progress_at: Option<Instant>,
    /// Refusals to give before the first batch is taken.
    pub(super) refusals: usize,
    /// After so many batches, so many refusals.
    pub(super) refuses_behind: Option<(usize, usize)>,
    pub(super) done: Vec<(TopicPartition, Range<i64>)>,
    /// Rejects what it has taken, with the next poll, and has more to report after `finish`.
    pub(super) rejects: bool,
    pub(super) rejected: Rejected,
    /// Where to go on from after the first batch.
    pub(super) rewind: Option<i64>,
    /// Fails for good with this batch, counted from 0.
    pub(super) fails_at: Option<usize>,
    pub(super) taken: usize,
    pub(super) breaks_at_flush: bool,
}

impl Recorder {
    pub(super) fn new(log: &Log) -> Self {
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
            breaks_at_flush: false,
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

    async fn flush(&mut self, _: i64) -> Result<(), SinkError> {
        note(&self.log, "flush".to_owned());
        match self.breaks_at_flush {
            true => Err(SinkError::fatal("broken")),
            false => Ok(()),
        }
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
#[derive(Default)]
pub(super) struct Picky {
    /// How often it has to fetch something first, which fails but for the last time.
    pub(super) preparations: usize,
    pub(super) takes: Duration,
}

impl Converter for Picky {
    fn class_name(&self) -> &'static str {
        "Picky"
    }

    fn prepare(&mut self, _: &str, _: &ByteColumn, _: Option<&RawHeaders>) -> Option<Preparation> {
        let left = self.preparations;
        self.preparations = left.checked_sub(1)?;
        let takes = self.takes;
        Some(Box::pin(async move {
            if !takes.is_zero() {
                sleep(takes).await;
            }
            match left {
                1 => Ok(()),
                _ => Err(Unavailable {
                    reason: "the registry is away".to_owned(),
                }),
            }
        }))
    }

    fn raw_kinds(&self) -> &'static [RawKind] {
        &[RawKind::Bytes]
    }

    fn to_raw(
        &mut self,
        _: &str,
        column: &ByteColumn,
        _: RawKind,
        errors: &mut RowErrors,
    ) -> ByteColumn {
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

pub(super) fn batch(first: i64, values: &[&'static str]) -> Fetched {
    Fetched::Batch(batch_of(&TopicPartition::new("t", 0), first, values))
}

pub(super) fn batch_of(
    partition: &TopicPartition,
    first: i64,
    values: &[&'static str],
) -> RecordBatch {
    let mut column = ByteColumn::new();
    for value in values {
        column.push(Some(Bytes::from_static(value.as_bytes())));
    }
    let rows = values.len();
    RecordBatch {
        origin: partition.clone(),
        destination: Destination::Uniform(partition.topic.clone()),
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
    }
}

pub(super) fn assigned() -> Fetched {
    Fetched::Assigned(vec![TopicPartition::new("t", 0)])
}

pub(super) fn revoked() -> (Fetched, oneshot::Receiver<()>) {
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
pub(super) struct Slow(pub(super) Duration);

#[async_trait]
impl RecordWriter for Slow {
    async fn write(&self, _: Vec<OutgoingRecord>) -> Result<(), WriteError> {
        sleep(self.0).await;
        Ok(())
    }
}
