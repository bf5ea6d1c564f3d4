//! What this process counts, in Prometheus' text format: what Java's worker counts under the names that its dashboards chart,
//! ours beside it. Everything is looked up when somebody asks, and nothing is counted for it that is not counted anyway.

mod exposition;
mod java;
mod names;
mod own;
mod process;
mod row;
mod snapshot;
mod tables;

use crate::progress::Board;
use exposition::Exposition;
use millstream_core::ClientMeters;
use millstream_core::meters::ClientCounts;
use millstream_runtime::Budgets;
use millstream_worker::health::TaskWatch;
use millstream_worker::{MetricsSource, WorkerFacts};
pub(crate) use names::Names;
pub(crate) use process::Process;
pub(crate) use snapshot::{GroupClient, Snapshot, TaskSnapshot};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Over what time rates of the worker's own client are, and how often what they are made of is kept.
const RATES_OVER: Duration = Duration::from_secs(60);
const KEPT_EVERY: Duration = Duration::from_secs(10);

/// The metrics of this process.
pub(crate) struct Prometheus {
    board: Board,
    budgets: Budgets,
    names: Names,
    group: Option<GroupMeters>,
    watch: Option<TaskWatch>,
}

/// What the worker's own client has counted, now and during the last minute.
struct GroupMeters {
    meters: Arc<ClientMeters>,
    kept: Mutex<VecDeque<(Instant, ClientCounts)>>,
}

impl GroupMeters {
    /// The counts, and those of a minute ago or of the oldest time that is known.
    fn look(&self, now: Instant) -> GroupClient {
        let counts = self.meters.counts();
        // What it holds is whole whatever a panicking holder did.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        while kept.get(1).is_some_and(|(at, _)| now - *at >= RATES_OVER) {
            kept.pop_front();
        }
        let (since, before) = kept.front().copied().unwrap_or((now, counts));
        if kept.back().is_none_or(|(at, _)| now - *at >= KEPT_EVERY) {
            kept.push_back((now, counts));
        }
        GroupClient {
            counts,
            before,
            elapsed: now - since,
        }
    }
}

impl Prometheus {
    pub(crate) fn new(board: Board, budgets: Budgets, names: Names) -> Self {
        Prometheus {
            board,
            budgets,
            names,
            group: None,
            watch: None,
        }
    }

    /// Shows which tasks stand still or fall behind, if somebody looks at them.
    pub(crate) fn with_watch(self, watch: Option<TaskWatch>) -> Self {
        Prometheus { watch, ..self }
    }

    /// Shows the client with which the worker is in its group as well.
    pub(crate) fn with_group(self, meters: Arc<ClientMeters>, now: Instant) -> Self {
        let kept = Mutex::new(VecDeque::from([(now, ClientCounts::default())]));
        let group = Some(GroupMeters { meters, kept });
        Prometheus { group, ..self }
    }

    /// All that is shown. Tasks that run elsewhere now, or nowhere, are told of no more.
    pub(crate) fn look(&self, facts: WorkerFacts, now: Instant) -> Snapshot {
        let counted = self.board.tasks();
        let alarms = self.watch.as_ref().map(TaskWatch::alarms);
        let alarms = alarms.unwrap_or_default();
        let tasks = facts.tasks().filter_map(|(id, state)| {
            let place = counted.binary_search_by(|(known, _)| known.cmp(&id)).ok()?;
            let (_, metrics) = &counted[place];
            let task = TaskSnapshot::new(&facts, (id, state), metrics, now);
            Some(task.with_alarms(&alarms))
        });
        let tasks = tasks.collect();
        let budgets = &self.budgets;
        Snapshot {
            facts,
            tasks,
            group: self.group.as_ref().map(|group| group.look(now)),
            budgets: [
                ("fetched", budgets.fetched.usage()),
                ("open", budgets.open.usage()),
                ("in_flight", budgets.in_flight.usage()),
            ],
            process: Process::now(),
        }
    }
}

impl MetricsSource for Prometheus {
    fn render(&self, worker: WorkerFacts) -> String {
        render(&self.look(worker, Instant::now()), self.names)
    }
}

fn render(snapshot: &Snapshot, names: Names) -> String {
    let mut out = Exposition::default();
    java::write(&mut out, snapshot, names);
    java::app_info(&mut out, snapshot);
    own::write(&mut out, snapshot);
    out.finish()
}

#[cfg(test)]
pub(crate) mod tests;
