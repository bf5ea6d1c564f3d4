//! The worker: the one loop of a queue's consumer. It owns the connection, does what `held` has decided, and answers to
//! nobody's call: what its owner wants it finds in `controls`, what it has goes out by bounded queues.

mod calls;
mod link;
mod outbox;

use super::controls::{Controls, TakeBack};
use super::held::{Held, HoldRules};
use super::ids::{IdRules, NoId};
use super::pace::Pace;
use crate::health;
use crate::input::{Connected, InputError, InputErrorKind, Message, QueueConnector, Token};
use crate::record;
use link::{Link, LinkEvent};
use millstream_core::{
    ByteBudget, ConsumerError, Degraded, FlushReason, MessageId, Messages, QueueMeters, QueueState,
    SettledOffsets, TopicPartition,
};
pub(crate) use outbox::Item;
use outbox::Outbox;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

/// Tokens of one call: a call must not keep the loop from hearing anything else for long.
const TOKENS_AT_A_TIME: usize = 1_000;

/// How often a worker that holds something looks at the clock, whatever is due.
const TICK: Duration = Duration::from_secs(1);

/// The time that is kept for giving back what is held and closing, of the time for the end.
const CLOSE_SHARE: f64 = 0.4;

/// The pause between attempts to settle at the end.
const SETTLE_PAUSE: Duration = Duration::from_millis(200);

pub(crate) struct Worker {
    connector: Arc<dyn QueueConnector>,
    origin: TopicPartition,
    held: Held,
    ids: IdRules,
    /// For a sink that wants to know.
    settled: Arc<SettledOffsets>,
    outbox: Outbox,
    controls: Arc<Controls>,
    trouble: watch::Sender<Option<Degraded>>,
    meters: Arc<QueueMeters>,
    /// Epoch milliseconds.
    clock: fn() -> i64,
    link: Link,
    pace: Pace,
    epoch: u64,
    is_paused: bool,
    /// Tokens that were taken back while nothing was to be asked for, to be given back as soon as that costs nothing.
    returning: Vec<Token>,
    /// Offsets under which nothing comes any more, and that the sink waits for: from here to the next message.
    gap_from: Option<i64>,
    settle_at: Instant,
    extend_at: Instant,
    backlog_at: Instant,
    /// The offset behind all that waited in the queue when it was asked last.
    end: i64,
    has_starved: bool,
    /// What has failed last, until it succeeds.
    failing: Option<Call>,
}

pub(crate) struct WorkerParts {
    pub(crate) connector: Arc<dyn QueueConnector>,
    pub(crate) origin: TopicPartition,
    pub(crate) rules: HoldRules,
    pub(crate) ids: IdRules,
    pub(crate) settled: Arc<SettledOffsets>,
    /// The first offset.
    pub(crate) first: i64,
    pub(crate) items: mpsc::Sender<Item>,
    pub(crate) budget: ByteBudget,
    pub(crate) controls: Arc<Controls>,
    pub(crate) trouble: watch::Sender<Option<Degraded>>,
    pub(crate) meters: Arc<QueueMeters>,
    pub(crate) clock: fn() -> i64,
}

/// What is asked of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Connection,
    Receive,
    Settle,
    Extend,
    GiveBack,
}

enum Event {
    Stop,
    Wishes,
    Link(LinkEvent),
    /// There is room for a delivery, or something is due.
    Due,
}

impl Worker {
    pub(crate) fn new(parts: WorkerParts) -> Self {
        let now = Instant::now();
        Worker {
            connector: parts.connector,
            origin: parts.origin,
            held: Held::new(parts.rules, parts.first, now),
            ids: parts.ids,
            settled: parts.settled,
            outbox: Outbox::new(parts.items, parts.budget),
            controls: parts.controls,
            trouble: parts.trouble,
            meters: parts.meters,
            clock: parts.clock,
            link: Link::Waiting(now),
            pace: Pace::default(),
            epoch: 0,
            is_paused: false,
            returning: Vec::new(),
            gap_from: None,
            settle_at: now,
            extend_at: now,
            backlog_at: now,
            end: parts.first,
            has_starved: false,
            failing: None,
        }
    }

