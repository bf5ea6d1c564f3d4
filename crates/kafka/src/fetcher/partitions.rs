//! Partitions: where the consumer stands in each partition that it was assigned. Whatever changes is noted, so that
//! ten thousand quiet partitions cost nothing.

use super::known_topics::is_missing;
use crate::cluster::Metadata;
use indexmap::IndexSet;
use millstream_core::TopicPartition;
use std::collections::HashMap;
use tokio::time::Instant;
use uuid::Uuid;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The group's committed offset is to be asked for.
    Initializing,
    /// To be placed by `auto.offset.reset`.
    AwaitReset,
    /// An answer to one of the two is on its way.
    Pending,
    /// The log does not have this offset. Before the position is reset the topic's identity is looked at.
    OutOfRange(i64),
    Fetching(i64),
    /// Another leader may have cut the log short: whether the position is still on it is to be asked.
    AwaitValidation(i64),
    /// That answer is on its way.
    Validating(i64),
}

#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) stage: Stage,
    /// The epoch of `Controls`; answers for an older one are dropped.
    pub(crate) epoch: u64,
    pub(crate) is_paused: bool,
    /// Nothing is tried before.
    pub(crate) retry_at: Option<Instant>,
    /// The leader epoch of what was read last; −1: unknown.
    pub(crate) read_epoch: i32,
    /// −1: there is none.
    pub(crate) leader: i32,
    leader_epoch: i32,
    /// A replica nearer than the leader, and until when to read from it.
    pub(crate) replica: Option<(i32, Instant)>,
    /// The topic's identity; zero before brokers 2.8.
    topic_id: Uuid,
    /// The group has no committed offset, so that where reading begins may be committed.
    pub(crate) is_uncommitted: bool,
    /// What is committed is of the topic that was deleted.
    pub(crate) is_of_new_topic: bool,
    /// What is at this offset or beyond it is not read.
    pub(crate) until: Option<i64>,
    /// That this has been reached was told.
    has_reached: bool,
    /// What was read before counts for nothing.
    pub(crate) has_started_over: bool,
    /// Since when its broker says that it knows no such partition.
    pub(crate) unknown_since: Option<Instant>,
}

/// What a broker is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) epoch: u64,
    pub(crate) offset: i64,
    pub(crate) leader_epoch: i32,
}

impl Partition {
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.retry_at.is_none_or(|at| at <= now)
    }

    /// The broker to read from.
    pub(crate) fn source(&self, now: Instant) -> i32 {
        match self.replica {
            Some((replica, until)) if until > now => replica,
            Some(_) | None => self.leader,
        }
    }

    /// What to ask the source for; `None` while there is nothing to ask.
    pub(crate) fn wanted(&self, now: Instant) -> Option<Wanted> {
        match self.stage {
            Stage::Fetching(offset)
                if !self.is_paused && self.is_due(now) && !self.ends_at(offset) =>
            {
                Some(Wanted {
                    epoch: self.epoch,
                    offset,
                    leader_epoch: self.leader_epoch,
                })
            }
            _ => None,
        }
    }

    /// Nothing at this offset or beyond it is wanted.
    fn ends_at(&self, offset: i64) -> bool {
        self.until.is_some_and(|until| offset >= until)
    }

    /// The position, for the first time that everything wanted lies before it.
    pub(crate) fn take_reached(&mut self) -> Option<i64> {
        match self.stage {
            Stage::Fetching(offset) if self.ends_at(offset) && !self.has_reached => {
                self.has_reached = true;
                Some(offset)
            }
            _ => None,
        }
    }

    /// Takes note of a newer leader: a position that was read from an older one becomes unvalidated.
    fn set_leader(&mut self, leader: i32, leader_epoch: i32) {
        self.leader = leader;
        self.replica = None;
        if leader_epoch <= self.leader_epoch {
            return;
        }
        self.leader_epoch = leader_epoch;
        if let Stage::Fetching(offset) = self.stage
            && (0..leader_epoch).contains(&self.read_epoch)
        {
            self.stage = Stage::AwaitValidation(offset);
        }
    }
}

/// The assigned partitions.
#[derive(Debug, Default)]
pub(crate) struct Partitions {
    pub(crate) all: HashMap<TopicPartition, Partition>,
    /// What has changed since it was looked at.
    changed: IndexSet<TopicPartition>,
    /// Partitions that a broker's session may still hold.
    left: Vec<(i32, TopicPartition)>,
    is_stale: bool,
}

