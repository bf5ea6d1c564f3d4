//! The task: batches in, bulk writes out, offsets back when every row of a batch is written or settled.
//! Writes of one partition follow each other; those of different partitions run side by side, and inserts
//! under ids that nothing else has need no order at all.

use crate::bulk::{BulkOutcome, BulkWrite, RowRef, StatementKind, WritePolicy};
use crate::hash_path::{HASH_CLASS, HashChunk, HashPath, HashWrite};
use crate::outcome;
use crate::processor::IdOrigin;
use crate::record::SinkRecord;
use crate::settings::{Tolerance, TopicSettings};
use crate::statement;
use crate::store::Store;
use crate::topics::Topics;
use async_trait::async_trait;
use millstream_core::offsets::Ticket;
use millstream_core::rejected::{RejectedRow, Stage};
use millstream_core::{
    ByteBudget, BytePermit, ColumnNeed, Fusable, OffsetTracker, Progress, RawKind, RecordBatch,
    RecordError, Rejected, SinkError, SinkErrorKind, SinkNeeds, SinkTask, TaskContext,
    TopicPartition,
};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Statements of one bulk write, whatever the settings allow: larger ones gain nothing and hold more memory.
const MAX_STATEMENTS: usize = 5_000;

/// Bytes of one bulk write.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// A command on its way is there three times: the driver copies it twice.
const COPIES: usize = 3;

/// What a task may always have on its way, however much others have.
const OWN_IN_FLIGHT: usize = COPIES * MAX_BYTES;

/// How often a task that waits for room looks whether the store is in trouble.
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
    held: HashMap<u64, Held>,
    last_batch: u64,
    writing: JoinSet<Written>,
    /// A write that ended while the task waited for news.
    heard: Option<Result<Written, tokio::task::JoinError>>,
    /// For writes under way.
    memory: ByteBudget,
    rejected: Vec<RejectedRow>,
    /// Rows without a value that the fused chain dropped.
    filtered: usize,
    /// Partitions whose frontier may have moved since the last `poll`.
    moved: Vec<TopicPartition>,
    fused: Option<HashPath>,
    /// Bulk writes so far, by topic, where a rate limit asks.
    rates: HashMap<Arc<str>, u32>,
    scratch: Vec<u8>,
    openings: u64,
}

#[derive(Default)]
struct Partition {
    tracker: OffsetTracker,
    /// Whether a write is under way whose order matters.
    is_busy: bool,
    /// Those that follow it, all of one batch at most: the next batch is not taken before they have begun.
    waiting: VecDeque<(Group, u64)>,
    /// Which opening of the partition this is: a write of an earlier one does not count here.
    opening: u64,
}

struct Held {
    batch: Arc<RecordBatch>,
    ticket: Ticket,
    /// Writes that carry rows of the batch.
    open: usize,
}

/// A write that ended, and whose rows it carried.
struct Written {
    outcome: BulkOutcome,
    rows: Vec<RowRef>,
    batches: Vec<u64>,
    ordered: bool,
    tolerance: Tolerance,
    log_errors: bool,
    /// The partition that waited for it.
    lane: Option<(TopicPartition, u64)>,
    /// The write itself, whose buffer can serve again.
    done: Option<HashWrite>,
}

/// What a write waited for.
enum Awaited {
    Ended(Box<Result<Written, tokio::task::JoinError>>),
    Memory(BytePermit),
}

/// A bulk write being put together.
struct Group {
    settings: Arc<TopicSettings>,
    topic: Arc<str>,
    bulk: BulkWrite,
    rows: Vec<RowRef>,
    bytes: usize,
}

