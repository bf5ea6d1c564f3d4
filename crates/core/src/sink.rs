//! The seams to sink connectors and their tasks, with Connect's life cycle: open, put, finish, close.

use crate::batch::{RawKind, RecordBatch};
use crate::budget::ByteBudget;
use crate::config::Properties;
use crate::degraded::Degraded;
use crate::limits;
use crate::message::QueueContext;
use crate::meters::SinkMeters;
use crate::offsets::TopicPartition;
use crate::rejected::{FailedRecord, RecordError, RejectedRow};
use crate::transform::Fusable;
use async_trait::async_trait;
use std::error::Error;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// Starts the tasks of a sink connector.
#[async_trait]
pub trait SinkConnector: Send + Sync {
    /// Starts a task: reads its settings and connects. Yields a whole task or an error.
    async fn start_task(
        &self,
        properties: &Properties,
        context: TaskContext,
    ) -> Result<Box<dyn SinkTask>, SinkError>;
}

/// What a task is given besides its settings.
#[derive(Clone, Debug)]
pub struct TaskContext {
    pub connector: Arc<str>,
    pub task: u32,
    /// Memory for what is open.
    pub open: ByteBudget,
    /// Memory for what is in flight.
    pub in_flight: ByteBudget,
    /// Whether there is Connect's `ErrantRecordReporter`: a dead-letter topic or the error log. Without one nobody would
    /// hear of a rejected row, so a bad row is an error of `put`, whatever `errors.tolerance` says.
    pub has_reporter: bool,
    /// Whether the task goes on after a rejected row (`errors.tolerance=all`). If not, it ends with the first one, and
    /// what comes behind it in the same batch is not to be written.
    pub goes_on_after_rejected: bool,
    /// The most records that one call of the original's `put` gets (`max.poll.records` of the task's consumer), for
    /// sinks whose results depend on it.
    pub max_poll_records: usize,
    /// How long one call of `put` may wait for room before it refuses the batch: the consumer is not asked meanwhile, and
    /// a member that does not ask for `max.poll.interval.ms` loses its partitions with all that is not committed.
    pub longest_put: Duration,
    /// Whether outages are retried as far as the settings say nothing else; if not, the task gives up when the
    /// original does.
    pub retries_outages: bool,
    /// Whether errors may repeat what records hold, see `rejected::SHOW_CONTENT`.
    pub shows_content: bool,
    /// Where the sink counts what it sends.
    pub meters: Arc<SinkMeters>,
    /// The queue that the records come from; `None` where they come from Kafka.
    pub queue: Option<QueueContext>,
}

/// `max.poll.records` where nobody sets it.
const MAX_POLL_RECORDS: usize = 500;

impl TaskContext {
    /// A context with nobody to report to, nothing tolerated, and outages retried.
    pub fn new(
        connector: impl Into<Arc<str>>,
        task: u32,
        open: ByteBudget,
        in_flight: ByteBudget,
    ) -> Self {
        TaskContext {
            connector: connector.into(),
            task,
            open,
            in_flight,
            has_reporter: false,
            goes_on_after_rejected: false,
            max_poll_records: MAX_POLL_RECORDS,
            longest_put: limits::LONGEST_PUT,
            retries_outages: true,
            shows_content: false,
            meters: Arc::default(),
            queue: None,
        }
    }
}