impl Partitions {
    pub(crate) fn add(&mut self, partition: TopicPartition, epoch: u64) {
        self.is_stale = true;
        self.changed.insert(partition.clone());
        self.all.insert(
            partition,
            Partition {
                stage: Stage::Initializing,
                epoch,
                is_paused: false,
                retry_at: None,
                read_epoch: -1,
                leader: -1,
                leader_epoch: -1,
                replica: None,
                topic_id: Uuid::nil(),
                is_uncommitted: false,
                is_of_new_topic: false,
                until: None,
                has_reached: false,
                has_started_over: false,
                unknown_since: None,
            },
        );
    }

    /// Takes partitions out and returns those that were there, in order.
    pub(crate) fn remove(
        &mut self,
        is_going: impl Fn(&TopicPartition) -> bool,
    ) -> Vec<TopicPartition> {
        let mut gone: Vec<TopicPartition> =
            self.all.keys().filter(|p| is_going(p)).cloned().collect();
        gone.sort();
        for partition in &gone {
            if let Some(state) = self.all.remove(partition) {
                self.leave(partition, &state);
            }
        }
        gone
    }

    fn leave(&mut self, partition: &TopicPartition, state: &Partition) {
        let replica = state.replica.map(|(replica, _)| replica);
        for broker in [Some(state.leader), replica].into_iter().flatten() {
            if broker >= 0 {
                self.left.push((broker, partition.clone()));
            }
        }
    }

    /// A partition that is about to change.
    pub(crate) fn change(&mut self, partition: &TopicPartition) -> Option<&mut Partition> {
        let state = self.all.get_mut(partition)?;
        if !self.changed.contains(partition) {
            self.changed.insert(partition.clone());
        }
        Some(state)
    }

    /// What has changed since the last call.
    pub(crate) fn take_changed(&mut self) -> IndexSet<TopicPartition> {
        std::mem::take(&mut self.changed)
    }

    /// Partitions that brokers need not be asked for any more.
    pub(crate) fn take_left(&mut self) -> Vec<(i32, TopicPartition)> {
        std::mem::take(&mut self.left)
    }

    /// Leaders may have changed.
    pub(crate) fn reroute(&mut self) {
        self.is_stale = true;
    }

    /// Finds the leaders, if they or the partitions may have changed, and then a partition that has none; one whose
    /// topic is there, if there is any.
    pub(crate) fn find_leaders(&mut self, metadata: &Metadata) -> Option<Option<TopicPartition>> {
        if !std::mem::take(&mut self.is_stale) {
            return None;
        }
        let mut leaderless = None;
        let mut orphan = None;
        let mut moved = Vec::new();
        for (partition, state) in &mut self.all {
            if state.topic_id.is_nil() {
                let topic = metadata.topics.get(&partition.topic);
                state.topic_id = topic.map_or(Uuid::nil(), |topic| topic.id);
            }
            let known = metadata.partition(partition);
            let leader = known.map_or(-1, |known| known.leader);
            let leader_epoch = known.map_or(-1, |known| known.leader_epoch);
            if leader < 0 {
                let is_orphan = is_missing(metadata.topics.get(&partition.topic));
                let first = if is_orphan {
                    &mut orphan
                } else {
                    &mut leaderless
                };
                first.get_or_insert_with(|| partition.clone());
            }
            if leader != state.leader || leader_epoch > state.leader_epoch {
                moved.push((partition.clone(), leader, leader_epoch));
            }
        }
        for (partition, leader, leader_epoch) in moved {
            if let Some(mut state) = self.all.remove(&partition) {
                self.leave(&partition, &state);
                state.set_leader(leader, leader_epoch);
                self.changed.insert(partition.clone());
                self.all.insert(partition, state);
            }
        }
        Some(leaderless.or(orphan))
    }

    /// The partitions whose topic was deleted and made again since they were assigned.
    pub(crate) fn of_recreated_topics(&self, metadata: &Metadata) -> Vec<TopicPartition> {
        let mut recreated = Vec::new();
        for (partition, state) in &self.all {
            let Some(topic) = metadata.topics.get(&partition.topic) else {
                continue;
            };
            if topic.error != 0 || topic.id.is_nil() {
                continue;
            }
            if !state.topic_id.is_nil() && state.topic_id != topic.id {
                recreated.push(partition.clone());
            }
        }
        recreated.sort();
        recreated
    }
}
