//! Members read different topics: each free partition goes to the least loaded reader, then partitions move from the
//! more loaded to the less, as long as that evens the two out.

use super::movements::Movements;
use super::{Given, Owned, Round, partitions_of, subscribes};
use millstream_core::TopicPartition;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Each pass makes the loads more even, so a few are enough. Java's own has no bound, and nothing that rules out
/// that two moves undo each other for ever.
const MOST_PASSES: usize = 1_000;

pub(super) fn share(round: &Round<'_>, owned: Owned) -> Given {
    let mut sharing = Sharing::new(round, owned);
    let mut unassigned = sharing.revoke();
    sharing.by_load = sharing.loads();
    let was_empty = sharing.given.iter().all(Vec::is_empty);
    sharing.assign_unassigned(&unassigned);
    let mut all = sharing.all.clone();
    let has_choice = |p: &TopicPartition| sharing.readers[&p.topic].len() >= 2;
    all.retain(has_choice);
    unassigned.retain(has_choice);
    sharing.set_fixed_aside();
    let before = (sharing.given.clone(), sharing.score());
    if !sharing.must_revoke {
        sharing.balance(&unassigned);
    }
    let has_moved = sharing.balance(&all);
    if !was_empty && has_moved && sharing.score() >= before.1 {
        return before.0;
    }
    sharing.given
}

struct Sharing<'r, 'a> {
    round: &'r Round<'a>,
    given: Given,
    owner: HashMap<TopicPartition, usize>,
    /// Of each topic, in Java's order.
    readers: HashMap<Arc<str>, Vec<usize>>,
    /// Topics by the number of their readers, then by name.
    all: Vec<TopicPartition>,
    /// Who had a partition before its owner.
    before: HashMap<TopicPartition, (usize, i32)>,
    /// Members by load, then by id; those set aside are not there.
    by_load: BTreeSet<(usize, &'r str, usize)>,
    is_fixed: Vec<bool>,
    /// Something goes from its owner whatever the balance.
    must_revoke: bool,
    movements: Movements,
}

impl<'r, 'a> Sharing<'r, 'a> {
    fn new(round: &'r Round<'a>, owned: Owned) -> Self {
        let readers: HashMap<Arc<str>, Vec<usize>> = round
            .topics
            .keys()
            .map(|topic| {
                let members = 0..round.members.len();
                let readers = members.filter(|&member| subscribes(round.members[member], topic));
                (topic.clone(), readers.collect())
            })
            .collect();
        let mut topics: Vec<(&Arc<str>, &i32)> = round.topics.iter().collect();
        topics.sort_by_key(|(topic, _)| (readers[*topic].len(), *topic));
        let mut before: HashMap<TopicPartition, (usize, i32)> = HashMap::new();
        for (member, claim) in round.claims.iter().enumerate() {
            let generation = claim.generation.unwrap_or(-1);
            if generation >= owned.newest {
                continue;
            }
            for partition in &claim.owned {
                let known = before.get(partition);
                if known.is_none_or(|(_, known)| generation > *known) {
                    before.insert(partition.clone(), (member, generation));
                }
            }
        }
        Sharing {
            all: topics
                .into_iter()
                .flat_map(|(topic, &size)| partitions_of(topic, size))
                .collect(),
            given: owned.by_member,
            owner: HashMap::new(),
            readers,
            before,
            by_load: BTreeSet::new(),
            is_fixed: vec![false; round.members.len()],
            must_revoke: false,
            movements: Movements::default(),
            round,
        }
    }

    /// Takes from members what they do not read any more or stand too far from; the partitions without an owner.
    fn revoke(&mut self) -> Vec<TopicPartition> {
        for (member, given) in self.given.iter_mut().enumerate() {
            let had = given.len();
            given.retain(|partition| {
                subscribes(self.round.members[member], &partition.topic)
                    && !self.round.racks.is_far(member, partition)
            });
            self.must_revoke |= given.len() < had;
            for partition in given {
                self.owner.insert(partition.clone(), member);
            }
        }
        let owner = &self.owner;
        let unassigned = self.all.iter().filter(|p| !owner.contains_key(p));
        unassigned.cloned().collect()
    }

    fn loads(&self) -> BTreeSet<(usize, &'r str, usize)> {
        let loads = self.given.iter().enumerate();
        loads
            .map(|(member, given)| (given.len(), self.round.id(member), member))
            .collect()
    }

    fn load(&self, member: usize) -> usize {
        self.given[member].len()
    }

    /// Members near a partition come first.
    fn assign_unassigned(&mut self, unassigned: &[TopicPartition]) {
        let mut left = Vec::new();
        for partition in unassigned {
            if self.round.racks.is_empty() || !self.assign_to(partition, true) {
                left.push(partition);
            }
        }
        for partition in left {
            self.assign_to(partition, false);
        }
    }

