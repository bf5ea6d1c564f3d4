//! The herder's decisions: an event and the time in, actions out. Pure; nothing here awaits. Whatever takes time is an
//! action that ends in an event of the same number.

mod connectors;
mod fencing;
mod group;
mod requests;
mod session_keys;
mod stage;
mod statuses;
mod tasks;
mod writes;

use super::request::{Answer, ConnectorInfo, DuringRebalance, HerderError, Put, Request};
pub use super::settings::{KeyPolicy, Settings, WorkerMode};
pub use super::view::{Stage, View};
use crate::cluster::{
    ConfigEvent, ConfigRecord, GroupEvent, Inventory, Leader, Owners, Position, RunState, Snapshot,
    Status, StatusEvent, StatusKey, StatusRecord, StatusValue, StoreError, TargetState, Work,
};
use crate::task::{TaskEvent, TaskId, TaskReport};
use group::{Leaving, Reading, Revocation, Rounds};
use millstream_core::Properties;
use session_keys::Keys;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use writes::Write;

/// Everything that may happen to the herder.
#[derive(Clone, Debug)]
pub enum Event {
    Request(Request, Ticket),
    Config(ConfigEvent),
    Status(StatusEvent),
    Group(GroupEvent),
    /// What came of `Action::PlanTasks`: the settings of the tasks, or the trace of a failure.
    Planned {
        name: Arc<str>,
        attempt: u64,
        outcome: Result<Vec<Properties>, PlanFailure>,
    },
    /// What came of `Action::FenceProducers`.
    Fenced {
        number: u64,
        outcome: Result<(), StoreError>,
    },
    Task(TaskReport),
    /// A task that was told to stop has ended.
    TaskStopped {
        id: TaskId,
        instance: u64,
    },
    /// The time that `next_due` named has come.
    Due,
    /// The worker is to end: everything stops, and `has_ended` tells when it has.
    Shutdown,
}

/// Everything the herder may have done.
#[derive(Clone, Debug)]
pub enum Action {
    Reply(Ticket, Result<Answer, HerderError>),
    /// Ends in `ConfigEvent::Written`.
    WriteConfig {
        number: u64,
        records: Vec<ConfigRecord>,
    },
    /// A new key, made of chance at this time. Ends in `ConfigEvent::Written`.
    WriteSessionKey {
        number: u64,
        created: i64,
    },
    /// The producers of the first so many tasks are to write no more. Ends in `Event::Fenced`.
    FenceProducers {
        number: u64,
        name: Arc<str>,
        tasks: u32,
    },
    /// A rebalance has made this worker the leader, or left it that.
    Lead,
    /// Ends in `ConfigEvent::End`.
    ReadToEnd(u64),
    WriteStatus(StatusRecord),
    /// Ends in `StatusEvent::Flushed`.
    FlushStatuses(u64),
    Observe(Snapshot),
    Rejoin,
    Released(u64),
    /// Ends in `GroupEvent::Submitted`.
    SubmitTasks {
        number: u64,
        name: Arc<str>,
        configs: Vec<Properties>,
    },
    Leave,
    /// Ask the connector for its tasks; ends in `Event::Planned`.
    PlanTasks {
        name: Arc<str>,
        attempt: u64,
        config: Properties,
    },
    /// Ends in `Event::TaskStopped`, after `StopTask`.
    StartTask(InstanceStart),
    PauseTask(TaskId),
    ResumeTask(TaskId),
    StopTask {
        id: TaskId,
        instance: u64,
    },
    SetLogger {
        namespace: String,
        level: String,
    },
}

/// A task that is to be started. References in its settings are not resolved yet.
#[derive(Clone, Debug)]
pub struct InstanceStart {
    pub id: TaskId,
    pub instance: u64,
    pub connector_config: Properties,
    pub task_config: Properties,
    pub is_paused: bool,
}

/// Which request an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// Why a connector did not start: its message, and the trace that tells the class and causes too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanFailure {
    pub message: String,
    pub trace: String,
    /// Whether the same start may succeed later: who keeps what a reference stands for is out of reach.
    pub is_transient: bool,
}

