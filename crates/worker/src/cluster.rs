//! The seams to what a cluster shares: the configuration, the statuses, and who runs what.
//!
//! Each takes calls that return at once and answers with one stream of events in order. A number ties an event to the call
//! that it answers; every numbered call ends in its event, and how long that may take is a bound of whoever implements it.
//! What is written comes back through the stream, for all workers alike; only then does the herder act on it.

mod alone;
mod group;
mod memory;
mod session_key;
mod status;

pub use alone::AloneInCluster;
pub use group::{GroupHealth, GroupProtocol, TaskSubmitter};
pub use memory::{MemoryConfigStore, MemoryOffsets, MemoryStatusStore};
pub use session_key::SessionKey;
pub use status::{
    RunState, Status, StatusEvent, StatusKey, StatusRecord, StatusStore, StatusValue,
};

use crate::task::TaskId;
use async_trait::async_trait;
use millstream_core::Properties;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::watch;

/// What the user wants of a connector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetState {
    #[default]
    Started,
    Paused,
    /// Nothing runs and there are no tasks.
    Stopped,
}

/// One fact of the shared configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigRecord {
    /// `None`: the connector was deleted.
    Connector {
        name: Arc<str>,
        config: Option<Properties>,
    },
    /// `None`: the connector was deleted.
    Target {
        name: Arc<str>,
        state: Option<TargetState>,
    },
    /// The settings of all tasks of a connector, complete.
    Tasks {
        name: Arc<str>,
        configs: Vec<Properties>,
    },
    /// A request to restart parts of a connector, wherever they run. Acted on by those who read it as news only.
    Restart {
        name: Arc<str>,
        include_tasks: bool,
        only_failed: bool,
    },
    /// A log level for every worker, as the user spelt it. Acted on by those who read it as news only.
    Logger { namespace: String, level: String },
    /// The producers of so many former tasks of an exactly-once source can write no more.
    Fenced { name: Arc<str>, tasks: u32 },
    /// What requests between workers are signed with, from here on. One that was there at the start counts as well.
    SessionKey(SessionKey),
}

/// How far the log of the shared configuration has been read: the offset after that of the last record that could be read
/// (what transactions leave in a log is none). The workers of a group compare theirs, so every implementation counts alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(pub i64);

/// What comes out of the log of the shared configuration, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigEvent {
    Record {
        /// After this record.
        position: Position,
        record: ConfigRecord,
    },
    /// A record that tells nothing yet, or nothing that is understood, and counts for the position all the same.
    Passed { position: Position },
    /// The end of `ConfigStore::write`. If it succeeded, its records have come out before; if it failed, they may still.
    Written {
        number: u64,
        outcome: Result<(), StoreError>,
    },
    /// The end of `ConfigStore::read_to_end`: what was in the log at the call has come out before.
    End {
        number: u64,
        outcome: Result<Position, StoreError>,
    },
}

#[async_trait]
pub trait ConfigStore: Send {
    /// Writes the records in order, after those of earlier calls. Ends in `ConfigEvent::Written`.
    fn write(&mut self, number: u64, records: Vec<ConfigRecord>);

    /// This worker leads since the last rebalance: what only a leader writes is to be refused from then on to whoever led
    /// before, where the store can tell them apart.
    fn lead(&mut self) {}

    /// Makes sure of what others have written. Ends in `ConfigEvent::End`.
    fn read_to_end(&mut self, number: u64);

    /// What happens next. Cancel safe.
    async fn next(&mut self) -> ConfigEvent;
}

/// Connectors and tasks that a worker runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Work {
    pub connectors: BTreeSet<Arc<str>>,
    pub tasks: BTreeSet<TaskId>,
}

impl Work {
    pub fn is_empty(&self) -> bool {
        self.connectors.is_empty() && self.tasks.is_empty()
    }

    pub fn add(&mut self, other: &Work) {
        merge(&mut self.connectors, &other.connectors);
        merge(&mut self.tasks, &other.tasks);
    }

    pub fn remove(&mut self, other: &Work) {
        subtract(&mut self.connectors, &other.connectors);
        subtract(&mut self.tasks, &other.tasks);
    }

    /// What is not in the other.
    #[must_use]
    pub fn without(&self, other: &Work) -> Work {
        Work {
            connectors: difference(&self.connectors, &other.connectors),
            tasks: difference(&self.tasks, &other.tasks),
        }
    }

    /// All that there is to run.
    pub fn of(inventory: &Inventory) -> Self {
        let tasks = inventory
            .iter()
            .flat_map(|(name, tasks)| (0..*tasks).map(|task| TaskId::new(name.clone(), task)));
        Work {
            connectors: inventory.keys().cloned().collect(),
            tasks: tasks.collect(),
        }
    }
}

/// Each step of a rebalance takes sets of everything together or apart, so that is one pass over both rather than a search
/// for every item; and where there are few in one of them, a search for those alone.
fn merge<T: Ord + Clone>(set: &mut BTreeSet<T>, other: &BTreeSet<T>) {
    if set.is_empty() {
        set.clone_from(other);
    } else if are_few(other, set) {
        set.extend(other.iter().cloned());
    } else {
        set.append(&mut other.clone());
    }
}

fn subtract<T: Ord + Clone>(set: &mut BTreeSet<T>, other: &BTreeSet<T>) {
    if are_few(other, set) {
        for item in other {
            set.remove(item);
        }
    } else {
        *set = difference(set, other);
    }
}

