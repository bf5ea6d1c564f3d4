//! Fetcher: reads partitions from all brokers side by side, and is no member of a group. Whoever owns it says which
//! partitions, from where and how far; it finds their leaders, follows them, notices logs that were cut short and topics
//! that were made anew, and hands what it read to the fetch buffer as far as the byte budget goes. It owns all state of reading;
//! requests run beside it as futures whose results come back to `step`. A broker's next fetch is under way while the
//! records of the last one are being handed over.
//!
//! Its owner calls `advance` and then waits for `step`, in turns.

mod controls;
mod fetch;
mod fetch_buffer;
mod fetch_collector;
mod known_topics;
mod outages;
mod partitions;
mod positioning;
mod reading;
mod refresh;
mod session;
mod truncation;

pub(crate) use controls::Controls;
pub(crate) use fetch_buffer::{FetchBuffer, Item};
pub(crate) use fetch_collector::{Collected, FetchCollector};
pub(crate) use outages::Source;
pub(crate) use positioning::Position;

use crate::cluster::{Cluster, Metadata, Topics};
use crate::config::{ClientSettings, FetchConfig};
use crate::error::KafkaError;
use crate::positions::EpochEnd;
use controls::Delivery;
use fetch::Answer;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use known_topics::{KnownTopics, is_missing};
use millstream_core::backoff::Backoff;
use millstream_core::{ConsumerError, Degraded, Fetched, TopicPartition};
use outages::Outages;
use partitions::{Partitions, Stage};
use refresh::Refresh;
use session::Session;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How often to look around when nothing happens.
const IDLE: Duration = Duration::from_secs(5);

/// What to do about a position that its log does not have any more, or has something else at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResetPolicy {
    /// Nobody may choose another position (`auto.offset.reset=none`).
    Fail,
    /// Go on from where the logs part, or where the owner says that reading begins.
    Resume,
    /// What was read counts for nothing: read all of the partition again.
    StartOver,
}

pub(crate) struct Fetcher {
    cluster: Cluster,
    config: FetchConfig,
    reset_policy: ResetPolicy,
    controls: Arc<Controls>,
    buffer: FetchBuffer,
    partitions: Partitions,
    /// Requests other than fetches.
    work: FuturesUnordered<BoxFuture<'static, Done>>,
    fetches: FuturesUnordered<BoxFuture<'static, (i32, Result<fetch::Response, KafkaError>)>>,
    brokers: HashMap<i32, Broker>,
    /// Responses that are still being read, in the order of their arrival.
    unread: VecDeque<Unread>,
    /// What metadata is asked for.
    topics: Topics,
    refresh: Refresh,
    known_topics: KnownTopics,
    outages: Outages,
    offsets_backoff: Backoff,
    /// Pauses between looks for a leader that is not there.
    leaderless: Backoff,
    wake: Option<Instant>,
    has_failed: bool,
}

struct Broker {
    session: Session,
    is_fetching: bool,
    /// When the fetch under way should have been answered.
    late_at: Instant,
    retry_at: Option<Instant>,
    backoff: Backoff,
}

struct Unread {
    broker: i32,
    answers: VecDeque<Answer>,
}

/// Partitions that a request asks about, each with the epoch that its answer is for.
pub(crate) type Asked = Vec<(TopicPartition, u64)>;

/// What the owner is asked for.
#[derive(Debug, Default)]
pub(crate) struct Needs {
    /// Partitions whose position is not known: `Fetcher::set_position`.
    pub(crate) positions: Asked,
    /// Partitions that are positioned by a time, as nobody knows an offset: `Fetcher::reset_positions`.
    pub(crate) resets: Asked,
}

/// What happened, as far as it concerns the owner.
pub(crate) enum Step {
    Nothing,
    /// The cluster's metadata was asked for and is there: `Fetcher::note_topics`, then `Fetcher::settle_topics`.
    Metadata(Arc<Metadata>),
    /// Nobody takes what was read any more.
    Closed,
}

/// What a request beside the loop came to.
enum Done {
    Metadata(Result<Arc<Metadata>, KafkaError>),
    Listed {
        asked: Asked,
        result: Result<Vec<(TopicPartition, Result<i64, i16>)>, KafkaError>,
    },
    Validated {
        asked: Asked,
        result: Result<Option<Vec<(TopicPartition, Result<EpochEnd, i16>)>>, KafkaError>,
    },
}

