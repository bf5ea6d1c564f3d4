//! The worker of a LogConsumer: it owns the connection and reads ahead as far as there is memory. A lost connection goes on where
//! the last message was handed over, so that it costs nothing and doubles nothing.

use super::place::{Found, Place};
use super::{KeptOffset, LogReader, LogSource, Reset};
use crate::engine::Pace;
use crate::health;
use crate::input::{InputError, InputErrorKind, Message};
use crate::record;
use millstream_core::limits::QUEUED_BATCHES;
use millstream_core::{
    ByteBudget, BytePermit, ConsumerError, Degraded, Fetched, FlushReason, MessageId, Messages,
    QueueMeters, QueueState, RecordBatch, TopicPartition,
};
use std::convert::Infallible;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Instrument;

/// Records of one batch at most.
const BATCH_ROWS: usize = 1_000;

/// A message that is there comes at once. After this time the status says that the one is missing behind which reading goes on,
const SOON: Duration = Duration::from_secs(5);

/// and after this one it is taken for gone: until then, a node of a cluster that was away may still catch up with the others.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a consumer is made of.
#[derive(Clone)]
pub struct LogParts {
    pub log: LogSource,
    /// Topic and partition of the records.
    pub origin: TopicPartition,
    pub kept: KeptOffset,
    /// Whether the id of a message is its offset; else it is its sender's.
    pub ids_are_offsets: bool,
    /// Memory for records that have not been taken.
    pub budget: ByteBudget,
    pub meters: Arc<QueueMeters>,
    /// Epoch milliseconds.
    pub clock: fn() -> i64,
}

/// A worker that has begun, as its owner sees it.
pub(super) struct Spawned {
    pub(super) items: mpsc::Receiver<Fetched>,
    /// What is wrong with the log at the moment.
    pub(super) trouble: watch::Receiver<Option<Degraded>>,
    pub(super) task: JoinHandle<()>,
    pub(super) stop: DropGuard,
}

/// Starts a worker. `at`: where it reads on; without it where the store says, and it tells what it is assigned. `known`: what is
/// wrong until it is connected.
pub(super) fn spawn(parts: &LogParts, at: Option<i64>, known: Option<Degraded>) -> Spawned {
    let (item_sender, items) = mpsc::channel(QUEUED_BATCHES);
    let (trouble_sender, trouble) = watch::channel(known);
    let token = CancellationToken::new();
    let worker = Worker {
        parts: parts.clone(),
        items: item_sender,
        trouble: trouble_sender,
        pace: Pace::default(),
        place: at.map(Place::After),
        stop: token.clone(),
    };
    Spawned {
        items,
        trouble,
        task: tokio::spawn(worker.run().in_current_span()),
        stop: token.drop_guard(),
    }
}

struct Worker {
    parts: LogParts,
    items: mpsc::Sender<Fetched>,
    trouble: watch::Sender<Option<Degraded>>,
    pace: Pace,
    /// Where the next message to hand over is; `None` until the store has been asked.
    place: Option<Place>,
    stop: CancellationToken,
}

/// Why a connection is given up.
enum Ended {
    /// The worker is to stop, or nobody takes anything any more.
    Stop,
    /// What is read of the log is not of this one; the new one is read from its beginning.
    Gone,
    Failed(InputError),
}

impl From<InputError> for Ended {
    fn from(error: InputError) -> Self {
        Ended::Failed(error)
    }
}

impl Worker {
    async fn run(mut self) {
        let stop = self.stop.clone();
        loop {
            let ended = self.connection(&stop).await;
            // Only the end breaks off what is done: nothing is lost by it, since nothing is taken off the log.
            let went_on = stop.run_until_cancelled(self.after(ended)).await;
            if went_on.is_none_or(|went_on| went_on.is_break()) {
                return;
            }
        }
    }

    /// Waits before the next attempt, or says that there is none.
    async fn after(&mut self, ended: Ended) -> ControlFlow<()> {
        match ended {
            Ended::Stop => return ControlFlow::Break(()),
            Ended::Gone => {
                if self.start_over().await.is_err() {
                    return ControlFlow::Break(());
                }
            }
            Ended::Failed(error) if error.kind == InputErrorKind::Fatal => {
                self.state(QueueState::Failed);
                let failed = Fetched::Failed(ConsumerError {
                    is_transient: false,
                    message: error.message,
                    source: error.source,
                });
                if self.tell(failed).await.is_ok() {
                    self.stop.cancelled().await;
                }
                return ControlFlow::Break(());
            }
            Ended::Failed(error) => {
                self.state(QueueState::BackingOff);
                let pause = self.pace.next_pause();
                self.degrade(error.to_string(), pause);
                sleep(pause).await;
            }
        }
        ControlFlow::Continue(())
    }

