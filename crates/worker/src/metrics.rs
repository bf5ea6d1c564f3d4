//! The seam to what the tasks count: the text that `/metrics` answers with, and what the worker adds to it.

use crate::cluster::RunState;
use millstream_core::{ConnectorKind, TaskId};
use std::sync::Arc;

/// Gives the metrics of everything that runs here, in Prometheus' text format.
pub trait MetricsSource: Send + Sync {
    fn render(&self, worker: WorkerFacts) -> String;
}

/// What a worker knows of itself, for its metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerFacts {
    /// As statuses carry it: host:port.
    pub worker_id: Arc<str>,
    /// In the order of their names.
    pub connectors: Vec<ConnectorFacts>,
    pub tally: Tally,
    /// Whether it has workers beside itself; if not, there is no group to tell of.
    pub is_in_group: bool,
    /// Who shares out the work, as far as it is known.
    pub leader: Option<Arc<str>>,
    /// What the group speaks.
    pub protocol: &'static str,
    pub generation: i32,
    /// Epoch milliseconds.
    pub now: i64,
}

/// A connector of which this worker runs something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorFacts {
    pub name: Arc<str>,
    /// `None` where the connector's class is not here.
    pub kind: Option<ConnectorKind>,
    pub class: Option<String>,
    pub version: Option<String>,
    /// The state of the connector, if it runs here.
    pub state: Option<RunState>,
    /// Those of its tasks that run here.
    pub tasks: Vec<(u32, RunState)>,
    /// How many of them are being stopped and do not start again.
    pub ending: usize,
}

/// What the herder counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub connectors_started: u64,
    pub connectors_not_started: u64,
    pub tasks_started: u64,
    pub tasks_not_started: u64,
    /// Epoch milliseconds.
    pub rebalancing_since: Option<i64>,
    pub rebalances: u64,
    pub rebalance_ms: i64,
    pub longest_rebalance_ms: i64,
    /// When the last one ended, epoch milliseconds.
    pub rebalanced_at: Option<i64>,
}

impl WorkerFacts {
    /// The tasks that run here.
    pub fn tasks(&self) -> impl Iterator<Item = (TaskId, RunState)> {
        self.connectors.iter().flat_map(|connector| {
            let tasks = connector.tasks.iter();
            tasks.map(|(task, state)| (TaskId::new(connector.name.clone(), *task), *state))
        })
    }
}

impl ConnectorFacts {
    pub fn tasks_in(&self, state: RunState) -> usize {
        let tasks = self.tasks.iter();
        tasks.filter(|(_, known)| *known == state).count()
    }
}

impl Tally {
    /// Whether the group shares its work out now. A rebalance is over once its outcome is in effect.
    pub(crate) fn rebalancing(&mut self, is_rebalancing: bool, now: i64) {
        if is_rebalancing {
            self.rebalancing_since.get_or_insert(now);
        } else if let Some(since) = self.rebalancing_since.take() {
            let took = now.saturating_sub(since).max(0);
            self.rebalances += 1;
            self.rebalance_ms += took;
            self.longest_rebalance_ms = self.longest_rebalance_ms.max(took);
            self.rebalanced_at = Some(now);
        }
    }

    pub(crate) fn connector_started(&mut self, succeeded: bool) {
        if succeeded {
            self.connectors_started += 1;
        } else {
            self.connectors_not_started += 1;
        }
    }

    pub(crate) fn task_started(&mut self, succeeded: bool) {
        if succeeded {
            self.tasks_started += 1;
        } else {
            self.tasks_not_started += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rebalance_is_counted_once_it_is_over() {
        let mut tally = Tally::default();
        tally.rebalancing(true, 10);
        tally.rebalancing(true, 20);
        assert_eq!((tally.rebalances, tally.rebalancing_since), (0, Some(10)));
        tally.rebalancing(false, 40);
        tally.rebalancing(false, 50);
        tally.rebalancing(true, 60);
        tally.rebalancing(false, 70);
        assert_eq!((tally.rebalances, tally.rebalance_ms), (2, 40));
        assert_eq!(
            (tally.longest_rebalance_ms, tally.rebalanced_at),
            (30, Some(70))
        );
    }
}
