//! Snapshot: all that is shown, as it was at one moment.

use super::process::Process;
use millstream_core::meters::{ClientCounts, HistogramCounts, QueueCounts};
use millstream_core::{BudgetUse, ConnectorKind, SinkMeters, TaskId};
use millstream_health::{Alarm, AlarmKind};
use millstream_runtime::TaskMetrics;
use millstream_runtime::metrics::{Counts, Lag, Recent};
use millstream_worker::WorkerFacts;
use millstream_worker::cluster::RunState;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

pub(crate) struct Snapshot {
    pub(crate) facts: WorkerFacts,
    pub(crate) tasks: Vec<TaskSnapshot>,
    /// The worker's own client in the group of its cluster.
    pub(crate) group: Option<GroupClient>,
    /// By what holds the memory.
    pub(crate) budgets: [(&'static str, BudgetUse); 3],
    pub(crate) process: Process,
}

pub(crate) struct TaskSnapshot {
    pub(crate) id: TaskId,
    /// The same as labels have it.
    pub(crate) number: String,
    pub(crate) state: RunState,
    /// `None` where the connector's class is not here.
    pub(crate) kind: Option<ConnectorKind>,
    pub(crate) class: Option<String>,
    pub(crate) counts: Counts,
    pub(crate) recent: Recent,
    pub(crate) lag: Arc<Lag>,
    pub(crate) stalled: Option<Duration>,
    pub(crate) puts: HistogramCounts,
    pub(crate) sink: Arc<SinkMeters>,
    pub(crate) client: ClientCounts,
    pub(crate) queue: QueueCounts,
    /// What is told of the task in this worker's health.
    pub(crate) alarms: BTreeSet<AlarmKind>,
}

/// A client, and what it has counted per second.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct GroupClient {
    pub(crate) counts: ClientCounts,
    pub(crate) before: ClientCounts,
    /// Between the two.
    pub(crate) elapsed: Duration,
}

impl GroupClient {
    pub(crate) fn rate(&self, counter: impl Fn(&ClientCounts) -> u64) -> f64 {
        let more = counter(&self.counts).saturating_sub(counter(&self.before));
        // No time has passed yet at the very start.
        more as f64 / self.elapsed.as_secs_f64().max(1.0)
    }
}

impl TaskSnapshot {
    /// What a task counts that runs here.
    pub(crate) fn new(
        facts: &WorkerFacts,
        (id, state): (TaskId, RunState),
        metrics: &TaskMetrics,
        now: Instant,
    ) -> Self {
        let connectors = &facts.connectors;
        let connector = connectors.iter().find(|c| c.name == id.connector);
        let counts = metrics.counts();
        let failed = (state == RunState::Failed).then_some(AlarmKind::TaskFailed);
        let degraded = counts.is_degraded.then_some(AlarmKind::Degraded);
        TaskSnapshot {
            number: id.task.to_string(),
            alarms: failed.into_iter().chain(degraded).collect(),
            state,
            kind: connector.and_then(|connector| connector.kind),
            class: connector.and_then(|connector| connector.class.clone()),
            counts,
            recent: metrics.recent(now),
            lag: metrics.current_lag(),
            stalled: metrics.stalled_for(now),
            puts: metrics.puts(),
            sink: Arc::clone(&metrics.sink),
            client: metrics.client.counts(),
            queue: metrics.queue.counts(),
            id,
        }
    }

    /// With what a look at all tasks has found.
    pub(crate) fn with_alarms(mut self, alarms: &[Alarm]) -> Self {
        let of_task = alarms.iter().filter(|alarm| {
            alarm.connector == self.id.connector && alarm.task == Some(self.id.task)
        });
        self.alarms.extend(of_task.map(|alarm| alarm.kind));
        self
    }

    pub(crate) fn is_sink(&self) -> bool {
        self.kind == Some(ConnectorKind::Sink)
    }

    pub(crate) fn is_source(&self) -> bool {
        self.kind == Some(ConnectorKind::Source)
    }

    pub(crate) fn is_of(&self, class: &str) -> bool {
        self.class.as_deref() == Some(class)
    }
}
