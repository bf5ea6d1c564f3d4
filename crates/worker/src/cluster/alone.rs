//! The membership of a worker that has no peers: it leads, and everything is its own.

use super::memory::next;
use super::{
    Assignment, GroupEvent, GroupProtocol, Leader, Membership, Owners, Snapshot, StoreError, Work,
};
use async_trait::async_trait;
use millstream_core::Properties;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// There is one generation. What was revoked is given out again only once it has been released; for the rest nobody waits.
#[derive(Debug, Default)]
pub struct AloneInCluster {
    protocol: GroupProtocol,
    snapshot: Snapshot,
    assigned: Work,
    /// What was revoked and is not released yet.
    releasing: BTreeMap<u64, Work>,
    last_number: u64,
    events: VecDeque<GroupEvent>,
}

impl AloneInCluster {
    /// A member that speaks what it offers.
    pub fn new(protocol: GroupProtocol) -> Self {
        AloneInCluster {
            protocol,
            ..AloneInCluster::default()
        }
    }

    /// Connectors and tasks are revoked apart: a connector ends at once, so that one of its name need not wait for tasks.
    fn revoke(&mut self, lost: Work) {
        let Work { connectors, tasks } = lost;
        let (mut of_connectors, mut of_tasks) = (Work::default(), Work::default());
        of_connectors.connectors = connectors;
        of_tasks.tasks = tasks;
        for work in [of_connectors, of_tasks] {
            if work.is_empty() {
                continue;
            }
            self.last_number += 1;
            self.assigned.remove(&work);
            self.releasing.insert(self.last_number, work.clone());
            self.events.push_back(GroupEvent::Revoked {
                number: self.last_number,
                generation: 0,
                work,
            });
        }
    }

    fn assign(&mut self) {
        let mut work = Work::of(&self.snapshot.inventory);
        for releasing in self.releasing.values() {
            work.remove(releasing);
        }
        self.assigned = work.clone();
        // Of several in a row the last alone counts.
        if let Some(GroupEvent::Assigned(_)) = self.events.back() {
            self.events.pop_back();
        }
        self.events.push_back(GroupEvent::Assigned(Assignment {
            protocol: self.protocol,
            leader: Leader::Here(Owners::default()),
            position: self.snapshot.position,
            work: Some(work),
            generation: 0,
        }));
    }
}

#[async_trait]
impl Membership for AloneInCluster {
    fn observe(&mut self, snapshot: Snapshot) {
        self.snapshot = snapshot;
    }

    fn rejoin(&mut self) {
        let mut lost = self.assigned.clone();
        lost.remove(&Work::of(&self.snapshot.inventory));
        self.revoke(lost);
        self.assign();
    }

    fn released(&mut self, number: u64) {
        let Some(released) = self.releasing.remove(&number) else {
            return;
        };
        let wanted = Work::of(&self.snapshot.inventory);
        let mut unwanted = released.clone();
        unwanted.remove(&wanted);
        if unwanted != released {
            self.assign();
        }
    }

    fn submit(&mut self, number: u64, _name: Arc<str>, _configs: Vec<Properties>) {
        // A leader writes by itself; before the first assignment there is none.
        let outcome = Err(StoreError("there is no other worker".to_owned()));
        self.events
            .push_back(GroupEvent::Submitted { number, outcome });
    }

    fn leave(&mut self) {
        self.events.clear();
        self.releasing.clear();
        self.assigned = Work::default();
    }

    async fn next(&mut self) -> GroupEvent {
        next(&mut self.events).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Position;
    use crate::task::TaskId;
    use futures::FutureExt;

    fn observe(group: &mut AloneInCluster, position: i64, inventory: &[(&str, u32)]) {
        let inventory = inventory
            .iter()
            .map(|(name, tasks)| ((*name).into(), *tasks));
        group.observe(Snapshot {
            position: Position(position),
            inventory: Arc::new(inventory.collect()),
        });
        group.rejoin();
    }

    /// The tasks of the next event, which assigns or revokes.
    fn tasks(group: &mut AloneInCluster) -> Option<(&'static str, usize, usize)> {
        match group.next().now_or_never()? {
            GroupEvent::Assigned(assignment) => {
                let work = assignment.work?;
                Some(("assigned", work.connectors.len(), work.tasks.len()))
            }
            GroupEvent::Revoked { work, .. } => {
                Some(("revoked", work.connectors.len(), work.tasks.len()))
            }
            GroupEvent::Rebalancing | GroupEvent::Submitted { .. } => None,
        }
    }

    #[test]
    fn what_was_revoked_is_given_out_again_once_it_is_released() {
        let mut group = AloneInCluster::default();
        observe(&mut group, 1, &[("a", 2), ("b", 1)]);
        assert_eq!(tasks(&mut group), Some(("assigned", 2, 3)));
        observe(&mut group, 2, &[("b", 1)]);
        assert_eq!(tasks(&mut group), Some(("revoked", 1, 0)));
        assert_eq!(tasks(&mut group), Some(("revoked", 0, 2)));
        // The other connector waits for nobody.
        assert_eq!(tasks(&mut group), Some(("assigned", 1, 1)));
        group.released(1);
        assert_eq!(tasks(&mut group), None);
        observe(&mut group, 3, &[("a", 2), ("b", 1)]);
        assert_eq!(tasks(&mut group), Some(("assigned", 2, 1)));
        group.released(2);
        group.released(2);
        assert_eq!(tasks(&mut group), Some(("assigned", 2, 3)));
        assert_eq!(tasks(&mut group), None);
        assert!(group.assigned.tasks.contains(&TaskId::new("a", 1)));
    }

    #[test]
    fn a_worker_without_peers_has_nobody_to_hand_tasks_to() {
        let mut group = AloneInCluster::default();
        group.submit(7, "c".into(), Vec::new());
        let submitted = group.next().now_or_never();
        let Some(GroupEvent::Submitted { number: 7, outcome }) = submitted else {
            panic!("{submitted:?}");
        };
        assert!(outcome.is_err());
        group.leave();
        assert_eq!(group.next().now_or_never(), None);
    }
}
