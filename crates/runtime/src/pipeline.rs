//! Pipeline: the straight line of a record, from the consumer to the sink, with commits behind it.

mod commits;
mod converting;
mod partitions;
mod settling;

use crate::durability::Durability;
use crate::error_policy::ErrorPolicy;
use crate::failure::TaskFailure;
use crate::metrics::{Lag, Phase, TaskMetrics};
use crate::outage_reporter::OutageReporter;
use crate::outages::OutageSource;
use crate::plan::Plan;
use crate::task::{SinkParts, Target, TaskEvent, TaskSettings, report};
use converting::Converting;
use millstream_core::{
    ByteBudget, Consumer, Degraded, Fetched, RecordBatch, Rejected, SinkError, SinkErrorKind,
    SinkTask, TopicPartition, Unavailable, limits,
};
use settling::Settling;
use std::collections::BTreeSet;
use std::slice;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// How long records wait for a commit under way. A coordinator that answers takes milliseconds; while one is away
/// records flow on, and the next commit says the same and more.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(1);

/// How often an idle sink is asked how it is. What comes of earlier rows it tells by itself (`SinkTask::progressed`).
const IDLE_POLL: Duration = Duration::from_secs(1);

/// How often the lag is worked out, of what batches and fetch responses have told by the way; and what is added to that for
/// each partition, so that a task with thousands of them does little else.
const LAG_INTERVAL: Duration = Duration::from_secs(1);
const LAG_INTERVAL_PER_PARTITION: Duration = Duration::from_millis(1);

pub(crate) struct Pipeline {
    settings: TaskSettings,
    consumer: Box<dyn Consumer>,
    sink: Box<dyn SinkTask>,
    plan: Plan,
    errors: Arc<ErrorPolicy>,
    target: watch::Receiver<Target>,
    events: mpsc::Sender<TaskEvent>,
    metrics: Arc<TaskMetrics>,
    stop: CancellationToken,
    durability: Durability,
    assigned: BTreeSet<TopicPartition>,
    /// Topics that have been reported; few, since a task reads few.
    topics: BTreeSet<Arc<str>>,
    /// A batch that waits for what its converters need. While there is one there is no current batch.
    converting: Option<Converting>,
    current: Option<CurrentBatch>,
    settling: Option<Settling>,
    /// Rows that the sink rejected while others were being settled. No batch is given to it meanwhile, so they are no
    /// more than it had on its way.
    rejected: Rejected,
    is_paused: bool,
    /// The sink itself has ended the task: it is not asked to finish anything.
    has_sink_failed: bool,
    /// What the consumer's batches are counted in.
    fetched: ByteBudget,
    /// Since when others have waited for an oversized record of this task to be gone, during an outage of its sink.
    asked_back_since: Option<Instant>,
    outage_reporter: OutageReporter,
    lag_due: Instant,
    /// When a source that wants every range is told again, after an error.
    confirm_due: Instant,
}

/// The batch that is on its way to the sink. While there is one the consumer keeps the next.
struct CurrentBatch {
    batch: Arc<RecordBatch>,
    /// When the sink that has refused it gets it again.
    refused_until: Option<Instant>,
}

/// All that may happen to a pipeline.
enum Event {
    Fetched(Box<Fetched>),
    Target(Target),
    /// What a batch's converters need is there, or out of reach.
    Prepared(Result<(), Unavailable>),
    Settled(Result<(), TaskFailure>),
    /// The sink has something to tell, and may have room again.
    Progressed,
    /// Something is due by the clock.
    Due,
    Stop,
}

impl Pipeline {
    pub(crate) fn new(
        settings: TaskSettings,
        parts: SinkParts,
        target: watch::Receiver<Target>,
        events: mpsc::Sender<TaskEvent>,
        metrics: Arc<TaskMetrics>,
        stop: CancellationToken,
    ) -> Self {
        let now = Instant::now();
        let confirms = parts.consumer.confirms();
        Pipeline {
            durability: Durability::new(settings.commit_interval, confirms, now),
            outage_reporter: OutageReporter::new(&settings, events.clone(), Arc::clone(&metrics)),
            settings,
            consumer: parts.consumer,
            sink: parts.sink,
            plan: parts.plan,
            errors: Arc::new(parts.errors),
            target,
            events,
            metrics,
            stop,
            assigned: BTreeSet::new(),
            topics: BTreeSet::new(),
            converting: None,
            current: None,
            settling: None,
            rejected: Rejected::default(),
            is_paused: false,
            has_sink_failed: false,
            fetched: parts.fetched,
            asked_back_since: None,
            lag_due: now,
            confirm_due: now,
        }
    }

