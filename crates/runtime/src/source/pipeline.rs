//! SourcePipeline: one source task, from its source to Kafka, with the source's offsets behind it.

mod encoding;
mod offsets;

use super::progress::Progress;
use crate::failure::TaskFailure;
use crate::metrics::{Phase, TaskMetrics};
use crate::outage_reporter::OutageReporter;
use crate::outages::OutageSource;
use crate::task::{SourceParts, Target, TaskEvent, TaskSettings, report};
use encoding::{Encoding, Transformed};
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use millstream_core::{
    Acknowledgement, BytePermit, Degraded, OffsetError, OutgoingRecord, Rejected, RejectedRow,
    SinkErrorKind, SourceBatch, SourceError, SourcePlace, Stage, TimestampType, Tolerance,
    TopicPartition, Unavailable, WriteError, limits,
};
use offsets::Flush;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// The pause before records are sent again that were not taken.
const SEND_PAUSE: Duration = Duration::from_millis(100);

/// How long Kafka may take for an acknowledgement before that is an outage.
const SLOW_KAFKA: Duration = Duration::from_secs(5);

pub(crate) struct SourcePipeline {
    settings: TaskSettings,
    parts: SourceParts,
    target: watch::Receiver<Target>,
    events: mpsc::Sender<TaskEvent>,
    outage_reporter: OutageReporter,
    metrics: Arc<TaskMetrics>,
    stop: CancellationToken,
    progress: Progress,
    /// Topics that have been reported.
    topics: BTreeSet<Arc<str>>,
    /// What is not sent yet. While there is something the source is not asked.
    current: CurrentBatch,
    in_flight: FuturesUnordered<BoxFuture<'static, (Sent, Result<(), WriteError>)>>,
    /// When Kafka last acknowledged something, or began to have something to acknowledge.
    heard: Instant,
    flush: Option<Flush>,
    flush_due: Instant,
    /// When a source that could not be read is asked again.
    poll_due: Instant,
    is_paused: bool,
    number: u64,
}

/// The way of a batch into the producer.
enum CurrentBatch {
    Empty,
    /// It waits for what its converters need.
    Encoding(Box<Encoding>),
    /// Records wait for room, in memory and in the producer.
    Sending(
        Sent,
        BoxFuture<'static, (BytePermit, Result<Acknowledgement, WriteError>)>,
    ),
    /// They were not taken, and are sent again at this time.
    Refused(Sent, Instant),
}

/// Records that were sent together.
struct Sent {
    number: u64,
    place: Option<SourcePlace>,
    /// Where the source stands after each of them.
    offsets: Vec<i64>,
    records: Vec<OutgoingRecord>,
}

/// All that may happen to a source pipeline.
enum Event {
    Polled(Box<Result<SourceBatch, SourceError>>),
    /// What a batch's converters need is there, or out of reach.
    Prepared(Result<(), Unavailable>),
    /// The producer has taken what was in hand, or not.
    Taken(BytePermit, Result<Acknowledgement, WriteError>),
    Acknowledged(Sent, Result<(), WriteError>),
    Flushed(Result<(), OffsetError>),
    Target(Target),
    /// Something is due by the clock.
    Due,
    Stop,
}

impl SourcePipeline {
    pub(crate) fn new(
        settings: TaskSettings,
        parts: SourceParts,
        target: watch::Receiver<Target>,
        events: mpsc::Sender<TaskEvent>,
        metrics: Arc<TaskMetrics>,
        stop: CancellationToken,
    ) -> Self {
        let now = Instant::now();
        SourcePipeline {
            flush_due: now + settings.commit_interval,
            outage_reporter: OutageReporter::new(&settings, events.clone(), Arc::clone(&metrics)),
            settings,
            parts,
            target,
            events,
            metrics,
            stop,
            progress: Progress::default(),
            topics: BTreeSet::new(),
            current: CurrentBatch::Empty,
            in_flight: FuturesUnordered::new(),
            heard: now,
            flush: None,
            poll_due: now,
            is_paused: false,
            number: 0,
        }
    }