fn difference<T: Ord + Clone>(set: &BTreeSet<T>, other: &BTreeSet<T>) -> BTreeSet<T> {
    set.difference(other).cloned().collect()
}

/// So few that to search for each is less than to pass over all; a search is some ten comparisons in thousands.
fn are_few<T>(some: &BTreeSet<T>, all: &BTreeSet<T>) -> bool {
    some.len() < all.len() / 16
}

/// Connectors there are, each with the number of its tasks: what an assignor distributes.
pub type Inventory = BTreeMap<Arc<str>, u32>;

/// The inventory as of a position in the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    pub position: Position,
    pub inventory: Arc<Inventory>,
}

/// Who leads the group, and so writes configurations and shares out the work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Leader {
    /// Before the first assignment, and while the group cannot be reached.
    #[default]
    Unknown,
    /// This worker; it knows who runs what.
    Here(Owners),
    /// The URL of another worker.
    At(Arc<str>),
}

/// The URLs of the other workers, by what they run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owners {
    /// All of them, whether they run anything or not.
    pub others: BTreeSet<Arc<str>>,
    pub connectors: BTreeMap<Arc<str>, Arc<str>>,
    pub tasks: BTreeMap<TaskId, Arc<str>>,
}

/// The outcome of a rebalance for this worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignment {
    pub generation: i32,
    /// What the group has agreed on.
    pub protocol: GroupProtocol,
    pub leader: Leader,
    /// How far the leader had read when it shared out the work; whoever is behind reads on before it starts any.
    pub position: Position,
    /// Everything that this worker is to run, what it ran before included. `None`: the leader was behind others and has
    /// shared out nothing; what runs goes on, and everybody reads on and joins again.
    pub work: Option<Work>,
}

/// What the group tells this worker, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupEvent {
    /// The work is being shared out anew, or the group is out of reach. Ends with `Assigned`.
    Rebalancing,
    /// To be stopped; others may be waiting for it. Answered by `Membership::released`.
    Revoked {
        number: u64,
        /// What statuses of this are to carry.
        generation: i32,
        work: Work,
    },
    Assigned(Assignment),
    /// The end of `Membership::submit`.
    Submitted {
        number: u64,
        outcome: Result<(), StoreError>,
    },
}

#[async_trait]
pub trait Membership: Send {
    /// What is configured now. A member tells the group the position, and a leader shares out the inventory.
    fn observe(&mut self, snapshot: Snapshot);

    /// Asks for the work to be shared out anew; the first call joins the group. Calls that change nothing are slowed down
    /// here, and what the group has scheduled for later needs no call.
    fn rejoin(&mut self);

    /// What was revoked under this number has stopped, and its statuses are written.
    fn released(&mut self, number: u64);

    /// Hands the settings of a connector's tasks to the leader, who writes them. Ends in `GroupEvent::Submitted`.
    fn submit(&mut self, number: u64, name: Arc<str>, configs: Vec<Properties>);

    /// Leaves the group, so that it goes on without this worker; `rejoin` joins again.
    fn leave(&mut self);

    /// What happens next. Cancel safe.
    async fn next(&mut self) -> GroupEvent;
}

/// The seams together.
pub struct Cluster {
    pub configs: Box<dyn ConfigStore>,
    pub statuses: Box<dyn StatusStore>,
    pub membership: Box<dyn Membership>,
    /// As the membership publishes it.
    pub group_health: watch::Receiver<GroupHealth>,
}

impl Cluster {
    /// A cluster of one. What it knows is not kept.
    pub fn of_one(protocol: GroupProtocol) -> Self {
        Cluster {
            configs: Box::<MemoryConfigStore>::default(),
            statuses: Box::<MemoryStatusStore>::default(),
            membership: Box::new(AloneInCluster::new(protocol)),
            group_health: watch::channel(GroupHealth::default()).1,
        }
    }
}

/// What was not written, read or handed over. The message is Java's and ends up in the answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    /// Every how many-th of a number of connectors, and their tasks.
    fn work(count: u32, every: u32) -> Work {
        let chosen = (0..count).filter(|number| number % every == 0);
        let inventory = chosen.map(|number| (Arc::from(format!("c{number}")), number % 3));
        Work::of(&inventory.collect())
    }

    #[test]
    fn sets_of_all_sizes_are_taken_together_and_apart() {
        let sizes = [(0, 1), (1, 1), (40, 1), (100, 3), (100, 50), (500, 7)];
        for one in sizes {
            for other in sizes {
                let (mut one, other) = (work(one.0, one.1), work(other.0, other.1));
                let kept = |name: &&Arc<str>| !other.connectors.contains(*name);
                let connectors: BTreeSet<_> = one.connectors.iter().filter(kept).cloned().collect();
                let tasks = one.tasks.iter().filter(|id| !other.tasks.contains(id));
                let rest = Work {
                    connectors,
                    tasks: tasks.cloned().collect(),
                };
                let mut all = rest.clone();
                all.connectors.extend(other.connectors.iter().cloned());
                all.tasks.extend(other.tasks.iter().cloned());
                assert_eq!(one.without(&other), rest);
                let mut left = one.clone();
                left.remove(&other);
                assert_eq!(left, rest);
                one.add(&other);
                assert_eq!(one, all);
            }
        }
    }
}
