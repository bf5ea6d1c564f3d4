//! Connectors: how they come and go, start, pause and plan their tasks.

use super::*;
use crate::herder::slot::healing_pause;

impl State {
    pub(super) fn on_connector(
        &mut self,
        name: &Arc<str>,
        config: Option<Properties>,
        now: i64,
        out: &mut Vec<Action>,
    ) {
        let was_there = self.view.config(name).is_some();
        let is_there = config.is_some();
        self.view.change(name, |known| {
            known.config = config.map(Arc::new);
            if !is_there {
                known.tasks = Arc::default();
            }
        });
        if was_there {
            self.say_ended(name, out);
        }
        if !is_there {
            // Nobody takes over what was deleted, so there is nothing to wait for.
            self.instances.remove(name);
            for id in self.view.live_tasks(name) {
                self.stop_task(&id, false, out);
            }
        }
        if was_there && is_there {
            self.start_connector(name, out);
            self.start_refused_tasks(name, out);
        } else {
            self.change_inventory(name, now);
        }
    }

    /// Tasks that were more than the last configuration allowed: if the connector wants the same ones again, nobody sets them
    /// anew.
    fn start_refused_tasks(&mut self, name: &Arc<str>, out: &mut Vec<Action>) {
        let assigned = self.assigned.tasks.iter();
        let refused = assigned.filter(|id| {
            id.connector == *name && self.view.has_task(id) && self.view.slot(id).is_none()
        });
        for id in refused.cloned().collect::<Vec<_>>() {
            if !self.is_rebalancing {
                self.start_task(&id, out);
            }
        }
    }

