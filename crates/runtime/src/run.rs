//! One task from start to end: paused before it begins, made of its parts, and run.

use crate::failure::TaskFailure;
use crate::metrics::{Phase, TaskMetrics};
use crate::pipeline::Pipeline;
use crate::source::SourcePipeline;
use crate::task::{Target, TaskEvent, TaskParts, TaskSettings, report};
use futures::future::BoxFuture;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

/// Yields the parts of a task. In a place of its own, since it needs more memory than the task does that it makes.
pub type Starting = BoxFuture<'static, Result<TaskParts, TaskFailure>>;

/// Runs a task until it is stopped (`Ok`) or fails. `start` makes its parts; while the target is paused
/// before the start, nothing is made, as in Connect.
pub async fn run_task(
    settings: TaskSettings,
    start: Starting,
    target: watch::Receiver<Target>,
    events: mpsc::Sender<TaskEvent>,
    metrics: Arc<TaskMetrics>,
    stop: CancellationToken,
) -> Result<(), TaskFailure> {
    metrics.phase(Phase::Starting, Instant::now());
    let outcome = run_counted(settings, start, target, events, Arc::clone(&metrics), stop).await;
    let end = match &outcome {
        Ok(()) => Phase::Ended,
        Err(_) => Phase::Failed,
    };
    metrics.phase(end, Instant::now());
    outcome
}

async fn run_counted(
    settings: TaskSettings,
    start: Starting,
    mut target: watch::Receiver<Target>,
    events: mpsc::Sender<TaskEvent>,
    metrics: Arc<TaskMetrics>,
    stop: CancellationToken,
) -> Result<(), TaskFailure> {
    if *target.borrow_and_update() == Target::Paused {
        metrics.phase(Phase::Paused, Instant::now());
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
        plan = parts.describe(),
        "task started"
    );
    metrics.phase(Phase::Running, Instant::now());
    report(&events, TaskEvent::Running).await;
    match parts {
        TaskParts::Sink(parts) => {
            let pipeline = Pipeline::new(settings, parts, target, events, metrics, stop);
            pipeline.run().await
        }
        TaskParts::Source(parts) => {
            let pipeline = SourcePipeline::new(settings, parts, target, events, metrics, stop);
            pipeline.run().await
        }
    }
}

/// `run_task` in a Tokio task of its own: a panic is a bug of ours and fails the task, not the worker. Dropping the future
/// abandons the task.
pub async fn run_task_alone(
    settings: TaskSettings,
    start: Starting,
    target: watch::Receiver<Target>,
    events: mpsc::Sender<TaskEvent>,
    metrics: Arc<TaskMetrics>,
    stop: CancellationToken,
) -> Result<(), TaskFailure> {
    let run = Box::pin(run_task(settings, start, target, events, metrics, stop));
    match AbortOnDropHandle::new(tokio::spawn(run.in_current_span())).await {
        Ok(ended) => ended,
        Err(panic) => Err(TaskFailure::new(
            "java.lang.Error",
            &format!("internal error: {panic}"),
        )),
    }
}
