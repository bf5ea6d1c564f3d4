//! What can be asked of the herder, what it answers, and why it may refuse.

use crate::cluster::{Status, TargetState};
use crate::task::TaskId;
use millstream_core::{ConnectorKind, Degraded, Properties};
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
    /// Another worker, which runs the connector, hands over the settings of its tasks.
    SetTasks {
        name: Arc<str>,
        configs: Vec<Properties>,
    },
    /// Shuts out the producers of a source's former tasks.
    Fence(Arc<str>),
    /// Done by whoever leads, and nothing more: what is done elsewhere than in the herder asks first.
    Lead {
        /// Whether it waits while the work is being shared out anew.
        waits: bool,
    },
    /// Answered once everything asked before has been decided and written.
    Health,
}

impl Request {
    /// The connector that it is about, if what it does depends on what others do about it.
    pub(super) fn connector(&self) -> Option<&Arc<str>> {
        match self {
            Request::Put(put) => Some(&put.name),
            Request::Delete(name)
            | Request::SetTarget(name, _)
            | Request::Stop(name)
            | Request::RestartConnector(name)
            | Request::Restart { name, .. }
            | Request::SetTasks { name, .. }
            | Request::Fence(name) => Some(name),
            Request::RestartTask(id) => Some(&id.connector),
            Request::ResetTopics(_)
            | Request::SetClusterLogger { .. }
            | Request::Lead { .. }
            | Request::Health => None,
        }
    }

    /// What becomes of it while the work is being shared out anew.
    pub(super) fn during_a_rebalance(&self) -> DuringRebalance {
        match self {
            Request::SetTarget(..) | Request::ResetTopics(_) | Request::SetClusterLogger { .. } => {
                DuringRebalance::Done
            }
            Request::RestartConnector(_)
            | Request::Restart { .. }
            | Request::RestartTask(_)
            | Request::Lead { waits: false } => DuringRebalance::Refused,
            Request::Put(_)
            | Request::Delete(_)
            | Request::Stop(_)
            | Request::SetTasks { .. }
            | Request::Fence(_)
            | Request::Lead { waits: true }
            | Request::Health => DuringRebalance::Waits,
        }
    }
}

/// What becomes of a request when nobody knows who leads and who runs what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DuringRebalance {
    /// Any worker may do it at any time.
    Done,
    Waits,
    Refused,
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
    /// `None` where the connector's class is not here.
    pub kind: Option<ConnectorKind>,
}

/// A connector as it fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorState {
    pub name: Arc<str>,
    pub connector: Status,
    pub tasks: Vec<(u32, TaskState)>,
    /// `None` where the connector's class is not here.
    pub kind: Option<ConnectorKind>,
}

/// A task's status, and what the worker that runs it does about an outage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskState {
    pub status: Status,
    pub outage: Option<Outage>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outage {
    /// Running, but something is out of reach.
    Degraded(Degraded),
    /// Failed for a transient reason; it starts again on its own.
    Restarting { restarts: u32, next_try: i64 },
}

/// Why the herder refused or failed. The texts are Java's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HerderError {
    #[error("{0}")]
    NotFound(String),
    #[error("Connector {0} already exists")]
    AlreadyExists(Arc<str>),
    #[error("{0}")]
    BadRequest(String),
    #[error("{0}")]
    Conflict(&'static str),
    #[error("{0}")]
    Failed(String),
    /// Another worker has to do it. `url`: which one, if that is known.
    #[error(
        "Cannot complete request momentarily due to no known leader URL, likely because a rebalance was underway."
    )]
    NotHere {
        why: &'static str,
        url: Option<Arc<str>>,
    },
    #[error(
        "Cannot complete request momentarily due to stale configuration (typically caused by a concurrent config change)"
    )]
    Rebalancing,
    /// A full stop, a blank and a sentence about what the herder was at, or nothing.
    #[error("Request timed out{0}")]
    TimedOut(String),
    #[error("Worker is shutting down")]
    ShuttingDown,
}
