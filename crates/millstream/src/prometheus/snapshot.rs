//! Snapshot: all that is shown, as it was at one moment.

use super::process::Process;
use millstream_core::meters::{ClientCounts, HistogramCounts};
use millstream_core::{BudgetUse, ConnectorKind, SinkMeters, TaskId};
use millstream_runtime::TaskMetrics;
use millstream_runtime::metrics::{Counts, Lag, Recent};
use millstream_worker::WorkerFacts;
use millstream_worker::cluster::RunState;
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
        TaskSnapshot {
            number: id.task.to_string(),
            state,
            kind: connector.and_then(|connector| connector.kind),
            class: connector.and_then(|connector| connector.class.clone()),
            counts: metrics.counts(),
            recent: metrics.recent(now),
            lag: metrics.current_lag(),
            stalled: metrics.stalled_for(now),
            puts: metrics.puts(),
            sink: Arc::clone(&metrics.sink),
            client: metrics.client.counts(),
            id,
        }
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