pub struct State {
    view: View,
    /// What of it the group is told.
    inventory: Arc<Inventory>,
    observed: Option<Position>,
    /// Where the log was when the inventory changed last: what is assigned for an earlier place is not the last word.
    changed_at: Position,
    assigned_for: Position,
    rounds: Rounds,
    assigned: Work,
    leader: Leader,
    /// From the start, and from each rebalance, until an assignment is put into effect.
    is_rebalancing: bool,
    /// The configuration is being read to its end, and nothing is started meanwhile.
    reading: Option<Reading>,
    /// The initial reading is over: what comes from here on is news.
    is_caught_up: bool,
    has_statuses: bool,
    revocations: BTreeMap<u64, Revocation>,
    /// Everything stops, and then the group is left: for good, or until the configuration can be read again.
    leaving: Option<Leaving>,
    is_ending: bool,
    has_ended: bool,
    /// Connectors that this worker runs.
    instances: BTreeMap<Arc<str>, Instance>,
    writes: BTreeMap<u64, Write>,
    /// Connectors of which a write is under way, with the requests that wait for it.
    busy: BTreeMap<Arc<str>, VecDeque<(Request, Ticket)>>,
    /// Requests that wait for the group.
    queued: VecDeque<(Request, Ticket)>,
    /// Who waits for a connector's start to end.
    waiting: BTreeMap<Arc<str>, Vec<Waiting>>,
    /// Who asks after the health, each with the number of the last action before.
    healths: Vec<(Ticket, u64)>,
    last_number: u64,
    keys: Keys,
}

/// A connector that runs here.
#[derive(Default)]
struct Instance {
    /// The plan that is being made.
    planning: Option<u64>,
    /// What came of the last one: the settings that its tasks are to have.
    planned: Option<Arc<Vec<Properties>>>,
    failure: Option<PlanFailure>,
    /// How often the plan failed in a row for a reason that may pass, and when it is made again.
    failed_plans: u32,
    plan_again_at: Option<i64>,
    /// Its last status.
    said: Option<(RunState, Option<String>)>,
    /// The write, or the handing over, of those settings.
    handing: Option<u64>,
    /// How often that failed in a row, and when it is tried again.
    failed_times: u32,
    retry_at: Option<i64>,
}

/// A request that is answered once the connector has started.
struct Waiting {
    ticket: Ticket,
    /// `Some(is_new)`: the answer tells the connector with its tasks.
    created: Option<bool>,
}

impl State {
    pub fn new(settings: Settings) -> Self {
        State {
            view: View::new(settings),
            inventory: Arc::default(),
            observed: None,
            changed_at: Position::default(),
            assigned_for: Position::default(),
            rounds: Rounds::default(),
            assigned: Work::default(),
            leader: Leader::Unknown,
            is_rebalancing: true,
            reading: None,
            is_caught_up: false,
            has_statuses: false,
            revocations: BTreeMap::new(),
            leaving: None,
            is_ending: false,
            has_ended: false,
            instances: BTreeMap::new(),
            writes: BTreeMap::new(),
            busy: BTreeMap::new(),
            queued: VecDeque::new(),
            waiting: BTreeMap::new(),
            healths: Vec::new(),
            last_number: 0,
            keys: Keys::default(),
        }
    }

    /// What is to be done at the start, before any event.
    pub fn begin(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        self.read_to_end(Reading::to_join(), &mut actions);
        actions
    }

