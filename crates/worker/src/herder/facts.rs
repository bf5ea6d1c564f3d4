//! Facts: what of the view this worker tells in its metrics: what it runs itself. The others tell the rest.

use super::settings::WorkerMode;
use super::slot::Slot;
use super::view::View;
use crate::cluster::RunState;
use crate::metrics::{ConnectorFacts, WorkerFacts};

fn is_ending(slot: &&Slot) -> bool {
    slot.is_stopping && !slot.starts_again
}

impl View {
    /// What this worker tells of itself. `now`: epoch milliseconds.
    pub fn facts(&self, now: i64) -> WorkerFacts {
        let worker_id = &self.settings.worker_id;
        let is_in_group = self.settings.mode == WorkerMode::Distributed;
        let connectors = self.all().filter_map(|(name, known)| {
            // A connector that is gone may have tasks that are stopping.
            known.config.as_ref()?;
            let status = known.status.as_ref();
            let is_here = status.filter(|status| status.worker_id == *worker_id);
            let tasks = known.slots.keys().map(|task| {
                let said = known.task_statuses.get(task);
                (*task, said.map_or(RunState::Unassigned, |s| s.state))
            });
            let facts = ConnectorFacts {
                name: name.clone(),
                kind: self.kind(name),
                class: self.class(name),
                version: self.version(name),
                state: is_here.map(|status| status.state),
                tasks: tasks.collect(),
                ending: known.slots.values().filter(is_ending).count(),
            };
            (facts.state.is_some() || !facts.tasks.is_empty()).then_some(facts)
        });
        WorkerFacts {
            worker_id: worker_id.as_str().into(),
            connectors: connectors.collect(),
            tally: self.tally,
            is_in_group,
            leader: if self.leads {
                Some(worker_id.as_str().into())
            } else {
                self.others.first().cloned()
            },
            protocol: self.protocol.name(),
            generation: self.generation,
            now,
        }
    }
}
