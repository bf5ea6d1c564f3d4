//! Partitions: where the consumer stands in each partition that it was assigned.

use crate::cluster::Metadata;
use millstream_core::TopicPartition;
use std::collections::{BTreeMap, HashMap};
use tokio::time::Instant;
use uuid::Uuid;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The group's committed offset is to be asked for.
    Unknown,
    /// To be placed by `auto.offset.reset`.
    Reset,
    /// An answer to one of the two is on its way.
    Asking,
    At(i64),
    /// Another leader may have cut the log short: whether the position is still on it is to be asked.
    Doubtful(i64),
    /// That answer is on its way.
    Checking(i64),
}

#[derive(Debug)]
pub(super) struct Partition {
    pub(super) stage: Stage,
    /// The epoch of `Controls`; answers for an older one are dropped.
    pub(super) epoch: u64,
    pub(super) is_paused: bool,
    /// Nothing is tried before.
    pub(super) retry_at: Option<Instant>,
    /// The leader epoch of what was read last; −1: unknown.
    pub(super) read_epoch: i32,
    /// The leader epoch under which the position was last known to be good.
    checked_epoch: i32,
    /// The topic's identity; zero before brokers 2.8.
    topic_id: Uuid,
}

impl Partition {
    /// Takes note of the leader; a new one makes a position doubtful that was read from another.
    fn follow(&mut self, leader_epoch: i32) {
        if leader_epoch <= self.checked_epoch {
            return;
        }
        self.checked_epoch = leader_epoch;
        if let Stage::At(offset) = self.stage
            && self.read_epoch >= 0
            && self.read_epoch < leader_epoch
        {
            self.stage = Stage::Doubtful(offset);
        }
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.retry_at.is_none_or(|at| at <= now)
    }
}

/// The assigned partitions, and which broker leads which.
#[derive(Debug, Default)]
pub(super) struct Partitions {
    pub(super) all: HashMap<TopicPartition, Partition>,
    /// By leader, in the order in which they are asked for; rebuilt when leaders or partitions change.
    routes: BTreeMap<i32, Vec<TopicPartition>>,
    is_stale: bool,
}

impl Partitions {
    pub(super) fn add(&mut self, partition: TopicPartition, epoch: u64) {
        self.is_stale = true;
        self.all.insert(
            partition,
            Partition {
                stage: Stage::Unknown,
                epoch,
                is_paused: false,
                retry_at: None,
                read_epoch: -1,
                checked_epoch: -1,
                topic_id: Uuid::nil(),
            },
        );
    }

    /// Takes partitions out and returns those that were there, in order.
    pub(super) fn remove(
        &mut self,
        is_going: impl Fn(&TopicPartition) -> bool,
    ) -> Vec<TopicPartition> {
        self.is_stale = true;
        let mut gone: Vec<TopicPartition> =
            self.all.keys().filter(|p| is_going(p)).cloned().collect();
        gone.sort();
        for partition in &gone {
            self.all.remove(partition);
        }
        gone
    }

    /// Leaders may have changed.
    pub(super) fn reroute(&mut self) {
        self.is_stale = true;
    }

    /// The partitions of each leader. `true` if some partition has none.
    pub(super) fn routes(&mut self, metadata: &Metadata) -> bool {
        if !self.is_stale {
            return false;
        }
        self.is_stale = false;
        self.routes.clear();
        let mut names: Vec<&TopicPartition> = self.all.keys().collect();
        names.sort();
        let mut is_leaderless = false;
        let mut leader_epochs = Vec::new();
        for partition in names {
            match metadata.partition(partition) {
                Some(known) if known.leader >= 0 => {
                    leader_epochs.push((partition.clone(), known.leader_epoch));
                    self.routes
                        .entry(known.leader)
                        .or_default()
                        .push(partition.clone());
                }
                Some(_) | None => is_leaderless = true,
            }
        }
        for (partition, leader_epoch) in leader_epochs {
            if let Some(state) = self.all.get_mut(&partition) {
                state.follow(leader_epoch);
            }
        }
        is_leaderless
    }

    /// The partitions whose topic was deleted and made again since they were assigned.
    pub(super) fn of_other_topics(&mut self, metadata: &Metadata) -> Vec<TopicPartition> {
        let mut strangers = Vec::new();
        for (partition, state) in &mut self.all {
            let Some(topic) = metadata.topics.get(&partition.topic) else {
                continue;
            };
            if topic.error != 0 || topic.id.is_nil() {
                continue;
            }
            if state.topic_id.is_nil() {
                state.topic_id = topic.id;
            } else if state.topic_id != topic.id {
                strangers.push(partition.clone());
            }
        }
        strangers.sort();
        strangers
    }

    pub(super) fn brokers(&self) -> Vec<i32> {
        self.routes.keys().copied().collect()
    }

    pub(super) fn of_broker(&self, broker: i32) -> &[TopicPartition] {
        self.routes.get(&broker).map_or(&[], Vec::as_slice)
    }

    /// Puts the first `count` partitions of a broker behind the others: they had their turn.
    pub(super) fn rotate(&mut self, broker: i32, count: usize) {
        if let Some(route) = self.routes.get_mut(&broker)
            && !route.is_empty()
        {
            let count = count % route.len();
            route.rotate_left(count);
        }
    }
}
