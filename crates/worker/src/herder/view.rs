//! View: what is known of the cluster, as anybody may read it at any time. The herder publishes one after each change;
//! whoever reads it waits for nobody.

use super::request::{ConnectorInfo, ConnectorState, HerderError, TaskState};
use super::settings::{Settings, WorkerMode};
use super::shared_map::SharedMap;
use super::slot::Slot;
use crate::cluster::{GroupProtocol, Position, RunState, SessionKey, Status, TargetState};
use crate::metrics::Tally;
use crate::task::TaskId;
use millstream_core::message::INPUT_TYPE;
use millstream_core::{Connector, ConnectorKind, Properties};
use millstream_java::civil::instant_text;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::sync::Arc;

/// What Java's standalone worker says when a connector that it needs is not there.
pub(super) const STANDALONE_NO_CONFIG: &str =
    "Cannot invoke \"java.util.Map.get(Object)\" because \"connProps\" is null";

/// What the herder is at, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    pub text: Arc<str>,
    /// Epoch milliseconds.
    pub since: i64,
}

impl Stage {
    /// As it stands in answers that tell why there is no other.
    pub fn sentence(&self) -> String {
        let Stage { text, since } = self;
        let since = instant_text(*since);
        format!("The worker is currently {text}, which began at {since}.")
    }
}

/// Cheap to clone: connectors are shared until they change.
#[derive(Clone)]
pub struct View {
    pub(super) settings: Arc<Settings>,
    /// How far the shared configuration was read.
    pub(super) position: Position,
    pub(super) generation: i32,
    /// The last one that was read.
    pub(super) session_key: Option<SessionKey>,
    /// What the group has agreed on; before it has, what this worker offers.
    pub(super) protocol: GroupProtocol,
    /// What requests wait for that are not answered.
    pub(super) stage: Option<Stage>,
    /// URLs of other workers: of all if this one leads, else of the leader.
    pub(super) others: Arc<BTreeSet<Arc<str>>>,
    pub(super) leads: bool,
    /// This worker has been given its work once.
    pub(super) has_started: bool,
    pub(super) tally: Tally,
    connectors: SharedMap<Known>,
    /// When the first task that failed starts again, of connectors that have one.
    due: BTreeMap<Arc<str>, i64>,
}

/// All that is known of one connector; any part may be known before the others.
#[derive(Clone, Default)]
pub(super) struct Known {
    /// `None`: there is no such connector, or not yet, or not any more.
    pub(super) config: Option<Arc<Properties>>,
    pub(super) target: TargetState,
    pub(super) tasks: Arc<Vec<Properties>>,
    /// Of how many former tasks the producers can write no more; `None` if nobody ever saw to that.
    pub(super) fenced: Option<u32>,
    /// Tasks were set after that.
    pub(super) is_unfenced: bool,
    /// The shared statuses, as far as they were read.
    pub(super) status: Option<Arc<Status>>,
    pub(super) task_statuses: BTreeMap<u32, Arc<Status>>,
    pub(super) topics: BTreeSet<Arc<str>>,
    /// Its tasks that this worker runs or is stopping.
    pub(super) slots: BTreeMap<u32, Slot>,
}

impl Known {
    fn is_nothing(&self) -> bool {
        self.config.is_none()
            && self.target == TargetState::default()
            && self.tasks.is_empty()
            && self.fenced.is_none()
            && self.status.is_none()
            && self.task_statuses.is_empty()
            && self.topics.is_empty()
            && self.slots.is_empty()
    }
}

/// How the herder keeps it.
impl View {
    pub(super) fn new(settings: Settings) -> Self {
        View {
            protocol: settings.protocol,
            stage: None,
            others: Arc::default(),
            leads: false,
            has_started: false,
            tally: Tally::default(),
            settings: Arc::new(settings),
            position: Position::default(),
            generation: 0,
            session_key: None,
            connectors: SharedMap::default(),
            due: BTreeMap::new(),
        }
    }

    pub(super) fn known(&self, name: &str) -> Option<&Known> {
        self.connectors.get(name).map(|(_, known)| known)
    }

    /// Whether a connector reads Kafka or writes to it: all do but sinks of a queue.
    pub(super) fn needs_kafka(&self) -> bool {
        let mut configs = self.all().filter_map(|(_, known)| known.config.as_ref());
        configs.any(|config| !config.contains(INPUT_TYPE))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&Arc<str>, &Known)> {
        self.connectors.iter()
    }

