//! Where members and replicas stand, for shares that keep members near what they read.

use super::partitions_of;
use crate::group::assignor::{Member, PartitionRacks, TopicSizes};
use millstream_core::TopicPartition;
use std::collections::{BTreeSet, HashMap};

#[derive(Debug, Default)]
pub(super) struct Racks<'a> {
    /// By member; empty where racks make no difference.
    members: Vec<Option<&'a str>>,
    partitions: HashMap<TopicPartition, Option<&'a BTreeSet<String>>>,
    /// How many members stand near each partition. Java sorts by it as soon as one member names a rack.
    near: HashMap<TopicPartition, usize>,
}

impl<'a> Racks<'a> {
    pub(super) fn new(
        topics: &TopicSizes,
        racks: &'a PartitionRacks,
        members: &[&'a Member],
    ) -> Self {
        let standing: Vec<Option<&str>> = members
            .iter()
            .map(|member| member.subscription.rack.as_deref())
            .collect();
        let own: BTreeSet<&str> = standing.iter().copied().flatten().collect();
        if own.is_empty() {
            return Racks::default();
        }
        let partitions: HashMap<TopicPartition, Option<&BTreeSet<String>>> = topics
            .iter()
            .flat_map(|(topic, &size)| {
                partitions_of(topic, size).map(|partition| {
                    let known = racks.get(topic);
                    let place = known.and_then(|racks| racks.get(partition.partition as usize));
                    (partition, place)
                })
            })
            .collect();
        let all: BTreeSet<&str> = partitions
            .values()
            .flatten()
            .flat_map(|racks| racks.iter().map(String::as_str))
            .collect();
        let near = partitions
            .iter()
            .map(|(partition, racks)| {
                let is_near = |rack: &&Option<&str>| {
                    rack.is_some_and(|rack| racks.is_some_and(|racks| racks.contains(rack)))
                };
                (partition.clone(), standing.iter().filter(is_near).count())
            })
            .collect();
        // Racks make no difference where every partition is in all of them.
        let differ = partitions
            .values()
            .any(|racks| racks.map_or(0, BTreeSet::len) < all.len());
        if own.is_disjoint(&all) || !differ {
            return Racks {
                near,
                ..Racks::default()
            };
        }
        Racks {
            members: standing,
            partitions,
            near,
        }
    }

    /// Whether they make no difference.
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    fn of_member(&self, member: usize) -> Option<&str> {
        self.members.get(member).copied().flatten()
    }

    fn has_replica(&self, partition: &TopicPartition, rack: &str) -> bool {
        let racks = self.partitions.get(partition).copied().flatten();
        racks.is_some_and(|racks| racks.contains(rack))
    }

    /// The member stands in a rack, and the partition has a replica there.
    pub(super) fn is_near(&self, member: usize, partition: &TopicPartition) -> bool {
        self.of_member(member)
            .is_some_and(|rack| self.has_replica(partition, rack))
    }

    /// The member stands in a rack, and the partition has no replica there.
    pub(super) fn is_far(&self, member: usize, partition: &TopicPartition) -> bool {
        self.of_member(member)
            .is_some_and(|rack| !self.has_replica(partition, rack))
    }

    /// Those with the fewest members near first.
    pub(super) fn sort(&self, partitions: &mut [TopicPartition]) {
        if !self.near.is_empty() {
            partitions.sort_by_key(|partition| self.near.get(partition).copied().unwrap_or(0));
        }
    }

    /// The place of the first member near the partition, from a place on and round.
    pub(super) fn next_near(
        &self,
        partition: &TopicPartition,
        members: &[usize],
        from: usize,
    ) -> Option<usize> {
        (0..members.len())
            .map(|step| (from + step) % members.len())
            .find(|&place| self.is_near(members[place], partition))
    }
}
