//! Starter: runs tasks on the data runtime, and passes what they report on to the herder.

mod assembly;
mod services;

pub(crate) use services::TaskServices;

use crate::cause;
use crate::clock::now_ms;
use crate::progress::Board;
use assembly::Assembly;
use async_trait::async_trait;
use millstream_runtime::{Start, Target, TaskFailure, TaskSettings, deadlines, run_task_alone};
use millstream_worker::{TaskEvent, TaskEvents, TaskHandle, TaskId, TaskStart, TaskStarter};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// Reports that wait for the herder. A task reports changes, not records, so few are ever under way.
const QUEUED_REPORTS: usize = 16;

/// Starts tasks on the data runtime.
pub(crate) struct Starter {
    runtime: Handle,
    services: TaskServices,
}

impl Starter {
    pub(crate) fn new(runtime: Handle, services: TaskServices) -> Self {
        Starter { runtime, services }
    }
}

struct RunningTask {
    target: watch::Sender<Target>,
    stop: CancellationToken,
    ended: JoinHandle<()>,
}

impl TaskStarter for Starter {
    fn start(&self, start: TaskStart, events: TaskEvents) -> Box<dyn TaskHandle> {
        let first = if start.is_paused {
            Target::Paused
        } else {
            Target::Running
        };
        let (target, targets) = watch::channel(first);
        let stop = CancellationToken::new();
        let services = self.services.clone();
        // Whatever the task and what it starts have to say tells whose it is.
        let span = tracing::error_span!(
            "task",
            connector = &*start.id.connector,
            task = start.id.task
        );
        let task = run(start, services, targets, events, stop.clone());
        let ended = self.runtime.spawn(task.instrument(span));
        Box::new(RunningTask {
            target,
            stop,
            ended,
        })
    }
}

#[async_trait]
impl TaskHandle for RunningTask {
    fn pause(&self) {
        self.target.send_replace(Target::Paused);
    }

    fn resume(&self) {
        self.target.send_replace(Target::Running);
    }

    async fn stop(self: Box<Self>, deadline: Duration) {
        self.stop.cancel();
        let abort = self.ended.abort_handle();
        if tokio::time::timeout(deadline, self.ended).await.is_err() {
            abort.abort();
        }
    }
}

/// Runs the task and passes its reports on. A task that is abandoned at the deadline ends with this future: two of one
/// name must never run.
async fn run(
    start: TaskStart,
    services: TaskServices,
    target: watch::Receiver<Target>,
    events: TaskEvents,
    stop: CancellationToken,
) {
    let (reports, mut reported) = mpsc::channel(QUEUED_REPORTS);
    let metrics = services.board.metrics(&start.id);
    let _running = services.board.enter(&start.id);
    let worker = &start.worker;
    let (id, commit_interval) = (start.id.clone(), worker.flush_interval());
    let (stop_timeout, retries_outages) = (worker.shutdown_timeout(), worker.config.self_healing);
    let assembly = Assembly::new(start, &services, &metrics);
    let settings = TaskSettings {
        id: id.clone(),
        commit_interval,
        finish_deadline: deadlines::finish(stop_timeout, assembly.max_poll_interval()),
        retries_outages,
        clock: now_ms,
    };
    let parts = Start::run(settings.clone(), reports.clone(), assembly);
    let parts = Box::pin(parts);
    let mut run = Box::pin(run_task_alone(
        settings, parts, target, reports, metrics, stop,
    ));
    let ended = loop {
        tokio::select! {
            Some(report) = reported.recv() => {
                note(&services.board, &id, &report);
                events.send(translate(report)).await;
            }
            ended = &mut run => break ended,
        }
    };
    services.board.wait(&id, None);
    let Err(failure) = ended else {
        return;
    };
    let TaskFailure {
        trace,
        reason,
        is_transient,
    } = failure;
    if !is_transient {
        services.board.fail(cause::of_failure(&reason, &trace));
    }
    events
        .send(TaskEvent::Failed {
            trace,
            is_transient,
        })
        .await;
}

/// Lets others in this process know what the task waits for.
fn note(board: &Board, id: &TaskId, event: &millstream_runtime::TaskEvent) {
    match event {
        millstream_runtime::TaskEvent::Degraded(degraded) => board.wait(id, Some(&degraded.reason)),
        millstream_runtime::TaskEvent::Recovered => board.wait(id, None),
        millstream_runtime::TaskEvent::Running
        | millstream_runtime::TaskEvent::Paused
        | millstream_runtime::TaskEvent::Topic(_) => {}
    }
}

fn translate(event: millstream_runtime::TaskEvent) -> TaskEvent {
    match event {
        millstream_runtime::TaskEvent::Running => TaskEvent::Running,
        millstream_runtime::TaskEvent::Paused => TaskEvent::Paused,
        millstream_runtime::TaskEvent::Degraded(degraded) => TaskEvent::Degraded(degraded),
        millstream_runtime::TaskEvent::Recovered => TaskEvent::Recovered,
        millstream_runtime::TaskEvent::Topic(topic) => TaskEvent::Topic(topic),
    }
}
