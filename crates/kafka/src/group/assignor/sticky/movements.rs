//! Which partitions a round has moved, from whom to whom: instead of two partitions of a topic that would cross between
//! the same two members, one stays where it was.

use super::java_order::PartitionSet;
use millstream_core::TopicPartition;
use std::collections::HashMap;
use std::sync::Arc;

/// Who had it when the round began, and who has it now.
type Pair = (usize, usize);

#[derive(Debug, Default)]
pub(super) struct Movements {
    of: HashMap<TopicPartition, Pair>,
    by_topic: HashMap<Arc<str>, HashMap<Pair, PartitionSet>>,
}

impl Movements {
    /// The partition to move for this one: another of its topic, if that goes back to where it came from.
    pub(super) fn instead_of(
        &self,
        partition: &TopicPartition,
        from: usize,
        to: usize,
    ) -> TopicPartition {
        let from = self.of.get(partition).map_or(from, |pair| pair.0);
        let back = self
            .by_topic
            .get(&partition.topic)
            .and_then(|pairs| pairs.get(&(to, from)));
        let other = back.and_then(PartitionSet::first);
        other.unwrap_or(partition).clone()
    }

    pub(super) fn note(&mut self, partition: &TopicPartition, from: usize, to: usize) {
        let Some((first, last)) = self.of.remove(partition) else {
            return self.add(partition, (from, to));
        };
        if let Some(pairs) = self.by_topic.get_mut(&partition.topic)
            && let Some(set) = pairs.get_mut(&(first, last))
        {
            set.remove(partition);
            if set.is_empty() {
                pairs.remove(&(first, last));
            }
        }
        // What is back where it began has not moved.
        if first != to {
            self.add(partition, (first, to));
        }
    }

    fn add(&mut self, partition: &TopicPartition, pair: Pair) {
        self.of.insert(partition.clone(), pair);
        let pairs = self.by_topic.entry(partition.topic.clone()).or_default();
        pairs.entry(pair).or_default().insert(partition.clone());
    }
}
