//! The task: batches in, bulk writes out, offsets back when every row of a batch is written or settled.
//! Writes of one partition follow each other; those of different partitions run side by side, and inserts
//! under ids that nothing else has need no order at all.

use crate::bulk::{BulkOutcome, BulkWrite, RowRef};
use crate::extensions::WritePolicy;
use crate::hash_path::{HASH_CLASS, HashChunk, HashPath};
use crate::lane::{self, Group, Lane, Written};
use crate::namespace::Namespace;
use crate::outcome::Verdict;
use crate::record::SinkRecord;
use crate::settings::{Tolerance, TopicSettings};
use crate::statement;
use crate::store::Store;
use crate::topics::Topics;
use async_trait::async_trait;
use millstream_core::rejected::{RejectedRow, Stage};
use millstream_core::{
    ByteBudget, BytePermit, ColumnNeed, Fusable, Progress, RawKind, RecordBatch, RecordError,
    Rejected, SinkError, SinkNeeds, SinkTask, TaskContext, TopicPartition,
};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Statements of one bulk write, whatever the settings allow: larger ones gain nothing and hold more memory.
const MAX_STATEMENTS: usize = 5_000;

/// Bytes of one bulk write.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// A command on its way is there three times: the driver copies it twice.
const COPIES: usize = 3;

/// How often a task that waits for room looks whether the store is degraded.
const TICK: Duration = Duration::from_millis(200);

/// The class that Connect names where a task reports a record.
const REPORTER: &str = "org.apache.kafka.connect.sink.SinkTask";

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
    rejected: Vec<RejectedRow>,
    /// Rows without a value that the fused chain dropped.
    filtered: usize,
    /// Batches that are done since the last `poll`.
    done: Vec<(TopicPartition, Range<i64>)>,
    fused: Option<HashPath>,
    scratch: Vec<u8>,
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