    /// Runs until the task is stopped or fails; either way what is durable is committed and everything is closed.
    pub(crate) async fn run(mut self) -> Result<(), TaskFailure> {
        let outcome = self.work().await;
        let assigned: Vec<TopicPartition> = self.assigned.iter().cloned().collect();
        let released = self.release_open(&assigned).await;
        let revoked = self.revoke(&assigned).await.and(released);
        self.consumer.close(self.settings.finish_deadline).await;
        self.sink.end(self.settings.finish_deadline / 3).await;
        if let (Ok(()), Err(failure)) = (&outcome, revoked) {
            tracing::warn!(
                connector = &*self.settings.id.connector,
                task = self.settings.id.task,
                error = failure.trace,
                "a record failed while the task stopped; it is read again after the next start"
            );
        }
        outcome
    }

    /// The one loop: whatever a task waits for, a record, its sink, its dead-letter topic or its owner, it waits here.
    async fn work(&mut self) -> Result<(), TaskFailure> {
        loop {
            match self.next_event().await {
                Event::Fetched(fetched) => self.on_fetched(*fetched).await?,
                Event::Target(target) => self.on_target(target).await,
                Event::Prepared(outcome) => self.on_prepared(outcome).await?,
                Event::Settled(outcome) => self.on_settled(outcome).await?,
                Event::Progressed => {
                    self.poll_sink().await?;
                    self.put_current(true).await?;
                }
                Event::Due => {
                    self.note_slow_dead_letters().await;
                    self.poll_sink().await?;
                    self.prepare_again().await?;
                    self.put_current(false).await?;
                }
                Event::Stop => return Ok(()),
            }
            let now = Instant::now();
            self.give_up_oversized(now).await?;
            if !self.durability.finished().is_empty() && self.confirm_due <= now {
                self.confirm().await;
            }
            if self.durability.due() <= now {
                self.commit(COMMIT_TIMEOUT).await;
            }
            if self.lag_due <= now {
                let partitions = self.assigned.len() as u32;
                self.lag_due = now + LAG_INTERVAL + LAG_INTERVAL_PER_PARTITION * partitions;
                self.note_lag(now);
            }
        }
    }

    /// A sink whose server is away keeps what it has, and nobody else's oversized record may come. After a while such a
    /// record is given up, with all that its partition has open, and is read again when its turn has come.
    async fn give_up_oversized(&mut self, now: Instant) -> Result<(), TaskFailure> {
        let is_out = self.outage_reporter.has(OutageSource::Sink)
            || self.outage_reporter.has(OutageSource::Converter);
        let asked_back = is_out.then(|| self.fetched.asked_back()).flatten();
        let Some((partition, offset)) = asked_back else {
            self.asked_back_since = None;
            return Ok(());
        };
        let since = *self.asked_back_since.get_or_insert(now);
        if now < since + limits::OVERSIZED_PATIENCE || !self.assigned.contains(&partition) {
            return Ok(());
        }
        self.asked_back_since = None;
        self.drop_batch_of(slice::from_ref(&partition)).await;
        let partitions = slice::from_ref(&partition);
        self.close_sink(partitions).await;
        let opened = self.sink.open(partitions).await;
        opened.map_err(|error| TaskFailure::sink(&error))?;
        let from = self.durability.start_over(&partition).unwrap_or(offset);
        self.consumer.seek(&partition, from);
        self.log_partitions(
            "an oversized record makes way for those of others, and is read again",
            partitions,
        );
        Ok(())
    }

    /// How far the task is behind the ends, in partitions of which they are known.
    fn note_lag(&self, now: Instant) {
        let extents = self.consumer.extents().into_iter();
        let behind = extents.map(|(partition, extent)| self.durability.lag(partition, extent));
        self.metrics.lag(Lag::of(behind.collect()), now);
    }

