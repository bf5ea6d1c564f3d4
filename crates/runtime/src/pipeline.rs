//! Pipeline: the straight line of a record, from the consumer to the sink, with commits behind it.

use crate::commit::Commits;
use crate::error_policy::ErrorPolicy;
use crate::failure::TaskFailure;
use crate::metrics::TaskMetrics;
use crate::plan::Plan;
use crate::stored::Stored;
use crate::task::{Target, TaskEvent, TaskParts, TaskSettings, report};
use crate::troubles::{Over, Trouble, Troubles};
use millstream_core::rejected::CONNECT_EXCEPTION;
use millstream_core::{
    Consumer, Fetched, RecordBatch, Rejected, SinkError, SinkErrorKind, SinkTask, TopicPartition,
    limits,
};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// How long the dead-letter topic may take for a write before that is a trouble.
const SLOW_DEAD_LETTERS: Duration = Duration::from_secs(2);

/// How long records wait for a commit under way. A coordinator that answers takes milliseconds; while one is away
/// records flow on, and the next commit says the same and more.
const COMMIT_PATIENCE: Duration = Duration::from_secs(1);

/// How often an idle sink is asked how it is. What comes of earlier rows it tells by itself (`SinkTask::news`).
const IDLE_POLL: Duration = Duration::from_secs(1);

/// How often the lag is worked out.
const LAG_INTERVAL: Duration = Duration::from_secs(5);

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
    commits: Commits,
    assigned: BTreeSet<TopicPartition>,
    /// Topics that have been reported; few, since a task reads few.
    topics: BTreeSet<Arc<str>>,
    /// Items that arrived while the sink refused a batch; at most `limits::QUEUED_BATCHES`.
    held: VecDeque<Fetched>,
    is_paused: bool,
    /// The sink has refused the batch in hand: whatever it says meanwhile, it is not well before it has taken it.
    is_refused: bool,
    /// Rows that the sink rejected were not settled before the stop: nothing counts as done any more.
    has_given_up: bool,
    /// Rows of the batch in hand that the sink dropped for a transform it has taken over.
    filtered: usize,
    stored: Stored,
    troubles: Troubles,
    lag_due: Instant,
}

/// All that may happen to a pipeline.
enum Event {
    Fetched(Box<Fetched>),
    Target(Target),
    /// A commit, or something of the sink's, is due.
    Due,
    Stop,
}

/// How a refused batch goes on.
enum Pace {
    Again,
    /// Its partition is gone or the task stops: the batch is read again by whoever comes next.
    Abandon,
}

/// What came of rejected rows.
enum Settled {
    /// All of them are settled; these partitions went meanwhile.
    All { gone: Vec<TopicPartition> },
    /// The task stops before they were.
    GivenUp,
}

impl Pipeline {
    pub(crate) fn new(
        settings: TaskSettings,
        parts: TaskParts,
        target: watch::Receiver<Target>,
        events: mpsc::Sender<TaskEvent>,
        metrics: Arc<TaskMetrics>,
        stop: CancellationToken,
    ) -> Self {
        let commits = Commits::new(settings.commit_interval, Instant::now());
        Pipeline {
            settings,
            consumer: parts.consumer,
            sink: parts.sink,
            plan: parts.plan,
            errors: Arc::new(parts.errors),
            target,
            events,
            metrics,
            stop,
            commits,
            assigned: BTreeSet::new(),
            topics: BTreeSet::new(),
            held: VecDeque::new(),
            is_paused: false,
            is_refused: false,
            has_given_up: false,
            filtered: 0,
            stored: Stored::default(),
            troubles: Troubles::default(),
            lag_due: Instant::now(),
        }
    }

    /// Runs until the task is stopped or fails; either way everything is closed at the end.
    pub(crate) async fn run(mut self) -> Result<(), TaskFailure> {
        let outcome = self.work().await;
        let assigned: Vec<TopicPartition> = self.assigned.iter().cloned().collect();
        if outcome.is_ok() {
            self.release(&assigned).await;
        } else {
            self.close_sink(&assigned).await;
        }
        self.consumer.close(self.settings.finish_deadline).await;
        outcome
    }

    async fn work(&mut self) -> Result<(), TaskFailure> {
        loop {
            match self.next_event().await {
                Event::Fetched(fetched) => self.take(*fetched).await?,
                Event::Target(target) => self.turn(target).await,
                Event::Due => self.harvest().await?,
                Event::Stop => return Ok(()),
            }
            let now = Instant::now();
            if self.commits.due() <= now {
                self.commit(COMMIT_PATIENCE).await;
            }
            if self.lag_due <= now {
                self.lag_due = now + LAG_INTERVAL;
                self.note_lag();
            }
        }
    }

