//! Writes to the shared configuration: under way beside the loop, one at a time for each connector, so that whoever asks
//! for something sees what was asked before.

use super::*;

/// The first pause after a connector's tasks could not be written; it doubles up to the longest, as in Java.
const FIRST_PAUSE_MS: i64 = 250;
const LONGEST_PAUSE_MS: i64 = 60_000;

/// A write that is under way.
pub(super) struct Write {
    /// The connector that is busy with it.
    name: Option<Arc<str>>,
    then: Then,
}

/// What follows a write. One that failed is answered with its error.
pub(super) enum Then {
    Answer(Ticket, Answer),
    /// The answer waits for the connector to start. Whether it is new.
    AnswerOnceStarted(Ticket, bool),
    /// The settings of tasks: nobody has asked, so it is tried again.
    Retry,
    /// A session key: likewise.
    RenewKey,
    /// No write yet: the producers of former tasks are shut out, and then the number of these tasks is written.
    RecordFencing(Ticket, Arc<Vec<Properties>>),
}

impl Write {
    /// In Java's words.
    pub(super) fn stage(&self) -> String {
        match (&self.then, &self.name) {
            (Then::RenewKey, _) => "writing a new session key to the config topic".to_owned(),
            (Then::RecordFencing(..), Some(name)) => {
                format!("fencing out previous tasks of connector {name}")
            }
            (_, Some(name)) => {
                format!("writing a config for connector {name} to the config topic")
            }
            (_, None) => "writing to the config topic".to_owned(),
        }
    }
}

impl State {
    pub(super) fn write(
        &mut self,
        name: Option<Arc<str>>,
        records: Vec<ConfigRecord>,
        then: Then,
        out: &mut Vec<Action>,
    ) -> u64 {
        let number = self.begin_write(name, then);
        out.push(Action::WriteConfig { number, records });
        number
    }

    /// The number of a write whose action is the caller's to add.
    pub(super) fn begin_write(&mut self, name: Option<Arc<str>>, then: Then) -> u64 {
        let number = self.next_number();
        if let Some(name) = &name {
            self.busy.entry(name.clone()).or_default();
        }
        self.writes.insert(number, Write { name, then });
        number
    }

    pub(super) fn on_written(
        &mut self,
        number: u64,
        outcome: Result<(), StoreError>,
        now: i64,
        out: &mut Vec<Action>,
    ) {
        let Some(Write { name, then }) = self.writes.remove(&number) else {
            return;
        };
        match (then, outcome) {
            (Then::Answer(ticket, answer), Ok(())) => out.push(Action::Reply(ticket, Ok(answer))),
            (Then::AnswerOnceStarted(ticket, is_new), Ok(())) => {
                if let Some(name) = &name {
                    self.wait_for(name, ticket, Some(is_new));
                }
            }
            (Then::RecordFencing(ticket, tasks), Ok(())) => {
                if let Some(name) = name {
                    self.on_fenced(name, &tasks, ticket, out);
                }
                return;
            }
            (
                Then::Answer(ticket, _)
                | Then::AnswerOnceStarted(ticket, _)
                | Then::RecordFencing(ticket, _),
                Err(error),
            ) => {
                let error = HerderError::Failed(error.to_string());
                out.push(Action::Reply(ticket, Err(error)));
            }
            (Then::RenewKey, outcome) => self.on_key_written(outcome.is_ok(), now),
            (Then::Retry, outcome) => {
                if let Some(name) = &name {
                    self.on_handed_over(name, number, outcome, now);
                }
            }
        }
        if let Some(name) = name {
            self.go_on_with(&name, out);
        }
    }

    /// The worker ends, and nobody will hear what comes of them.
    pub(super) fn give_up_writes(&mut self, out: &mut Vec<Action>) {
        for write in std::mem::take(&mut self.writes).into_values() {
            match write.then {
                Then::Answer(ticket, _)
                | Then::AnswerOnceStarted(ticket, _)
                | Then::RecordFencing(ticket, _) => {
                    out.push(Action::Reply(ticket, Err(HerderError::ShuttingDown)));
                }
                Then::Retry | Then::RenewKey => {}
            }
        }
    }

    /// The connector is not busy any more: those who waited get their turn, until one of them writes.
    pub(super) fn go_on_with(&mut self, name: &Arc<str>, out: &mut Vec<Action>) {
        let mut waiting = self.busy.remove(name).unwrap_or_default();
        while let Some((request, ticket)) = waiting.pop_front() {
            self.decide(request, ticket, out);
            if let Some(busy) = self.busy.get_mut(name) {
                busy.append(&mut waiting);
            }
        }
        self.hand_over_tasks(name, out);
    }

    /// Has the settings of a connector's tasks written, if they are not what the connector wants them to be: by this
    /// worker if it leads, else by the leader.
    pub(super) fn hand_over_tasks(&mut self, name: &Arc<str>, out: &mut Vec<Action>) {
        let (Some(instance), Some(known)) = (self.instances.get(name), self.view.known(name))
        else {
            return;
        };
        let is_settled = instance.planning.is_none()
            && instance.handing.is_none()
            && instance.retry_at.is_none();
        let wanted = match known.target {
            TargetState::Started => instance.planned.clone(),
            // They are looked at again once it goes on.
            TargetState::Paused => None,
            TargetState::Stopped => Some(Arc::default()),
        };
        let Some(wanted) = wanted.filter(|wanted| is_settled && *wanted != known.tasks) else {
            return;
        };
        if self.is_rebalancing || self.busy.contains_key(name) {
            return;
        }
        let (name, configs) = (name.clone(), wanted.to_vec());
        let number = match &self.leader {
            Leader::Unknown => return,
            Leader::Here(_) => {
                let records = vec![ConfigRecord::Tasks {
                    name: name.clone(),
                    configs,
                }];
                self.write(Some(name.clone()), records, Then::Retry, out)
            }
            Leader::At(_) => {
                let number = self.next_number();
                out.push(Action::SubmitTasks {
                    number,
                    name: name.clone(),
                    configs,
                });
                number
            }
        };
        if let Some(instance) = self.instances.get_mut(&name) {
            instance.handing = Some(number);
        }
    }

    /// What came of `Action::SubmitTasks`. The connector may want other settings by now.
    pub(super) fn on_submitted(
        &mut self,
        number: u64,
        outcome: Result<(), StoreError>,
        now: i64,
        out: &mut Vec<Action>,
    ) {
        let mut instances = self.instances.iter();
        let found = instances.find(|(_, instance)| instance.handing == Some(number));
        if let Some(name) = found.map(|(name, _)| name.clone()) {
            self.on_handed_over(&name, number, outcome, now);
            self.hand_over_tasks(&name, out);
        }
    }

    fn on_handed_over(
        &mut self,
        name: &Arc<str>,
        number: u64,
        outcome: Result<(), StoreError>,
        now: i64,
    ) {
        let instance = self.instances.get_mut(name);
        let Some(instance) = instance.filter(|instance| instance.handing == Some(number)) else {
            return;
        };
        instance.handing = None;
        if outcome.is_ok() {
            instance.failed_times = 0;
            return;
        }
        let pause = FIRST_PAUSE_MS << instance.failed_times.min(16);
        instance.failed_times += 1;
        instance.retry_at = Some(now + pause.min(LONGEST_PAUSE_MS));
    }
}