    /// Changes what is known of a connector, and forgets it once that is nothing.
    pub(super) fn change<T>(&mut self, name: &Arc<str>, change: impl FnOnce(&mut Known) -> T) -> T {
        let (result, due, is_nothing) = self.connectors.change(name, |known| {
            let result = change(known);
            let due = known.slots.values().filter_map(Slot::due).min();
            (result, due, known.is_nothing())
        });
        if is_nothing {
            self.connectors.remove(name);
        }
        match due {
            Some(due) => {
                self.due.insert(name.clone(), due);
            }
            None => {
                self.due.remove(name);
            }
        }
        result
    }

    /// When the first task that failed starts again. It is asked before each wait, so nobody looks through all tasks for it.
    pub(super) fn next_due(&self) -> Option<i64> {
        self.due.values().min().copied()
    }

    pub(super) fn config(&self, name: &str) -> Option<&Properties> {
        self.known(name)?.config.as_deref()
    }

    /// Whether the connector has a task of this number.
    pub(super) fn has_task(&self, id: &TaskId) -> bool {
        let known = self.known(&id.connector);
        known.is_some_and(|known| known.config.is_some() && (id.task as usize) < known.tasks.len())
    }

    pub(super) fn slot(&self, id: &TaskId) -> Option<&Slot> {
        self.known(&id.connector)?.slots.get(&id.task)
    }

    /// Changes the slot of a task, if it has one.
    pub(super) fn change_slot<T>(
        &mut self,
        id: &TaskId,
        change: impl FnOnce(&mut Slot) -> T,
    ) -> Option<T> {
        self.slot(id)?;
        self.change(&id.connector, |known| {
            known.slots.get_mut(&id.task).map(change)
        })
    }

    /// Tasks that run here or are stopping.
    pub(super) fn slots(&self) -> impl Iterator<Item = (TaskId, &Slot)> {
        self.all().flat_map(|(name, known)| {
            let slots = known.slots.iter();
            slots.map(|(task, slot)| (TaskId::new(name.clone(), *task), slot))
        })
    }

    /// Tasks of the connector that run here and have not been told to stop.
    pub(super) fn live_tasks(&self, name: &Arc<str>) -> Vec<TaskId> {
        let known = self.known(name);
        let slots = known.into_iter().flat_map(|known| &known.slots);
        slots
            .filter(|(_, slot)| slot.is_live())
            .map(|(task, _)| TaskId::new(name.clone(), *task))
            .collect()
    }

    /// What this worker says of a connector or one of its tasks.
    pub(super) fn status_of(&self, name: &str, state: RunState, trace: Option<String>) -> Status {
        Status {
            state,
            trace,
            worker_id: self.settings.worker_id.clone(),
            generation: self.generation,
            // Java tells none of what is about to start again.
            version: self.version(name).filter(|_| state != RunState::Restarting),
        }
    }

    pub(super) fn by_mode<T>(&self, standalone: T, distributed: T) -> T {
        match self.settings.mode {
            WorkerMode::Standalone => standalone,
            WorkerMode::Distributed => distributed,
        }
    }

    fn plugin(&self, name: &str) -> Option<&dyn Connector> {
        let class = self.config(name)?.get("connector.class")?;
        let plugin = self.settings.registry.connector(class).ok()?;
        Some(plugin.as_ref())
    }

    /// The version of the connector's plugin, if its class is known.
    pub(super) fn version(&self, name: &str) -> Option<String> {
        Some(self.plugin(name)?.version().to_owned())
    }

    /// The full name of the connector's class, if that is known.
    pub(super) fn class(&self, name: &str) -> Option<String> {
        Some(self.plugin(name)?.class_name().to_owned())
    }

    pub(super) fn kind(&self, name: &str) -> Option<ConnectorKind> {
        Some(self.plugin(name)?.role().kind())
    }

    /// The status of a task that starts here and has not said anything yet: a start may wait for a server that does
    /// not answer, and nobody should have to ask where the task is. It is shown and not written: it ends by itself.
    fn starting(&self, name: &Arc<str>, slot: &Slot) -> Option<Arc<Status>> {
        let status = || self.status_of(name, RunState::Unassigned, None);
        slot.is_live().then(|| Arc::new(status()))
    }

    /// The tasks of a connector that have a status, and those that start here. A status may outlive its task for a
    /// moment, or for good if its last word came late; nobody is shown a task that is not there.
    pub(super) fn tasks_of(&self, name: &Arc<str>) -> BTreeMap<u32, Arc<Status>> {
        let Some(known) = self.known(name) else {
            return BTreeMap::new();
        };
        let slots = known.slots.iter();
        let starting = slots.filter_map(|(task, slot)| Some((*task, self.starting(name, slot)?)));
        let mut tasks: BTreeMap<u32, Arc<Status>> = starting.collect();
        let statuses = known.task_statuses.iter();
        tasks.extend(statuses.map(|(task, status)| (*task, status.clone())));
        tasks.retain(|task, _| (*task as usize) < known.tasks.len());
        tasks
    }
}

