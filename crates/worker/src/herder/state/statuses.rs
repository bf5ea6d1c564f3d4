//! Statuses: what is read of them, what is said, and what is forgotten.

use super::*;

impl State {
    pub(super) fn on_status(&mut self, record: StatusRecord, out: &mut Vec<Action>) {
        let StatusRecord { key, value } = record;
        let is_there = value.is_some();
        let status = match value {
            Some(StatusValue::Status(status)) => Some(Arc::new(status)),
            Some(StatusValue::Topic { .. }) | None => None,
        };
        let told = status.clone();
        self.view.change(key.connector(), |known| match &key {
            StatusKey::Connector(_) => known.status = status,
            StatusKey::Task(id) => {
                let before = known.task_statuses.get(&id.task).map(|status| &**status);
                match status {
                    Some(status) if !status.is_news(before) => {}
                    Some(status) => {
                        known.task_statuses.insert(id.task, status);
                    }
                    None => {
                        known.task_statuses.remove(&id.task);
                    }
                }
            }
            StatusKey::Topic { topic, .. } if is_there => {
                known.topics.insert(topic.clone());
            }
            StatusKey::Topic { topic, .. } => {
                known.topics.remove(topic);
            }
        });
        let leads = matches!(self.leader, Leader::Here(_)) && !self.is_rebalancing;
        if told.as_ref().is_none_or(|status| self.is_overruled(status)) {
            self.say_again(&key, out);
        }
        // It came after its connector or task was gone. Of a later generation others may know more.
        if told.is_some_and(|status| leads && status.generation <= self.view.generation) {
            self.forget_if_gone(key, out);
        }
    }

    /// Whether another worker said so before this one was given its work.
    fn is_overruled(&self, status: &Status) -> bool {
        status.worker_id != self.view.settings.worker_id && status.generation < self.view.generation
    }

    /// Whoever runs something has the last word: a leader that has read less may have forgotten its status, and a worker that
    /// ran it while this one was out of the group may have said of it what was true then.
    fn say_again(&self, key: &StatusKey, out: &mut Vec<Action>) {
        let said = match key {
            StatusKey::Connector(name) => self.instances.get(name).and_then(|i| i.said.clone()),
            StatusKey::Task(id) => {
                let slot = self.view.slot(id).filter(|slot| slot.is_live());
                slot.and_then(|slot| slot.said.clone())
            }
            StatusKey::Topic { .. } => None,
        };
        if let Some((state, trace)) = said {
            let status = self.view.status_of(key.connector(), state, trace);
            let value = Some(StatusValue::Status(status));
            let key = key.clone();
            out.push(Action::WriteStatus(StatusRecord { key, value }));
        }
    }

    /// What this worker has kept through a rebalance, and others have told of meanwhile.
    pub(super) fn republish_kept_statuses(&self, out: &mut Vec<Action>) {
        for (name, known) in self.view.all() {
            if known.status.iter().any(|status| self.is_overruled(status)) {
                self.say_again(&StatusKey::Connector(name.clone()), out);
            }
            for task in known.slots.keys() {
                let status = known.task_statuses.get(task);
                if status.is_some_and(|status| self.is_overruled(status)) {
                    let id = TaskId::new(name.clone(), *task);
                    self.say_again(&StatusKey::Task(id), out);
                }
            }
        }
    }

    fn forget_if_gone(&self, key: StatusKey, out: &mut Vec<Action>) {
        let is_there = match &key {
            StatusKey::Connector(name) => self.view.config(name).is_some(),
            // Whoever runs it still says so itself when it has ended.
            StatusKey::Task(id) => self.view.has_task(id) || self.view.slot(id).is_some(),
            StatusKey::Topic { connector, .. } => self.view.config(connector).is_some(),
        };
        if !is_there {
            out.push(Action::WriteStatus(StatusRecord { key, value: None }));
        }
    }

    /// Forgets the statuses of connectors and tasks that no longer exist.
    pub(super) fn forget_what_is_gone(&self, out: &mut Vec<Action>) {
        for (name, known) in self.view.all() {
            let has_task = |task: &u32| (*task as usize) < known.tasks.len();
            if known.config.is_some() && known.task_statuses.keys().all(has_task) {
                continue;
            }
            let connector = known.status.iter();
            let connector = connector.map(|_| StatusKey::Connector(name.clone()));
            let tasks = known.task_statuses.keys();
            let tasks = tasks.map(|task| StatusKey::Task(TaskId::new(name.clone(), *task)));
            let topics = known.topics.iter().map(|topic| StatusKey::Topic {
                topic: topic.clone(),
                connector: name.clone(),
            });
            for key in connector.chain(tasks).chain(topics) {
                self.forget_if_gone(key, out);
            }
        }
    }

    pub(super) fn write_connector_status(
        &mut self,
        name: &Arc<str>,
        state: RunState,
        trace: Option<String>,
        out: &mut Vec<Action>,
    ) {
        if let Some(instance) = self.instances.get_mut(name) {
            instance.said = Some((state, trace.clone()));
        }
        let known = self.view.known(name);
        let known = known.and_then(|known| known.status.as_ref());
        let status = self.view.status_of(name, state, trace);
        write_status(StatusKey::Connector(name.clone()), status, known, out);
    }

    pub(super) fn write_task_status(
        &mut self,
        id: &TaskId,
        state: RunState,
        trace: Option<String>,
        out: &mut Vec<Action>,
    ) {
        let said = Some((state, trace.clone()));
        self.view.change_slot(id, |slot| slot.said = said);
        let known = self.view.known(&id.connector);
        let known = known.and_then(|known| known.task_statuses.get(&id.task));
        let status = self.view.status_of(&id.connector, state, trace);
        write_status(StatusKey::Task(id.clone()), status, known, out);
    }
}

pub(super) fn write_status(
    key: StatusKey,
    status: Status,
    known: Option<&Arc<Status>>,
    out: &mut Vec<Action>,
) {
    if status.may_follow(known.map(|known| &**known)) {
        let value = Some(StatusValue::Status(status));
        out.push(Action::WriteStatus(StatusRecord { key, value }));
    }
}