impl Fetcher {
    pub(crate) fn new(
        cluster: Cluster,
        config: FetchConfig,
        reset_policy: ResetPolicy,
        topics: Topics,
        controls: Arc<Controls>,
        buffer: FetchBuffer,
    ) -> Self {
        let backoff = Backoff::new(cluster.settings().retry_backoff());
        Fetcher {
            config,
            reset_policy,
            controls,
            buffer,
            partitions: Partitions::default(),
            work: FuturesUnordered::new(),
            fetches: FuturesUnordered::new(),
            brokers: HashMap::new(),
            unread: VecDeque::new(),
            topics,
            refresh: Refresh::new(backoff.clone()),
            known_topics: KnownTopics::default(),
            outages: Outages::default(),
            offsets_backoff: backoff.clone(),
            leaderless: backoff,
            wake: None,
            has_failed: false,
            cluster,
        }
    }

    /// From now on metadata is asked for these.
    pub(crate) fn want_topics(&mut self, topics: Topics) {
        self.topics = topics;
    }

    /// Begins to read a partition, once the owner has placed it.
    pub(crate) fn assign(&mut self, partition: &TopicPartition) {
        let epoch = self.controls.assign(partition);
        self.partitions.add(partition.clone(), epoch);
    }

    /// Whether the partition is being read.
    pub(crate) fn has(&self, partition: &TopicPartition) -> bool {
        self.partitions.all.contains_key(partition)
    }

    /// The partitions that are being read, in no order.
    pub(crate) fn assigned(&self) -> impl Iterator<Item = &TopicPartition> {
        self.partitions.all.keys()
    }

    /// Reads these partitions no more, and takes back what nobody has taken yet. Returns those that were read, in order.
    pub(crate) fn unassign(
        &mut self,
        is_going: impl Fn(&TopicPartition) -> bool,
    ) -> Vec<TopicPartition> {
        let gone = self.partitions.remove(&is_going);
        self.controls.revoke(&gone);
        self.withdraw(is_going);
        // What is not read any more is no outage any more.
        let all = &self.partitions.all;
        let report = self.outages.keep_partitions(|p| all.contains_key(p));
        self.emit(report);
        if self.partitions.all.is_empty() {
            let offsets = self.outages.clear(Source::Offsets);
            let brokers = self.outages.keep_brokers(|_| false);
            self.emit(offsets.or(brokers));
        }
        gone
    }

    /// Starts whatever can be started now, and notes when to look again.
    pub(crate) fn advance(&mut self, now: Instant) -> Needs {
        self.wake = None;
        self.take_controls();
        if self.has_failed {
            return Needs::default();
        }
        self.start_refresh(now);
        let metadata = self.cluster.metadata();
        match self.partitions.find_leaders(&metadata) {
            None => {}
            Some(None) => self.recovered(Source::Leader),
            Some(Some(partition)) => {
                // A leader is usually elected within moments; a deleted topic never gets one.
                let pause = self.leaderless.next_pause();
                self.refresh_by(now + pause);
                // A topic that is gone is told of by its name.
                if is_missing(metadata.topics.get(&partition.topic)) {
                    self.recovered(Source::Leader);
                } else {
                    let reason =
                        format!("leader not available: partition {partition} has no leader");
                    self.degraded(Source::Leader, reason, pause);
                }
            }
        }
        self.read_on();
        let needs = self.advance_partitions(now);
        self.start_fetches(now);
        self.check_late_brokers(now);
        needs
    }

    /// Waits for what happens next. Cancel safe.
    pub(crate) async fn step(&mut self) -> Step {
        let wake = self.wake.unwrap_or_else(|| Instant::now() + IDLE);
        tokio::select! {
            Some(done) = self.work.next(), if !self.work.is_empty() => return self.on_done(done),
            Some((broker, result)) = self.fetches.next(), if !self.fetches.is_empty() => {
                self.on_fetched(broker, result);
            }
            is_open = self.buffer.send_some(), if !self.buffer.is_empty() => {
                if !is_open {
                    return Step::Closed;
                }
            }
            () = self.controls.changed() => {}
            () = sleep_until(wake) => {}
        }
        Step::Nothing
    }

