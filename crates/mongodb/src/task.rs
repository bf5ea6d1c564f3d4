//! The task: batches in, bulk writes out, offsets back when every row of a batch is written or settled.
//! Writes of one partition follow each other; those of different partitions run side by side, and inserts
//! under ids that nothing else has need no order at all.

mod rows;
mod settling;
mod writing;

use crate::bulk::BulkOutcome;
use crate::extensions::WritePolicy;
use crate::hash_path::{HashChunk, HashPath};
use crate::lane::{Lane, Written};
use crate::operation::Statements;
use crate::raw_json::RawScratch;
use crate::store::Store;
use crate::told::Told;
use crate::topics::Topics;
use async_trait::async_trait;
use millstream_core::{
    ByteBudget, ColumnNeed, Fusable, Progress, RawKind, RecordBatch, SinkError, SinkNeeds,
    SinkTask, TaskContext, TopicPartition,
};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// A command on its way is there three times: the driver copies it twice.
const COPIES: usize = 3;

/// Buffers of writes that are kept for the next ones.
const MAX_SPARE: usize = 2;

/// The largest of them: most writes need less.
const MAX_SPARE_BYTES: usize = 2 * 1024 * 1024;

pub(crate) struct TaskParts {
    pub(crate) context: TaskContext,
    pub(crate) topics: Topics,
    pub(crate) store: Arc<Store>,
    pub(crate) policy: WritePolicy,
    pub(crate) in_flight: usize,
}

pub(crate) struct MongoTask {
    parts: TaskParts,
    partitions: HashMap<TopicPartition, Partition>,
    /// Batches with rows that are not settled yet, by number.
    pending: HashMap<u64, PendingBatch>,
    last_batch: u64,
    writing: JoinSet<Ended>,
    /// Those that only wait for others of their partition.
    waiting: usize,
    /// A write that ended while the task waited for progress.
    heard: Option<Result<Ended, tokio::task::JoinError>>,
    /// For writes under way.
    memory: ByteBudget,
    /// Batches that are done since the last `poll`, rows that are rejected, and those without a value that the fused chain
    /// dropped.
    told: Told,
    fused: Option<HashPath>,
    scratch: RawScratch,
    /// Memory of writes that are done, for those to come.
    spare: Vec<Statements>,
    openings: u64,
    /// Until when the batch in hand may wait for room.
    put_until: Instant,
    /// Nothing more is written once a record has ended the task.
    has_failed: bool,
}

#[derive(Default)]
struct Partition {
    lane: Lane,
    /// Which opening of the partition this is: a write of an earlier one does not count here.
    opening: u64,
}

struct PendingBatch {
    batch: Arc<RecordBatch>,
    /// Writes that carry rows of the batch.
    open: usize,
}

/// What became of a batch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    Whole,
    /// A row has ended the task. Rows of the batch are not written that will not be rejected either, so it is never done.
    UpToAnEnd,
}

/// What ended: a write, a chain of them, or a command of the fused chain.
enum Ended {
    Writes {
        written: Vec<Written>,
        batch: u64,
        /// The partition whose lane they took.
        lane: Option<(TopicPartition, u64)>,
    },
    Chunk(Box<(BulkOutcome, HashChunk)>),
}

impl MongoTask {
    pub(crate) fn new(parts: TaskParts) -> Self {
        MongoTask {
            memory: parts.context.in_flight.for_holder(),
            parts,
            partitions: HashMap::new(),
            pending: HashMap::new(),
            last_batch: 0,
            writing: JoinSet::new(),
            heard: None,
            waiting: 0,
            told: Told::default(),
            fused: None,
            scratch: RawScratch::default(),
            spare: Vec::new(),
            openings: 0,
            put_until: Instant::now(),
            has_failed: false,
        }
    }