    /// Reads over one connection until it fails.
    async fn connection(&mut self, stop: &CancellationToken) -> Ended {
        self.state(QueueState::Connecting);
        let opened = stop.run_until_cancelled(self.open()).await;
        let (place, mut reader) = match opened.unwrap_or(Err(Ended::Stop)) {
            Ok(opened) => opened,
            Err(ended) => return ended,
        };
        let reading = stop.run_until_cancelled(self.drain(reader.as_mut(), place));
        let Err(ended) = reading.await.unwrap_or(Err(Ended::Stop));
        if let Ended::Failed(_) = &ended {
            self.parts
                .meters
                .update(|counts| counts.lost_connections += 1);
        }
        reader.close().await;
        ended
    }

    /// A connection that gives what comes next, and where that is.
    async fn open(&mut self) -> Result<(Place, Box<dyn LogReader>), Ended> {
        let place = self.position().await?;
        let reader = self.parts.log.connector.open(place.opens_at()).await?;
        Ok((place, reader))
    }

    /// Where to read on. Asked for the first time, tells what is read.
    async fn position(&mut self) -> Result<Place, Ended> {
        if let Some(place) = self.place {
            return Ok(place);
        }
        let kept = self.parts.kept.read().await.map_err(|error| {
            let queue = self.queue();
            let what = format!("the offset of stream {queue} is not known: {error}");
            InputError::new(InputErrorKind::Transient, what).with_source(error)
        })?;
        let start = Place::Start(self.parts.log.start);
        let place = kept.map_or(start, Place::After);
        self.begin(place).await?;
        Ok(place)
    }

    async fn begin(&mut self, place: Place) -> Result<(), Ended> {
        let assigned = vec![self.parts.origin.clone()];
        self.place = Some(place);
        self.tell(Fetched::Assigned(assigned)).await
    }

    /// Hands over what the reader brings, once it is known to go on at this place.
    async fn drain(
        &mut self,
        reader: &mut dyn LogReader,
        place: Place,
    ) -> Result<Infallible, Ended> {
        let mut messages = self.first(reader, place).await?;
        self.pace.reset();
        self.trouble
            .send_if_modified(|trouble| trouble.take().is_some());
        self.state(QueueState::Receiving);
        loop {
            self.hand_over(messages).await?;
            reader.allow_more().await?;
            messages = self.receive(reader).await?;
        }
    }

    /// The first messages of a connection. Behind what was read one has to come; where nothing was, the log may be empty.
    async fn first(
        &mut self,
        reader: &mut dyn LogReader,
        place: Place,
    ) -> Result<Vec<(i64, Message)>, Ended> {
        let next = match place {
            Place::Start(_) => return Ok(Vec::new()),
            Place::After(next) => next,
        };
        let found = async {
            loop {
                let messages = self.receive(reader).await?;
                match place.found(messages.iter().map(|(offset, _)| *offset)) {
                    Found::Nothing => reader.allow_more().await?,
                    found => return Ok::<_, InputError>((found, messages)),
                }
            }
        };
        tokio::pin!(found);
        let waited = match timeout(SOON, &mut found).await {
            Ok(found) => Ok(found),
            Err(_) => {
                let queue = self.queue();
                let reason = format!(
                    "stream {queue} ends before offset {next}, where reading goes on: it was made again, or this node of the cluster is behind"
                );
                self.degrade(reason, PATIENCE - SOON);
                timeout(PATIENCE - SOON, found).await
            }
        };
        match waited {
            Ok(found) => {
                let (found, messages) = found?;
                if let Found::Gap(gone) = found {
                    self.skip(&gone)?;
                }
                Ok(messages)
            }
            Err(_) => Err(self.gone(next)),
        }
    }

    /// The log is another one than was read, under the same name.
    fn gone(&self, next: i64) -> Ended {
        let queue = self.queue();
        match self.parts.log.reset {
            Reset::Earliest => {
                tracing::warn!(
                    queue,
                    offset = next,
                    "the stream ends before the offset where reading would go on; it is read from its beginning"
                );
                Ended::Gone
            }
            Reset::Fail { remedy } => {
                let what = format!(
                    "stream {queue} ends before offset {next}, where reading would go on; {remedy}"
                );
                InputError::new(InputErrorKind::Fatal, what).into()
            }
        }
    }