    /// How far what is durable is behind the ends, in partitions of which both are known.
    fn note_lag(&self) {
        let behind = self
            .consumer
            .ends()
            .into_iter()
            .filter_map(|(partition, end)| {
                let durable = self.commits.durable(&partition)?;
                Some(end.saturating_sub(durable).max(0) as u64)
            });
        self.metrics.lag(behind.sum());
    }

    async fn next_event(&mut self) -> Event {
        if let Some(fetched) = self.held.pop_front() {
            return Event::Fetched(Box::new(fetched));
        }
        let wake = self.wake_time();
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Event::Stop,
            changed = self.target.changed() => match changed {
                Ok(()) => Event::Target(*self.target.borrow_and_update()),
                Err(_) => Event::Stop,
            },
            fetched = self.consumer.next() => Event::Fetched(Box::new(fetched)),
            () = self.sink.news() => Event::Due,
            () = sleep_until(wake) => Event::Due,
        }
    }

    fn wake_time(&self) -> Instant {
        let now = Instant::now();
        let sink_due = self.sink.next_due().map_or(IDLE_POLL, |due| {
            let wait = due.saturating_sub((self.settings.clock)());
            Duration::from_millis(wait.max(0) as u64).min(IDLE_POLL)
        });
        (now + sink_due).min(self.commits.due())
    }

    async fn take(&mut self, fetched: Fetched) -> Result<(), TaskFailure> {
        match fetched {
            Fetched::Batch(batch) => self.deliver(batch).await,
            Fetched::Assigned(partitions) => self.open(partitions).await,
            Fetched::Revoked { partitions, done } => self.revoke(&partitions, done).await,
            Fetched::Lost(partitions) => {
                self.lose(&partitions).await;
                Ok(())
            }
            Fetched::Positioned(positions) => {
                self.begin(positions);
                Ok(())
            }
            Fetched::Degraded { reason, next_try } => {
                self.degrade(Trouble::Consumer, reason, next_try).await;
                Ok(())
            }
            Fetched::Recovered => {
                self.recover(Trouble::Consumer).await;
                Ok(())
            }
            Fetched::Failed(error) => Err(TaskFailure::consumer(&error)),
        }
    }

    /// The way of a batch: convert, transform, settle what failed, put, see what became durable.
    async fn deliver(&mut self, mut batch: RecordBatch) -> Result<(), TaskFailure> {
        let mut rejected = Rejected::default();
        let read = batch.len();
        self.metrics.read(read);
        self.note_topic(&batch).await;
        self.plan
            .convert(&mut batch, &mut rejected)
            .await
            .map_err(|error| TaskFailure::new(error.class, &error.message))?;
        self.plan.transform(&mut batch, &mut rejected);
        let left = batch.len();
        self.metrics.filtered(read - rejected.rows.len() - left);
        match self.settle(rejected).await? {
            Settled::All { gone } if !gone.contains(&batch.origin) => {}
            Settled::All { .. } | Settled::GivenUp => return Ok(()),
        }
        if !self.sink.takes_renamed_topics()
            && !batch.is_empty()
            && let Some(row) = batch.destination.first_other(&batch.origin.topic)
        {
            return Err(TaskFailure::renamed(&batch, row, &self.plan.renaming()));
        }
        let (origin, next_offset) = (batch.origin.clone(), batch.next_offset);
        if let Pace::Again = self.put(Arc::new(batch)).await? {
            self.stored.give(&origin, next_offset, left);
            self.harvest().await?;
            let filtered = std::mem::take(&mut self.filtered);
            self.metrics.sent(left.saturating_sub(filtered));
        }
        Ok(())
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

    /// Gives the batch to the sink, again and again while the sink refuses it for a transient reason.
    async fn put(&mut self, batch: Arc<RecordBatch>) -> Result<Pace, TaskFailure> {
        loop {
            let outcome = self
                .sink
                .put(Arc::clone(&batch), (self.settings.clock)())
                .await;
            self.is_refused = outcome.is_err();
            match outcome {
                Ok(()) => return Ok(Pace::Again),
                Err(error) => {
                    let after = self.retry_after(&error).await?;
                    self.metrics.retried();
                    match self.wait(&batch.origin, after).await? {
                        Pace::Again => self.harvest().await?,
                        Pace::Abandon => {
                            self.is_refused = false;
                            return Ok(Pace::Abandon);
                        }
                    }
                }
            }
        }
    }

    /// The pause that a transient error asks for; any other ends the task.
    async fn retry_after(&mut self, error: &SinkError) -> Result<Duration, TaskFailure> {
        let SinkErrorKind::Retriable { after } = error.kind else {
            return Err(TaskFailure::sink(error));
        };
        let after = after.min(limits::MAX_BACKOFF);
        self.degrade(Trouble::Sink, error.message.clone(), after)
            .await;
        Ok(after)
    }

    /// Waits, while group membership goes on: what the consumer delivers is held, a revocation is answered at once.
    async fn wait(
        &mut self,
        origin: &TopicPartition,
        pause: Duration,
    ) -> Result<Pace, TaskFailure> {
        let pace = self.hold_until(origin, Instant::now() + pause).await;
        self.end_hold();
        pace
    }

    /// When enough is held the consumer keeps its batches back, and still tells what happens to the group: a member
    /// that does not listen would hold up every rebalance and lose its place. To be called before each wait: what was
    /// held before counts, too.
    fn limit_held(&mut self) {
        if self.held.len() >= limits::QUEUED_BATCHES {
            let assigned: Vec<TopicPartition> = self.assigned.iter().cloned().collect();
            self.consumer.pause(&assigned);
        }
    }

    fn end_hold(&mut self) {
        if !self.is_paused {
            let assigned: Vec<TopicPartition> = self.assigned.iter().cloned().collect();
            self.consumer.resume(&assigned);
        }
    }

    async fn hold_until(
        &mut self,
        origin: &TopicPartition,
        until: Instant,
    ) -> Result<Pace, TaskFailure> {
        loop {
            self.limit_held();
            let fetched = tokio::select! {
                () = self.stop.cancelled() => return Ok(Pace::Abandon),
                () = sleep_until(until) => return Ok(Pace::Again),
                () = self.sink.news() => return Ok(Pace::Again),
                fetched = self.consumer.next() => fetched,
            };
            match fetched {
                Fetched::Revoked { partitions, done } => {
                    self.drop_held(&partitions);
                    let is_gone = partitions.contains(origin);
                    self.revoke(&partitions, done).await?;
                    if is_gone {
                        return Ok(Pace::Abandon);
                    }
                }
                Fetched::Lost(partitions) => {
                    self.drop_held(&partitions);
                    let is_gone = partitions.contains(origin);
                    self.lose(&partitions).await;
                    if is_gone {
                        return Ok(Pace::Abandon);
                    }
                }
                Fetched::Failed(error) => return Err(TaskFailure::consumer(&error)),
                Fetched::Assigned(partitions) => self.open(partitions).await?,
                Fetched::Positioned(positions) => self.begin(positions),
                other @ (Fetched::Batch(_) | Fetched::Degraded { .. } | Fetched::Recovered) => {
                    self.held.push_back(other);
                }
            }
        }
    }

    /// Forgets held batches of partitions that go: their next owner reads them again.
    fn drop_held(&mut self, partitions: &[TopicPartition]) {
        self.held.retain(|item| match item {
            Fetched::Batch(batch) => !partitions.contains(&batch.origin),
            _ => true,
        });
    }

    /// Learns what came of earlier rows, and settles those that the sink rejected before their offsets count.
    async fn harvest(&mut self) -> Result<(), TaskFailure> {
        if self.has_given_up {
            // What the sink says from now on may lie behind a row that was not settled.
            return Ok(());
        }
        let polled = self.sink.poll((self.settings.clock)()).await;
        for (partition, offset) in self.sink.take_rewinds() {
            self.drop_held(std::slice::from_ref(&partition));
            self.stored.rewind(&partition, offset);
            self.consumer.seek(&partition, offset);
        }
        match polled {
            Ok(mut progress) => {
                let rejected = Rejected {
                    rows: progress.rejected,
                };
                self.stored.lose(rejected.rows.len() + progress.filtered);
                let Settled::All { gone } = self.settle(rejected).await? else {
                    self.has_given_up = true;
                    return Ok(());
                };
                progress
                    .durable
                    .retain(|(origin, _)| !gone.contains(origin));
                self.commits.advance(&progress.durable);
                let stored = progress
                    .durable
                    .iter()
                    .map(|(p, offset)| self.stored.advance(p, *offset));
                self.metrics.stored(stored.sum(), progress.objects);
                self.metrics.filtered(progress.filtered);
                self.filtered += progress.filtered;
                if !self.is_refused {
                    self.recover(Trouble::Sink).await;
                }
                Ok(())
            }
            Err(error) => self.retry_after(&error).await.map(|_| ()),
        }
    }

    /// Settles rejected rows, however long the dead-letter topic takes; a stop waits for half its time at most, and
    /// what is not settled then is read again. Partitions that go meanwhile go without a commit: the wait could be
    /// longer than the group's.
    async fn settle(&mut self, mut rejected: Rejected) -> Result<Settled, TaskFailure> {
        if rejected.is_empty() {
            return Ok(Settled::All { gone: Vec::new() });
        }
        let (errors, metrics) = (Arc::clone(&self.errors), Arc::clone(&self.metrics));
        let stop = self.stop.clone();
        let patience = self.settings.finish_deadline / 2;
        let mut settled = std::pin::pin!(errors.settle(&mut rejected, &metrics));
        let mut given_up = std::pin::pin!(async {
            stop.cancelled().await;
            sleep(patience).await;
        });
        let mut gone = Vec::new();
        let mut slow_at = Instant::now() + SLOW_DEAD_LETTERS;
        loop {
            self.limit_held();
            let fetched = tokio::select! {
                biased;
                settled = &mut settled => {
                    settled?;
                    self.end_hold();
                    self.recover(Trouble::DeadLetters).await;
                    return Ok(Settled::All { gone });
                }
                () = &mut given_up => return Ok(Settled::GivenUp),
                () = sleep_until(slow_at) => {
                    slow_at += SLOW_DEAD_LETTERS;
                    let reason = "the dead-letter topic does not take records yet".to_owned();
                    self.degrade(Trouble::DeadLetters, reason, SLOW_DEAD_LETTERS).await;
                    continue;
                }
                fetched = self.consumer.next() => fetched,
            };
            match fetched {
                Fetched::Revoked { partitions, done } => {
                    self.drop_held(&partitions);
                    self.lose(&partitions).await;
                    let _ = done.send(());
                    gone.extend(partitions);
                }
                Fetched::Lost(partitions) => {
                    self.drop_held(&partitions);
                    self.lose(&partitions).await;
                    gone.extend(partitions);
                }
                Fetched::Failed(error) => return Err(TaskFailure::consumer(&error)),
                Fetched::Assigned(partitions) => self.open(partitions).await?,
                Fetched::Positioned(positions) => self.begin(positions),
                other @ (Fetched::Batch(_) | Fetched::Degraded { .. } | Fetched::Recovered) => {
                    self.held.push_back(other);
                }
            }
        }
    }

    /// Commits what is durable. A commit that fails or takes too long is tried again with the next one.
    async fn commit(&mut self, patience: Duration) {
        self.commits.schedule(Instant::now());
        let pending = self.commits.pending();
        if pending.is_empty() {
            // What could not be committed has gone to somebody else.
            self.recover(Trouble::Commit).await;
            return;
        }
        let outcome = match timeout(patience, self.consumer.commit(&pending)).await {
            Ok(outcome) => outcome.map_err(|error| error.message),
            Err(_) => Err("the group's coordinator does not answer a commit".to_owned()),
        };
        self.metrics.committed(outcome.is_ok());
        match outcome {
            Ok(()) => {
                self.commits.committed(&pending);
                self.recover(Trouble::Commit).await;
            }
            Err(reason) => {
                let next_try = self.settings.commit_interval;
                self.degrade(Trouble::Commit, reason, next_try).await;
            }
        }
    }

    async fn open(&mut self, partitions: Vec<TopicPartition>) -> Result<(), TaskFailure> {
        self.sink
            .open(&partitions)
            .await
            .map_err(|error| TaskFailure::sink(&error))?;
        if self.is_paused {
            self.consumer.pause(&partitions);
        }
        self.tell("partitions assigned", &partitions);
        self.assigned.extend(partitions);
        Ok(())
    }

    /// Start positions are before every row that was ever read of their partitions, so they may be committed.
    fn begin(&mut self, mut positions: Vec<(TopicPartition, i64)>) {
        positions.retain(|(partition, _)| self.assigned.contains(partition));
        self.commits.begin(&positions, Instant::now());
    }

    /// Lets partitions go: finish, commit, close, and only then let the group go on.
    async fn revoke(
        &mut self,
        partitions: &[TopicPartition],
        done: oneshot::Sender<()>,
    ) -> Result<(), TaskFailure> {
        // Uploads and the commit have a deadline each; what else may take longer is the dead-letter topic.
        let patience = self.settings.finish_deadline * 3;
        let released = timeout(patience, self.release(partitions)).await;
        if released.is_err() {
            self.lose(partitions).await;
        }
        // The consumer may have given up waiting; it then reports the partitions as lost.
        let _ = done.send(());
        // Rows of partitions that stay may be among those that were not settled: only a new start knows where to go on.
        released.map_err(|_| TaskFailure {
            is_transient: true,
            ..TaskFailure::new(
                CONNECT_EXCEPTION,
                "the dead-letter topic took no records while partitions were to be let go",
            )
        })
    }

    async fn release(&mut self, partitions: &[TopicPartition]) {
        let finished = self.sink.finish(self.settings.finish_deadline).await;
        let harvested = self.harvest().await;
        self.commit(self.settings.finish_deadline).await;
        self.lose(partitions).await;
        for reason in [
            finished.err().map(|error| error.to_string()),
            harvested.err().map(|failure| failure.trace),
        ]
        .into_iter()
        .flatten()
        {
            tracing::warn!(
                connector = &*self.settings.id.connector,
                task = self.settings.id.task,
                error = reason,
                "not everything was finished; it is read again from the committed offset"
            );
        }
    }

    /// Closes partitions without a commit.
    async fn lose(&mut self, partitions: &[TopicPartition]) {
        self.tell("partitions given up", partitions);
        self.close_sink(partitions).await;
        self.commits.forget(partitions);
        self.stored.forget(partitions);
        for partition in partitions {
            self.assigned.remove(partition);
        }
    }

    /// One line, however many there are.
    fn tell(&self, what: &str, partitions: &[TopicPartition]) {
        if !partitions.is_empty() {
            tracing::info!(
                connector = &*self.settings.id.connector,
                task = self.settings.id.task,
                count = partitions.len(),
                partitions = some_of(partitions),
                "{what}"
            );
        }
    }

    /// Closing may have to tell a server that is out of reach; leaving the group must not wait for that.
    async fn close_sink(&mut self, partitions: &[TopicPartition]) {
        let closed = self.sink.close(partitions);
        if timeout(self.settings.finish_deadline / 3, closed)
            .await
            .is_err()
        {
            tracing::warn!(
                connector = &*self.settings.id.connector,
                task = self.settings.id.task,
                "the sink did not close in time"
            );
        }
    }

    async fn turn(&mut self, target: Target) {
        let assigned: Vec<TopicPartition> = self.assigned.iter().cloned().collect();
        match target {
            Target::Paused => {
                self.consumer.pause(&assigned);
                self.is_paused = true;
                self.commit(COMMIT_PATIENCE).await;
                report(&self.events, TaskEvent::Paused).await;
            }
            Target::Running => {
                self.consumer.resume(&assigned);
                self.is_paused = false;
                report(&self.events, TaskEvent::Running).await;
            }
        }
    }

    async fn degrade(&mut self, trouble: Trouble, reason: String, next_try: Duration) {
        if let Some(line) = self.troubles.add(trouble, Instant::now()) {
            tracing::warn!(
                connector = &*self.settings.id.connector,
                task = self.settings.id.task,
                error = reason,
                attempts = line.attempts,
                seconds = line.lasting.as_secs(),
                "degraded, retrying"
            );
        }
        self.metrics.degraded(true);
        report(&self.events, TaskEvent::Degraded { reason, next_try }).await;
    }

    async fn recover(&mut self, trouble: Trouble) {
        if let Over::Yes { is_told } = self.troubles.remove(trouble) {
            self.metrics.degraded(false);
            if is_told {
                tracing::info!(
                    connector = &*self.settings.id.connector,
                    task = self.settings.id.task,
                    "recovered"
                );
            }
            report(&self.events, TaskEvent::Recovered).await;
        }
    }
}

/// The first partitions by name; thousands of them would make no line.
fn some_of(partitions: &[TopicPartition]) -> String {
    const SHOWN: usize = 10;
    let first = partitions.iter().take(SHOWN);
    let mut text = first
        .map(|partition| format!("{}-{}", partition.topic, partition.partition))
        .collect::<Vec<_>>()
        .join(", ");
    if partitions.len() > SHOWN {
        text.push_str(", …");
    }
    text
}

#[cfg(test)]
mod tests;
