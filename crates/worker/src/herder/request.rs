//! What can be asked of the herder, what it answers, and why it may refuse.

use crate::cluster::{Status, TargetState};
use crate::task::TaskId;
use millstream_core::Properties;
use std::sync::Arc;

/// A request that changes something.
#[derive(Clone, Debug)]
pub enum Request {
    Put(Put),
    Delete(Arc<str>),
    /// Pause and resume.
    SetTarget(Arc<str>, TargetState),
    Stop(Arc<str>),
    RestartConnector(Arc<str>),
    Restart {
        name: Arc<str>,
        include_tasks: bool,
        only_failed: bool,
    },
    RestartTask(TaskId),
    ResetTopics(Arc<str>),
    SetClusterLogger {
        namespace: String,
        level: String,
    },
}

/// Creates a connector, or replaces its configuration.
#[derive(Clone, Debug)]
pub struct Put {
    pub name: Arc<str>,
    /// Validated, with its name in it.
    pub config: Properties,
    pub initial_state: Option<TargetState>,
    pub may_replace: bool,
}

/// What came of it.
#[derive(Clone, Debug)]
pub enum Answer {
    Done,
    Connector { info: ConnectorInfo, is_new: bool },
    Restarting(ConnectorState),
}

/// A connector as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorInfo {
    pub name: Arc<str>,
    pub config: Properties,
    pub tasks: u32,
    pub is_sink: bool,
}

/// A connector as it fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorState {
    pub name: Arc<str>,
    pub connector: Status,
    pub tasks: Vec<(u32, TaskState)>,
    pub is_sink: bool,
}

/// A task's status, and what the worker that runs it does about its trouble.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskState {
    pub status: Status,
    pub trouble: Option<Trouble>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Running, but something is out of reach.
    Degraded {
        since: i64,
        reason: String,
        next_try_ms: u64,
    },
    /// Failed for a transient reason; it starts again on its own.
    Healing { restarts: u32, next_try: i64 },
}

/// Why the herder refused or failed. The texts are Java's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HerderError {
    #[error("{0}")]
    NotFound(String),
    #[error("Connector {0} already exists")]
    AlreadyExists(Arc<str>),
    #[error("{0}")]
    Failed(String),
    #[error("Request timed out")]
    TimedOut,
    #[error("Worker is shutting down")]
    ShuttingDown,
}
