//! Worker: the task behind a consumer. It owns all state; requests run beside it as futures whose results come back
//! to its loop. A broker's next fetch is under way while the records of the last one are being handed over.

mod membership;
mod offsets;
mod reading;
mod refresh;
mod truncation;

use super::controls::Controls;
use super::fetch::{self, Answer, Limits};
use super::outbox::Outbox;
use super::partitions::{Partitions, Stage};
use super::positions::EpochEnd;
use super::seen::{Seen, is_missing};
use super::session::Session;
use super::troubles::{Source, Troubles};
use super::{Subscription, positions};
use crate::cluster::{Cluster, Metadata};
use crate::config::ConsumerConfig;
use crate::error::KafkaError;
use crate::group::assignor::{Assignor, Member, TopicSizes};
use crate::group::{Group, GroupEvent, Offer, Offsets};
use crate::limits::MISSING_TOPIC_REFRESH;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use millstream_core::backoff::Backoff;
use millstream_core::{ConsumerError, Fetched, TopicPartition};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Longest time for leaving the group once the consumer is closed; the caller's own deadline may be shorter.
const LEAVE: Duration = Duration::from_secs(5);

pub(super) struct Worker {
    cluster: Cluster,
    config: ConsumerConfig,
    subscription: Subscription,
    /// The topics that the group was told of last.
    topics: Vec<String>,
    group: Option<Group>,
    offsets: Offsets,
    controls: Arc<Controls>,
    outbox: Outbox,
    partitions: Partitions,
    /// Requests other than fetches.
    work: FuturesUnordered<BoxFuture<'static, Done>>,
    fetches: FuturesUnordered<BoxFuture<'static, (i32, Result<fetch::Response, KafkaError>)>>,
    brokers: HashMap<i32, Broker>,
    /// Responses that are still being read, in the order of their arrival.
    unread: VecDeque<Unread>,
    refresh: Refresh,
    seen: Seen,
    /// What the group's topics were when this member last shared them out.
    led: Option<Led>,
    /// Every assignor offered is cooperative, so that a rebalance stops only what changes hands.
    is_cooperative: bool,
    generation: Option<i32>,
    /// What the member was assigned in that generation.
    before: Vec<TopicPartition>,
    /// Answers the group once metadata is there.
    joining: Option<oneshot::Sender<Vec<Offer>>>,
    troubles: Troubles,
    offsets_backoff: Backoff,
    /// Pauses between looks for a leader that is not there.
    leaderless: Backoff,
    wake: Option<Instant>,
    /// The group was left because nobody took what was read; it is joined again when somebody does.
    is_suspended: bool,
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

/// When metadata is asked for.
struct Refresh {
    is_running: bool,
    has_succeeded: bool,
    due: Instant,
    backoff: Backoff,
    /// Something happened after the question under way was asked that its answer may not know of.
    is_outdated: bool,
    succeeded_at: Option<Instant>,
}

struct Led {
    topics: Vec<String>,
    sizes: TopicSizes,
}

/// Partitions that a request asks about, each with the epoch that its answer is for.
type Asked = Vec<(TopicPartition, u64)>;

/// What a request beside the loop came to.
enum Done {
    Metadata(Result<Arc<Metadata>, KafkaError>),
    /// The owner has let its partitions go.
    LetGo(oneshot::Sender<Vec<Offer>>),
    /// The owner has let go what goes to other members, who get it in the next round.
    HandedOver,
    Committed {
        asked: Asked,
        result: Result<HashMap<TopicPartition, crate::group::Committed>, KafkaError>,
    },
    Listed {
        asked: Asked,
        result: Result<Vec<(TopicPartition, Result<i64, i16>)>, KafkaError>,
    },
    Checked {
        asked: Asked,
        result: Result<Option<Vec<(TopicPartition, Result<EpochEnd, i16>)>>, KafkaError>,
    },
    /// The topics of all members are known, so that they can be shared out.
    ReadyToAssign {
        assignor: Assignor,
        members: Vec<Member>,
        topics: Vec<String>,
        metadata: Arc<Metadata>,
        reply: oneshot::Sender<Vec<Offer>>,
    },
}

impl Worker {
    pub(super) fn new(
        cluster: Cluster,
        config: ConsumerConfig,
        subscription: Subscription,
        group: Group,
        controls: Arc<Controls>,
        outbox: Outbox,
    ) -> Self {
        let backoff = Backoff::new(config.client.retry_backoff());
        Worker {
            topics: subscription.topics(&Metadata::default()),
            offsets: group.offsets(),
            cluster,
            subscription,
            group: Some(group),
            controls,
            outbox,
            partitions: Partitions::default(),
            work: FuturesUnordered::new(),
            fetches: FuturesUnordered::new(),
            brokers: HashMap::new(),
            unread: VecDeque::new(),
            refresh: Refresh {
                is_running: false,
                has_succeeded: false,
                due: Instant::now(),
                backoff: backoff.clone(),
                is_outdated: false,
                succeeded_at: None,
            },
            seen: Seen::default(),
            led: None,
            is_cooperative: config
                .settings
                .assignors()
                .iter()
                .all(|assignor| assignor.is_cooperative()),
            generation: None,
            before: Vec::new(),
            joining: None,
            troubles: Troubles::default(),
            offsets_backoff: backoff.clone(),
            leaderless: backoff,
            wake: None,
            is_suspended: false,
            has_failed: false,
            config,
        }
    }

