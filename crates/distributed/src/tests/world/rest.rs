//! How a played cluster comes to rest, and what has to hold then.

use super::{World, name};
use crate::tests::process::Process;
use millstream_core::Properties;
use millstream_worker::TaskId;
use millstream_worker::cluster::{ConfigRecord, GroupProtocol, RunState, SessionKey, TargetState};
use std::collections::BTreeMap;
use std::sync::Arc;

/// More than any run that comes to rest takes.
const MOST_STEPS: usize = 20_000;
/// Longer than any pause; what is due later is the renewal of a key.
const LONGEST_REST_MS: i64 = 600_000;

/// What the log says, all of it.
#[derive(Default)]
struct Told<'a> {
    connectors: BTreeMap<Arc<str>, &'a Properties>,
    targets: BTreeMap<Arc<str>, TargetState>,
    key: Option<&'a SessionKey>,
}

impl World {
    /// Everything is mended, and goes on until nothing is left and no time would bring anything.
    pub(in crate::tests) fn settle(&mut self) {
        for process in self.processes.iter_mut().filter(|p| p.is_alive) {
            process.is_frozen = false;
            process.has_group = true;
            process.has_log = true;
        }
        if !self.someone_stays() {
            self.start();
        }
        for _ in 0..MOST_STEPS {
            let mut happened = false;
            for number in 0..self.processes.len() {
                happened |= self.step(number, 0);
            }
            if happened {
                continue;
            }
            let alive = self.processes.iter().filter(|process| process.is_alive);
            let due = alive.filter_map(|process| {
                let due = process.state.next_due().into_iter();
                due.chain(process.member.next_due()).min()
            });
            let processes = &self.processes;
            let in_touch =
                |id: &str, number: usize, waits| processes[number].is_in_touch(id, waits);
            let session = self.group.next_due(in_touch);
            let rest = self.now + LONGEST_REST_MS;
            let Some(due) = due.chain(session).min().filter(|due| *due < rest) else {
                return;
            };
            self.advance(due.max(self.now));
        }
        panic!("it never comes to rest");
    }

    /// What has to hold once all is mended and at rest.
    pub(in crate::tests) fn check(&self) {
        if let Some(open) = self.asking.values().next() {
            panic!("no answer to {:?} of {}", open.request, open.at);
        }
        for accepted in &self.accepted {
            assert!(self.log.contains(accepted), "{accepted:?} was lost");
        }
        let told = self.told();
        let generation = self.group.generation();
        let alive = self.processes.iter().enumerate();
        let alive: Vec<(usize, &Process)> = alive.filter(|(_, p)| p.is_alive).collect();
        for (number, process) in &alive {
            assert!(self.group.has(*number), "{number} is in no group");
            assert_eq!(process.generation, generation, "of {number}");
            let view = process.state.view();
            assert!(
                view.protocol() != GroupProtocol::Sessioned
                    || view.session_key() == told.key && told.key.is_some(),
                "the key of {number}"
            );
            for name in [name(0), name(1), name(2)] {
                let shown = view.info(&name);
                let config = shown.as_ref().map(|info| &info.config);
                assert_eq!(
                    config,
                    told.connectors.get(&name).copied(),
                    "{number} on {name}"
                );
                self.check_connector(process, &name, &told);
            }
        }
        let leaders = alive.iter().filter(|(_, p)| p.state.view().leads());
        assert_eq!(leaders.count(), 1, "leaders");
    }

    fn told(&self) -> Told<'_> {
        let mut told = Told::default();
        for record in &self.log {
            match record {
                ConfigRecord::Connector { name, config } => {
                    told.connectors.remove(name);
                    let config = config.as_ref().map(|config| (name.clone(), config));
                    told.connectors.extend(config);
                }
                ConfigRecord::Target { name, state } => {
                    let state = state.unwrap_or_default();
                    told.targets.insert(name.clone(), state);
                }
                ConfigRecord::SessionKey(key) => told.key = Some(key),
                ConfigRecord::Tasks { .. }
                | ConfigRecord::Restart { .. }
                | ConfigRecord::Logger { .. }
                | ConfigRecord::Fenced { .. } => {}
            }
        }
        told
    }

    /// As many tasks run as the last configuration wants, each once, and the worker shows them where and as they are.
    fn check_connector(&self, process: &Process, name: &Arc<str>, told: &Told<'_>) {
        let view = process.state.view();
        let lives = self.live.iter().filter(|live| live.id.connector == *name);
        let Some(config) = told.connectors.get(name) else {
            return assert_eq!(lives.count(), 0, "tasks of {name}, which is gone");
        };
        let wanted: u32 = config.get("tasks.max").unwrap().parse().unwrap();
        let tasks = view.info(name).map_or(0, |info| info.tasks);
        let target = told.targets.get(name).copied().unwrap_or_default();
        let runs_as = match target {
            TargetState::Started => RunState::Running,
            TargetState::Paused => RunState::Paused,
            TargetState::Stopped => RunState::Stopped,
        };
        match target {
            TargetState::Started => assert_eq!(tasks, wanted, "tasks of {name}"),
            // They are planned anew once it goes on; until then more than it may have by now do not start, as in Java.
            TargetState::Paused => {}
            TargetState::Stopped => assert_eq!(tasks, 0, "tasks of {name}"),
        }
        let Some(state) = view.state(name) else {
            panic!("{name} has no status");
        };
        assert_eq!(state.connector.state, runs_as, "{name}");
        assert_eq!(state.tasks.len() as u32, tasks, "statuses of {name}");
        let mut refused = 0;
        for (number, shown) in state.tasks {
            let id = TaskId::new(name.clone(), number);
            let live = self.live.iter().find(|live| live.id == id);
            match live {
                Some(live) => {
                    assert_eq!(live.state, runs_as, "{id}");
                    assert_eq!(shown.status.state, live.state, "{id}");
                    let runs_in = format!("w:{}", live.process);
                    assert_eq!(shown.status.worker_id, runs_in, "{id}");
                }
                None => {
                    assert!(tasks > wanted, "{id} does not run");
                    assert_eq!(shown.status.state, RunState::Failed, "{id}");
                    refused += 1;
                }
            }
        }
        assert_eq!(lives.count(), tasks as usize - refused, "tasks of {name}");
    }
}
