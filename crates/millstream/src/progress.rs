//! Progress: what the tasks of this process have done, for the log and the demo.

use millstream_core::TaskId;
use millstream_runtime::TaskMetrics;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

/// The counters of every task started here (a restarted task counts on), and the first failure that will not pass.
#[derive(Clone)]
pub(crate) struct Board {
    tasks: Arc<Mutex<BTreeMap<TaskId, Arc<TaskMetrics>>>>,
    failure: watch::Sender<Option<String>>,
}

impl Default for Board {
    fn default() -> Self {
        Board {
            tasks: Arc::default(),
            failure: watch::Sender::new(None),
        }
    }
}

impl Board {
    /// The counters of a task, new ones if it has none.
    pub(crate) fn metrics(&self, id: &TaskId) -> Arc<TaskMetrics> {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
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

    pub(crate) fn tasks(&self) -> Vec<(TaskId, Arc<TaskMetrics>)> {
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks
            .iter()
            .map(|(id, metrics)| (id.clone(), Arc::clone(metrics)))
            .collect()
    }
}

/// Writes a line for each task until the token is cancelled.
pub(crate) async fn log_every(period: Duration, board: Board, stop: CancellationToken) {
    let mut ticks = interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut before: BTreeMap<TaskId, u64> = BTreeMap::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        for (id, metrics) in board.tasks() {
            let counts = metrics.counts();
            let last = before.insert(id.clone(), counts.records_sent).unwrap_or(0);
            let rate = counts.records_sent.saturating_sub(last) / period.as_secs().max(1);
            tracing::info!(
                connector = &*id.connector,
                task = id.task,
                records = counts.records_sent,
                skipped = counts.records_filtered,
                rejected = counts.records_rejected,
                per_second = rate,
                "progress"
            );
        }
    }
}