/// The forms in which a sink wants a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnNeed {
    /// Not looked at, though it must convert.
    Nothing,
    /// Raw, if the converter offers one of these kinds and no transform needs structure; decoded otherwise. The first of them that it
    /// offers is taken.
    RawOr(&'static [RawKind]),
    /// As `RawOr`, and data that stay encoded are taken as well (`Payload::Encoded`).
    EncodedOr(&'static [RawKind]),
    Decoded,
}

impl ColumnNeed {
    /// The same without data that stay encoded, for who looks into values.
    pub fn without_encoded(self) -> Self {
        match self {
            ColumnNeed::EncodedOr(kinds) => ColumnNeed::RawOr(kinds),
            other => other,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct SinkNeeds {
    pub key: ColumnNeed,
    pub value: ColumnNeed,
    /// Decoded headers, or none at all.
    pub headers: bool,
}

/// What came of the rows given to `put`, since the last `poll`.
#[derive(Debug, Default)]
pub struct Progress {
    /// Offsets whose rows are durable, filtered out or rejected, in any order and each once. A sink that stores by
    /// objects says so of a whole object, one that writes row by row of a batch or of parts of it.
    pub done: Vec<(TopicPartition, Range<i64>)>,
    /// Rows rejected late. Each is told before its offset is done, or with it, and is not committed before it is settled.
    pub rejected: Vec<RejectedRow>,
    /// Rows that a transform dropped which the sink has taken over.
    pub filtered: usize,
    /// Objects that have become durable, where the sink writes objects.
    pub objects: usize,
}

/// One task of a sink. All calls come from one owner, in order.
#[async_trait]
pub trait SinkTask: Send {
    fn needs(&self) -> SinkNeeds;

    /// Whether rows may be bound for another topic than they were read from. If not, the task ends at the first such row.
    fn takes_renamed_topics(&self) -> bool {
        true
    }

    /// Whether values that come as JSON text are written as they are, by a sink which would write the same for the values that
    /// the text stands for. What types numbers have, which transforms may change, does not show then.
    fn copies_json(&self) -> bool {
        false
    }

    /// Takes over the last stages of a chain whose value column would arrive in raw kind `value`; true if it will.
    fn fuse(&mut self, _value: RawKind, _stages: &[Fusable]) -> bool {
        false
    }

    /// Partitions that were assigned; their state starts empty.
    async fn open(&mut self, partitions: &[TopicPartition]) -> Result<(), SinkError>;

    /// Takes or refuses the whole batch. May wait for room; a `Retriable` refusal gets the same batch again.
    /// An empty batch only carries progress. `now`: epoch milliseconds.
    async fn put(&mut self, batch: Arc<RecordBatch>, now: i64) -> Result<(), SinkError>;

    /// Does what is due by the clock and reports what came of earlier rows. Called after every `put` and when idle.
    async fn poll(&mut self, now: i64) -> Result<Progress, SinkError>;

    /// Partitions that must be read again from these offsets on, since the last call; asked for after every `poll`.
    /// Batches that were fetched before may still arrive: the sink knows which ones it wants.
    fn take_rewinds(&mut self) -> Vec<(TopicPartition, i64)> {
        Vec::new()
    }

    /// Returns when something has happened that `poll` or `put` can make use of: a write has ended, there is room again.
    /// Cancel safe: dropping the future loses nothing. What it has seen is gone only with the next `poll` or `put`.
    async fn progressed(&mut self) {
        std::future::pending().await
    }

    /// When `poll` should be called even if nothing arrives, epoch milliseconds.
    fn next_due(&self) -> Option<i64> {
        None
    }

    /// Closes what is open, as if it had come to its end: everything put before becomes durable, and is told as done by
    /// later calls of `poll`, without further rows. For sources that lend their records. An error ends the task. `now`: epoch milliseconds.
    async fn flush(&mut self, _now: i64) -> Result<(), SinkError> {
        Ok(())
    }

    /// Returns once everything that is closed or in flight is durable, or the deadline has passed; what is open stays open.
    async fn finish(&mut self, deadline: Duration) -> Result<(), SinkError>;

    /// Forgets partitions: what is open is dropped and its uploads are aborted.
    async fn close(&mut self, partitions: &[TopicPartition]);

    /// The last call: the source has taken note of all that was told as done, and is closed. What the sink keeps for rows that might
    /// have come again may go, within the deadline.
    async fn end(&mut self, _deadline: Duration) {}
}

/// Why a sink could not do its work.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct SinkError {
    pub kind: SinkErrorKind,
    /// The class that Java would throw, for traces.
    pub class: &'static str,
    pub message: String,
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkErrorKind {
    /// Transient: the same call may succeed after this pause.
    Retriable {
        after: Duration,
        /// When the outage began, epoch milliseconds, if the sink keeps track of it.
        since: Option<i64>,
    },
    /// The task fails.
    Fatal,
    /// The task fails after long retries; the cause may pass by itself, so that a restart is worth a try.
    GaveUp,
}

impl SinkError {
    /// A `ConnectException` that fails the task.
    pub fn fatal(message: impl Into<String>) -> Self {
        SinkError {
            kind: SinkErrorKind::Fatal,
            class: crate::rejected::CONNECT_EXCEPTION,
            message: message.into(),
            source: None,
        }
    }

    /// The end of a task by one of its records: the error as the original throws it from `put`, and where the record is.
    pub fn record(batch: &RecordBatch, row: usize, error: RecordError) -> Self {
        SinkError {
            kind: SinkErrorKind::Fatal,
            class: error.class,
            message: error.message.clone(),
            source: Some(Box::new(FailedRecord {
                origin: batch.origin.clone(),
                offset: batch.offsets[row],
                error,
            })),
        }
    }

    pub fn retriable(message: impl Into<String>, after: Duration) -> Self {
        SinkError {
            kind: SinkErrorKind::Retriable { after, since: None },
            class: "org.apache.kafka.connect.errors.RetriableException",
            message: message.into(),
            source: None,
        }
    }

    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

/// A refusal for as long as the outage lasts.
impl From<Degraded> for SinkError {
    fn from(degraded: Degraded) -> Self {
        let mut error = SinkError::retriable(degraded.reason, degraded.next_try);
        error.kind = SinkErrorKind::Retriable {
            after: degraded.next_try,
            since: Some(degraded.since),
        };
        error
    }
}
