//! S3Task: rows to the writers of their partitions, and the news of finished uploads to offsets.

use crate::batch_id::BatchIds;
use crate::clock::Clock;
use crate::ledger::Ledger;
use crate::memory::Memory;
use crate::partition::{Flow, PartitionWriter, WriterContext};
use crate::settings::Settings;
use crate::spill::Spill;
use crate::store::{Cause, Store};
use crate::upload::{End, Ended, JobId, Uploads};
use crate::writers::Writers;
use async_trait::async_trait;
use millstream_core::{
    BytePermit, ColumnNeed, Destination, Progress, RecordBatch, Rejected, SinkError, SinkNeeds,
    SinkTask, TaskContext, TopicPartition,
};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tracing::warn;

/// How long `close` waits for dropped uploads to be aborted: a few requests, each with its attempts.
const ABORT_DEADLINE: Duration = Duration::from_secs(10);

/// How long after the last batch spare compressors are kept.
const IDLE_MILLIS: i64 = 1000;

/// How long a batch is refused for which there is no memory.
const NO_MEMORY_WAIT: Duration = Duration::from_secs(2);

/// How long it waits while S3 is degraded; then the batch is refused, and group membership goes on meanwhile.
const MAX_BACKPRESSURE_WAIT: Duration = Duration::from_millis(500);

pub(crate) struct S3Task {
    writers: Writers,
    context: WriterContext,
    clock: Arc<Clock>,
    /// Epoch milliseconds.
    last_put: i64,
    /// Objects stored since the last `poll`.
    stored: usize,
    /// Rows since the last `poll` that were in other objects already.
    durable: usize,
    /// Positions that the consumer is to be moved to.
    rewinds: Vec<(TopicPartition, i64)>,
    /// How long `put` waits for room while S3 works.
    longest_put: Duration,
}

impl S3Task {
    pub(crate) fn new(settings: Settings, store: Store, context: &TaskContext) -> Self {
        let clock = Arc::new(Clock::new());
        let memory = Memory::new(&context.open, Spill::new(settings.temp_folder.clone()));
        if let Some(compressors) = &settings.compressors {
            compressors.keep_within(context.open.clone());
        }
        let store = Arc::new(store);
        let queue = context.queue.clone().filter(|queue| queue.has_ledger);
        let ledger = queue
            .map(|queue| Ledger::new(Arc::clone(&store), context, queue, &settings.topics_dir));
        let uploads = Uploads::new(
            store,
            Arc::clone(&clock),
            Arc::clone(&settings.uploads),
            context,
        );
        S3Task {
            writers: Writers::default(),
            context: WriterContext {
                settings: Arc::new(settings),
                uploads,
                memory,
                rejected: Rejected::default(),
                batch_ids: BatchIds::default(),
                ledger,
                durable: None,
                has_reporter: context.has_reporter,
                goes_on_after_rejected: context.goes_on_after_rejected,
            },
            clock,
            last_put: 0,
            stored: 0,
            durable: 0,
            rewinds: Vec::new(),
            longest_put: context.longest_put,
        }
    }

    /// Says at the start what would stop the task later.
    pub(crate) async fn check(&mut self, context: &TaskContext) {
        let part_size = self.context.settings.part_size;
        self.context.memory.check(context, part_size).await;
    }

    /// Reads which messages an earlier run has stored and not settled.
    pub(crate) async fn read_ledger(&mut self) -> Result<(), SinkError> {
        match &mut self.context.ledger {
            Some(ledger) => ledger.begin().await,
            None => Ok(()),
        }
    }

    fn no_writer(&self, topic: &str, partition: i32) -> SinkError {
        let assigned: Vec<String> = self.writers.sorted().map(ToString::to_string).collect();
        SinkError::fatal(format!(
            "No writer found for topic partition {topic}-{partition}. The record's topic-partition does not match \
             any assigned partitions. Assigned partitions: [{}]",
            assigned.join(", ")
        ))
    }

