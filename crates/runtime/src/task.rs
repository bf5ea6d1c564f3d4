//! One sink task from start to end: what it is made of, what it is told, what it reports.

use crate::error_policy::ErrorPolicy;
use crate::failure::TaskFailure;
use crate::metrics::TaskMetrics;
use crate::pipeline::Pipeline;
use crate::plan::Plan;
use futures::future::BoxFuture;
use millstream_core::{Consumer, Degraded, SinkTask, TaskId};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// What the task is to be; the owner may change it at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Running,
    Paused,
}

/// What the task reports. The end of the task is the result of `run_task`.
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
pub struct TaskParts {
    pub consumer: Box<dyn Consumer>,
    pub sink: Box<dyn SinkTask>,
    pub plan: Plan,
    pub errors: ErrorPolicy,
}

#[derive(Clone, Debug)]
pub struct TaskSettings {
    pub id: TaskId,
    /// `offset.flush.interval.ms`.
    pub commit_interval: Duration,
    /// How long a stop or a revocation waits for what is closed or in flight.
    pub finish_deadline: Duration,
    /// Epoch milliseconds.
    pub clock: fn() -> i64,
}

/// Makes the parts of a task. In a place of its own, since it needs more memory than the task does that it makes.
pub type Start = BoxFuture<'static, Result<TaskParts, TaskFailure>>;

/// Runs a task until it is stopped (`Ok`) or fails. `start` makes its parts; while the target is paused
/// before the start, nothing is made, as in Connect.
pub async fn run_task(
    settings: TaskSettings,
    start: Start,
    mut target: watch::Receiver<Target>,
    events: mpsc::Sender<TaskEvent>,
    metrics: Arc<TaskMetrics>,
    stop: CancellationToken,
) -> Result<(), TaskFailure> {
    if *target.borrow_and_update() == Target::Paused {
        report(&events, TaskEvent::Paused).await;
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            // A dropped sender means the owner is gone: the task ends with it.
            resumed = target.wait_for(|t| *t == Target::Running) => if resumed.is_err() { return Ok(()) },
        }
    }
    let parts = tokio::select! {
        () = stop.cancelled() => return Ok(()),
        parts = start => parts?,
    };
    tracing::info!(
        connector = &*settings.id.connector,
        task = settings.id.task,
        plan = parts.plan.describe(),
        "task started"
    );
    report(&events, TaskEvent::Running).await;
    Pipeline::new(settings, parts, target, events, metrics, stop)
        .run()
        .await
}

/// Reports to the owner; one that no longer listens is about to stop the task.
pub(crate) async fn report(events: &mpsc::Sender<TaskEvent>, event: TaskEvent) {
    if events.send(event).await.is_err() {
        tracing::debug!("task event after its owner went away");
    }
}
