//! Tasks that run here: started, restarted, stopped, healed, and what they report.

use super::statuses::write_status;
use super::*;
use crate::herder::request::Outage;
use crate::too_many_tasks::check_tasks;
use crate::trace::trace;

impl State {
    /// Starts a task that has no instance; one that is stopping starts again afterwards.
    pub(super) fn start_task(&mut self, id: &TaskId, out: &mut Vec<Action>) {
        match self.view.slot(id) {
            None => self.start_instance(id, out),
            Some(slot) if slot.is_stopping => {
                self.view.change_slot(id, |slot| slot.starts_again = true);
            }
            // Each rebalance names all tasks, and what is published of one that goes on is not to be copied for that.
            Some(_) => {}
        }
    }

    fn start_instance(&mut self, id: &TaskId, out: &mut Vec<Action>) {
        let known = self.view.known(&id.connector);
        let config = known.and_then(|known| Some((known.config.as_ref()?, known.tasks.len())));
        let checked = config.map(|(config, count)| check_tasks(&id.connector, config, count));
        if let Some(Err(error)) = checked {
            return self.refuse_task(id, trace(&error), out);
        }
        let instance = self.next_number();
        let start = self.view.change(&id.connector, |known| {
            let config = known.config.clone();
            let task = known.tasks.get(id.task as usize).cloned();
            let (Some(config), Some(task_config)) = (config, task) else {
                known.slots.remove(&id.task);
                return None;
            };
            known.slots.entry(id.task).or_default().take(instance);
            Some(InstanceStart {
                id: id.clone(),
                instance,
                connector_config: Properties::clone(&config),
                task_config,
                is_paused: known.target == TargetState::Paused,
            })
        });
        out.extend(start.map(Action::StartTask));
    }

    /// A task that is never made has no version.
    fn refuse_task(&mut self, id: &TaskId, trace: String, out: &mut Vec<Action>) {
        let name = &id.connector;
        self.view.change(name, |known| known.slots.remove(&id.task));
        let status = Status {
            version: None,
            ..self.view.status_of(name, RunState::Failed, Some(trace))
        };
        let known = self.view.known(name);
        let known = known.and_then(|known| known.task_statuses.get(&id.task));
        write_status(StatusKey::Task(id.clone()), status, known, out);
    }

    pub(super) fn stop_task(&mut self, id: &TaskId, starts_again: bool, out: &mut Vec<Action>) {
        let stopped = self.view.change_slot(id, |slot| {
            slot.starts_again = starts_again;
            slot.outage = None;
            let is_first = !std::mem::replace(&mut slot.is_stopping, true);
            is_first.then_some(slot.instance)
        });
        if let Some(Some(instance)) = stopped {
            out.push(Action::StopTask {
                id: id.clone(),
                instance,
            });
        }
    }

    pub(super) fn restart_task(&mut self, id: &TaskId, out: &mut Vec<Action>) {
        if self.view.slot(id).is_some() {
            self.stop_task(id, true, out);
        } else if self.assigned.tasks.contains(id) {
            self.start_task(id, out);
        }
    }

    pub(super) fn on_task_stopped(&mut self, id: &TaskId, instance: u64, out: &mut Vec<Action>) {
        let slot = self.view.slot(id);
        let Some(slot) = slot.filter(|slot| slot.instance == instance && slot.is_stopping) else {
            return;
        };
        let starts_again = slot.starts_again && self.assigned.tasks.contains(id);
        let (is_restarting, has_failed) = (slot.is_restarting, slot.has_failed());
        // A failure stays the last word about what has failed.
        if !has_failed {
            self.write_task_status(id, RunState::Unassigned, None, out);
        }
        if starts_again {
            if is_restarting {
                self.write_task_status(id, RunState::Restarting, None, out);
            }
            self.start_instance(id, out);
        } else {
            self.view
                .change(&id.connector, |known| known.slots.remove(&id.task));
        }
        if self.view.slot(id).is_none() && !self.view.has_task(id) {
            let key = StatusKey::Task(id.clone());
            out.push(Action::WriteStatus(StatusRecord { key, value: None }));
        }
        self.on_ended(id, out);
    }

    pub(super) fn on_task(&mut self, report: TaskReport, now: i64, out: &mut Vec<Action>) {
        let TaskReport {
            id,
            instance,
            event,
        } = report;
        let heals = self.view.settings.self_healing;
        let slot = self.view.slot(&id);
        let slot = slot.filter(|slot| slot.instance == instance && slot.is_live());
        let Some(slot) = slot else {
            return;
        };
        let is_first_word = slot.said.is_none();
        match &event {
            TaskEvent::Running | TaskEvent::Paused if is_first_word => {
                self.view.tally.task_started(true);
            }
            TaskEvent::Failed { .. } if is_first_word => self.view.tally.task_started(false),
            _ => {}
        }
        match event {
            TaskEvent::Running => {
                self.view.change_slot(&id, |slot| {
                    slot.running_since.get_or_insert(now);
                    slot.outage = None;
                });
                self.write_task_status(&id, RunState::Running, None, out);
            }
            TaskEvent::Paused => self.write_task_status(&id, RunState::Paused, None, out),
            TaskEvent::Failed {
                trace,
                is_transient,
            } => {
                let heals = is_transient && heals;
                self.view.change_slot(&id, |slot| slot.fail(heals, now));
                self.write_task_status(&id, RunState::Failed, Some(trace), out);
            }
            // Without healing the answers are Java's, which knows no such thing.
            TaskEvent::Degraded(_) if !heals => {}
            TaskEvent::Degraded(degraded) => {
                let outage = Some(Outage::Degraded(degraded));
                self.view.change_slot(&id, |slot| slot.outage = outage);
            }
            TaskEvent::Recovered => {
                self.view.change_slot(&id, |slot| slot.outage = None);
            }
            TaskEvent::Topic(topic) => self.on_topic(&id, topic, now, out),
        }
    }

    fn on_topic(&self, id: &TaskId, topic: Arc<str>, now: i64, out: &mut Vec<Action>) {
        let connector = id.connector.clone();
        let known = self.view.known(&connector);
        let is_known = known.is_some_and(|known| known.topics.contains(&topic));
        if self.view.settings.topic_tracking && !is_known {
            out.push(Action::WriteStatus(StatusRecord {
                key: StatusKey::Topic { topic, connector },
                value: Some(StatusValue::Topic {
                    task: id.task,
                    discovered: now,
                }),
            }));
        }
    }
}
