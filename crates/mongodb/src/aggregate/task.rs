//! The task of totals: batches in, sifted and gathered for a moment; then updates out, one write of a partition at a time;
//! offsets back when the place of the partition is behind them.

mod gathering;
mod waiting;

use super::place::{PartitionName, Place};
use super::settings::AggregateSettings;
use super::write::Target;
use crate::extensions::WritePolicy;
use crate::store::Store;
use crate::told::Told;
use crate::topics::Topics;
use async_trait::async_trait;
use gathering::Gathered;
use millstream_core::{
    ByteBudget, ColumnNeed, Progress, RawKind, RecordBatch, SinkError, SinkNeeds, SinkTask,
    TaskContext, TopicPartition,
};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

pub(crate) struct AggregateParts {
    pub(crate) context: TaskContext,
    pub(crate) topics: Topics,
    pub(crate) store: Arc<Store>,
    pub(crate) policy: WritePolicy,
    pub(crate) in_flight: usize,
    pub(crate) settings: Arc<AggregateSettings>,
}

pub(crate) struct AggregateTask {
    parts: AggregateParts,
    partitions: HashMap<TopicPartition, Partition>,
    jobs: JoinSet<Ended>,
    /// A job that ended while the task waited for progress.
    heard: Option<Result<Ended, JoinError>>,
    /// Jobs that write.
    writing: usize,
    memory: ByteBudget,
    told: Told,
    openings: u64,
    put_until: Instant,
    /// Nothing is counted any more once a record has ended the task.
    has_ended: bool,
}

struct Partition {
    /// Which opening of the partition this is: a job of an earlier one does not count here.
    opening: u64,
    phase: Phase,
}

enum Phase {
    /// Where it stands is not known, and nobody has asked.
    Unread,
    Reading,
    Counting(Box<Counting>),
}

struct Counting {
    target: Arc<Target>,
    /// Behind the last batch that was taken.
    place: Place,
    open: Option<Gathered>,
    is_writing: bool,
}

/// A job that ended, and of which opening of which partition it was.
struct Ended {
    origin: TopicPartition,
    opening: u64,
    what: What,
}

enum What {
    Read(Result<(Arc<Target>, Place), SinkError>),
    Written(Result<Range<i64>, SinkError>),
}

impl AggregateTask {
    pub(crate) fn new(parts: AggregateParts) -> Self {
        AggregateTask {
            memory: parts.context.in_flight.for_holder(),
            parts,
            partitions: HashMap::new(),
            jobs: JoinSet::new(),
            heard: None,
            writing: 0,
            told: Told::default(),
            openings: 0,
            put_until: Instant::now(),
            has_ended: false,
        }
    }

    fn open_one(&mut self, partition: &TopicPartition) {
        self.openings += 1;
        let opened = Partition {
            opening: self.openings,
            phase: Phase::Unread,
        };
        self.partitions.insert(partition.clone(), opened);
    }

    fn counting(&mut self, origin: &TopicPartition) -> Option<&mut Counting> {
        match &mut self.partitions.get_mut(origin)?.phase {
            Phase::Counting(counting) => Some(counting),
            Phase::Unread | Phase::Reading => None,
        }
    }

    /// Where the totals of a partition stand.
    fn target(&mut self, origin: &TopicPartition) -> Result<Target, SinkError> {
        let settings = self.parts.topics.get(&origin.topic);
        let settings =
            settings.map_err(|error| SinkError::fatal(error.message.clone()).with_source(error))?;
        let Some((database, collection)) = settings.namespace() else {
            return Err(SinkError::fatal("totals of a topic need one collection"));
        };
        Ok(Target {
            namespace: crate::namespace::Namespace {
                database: database.into(),
                collection: collection.into(),
            },
            partition: origin.clone(),
            name: PartitionName::of(origin),
            settings: Arc::clone(&self.parts.settings),
            max_batch: settings.max_batch,
        })
    }
}

#[async_trait]
impl SinkTask for AggregateTask {
    fn needs(&self) -> SinkNeeds {
        SinkNeeds {
            key: ColumnNeed::Nothing,
            value: ColumnNeed::RawOr(&[RawKind::String, RawKind::Bytes, RawKind::Json]),
            headers: false,
        }
    }

    /// A partition has one place, in the collection of its topic.
    fn takes_renamed_topics(&self) -> bool {
        false
    }

    async fn open(&mut self, partitions: &[TopicPartition]) -> Result<(), SinkError> {
        for partition in partitions {
            self.open_one(partition);
        }
        Ok(())
    }

    async fn put(&mut self, batch: Arc<RecordBatch>, now: i64) -> Result<(), SinkError> {
        if self.has_ended {
            // Never done, and read again by whoever comes after this task.
            return Ok(());
        }
        self.join_ended()?;
        self.put_until = Instant::now() + self.parts.context.longest_put;
        self.read_place(&batch).await?;
        self.let_writes_catch_up(&batch.origin, now).await?;
        let taken = self.take(&batch, now).await;
        self.has_ended |= taken.as_ref().is_err_and(|error| !is_refusal(error));
        taken
    }

    async fn poll(&mut self, now: i64) -> Result<Progress, SinkError> {
        self.join_ended()?;
        self.start_due(now);
        self.told.progress(&self.parts.store)
    }

    async fn progressed(&mut self) {
        if self.heard.is_none() {
            self.heard = self.jobs.join_next().await;
        }
        if self.heard.is_none() {
            std::future::pending().await
        }
    }

    fn next_due(&self) -> Option<i64> {
        self.due_at()
    }

    async fn flush(&mut self, now: i64) -> Result<(), SinkError> {
        self.join_ended()?;
        self.close_all();
        self.start_due(now);
        Ok(())
    }

    async fn finish(&mut self, deadline: Duration) -> Result<(), SinkError> {
        self.join_ended()?;
        let all = async {
            loop {
                self.close_all();
                self.start_due(i64::MAX);
                match self.jobs.join_next().await {
                    Some(ended) => self.settle(ended)?,
                    None => return Ok(()),
                }
            }
        };
        // What is still under way at the deadline is not committed and comes again.
        tokio::time::timeout(deadline, all).await.unwrap_or(Ok(()))
    }

    async fn close(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            self.partitions.remove(partition);
        }
        self.told.forget(partitions);
    }
}

/// Whether the same batch may be put again.
fn is_refusal(error: &SinkError) -> bool {
    matches!(error.kind, millstream_core::SinkErrorKind::Retriable { .. })
}