/// What anybody may ask.
impl View {
    /// What requests between workers are signed with; `None` until one was read.
    pub fn session_key(&self) -> Option<&SessionKey> {
        self.session_key.as_ref()
    }

    /// What the group has agreed on; before it has, what this worker offers.
    pub fn protocol(&self) -> GroupProtocol {
        self.protocol
    }

    /// Whether this worker has been given its work once.
    pub fn has_started(&self) -> bool {
        self.has_started
    }

    /// What is to be said if requests between workers are not signed.
    pub fn unsigned(&self) -> Option<String> {
        let is_signed = self.protocol == GroupProtocol::Sessioned;
        if is_signed || self.settings.keys.is_none() || !self.has_started {
            return None;
        }
        let (protocol, offered) = (self.protocol.name(), self.settings.protocol.name());
        Some(format!(
            "Requests between workers are not signed: the group speaks {protocol}, which is all that each of its workers offers; this one offers {offered} (connect.protocol)."
        ))
    }

    /// The other workers, as far as they are known.
    pub fn others(&self) -> &BTreeSet<Arc<str>> {
        &self.others
    }

    /// Whether this worker leads.
    pub fn leads(&self) -> bool {
        self.leads
    }

    /// What requests wait for that are not answered, if there is such a thing.
    pub fn stage(&self) -> Option<&Stage> {
        self.stage.as_ref()
    }

    pub fn names(&self) -> Vec<Arc<str>> {
        let there = self.all().filter(|(_, known)| known.config.is_some());
        there.map(|(name, _)| name.clone()).collect()
    }

    pub fn info(&self, name: &str) -> Option<ConnectorInfo> {
        let (key, known) = self.connectors.get(name)?;
        Some(ConnectorInfo {
            name: key.clone(),
            config: Properties::clone(known.config.as_ref()?),
            tasks: known.tasks.len() as u32,
            kind: self.kind(name),
        })
    }

    /// The settings of the connector's tasks, in order.
    pub fn task_configs(&self, name: &str) -> Option<Arc<Vec<Properties>>> {
        self.config(name)?;
        Some(self.known(name)?.tasks.clone())
    }

    /// Whether the connector is stopped and nothing of it runs any more.
    pub fn is_stopped(&self, name: &str) -> bool {
        let known = self.known(name);
        known.is_some_and(|known| known.target == TargetState::Stopped && known.tasks.is_empty())
    }

    pub fn state(&self, name: &str) -> Option<ConnectorState> {
        let (key, known) = self.connectors.get(name)?;
        let tasks = self.tasks_of(key).into_iter();
        Some(ConnectorState {
            name: key.clone(),
            connector: Status::clone(known.status.as_ref()?),
            tasks: tasks
                .map(|(task, status)| (task, task_state(known, task, &status)))
                .collect(),
            kind: self.kind(name),
        })
    }

    pub fn task_state(&self, id: &TaskId) -> Option<TaskState> {
        let (name, known) = self.connectors.get(&id.connector)?;
        let status = known.task_statuses.get(&id.task).cloned();
        let starting = || self.starting(name, known.slots.get(&id.task)?);
        let status = status.or_else(starting)?;
        Some(task_state(known, id.task, &status))
    }

    /// The topics that the connector has used.
    pub fn topics(&self, name: &str) -> Vec<Arc<str>> {
        let known = self.known(name).into_iter();
        known
            .flat_map(|known| known.topics.iter().cloned())
            .collect()
    }

    /// Why a task cannot be restarted that the connector does not have, or whose connector there is not.
    pub fn no_such_task(&self, connector: &str, task: impl Display) -> HerderError {
        let text = if self.config(connector).is_some() {
            self.by_mode(
                format!("Task {connector}-{task} not found"),
                format!("Unknown task: {connector}-{task}"),
            )
        } else if self.settings.mode == WorkerMode::Standalone {
            return HerderError::Failed(STANDALONE_NO_CONFIG.to_owned());
        } else {
            format!("Unknown connector: {connector}")
        };
        HerderError::NotFound(text)
    }
}

fn task_state(known: &Known, task: u32, status: &Arc<Status>) -> TaskState {
    TaskState {
        status: Status::clone(status),
        outage: known.slots.get(&task).and_then(Slot::outage),
    }
}
