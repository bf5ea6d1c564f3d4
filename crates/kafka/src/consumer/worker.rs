//! Worker: the task behind a consumer. It is what a group's membership and a subscription have to do with reading; the
//! reading itself is the fetcher's.

mod membership;
mod offsets;
mod refresh;

use super::Subscription;
use crate::cluster::{Cluster, Metadata};
use crate::config::ConsumerSettings;
use crate::error::KafkaError;
use crate::fetcher::{Asked, Controls, FetchBuffer, Fetcher, ResetPolicy, Source, Step};
use crate::group::assignor::{Assignor, Member, TopicSizes};
use crate::group::{Group, GroupEvent, Offer, Offsets};
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use millstream_core::TopicPartition;
use millstream_core::backoff::Backoff;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Longest time for leaving the group once the consumer is closed; the caller's own deadline may be shorter.
const LEAVE: Duration = Duration::from_secs(5);

pub(super) struct Worker {
    cluster: Cluster,
    settings: ConsumerSettings,
    subscription: Subscription,
    /// The topics that the group was told of last.
    topics: Vec<String>,
    group: Option<Group>,
    offsets: Offsets,
    controls: Arc<Controls>,
    fetcher: Fetcher,
    /// What the group is asked, and what it waits for.
    work: FuturesUnordered<BoxFuture<'static, Done>>,
    /// What the group's topics were when this member last shared them out.
    leader_snapshot: Option<LeaderSnapshot>,
    /// Every assignor offered is cooperative, so that a rebalance stops only what changes hands.
    is_cooperative: bool,
    generation: Option<i32>,
    /// What the member was assigned in that generation.
    before: Vec<TopicPartition>,
    /// Answers the group once metadata is there.
    joining: Option<oneshot::Sender<Vec<Offer>>>,
    /// The group was left because nobody took what was read; it is joined again when somebody does.
    is_suspended: bool,
}

/// What this member has assigned as the leader of its group: a topic that changes means another rebalance.
struct LeaderSnapshot {
    topics: Vec<String>,
    sizes: TopicSizes,
}

/// What a request beside the loop came to.
enum Done {
    /// The owner has let its partitions go.
    Revoked(oneshot::Sender<Vec<Offer>>),
    /// The owner has let go what goes to other members, who get it in the next round.
    RevokedForOthers,
    Committed {
        asked: Asked,
        result: Result<HashMap<TopicPartition, crate::group::Committed>, KafkaError>,
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
        settings: ConsumerSettings,
        subscription: Subscription,
        group: Group,
        controls: Arc<Controls>,
        buffer: FetchBuffer,
    ) -> Self {
        let reset_policy = if settings.config.auto_offset_reset == "none" {
            ResetPolicy::Fail
        } else {
            ResetPolicy::Resume
        };
        let fetcher = Fetcher::new(
            cluster.clone(),
            settings.fetch.clone(),
            reset_policy,
            subscription.wanted(std::iter::empty()),
            Arc::clone(&controls),
            buffer,
        );
        Worker {
            topics: subscription.topics(&Metadata::default()),
            offsets: group.offsets(),
            cluster,
            subscription,
            group: Some(group),
            controls,
            fetcher,
            work: FuturesUnordered::new(),
            leader_snapshot: None,
            is_cooperative: settings
                .config
                .assignors()
                .iter()
                .all(|assignor| assignor.is_cooperative()),
            generation: None,
            before: Vec::new(),
            joining: None,
            is_suspended: false,
            settings,
        }
    }

    pub(super) async fn run(
        mut self,
        mut events: mpsc::Receiver<GroupEvent>,
        token: CancellationToken,
    ) {
        loop {
            self.advance();
            if self.fetcher.is_over() {
                break;
            }
            tokio::select! {
                () = token.cancelled() => break,
                Some(event) = events.recv() => self.on_group(event),
                Some(done) = self.work.next(), if !self.work.is_empty() => self.on_done(done),
                step = self.fetcher.step() => match step {
                    Step::Nothing => {}
                    Step::Metadata(metadata) => self.on_metadata(&metadata),
                    Step::Closed => break,
                },
            }
        }
        drop(events);
        if let Some(group) = self.group.take() {
            group.leave(LEAVE).await;
        }
    }

    fn advance(&mut self) {
        let now = Instant::now();
        let needs = self.fetcher.advance(now);
        if !needs.positions.is_empty() {
            self.fetch_committed(needs.positions);
        }
        if !needs.resets.is_empty() {
            self.reset_by_time(needs.resets, now);
        }
        if !self.fetcher.has_failed() {
            self.enforce_max_poll_interval(now);
        }
    }

    /// Takes note of what this member has shared out, which is asked for from now on, too.
    fn lead(&mut self, snapshot: Option<LeaderSnapshot>) {
        let others = snapshot
            .iter()
            .flat_map(|snapshot| snapshot.topics.iter().cloned());
        let wanted = self.subscription.wanted(others);
        self.fetcher.want_topics(wanted);
        self.leader_snapshot = snapshot;
    }

    /// An owner that takes nothing for `max.poll.interval.ms` makes no progress: others may have its partitions.
    fn enforce_max_poll_interval(&mut self, now: Instant) {
        let Some(group) = &self.group else { return };
        if self.is_suspended {
            if !self.controls.is_suspended() {
                self.is_suspended = false;
                group.suspend(false);
            }
            return;
        }
        let interval = Duration::from_millis(self.settings.config.max_poll_interval_ms as u64);
        let Some(since) = self.controls.not_polled_since() else {
            return;
        };
        if self.fetcher.assigned().next().is_none() {
            return;
        }
        if since + interval > now {
            self.fetcher.wake_at(since + interval);
        } else if self.controls.suspend() {
            tracing::warn!(
                group = %self.settings.config.group_id,
                max_poll_interval_ms = self.settings.config.max_poll_interval_ms,
                "consumer poll timeout has expired (max.poll.interval.ms), leaving the group until the next poll"
            );
            self.is_suspended = true;
            group.suspend(true);
        }
    }

    fn on_done(&mut self, done: Done) {
        match done {
            Done::Revoked(reply) => self.offer(reply),
            Done::RevokedForOthers => self.rejoin(),
            Done::Committed { asked, result } => self.on_committed(&asked, result),
            Done::ReadyToAssign {
                assignor,
                members,
                topics,
                metadata,
                reply,
            } => self.assign_partitions(assignor, &members, topics, &metadata, reply),
        }
    }
}