/// What a write waited for.
enum Awaited {
    Ended(Box<Result<Ended, tokio::task::JoinError>>),
    Memory(BytePermit),
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
            rejected: Vec::new(),
            filtered: 0,
            done: Vec::new(),
            fused: None,
            scratch: Vec::new(),
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
            self.done
                .push((batch.origin.clone(), batch.first_offset..batch.next_offset));
        }
    }

    /// The groups of a batch's rows, and the rows that failed. Consecutive rows of one topic and namespace
    /// belong together.
    fn groups(
        &mut self,
        batch: &RecordBatch,
        number: u64,
        rows: impl Iterator<Item = usize>,
        now: i64,
    ) -> Result<(Vec<Group>, Vec<(usize, RecordError)>), SinkError> {
        let mut groups: Vec<Group> = Vec::new();
        let mut failed = Vec::new();
        let mut last_poll = 0;
        for row in rows {
            let topic = batch.destination.topic(row);
            let settings = self.settings(batch, row)?;
            let raw = settings
                .raw
                .and_then(|path| path.statement(batch, row, &mut self.scratch));
            let prepared = match raw {
                Some(statement) => Ok((settings.mapper.default(), statement)),
                None => statement::prepare(&settings, &mut SinkRecord::new(batch, row), now),
            };
            let (namespace, statement) = match prepared {
                Ok(prepared) => prepared,
                Err(error) if settings.tolerance == Tolerance::None => {
                    let error = error.shown(self.parts.context.shows_content);
                    return Err(SinkError::record(batch, row, error));
                }
                Err(error) => {
                    failed.push((row, error));
                    continue;
                }
            };
            // A write that fails takes others of its bulk write with it: no more than the original would have in it.
            let poll = self.poll_of(batch, row);
            let starts_poll = settings.tolerance != Tolerance::None && poll != last_poll;
            last_poll = poll;
            let fits = |group: &&mut Group| {
                !starts_poll
                    && group.topic == *topic
                    && group.bulk.namespace == namespace
                    && group.rows.len() < settings.max_batch.min(MAX_STATEMENTS)
                    && group.bytes + statement.bytes.len() <= MAX_BYTES
            };
            let row = RowRef {
                batch: number,
                row: row as u32,
            };
            let bytes = statement.bytes.len();
            match groups.last_mut().filter(fits) {
                Some(group) => {
                    group.bulk.statements.push(statement);
                    group.rows.push(row);
                    group.bytes += bytes;
                }
                None => groups.push(Group {
                    topic: Arc::clone(topic),
                    bulk: BulkWrite {
                        namespace,
                        ordered: settings.ordered,
                        statements: vec![statement],
                    },
                    settings,
                    rows: vec![row],
                    bytes,
                }),
            }
        }
        Ok((groups, failed))
    }

    /// The number, within the batch, of the original's poll that would have got this row.
    fn poll_of(&self, batch: &RecordBatch, row: usize) -> usize {
        let before = batch.offsets[row] - batch.first_offset;
        usize::try_from(before).unwrap_or(0) / self.parts.context.max_poll_records.max(1)
    }

    fn settings(
        &mut self,
        batch: &RecordBatch,
        row: usize,
    ) -> Result<Arc<TopicSettings>, SinkError> {
        let topic = batch.destination.topic(row);
        let found = self.parts.topics.get(topic);
        let shows_content = self.parts.context.shows_content;
        found.map_err(|error| SinkError::record(batch, row, error.shown(shows_content)))
    }

    /// Sends the groups of a batch: those that need no order side by side, the others as one chain.
    async fn write(
        &mut self,
        groups: Vec<Group>,
        origin: &TopicPartition,
        number: u64,
    ) -> Result<(), SinkError> {
        let mut chain = Vec::new();
        for group in groups {
            if group.needs_order() {
                chain.push(group);
            } else {
                self.start_alone(group, number).await?;
            }
        }
        self.start_chain(chain, origin, number).await
    }

    fn lane(&self, origin: &TopicPartition) -> Option<&Lane> {
        self.partitions.get(origin).map(|partition| &partition.lane)
    }

    async fn start_alone(&mut self, group: Group, number: u64) -> Result<(), SinkError> {
        let permit = self.make_room(COPIES * group.bytes, true).await?;
        self.note_writes(number, 1);
        let (store, policy) = (Arc::clone(&self.parts.store), self.parts.policy);
        self.writing.spawn(async move {
            let _permit = permit;
            Ended::Writes {
                written: vec![group.write(&store, policy).await],
                batch: number,
                lane: None,
            }
        });
        Ok(())
    }

    async fn start_chain(
        &mut self,
        groups: Vec<Group>,
        origin: &TopicPartition,
        number: u64,
    ) -> Result<(), SinkError> {
        if groups.is_empty() {
            return Ok(());
        }
        // One of them is on its way at a time.
        let bytes: usize = groups.iter().map(|group| group.bytes).sum();
        let largest = groups.iter().map(|group| group.bytes).max().unwrap_or(0);
        let needed = bytes + (COPIES - 1) * largest;
        let is_first = self.lane(origin).is_none_or(Lane::is_idle);
        let permit = self.make_room(needed, is_first).await?;
        self.note_writes(number, groups.len());
        let Some(partition) = self.partitions.get_mut(origin) else {
            return Ok(());
        };
        let lane = Some((origin.clone(), partition.opening));
        self.waiting += usize::from(!partition.lane.is_idle());
        let turn = partition.lane.join();
        let (store, policy) = (Arc::clone(&self.parts.store), self.parts.policy);
        self.writing.spawn(async move {
            let _permit = permit;
            Ended::Writes {
                written: lane::run(groups, turn, &store, policy).await,
                batch: number,
                lane,
            }
        });
        Ok(())
    }

    /// Notes writes that carry rows of a batch.
    fn note_writes(&mut self, number: u64, writes: usize) {
        if let Some(pending) = self.pending.get_mut(&number) {
            pending.open += writes;
        }
    }

    /// Writes on their way, or about to be.
    fn running(&self) -> usize {
        self.writing.len().saturating_sub(self.waiting)
    }

    fn send_chunk(&mut self, chunk: HashChunk, permit: Option<BytePermit>) {
        let (store, policy) = (Arc::clone(&self.parts.store), self.parts.policy);
        self.writing.spawn(async move {
            let _permit = permit;
            let outcome = chunk.write.run(&store, policy).await;
            Ended::Chunk(Box::new((outcome, chunk)))
        });
    }

    /// Waits until another write may begin that takes so much memory, and gives it; one behind another of its partition
    /// takes over that one's place. While the store is degraded, or once the batch has waited for as long as one may, it
    /// begins at once, and uncounted: a batch is taken as a whole, and the next one is refused.
    async fn make_room(
        &mut self,
        bytes: usize,
        needs_place: bool,
    ) -> Result<Option<BytePermit>, SinkError> {
        loop {
            let is_free = !needs_place || self.running() < self.parts.in_flight;
            if is_free && let Some(permit) = self.memory.try_acquire(bytes) {
                return Ok(Some(permit));
            }
            if self.parts.store.degraded().is_some() || Instant::now() >= self.put_until {
                return Ok(None);
            }
            match tokio::time::timeout(TICK, self.join_any(bytes, is_free)).await {
                Ok(Awaited::Ended(ended)) => self.settle(*ended)?,
                Ok(Awaited::Memory(permit)) => return Ok(Some(permit)),
                Err(_) => {}
            }
        }
    }

    /// Waits for a write to end or, if that alone is lacking, for memory, which others may give back.
    async fn join_any(&mut self, bytes: usize, lacks_memory: bool) -> Awaited {
        tokio::select! {
            Some(ended) = self.writing.join_next(), if !self.writing.is_empty() => Awaited::Ended(Box::new(ended)),
            permit = self.memory.acquire(bytes), if lacks_memory => Awaited::Memory(permit),
        }
    }

    /// Waits until one batch of the partition at most is still to be written, and no write is under way that found no room.
    /// While the store is degraded the next batch is refused instead, and so it is where this takes long: the group is
    /// to hear of this member.
    async fn let_writes_catch_up(&mut self, origin: &TopicPartition) -> Result<(), SinkError> {
        loop {
            let degraded = self.parts.store.degraded();
            let most = match degraded {
                Some(_) => self.parts.in_flight - 1,
                // The one more is a small command that was due.
                None => self.parts.in_flight + 1,
            };
            if self.running() <= most && !self.lane(origin).is_some_and(Lane::is_full) {
                return Ok(());
            }
            if let Some(degraded) = degraded {
                return Err(degraded.into());
            }
            if Instant::now() >= self.put_until {
                let what = "backpressure: writes are slower than records arrive; the document store is slow, or rate.limiting.timeout \
                            holds them back";
                return Err(SinkError::retriable(what, TICK));
            }
            let joined = tokio::time::timeout(TICK, self.writing.join_next()).await;
            if let Ok(Some(ended)) = joined {
                self.settle(ended)?;
            }
        }
    }

    async fn join_one(&mut self) -> Result<(), SinkError> {
        match self.writing.join_next().await {
            Some(ended) => self.settle(ended),
            None => Ok(()),
        }
    }

    fn join_ended(&mut self) -> Result<(), SinkError> {
        while let Some(ended) = self.heard.take().or_else(|| self.writing.try_join_next()) {
            self.settle(ended)?;
        }
        Ok(())
    }

    /// What an end means: rows reported, batches released, or the task failed.
    fn settle(&mut self, ended: Result<Ended, tokio::task::JoinError>) -> Result<(), SinkError> {
        let settled = match ended {
            Ok(Ended::Writes {
                written,
                batch,
                lane,
            }) => self.settle_writes(written, batch, lane),
            Ok(Ended::Chunk(ended)) => self.settle_chunk(*ended),
            Err(error) => {
                Err(SinkError::fatal("a write ended without an outcome").with_source(error))
            }
        };
        self.has_failed |= settled.is_err();
        settled
    }

    fn settle_writes(
        &mut self,
        written: Vec<Written>,
        batch: u64,
        lane: Option<(TopicPartition, u64)>,
    ) -> Result<(), SinkError> {
        for one in written {
            let Written {
                settings,
                bulk,
                rows,
                outcome,
            } = one;
            self.settle_rows(&outcome, &rows, &bulk.namespace, bulk.ordered, &settings)?;
            self.release(batch);
        }
        if let Some((origin, opening)) = lane
            && let Some(partition) = self.partitions.get_mut(&origin)
            && partition.opening == opening
        {
            self.waiting -= usize::from(partition.lane.waiting() > 0);
            partition.lane.leave();
        }
        Ok(())
    }

    fn settle_chunk(
        &mut self,
        (outcome, chunk): (BulkOutcome, HashChunk),
    ) -> Result<(), SinkError> {
        let HashChunk {
            write,
            rows,
            batches,
            settings,
        } = chunk;
        self.settle_rows(&outcome, &rows, &write.namespace, false, &settings)?;
        for number in batches {
            self.release(number);
        }
        if let Some(fused) = &mut self.fused {
            fused.recycle(write);
        }
        Ok(())
    }

    /// What an outcome means for the rows of its write.
    fn settle_rows(
        &mut self,
        outcome: &BulkOutcome,
        rows: &[RowRef],
        namespace: &Namespace,
        ordered: bool,
        settings: &TopicSettings,
    ) -> Result<(), SinkError> {
        let id = &self.parts.context;
        for (records, what) in [
            (outcome.duplicates, "records were in the collection already"),
            (outcome.replaced, "records replaced other documents"),
        ] {
            if records > 0 {
                tracing::info!(
                    connector = &*id.connector,
                    task = id.task,
                    records,
                    "{what}"
                );
            }
        }
        let place = |index: usize| {
            let row = rows.get(index)?;
            let pending = self.pending.get(&row.batch)?;
            let offset = pending.batch.offsets[row.row as usize];
            Some((pending.batch.origin.clone(), offset))
        };
        let verdict = Verdict {
            namespace,
            statements: rows.len(),
            ordered,
            tolerance: settings.tolerance,
            host: &self.parts.store.host,
            shows_content: self.parts.context.shows_content,
            place: &place,
        };
        for (index, error) in verdict.judge(outcome)? {
            self.report(rows[index], error, settings.log_errors);
        }
        Ok(())
    }

    /// Reports a row. Where there is no reporter the pipeline counts it and drops it, as the original does.
    fn report(&mut self, at: RowRef, error: RecordError, log: bool) {
        self.report_at(at, Stage::TaskPut, REPORTER, error, log);
    }

    fn report_at(&mut self, at: RowRef, stage: Stage, class: &str, error: RecordError, log: bool) {
        let Some(pending) = self.pending.get(&at.batch) else {
            return;
        };
        let (batch, row) = (&pending.batch, at.row as usize);
        if log {
            tracing::error!(
                topic = &*batch.origin.topic,
                partition = batch.origin.partition,
                offset = batch.offsets[row],
                error = error.class,
                "record not written"
            );
        }
        let mut rejected = Rejected::default();
        rejected.push(batch, row, stage, class, error);
        self.rejected.append(&mut rejected.rows);
    }

    async fn put_rows(
        &mut self,
        batch: &Arc<RecordBatch>,
        number: u64,
        rows: Vec<usize>,
        now: i64,
    ) -> Result<Taken, SinkError> {
        let (groups, failed) = self.groups(batch, number, rows.into_iter(), now)?;
        let ends = !failed.is_empty()
            && self.parts.context.has_reporter
            && !self.parts.context.goes_on_after_rejected;
        for (row, error) in failed {
            let log = self
                .parts
                .topics
                .get(batch.destination.topic(row))
                .is_ok_and(|s| s.log_errors);
            let at = RowRef {
                batch: number,
                row: row as u32,
            };
            self.report(at, error, log);
        }
        if ends {
            // The task ends with the report, and the original writes nothing of such a batch.
            return Ok(Taken::UpToAnEnd);
        }
        self.write(groups, &batch.origin, number).await?;
        Ok(Taken::Whole)
    }

    /// The fused chain: rows into the open chunk; what it cannot take goes the ordinary way.
    async fn put_fused(
        &mut self,
        batch: &Arc<RecordBatch>,
        number: u64,
        now: i64,
    ) -> Result<Taken, SinkError> {
        let mut from = 0;
        while from < batch.len() {
            let settings = self.settings(batch, from)?;
            let Some(fused) = &mut self.fused else {
                break;
            };
            let store = &self.parts.store;
            let taken = fused.take(batch, number, from, &settings, store, now)?;
            from = taken.next_row;
            self.filtered += taken.skipped;
            if taken.joined
                && let Some(pending) = self.pending.get_mut(&number)
            {
                pending.open += 1;
            }
            if let Some(chunk) = taken.full {
                let permit = self.make_room(COPIES * chunk.write.bytes(), true).await?;
                self.send_chunk(chunk, permit);
            }
            for (row, error) in taken.failed {
                let at = RowRef {
                    batch: number,
                    row: row as u32,
                };
                // A transform's error is the framework's: its own tolerance decides, and its own log tells.
                self.report_at(at, Stage::Transformation, HASH_CLASS, error, false);
                if !self.parts.context.goes_on_after_rejected {
                    return Ok(Taken::UpToAnEnd);
                }
            }
        }
        Ok(Taken::Whole)
    }

    fn close_chunk(&mut self, due: impl Fn(&HashPath) -> bool) {
        let ready = !self.has_failed && self.fused.as_ref().is_some_and(due);
        if let Some(chunk) = self
            .fused
            .as_mut()
            .filter(|_| ready)
            .and_then(HashPath::close)
        {
            // One small command more, which is due: it does not wait.
            let permit = self.memory.try_acquire(COPIES * chunk.write.bytes());
            self.send_chunk(chunk, permit);
        }
    }
}

#[async_trait]
impl SinkTask for MongoTask {
    fn needs(&self) -> SinkNeeds {
        SinkNeeds {
            key: ColumnNeed::RawOr(&[RawKind::String, RawKind::Bytes, RawKind::Json]),
            value: ColumnNeed::RawOr(&[RawKind::String, RawKind::Bytes, RawKind::Json]),
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
        let done = std::mem::take(&mut self.done);
        let rejected = std::mem::take(&mut self.rejected);
        match self.parts.store.degraded() {
            // Nothing is lost by saying so: there is no progress to report.
            Some(degraded) if done.is_empty() && rejected.is_empty() => Err(degraded.into()),
            _ => Ok(Progress {
                done,
                rejected,
                filtered: std::mem::take(&mut self.filtered),
                ..Progress::default()
            }),
        }
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
        self.done.retain(|(origin, _)| !gone(origin));
        self.rejected.retain(|row| !gone(&row.origin));
    }
}
