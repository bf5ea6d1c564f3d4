//! Tasks that run here: one slot each, so that a task never runs twice, and healing of those that failed.

use super::*;
use crate::task::TaskEvent;

/// The first pause before a failed task starts again; it doubles up to the longest.
const FIRST_HEALING_PAUSE_MS: i64 = 5_000;
const LONGEST_HEALING_PAUSE_MS: i64 = 300_000;
/// A task that ran this long was healthy; the pauses begin anew.
const HEALTHY_AFTER_MS: i64 = 600_000;

/// A place that a task's instances take one after another.
#[derive(Default)]
pub(super) struct Slot {
    instance: u64,
    /// Told to stop and not yet gone.
    is_stopping: bool,
    /// Whether another instance starts once this one is gone.
    starts_again: bool,
    trouble: Option<Trouble>,
    restarts: u32,
    running_since: Option<i64>,
}

impl State {
    /// Starts a task that has no instance; one that is stopping starts again afterwards.
    pub(super) fn start_task(&mut self, id: &TaskId, out: &mut Vec<Action>) {
        if let Some(slot) = self.slots.get_mut(id) {
            slot.starts_again |= slot.is_stopping;
            return;
        }
        self.slots.insert(id.clone(), Slot::default());
        self.start_instance(id, out);
    }

    fn start_instance(&mut self, id: &TaskId, out: &mut Vec<Action>) {
        let instance = self.next_number();
        let task = self.connectors.get(&id.connector).and_then(|connector| {
            let config = connector.config.clone()?;
            let task = connector.tasks.get(id.task as usize)?;
            Some((config, task.clone(), connector.target))
        });
        let (Some((connector_config, task_config, target)), Some(slot)) =
            (task, self.slots.get_mut(id))
        else {
            self.slots.remove(id);
            return;
        };
        slot.instance = instance;
        slot.is_stopping = false;
        slot.starts_again = false;
        slot.trouble = None;
        out.push(Action::StartTask(InstanceStart {
            id: id.clone(),
            instance,
            connector_config,
            task_config,
            is_paused: target == TargetState::Paused,
        }));
    }

    pub(super) fn stop_task(&mut self, id: &TaskId, starts_again: bool, out: &mut Vec<Action>) {
        let Some(slot) = self.slots.get_mut(id) else {
            return;
        };
        slot.starts_again = starts_again;
        slot.trouble = None;
        if !std::mem::replace(&mut slot.is_stopping, true) {
            out.push(Action::StopTask {
                id: id.clone(),
                instance: slot.instance,
            });
        }
    }

    pub(super) fn restart_task(&mut self, id: &TaskId, out: &mut Vec<Action>) {
        if self.slots.contains_key(id) {
            self.stop_task(id, true, out);
        } else if self.assignment.tasks.contains(id) {
            self.start_task(id, out);
        }
    }

    pub(super) fn on_task_stopped(&mut self, id: &TaskId, instance: u64, out: &mut Vec<Action>) {
        let Some(slot) = self.slots.get(id) else {
            return;
        };
        if slot.instance != instance || !slot.is_stopping {
            return;
        }
        if slot.starts_again && self.assignment.tasks.contains(id) {
            self.start_instance(id, out);
            return;
        }
        self.slots.remove(id);
        let exists = self
            .connectors
            .get(&id.connector)
            .is_some_and(|c| c.config.is_some() && (id.task as usize) < c.tasks.len());
        if exists {
            self.write_task_status(id, RunState::Unassigned, None, out);
        } else {
            let key = StatusKey::Task(id.clone());
            out.push(Action::WriteStatus(StatusRecord { key, value: None }));
        }
    }

