//! Teller: says of a task that something is out of reach, and that it is back: to the owner, the counters and the log.

use crate::metrics::TaskMetrics;
use crate::task::{TaskEvent, TaskSettings, report};
use crate::troubles::{Over, Trouble, Troubles};
use millstream_core::{Degraded, TaskId};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

pub(crate) struct Teller {
    id: TaskId,
    clock: fn() -> i64,
    events: mpsc::Sender<TaskEvent>,
    metrics: Arc<TaskMetrics>,
    troubles: Troubles,
}

impl Teller {
    pub(crate) fn new(
        settings: &TaskSettings,
        events: mpsc::Sender<TaskEvent>,
        metrics: Arc<TaskMetrics>,
    ) -> Self {
        Teller {
            id: settings.id.clone(),
            clock: settings.clock,
            events,
            metrics,
            troubles: Troubles::default(),
        }
    }

    /// An attempt of the task's own has failed just now.
    pub(crate) async fn fail_once(&mut self, trouble: Trouble, reason: String, next_try: Duration) {
        let degraded = Degraded {
            reason,
            since: (self.clock)(),
            next_try,
        };
        self.degrade(trouble, degraded).await;
    }

    pub(crate) async fn degrade(&mut self, trouble: Trouble, mut degraded: Degraded) {
        let line = self.troubles.add(trouble, &mut degraded, Instant::now());
        if let Some(line) = line {
            tracing::warn!(
                connector = &*self.id.connector,
                task = self.id.task,
                error = degraded.reason,
                attempts = line.attempts,
                seconds = ((self.clock)() - line.since) / 1000,
                "degraded, retrying"
            );
        }
        self.metrics.degraded(true);
        report(&self.events, TaskEvent::Degraded(degraded)).await;
    }

    pub(crate) async fn recover(&mut self, trouble: Trouble) {
        if let Over::Yes { is_told } = self.troubles.remove(trouble) {
            self.metrics.degraded(false);
            if is_told {
                tracing::info!(
                    connector = &*self.id.connector,
                    task = self.id.task,
                    "recovered"
                );
            }
            report(&self.events, TaskEvent::Recovered).await;
        }
    }
}
