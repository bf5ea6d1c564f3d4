//! TaskId: which task of which connector.

use std::fmt;
use std::sync::Arc;

/// One task of one connector.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId {
    pub connector: Arc<str>,
    pub task: u32,
}

impl TaskId {
    pub fn new(connector: impl Into<Arc<str>>, task: u32) -> Self {
        TaskId {
            connector: connector.into(),
            task,
        }
    }
}

/// Connect's own form: `connector-task`.
impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.connector, self.task)
    }
}