    pub(super) fn on_task(&mut self, report: TaskReport, now: i64, out: &mut Vec<Action>) {
        let TaskReport {
            id,
            instance,
            event,
        } = report;
        let heals = self.settings.self_healing;
        let Some(slot) = self.slots.get_mut(&id) else {
            return;
        };
        if slot.instance != instance || slot.is_stopping {
            return;
        }
        match event {
            TaskEvent::Running => {
                slot.running_since.get_or_insert(now);
                slot.trouble = None;
                self.write_task_status(&id, RunState::Running, None, out);
            }
            TaskEvent::Paused => self.write_task_status(&id, RunState::Paused, None, out),
            TaskEvent::Failed {
                trace,
                is_transient,
            } => {
                slot.fail(is_transient && heals, now);
                self.write_task_status(&id, RunState::Failed, Some(trace), out);
            }
            // Without self healing the status is Java's, which knows no such thing.
            // Without healing the answers are Java's, which knows no such thing.
            TaskEvent::Degraded { .. } if !heals => {}
            TaskEvent::Degraded {
                since,
                reason,
                next_try_ms,
            } => slot.degrade(since, reason, next_try_ms),
            TaskEvent::Recovered => slot.trouble = None,
            TaskEvent::Topic(topic) => self.on_topic(&id, topic, now, out),
        }
    }

    fn on_topic(&self, id: &TaskId, topic: Arc<str>, now: i64, out: &mut Vec<Action>) {
        let connector = id.connector.clone();
        let is_known = self.topics.contains(&(connector.clone(), topic.clone()));
        if self.settings.topic_tracking && !is_known {
            out.push(Action::WriteStatus(StatusRecord {
                key: StatusKey::Topic { topic, connector },
                value: Some(StatusValue::Topic {
                    task: id.task,
                    discovered: now,
                }),
            }));
        }
    }

    /// When `Event::Due` is due.
    pub fn next_due(&self) -> Option<i64> {
        self.slots.values().filter_map(Slot::due).min()
    }

    pub(super) fn on_due(&mut self, now: i64, out: &mut Vec<Action>) {
        let is_due = |slot: &Slot| slot.due().is_some_and(|due| due <= now);
        let due = self.slots.iter().filter(|(_, slot)| is_due(slot));
        for id in due.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.restart_task(&id, out);
        }
    }

    /// Tasks of the connector that run here and have not been told to stop.
    pub(super) fn live_tasks(&self, name: &Arc<str>) -> Vec<TaskId> {
        self.slots
            .range(TaskId::new(name.clone(), 0)..=TaskId::new(name.clone(), u32::MAX))
            .filter(|(_, slot)| slot.is_live())
            .map(|(id, _)| id.clone())
            .collect()
    }

    pub(super) fn write_task_status(
        &self,
        id: &TaskId,
        state: RunState,
        trace: Option<String>,
        out: &mut Vec<Action>,
    ) {
        out.push(Action::WriteStatus(StatusRecord {
            key: StatusKey::Task(id.clone()),
            value: Some(self.status(&id.connector, state, trace)),
        }));
    }
}

impl Slot {
    pub(super) fn is_live(&self) -> bool {
        !self.is_stopping
    }

    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.trouble.clone()
    }

    /// Trouble that goes on began when it was first reported.
    fn degrade(&mut self, since: i64, reason: String, next_try_ms: u64) {
        let since = match &self.trouble {
            Some(Trouble::Degraded { since: first, .. }) => *first,
            Some(Trouble::Healing { .. }) | None => since,
        };
        self.trouble = Some(Trouble::Degraded {
            since,
            reason,
            next_try_ms,
        });
    }

    fn fail(&mut self, heals: bool, now: i64) {
        let ran = self.running_since.take().map_or(0, |since| now - since);
        if ran >= HEALTHY_AFTER_MS {
            self.restarts = 0;
        }
        self.trouble = None;
        if heals {
            let doubled = FIRST_HEALING_PAUSE_MS << self.restarts.min(16);
            self.restarts += 1;
            self.trouble = Some(Trouble::Healing {
                restarts: self.restarts,
                next_try: now + doubled.min(LONGEST_HEALING_PAUSE_MS),
            });
        }
    }

    fn due(&self) -> Option<i64> {
        match &self.trouble {
            Some(Trouble::Healing { next_try, .. }) => Some(*next_try),
            Some(Trouble::Degraded { .. }) | None => None,
        }
    }
}
