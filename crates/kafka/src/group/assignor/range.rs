//! Range: each topic by itself is cut into neighbouring runs, one for each subscriber in order. Where racks are known,
//! partitions first go to subscribers in a rack of one of their replicas, within the same quotas; topics that have the
//! same subscribers and the same number of partitions stay aligned.

use super::{Member, PartitionRacks, Shares, TopicSizes, assign_to};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(super) fn assign(
    topics: &TopicSizes,
    racks: &PartitionRacks,
    members: &[&Member],
    shares: &mut Shares,
) {
    let mut topics: Vec<Topic> = topics
        .iter()
        .filter_map(|(name, &size)| Topic::new(name, size, racks.get(name), members))
        .collect();
    if topics.iter().any(|topic| topic.is_rack_aware) {
        let mut alike: BTreeMap<(Vec<&str>, i32), Vec<usize>> = BTreeMap::new();
        for (index, topic) in topics.iter().enumerate() {
            let ids = topic.subscribers.iter().map(|m| m.id.as_str()).collect();
            alike.entry((ids, topic.size)).or_default().push(index);
        }
        for indexes in alike.into_values() {
            match indexes[..] {
                [index] if !topics[index].is_rack_aware => {}
                [index] => topics[index].share(Topic::is_near, shares),
                _ => assign_aligned(&mut topics, &indexes, shares),
            }
        }
    }
    for topic in &mut topics {
        topic.share(|_, _, _| true, shares);
    }
}

struct Topic<'a> {
    name: &'a Arc<str>,
    size: i32,
    racks: Option<&'a Vec<BTreeSet<String>>>,
    subscribers: Vec<&'a Member>,
    /// Partitions that each subscriber has by now.
    given: Vec<i32>,
    /// Subscribers that may still get one more than the others.
    extra: i32,
    unassigned: BTreeSet<i32>,
    is_rack_aware: bool,
}

impl<'a> Topic<'a> {
    /// `None` if nobody subscribes.
    fn new(
        name: &'a Arc<str>,
        size: i32,
        racks: Option<&'a Vec<BTreeSet<String>>>,
        members: &[&'a Member],
    ) -> Option<Self> {
        let subscribers: Vec<&Member> = members
            .iter()
            .filter(|m| m.subscription.topics.iter().any(|t| **t == **name))
            .copied()
            .collect();
        let count = subscribers.len() as i32;
        if count == 0 {
            return None;
        }
        let own: BTreeSet<&String> = subscribers
            .iter()
            .filter_map(|m| m.subscription.rack.as_ref())
            .collect();
        // Racks make no difference where every partition is in all of them.
        let is_rack_aware = racks.is_some_and(|racks| {
            let all: BTreeSet<&String> = racks.iter().flatten().collect();
            !own.is_disjoint(&all) && racks.iter().any(|racks| racks.len() < all.len())
        });
        Some(Topic {
            name,
            size,
            racks,
            given: vec![0; subscribers.len()],
            subscribers,
            extra: size % count,
            unassigned: (0..size).collect(),
            is_rack_aware,
        })
    }

    fn is_near(&self, place: usize, partition: i32) -> bool {
        // Who does not say where they stand are as near as anybody.
        let Some(rack) = &self.subscribers[place].subscription.rack else {
            return true;
        };
        let racks = self.racks.and_then(|racks| racks.get(partition as usize));
        racks.is_some_and(|racks| racks.contains(rack))
    }

    /// How many more the subscriber at this place may get.
    fn room(&self, place: usize) -> i32 {
        let quota = self.size / self.subscribers.len() as i32 + i32::from(self.extra > 0);
        (quota - self.given[place]).max(0)
    }

    fn assign_to(&mut self, place: usize, partitions: &[i32], shares: &mut Shares) {
        for partition in partitions {
            self.unassigned.remove(partition);
            assign_to(shares, self.subscribers[place], self.name, *partition);
        }
        self.given[place] += partitions.len() as i32;
        if self.given[place] > self.size / self.subscribers.len() as i32 {
            self.extra -= 1;
        }
    }

    /// Gives each subscriber in turn as many of the free partitions as it may have.
    fn share(&mut self, may: impl Fn(&Self, usize, i32) -> bool, shares: &mut Shares) {
        for place in 0..self.subscribers.len() {
            let run: Vec<i32> = self
                .unassigned
                .iter()
                .copied()
                .filter(|&partition| may(self, place, partition))
                .take(self.room(place) as usize)
                .collect();
            if !run.is_empty() {
                self.assign_to(place, &run, shares);
            }
        }
    }
}

/// Gives the same partition of all these topics to one subscriber that is near all of them.
fn assign_aligned(topics: &mut [Topic], indexes: &[usize], shares: &mut Shares) {
    let first = &topics[indexes[0]];
    let (size, subscribers) = (first.size, first.subscribers.len());
    for partition in 0..size {
        let place = (0..subscribers).find(|&place| {
            indexes.iter().all(|&index| {
                let topic = &topics[index];
                topic.is_near(place, partition) && topic.room(place) > 0
            })
        });
        if let Some(place) = place {
            for &index in indexes {
                topics[index].assign_to(place, &[partition], shares);
            }
        }
    }
}