    /// Takes note of a finished upload; one that failed for good ends the task.
    fn note(&mut self, ended: Ended) -> Result<(), SinkError> {
        match ended.result {
            Ok(End::Stored) => {
                self.stored += 1;
                if let Some(ledger) = &mut self.context.ledger {
                    ledger.stored(ended.job);
                }
                if let Some(writer) = self.writers.get_mut(&ended.owner) {
                    writer.stored(ended.job);
                    self.writers.has_moved(&ended.owner);
                    self.writers.look_again(&ended.owner, &mut self.context);
                }
                Ok(())
            }
            Ok(End::Dropped) => {
                if let Some(ledger) = &mut self.context.ledger {
                    ledger.dropped(ended.job);
                }
                Ok(())
            }
            Ok(End::Clash { free }) => {
                self.clash(&ended.owner, ended.job, free);
                Ok(())
            }
            Err(error) => Err(
                SinkError::fatal(error.to_string()).with_source(ObjectError {
                    key: ended.key,
                    source: error.into_cause(),
                }),
            ),
        }
    }

    /// Why a batch is refused: S3 does not take what is on its way.
    fn no_room(&self) -> SinkError {
        match self.context.uploads.degraded() {
            Some(degraded) => degraded.into(),
            None => SinkError::retriable(
                "backpressure: S3 uploads are slower than records arrive",
                MAX_BACKPRESSURE_WAIT,
            ),
        }
    }

    /// Writes as much of a batch as uploads have room for.
    async fn put_some(&mut self, batch: &RecordBatch, now: i64) -> Result<Flow, SinkError> {
        let origin = &batch.origin;
        let Some(writer) = self.writers.get_mut(origin) else {
            return Err(self.no_writer(&origin.topic, origin.partition));
        };
        let outcome = writer.put(&mut self.context, batch, now).await;
        if writer.has_carried() {
            self.writers.has_moved(origin);
        }
        self.writers.look_again(origin, &mut self.context);
        if self.context.memory.is_over() {
            self.spill().await;
            self.context.memory.hold(batch.permit.as_ref());
        }
        outcome
    }

    /// Moves what open files hold to the temporary file, until there is some memory again.
    async fn spill(&mut self) {
        let memory = &mut self.context.memory;
        let mut holders = self.writers.take_holders(memory.excess());
        memory.spill.write(holders.spillable()).await;
        self.writers.put_back(holders, &mut self.context);
    }

    /// Closes files whose time has come by the wall clock.
    async fn rotate_due(&mut self, now: i64) -> Result<(), SinkError> {
        let settings = Arc::clone(&self.context.settings);
        for partition in self
            .writers
            .due_after(|due| settings.rotation.is_due_too_far_ahead(due, now))
        {
            if let Some(writer) = self.writers.get_mut(&partition) {
                writer.skip_schedule(&settings.rotation, now);
                self.writers.look_again(&partition, &mut self.context);
            }
        }
        for partition in self.writers.due_by(now) {
            if let Some(writer) = self.writers.get_mut(&partition) {
                let outcome = writer.rotate_if_due(&mut self.context, now).await;
                self.writers.look_again(&partition, &mut self.context);
                outcome?;
            }
        }
        Ok(())
    }

    /// Closes files that are still to be closed, as far as uploads have room for them.
    async fn close_on(&mut self) -> Result<(), SinkError> {
        while self.context.uploads.is_clear()
            && let Some(partition) = self.writers.next_closable()
        {
            if let Some(writer) = self.writers.get_mut(&partition) {
                let outcome = writer.close_files(&mut self.context).await;
                self.writers.look_again(&partition, &mut self.context);
                outcome?;
            }
        }
        Ok(())
    }

    /// Open files that hold more than there is memory for go to the temporary file; where that takes nothing, no batch
    /// is taken either.
    async fn make_room_in_memory(&mut self) -> Result<(), SinkError> {
        if !self.context.memory.is_over() || self.context.memory.spill.failure().is_none() {
            return Ok(());
        }
        self.context.memory.spill.try_again();
        while self.context.memory.is_over()
            && self.context.memory.spill.failure().is_none()
            && self.writers.has_holders()
        {
            self.spill().await;
        }
        match self.context.memory.spill.failure() {
            Some(failure) if self.context.memory.is_over() => {
                let message = self.context.memory.shortage(failure);
                Err(SinkError::retriable(message, NO_MEMORY_WAIT))
            }
            _ => Ok(()),
        }
    }

    fn note_all_ended(&mut self) -> Result<(), SinkError> {
        while let Some(ended) = self.context.uploads.try_ended() {
            self.note(ended)?;
        }
        Ok(())
    }