    pub(super) async fn run(
        mut self,
        mut events: mpsc::Receiver<GroupEvent>,
        token: CancellationToken,
    ) {
        let controls = Arc::clone(&self.controls);
        loop {
            self.take_controls();
            self.advance();
            // What failed is said before the end.
            if self.has_failed && self.outbox.is_empty() {
                break;
            }
            let wake = self.wake.unwrap_or_else(|| Instant::now() + LEAVE);
            tokio::select! {
                () = token.cancelled() => break,
                Some(event) = events.recv() => self.on_group(event),
                Some(done) = self.work.next(), if !self.work.is_empty() => self.on_done(done),
                Some((broker, result)) = self.fetches.next(), if !self.fetches.is_empty() => {
                    self.on_fetched(broker, result);
                }
                is_heard = self.outbox.send_some(), if !self.outbox.is_empty() => {
                    if !is_heard {
                        break;
                    }
                }
                () = controls.changed() => {}
                () = sleep_until(wake) => {}
            }
        }
        drop(events);
        if let Some(group) = self.group.take() {
            group.leave(LEAVE).await;
        }
    }

    /// Starts whatever can be started now, and notes when to look again.
    fn advance(&mut self) {
        self.wake = None;
        if self.has_failed {
            return;
        }
        let now = Instant::now();
        self.start_refresh(now);
        let metadata = self.cluster.metadata();
        match self.partitions.find_leaders(&metadata) {
            None => {}
            Some(None) => {
                let report = self.troubles.clear(Source::Leader);
                self.outbox_extend(report);
            }
            Some(Some(partition)) => {
                // A leader is usually elected within moments; a deleted topic never gets one.
                let pause = self.leaderless.next_pause();
                self.refresh.due = self.refresh.due.min(now + pause);
                if !self.refresh.is_running {
                    self.wake_at(self.refresh.due);
                }
                // A topic that is gone is told of by its name.
                let report = if is_missing(metadata.topics.get(&partition.topic)) {
                    self.troubles.clear(Source::Leader)
                } else {
                    let reason = format!("partition {partition} has no leader");
                    self.troubles.add(Source::Leader, reason, pause)
                };
                self.outbox_extend(report);
            }
        }
        self.read_on();
        self.attend(now);
        self.start_fetches(now);
        self.doubt_late_brokers(now);
        self.watch_owner(now);
    }

