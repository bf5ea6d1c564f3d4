//! The herder's decisions: an event and the time in, actions out. Pure; nothing here awaits.

mod connectors;
mod requests;
mod tasks;

use super::request::{
    Answer, ConnectorInfo, ConnectorState, HerderError, Put, Request, TaskState, Trouble,
};
use crate::cluster::{
    Assignment, ConfigRecord, Inventory, RunState, Status, StatusKey, StatusRecord, StatusValue,
    TargetState,
};
use crate::registry::PluginRegistry;
use crate::task::{TaskId, TaskReport};
use millstream_core::Properties;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Everything that may happen to the herder.
#[derive(Clone, Debug)]
pub enum Event {
    Request(Request, Ticket),
    Config(ConfigRecord),
    Status(StatusRecord),
    Assigned(Assignment),
    /// What came of `Action::PlanTasks`: the settings of the tasks, or the trace of a failure.
    Planned {
        name: Arc<str>,
        attempt: u64,
        outcome: Result<Vec<Properties>, PlanFailure>,
    },
    Task(TaskReport),
    /// A task that was told to stop has ended.
    TaskStopped {
        id: TaskId,
        instance: u64,
    },
    /// The time that `next_due` named has come.
    Due,
}

/// Everything the herder may have done.
#[derive(Clone, Debug)]
pub enum Action {
    Reply(Ticket, Result<Answer, HerderError>),
    WriteConfig(Vec<ConfigRecord>),
    WriteStatus(StatusRecord),
    Rejoin(Inventory),
    /// Ask the connector for its tasks; ends in `Event::Planned`.
    PlanTasks {
        name: Arc<str>,
        attempt: u64,
        config: Properties,
    },
    StartTask(InstanceStart),
    PauseTask(TaskId),
    ResumeTask(TaskId),
    /// Ends in `Event::TaskStopped`.
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
}

/// Where Java's standalone and distributed workers answer differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    Standalone,
    Distributed,
}

/// What stays the same while the herder runs.
#[derive(Clone)]
pub struct Settings {
    pub flavour: Flavour,
    /// This worker as host:port.
    pub worker_id: String,
    pub registry: Arc<PluginRegistry>,
    pub topic_tracking: bool,
    pub self_healing: bool,
}

pub struct State {
    settings: Settings,
    /// The shared configuration, as far as it was read.
    connectors: BTreeMap<Arc<str>, Connector>,
    /// The shared statuses, as far as they were read.
    connector_statuses: BTreeMap<Arc<str>, Status>,
    task_statuses: BTreeMap<TaskId, Status>,
    topics: BTreeSet<(Arc<str>, Arc<str>)>,
    assignment: Assignment,
    /// Connectors that this worker runs.
    instances: BTreeMap<Arc<str>, Instance>,
    /// Tasks that this worker runs or is stopping.
    slots: BTreeMap<TaskId, tasks::Slot>,
    /// Who waits for a connector's start to end.
    waiting: BTreeMap<Arc<str>, Vec<Waiting>>,
    last_number: u64,
}

/// A connector in the shared configuration.
#[derive(Default)]
struct Connector {
    /// `None` as long as only its target state is known.
    config: Option<Properties>,
    target: TargetState,
    tasks: Vec<Properties>,
}

