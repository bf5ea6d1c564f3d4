//! What a task is made of, what it is told, what it reports.

use crate::error_policy::ErrorPolicy;
use crate::plan::Plan;
use crate::source::SourcePlan;
use millstream_core::{
    ByteBudget, Consumer, Degraded, OffsetStore, RecordSender, SinkTask, SourceTask, TaskId,
    Tolerance,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// What the task is to be; the owner may change it at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Running,
    Paused,
}

/// What the task reports. The end of the task is the result of `run::run_task`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskEvent {
    Running,
    Paused,
    /// Something is out of reach; the task retries and stays running.
    Degraded(Degraded),
    Recovered,
    /// The first records of a topic have arrived.
    Topic(Arc<str>),
}

/// The started parts of a task.
pub enum TaskParts {
    Sink(SinkParts),
    Source(SourceParts),
}

impl TaskParts {
    /// The plan in one line, for the log.
    pub(crate) fn describe(&self) -> String {
        match self {
            TaskParts::Sink(parts) => parts.plan.describe(),
            TaskParts::Source(parts) => parts.plan.describe(),
        }
    }
}

/// The started parts of a sink task.
pub struct SinkParts {
    pub consumer: Box<dyn Consumer>,
    pub sink: Box<dyn SinkTask>,
    pub plan: Plan,
    pub errors: ErrorPolicy,
    /// What the consumer's batches are counted in.
    pub fetched: ByteBudget,
}

/// The started parts of a source task.
pub struct SourceParts {
    pub source: Box<dyn SourceTask>,
    pub sender: Arc<dyn RecordSender>,
    pub plan: SourcePlan,
    pub errors: Arc<ErrorPolicy>,
    pub tolerance: Tolerance,
    pub offsets: Arc<dyn OffsetStore>,
    /// How long storing offsets may take before it is given up until the next time.
    pub flush_timeout: Duration,
    /// Memory for records that Kafka has not acknowledged.
    pub in_flight: ByteBudget,
}

#[derive(Clone, Debug)]
pub struct TaskSettings {
    pub id: TaskId,
    /// `offset.flush.interval.ms`.
    pub commit_interval: Duration,
    /// How long a stop or a revocation waits for what is closed or in flight.
    pub finish_deadline: Duration,
    /// Whether a start that fails for a reason that may pass is tried again.
    pub retries_outages: bool,
    /// Epoch milliseconds.
    pub clock: fn() -> i64,
}

/// Reports to the owner; one that no longer listens is about to stop the task.
pub(crate) async fn report(events: &mpsc::Sender<TaskEvent>, event: TaskEvent) {
    if events.send(event).await.is_err() {
        tracing::debug!("task event after its owner went away");
    }
}