    /// Runs until the task is stopped or fails; either way what Kafka acknowledges in time is stored as the source's
    /// offset.
    pub(crate) async fn run(mut self) -> Result<(), TaskFailure> {
        let outcome = self.work().await;
        let time_limit = self.parts.flush_timeout.min(self.settings.finish_deadline) / 2;
        if timeout(time_limit, self.drain()).await.is_err() {
            tracing::warn!(
                connector = &*self.settings.id.connector,
                task = self.settings.id.task,
                "not everything was acknowledged in time; it is read again after the next start"
            );
        }
        if timeout(time_limit, self.flush_all()).await.is_err() {
            tracing::warn!(
                connector = &*self.settings.id.connector,
                task = self.settings.id.task,
                "the source's offsets were not stored in time; more is read again after the next start"
            );
        }
        self.parts.source.stop().await;
        outcome
    }

    /// The one loop: whatever a task waits for, its source, Kafka, its offsets or its owner, it waits here.
    async fn work(&mut self) -> Result<(), TaskFailure> {
        loop {
            match self.next_event().await {
                Event::Polled(polled) => self.take(*polled).await?,
                Event::Prepared(outcome) => self.on_prepared(outcome).await?,
                Event::Taken(permit, taken) => self.taken(permit, taken).await?,
                Event::Acknowledged(sent, outcome) => self.acknowledged(sent, outcome).await?,
                Event::Flushed(outcome) => self.flushed(outcome).await,
                Event::Target(target) => self.turn(target).await,
                Event::Due => self.note_slow_kafka().await,
                Event::Stop => return Ok(()),
            }
            let now = Instant::now();
            if matches!(&self.current, CurrentBatch::Refused(_, at) if *at <= now) {
                self.send_again();
            }
            self.prepare_again(now).await?;
            if self.flush_due <= now {
                self.begin_flush();
            }
        }
    }