    /// What is gone is not read, if that may be.
    fn skip(&self, gone: &Range<i64>) -> Result<(), InputError> {
        let (queue, from, to) = (self.queue(), gone.start, gone.end - 1);
        match self.parts.log.reset {
            Reset::Earliest => {
                tracing::warn!(
                    queue,
                    from,
                    to,
                    "messages that were not read are gone from the stream; reading goes on behind them"
                );
                Ok(())
            }
            Reset::Fail { remedy } => {
                let what = format!(
                    "messages of stream {queue} that were not read are gone, from offset {from} to {to}; {remedy}"
                );
                Err(InputError::new(InputErrorKind::Fatal, what))
            }
        }
    }

    /// Has all that was read so far stored and committed, and begins again as if nothing had been.
    async fn start_over(&mut self) -> Result<(), Ended> {
        let (done, is_done) = oneshot::channel();
        let partitions = vec![self.parts.origin.clone()];
        self.tell(Fetched::Flush(FlushReason::Expiry)).await?;
        self.tell(Fetched::Revoked { partitions, done }).await?;
        // Who has nothing to finish drops it.
        let _ = is_done.await;
        while let Err(error) = self.parts.kept.forget().await {
            let pause = self.pace.next_pause();
            let reason = format!(
                "the offset of stream {} cannot be kept: {error}",
                self.queue()
            );
            self.degrade(reason, pause);
            sleep(pause).await;
        }
        self.begin(Place::Start(0)).await
    }

    async fn receive(&self, reader: &mut dyn LogReader) -> Result<Vec<(i64, Message)>, InputError> {
        let messages = reader.receive(BATCH_ROWS).await?;
        let received = messages.len() as u64;
        self.parts
            .meters
            .update(|counts| counts.received += received);
        Ok(messages)
    }

    async fn hand_over(&mut self, mut messages: Vec<(i64, Message)>) -> Result<(), Ended> {
        let place = self.place.unwrap_or(Place::Start(0));
        // One was asked for that had been read, and a broker may begin with the chunk that it is in.
        messages.retain(|(offset, _)| *offset >= place.next());
        let Some(first) = messages.first().map(|(offset, _)| *offset) else {
            return Ok(());
        };
        let last = messages.last().map_or(first, |(offset, _)| *offset);
        if let Place::Start(_) = place {
            let positions = vec![(self.parts.origin.clone(), first)];
            self.tell(Fetched::Positioned(positions)).await?;
        }
        let bytes = messages.iter().map(|(_, message)| record::size(message));
        let permit = self.parts.budget.acquire(bytes.sum()).await;
        let batch = self.batch(messages, permit);
        self.tell(Fetched::Batch(batch)).await?;
        self.place = Some(Place::After(last + 1));
        Ok(())
    }

    fn batch(&self, mut messages: Vec<(i64, Message)>, permit: BytePermit) -> RecordBatch {
        let ids = messages.iter_mut().map(|(offset, message)| {
            if self.parts.ids_are_offsets {
                message.id = Some(offset.to_string().into());
            }
            let id = MessageId {
                id: message.id.clone(),
                details: message.details.take(),
                ..MessageId::default()
            };
            (*offset, id)
        });
        let ids = Arc::new(Messages::new(self.queue(), ids));
        let now = (self.parts.clock)();
        let origin = &self.parts.origin;
        let mut batch = record::batch(origin, self.queue(), messages, Some(permit), now);
        batch.fetched.messages = Some(ids);
        if let Some(permit) = batch.permit.as_ref().filter(|p| p.is_oversized()) {
            permit.comes_from(origin, batch.first_offset);
        }
        batch
    }

    /// Fails if nobody takes anything any more.
    async fn tell(&self, fetched: Fetched) -> Result<(), Ended> {
        let told = self.items.send(fetched).await;
        told.map_err(|_| Ended::Stop)
    }

    fn queue(&self) -> &str {
        self.parts.log.connector.queue()
    }

    fn degrade(&self, reason: String, next_try: Duration) {
        health::degrade(&self.trouble, reason, next_try, self.parts.clock);
    }

    fn state(&self, state: QueueState) {
        self.parts
            .meters
            .update(|counts| counts.state = Some(state));
    }
}
