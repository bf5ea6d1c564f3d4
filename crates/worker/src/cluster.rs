//! The seams to what a cluster shares: connector configurations, statuses, and who runs what.
//! Whatever is written comes back through `next`; only then does the herder act on it.

mod memory;

pub use memory::{AloneInCluster, MemoryConfigStore, MemoryStatusStore};

use crate::task::TaskId;
use async_trait::async_trait;
use millstream_core::Properties;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

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
    /// A request to restart parts of a connector, wherever they run.
    Restart {
        name: Arc<str>,
        include_tasks: bool,
        only_failed: bool,
    },
    /// A log level for every worker, as the user spelt it.
    Logger { namespace: String, level: String },
}

#[async_trait]
pub trait ConfigStore: Send {
    /// Writes the records in order.
    async fn write(&mut self, records: Vec<ConfigRecord>) -> Result<(), StoreError>;

    /// The next record that was read back. Cancel safe.
    async fn next(&mut self) -> ConfigRecord;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    Unassigned,
    Running,
    Paused,
    Failed,
    Restarting,
    Stopped,
}

impl RunState {
    pub fn name(self) -> &'static str {
        match self {
            RunState::Unassigned => "UNASSIGNED",
            RunState::Running => "RUNNING",
            RunState::Paused => "PAUSED",
            RunState::Failed => "FAILED",
            RunState::Restarting => "RESTARTING",
            RunState::Stopped => "STOPPED",
        }
    }
}

/// How a connector or task fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub state: RunState,
    pub trace: Option<String>,
    /// Where it runs, as host:port.
    pub worker_id: String,
    pub generation: i32,
    pub version: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StatusKey {
    Connector(Arc<str>),
    Task(TaskId),
    /// A topic that a connector has used.
    Topic {
        topic: Arc<str>,
        connector: Arc<str>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatusValue {
    Status(Status),
    /// When and by which task a topic was first used.
    Topic {
        task: u32,
        discovered: i64,
    },
}

/// `None` removes the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusRecord {
    pub key: StatusKey,
    pub value: Option<StatusValue>,
}

#[async_trait]
pub trait StatusStore: Send {
    /// Writes a record sooner or later; a newer one of the same key may replace it before.
    async fn write(&mut self, record: StatusRecord) -> Result<(), StoreError>;

    /// The next record that was read back. Cancel safe.
    async fn next(&mut self) -> StatusRecord;
}

/// What this worker is to run, as of one generation of the group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignment {
    pub generation: i32,
    pub is_leader: bool,
    pub connectors: BTreeSet<Arc<str>>,
    pub tasks: BTreeSet<TaskId>,
}

/// Connectors there are, each with the number of its tasks: what an assignor distributes.
pub type Inventory = BTreeMap<Arc<str>, u32>;

#[async_trait]
pub trait Membership: Send {
    /// Asks for a new assignment of what there is now.
    fn rejoin(&mut self, inventory: Inventory);

    /// The next assignment. Cancel safe.
    async fn next(&mut self) -> Assignment;
}

/// A store that could not be written to. The message is Java's and ends up in the answer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub String);
