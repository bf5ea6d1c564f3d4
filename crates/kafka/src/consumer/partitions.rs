//! Partitions: where the consumer stands in each partition that it was assigned.

use crate::cluster::Metadata;
use millstream_core::TopicPartition;
use std::collections::{BTreeMap, HashMap};
use tokio::time::Instant;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The group's committed offset is to be asked for.
    Unknown,
    /// To be placed by `auto.offset.reset`.
    Reset,
    /// An answer to one of the two is on its way.
    Asking,
    At(i64),
}

#[derive(Debug)]
pub(super) struct Partition {
    pub(super) stage: Stage,
    /// The epoch of `Controls`; answers for an older one are dropped.
    pub(super) epoch: u64,
    pub(super) is_paused: bool,
    /// Nothing is tried before.
    pub(super) retry_at: Option<Instant>,
}

impl Partition {
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
        for partition in names {
            match metadata.partition(partition) {
                Some(known) if known.leader >= 0 => {
                    self.routes
                        .entry(known.leader)
                        .or_default()
                        .push(partition.clone());
                }
                Some(_) | None => is_leaderless = true,
            }
        }
        is_leaderless
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