    fn assign_to(&mut self, partition: &TopicPartition, must_be_near: bool) -> bool {
        let readers = &self.readers[&partition.topic];
        let racks = &self.round.racks;
        let mut by_load = self.by_load.iter();
        let found = by_load.find(|(_, _, member)| {
            readers.contains(member) && !(must_be_near && racks.is_far(*member, partition))
        });
        let Some(&(_, _, member)) = found else {
            return false;
        };
        self.change_load(member, |given| given.push(partition.clone()));
        self.owner.insert(partition.clone(), member);
        true
    }

    fn change_load(&mut self, member: usize, change: impl FnOnce(&mut Vec<TopicPartition>)) {
        let id = self.round.id(member);
        self.by_load.remove(&(self.load(member), id, member));
        change(&mut self.given[member]);
        self.by_load.insert((self.load(member), id, member));
    }

    /// Most partitions that a member could have.
    fn reach(&self, member: usize) -> usize {
        let topics = self.round.topics.iter();
        let read = topics.filter(|(topic, _)| self.readers[*topic].contains(&member));
        read.map(|(_, size)| *size as usize).sum()
    }

    /// Members that have all they could have, and share none of its topics, stay as they are.
    fn set_fixed_aside(&mut self) {
        for member in 0..self.given.len() {
            let can_change = self.load(member) < self.reach(member)
                || self.given[member]
                    .iter()
                    .any(|p| self.readers[&p.topic].len() >= 2);
            if !can_change {
                self.is_fixed[member] = true;
                let entry = (self.load(member), self.round.id(member), member);
                self.by_load.remove(&entry);
            }
        }
    }

    /// The sum of the differences between any two members.
    fn score(&self) -> usize {
        let loads: Vec<usize> = (0..self.given.len())
            .filter(|&member| !self.is_fixed[member])
            .map(|member| self.load(member))
            .collect();
        let pairs = loads.iter().enumerate();
        pairs
            .flat_map(|(i, one)| loads[i + 1..].iter().map(|other| one.abs_diff(*other)))
            .sum()
    }

    fn is_balanced(&self) -> bool {
        let (Some(least), Some(most)) = (self.by_load.first(), self.by_load.last()) else {
            return true;
        };
        if least.0 + 1 >= most.0 {
            return true;
        }
        self.by_load.iter().all(|&(load, _, member)| {
            load == self.reach(member)
                || self.all.iter().all(|partition| {
                    let owner = self.owner.get(partition);
                    let owner = owner.filter(|owner| !self.is_fixed[**owner]);
                    owner.is_none_or(|&owner| {
                        load + 1 >= self.load(owner)
                            || !self.readers[&partition.topic].contains(&member)
                    })
                })
        })
    }

    /// Moves partitions until no move makes the loads more even. Whether one has moved.
    fn balance(&mut self, partitions: &[TopicPartition]) -> bool {
        let mut has_moved = false;
        for _ in 0..MOST_PASSES {
            let mut has_moved_now = false;
            for partition in partitions {
                if self.is_balanced() {
                    break;
                }
                has_moved_now |= self.improve_balance(partition);
            }
            has_moved |= has_moved_now;
            if !has_moved_now {
                break;
            }
        }
        has_moved
    }

    fn improve_balance(&mut self, partition: &TopicPartition) -> bool {
        let Some(&owner) = self.owner.get(partition) else {
            return false;
        };
        let load = self.load(owner);
        let readers = &self.readers[&partition.topic];
        // Java asks nothing more of who had it before; a member that does not read it is none here.
        if let Some(&(member, _)) = self.before.get(partition)
            && readers.contains(&member)
            && load > self.load(member) + 1
        {
            self.move_to(partition, owner, member);
            return true;
        }
        let is_lighter = |member: usize| load > self.load(member) + 1;
        let racks = &self.round.racks;
        let has_lighter_near = racks.is_near(owner, partition)
            && readers
                .iter()
                .any(|&m| racks.is_near(m, partition) && is_lighter(m));
        // The least loaded reader gets it, near or not.
        let is_due = has_lighter_near || readers.iter().any(|&m| is_lighter(m));
        let mut by_load = self.by_load.iter();
        let to = by_load.find(|(_, _, member)| readers.contains(member));
        match to {
            Some(&(_, _, member)) if is_due => {
                self.move_to(partition, owner, member);
                true
            }
            Some(_) | None => false,
        }
    }

    fn move_to(&mut self, partition: &TopicPartition, owner: usize, to: usize) {
        let partition = self.movements.instead_of(partition, owner, to);
        let Some(&from) = self.owner.get(&partition) else {
            return;
        };
        self.movements.note(&partition, from, to);
        self.change_load(from, |given| given.retain(|p| *p != partition));
        self.change_load(to, |given| given.push(partition.clone()));
        self.owner.insert(partition, to);
    }
}