    pub(super) fn on_target(
        &mut self,
        name: &Arc<str>,
        state: Option<TargetState>,
        out: &mut Vec<Action>,
    ) {
        let target = state.unwrap_or_default();
        let (was, is_there) = self.view.change(name, |known| {
            let was = std::mem::replace(&mut known.target, target);
            (was, known.config.is_some())
        });
        if was == target || !is_there {
            return;
        }
        // A failed instance stays failed until it is restarted; only stopping it is possible.
        let instance = self.instances.get(name);
        let is_failed = instance.is_some_and(|instance| instance.failure.is_some());
        if !is_failed || target == TargetState::Stopped {
            self.start_connector(name, out);
        }
        for id in self.view.live_tasks(name) {
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
        now: i64,
        out: &mut Vec<Action>,
    ) {
        if self.view.config(name).is_none() {
            return;
        }
        // Where it is what the connector wants, one copy serves both, and each look whether it still is compares nothing.
        let instance = self.instances.get(name);
        let planned = instance.and_then(|instance| instance.planned.clone());
        let planned = planned.filter(|planned| **planned == configs);
        let tasks = planned.unwrap_or_else(|| Arc::new(configs));
        self.view.change(name, |known| {
            known.tasks = tasks;
            known.is_unfenced = true;
        });
        for id in self.view.live_tasks(name) {
            self.stop_task(&id, true, out);
        }
        self.change_inventory(name, now);
        // A late write of others may have brought back what the connector has given up. Of a stop this is the first half; a
        // leader that has written the other refuses what comes between.
        self.hand_over_tasks(name, out);
    }

    /// Brings the connector's instance, if it is here, into the state that is wanted of it.
    pub(super) fn start_connector(&mut self, name: &Arc<str>, out: &mut Vec<Action>) {
        let attempt = self.next_number();
        let (Some(known), Some(instance)) = (self.view.known(name), self.instances.get_mut(name))
        else {
            return;
        };
        let Some(config) = known.config.as_deref().cloned() else {
            return;
        };
        *instance = Instance {
            handing: instance.handing,
            ..Instance::default()
        };
        let settled = match known.target {
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
        self.hand_over_tasks(name, out);
    }

    pub(super) fn on_planned(
        &mut self,
        name: &Arc<str>,
        attempt: u64,
        outcome: Result<Vec<Properties>, PlanFailure>,
        now: i64,
        out: &mut Vec<Action>,
    ) {
        let heals = self.view.settings.self_healing;
        let instance = self.instances.get_mut(name);
        let Some(instance) = instance.filter(|instance| instance.planning == Some(attempt)) else {
            return;
        };
        instance.planning = None;
        self.view.tally.connector_started(outcome.is_ok());
        match outcome {
            Ok(tasks) => {
                instance.failed_plans = 0;
                instance.planned = Some(Arc::new(tasks));
                self.write_connector_status(name, RunState::Running, None, out);
                self.hand_over_tasks(name, out);
            }
            Err(failure) => {
                let trace = Some(failure.trace.clone());
                if failure.is_transient && heals {
                    instance.failed_plans += 1;
                    instance.plan_again_at = Some(now + healing_pause(instance.failed_plans));
                }
                instance.failure = Some(failure);
                self.write_connector_status(name, RunState::Failed, trace, out);
            }
        }
    }

    /// Starts a connector again that failed to for a reason that may pass.
    pub(super) fn plan_again(&mut self, name: &Arc<str>, out: &mut Vec<Action>) {
        let Some(instance) = self.instances.get_mut(name) else {
            return;
        };
        instance.plan_again_at = None;
        let failed_plans = instance.failed_plans;
        self.start_connector(name, out);
        if let Some(instance) = self.instances.get_mut(name) {
            instance.failed_plans = failed_plans;
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
            self.say_ended(name, out);
            self.write_connector_status(name, RunState::Restarting, None, out);
            self.start_connector(name, out);
        }
        for task in tasks {
            let id = TaskId::new(name.clone(), task);
            if !self.assigned.tasks.contains(&id) {
                continue;
            }
            // It is told once what ran has ended.
            let is_here = self
                .view
                .change_slot(&id, |slot| slot.is_restarting = true)
                .is_some();
            if !is_here {
                self.write_task_status(&id, RunState::Restarting, None, out);
            }
            self.restart_task(&id, out);
        }
    }

    /// Whether the connector itself, and which of its tasks, a restart request means.
    pub(super) fn restart_plan(
        &self,
        name: &Arc<str>,
        include_tasks: bool,
        only_failed: bool,
    ) -> Option<(bool, Vec<u32>)> {
        let status = self.view.known(name)?.status.as_ref()?;
        let is_meant = |status: &Status| !only_failed || status.state == RunState::Failed;
        let tasks = self.view.tasks_of(name).into_iter();
        let tasks = tasks.filter(|(_, status)| include_tasks && is_meant(status));
        Some((is_meant(status), tasks.map(|(task, _)| task).collect()))
    }

    /// The instance that runs makes room for another one, or for none.
    pub(super) fn say_ended(&mut self, name: &Arc<str>, out: &mut Vec<Action>) {
        let instance = self.instances.get(name);
        let said = instance.and_then(|instance| instance.said.as_ref());
        let ran = said.is_some_and(|(state, _)| {
            matches!(
                state,
                RunState::Running | RunState::Paused | RunState::Stopped
            )
        });
        if ran {
            self.write_connector_status(name, RunState::Unassigned, None, out);
        }
    }

    pub(super) fn drop_lost_instances(&mut self, out: &mut Vec<Action>) {
        let assigned = &self.assigned.connectors;
        let lost = self
            .instances
            .keys()
            .filter(|name| !assigned.contains(*name));
        for name in lost.cloned().collect::<Vec<_>>() {
            self.instances.remove(&name);
            if self.view.config(&name).is_some() {
                self.write_connector_status(&name, RunState::Unassigned, None, out);
            }
        }
    }

    pub(super) fn wait_for(&mut self, name: &Arc<str>, ticket: Ticket, created: Option<bool>) {
        let waiting = self.waiting.entry(name.clone()).or_default();
        waiting.push(Waiting { ticket, created });
    }

    /// Answers those whose connector has nothing more to start here, and those who ask whether anything is stuck.
    pub(super) fn answer_settled(&mut self, out: &mut Vec<Action>) {
        let names = self.waiting.keys().cloned().collect::<Vec<_>>();
        for name in names {
            if let Some(outcome) = self.settled(&name) {
                self.answer_waiting(&name, &outcome, out);
            }
        }
        let first_write = self.writes.keys().next().copied();
        let is_over = |asked: u64| first_write.is_none_or(|first| first > asked);
        let healthy = self.healths.extract_if(.., |(_, asked)| is_over(*asked));
        let healthy = healthy.map(|(ticket, _)| Action::Reply(ticket, Ok(Answer::Done)));
        out.extend(healthy);
    }

    /// What came of the connector's start, once that is known.
    fn settled(&self, name: &Arc<str>) -> Option<Result<(), PlanFailure>> {
        if self.view.config(name).is_none() {
            return Some(Ok(()));
        }
        let is_assigned = self.assigned_for >= self.changed_at && !self.is_rebalancing;
        if !is_assigned || self.busy.contains_key(name) {
            return None;
        }
        let Some(instance) = self.instances.get(name) else {
            return Some(Ok(()));
        };
        if instance.planning.or(instance.handing).is_some() || instance.retry_at.is_some() {
            return None;
        }
        Some(instance.failure.clone().map_or(Ok(()), Err))
    }

    fn answer_waiting(
        &mut self,
        name: &Arc<str>,
        outcome: &Result<(), PlanFailure>,
        out: &mut Vec<Action>,
    ) {
        for waiting in self.waiting.remove(name).unwrap_or_default() {
            let answer = match (outcome, waiting.created) {
                (Ok(()), Some(is_new)) => match self.view.info(name) {
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