    /// A batch is asked for only while none is current and no rejected row waits; the group is listened to always.
    async fn next_event(&mut self) -> Event {
        let wake = self.wake_time();
        let is_busy =
            self.converting.is_some() || self.current.is_some() || self.settling.is_some();
        let (consumer, settling) = (&mut self.consumer, &mut self.settling);
        let converting = &mut self.converting;
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Event::Stop,
            changed = self.target.changed() => match changed {
                Ok(()) => Event::Target(*self.target.borrow_and_update()),
                Err(_) => Event::Stop,
            },
            Some(outcome) = async {
                match settling {
                    Some(settling) => Some((&mut settling.outcome).await),
                    None => None,
                }
            } => Event::Settled(outcome),
            Some(outcome) = async {
                match converting {
                    Some(converting) => converting.prepared().await,
                    None => None,
                }
            } => Event::Prepared(outcome),
            fetched = async {
                if is_busy { consumer.next_event().await } else { consumer.next().await }
            } => Event::Fetched(Box::new(fetched)),
            () = self.sink.progressed() => Event::Progressed,
            () = sleep_until(wake) => Event::Due,
        }
    }

    fn wake_time(&self) -> Instant {
        let now = Instant::now();
        let sink_due = self.sink.next_due().map_or(IDLE_POLL, |due| {
            let wait = due.saturating_sub((self.settings.clock)());
            Duration::from_millis(wait.max(0) as u64).min(IDLE_POLL)
        });
        // While rejected rows are being settled no batch is given, however long ago it was refused.
        let current = self.current.as_ref().filter(|_| self.settling.is_none());
        let refused = current.and_then(|current| current.refused_until);
        let slow = self.settling.as_ref().map(|settling| settling.slow_at);
        let converting = self.converting.as_ref().and_then(Converting::due);
        let others = [refused, slow, converting, Some(self.durability.due())];
        others
            .into_iter()
            .flatten()
            .fold(now + sink_due, Instant::min)
    }

    async fn on_fetched(&mut self, fetched: Fetched) -> Result<(), TaskFailure> {
        match fetched {
            Fetched::Batch(batch) => self.deliver(batch).await,
            Fetched::Flush(reason) => self.flush(reason.name()).await,
            Fetched::Assigned(partitions) => self.open(partitions).await,
            Fetched::Revoked { partitions, done } => {
                let revoked = self.revoke(&partitions).await;
                // The consumer may have given up waiting; it then reports the partitions as lost.
                let _ = done.send(());
                revoked
            }
            Fetched::Lost(partitions) => {
                self.close_partitions(&partitions).await;
                Ok(())
            }
            Fetched::Positioned(positions) => {
                self.on_positioned(positions);
                Ok(())
            }
            Fetched::Degraded(degraded) => {
                self.outage_reporter
                    .degrade(OutageSource::Consumer, degraded)
                    .await;
                Ok(())
            }
            Fetched::Recovered => {
                self.outage_reporter.recover(OutageSource::Consumer).await;
                Ok(())
            }
            Fetched::Failed(error) => Err(TaskFailure::consumer(&error)),
        }
    }

    /// The way of a batch: convert, transform, settle what failed, put, see what became durable.
    async fn deliver(&mut self, batch: RecordBatch) -> Result<(), TaskFailure> {
        self.metrics
            .read(batch.len(), self.delay(&batch), Instant::now());
        self.note_topic(&batch).await;
        self.durability
            .deliver(&batch.origin, batch.first_offset..batch.next_offset);
        match self.plan.prepare(&batch) {
            Some(preparation) => {
                self.converting = Some(Converting::new(batch, preparation));
                Ok(())
            }
            None => self.convert(batch).await,
        }
    }

    async fn convert(&mut self, mut batch: RecordBatch) -> Result<(), TaskFailure> {
        self.outage_reporter.recover(OutageSource::Converter).await;
        let mut rejected = Rejected::default();
        let read = batch.len();
        self.plan.convert(&mut batch, &mut rejected);
        self.plan.transform(&mut batch, &mut rejected);
        self.metrics
            .filtered(read - rejected.rows.len() - batch.len());
        self.current = Some(CurrentBatch {
            batch: Arc::new(batch),
            refused_until: None,
        });
        self.settle(rejected);
        self.put_current(false).await
    }

    /// Milliseconds since the last record's own time.
    fn delay(&self, batch: &RecordBatch) -> Option<i64> {
        let time = batch.timestamps.last().filter(|time| **time >= 0)?;
        Some((self.settings.clock)().saturating_sub(*time))
    }

    async fn note_topic(&mut self, batch: &RecordBatch) {
        if !batch.is_empty() && !self.topics.contains(&batch.origin.topic) {
            self.topics.insert(Arc::clone(&batch.origin.topic));
            report(
                &self.events,
                TaskEvent::Topic(Arc::clone(&batch.origin.topic)),
            )
            .await;
        }
    }

    /// Gives the sink the current batch, unless rejected rows wait to be settled or it has refused the batch not long ago;
    /// `has_news` if it may have room again all the same.
    async fn put_current(&mut self, has_news: bool) -> Result<(), TaskFailure> {
        let Some(current) = self.current.as_ref().filter(|_| self.settling.is_none()) else {
            return Ok(());
        };
        if !has_news
            && current
                .refused_until
                .is_some_and(|until| until > Instant::now())
        {
            return Ok(());
        }
        let batch = Arc::clone(&current.batch);
        if !self.sink.takes_renamed_topics()
            && !batch.is_empty()
            && let Some(row) = batch.destination.first_other(&batch.origin.topic)
        {
            return Err(TaskFailure::renamed(&batch, row, &self.plan.renaming()));
        }
        let (origin, next_offset, rows) = (batch.origin.clone(), batch.next_offset, batch.len());
        let begun = Instant::now();
        let outcome = self.sink.put(batch, (self.settings.clock)()).await;
        match outcome {
            Ok(()) => {
                self.current = None;
                self.durability.taken(&origin, next_offset, rows);
                let now = Instant::now();
                self.metrics.put(now - begun, now);
                let filtered = self.poll_sink().await?;
                self.metrics.sent(rows.saturating_sub(filtered), now);
                Ok(())
            }
            Err(error) => {
                let after = self.retry_after(&error).await?;
                self.metrics.retried();
                if let Some(current) = &mut self.current {
                    current.refused_until = Some(Instant::now() + after);
                }
                Ok(())
            }
        }
    }

    /// The pause that a transient error asks for; any other ends the task.
    async fn retry_after(&mut self, error: &SinkError) -> Result<Duration, TaskFailure> {
        let SinkErrorKind::Retriable { after, since } = error.kind else {
            self.has_sink_failed = true;
            return Err(TaskFailure::sink(error));
        };
        let after = after.min(limits::MAX_BACKOFF);
        let degraded = Degraded {
            reason: error.message.clone(),
            since: since.unwrap_or_else(self.settings.clock),
            next_try: after,
        };
        self.outage_reporter
            .degrade(OutageSource::Sink, degraded)
            .await;
        Ok(after)
    }

    /// Learns what came of earlier rows, and has those settled that the sink rejected; returns how many of the batch that
    /// it took last it has dropped for a transform.
    async fn poll_sink(&mut self) -> Result<usize, TaskFailure> {
        let polled = self.sink.poll((self.settings.clock)()).await;
        for (partition, offset) in self.sink.take_rewinds() {
            // It comes again with what lies around it.
            self.drop_batch_of(slice::from_ref(&partition)).await;
            self.durability.rewind(&partition, offset);
            self.consumer.seek(&partition, offset);
        }
        let progress = match polled {
            Ok(progress) => progress,
            Err(error) => return self.retry_after(&error).await.map(|_| 0),
        };
        let rejected = Rejected {
            rows: progress.rejected,
        };
        self.durability
            .note_not_stored(rejected.rows.len() + progress.filtered);
        self.settle(rejected);
        let stored = self.durability.complete(&progress.done);
        self.metrics
            .stored(stored, progress.objects, Instant::now());
        self.metrics.filtered(progress.filtered);
        // Whatever a sink says that has refused a batch, it is not well before it has taken it.
        let refused = self
            .current
            .as_ref()
            .and_then(|current| current.refused_until);
        if refused.is_none() {
            self.outage_reporter.recover(OutageSource::Sink).await;
        }
        Ok(progress.filtered)
    }

    async fn on_target(&mut self, target: Target) {
        let assigned: Vec<TopicPartition> = self.assigned.iter().cloned().collect();
        match target {
            Target::Paused => {
                self.consumer.pause(&assigned);
                self.is_paused = true;
                self.commit(COMMIT_TIMEOUT).await;
                self.metrics.phase(Phase::Paused, Instant::now());
                report(&self.events, TaskEvent::Paused).await;
            }
            Target::Running => {
                self.consumer.resume(&assigned);
                self.is_paused = false;
                self.metrics.phase(Phase::Running, Instant::now());
                report(&self.events, TaskEvent::Running).await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