    /// Sees to every partition that has changed: asks what is to be asked, and lets its broker's session know.
    fn attend(&mut self, now: Instant) {
        let (mut unknown, mut lost, mut doubtful) = (Vec::new(), Vec::new(), Vec::new());
        for (broker, partition) in self.partitions.take_left() {
            self.broker(broker).session.touch(partition);
        }
        for partition in self.partitions.take_changed() {
            let Some(state) = self.partitions.all.get_mut(&partition) else {
                continue;
            };
            let (is_due, source) = (state.is_due(now), state.source(now));
            match state.stage {
                _ if !is_due => {
                    let at = state.retry_at.unwrap_or(now);
                    self.partitions.change(&partition);
                    self.wake_at(at);
                }
                Stage::Unknown => {
                    state.stage = Stage::Asking;
                    unknown.push((partition.clone(), state.epoch));
                }
                Stage::Reset => {
                    state.stage = Stage::Asking;
                    lost.push((partition.clone(), state.epoch));
                }
                Stage::Doubtful(offset) if state.leader >= 0 => {
                    state.stage = Stage::Checking(offset);
                    doubtful.push((partition.clone(), state.epoch, state.read_epoch));
                }
                Stage::Asking
                | Stage::At(_)
                | Stage::Doubtful(_)
                | Stage::Checking(_)
                | Stage::Astray(_) => {}
            }
            if source >= 0 {
                self.broker(source).session.touch(partition);
            }
        }
        if !unknown.is_empty() {
            self.ask_group(unknown);
        }
        if !lost.is_empty() {
            self.ask_leaders(lost, now);
        }
        if !doubtful.is_empty() {
            self.check(doubtful);
        }
    }

    /// An owner that takes nothing for `max.poll.interval.ms` makes no progress: others may have its partitions.
    fn watch_owner(&mut self, now: Instant) {
        let Some(group) = &self.group else { return };
        if self.is_suspended {
            if !self.controls.is_suspended() {
                self.is_suspended = false;
                group.suspend(false);
            }
            return;
        }
        let interval = Duration::from_millis(self.config.settings.max_poll_interval_ms as u64);
        let Some(since) = self.controls.away_since() else {
            return;
        };
        if self.partitions.all.is_empty() {
            return;
        }
        if since + interval > now {
            self.wake_at(since + interval);
        } else if self.controls.suspend() {
            tracing::warn!(
                group = %self.config.settings.group_id,
                max_poll_interval_ms = self.config.settings.max_poll_interval_ms,
                "nothing was taken from the consumer for max.poll.interval.ms, leaving the group until it is"
            );
            self.is_suspended = true;
            group.suspend(true);
        }
    }

    fn broker(&mut self, id: i32) -> &mut Broker {
        self.brokers.entry(id).or_insert_with(|| Broker {
            session: Session::default(),
            is_fetching: false,
            late_at: Instant::now(),
            retry_at: None,
            backoff: Backoff::new(self.config.client.reconnect_backoff()),
        })
    }

    fn take_controls(&mut self) {
        let mut moved = Vec::new();
        for (partition, control) in self.controls.take() {
            if let Some(state) = self.partitions.change(&partition) {
                state.is_paused = control.is_paused;
                if let Some(offset) = control.seek {
                    state.epoch = control.epoch;
                    state.stage = Stage::At(offset);
                    // Nothing was read there yet that a log could part from.
                    state.read_epoch = -1;
                    moved.push(partition);
                }
            }
        }
        if !moved.is_empty() {
            self.outbox.withdraw(|partition| moved.contains(partition));
        }
    }

    fn on_done(&mut self, done: Done) {
        match done {
            Done::Metadata(result) => self.on_metadata(result),
            Done::LetGo(reply) => self.offer(reply),
            Done::HandedOver => self.rejoin(),
            Done::Committed { asked, result } => self.on_committed(&asked, result),
            Done::Listed { asked, result } => self.on_listed(&asked, result),
            Done::Checked { asked, result } => self.on_checked(&asked, result),
            Done::ReadyToAssign {
                assignor,
                members,
                topics,
                metadata,
                reply,
            } => self.share_out(assignor, &members, topics, &metadata, reply),
        }
    }

    fn wake_at(&mut self, at: Instant) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }

    /// Notes that something is out of reach; what no retry helps ends the consumer.
    fn trouble(&mut self, source: Source, error: KafkaError, next_try: Duration) {
        if !error.is_transient() {
            self.fail(error.into());
            return;
        }
        tracing::debug!(%error, "will try again");
        let report = self.troubles.add(source, error.to_string(), next_try);
        self.outbox_extend(report);
    }

    fn outbox_extend(&mut self, report: Option<Fetched>) {
        if let Some(report) = report {
            self.outbox.push(report);
        }
    }

    fn fail(&mut self, error: ConsumerError) {
        if !self.has_failed {
            self.has_failed = true;
            self.outbox.push_end(error);
        }
    }
}