    /// Sees to every partition that has changed: asks what is to be asked, and lets its broker's session know.
    fn advance_partitions(&mut self, now: Instant) -> Needs {
        let mut needs = Needs::default();
        let mut unvalidated = Vec::new();
        for (broker, partition) in self.partitions.take_left() {
            self.broker(broker).session.touch(partition);
        }
        for partition in self.partitions.take_changed() {
            let Some(state) = self.partitions.all.get_mut(&partition) else {
                continue;
            };
            let (is_due, source) = (state.is_due(now), state.source(now));
            if let Some(offset) = state.take_reached() {
                self.buffer
                    .push_reached(state.epoch, partition.clone(), offset);
            }
            match state.stage {
                _ if !is_due => {
                    let at = state.retry_at.unwrap_or(now);
                    self.partitions.change(&partition);
                    self.wake_at(at);
                }
                Stage::Initializing => {
                    state.stage = Stage::Pending;
                    needs.positions.push((partition.clone(), state.epoch));
                }
                Stage::AwaitReset => {
                    state.stage = Stage::Pending;
                    needs.resets.push((partition.clone(), state.epoch));
                }
                Stage::AwaitValidation(offset) if state.leader >= 0 => {
                    state.stage = Stage::Validating(offset);
                    unvalidated.push((partition.clone(), state.epoch, state.read_epoch));
                }
                Stage::Pending
                | Stage::Fetching(_)
                | Stage::AwaitValidation(_)
                | Stage::Validating(_)
                | Stage::OutOfRange(_) => {}
            }
            if source >= 0 {
                self.broker(source).session.touch(partition);
            }
        }
        if !unvalidated.is_empty() {
            self.validate_positions(unvalidated);
        }
        needs
    }

    fn broker(&mut self, id: i32) -> &mut Broker {
        let backoff = self.cluster.settings().reconnect_backoff();
        self.brokers.entry(id).or_insert_with(|| Broker {
            session: Session::default(),
            is_fetching: false,
            late_at: Instant::now(),
            retry_at: None,
            backoff: Backoff::new(backoff),
        })
    }

    fn take_controls(&mut self) {
        let mut moved = Vec::new();
        for (partition, control) in self.controls.take() {
            if let Some(state) = self.partitions.change(&partition) {
                state.is_paused = control.is_paused;
                if let Some(offset) = control.seek {
                    state.epoch = control.epoch;
                    state.stage = Stage::Fetching(offset);
                    // Nothing was read there yet that a log could part from.
                    state.read_epoch = -1;
                    moved.push(partition);
                }
            }
        }
        if !moved.is_empty() {
            self.withdraw(|partition| moved.contains(partition));
        }
    }

    /// Takes back what was read of these partitions and nobody has taken, or is still to be read.
    fn withdraw(&mut self, is_going: impl Fn(&TopicPartition) -> bool) {
        for unread in &mut self.unread {
            unread.answers.retain(|answer| !is_going(&answer.partition));
        }
        self.buffer.withdraw(is_going);
    }

    fn on_done(&mut self, done: Done) -> Step {
        match done {
            Done::Metadata(result) => {
                return self
                    .on_metadata(result)
                    .map_or(Step::Nothing, Step::Metadata);
            }
            Done::Listed { asked, result } => self.on_listed(&asked, result),
            Done::Validated { asked, result } => self.on_validated(&asked, result),
        }
        Step::Nothing
    }

    /// Looks again no later than then.
    pub(crate) fn wake_at(&mut self, at: Instant) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }

    /// Notes that something is out of reach; what no retry helps ends the reading.
    pub(crate) fn note_failure(&mut self, source: Source, error: KafkaError, next_try: Duration) {
        if !error.is_transient() {
            self.fail(error.into());
            return;
        }
        tracing::debug!(%error, "retrying");
        self.degraded(source, error.to_string(), next_try);
    }

    /// Notes that something is out of reach, and tells of it if it is worth a word.
    pub(crate) fn degraded(&mut self, source: Source, reason: String, next_try: Duration) {
        let report = self.outages.add(source, reason, next_try);
        self.emit(report);
    }

    /// The same for an outage that somebody else keeps track of.
    pub(crate) fn note_outage(&mut self, source: Source, degraded: Degraded) {
        let report = self.outages.note(source, degraded);
        self.emit(report);
    }

    /// Notes that something is in reach.
    pub(crate) fn recovered(&mut self, source: Source) {
        let report = self.outages.clear(source);
        self.emit(report);
    }

    /// Tells the owner's owner of an event.
    pub(crate) fn emit(&mut self, event: impl Into<Option<Fetched>>) {
        if let Some(event) = event.into() {
            self.buffer.push(event);
        }
    }

    /// Ends the reading, once what was read before has been handed over.
    pub(crate) fn fail(&mut self, error: ConsumerError) {
        if !self.has_failed {
            self.has_failed = true;
            self.buffer.push_end(error);
        }
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Everything that there was to say before the end has been said.
    pub(crate) fn is_over(&self) -> bool {
        self.has_failed && self.buffer.is_empty()
    }

    pub(crate) fn client(&self) -> &ClientSettings {
        self.cluster.settings()
    }
}
