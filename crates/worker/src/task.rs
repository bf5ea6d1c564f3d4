//! The seam to the data plane: what a task is started with, how it is steered, what it reports.

use crate::config::{Redactor, WorkerSettings};
use crate::registry::PluginRegistry;
use crate::sink_settings::SinkSettings;
use crate::source_settings::SourceSettings;
use crate::stage_settings::StageSettings;
use async_trait::async_trait;
pub use millstream_core::TaskId;
use millstream_core::{Connector, Degraded, OffsetStore, Properties};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Starts tasks on this machine.
pub trait TaskStarter: Send + Sync {
    /// Starts one task and returns at once; whatever becomes of it is reported through `events`.
    fn start(&self, start: TaskStart, events: TaskEvents) -> Box<dyn TaskHandle>;
}

/// All that a task needs to know. References such as `${file:…}` are resolved already.
#[derive(Clone)]
pub struct TaskStart {
    pub id: TaskId,
    pub connector: Arc<dyn Connector>,
    /// What the framework does with the records, by the connector's configuration.
    pub stages: StageSettings,
    /// Where it has them from, or puts them.
    pub settings: TaskSettings,
    /// The task's own configuration, for its transforms and its sink or source.
    pub task_config: Properties,
    /// Hides what the references stood for in whatever is said about the task.
    pub redactor: Redactor,
    pub worker: Arc<WorkerSettings>,
    pub registry: Arc<PluginRegistry>,
    /// Where the offsets of sources are kept.
    pub offsets: Arc<dyn OffsetStore>,
    /// Whether the task begins paused: it joins its group, but takes no records and reports `Paused`.
    pub is_paused: bool,
}

/// The framework's end of a task; which one it is follows from the connector's role.
#[derive(Clone)]
pub enum TaskSettings {
    Sink(SinkSettings),
    Source(SourceSettings),
}

/// Steers a task that was started.
#[async_trait]
pub trait TaskHandle: Send + Sync {
    fn pause(&self);

    fn resume(&self);

    /// Finishes what is closed or in flight, commits, leaves the group; returns once the task has ended,
    /// or when the deadline has passed and the task has been abandoned.
    async fn stop(self: Box<Self>, deadline: Duration);
}

/// A change in a task's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskEvent {
    Running,
    Paused,
    /// The task has ended by itself. `trace` is what `trace::trace` makes of the failure.
    Failed {
        trace: String,
        /// Whether the same start may succeed later: a server that is out of reach, not a wrong setting.
        is_transient: bool,
    },
    /// Still running, but something is out of reach and being retried.
    Degraded(Degraded),
    /// The outage of an earlier `Degraded` is over.
    Recovered,
    /// The first record of a topic has arrived, or was written.
    Topic(Arc<str>),
}

impl TaskEvent {
    fn redacted(self, redactor: &Redactor) -> Self {
        match self {
            TaskEvent::Failed {
                trace,
                is_transient,
            } => TaskEvent::Failed {
                trace: redactor.text(&trace),
                is_transient,
            },
            TaskEvent::Degraded(degraded) => TaskEvent::Degraded(Degraded {
                reason: redactor.text(&degraded.reason),
                ..degraded
            }),
            other @ (TaskEvent::Running
            | TaskEvent::Paused
            | TaskEvent::Recovered
            | TaskEvent::Topic(_)) => other,
        }
    }
}

/// Where a task reports. Cloning it gives several parts of a task a way to report.
#[derive(Clone, Debug)]
pub struct TaskEvents {
    id: TaskId,
    instance: u64,
    sender: mpsc::Sender<TaskReport>,
    redactor: Redactor,
    /// Who wants to know whether the task is in trouble.
    trouble: Option<watch::Sender<Trouble>>,
}

/// What keeps a task from its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    None,
    /// Something is out of reach, and tried again.
    Waits,
    /// It has ended, and does not start again by itself.
    Failed,
}

impl Trouble {
    /// What an event says of it, if it says anything.
    fn of(event: &TaskEvent) -> Option<Self> {
        match event {
            TaskEvent::Degraded(_) => Some(Trouble::Waits),
            TaskEvent::Failed {
                is_transient: false,
                ..
            } => Some(Trouble::Failed),
            TaskEvent::Recovered => Some(Trouble::None),
            TaskEvent::Failed { .. }
            | TaskEvent::Running
            | TaskEvent::Paused
            | TaskEvent::Topic(_) => None,
        }
    }
}

/// An event with the task it came from; a task that was restarted has a new instance number.
#[derive(Clone, Debug)]
pub struct TaskReport {
    pub id: TaskId,
    pub instance: u64,
    pub event: TaskEvent,
}

impl TaskEvents {
    pub fn new(id: TaskId, instance: u64, sender: mpsc::Sender<TaskReport>) -> Self {
        TaskEvents {
            id,
            instance,
            sender,
            redactor: Redactor::default(),
            trouble: None,
        }
    }

    /// Tells of troubles here, too.
    pub(crate) fn telling(self, trouble: watch::Sender<Trouble>) -> Self {
        let trouble = Some(trouble);
        TaskEvents { trouble, ..self }
    }

    /// Lets nothing through that a reference of the task's settings stands for.
    pub(crate) fn redacting(self, redactor: Redactor) -> Self {
        TaskEvents { redactor, ..self }
    }

    /// Reports a change. Waits while the herder is behind; it never waits for a task in turn.
    pub async fn send(&self, event: TaskEvent) {
        if let Some((told, trouble)) = self.trouble.as_ref().zip(Trouble::of(&event)) {
            told.send_replace(trouble);
        }
        let report = TaskReport {
            id: self.id.clone(),
            instance: self.instance,
            event: event.redacted(&self.redactor),
        };
        // Nobody listens any more once the worker shuts down; then there is nobody to tell either.
        let _ = self.sender.send(report).await;
    }
}