    /// Registers a batch; `open` counts one extra until `release`, so that it cannot end while being worked on.
    fn hold(&mut self, batch: &Arc<RecordBatch>) -> u64 {
        self.partitions.entry(batch.origin.clone()).or_default();
        self.last_batch += 1;
        let pending = PendingBatch {
            batch: Arc::clone(batch),
            open: 1,
        };
        self.pending.insert(self.last_batch, pending);
        self.last_batch
    }

    /// One write less for a batch; with the last one it is done.
    fn release(&mut self, number: u64) {
        let Some(pending) = self.pending.get_mut(&number) else {
            return;
        };
        pending.open -= 1;
        if pending.open == 0
            && let Some(pending) = self.pending.remove(&number)
        {
            let batch = pending.batch;
            self.told
                .done
                .push((batch.origin.clone(), batch.first_offset..batch.next_offset));
        }
    }
}

#[async_trait]
impl SinkTask for MongoTask {
    fn needs(&self) -> SinkNeeds {
        SinkNeeds {
            key: ColumnNeed::RawOr(&[RawKind::String, RawKind::Bytes, RawKind::Json]),
            value: ColumnNeed::RawOr(&[
                RawKind::String,
                RawKind::Bytes,
                RawKind::Document,
                RawKind::Json,
            ]),
            headers: false,
        }
    }

    fn fuse(&mut self, value: RawKind, stages: &[Fusable]) -> bool {
        let stops_at_failure = !self.parts.context.goes_on_after_rejected;
        self.fused = HashPath::recognise(value, stages, &self.parts.topics, stops_at_failure);
        self.fused.is_some()
    }

    async fn open(&mut self, partitions: &[TopicPartition]) -> Result<(), SinkError> {
        for partition in partitions {
            self.openings += 1;
            let opened = Partition {
                opening: self.openings,
                ..Partition::default()
            };
            self.partitions.insert(partition.clone(), opened);
        }
        Ok(())
    }

    async fn put(&mut self, batch: Arc<RecordBatch>, now: i64) -> Result<(), SinkError> {
        self.join_ended()?;
        self.put_until = Instant::now() + self.parts.context.longest_put;
        self.let_writes_catch_up(&batch.origin).await?;
        let number = self.hold(&batch);
        let outcome = if self.fused.is_some() {
            self.put_fused(&batch, number, now).await
        } else {
            self.put_rows(&batch, number, (0..batch.len()).collect(), now)
                .await
        };
        self.has_failed |= outcome.is_err();
        if outcome? == Taken::Whole {
            self.release(number);
        }
        Ok(())
    }

    async fn poll(&mut self, now: i64) -> Result<Progress, SinkError> {
        self.close_chunk(|fused| fused.is_due(now));
        self.join_ended()?;
        self.told.progress(&self.parts.store)
    }

    async fn progressed(&mut self) {
        if self.heard.is_none() {
            self.heard = self.writing.join_next().await;
        }
        if self.heard.is_none() {
            std::future::pending().await
        }
    }

    fn next_due(&self) -> Option<i64> {
        self.fused.as_ref().and_then(HashPath::due_at)
    }

    async fn flush(&mut self, _now: i64) -> Result<(), SinkError> {
        self.close_chunk(|_| true);
        self.join_ended()
    }

    async fn finish(&mut self, deadline: Duration) -> Result<(), SinkError> {
        self.close_chunk(|_| true);
        self.join_ended()?;
        let all = async {
            while !self.writing.is_empty() {
                self.join_one().await?;
            }
            Ok(())
        };
        // What is still under way at the deadline is not committed and comes again.
        tokio::time::timeout(deadline, all).await.unwrap_or(Ok(()))
    }

    async fn close(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            if let Some(gone) = self.partitions.remove(partition) {
                self.waiting -= gone.lane.waiting();
            }
        }
        // Rows in the open command belong to whoever reads them next; those of partitions that stay are sent.
        self.close_chunk(|_| true);
        let gone = |origin: &TopicPartition| partitions.contains(origin);
        self.pending
            .retain(|_, pending| !gone(&pending.batch.origin));
        self.told.forget(partitions);
    }
}