/// A connector that runs here.
#[derive(Default)]
struct Instance {
    /// The plan that is being made.
    planning: Option<u64>,
    is_failed: bool,
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
            settings,
            connectors: BTreeMap::new(),
            connector_statuses: BTreeMap::new(),
            task_statuses: BTreeMap::new(),
            topics: BTreeSet::new(),
            assignment: Assignment::default(),
            instances: BTreeMap::new(),
            slots: BTreeMap::new(),
            waiting: BTreeMap::new(),
            last_number: 0,
        }
    }

    /// What is to be done about the event. `now`: epoch milliseconds.
    pub fn handle(&mut self, event: Event, now: i64) -> Vec<Action> {
        let mut actions = Vec::new();
        let out = &mut actions;
        match event {
            Event::Request(request, ticket) => self.on_request(request, ticket, out),
            Event::Config(record) => self.on_config(record, out),
            Event::Status(record) => self.on_status(record),
            Event::Assigned(assignment) => self.on_assigned(assignment, out),
            Event::Planned {
                name,
                attempt,
                outcome,
            } => self.on_planned(&name, attempt, outcome, out),
            Event::Task(report) => self.on_task(report, now, out),
            Event::TaskStopped { id, instance } => self.on_task_stopped(&id, instance, out),
            Event::Due => self.on_due(now, out),
        }
        actions
    }

    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn on_config(&mut self, record: ConfigRecord, out: &mut Vec<Action>) {
        match record {
            ConfigRecord::Connector { name, config } => self.on_connector(name, config, out),
            ConfigRecord::Target { name, state } => self.on_target(name, state, out),
            ConfigRecord::Tasks { name, configs } => self.on_tasks(&name, configs, out),
            ConfigRecord::Restart {
                name,
                include_tasks,
                only_failed,
            } => self.on_restart(&name, include_tasks, only_failed, out),
            ConfigRecord::Logger { namespace, level } => {
                out.push(Action::SetLogger { namespace, level });
            }
        }
    }

    fn on_status(&mut self, record: StatusRecord) {
        match (record.key, record.value) {
            (StatusKey::Connector(name), Some(StatusValue::Status(status))) => {
                self.connector_statuses.insert(name, status);
            }
            (StatusKey::Connector(name), _) => {
                self.connector_statuses.remove(&name);
            }
            (StatusKey::Task(id), Some(StatusValue::Status(status))) => {
                self.task_statuses.insert(id, status);
            }
            (StatusKey::Task(id), _) => {
                self.task_statuses.remove(&id);
            }
            (StatusKey::Topic { topic, connector }, Some(_)) => {
                self.topics.insert((connector, topic));
            }
            (StatusKey::Topic { topic, connector }, None) => {
                self.topics.remove(&(connector, topic));
            }
        }
    }

    fn inventory(&self) -> Inventory {
        self.connectors
            .iter()
            .filter(|(_, connector)| connector.config.is_some())
            .map(|(name, connector)| (name.clone(), connector.tasks.len() as u32))
            .collect()
    }

    fn on_assigned(&mut self, assignment: Assignment, out: &mut Vec<Action>) {
        self.assignment = assignment;
        let lost: Vec<TaskId> = self
            .slots
            .keys()
            .filter(|id| !self.assignment.tasks.contains(*id))
            .cloned()
            .collect();
        for id in lost {
            self.stop_task(&id, false, out);
        }
        self.drop_lost_instances(out);
        for name in self.assignment.connectors.clone() {
            if !self.instances.contains_key(&name) {
                self.instances.insert(name.clone(), Instance::default());
                self.start_connector(&name, out);
            }
        }
        for id in self.assignment.tasks.clone() {
            self.start_task(&id, out);
        }
        if self.assignment.is_leader {
            self.remove_stale_statuses(out);
        }
        self.answer_settled(out);
    }

    /// Forgets the statuses of connectors and tasks that no longer exist.
    fn remove_stale_statuses(&self, out: &mut Vec<Action>) {
        let exists = |name: &Arc<str>| self.config(name).is_some();
        let connectors = self.connector_statuses.keys().filter(|name| !exists(name));
        let connectors = connectors.cloned().map(StatusKey::Connector);
        let tasks = self.task_statuses.keys().filter(|id| {
            let connector = self.connectors.get(&id.connector);
            connector.is_none_or(|c| id.task as usize >= c.tasks.len())
        });
        let topics = self.topics.iter().filter(|(name, _)| !exists(name));
        let topics = topics.cloned();
        let topics = topics.map(|(connector, topic)| StatusKey::Topic { topic, connector });
        let keys = connectors.chain(tasks.cloned().map(StatusKey::Task));
        out.extend(
            keys.chain(topics)
                .map(|key| Action::WriteStatus(StatusRecord { key, value: None })),
        );
    }

    fn status(&self, name: &str, state: RunState, trace: Option<String>) -> StatusValue {
        StatusValue::Status(Status {
            state,
            trace,
            worker_id: self.settings.worker_id.clone(),
            generation: self.assignment.generation,
            version: self.version(name),
        })
    }

    fn config(&self, name: &str) -> Option<&Properties> {
        self.connectors.get(name)?.config.as_ref()
    }

    /// The version of the connector's plugin, if its class is known.
    fn version(&self, name: &str) -> Option<String> {
        let class = self.config(name)?.get("connector.class")?;
        let plugin = self.settings.registry.connector(class).ok()?;
        Some(plugin.version().to_owned())
    }

    fn is_sink(&self, name: &str) -> bool {
        self.version(name).is_some()
    }
}