    /// Drops what a partition has open and has not stored; returns the jobs that end of it.
    fn drop_writer(&mut self, partition: &TopicPartition) -> Vec<JobId> {
        let Some(writer) = self.writers.remove(partition) else {
            return Vec::new();
        };
        self.rewinds.retain(|(rewound, _)| rewound != partition);
        self.context.memory.change(writer.memory(), 0);
        let jobs = writer.abandon(&mut self.context.memory.spill);
        if let Some(ledger) = &mut self.context.ledger {
            jobs.iter().for_each(|job| ledger.dropped(*job));
        }
        jobs
    }

    /// Drops what a partition has not stored and has it read again from the first free name on.
    fn clash(&mut self, owner: &TopicPartition, job: JobId, free: i64) {
        let Some(writer) = self.writers.get_mut(owner) else {
            return;
        };
        if let Some(next) = writer.clash(job, free, &mut self.context, self.clock.now()) {
            self.writers.has_moved(owner);
            self.writers.look_again(owner, &mut self.context);
            self.rewinds.push((owner.clone(), next));
        }
    }
}

/// A topic that rows are bound for and that is not the one they come from. Its partitions have no writer here.
fn other_topic(batch: &RecordBatch) -> Option<&str> {
    let topics = match &batch.destination {
        Destination::Uniform(topic) => std::slice::from_ref(topic),
        Destination::PerRow(topics) => topics.as_slice(),
    };
    let other = topics.iter().find(|topic| **topic != batch.origin.topic);
    other.map(|topic| &**topic)
}

/// Which object could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write object `{key}`")]
struct ObjectError {
    key: Arc<str>,
    source: Option<Cause>,
}

#[async_trait]
impl SinkTask for S3Task {
    fn needs(&self) -> SinkNeeds {
        let settings = &self.context.settings;
        let has_envelopes = settings.envelope.is_some();
        // Both, where both are asked for, are JSON or can be made of what is decoded.
        let key = match &settings.keys {
            Some(keys) => Some(keys),
            None => has_envelopes.then_some(&settings.values),
        };
        SinkNeeds {
            key: key.map_or(ColumnNeed::Nothing, |keys| keys.format.need()),
            value: if settings.partitioner.needs_values() {
                ColumnNeed::Decoded
            } else if settings.rotation.compatibility.projects() {
                settings.values.format.need().without_encoded()
            } else {
                settings.values.format.need()
            },
            headers: settings.headers.is_some() || has_envelopes,
        }
    }

    fn copies_json(&self) -> bool {
        true
    }

    fn takes_renamed_topics(&self) -> bool {
        false
    }

    async fn open(&mut self, partitions: &[TopicPartition]) -> Result<(), SinkError> {
        let now = self.clock.now();
        for partition in partitions {
            // Nobody assigns a partition twice; if so, its state starts empty all the same.
            self.drop_writer(partition);
            let writer = PartitionWriter::new(partition.clone(), &self.context.settings, now);
            self.writers.insert(partition.clone(), writer);
        }
        Ok(())
    }

    async fn put(&mut self, batch: Arc<RecordBatch>, now: i64) -> Result<(), SinkError> {
        self.clock.set(now);
        self.last_put = now;
        self.note_all_ended()?;
        let origin = &batch.origin;
        if let Some(topic) = other_topic(&batch) {
            return Err(self.no_writer(topic, origin.partition));
        }
        self.make_room_in_memory().await?;
        self.context.durable = None;
        if let Some(ledger) = &mut self.context.ledger
            && let Some((rows, counted)) = ledger.durable_rows(&batch, now).await?
        {
            self.context.durable = Some(rows);
            self.durable += counted;
        }
        let begun = Instant::now();
        let deadline = begun + self.longest_put;
        let limit = deadline.min(begun + MAX_BACKPRESSURE_WAIT);
        let uploads = &self.context.uploads;
        let is_large =
            |permit: &&BytePermit| permit.is_oversized() || uploads.is_oversized(permit.bytes());
        let mut large = batch.permit.as_ref().filter(is_large);
        loop {
            if !self.context.uploads.has_room(deadline, limit).await {
                self.note_all_ended()?;
                return Err(self.no_room());
            }
            // A large record becomes parts all at once: they are counted before they are made.
            if let Some(large) = large.take()
                && !self.context.uploads.reserve(large, deadline).await
            {
                return Err(self.no_room());
            }
            self.note_all_ended()?;
            let flow = self.put_some(&batch, now).await;
            self.context.uploads.end_reserve();
            if flow? == Flow::Done {
                return Ok(());
            }
            if self.context.uploads.is_clear() {
                // What the writer waits for is the end of an upload.
                let until = match self.context.uploads.degraded() {
                    Some(_) => limit,
                    None => deadline,
                };
                match self.context.uploads.ended(until).await {
                    Some(ended) => self.note(ended)?,
                    None => return Err(self.no_room()),
                }
            }
        }
    }

