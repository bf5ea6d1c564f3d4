//! The group of the simulated cluster: it shares out the work in rounds, and gives nothing to a worker that another has
//! not released.

use super::super::*;
use crate::cluster::{Assignment, Owners};

#[derive(Default)]
pub(super) struct Group {
    members: BTreeMap<usize, Member>,
    generation: i32,
    last_revocation: u64,
    /// Revocations that are not answered yet, with their member.
    revocations: BTreeMap<u64, usize>,
    /// What members are to be told, in order.
    events: BTreeMap<usize, VecDeque<GroupEvent>>,
}

#[derive(Default)]
struct Member {
    snapshot: Snapshot,
    has_joined: bool,
    wants_round: bool,
    work: Work,
}

impl Group {
    pub(super) fn observe(&mut self, worker: usize, snapshot: Snapshot) {
        self.members.entry(worker).or_default().snapshot = snapshot;
    }

    pub(super) fn rejoin(&mut self, worker: usize) {
        let member = self.members.entry(worker).or_default();
        member.has_joined = true;
        member.wants_round = true;
    }

    pub(super) fn released(&mut self, number: u64) {
        self.revocations.remove(&number);
        // What was revoked is given out in another round.
        self.want_round();
    }

    pub(super) fn leave(&mut self, worker: usize) {
        if let Some(member) = self.members.get_mut(&worker) {
            member.has_joined = false;
            member.wants_round = false;
            member.work = Work::default();
        }
        self.revocations.retain(|_, of| *of != worker);
        let events = self.events.entry(worker).or_default();
        events.retain(|event| matches!(event, GroupEvent::Submitted { .. }));
        self.want_round();
    }

    fn want_round(&mut self) {
        for member in self.members.values_mut().filter(|member| member.has_joined) {
            member.wants_round = true;
        }
    }

    pub(super) fn tell(&mut self, worker: usize, event: GroupEvent) {
        self.events.entry(worker).or_default().push_back(event);
    }

    pub(super) fn next(&mut self, worker: usize) -> Option<GroupEvent> {
        self.events.get_mut(&worker)?.pop_front()
    }

    /// One round, if somebody wants it and all have done what the last one asked of them.
    pub(super) fn rebalance(&mut self) -> bool {
        let joined: Vec<usize> = self
            .members
            .iter()
            .filter(|(_, member)| member.has_joined)
            .map(|(worker, _)| *worker)
            .collect();
        let is_wanted = joined.iter().any(|worker| self.members[worker].wants_round);
        let is_behind = self
            .events
            .iter()
            .any(|(worker, events)| joined.contains(worker) && !events.is_empty());
        let Some(leader) = joined.first().filter(|_| is_wanted && !is_behind).copied() else {
            return false;
        };
        if !self.revocations.is_empty() {
            return false;
        }
        self.generation += 1;
        for worker in &joined {
            self.members.entry(*worker).or_default().wants_round = false;
            self.tell(*worker, GroupEvent::Rebalancing);
        }
        let newest = joined
            .iter()
            .map(|worker| self.members[worker].snapshot.position);
        let newest = newest.max().unwrap_or_default();
        let snapshot = self.members[&leader].snapshot.clone();
        if snapshot.position < newest {
            for worker in joined {
                self.assign(worker, leader, newest, None);
            }
            return true;
        }
        let wanted = share_out(&snapshot.inventory, &joined);
        let mut free = Work::of(&snapshot.inventory);
        for worker in &joined {
            free.remove(&self.members[worker].work);
        }
        for worker in &joined {
            let mut revoked = self.members[worker].work.clone();
            revoked.remove(&wanted[worker]);
            if !revoked.is_empty() {
                self.last_revocation += 1;
                self.revocations.insert(self.last_revocation, *worker);
                let event = GroupEvent::Revoked {
                    number: self.last_revocation,
                    generation: self.generation,
                    work: revoked.clone(),
                };
                self.tell(*worker, event);
            }
            let member = self.members.entry(*worker).or_default();
            member.work.remove(&revoked);
            let mut new = wanted[worker].clone();
            new.connectors.retain(|name| free.connectors.contains(name));
            new.tasks.retain(|id| free.tasks.contains(id));
            member.work.add(&new);
        }
        for worker in joined {
            let work = self.members[&worker].work.clone();
            self.assign(worker, leader, snapshot.position, Some(work));
        }
        true
    }

    fn assign(&mut self, worker: usize, leader: usize, position: Position, work: Option<Work>) {
        let leader = if worker == leader {
            Leader::Here(self.owners(worker))
        } else {
            Leader::At(leader.to_string().into())
        };
        let assignment = Assignment {
            generation: self.generation,
            leader,
            position,
            work,
            ..Assignment::default()
        };
        self.tell(worker, GroupEvent::Assigned(assignment));
    }

    fn owners(&self, leader: usize) -> Owners {
        let mut owners = Owners::default();
        for (worker, member) in self.members.iter().filter(|(worker, _)| **worker != leader) {
            let url: Arc<str> = worker.to_string().into();
            let connectors = member.work.connectors.iter();
            owners
                .connectors
                .extend(connectors.map(|name| (name.clone(), url.clone())));
            let tasks = member.work.tasks.iter();
            owners
                .tasks
                .extend(tasks.map(|id| (id.clone(), url.clone())));
        }
        owners
    }
}

/// To each in turn, so that work moves whenever members or connectors come and go.
fn share_out(inventory: &Inventory, members: &[usize]) -> BTreeMap<usize, Work> {
    let mut shares: BTreeMap<usize, Work> = members.iter().map(|m| (*m, Work::default())).collect();
    let all = Work::of(inventory);
    let mut turn = members.iter().cycle();
    for name in all.connectors {
        let share = turn.next().and_then(|member| shares.get_mut(member));
        share.unwrap().connectors.insert(name);
    }
    for id in all.tasks {
        let share = turn.next().and_then(|member| shares.get_mut(member));
        share.unwrap().tasks.insert(id);
    }
    shares
}