    /// Runs until it is stopped, or the queue cannot be read for a reason that does not pass.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        while let Some(event) = self.step(&stop).await {
            let outcome = match event {
                Event::Stop => break,
                Event::Wishes => self.take_wishes().await,
                Event::Link(event) => self.on_link(event).await,
                Event::Due => Ok(()),
            };
            let outcome = match outcome {
                Ok(()) => self.work().await,
                Err(error) => Err(error),
            };
            if let Err(error) = outcome {
                self.fail(error, &stop).await;
                break;
            }
        }
        self.end().await;
    }

    async fn step(&mut self, stop: &CancellationToken) -> Option<Event> {
        let room = self.room();
        let wake = self.wake_time();
        self.note_held(room);
        let Worker {
            controls,
            outbox,
            link,
            ..
        } = self;
        Some(tokio::select! {
            biased;
            () = stop.cancelled() => Event::Stop,
            () = controls.changed() => Event::Wishes,
            () = outbox.progressed() => Event::Due,
            event = link.next(room) => Event::Link(event),
            () = sleep_until(wake) => Event::Due,
        })
    }

    /// How many messages more are asked for; `None` where none are to come at all.
    fn room(&self) -> Option<usize> {
        if self.is_paused {
            return None;
        }
        Some(if self.outbox.is_full() {
            0
        } else {
            self.held.room()
        })
    }

    fn wake_time(&self) -> Instant {
        let now = Instant::now();
        let is_up = self.link.is_up();
        let settle = (is_up && self.held.settling() > 0).then_some(self.settle_at);
        let lease = self.held.next_lease().map(|due| due.max(self.extend_at));
        // One that is due already waits for a place, not for the clock.
        let flush = self.held.next_flush().filter(|due| *due > now);
        let tick = self.held.owns_any().then_some(now + TICK);
        let backlog = is_up.then_some(self.backlog_at);
        [settle, lease, flush, tick, backlog]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(now + calls::BACKLOG_INTERVAL)
    }

    async fn take_wishes(&mut self) -> Result<(), InputError> {
        let wishes = self.controls.take();
        for range in wishes.done {
            self.held.done(range);
        }
        self.epoch = wishes.epoch;
        if let Some(take_back) = wishes.take_back {
            self.take_back(take_back);
        }
        if self.is_paused != wishes.is_paused {
            self.is_paused = wishes.is_paused;
            self.held.pause(wishes.is_paused);
            if !wishes.is_paused && matches!(self.link, Link::Down) {
                self.link = Link::Waiting(Instant::now());
            }
        }
        Ok(())
    }

    fn take_back(&mut self, take_back: TakeBack) {
        let from = take_back.from.min(self.held.next_offset());
        self.returning.extend(self.held.take_back(from));
        let held = &self.held;
        self.outbox.retain(|offset| held.contains(offset));
        // Where nothing had an offset behind it, the next message has that one.
        if take_back.is_awaited && from < self.held.next_offset() {
            self.gap_from = Some(self.gap_from.map_or(from, |before| before.min(from)));
        }
    }

    async fn on_link(&mut self, event: LinkEvent) -> Result<(), InputError> {
        match event {
            LinkEvent::Connect => {
                self.link = Link::connect(&self.connector, self.held.rules().messages);
                Ok(())
            }
            LinkEvent::Connected(Ok(Connected { input, facts })) => {
                self.held.learn(facts);
                let ask_at = Instant::now();
                self.link = Link::Up { input, ask_at };
                self.recover(Call::Connection);
                tracing::info!(queue = self.connector.queue(), "connected to the queue");
                Ok(())
            }
            LinkEvent::Connected(Err(error)) => {
                self.on_error(error, Call::Connection).await.map(|_| ())
            }
            LinkEvent::Received(Ok(messages)) => {
                self.recover(Call::Receive);
                self.on_received(messages)
            }
            LinkEvent::Received(Err(error)) => {
                self.on_error(error, Call::Receive).await.map(|_| ())
            }
        }
    }

    fn on_received(&mut self, messages: Vec<Message>) -> Result<(), InputError> {
        let now = Instant::now();
        let count = messages.len();
        self.has_starved &= count == 0;
        let makes_ids = self.held.facts().makes_ids;
        let mut without_id = 0;
        for mut message in messages {
            let marks = self.ids.identify(&mut message, makes_ids);
            let marks = marks.map_err(|NoId| self.no_id())?;
            without_id += u64::from(marks.is_missing);
            let bytes = record::size(&message);
            if let Some(offset) = self.held.receive(&message, marks, bytes, now) {
                self.outbox.push(offset, message);
            }
        }
        // What is done once for a receipt, up to its acknowledgement, costs as much as a hundred messages.
        if let Some(gathering) = &self.held.facts().gathering
            && gathering.few.contains(&count)
            && self.held.room() > 0
        {
            self.link.rest(now + gathering.pause);
        }
        if without_id > 0 {
            self.meters.update(|counts| counts.without_id += without_id);
        }
        Ok(())
    }

    fn no_id(&self) -> InputError {
        let queue = self.connector.queue();
        InputError::new(
            InputErrorKind::Fatal,
            format!(
                "queue {queue}: a message has no id as input.id finds it, and input.id.missing is fail; write body-hash for it to be told by its content, or none"
            ),
        )
    }

    /// All that is due now.
    async fn work(&mut self) -> Result<(), InputError> {
        if self.held.expire(Instant::now()) {
            self.drop_undelivered();
        }
        self.settle().await?;
        self.extend().await?;
        self.give_back().await?;
        self.ask_backlog().await?;
        self.deliver();
        Ok(())
    }

    fn drop_undelivered(&mut self) {
        let held = &self.held;
        self.outbox.retain(|offset| held.contains(offset));
    }

    /// Sends what there is to send and room for: what the sink waits for, then what it is to close, then messages.
    fn deliver(&mut self) {
        loop {
            let now = Instant::now();
            let flush = self.held.flush_due(now);
            if let Some(from) = self.gap_from
                && let Some(place) = self.outbox.take_place()
            {
                let to = self.held.next_offset();
                self.gap_from = None;
                let batch = record::gap(&self.origin, from, to);
                let epoch = self.epoch;
                place.send(Item::Batch { epoch, batch });
            } else if let Some(reason) = flush
                && let Some(place) = self.outbox.take_place()
            {
                place.send(Item::Flush(reason));
                self.held.flushed();
                self.note_flush(reason);
            } else if !self.is_paused
                && let Some((place, mut messages, permit)) = self.outbox.take_batch()
            {
                let (queue, time) = (self.connector.queue(), (self.clock)());
                let ids = messages.iter_mut().map(|(offset, message)| {
                    let id = MessageId {
                        id: message.id.clone(),
                        mark: self.held.mark(*offset),
                        is_redelivered: message.redelivered,
                        may_be_stored: self.held.may_be_stored(*offset, message),
                        details: message.details.take(),
                    };
                    (*offset, id)
                });
                let ids = Arc::new(Messages::new(queue, ids));
                let mut batch = record::batch(&self.origin, queue, messages, Some(permit), time);
                batch.fetched.messages = Some(ids);
                if let Some(permit) = batch.permit.as_ref().filter(|p| p.is_oversized()) {
                    permit.comes_from(&self.origin, batch.first_offset);
                }
                self.held.delivered(batch.next_offset, now);
                let epoch = self.epoch;
                place.send(Item::Batch { epoch, batch });
            } else {
                self.outbox
                    .prepare(flush.is_some() || self.gap_from.is_some());
                return;
            }
        }
    }

    fn note_flush(&mut self, reason: FlushReason) {
        self.has_starved = reason == FlushReason::Starved;
        let at = FlushReason::ALL.iter().position(|other| *other == reason);
        self.meters.update(|counts| {
            if let Some(count) = at.and_then(|at| counts.flushes.get_mut(at)) {
                *count += 1;
            }
        });
        if reason == FlushReason::Worn {
            tracing::warn!(
                queue = self.connector.queue(),
                limit = self.held.facts().delivery_limit,
                "a message has used up half of the deliveries that its queue allows; what is open is closed for its sake"
            );
        }
    }

    /// What an error means: a pause, which is returned, before the same again or another connection; or the end.
    async fn on_error(&mut self, error: InputError, call: Call) -> Result<Duration, InputError> {
        if error.kind == InputErrorKind::Fatal {
            return Err(error);
        }
        let (now, is_up) = (Instant::now(), self.link.is_up());
        let mut pause = self.pace.next_pause();
        if is_up && error.kind == InputErrorKind::Transient {
            if call == Call::Receive {
                self.link.rest(now + pause);
            }
        } else {
            let least = self.held.facts().reconnect_pause;
            let least = least.filter(|_| self.held.owns_any());
            pause = pause.max(least.unwrap_or_default());
            self.link.drop_lost(Link::Waiting(now + pause)).await;
            if is_up {
                self.held.lose_all();
                self.returning.clear();
                self.drop_undelivered();
                self.meters.update(|counts| counts.lost_connections += 1);
            }
        }
        if self.link.is_up() && matches!(call, Call::Extend | Call::GiveBack) {
            // Whether these succeed is seen in what lapses; the queue is away only if it cannot be read or settled.
            tracing::warn!(queue = self.connector.queue(), %error, "a call to the queue has failed");
        } else {
            self.failing = Some(call);
            health::degrade(&self.trouble, error.to_string(), pause, self.clock);
        }
        Ok(pause)
    }

    /// A call has succeeded: if it is what failed before, or the connection is a new one, the outage is over.
    fn recover(&mut self, call: Call) {
        let is_over = |failing: &mut Call| *failing == call || call == Call::Connection;
        if self.failing.take_if(is_over).is_some() {
            self.pace.reset();
            self.trouble.send_replace(None);
        }
    }

    fn note_held(&mut self, room: Option<usize>) {
        let (now, counts) = (self.held.now_held(Instant::now()), self.held.take_counts());
        let state = match &self.link {
            Link::Up { .. } if self.failing.is_some() => QueueState::BackingOff,
            Link::Up { .. } if room.is_none() => QueueState::Paused,
            Link::Up { .. } if room == Some(0) => QueueState::Full,
            Link::Up { .. } if self.has_starved && now.messages > 0 => QueueState::Starved,
            Link::Up { .. } if self.held.settling() > 0 => QueueState::Settling,
            Link::Up { .. } => QueueState::Receiving,
            Link::Connecting(_) => QueueState::Connecting,
            Link::Waiting(_) if self.failing.is_some() => QueueState::BackingOff,
            Link::Waiting(_) => QueueState::Connecting,
            Link::Down => QueueState::Paused,
        };
        self.meters.update(|total| {
            total.state = Some(state);
            total.received += counts.received;
            total.redelivered += counts.redelivered;
            total.settled += counts.settled;
            total.lapsed += counts.lapsed;
            total.late += counts.late;
            total.kept_out += counts.kept_out;
            total.given_back += counts.given_back;
            total.held_messages = now.messages as u64;
            total.held_bytes = now.bytes as u64;
            total.oldest_held = now.oldest;
            let most = u64::from(counts.most_deliveries);
            total.most_deliveries = total.most_deliveries.max(most);
        });
        self.controls.set_end(self.end.max(self.held.next_offset()));
    }

    /// Says that it cannot go on, and waits to be stopped.
    async fn fail(&mut self, error: InputError, stop: &CancellationToken) {
        self.meters
            .update(|counts| counts.state = Some(QueueState::Failed));
        self.link.drop_lost(Link::Down).await;
        self.held.lose_all();
        let error = ConsumerError {
            is_transient: false,
            message: error.message,
            source: error.source,
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.outbox.fail(error) => stop.cancelled().await,
        }
    }

    /// Settles what is done, gives back the rest, and closes, all by the deadline.
    async fn end(&mut self) {
        let wishes = self.controls.take();
        for range in wishes.done {
            self.held.done(range);
        }
        let now = Instant::now();
        let deadline = wishes.deadline.unwrap_or(now).max(now);
        let for_closing = (deadline - now).mul_f64(CLOSE_SHARE);
        while self.link.is_up() && self.held.settling() > 0 {
            if Instant::now() + for_closing >= deadline {
                break;
            }
            let before = self.held.settling();
            self.settle_at = Instant::now();
            if self.settle().await.is_err() {
                self.link.drop_lost(Link::Down).await;
            } else if self.held.settling() >= before {
                sleep(SETTLE_PAUSE).await;
            }
        }
        let mut tokens = std::mem::take(&mut self.returning);
        tokens.extend(self.held.take_all());
        let within = deadline.saturating_duration_since(Instant::now());
        self.close(&tokens, within.max(SETTLE_PAUSE)).await;
        self.note_held(None);
    }

    async fn close(&mut self, tokens: &[Token], within: Duration) {
        if let Err(reason) = self.link.close(tokens, within).await {
            tracing::warn!(
                queue = self.connector.queue(),
                messages = tokens.len(),
                reason,
                "the connection to the queue could not be closed in order; what was held comes again later"
            );
        }
    }
}
