//! OutageReporter: says of a task that something is out of reach, and that it is back: to the owner, the counters and the log.

use crate::metrics::TaskMetrics;
use crate::outages::{OutageSource, Outages, Recovery};
use crate::task::{TaskEvent, TaskSettings, report};
use millstream_core::{Degraded, TaskId};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

pub(crate) struct OutageReporter {
    id: TaskId,
    clock: fn() -> i64,
    events: mpsc::Sender<TaskEvent>,
    metrics: Arc<TaskMetrics>,
    outages: Outages,
}

impl OutageReporter {
    pub(crate) fn new(
        settings: &TaskSettings,
        events: mpsc::Sender<TaskEvent>,
        metrics: Arc<TaskMetrics>,
    ) -> Self {
        OutageReporter {
            id: settings.id.clone(),
            clock: settings.clock,
            events,
            metrics,
            outages: Outages::default(),
        }
    }

    /// An attempt of the task's own has failed just now.
    pub(crate) async fn attempt_failed(
        &mut self,
        source: OutageSource,
        reason: String,
        next_try: Duration,
    ) {
        let degraded = Degraded {
            reason,
            since: (self.clock)(),
            next_try,
        };
        self.degrade(source, degraded).await;
    }

    pub(crate) async fn degrade(&mut self, source: OutageSource, mut degraded: Degraded) {
        let line = self.outages.add(source, &mut degraded, Instant::now());
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
        self.metrics.degraded(true, Instant::now());
        report(&self.events, TaskEvent::Degraded(degraded)).await;
    }

    /// Whether such an outage goes on.
    pub(crate) fn has(&self, source: OutageSource) -> bool {
        self.outages.has(source)
    }

    pub(crate) async fn recover(&mut self, source: OutageSource) {
        if let Recovery::Yes { is_logged } = self.outages.remove(source) {
            self.metrics.degraded(false, Instant::now());
            if is_logged {
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