/// What anybody may ask without changing anything.
impl State {
    pub fn names(&self) -> Vec<Arc<str>> {
        self.inventory().into_keys().collect()
    }

    pub fn info(&self, name: &str) -> Option<ConnectorInfo> {
        let (key, connector) = self.connectors.get_key_value(name)?;
        Some(ConnectorInfo {
            name: key.clone(),
            config: connector.config.clone()?,
            tasks: connector.tasks.len() as u32,
            is_sink: self.is_sink(name),
        })
    }

    /// The settings of the connector's tasks, in order.
    pub fn task_configs(&self, name: &str) -> Option<Vec<Properties>> {
        self.config(name)?;
        Some(self.connectors.get(name)?.tasks.clone())
    }

    /// Whether the connector is stopped and nothing of it runs any more.
    pub fn is_stopped(&self, name: &str) -> bool {
        self.connectors
            .get(name)
            .is_some_and(|c| c.target == TargetState::Stopped && c.tasks.is_empty())
    }

    pub fn state(&self, name: &str) -> Option<ConnectorState> {
        let (key, status) = self.connector_statuses.get_key_value(name)?;
        Some(ConnectorState {
            name: key.clone(),
            connector: status.clone(),
            tasks: self
                .tasks_of(key)
                .into_iter()
                .map(|(id, status)| (id.task, self.task_state_of(&id, &status)))
                .collect(),
            is_sink: self.is_sink(name),
        })
    }

    pub fn task_state(&self, id: &TaskId) -> Option<TaskState> {
        let status = self.task_statuses.get(id).cloned();
        let status = status.or_else(|| self.starting(id))?;
        Some(self.task_state_of(id, &status))
    }

    /// The status of a task that starts here and has not said anything yet: a start may wait for a server that does
    /// not answer, and nobody should have to ask where the task is. It is shown and not written: it ends by itself.
    fn starting(&self, id: &TaskId) -> Option<Status> {
        self.slots.get(id).filter(|slot| slot.is_live())?;
        let status = self.status(&id.connector, RunState::Unassigned, None);
        match status {
            StatusValue::Status(status) => Some(status),
            StatusValue::Topic { .. } => None,
        }
    }

    /// The tasks of a connector that have a status, and those that start here. A status may outlive its task for a
    /// moment, or for good if its last word came late; nobody is shown a task that is not there.
    fn tasks_of(&self, name: &Arc<str>) -> BTreeMap<TaskId, Status> {
        let count = self.connectors.get(name).map_or(0, |c| c.tasks.len());
        let starting = self.live_tasks(name).into_iter();
        let starting = starting.filter_map(|id| Some((id.clone(), self.starting(&id)?)));
        let mut tasks: BTreeMap<TaskId, Status> = starting.collect();
        let known = self.statuses_of(name);
        tasks.extend(known.map(|(id, status)| (id.clone(), status.clone())));
        tasks.retain(|id, _| (id.task as usize) < count);
        tasks
    }

    /// The topics that the connector has used.
    pub fn topics(&self, name: &str) -> Vec<Arc<str>> {
        let of_connector = self.topics.iter().filter(|(owner, _)| &**owner == name);
        of_connector.map(|(_, topic)| topic.clone()).collect()
    }

    fn statuses_of(&self, name: &Arc<str>) -> impl Iterator<Item = (&TaskId, &Status)> {
        self.task_statuses
            .range(TaskId::new(name.clone(), 0)..=TaskId::new(name.clone(), u32::MAX))
    }

    fn task_state_of(&self, id: &TaskId, status: &Status) -> TaskState {
        TaskState {
            status: status.clone(),
            trouble: self.slots.get(id).and_then(tasks::Slot::trouble),
        }
    }
}

#[cfg(test)]
mod tests;
