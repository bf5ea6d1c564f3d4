//! Progress: what the tasks of this process have done, for the log and the demo.

use crate::shutdown::Questions;
use millstream_core::TaskId;
use millstream_runtime::TaskMetrics;
use millstream_runtime::metrics::Phase;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

/// Tasks that are remembered before those are forgotten that have ended: connectors may come and go under ever new names.
const MOST_TASKS: usize = 10_000;

/// A line about a task: what it has done since the start, and what there is to say beside that.
macro_rules! tell {
    ($id:expr, $counts:expr, $($rest:tt)+) => {
        tracing::info!(
            connector = &*$id.connector,
            task = $id.task,
            stored = $counts.records_stored,
            objects = $counts.objects_stored,
            lag = $counts.lag,
            skipped = $counts.records_filtered,
            rejected = $counts.records_rejected,
            $($rest)+
        )
    };
}

/// The counters of every task started here (a restarted task counts on), the first failure that will not pass, and the
/// last outage that has not passed.
#[derive(Clone)]
pub(crate) struct Board {
    tasks: Arc<Mutex<BTreeMap<TaskId, Arc<TaskMetrics>>>>,
    /// How many of each run: a task that is restarted may begin before the one before it has ended.
    running: Arc<Mutex<BTreeMap<TaskId, usize>>>,
    failure: watch::Sender<Option<String>>,
    outage: watch::Sender<Option<(TaskId, String)>>,
}

impl Default for Board {
    fn default() -> Self {
        Board {
            tasks: Arc::default(),
            running: Arc::default(),
            failure: watch::Sender::new(None),
            outage: watch::Sender::new(None),
        }
    }
}

impl Board {
    /// The counters of a task, new ones if it has none.
    pub(crate) fn metrics(&self, id: &TaskId) -> Arc<TaskMetrics> {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        if tasks.len() >= MOST_TASKS && !tasks.contains_key(id) {
            // What has ended and been forgotten counts from the beginning, should it come again.
            tasks.retain(|_, metrics| metrics.current_phase() != Phase::Ended);
        }
        Arc::clone(tasks.entry(id.clone()).or_default())
    }

    /// Notes that a task has ended for a reason that will not pass by itself.
    pub(crate) fn fail(&self, reason: String) {
        self.failure.send_if_modified(|known| {
            let is_first = known.is_none();
            known.get_or_insert(reason);
            is_first
        });
    }

    /// Forgets the failure: what had failed is started again.
    pub(crate) fn forgive(&self) {
        self.failure.send_replace(None);
    }

    /// Returns the reason once a task has failed for good.
    pub(crate) async fn failed(&self) -> String {
        let mut failure = self.failure.subscribe();
        // The sender lives as long as this board, so there always is an end to wait for.
        let known = failure.wait_for(Option::is_some).await;
        known
            .ok()
            .and_then(|reason| reason.clone())
            .unwrap_or_default()
    }

    /// Notes what a task waits for, or that it waits no more.
    pub(crate) fn wait(&self, id: &TaskId, reason: Option<&str>) {
        self.outage.send_if_modified(|known| {
            let is_its = known.as_ref().is_some_and(|(of, _)| of == id);
            match reason {
                Some(reason) => *known = Some((id.clone(), reason.to_owned())),
                None if is_its => *known = None,
                None => return false,
            }
            true
        });
    }

    /// Returns the reason once a task waits for something that `fits`.
    pub(crate) async fn waits(&self, fits: impl Fn(&str) -> bool) -> String {
        let mut outage = self.outage.subscribe();
        // As in `failed`.
        let known = outage.wait_for(|known| known.as_ref().is_some_and(|(_, why)| fits(why)));
        let known = known.await;
        known
            .ok()
            .and_then(|known| known.as_ref().map(|(_, reason)| reason.clone()))
            .unwrap_or_default()
    }

    /// Counts a task as running until what is given is dropped.
    pub(crate) fn enter(&self, id: &TaskId) -> Running {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        *running.entry(id.clone()).or_default() += 1;
        Running {
            board: self.clone(),
            id: id.clone(),
        }
    }

    /// The tasks that run now.
    pub(crate) fn running(&self) -> Vec<(TaskId, Arc<TaskMetrics>)> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tasks = self.tasks();
        tasks.retain(|(id, _)| running.contains_key(id));
        tasks
    }

    pub(crate) fn tasks(&self) -> Vec<(TaskId, Arc<TaskMetrics>)> {
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks
            .iter()
            .map(|(id, metrics)| (id.clone(), Arc::clone(metrics)))
            .collect()
    }
}

/// A task that runs.
pub(crate) struct Running {
    board: Board,
    id: TaskId,
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut running = self
            .board
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = running.get_mut(&self.id) {
            *count -= 1;
            if *count == 0 {
                running.remove(&self.id);
            }
        }
    }
}

/// Writes a line for each task that runs: at each end of the period, when a signal asks, and once more at the end.
pub(crate) async fn log_every(
    period: Duration,
    board: Board,
    mut questions: Questions,
    stop: CancellationToken,
) {
    let mut ticks = interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut lines = Lines::new(Instant::now());
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
            () = questions.next() => {}
        }
        lines.write(&board.running(), Instant::now());
    }
}

/// The lines at the end: what each task has done since the start, and that the process ends here.
pub(crate) fn log_end(board: &Board) {
    for (id, metrics) in board.tasks() {
        let counts = metrics.counts();
        tell!(id, counts, "progress at the end");
    }
    tracing::info!("stopped");
}

/// What was told of each task, so that a line can say how fast it has been since.
struct Lines {
    told: BTreeMap<TaskId, u64>,
    at: Instant,
}

impl Lines {
    fn new(now: Instant) -> Self {
        Lines {
            told: BTreeMap::new(),
            at: now,
        }
    }

    fn write(&mut self, tasks: &[(TaskId, Arc<TaskMetrics>)], now: Instant) {
        let seconds = now.duration_since(self.at).as_secs_f64().max(0.001);
        let mut told = BTreeMap::new();
        for (id, metrics) in tasks {
            let counts = metrics.counts();
            let before = self.told.get(id).copied().unwrap_or(0);
            let per_second = counts.records_stored.saturating_sub(before) as f64 / seconds;
            tell!(
                id,
                counts,
                per_second = per_second.round() as u64,
                degraded = counts.is_degraded,
                "progress"
            );
            told.insert(id.clone(), counts.records_stored);
        }
        // Tasks that have ended are forgotten.
        *self = Lines { told, at: now };
    }
}