    async fn next_event(&mut self) -> Event {
        let wake = self.wake_time();
        let asks_source = !self.is_paused
            && matches!(self.current, CurrentBatch::Empty)
            && self.in_flight.len() < limits::UNACKNOWLEDGED_BATCHES;
        let (poll_due, clock) = (self.poll_due, self.settings.clock);
        let (current, flush, source) = (&mut self.current, &mut self.flush, &mut self.parts.source);
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Event::Stop,
            changed = self.target.changed() => match changed {
                Ok(()) => Event::Target(*self.target.borrow_and_update()),
                Err(_) => Event::Stop,
            },
            Some((sent, outcome)) = self.in_flight.next() => Event::Acknowledged(sent, outcome),
            Some(event) = async {
                match current {
                    CurrentBatch::Sending(_, taken) => {
                        let (permit, taken) = taken.await;
                        Some(Event::Taken(permit, taken))
                    }
                    CurrentBatch::Encoding(encoding) => {
                        encoding.prepared().await.map(Event::Prepared)
                    }
                    CurrentBatch::Empty | CurrentBatch::Refused(..) => None,
                }
            } => event,
            Some(outcome) = async {
                match flush {
                    Some(flush) => Some((&mut flush.outcome).await),
                    None => None,
                }
            } => Event::Flushed(outcome),
            polled = async {
                sleep_until(poll_due).await;
                source.poll(clock).await
            }, if asks_source => Event::Polled(Box::new(polled)),
            () = sleep_until(wake) => Event::Due,
        }
    }

    fn wake_time(&self) -> Instant {
        let again = match &self.current {
            CurrentBatch::Refused(_, at) => Some(*at),
            CurrentBatch::Encoding(encoding) => encoding.due(),
            CurrentBatch::Empty | CurrentBatch::Sending(..) => None,
        };
        let slow = self.heard + SLOW_KAFKA;
        let slow = (!self.in_flight.is_empty()).then_some(slow);
        let others = [again, slow].into_iter().flatten();
        others.fold(self.flush_due, Instant::min)
    }

    /// The way of a batch: transform, convert (`encoding`), settle what failed, hand the rest to the producer.
    async fn take(&mut self, polled: Result<SourceBatch, SourceError>) -> Result<(), TaskFailure> {
        let batch = match polled {
            Ok(batch) => batch,
            Err(error) => return self.wait_for_source(error).await,
        };
        self.outage_reporter.recover(OutageSource::Source).await;
        let read = batch.records.len();
        if read == 0 {
            return Ok(());
        }
        self.metrics.read(read, None, Instant::now());
        let mut rejected = Rejected::default();
        let place = batch.place.clone();
        let offsets = batch.records.offsets.clone();
        let (records, filtered) = self.parts.plan.transform(batch, &mut rejected);
        self.metrics.filtered(filtered);
        let transformed = Transformed {
            records,
            rejected,
            place,
            read: offsets,
        };
        self.prepare(transformed).await
    }

    async fn wait_for_source(&mut self, error: SourceError) -> Result<(), TaskFailure> {
        let SinkErrorKind::Retriable { after, since } = error.kind else {
            return Err(TaskFailure::start(&error));
        };
        let after = after.min(limits::MAX_BACKOFF);
        self.poll_due = Instant::now() + after;
        self.metrics.retried();
        let degraded = Degraded {
            reason: error.message,
            since: since.unwrap_or_else(self.settings.clock),
            next_try: after,
        };
        self.outage_reporter
            .degrade(OutageSource::Source, degraded)
            .await;
        Ok(())
    }

    fn send(&mut self, sent: Sent) {
        let records = sent.records.clone();
        let sender = Arc::clone(&self.parts.sender);
        let memory = self.parts.in_flight.clone();
        let bytes = records.iter().map(size).sum();
        let taken = async move {
            let permit = memory.acquire(bytes).await;
            (permit, sender.send(records).await)
        };
        self.current = CurrentBatch::Sending(sent, Box::pin(taken));
    }

    fn send_again(&mut self) {
        if let CurrentBatch::Refused(sent, _) =
            std::mem::replace(&mut self.current, CurrentBatch::Empty)
        {
            self.send(sent);
        }
    }

    async fn taken(
        &mut self,
        permit: BytePermit,
        taken: Result<Acknowledgement, WriteError>,
    ) -> Result<(), TaskFailure> {
        let CurrentBatch::Sending(sent, _) =
            std::mem::replace(&mut self.current, CurrentBatch::Empty)
        else {
            return Ok(());
        };
        match taken {
            Ok(acknowledgement) => {
                if self.in_flight.is_empty() {
                    self.heard = Instant::now();
                }
                self.outage_reporter.recover(OutageSource::Producer).await;
                self.metrics.sent(sent.records.len(), Instant::now());
                self.in_flight.push(Box::pin(async move {
                    let outcome = acknowledgement.await;
                    drop(permit);
                    (sent, outcome)
                }));
                Ok(())
            }
            Err(error) if error.is_transient => {
                self.current = CurrentBatch::Refused(sent, Instant::now() + SEND_PAUSE);
                self.metrics.retried();
                let reason = error.to_string();
                self.outage_reporter
                    .attempt_failed(OutageSource::Producer, reason, SEND_PAUSE)
                    .await;
                Ok(())
            }
            Err(error) => self.refused(sent, error, permit),
        }
    }

    async fn acknowledged(
        &mut self,
        sent: Sent,
        outcome: Result<(), WriteError>,
    ) -> Result<(), TaskFailure> {
        self.heard = Instant::now();
        if let Err(error) = outcome {
            return self.refused(sent, error, self.parts.in_flight.nothing());
        }
        self.outage_reporter.recover(OutageSource::Producer).await;
        for record in &sent.records {
            if !self.topics.contains(&record.topic) {
                self.topics.insert(Arc::clone(&record.topic));
                report(&self.events, TaskEvent::Topic(Arc::clone(&record.topic))).await;
            }
        }
        let stored = sent.records.len() as u64;
        self.metrics.stored(stored, 0, Instant::now());
        self.settle(&sent);
        Ok(())
    }

    /// Records that are done with: acknowledged, or given up and told of.
    fn settle(&mut self, sent: &Sent) {
        let now = (self.settings.clock)();
        self.parts.source.acknowledged(&sent.offsets, now);
        if let Some(place) = &sent.place {
            self.progress.acknowledge(&place.partition, sent.number);
        }
    }

    /// Records of which one is not taken, whatever is done. Where that is tolerated they are sent again one by one, so that
    /// those alone are lost that Kafka does not take.
    fn refused(
        &mut self,
        sent: Sent,
        error: WriteError,
        permit: BytePermit,
    ) -> Result<(), TaskFailure> {
        if self.parts.tolerance == Tolerance::None || error.is_transient {
            return Err(TaskFailure::send(&error));
        }
        let sender = Arc::clone(&self.parts.sender);
        let errors = Arc::clone(&self.parts.errors);
        let metrics = Arc::clone(&self.metrics);
        let now = (self.settings.clock)();
        let alone = async move {
            for (record, offset) in sent.records.iter().zip(&sent.offsets) {
                let outcome = match sender.send(vec![record.clone()]).await {
                    Ok(acknowledgement) => acknowledgement.await,
                    Err(error) => Err(error),
                };
                match outcome {
                    Ok(()) => {}
                    Err(error) if error.is_transient => return (sent, Err(error)),
                    Err(error) => {
                        let mut rejected = Rejected {
                            rows: vec![unsent(record, *offset, &error)],
                        };
                        // All errors are tolerated, so that nothing comes of it but a line in the log.
                        let _ = errors.settle(&mut rejected, &metrics, now).await;
                    }
                }
            }
            drop(permit);
            (sent, Ok(()))
        };
        self.in_flight.push(Box::pin(alone));
        Ok(())
    }

    async fn note_slow_kafka(&mut self) {
        if self.in_flight.is_empty() || self.heard + SLOW_KAFKA > Instant::now() {
            return;
        }
        // It is told again if nothing has come until then.
        self.heard = Instant::now();
        let reason = "Kafka does not acknowledge records yet".to_owned();
        self.outage_reporter
            .attempt_failed(OutageSource::Producer, reason, SLOW_KAFKA)
            .await;
    }

    async fn turn(&mut self, target: Target) {
        let (event, phase) = match target {
            Target::Paused => (TaskEvent::Paused, Phase::Paused),
            Target::Running => (TaskEvent::Running, Phase::Running),
        };
        self.metrics.phase(phase, Instant::now());
        self.is_paused = target == Target::Paused;
        self.parts.source.set_paused(self.is_paused);
        if self.is_paused {
            self.begin_flush();
        }
        report(&self.events, event).await;
    }

    /// Waits for what Kafka has. Whoever calls limits the time.
    async fn drain(&mut self) {
        while let Some((sent, outcome)) = self.in_flight.next().await {
            if let Err(error) = self.acknowledged(sent, outcome).await {
                tracing::warn!(
                    connector = &*self.settings.id.connector,
                    task = self.settings.id.task,
                    error = error.reason,
                    "records were not written while the task stopped; they are read again after the next start"
                );
            }
        }
    }
}

/// The bytes of a record, without what the producer adds.
fn size(record: &OutgoingRecord) -> usize {
    let field = |field: &Option<bytes::Bytes>| field.as_ref().map_or(0, bytes::Bytes::len);
    let headers = record.headers.iter();
    let headers: usize = headers.map(|(key, value)| key.len() + field(value)).sum();
    field(&record.key) + field(&record.value) + headers
}

/// A record that Kafka does not take, for the log.
fn unsent(record: &OutgoingRecord, offset: i64, error: &WriteError) -> RejectedRow {
    RejectedRow {
        origin: TopicPartition::new(&*record.topic, record.partition.unwrap_or(-1)),
        offset,
        timestamp: record.timestamp.unwrap_or(-1),
        timestamp_type: TimestampType::CreateTime,
        stage: Stage::KafkaProduce,
        class: "org.apache.kafka.connect.runtime.WorkerSourceTask".to_owned(),
        error: crate::failure::unsent(error),
        key: None,
        value: None,
        headers: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
