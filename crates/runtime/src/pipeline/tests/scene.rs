//! A pipeline played from its start to its end, in paused time.

use super::doubles::{Log, Picky, Recorder, Script, Slow, note};
use crate::dead_letter::DeadLetters;
use crate::error_policy::ErrorPolicy;
use crate::failure::TaskFailure;
use crate::metrics::{Counts, TaskMetrics};
use crate::plan::{Plan, PlanParts};
use crate::run::run_task;
use crate::task::{SinkParts, Target, TaskEvent, TaskParts, TaskSettings};
use millstream_core::{
    ByteBudget, Confirms, Consumer, Converter, ErrorSettings, Fetched, SinkTask, TaskId, Tolerance,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Runs the items through a pipeline until they are used up; gives the outcome and the log.
pub(super) async fn run(
    items: impl IntoIterator<Item = Fetched>,
    tolerance: Tolerance,
    refusals: usize,
) -> (Result<(), TaskFailure>, String) {
    run_with(items, tolerance, refusals, None, false).await
}

/// As `run`, with a dead-letter topic.
pub(super) async fn run_with(
    items: impl IntoIterator<Item = Fetched>,
    tolerance: Tolerance,
    refusals: usize,
    dead_letters: Option<Slow>,
    rejects: bool,
) -> (Result<(), TaskFailure>, String) {
    let log = Log::default();
    let sink = Recorder {
        refusals,
        rejects,
        ..Recorder::new(&log)
    };
    let played = Box::pin(play(items, sink, tolerance, dead_letters)).await;
    (played.outcome, played.log)
}

pub(super) struct Played {
    pub(super) outcome: Result<(), TaskFailure>,
    pub(super) log: String,
    pub(super) events: Vec<TaskEvent>,
    pub(super) counts: Counts,
}

pub(super) async fn play(
    items: impl IntoIterator<Item = Fetched>,
    sink: Recorder,
    tolerance: Tolerance,
    dead_letters: Option<Slow>,
) -> Played {
    let scene = Scene {
        tolerance,
        dead_letters,
        ..Scene::new(items, sink)
    };
    scene.play().await
}

/// What a pipeline meets.
pub(super) struct Scene {
    pub(super) items: Vec<Fetched>,
    pub(super) sink: Recorder,
    pub(super) value: Picky,
    pub(super) tolerance: Tolerance,
    pub(super) dead_letters: Option<Slow>,
    pub(super) commit_interval: Duration,
    pub(super) confirms: Confirms,
    /// What the owner wants, and after how many seconds.
    pub(super) targets: Vec<(u64, Target)>,
    pub(super) fetched: ByteBudget,
    pub(super) lasts: Duration,
}

impl Scene {
    pub(super) fn new(items: impl IntoIterator<Item = Fetched>, sink: Recorder) -> Self {
        Scene {
            items: items.into_iter().collect(),
            sink,
            value: Picky::default(),
            tolerance: Tolerance::None,
            dead_letters: None,
            commit_interval: Duration::from_secs(60),
            confirms: Confirms::Prefix,
            targets: Vec::new(),
            fetched: ByteBudget::new(1 << 20),
            lasts: Duration::from_secs(30),
        }
    }

    /// Plays it to its end, or until the task fails.
    pub(super) async fn play(self) -> Played {
        let log = self.sink.log.clone();
        let stop = CancellationToken::new();
        let start = Instant::now();
        let consumer = Script {
            items: self.items.into(),
            end: start + self.lasts,
            log: log.clone(),
            stop: stop.clone(),
            confirms: self.confirms,
        };
        let letters = |writer| DeadLetters::new(task_id(), "dead", false, Arc::new(writer));
        let errors = policy(self.tolerance, self.dead_letters.map(letters));
        let (sink, value) = (Box::new(self.sink), Box::new(self.value));
        let parts = parts(Box::new(consumer), sink, value, errors, self.fetched);
        let settings = settings(self.commit_interval);
        let (owner, targets) = watch::channel(Target::Running);
        let (reports, mut reported) = mpsc::channel(64);
        let metrics = Arc::new(TaskMetrics::default());
        let task = run_task(
            settings,
            Box::pin(async { Ok(parts) }),
            targets,
            reports,
            Arc::clone(&metrics),
            stop,
        );
        let turns = async {
            for (seconds, target) in self.targets {
                sleep_until(start + Duration::from_secs(seconds)).await;
                note(&log, format!("{target:?} wanted"));
                owner.send_replace(target);
            }
            std::future::pending::<()>().await
        };
        let outcome = tokio::select! {
            outcome = task => outcome,
            () = turns => unreachable!("it waits for ever"),
        };
        let mut events = Vec::new();
        while let Ok(event) = reported.try_recv() {
            events.push(event);
        }
        Played {
            outcome,
            log: log.lock().expect("the pipeline has ended").join("; "),
            events,
            counts: metrics.counts(),
        }
    }
}

fn task_id() -> TaskId {
    TaskId::new("c", 0)
}

pub(super) fn settings(commit_interval: Duration) -> TaskSettings {
    TaskSettings {
        id: task_id(),
        commit_interval,
        finish_deadline: Duration::from_secs(5),
        retries_outages: true,
        clock: || 0,
    }
}

pub(super) fn policy(tolerance: Tolerance, dead_letters: Option<DeadLetters>) -> ErrorPolicy {
    let errors = ErrorSettings {
        tolerance,
        log: false,
        log_records: false,
        shows_content: false,
    };
    ErrorPolicy::new(task_id(), errors, dead_letters)
}

/// What a task is made of.
pub(super) fn parts(
    consumer: Box<dyn Consumer>,
    mut sink: Box<dyn SinkTask>,
    value: Box<dyn Converter>,
    errors: ErrorPolicy,
    fetched: ByteBudget,
) -> TaskParts {
    let parts = PlanParts {
        key: Box::new(Picky::default()),
        value,
        header: Box::new(Picky::default()),
        chain: Vec::new(),
    };
    TaskParts::Sink(SinkParts {
        plan: Plan::new(parts, sink.as_mut()),
        consumer,
        sink,
        errors,
        fetched,
    })
}