impl MongoTask {
    pub(crate) fn new(parts: TaskParts) -> Self {
        MongoTask {
            memory: parts.context.in_flight.with_own(OWN_IN_FLIGHT),
            parts,
            partitions: HashMap::new(),
            held: HashMap::new(),
            last_batch: 0,
            writing: JoinSet::new(),
            heard: None,
            rejected: Vec::new(),
            filtered: 0,
            moved: Vec::new(),
            fused: None,
            rates: HashMap::new(),
            scratch: Vec::new(),
            openings: 0,
        }
    }

    /// Registers a batch; `open` counts one extra until `release`, so that it cannot end while being worked on.
    fn hold(&mut self, batch: &Arc<RecordBatch>) -> u64 {
        let partition = self.partitions.entry(batch.origin.clone()).or_default();
        let ticket = partition.tracker.begin(batch.next_offset);
        self.last_batch += 1;
        let held = Held {
            batch: Arc::clone(batch),
            ticket,
            open: 1,
        };
        self.held.insert(self.last_batch, held);
        self.last_batch
    }

    /// One write less for a batch; the last one moves the frontier.
    fn release(&mut self, number: u64) {
        let Some(held) = self.held.get_mut(&number) else {
            return;
        };
        held.open -= 1;
        if held.open > 0 {
            return;
        }
        if let Some(held) = self.held.remove(&number)
            && let Some(partition) = self.partitions.get_mut(&held.batch.origin)
        {
            partition.tracker.complete(held.ticket);
            if !self.moved.contains(&held.batch.origin) {
                self.moved.push(held.batch.origin.clone());
            }
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
        for row in rows {
            let topic = batch.destination.topic(row);
            let settings = self.parts.topics.get(topic).map_err(fatal)?;
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
                    return Err(SinkError::record(batch, row, error));
                }
                Err(error) => {
                    failed.push((row, error));
                    continue;
                }
            };
            let fits = |group: &&mut Group| {
                group.topic == *topic
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

    /// Sends a group, when there is room and its partition's earlier writes are done.
    async fn write(
        &mut self,
        group: Group,
        origin: &TopicPartition,
        number: u64,
    ) -> Result<(), SinkError> {
        if let Some(held) = self.held.get_mut(&number) {
            held.open += 1;
        }
        let needs_order = group.bulk.statements.iter().any(|statement| {
            statement.kind != StatementKind::Insert || statement.id == IdOrigin::Record
        });
        let (topic, rate) = (Arc::clone(&group.topic), group.settings.rate);
        // A limited rate counts writes as they begin, here.
        while needs_order && rate.every > 0 && self.is_busy(origin) {
            self.join_one().await?;
        }
        let mut lane = None;
        if let Some(partition) = self.partitions.get_mut(origin).filter(|_| needs_order) {
            if partition.is_busy {
                partition.waiting.push_back((group, number));
                return Ok(());
            }
            partition.is_busy = true;
            lane = Some((origin.clone(), partition.opening));
        }
        let permit = self.make_room(group.bytes).await?;
        self.start_write(group, number, lane, permit);
        if rate.every > 0 && rate.pause_millis > 0 {
            let count = self.rates.entry(topic).or_default();
            *count += 1;
            if count.is_multiple_of(rate.every) {
                tokio::time::sleep(Duration::from_millis(u64::from(rate.pause_millis))).await;
            }
        }
        Ok(())
    }

    fn is_busy(&self, origin: &TopicPartition) -> bool {
        let partition = self.partitions.get(origin);
        partition.is_some_and(|partition| partition.is_busy)
    }

    fn start_write(
        &mut self,
        group: Group,
        number: u64,
        lane: Option<(TopicPartition, u64)>,
        permit: Option<BytePermit>,
    ) {
        let (store, policy) = (Arc::clone(&self.parts.store), self.parts.policy);
        let Group {
            settings,
            bulk,
            rows,
            ..
        } = group;
        self.writing.spawn(async move {
            let _permit = permit;
            Written {
                outcome: bulk.run(&store, policy).await,
                rows,
                batches: vec![number],
                ordered: bulk.ordered,
                tolerance: settings.tolerance,
                log_errors: settings.log_errors,
                lane,
                done: None,
            }
        });
    }

    /// The write that follows in a partition, once the one before it has ended.
    fn start_next(&mut self, origin: TopicPartition, opening: u64) {
        let Some(partition) = self
            .partitions
            .get_mut(&origin)
            .filter(|partition| partition.opening == opening)
        else {
            return;
        };
        partition.is_busy = false;
        if let Some((group, number)) = partition.waiting.pop_front() {
            partition.is_busy = true;
            // It takes the place of the one that has ended.
            let permit = self.memory.try_acquire(COPIES * group.bytes);
            self.start_write(group, number, Some((origin, opening)), permit);
        }
    }

    fn send_chunk(&mut self, chunk: HashChunk, permit: Option<BytePermit>) {
        let (store, policy) = (Arc::clone(&self.parts.store), self.parts.policy);
        let settings = chunk.settings;
        self.writing.spawn(async move {
            let _permit = permit;
            Written {
                outcome: chunk.write.run(&store, policy).await,
                rows: chunk.rows,
                batches: chunk.batches,
                ordered: false,
                tolerance: settings.tolerance,
                log_errors: settings.log_errors,
                lane: None,
                done: Some(chunk.write),
            }
        });
    }

    /// Waits until another write of so many bytes may begin, and gives the memory for it. While the store is in trouble
    /// it begins at once, and uncounted: a batch is taken as a whole, and the next one is refused.
    async fn make_room(&mut self, bytes: usize) -> Result<Option<BytePermit>, SinkError> {
        loop {
            let is_free = self.writing.len() < self.parts.in_flight;
            if is_free && let Some(permit) = self.memory.try_acquire(COPIES * bytes) {
                return Ok(Some(permit));
            }
            if self.parts.store.trouble().is_some() {
                return Ok(None);
            }
            match tokio::time::timeout(TICK, self.join_any(COPIES * bytes, is_free)).await {
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

    /// Waits until the partition's last batch is on its way as a whole. While the store is in trouble the next one is
    /// refused instead, so that the group hears of this member.
    async fn let_partition_catch_up(&mut self, origin: &TopicPartition) -> Result<(), SinkError> {
        while self
            .partitions
            .get(origin)
            .is_some_and(|partition| !partition.waiting.is_empty())
        {
            if let Some(trouble) = self.parts.store.trouble() {
                return Err(SinkError::retriable(trouble.reason.clone(), trouble.wait()));
            }
            let joined = tokio::time::timeout(TICK, self.writing.join_next()).await;
            if let Ok(Some(ended)) = joined {
                self.settle(ended)?;
            }
        }
        Ok(())
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

    /// What a write's end means: rows reported, batches released, or the task failed.
    fn settle(&mut self, ended: Result<Written, tokio::task::JoinError>) -> Result<(), SinkError> {
        let written = ended.map_err(|error| {
            SinkError::fatal("a write ended without an outcome").with_source(error)
        })?;
        if written.outcome.duplicates > 0 {
            tracing::info!(
                records = written.outcome.duplicates,
                "records were in the collection already"
            );
        }
        let host = &self.parts.store.host;
        let reported = outcome::judge(
            &written.outcome,
            written.rows.len(),
            written.ordered,
            written.tolerance,
            host,
        )?;
        for (index, error) in reported {
            self.report(written.rows[index], error, written.log_errors);
        }
        for number in written.batches {
            self.release(number);
        }
        if let Some((origin, opening)) = written.lane {
            self.start_next(origin, opening);
        }
        if let (Some(fused), Some(done)) = (&mut self.fused, written.done) {
            fused.recycle(done);
        }
        Ok(())
    }

    /// Reports a row. Where there is no reporter the pipeline counts it and drops it, as the original does.
    fn report(&mut self, at: RowRef, error: RecordError, log: bool) {
        self.report_at(at, Stage::TaskPut, REPORTER, error, log);
    }

    fn report_at(&mut self, at: RowRef, stage: Stage, class: &str, error: RecordError, log: bool) {
        let Some(held) = self.held.get(&at.batch) else {
            return;
        };
        let (batch, row) = (&held.batch, at.row as usize);
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
    ) -> Result<(), SinkError> {
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
            return Ok(());
        }
        for group in groups {
            self.write(group, &batch.origin, number).await?;
        }
        Ok(())
    }

    /// The fused chain: rows into the open chunk; what it cannot take goes the ordinary way.
    async fn put_fused(
        &mut self,
        batch: &Arc<RecordBatch>,
        number: u64,
        now: i64,
    ) -> Result<(), SinkError> {
        let mut from = 0;
        while from < batch.len() {
            let topic = batch.destination.topic(from);
            let settings = self.parts.topics.get(topic).map_err(fatal)?;
            let Some(fused) = &mut self.fused else {
                return Ok(());
            };
            let taken = fused.take(batch, number, from, &settings, &self.parts.store, now)?;
            from = taken.next_row;
            self.filtered += taken.skipped;
            if taken.joined
                && let Some(held) = self.held.get_mut(&number)
            {
                held.open += 1;
            }
            if let Some(chunk) = taken.full {
                let permit = self.make_room(chunk.write.bytes()).await?;
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
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn close_chunk(&mut self, due: impl Fn(&HashPath) -> bool) {
        let ready = self.fused.as_ref().is_some_and(due);
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
        self.fused = HashPath::recognise(value, stages, &self.parts.topics);
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
        if self.writing.len() >= self.parts.in_flight
            && let Some(trouble) = self.parts.store.trouble()
        {
            return Err(SinkError::retriable(trouble.reason.clone(), trouble.wait()));
        }
        self.let_partition_catch_up(&batch.origin).await?;
        let number = self.hold(&batch);
        let outcome = if self.fused.is_some() {
            self.put_fused(&batch, number, now).await
        } else {
            self.put_rows(&batch, number, (0..batch.len()).collect(), now)
                .await
        };
        self.release(number);
        outcome
    }

    async fn poll(&mut self, now: i64) -> Result<Progress, SinkError> {
        self.close_chunk(|fused| fused.is_due(now));
        self.join_ended()?;
        let durable: Vec<(TopicPartition, i64)> = std::mem::take(&mut self.moved)
            .into_iter()
            .filter_map(|partition| {
                let offset = self.partitions.get(&partition)?.tracker.durable()?;
                Some((partition, offset))
            })
            .collect();
        let rejected = std::mem::take(&mut self.rejected);
        match self.parts.store.trouble() {
            // Nothing is lost by saying so: there is no progress to report.
            Some(trouble) if durable.is_empty() && rejected.is_empty() => {
                Err(SinkError::retriable(trouble.reason.clone(), trouble.wait()))
            }
            _ => Ok(Progress {
                durable,
                rejected,
                filtered: std::mem::take(&mut self.filtered),
                ..Progress::default()
            }),
        }
    }

    async fn news(&mut self) {
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
            self.partitions.remove(partition);
        }
        // Rows in the open command belong to whoever reads them next; those of partitions that stay are sent.
        self.close_chunk(|_| true);
        let gone = |origin: &TopicPartition| partitions.contains(origin);
        self.held.retain(|_, held| !gone(&held.batch.origin));
        self.moved.retain(|origin| !gone(origin));
        self.rejected.retain(|row| !gone(&row.origin));
    }
}

/// A record's error as the end of the task: the original throws it from `put`.
fn fatal(error: RecordError) -> SinkError {
    SinkError {
        kind: SinkErrorKind::Fatal,
        class: error.class,
        message: error.message.clone(),
        source: error
            .cause
            .map(|cause| cause as Box<dyn std::error::Error + Send + Sync>),
    }
}