    /// What is to be done about the event. `now`: epoch milliseconds.
    pub fn handle(&mut self, event: Event, now: i64) -> Vec<Action> {
        let mut actions = Vec::new();
        let out = &mut actions;
        match event {
            Event::Request(request, ticket) => self.on_request(request, ticket, out),
            Event::Config(ConfigEvent::Record { position, record }) => {
                self.on_config(position, record, now, out);
            }
            Event::Config(ConfigEvent::Passed { position }) => self.view.position = position,
            Event::Config(ConfigEvent::Written { number, outcome }) => {
                self.on_written(number, outcome, now, out);
            }
            Event::Config(ConfigEvent::End { number, outcome }) => {
                self.on_end(number, outcome, now, out);
            }
            Event::Status(StatusEvent::Record(record)) => self.on_status(record, out),
            Event::Status(StatusEvent::End) => {
                self.has_statuses = true;
                self.on_caught_up(out);
            }
            Event::Status(StatusEvent::Flushed { number }) => self.on_flushed(number, out),
            Event::Group(event) => self.on_group(event, now, out),
            Event::Planned {
                name,
                attempt,
                outcome,
            } => self.on_planned(&name, attempt, outcome, now, out),
            Event::Fenced { number, outcome } => self.on_written(number, outcome, now, out),
            Event::Task(report) => self.on_task(report, now, out),
            Event::TaskStopped { id, instance } => self.on_task_stopped(&id, instance, out),
            Event::Due => self.on_due(now, out),
            Event::Shutdown => self.on_shutdown(out),
        }
        if self.view.settings.mode == WorkerMode::Distributed {
            let tally = &mut self.view.tally;
            tally.rebalancing(self.is_rebalancing, now);
        }
        self.renew_session_key(now, out);
        self.answer_settled(out);
        self.ask_for_round(now, out);
        self.observe(out);
        self.tell_stage(now);
        actions
    }

    /// What is known, to be published.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Whether everything has stopped after `Event::Shutdown`.
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// When `Event::Due` is due.
    pub fn next_due(&self) -> Option<i64> {
        let tasks = self.view.next_due().into_iter();
        let instances = self.instances.values();
        let instances = instances
            .flat_map(|instance| instance.retry_at.into_iter().chain(instance.plan_again_at));
        let reading = self.reading.iter().filter_map(|reading| reading.retry_at);
        let due = tasks.chain(instances).chain(reading);
        due.chain(self.key_is_due()).chain(self.round_due()).min()
    }

    fn on_due(&mut self, now: i64, out: &mut Vec<Action>) {
        let is_due = |due: Option<i64>| due.is_some_and(|due| due <= now);
        let slots = self.view.slots().filter(|(_, slot)| is_due(slot.due()));
        for id in slots.map(|(id, _)| id).collect::<Vec<_>>() {
            self.restart_task(&id, out);
        }
        let instances = self.instances.iter_mut();
        let due = instances.filter(|(_, instance)| is_due(instance.retry_at));
        let due = due.map(|(name, instance)| {
            instance.retry_at = None;
            name.clone()
        });
        for name in due.collect::<Vec<_>>() {
            self.hand_over_tasks(&name, out);
        }
        let instances = self.instances.iter();
        let failed = instances.filter(|(_, instance)| is_due(instance.plan_again_at));
        for name in failed.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            self.plan_again(&name, out);
        }
        if self.reading.as_ref().is_some_and(|r| is_due(r.retry_at))
            && let Some(reading) = self.reading.take()
        {
            self.read_to_end(reading, out);
        }
    }

    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn on_config(
        &mut self,
        position: Position,
        record: ConfigRecord,
        now: i64,
        out: &mut Vec<Action>,
    ) {
        self.view.position = position;
        match record {
            ConfigRecord::Connector { name, config } => self.on_connector(&name, config, now, out),
            ConfigRecord::Target { name, state } => self.on_target(&name, state, out),
            ConfigRecord::Tasks { name, configs } => self.on_tasks(&name, configs, now, out),
            ConfigRecord::Restart {
                name,
                include_tasks,
                only_failed,
            } if self.is_caught_up => self.on_restart(&name, include_tasks, only_failed, out),
            ConfigRecord::Logger { namespace, level } if self.is_caught_up => {
                out.push(Action::SetLogger { namespace, level });
            }
            ConfigRecord::Restart { .. } | ConfigRecord::Logger { .. } => {}
            ConfigRecord::Fenced { name, tasks } => self.view.change(&name, |known| {
                known.fenced = Some(tasks);
                known.is_unfenced = false;
            }),
            ConfigRecord::SessionKey(key) => self.on_session_key(key),
        }
    }
}

#[cfg(test)]
mod tests;
