//! Connectors: how they come and go, start, pause and plan their tasks.

use super::*;

impl State {
    pub(super) fn on_connector(
        &mut self,
        name: Arc<str>,
        config: Option<Properties>,
        out: &mut Vec<Action>,
    ) {
        let Some(config) = config else {
            if let Some(connector) = self.connectors.get_mut(&name) {
                connector.config = None;
                connector.tasks.clear();
            }
            out.push(Action::Rejoin(self.inventory()));
            return;
        };
        let connector = self.connectors.entry(name.clone()).or_default();
        let is_new = connector.config.replace(config).is_none();
        if is_new {
            out.push(Action::Rejoin(self.inventory()));
        } else {
            self.start_connector(&name, out);
        }
    }

    pub(super) fn on_target(
        &mut self,
        name: Arc<str>,
        state: Option<TargetState>,
        out: &mut Vec<Action>,
    ) {
        let Some(target) = state else {
            if self.config(&name).is_none() {
                self.connectors.remove(&name);
            }
            return;
        };
        let connector = self.connectors.entry(name.clone()).or_default();
        let was = std::mem::replace(&mut connector.target, target);
        if was == target || connector.config.is_none() {
            return;
        }
        // A failed instance stays failed until it is restarted; only stopping it is possible.
        let is_failed = self.instances.get(&name).is_some_and(|i| i.is_failed);
        if !is_failed || target == TargetState::Stopped {
            self.start_connector(&name, out);
        }
        for id in self.live_tasks(&name) {
            match target {
                TargetState::Started => out.push(Action::ResumeTask(id)),
                TargetState::Paused => out.push(Action::PauseTask(id)),
                TargetState::Stopped => {}
            }
        }
    }

    pub(super) fn on_tasks(
        &mut self,
        name: &Arc<str>,
        configs: Vec<Properties>,
        out: &mut Vec<Action>,
    ) {
        let Some(connector) = self.connectors.get_mut(name) else {
            return;
        };
        connector.tasks = configs;
        for id in self.live_tasks(name) {
            self.stop_task(&id, true, out);
        }
        out.push(Action::Rejoin(self.inventory()));
    }

    /// Brings the connector's instance, if it is here, into the state that is wanted of it.
    pub(super) fn start_connector(&mut self, name: &Arc<str>, out: &mut Vec<Action>) {
        let attempt = self.next_number();
        let (Some(connector), Some(instance)) =
            (self.connectors.get(name), self.instances.get_mut(name))
        else {
            return;
        };
        let Some(config) = connector.config.clone() else {
            return;
        };
        *instance = Instance::default();
        let settled = match connector.target {
            TargetState::Started => {
                instance.planning = Some(attempt);
                out.push(Action::PlanTasks {
                    name: name.clone(),
                    attempt,
                    config,
                });
                return;
            }
            TargetState::Paused => RunState::Paused,
            TargetState::Stopped => RunState::Stopped,
        };
        self.write_connector_status(name, settled, None, out);
        self.answer_waiting(name, &Ok(()), out);
    }

    pub(super) fn on_planned(
        &mut self,
        name: &Arc<str>,
        attempt: u64,
        outcome: Result<Vec<Properties>, PlanFailure>,
        out: &mut Vec<Action>,
    ) {
        let Some(instance) = self.instances.get_mut(name) else {
            return;
        };
        if instance.planning != Some(attempt) {
            return;
        }
        instance.planning = None;
        match outcome {
            Ok(tasks) => {
                self.write_connector_status(name, RunState::Running, None, out);
                if self.connectors.get(name).map(|c| &c.tasks) == Some(&tasks) {
                    self.answer_waiting(name, &Ok(()), out);
                } else {
                    out.push(Action::WriteConfig(vec![ConfigRecord::Tasks {
                        name: name.clone(),
                        configs: tasks,
                    }]));
                }
            }
            Err(failure) => {
                instance.is_failed = true;
                let trace = Some(failure.trace.clone());
                self.write_connector_status(name, RunState::Failed, trace, out);
                self.answer_waiting(name, &Err(failure), out);
            }
        }
    }

    /// Every worker restarts its own share.
    pub(super) fn on_restart(
        &mut self,
        name: &Arc<str>,
        include_tasks: bool,
        only_failed: bool,
        out: &mut Vec<Action>,
    ) {
        let Some((with_connector, tasks)) = self.restart_plan(name, include_tasks, only_failed)
        else {
            return;
        };
        if with_connector && self.instances.contains_key(name) {
            self.write_connector_status(name, RunState::Restarting, None, out);
            self.start_connector(name, out);
        }
        for id in tasks {
            if self.assignment.tasks.contains(&id) {
                self.write_task_status(&id, RunState::Restarting, None, out);
                self.restart_task(&id, out);
            }
        }
    }

    /// Whether the connector itself, and which of its tasks, a restart request means.
    pub(super) fn restart_plan(
        &self,
        name: &Arc<str>,
        include_tasks: bool,
        only_failed: bool,
    ) -> Option<(bool, Vec<TaskId>)> {
        let status = self.connector_statuses.get(name)?;
        let is_meant = |status: &Status| !only_failed || status.state == RunState::Failed;
        let tasks = self.tasks_of(name).into_iter();
        let tasks = tasks.filter(|(_, status)| include_tasks && is_meant(status));
        Some((is_meant(status), tasks.map(|(id, _)| id).collect()))
    }

    pub(super) fn drop_lost_instances(&mut self, out: &mut Vec<Action>) {
        let owned = &self.assignment.connectors;
        let lost = self.instances.keys().filter(|name| !owned.contains(*name));
        for name in lost.cloned().collect::<Vec<_>>() {
            self.instances.remove(&name);
            if self.config(&name).is_some() {
                self.write_connector_status(&name, RunState::Unassigned, None, out);
            }
        }
    }

    pub(super) fn write_connector_status(
        &self,
        name: &Arc<str>,
        state: RunState,
        trace: Option<String>,
        out: &mut Vec<Action>,
    ) {
        out.push(Action::WriteStatus(StatusRecord {
            key: StatusKey::Connector(name.clone()),
            value: Some(self.status(name, state, trace)),
        }));
    }

    /// Answers the requests whose connector has nothing more to start here.
    pub(super) fn answer_settled(&mut self, out: &mut Vec<Action>) {
        let is_settled = |name: &Arc<str>| {
            let instance = self.instances.get(name);
            instance.is_none_or(|instance| instance.planning.is_none())
        };
        let settled = self.waiting.keys().filter(|name| is_settled(name));
        for name in settled.cloned().collect::<Vec<_>>() {
            self.answer_waiting(&name, &Ok(()), out);
        }
    }

    fn answer_waiting(
        &mut self,
        name: &Arc<str>,
        outcome: &Result<(), PlanFailure>,
        out: &mut Vec<Action>,
    ) {
        for waiting in self.waiting.remove(name).unwrap_or_default() {
            let answer = match (outcome, waiting.created) {
                (Ok(()), Some(is_new)) => match self.info(name) {
                    Some(info) => Ok(Answer::Connector { info, is_new }),
                    None => Err(HerderError::NotFound(format!("Connector {name} not found"))),
                },
                (Ok(()), None) => Ok(Answer::Done),
                (Err(failure), Some(_)) => Err(HerderError::Failed(failure.message.clone())),
                (Err(_), None) => Err(HerderError::Failed(format!(
                    "Failed to start connector: {name}"
                ))),
            };
            out.push(Action::Reply(waiting.ticket, answer));
        }
    }
}
