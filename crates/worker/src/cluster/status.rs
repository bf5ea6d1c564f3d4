//! Statuses: how connectors and tasks fare, as the workers tell each other, and whose word counts.

use crate::task::TaskId;
use async_trait::async_trait;
use std::sync::Arc;

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
    /// Of the group, when this was said.
    pub generation: i32,
    pub version: Option<String>,
}

impl Status {
    /// Whether this may be written over what is known. That something ended is no news once another worker of a later
    /// generation has taken it over.
    pub fn may_follow(&self, known: Option<&Status>) -> bool {
        match self.state {
            RunState::Failed | RunState::Unassigned => known.is_none_or(|known| {
                known.worker_id == self.worker_id || known.generation <= self.generation
            }),
            RunState::Running | RunState::Paused | RunState::Restarting | RunState::Stopped => true,
        }
    }

    /// Whether a reader believes this of a task. The last word of the worker that lost it may come after the first of
    /// the one that has it.
    pub fn is_news(&self, known: Option<&Status>) -> bool {
        let is_late = |known: &Status| {
            known.state == RunState::Running && known.generation >= self.generation
        };
        self.state != RunState::Unassigned || !known.is_some_and(is_late)
    }
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

impl StatusKey {
    pub fn connector(&self) -> &Arc<str> {
        match self {
            StatusKey::Connector(connector) | StatusKey::Topic { connector, .. } => connector,
            StatusKey::Task(id) => &id.connector,
        }
    }
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

/// What comes out of the log of statuses, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatusEvent {
    Record(StatusRecord),
    /// Once: what was there at the start has come out.
    End,
    /// The end of `StatusStore::flush`.
    Flushed {
        number: u64,
    },
}

#[async_trait]
pub trait StatusStore: Send {
    /// Writes a record sooner or later. While that does not succeed, a newer record of the key takes its place, and one that
    /// `Status::may_follow` forbids by what was read meanwhile is dropped; so no more is kept than there are keys.
    fn write(&mut self, record: StatusRecord);

    /// Ends in `StatusEvent::Flushed`, once what was written before is durable or has been given up.
    fn flush(&mut self, number: u64);

    /// What happens next. Cancel safe.
    async fn next(&mut self) -> StatusEvent;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(state: RunState, worker: &str, generation: i32) -> Status {
        Status {
            state,
            trace: None,
            worker_id: worker.to_owned(),
            generation,
            version: None,
        }
    }

    #[test]
    fn an_end_is_not_told_of_what_others_have_taken_over() {
        use RunState::{Failed, Restarting, Running, Unassigned};
        let known = status(Running, "b:1", 4);
        for (said, expected) in [
            (status(Unassigned, "a:1", 3), false),
            (status(Failed, "a:1", 3), false),
            (status(Unassigned, "a:1", 4), true),
            (status(Unassigned, "b:1", 3), true),
            (status(Running, "a:1", 3), true),
            (status(Restarting, "a:1", 3), true),
        ] {
            assert_eq!(said.may_follow(Some(&known)), expected, "{said:?}");
            assert!(said.may_follow(None));
        }
    }

    #[test]
    fn a_late_last_word_is_not_believed() {
        use RunState::{Failed, Paused, Unassigned};
        let running = status(RunState::Running, "b:1", 4);
        for (said, known, expected) in [
            (status(Unassigned, "a:1", 3), &running, false),
            (status(Unassigned, "a:1", 4), &running, false),
            (status(Unassigned, "a:1", 5), &running, true),
            (status(Failed, "a:1", 3), &running, true),
            (
                status(Unassigned, "a:1", 3),
                &status(Paused, "b:1", 4),
                true,
            ),
        ] {
            assert_eq!(said.is_news(Some(known)), expected, "{said:?}");
        }
    }
}
