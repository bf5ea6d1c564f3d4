//! The iteration order of Java's hash tables, as far as assignments follow from it: by slot, and within a slot in the
//! order in which entries came.

use crate::group::assignor::Member;
use millstream_core::TopicPartition;

/// Java's default table size; it doubles when more than three quarters are in use.
const FEWEST_SLOTS: usize = 16;

fn text_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0, |hash: i32, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    })
}

fn partition_hash(partition: &TopicPartition) -> i32 {
    31i32
        .wrapping_add(partition.partition)
        .wrapping_mul(31)
        .wrapping_add(text_hash(&partition.topic))
}

fn slot(hash: i32, slots: usize) -> usize {
    let hash = hash as u32;
    (hash ^ (hash >> 16)) as usize & (slots - 1)
}

fn slots_for(entries: usize) -> usize {
    let mut slots = FEWEST_SLOTS;
    while entries > slots / 4 * 3 {
        slots *= 2;
    }
    slots
}

/// The members as Java's leader goes through them, given in the order of the group's answer.
pub(super) fn of<'a>(members: &[&'a Member]) -> Vec<&'a Member> {
    let slots = slots_for(members.len());
    let mut ordered = members.to_vec();
    ordered.sort_by_key(|member| slot(text_hash(&member.id), slots));
    ordered
}

/// A `HashSet` of partitions; its table never shrinks.
#[derive(Clone, Debug, Default)]
pub(super) struct PartitionSet {
    entries: Vec<TopicPartition>,
    most: usize,
}

impl PartitionSet {
    pub(super) fn insert(&mut self, partition: TopicPartition) {
        self.entries.push(partition);
        self.most = self.most.max(self.entries.len());
    }

    pub(super) fn remove(&mut self, partition: &TopicPartition) {
        self.entries.retain(|entry| entry != partition);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What Java's iterator gives first.
    pub(super) fn first(&self) -> Option<&TopicPartition> {
        let slots = slots_for(self.most);
        self.entries
            .iter()
            .min_by_key(|entry| slot(partition_hash(entry), slots))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_as_java_does() {
        assert_eq!(text_hash("consumer-1"), -166_239_206);
        assert_eq!(partition_hash(&TopicPartition::new("t", 3)), 1_170);
        assert_eq!(slots_for(12), 16);
        assert_eq!(slots_for(13), 32);
        assert_eq!(slot(-1, 16), 0);
    }
}