    async fn poll(&mut self, now: i64) -> Result<Progress, SinkError> {
        self.clock.set(now);
        self.rotate_due(now).await?;
        self.context.uploads.send_queued();
        self.note_all_ended()?;
        self.close_on().await?;
        self.context.uploads.rest(now);
        if let Some(ledger) = &mut self.context.ledger {
            ledger.poll(now);
        }
        self.last_put = self.last_put.min(now);
        if now - self.last_put >= IDLE_MILLIS
            && let Some(compressors) = &self.context.settings.compressors
        {
            compressors.clear();
        }
        let mut progress = Progress {
            done: Vec::new(),
            rejected: std::mem::take(&mut self.context.rejected.rows),
            filtered: std::mem::take(&mut self.durable),
            objects: std::mem::take(&mut self.stored),
        };
        for partition in self.writers.take_moved() {
            if let Some(writer) = self.writers.get_mut(&partition) {
                let durable = writer.newly_durable().into_iter();
                progress
                    .done
                    .extend(durable.map(|rows| (partition.clone(), rows)));
            }
        }
        match self.context.uploads.degraded() {
            // Nothing is lost by saying so: there is no progress to report.
            Some(degraded)
                if progress.done.is_empty()
                    && progress.rejected.is_empty()
                    && progress.filtered == 0 =>
            {
                Err(degraded.into())
            }
            _ => Ok(progress),
        }
    }

    fn take_rewinds(&mut self) -> Vec<(TopicPartition, i64)> {
        for (partition, _) in &self.rewinds {
            if let Some(writer) = self.writers.get_mut(partition) {
                writer.sought();
            }
        }
        std::mem::take(&mut self.rewinds)
    }

    async fn progressed(&mut self) {
        self.context.uploads.progressed().await;
    }

    fn next_due(&self) -> Option<i64> {
        let scheduled = self.writers.next_due();
        scheduled.into_iter().chain(self.clock.next_due()).min()
    }

    async fn flush(&mut self, now: i64) -> Result<(), SinkError> {
        self.clock.set(now);
        let partitions: Vec<TopicPartition> = self.writers.sorted().cloned().collect();
        for partition in partitions {
            if let Some(writer) = self.writers.get_mut(&partition) {
                let outcome = writer.flush(&mut self.context, now).await;
                self.writers.has_moved(&partition);
                self.writers.look_again(&partition, &mut self.context);
                outcome?;
            }
        }
        Ok(())
    }

    async fn finish(&mut self, deadline: Duration) -> Result<(), SinkError> {
        let deadline = Instant::now() + deadline;
        while self.writers.have_unfinished() {
            if self.writers.can_close() {
                // The upload of an object that is to be closed ends only after that.
                if !self.context.uploads.has_room(deadline, deadline).await {
                    break;
                }
                self.close_on().await?;
                if !self.context.uploads.is_clear() {
                    continue;
                }
            }
            match self.context.uploads.ended(deadline).await {
                Some(ended) => self.note(ended)?,
                None => break,
            }
        }
        Ok(())
    }

    async fn close(&mut self, partitions: &[TopicPartition]) {
        let mut dropped: HashSet<JobId> = HashSet::new();
        for partition in partitions {
            dropped.extend(self.drop_writer(partition));
        }
        if let Some(compressors) = &self.context.settings.compressors {
            compressors.settled().await;
        }
        for unborn in self.context.uploads.discard_cancelled() {
            dropped.remove(&unborn);
        }
        let deadline = Instant::now() + ABORT_DEADLINE;
        while !dropped.is_empty() {
            let Some(ended) = self.context.uploads.ended(deadline).await else {
                warn!(uploads = dropped.len(), "aborting uploads timed out");
                break;
            };
            dropped.remove(&ended.job);
            if let Err(error) = self.note(ended) {
                // The next call will fail as well; closing goes on.
                warn!(%error, "an upload failed while partitions were closed");
            }
        }
    }

    async fn end(&mut self, deadline: Duration) {
        let now = self.clock.now();
        if let Some(ledger) = &mut self.context.ledger {
            ledger.end(now, deadline).await;
        }
    }
}

#[cfg(test)]
mod tests;
