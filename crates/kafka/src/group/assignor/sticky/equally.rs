//! All members read the same topics: everyone gets the same number of partitions, or one more.

use super::{Given, Owned, Round, partitions_of};
use millstream_core::TopicPartition;
use std::collections::{HashMap, HashSet, VecDeque};

/// The shares, and those partitions in them that another member has to let go first.
pub(super) fn share(round: &Round<'_>, owned: Owned) -> (Given, Vec<(TopicPartition, usize)>) {
    let total: usize = round.topics.values().map(|size| *size as usize).sum();
    let count = round.members.len();
    let mut sharing = Sharing {
        round,
        fewest: total / count,
        most: total.div_ceil(count),
        extra: total % count,
        below: Vec::new(),
        at_fewest: VecDeque::new(),
        given: vec![Vec::new(); count],
        revoked: HashMap::new(),
        disputed: owned.disputed,
        moving: Vec::new(),
    };
    for (member, partitions) in owned.by_member.into_iter().enumerate() {
        sharing.keep(member, partitions);
    }
    let mut unassigned = sharing.unassigned();
    sharing.below.sort_by_key(|&member| round.id(member));
    let at_fewest = sharing.at_fewest.make_contiguous();
    at_fewest.sort_by_key(|&member| round.id(member));
    round.racks.sort(&mut unassigned);
    sharing.assign_by_rack(&mut unassigned);
    sharing.assign_in_turn(unassigned);
    (sharing.given, sharing.moving)
}

struct Sharing<'r, 'a> {
    round: &'r Round<'a>,
    fewest: usize,
    most: usize,
    /// How many members may still have one more than the others.
    extra: usize,
    /// Members with fewer than `fewest`.
    below: Vec<usize>,
    /// Members with `fewest` that may get one more.
    at_fewest: VecDeque<usize>,
    given: Given,
    /// What did not stay with its owner at first, and that owner.
    revoked: HashMap<TopicPartition, usize>,
    disputed: HashSet<TopicPartition>,
    moving: Vec<(TopicPartition, usize)>,
}

impl Sharing<'_, '_> {
    /// A member keeps what it has, up to its quota.
    fn keep(&mut self, member: usize, owned: Vec<TopicPartition>) {
        let is_far = |p: &TopicPartition| self.round.racks.is_far(member, p);
        let (far, mut owned): (Vec<_>, Vec<_>) = owned.into_iter().partition(is_far);
        let revoked = |partition| (partition, member);
        self.revoked.extend(far.into_iter().map(revoked));
        owned.retain(|p| !self.disputed.contains(p));
        owned.sort_by(|a, b| (a.partition, &a.topic).cmp(&(b.partition, &b.topic)));
        let quota = if owned.len() < self.fewest {
            self.below.push(member);
            owned.len()
        } else if owned.len() >= self.most && self.extra > 0 {
            self.take_extra();
            self.most
        } else {
            if self.extra > 0 {
                self.at_fewest.push_back(member);
            }
            self.fewest
        };
        self.revoked.extend(owned.drain(quota..).map(revoked));
        self.given[member] = owned;
    }

    /// One member more has the most that it may have.
    fn take_extra(&mut self) {
        self.extra = self.extra.saturating_sub(1);
        if self.extra == 0 {
            self.at_fewest.clear();
        }
    }

    fn unassigned(&self) -> Vec<TopicPartition> {
        let kept: HashSet<&TopicPartition> = self.given.iter().flatten().collect();
        let topics = self.round.topics.iter();
        topics
            .flat_map(|(topic, &size)| partitions_of(topic, size))
            .filter(|partition| !kept.contains(partition))
            .collect()
    }

    /// Gives partitions to members near them, in turn, as far as quotas go.
    fn assign_by_rack(&mut self, unassigned: &mut Vec<TopicPartition>) {
        if self.round.racks.is_empty() {
            return;
        }
        let mut turn = 0;
        let mut left = Vec::new();
        for partition in std::mem::take(unassigned) {
            match self.near(&partition, &mut turn) {
                Some(member) => {
                    self.assign_to(partition, member);
                }
                None => left.push(partition),
            }
        }
        *unassigned = left;
    }

    fn near(&mut self, partition: &TopicPartition, turn: &mut usize) -> Option<usize> {
        let racks = &self.round.racks;
        if let Some(mut place) = racks.next_near(partition, &self.below, *turn) {
            let member = self.below[place];
            let count = self.given[member].len() + 1;
            if count < self.fewest {
                place += 1;
            } else {
                self.below.remove(place);
                if count < self.most && self.extra > 0 {
                    self.at_fewest.push_back(member);
                }
            }
            *turn = place.checked_rem(self.below.len()).unwrap_or(0);
            return Some(member);
        }
        let at_fewest: Vec<usize> = self.at_fewest.iter().copied().collect();
        let place = racks.next_near(partition, &at_fewest, 0)?;
        let member = at_fewest[place];
        if self.given[member].len() + 1 == self.most {
            self.at_fewest.remove(place);
            self.take_extra();
        }
        Some(member)
    }

    fn assign_in_turn(&mut self, unassigned: Vec<TopicPartition>) {
        let mut turn = 0;
        for partition in unassigned {
            if turn >= self.below.len() {
                turn = 0;
            }
            let (member, is_below) = match self.below.get(turn) {
                Some(&member) => (member, true),
                None => match self.at_fewest.pop_front() {
                    Some(member) => (member, false),
                    // Were there ever more partitions than turns, which would be our mistake, none is left out.
                    None => (self.least_loaded(), false),
                },
            };
            let count = self.assign_to(partition, member);
            if is_below && count == self.fewest {
                self.below.remove(turn);
                self.at_fewest.push_back(member);
            } else if is_below {
                turn += 1;
            }
        }
    }

    fn least_loaded(&self) -> usize {
        let members = 0..self.given.len();
        let least = members.min_by_key(|&member| (self.given[member].len(), self.round.id(member)));
        least.unwrap_or(0)
    }

    fn assign_to(&mut self, partition: TopicPartition, member: usize) -> usize {
        let before = self.revoked.get(&partition);
        if before.is_some_and(|before| *before != member) || self.disputed.contains(&partition) {
            self.moving.push((partition.clone(), member));
        }
        self.given[member].push(partition);
        self.given[member].len()
    }
}
