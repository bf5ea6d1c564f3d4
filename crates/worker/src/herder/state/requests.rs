//! Requests: checked against what is known, then turned into records that every worker reads.

use super::super::view::STANDALONE_NO_CONFIG;
use super::writes::Then;
use super::*;

/// `None`: the answer comes later.
pub(super) type Outcome = Result<Option<Answer>, HerderError>;

impl State {
    pub(super) fn on_request(&mut self, request: Request, ticket: Ticket, out: &mut Vec<Action>) {
        let meanwhile = request.during_a_rebalance();
        let reply = |error| Action::Reply(ticket, Err(error));
        if self.is_ending {
            out.push(reply(HerderError::ShuttingDown));
        } else if !self.is_caught_up || (self.is_rebalancing && meanwhile == DuringRebalance::Waits)
        {
            self.queued.push_back((request, ticket));
        } else if self.is_rebalancing && meanwhile == DuringRebalance::Refused {
            out.push(reply(HerderError::Rebalancing));
        } else {
            let connector = request.connector();
            match connector.and_then(|connector| self.busy.get_mut(connector)) {
                Some(busy) => busy.push_back((request, ticket)),
                None => self.decide(request, ticket, out),
            }
        }
    }

    /// Does what is asked, or refuses it.
    pub(super) fn decide(&mut self, request: Request, ticket: Ticket, out: &mut Vec<Action>) {
        let outcome = match request {
            Request::Put(put) => self.put(put, ticket, out),
            Request::Delete(name) => self.delete(name, ticket, out),
            Request::SetTarget(name, target) => self.set_target(name, target, ticket, out),
            Request::Stop(name) => self.stop(name, ticket, out),
            Request::RestartConnector(name) => self.restart_connector(&name, ticket, out),
            Request::Restart {
                name,
                include_tasks,
                only_failed,
            } => self.restart(name, include_tasks, only_failed, ticket, out),
            Request::RestartTask(id) => self.restart_one_task(&id, out),
            Request::ResetTopics(name) => self.reset_topics(&name, out),
            Request::SetClusterLogger { namespace, level } => {
                let record = ConfigRecord::Logger { namespace, level };
                let then = Then::Answer(ticket, Answer::Done);
                self.write(None, vec![record], then, out);
                LATER
            }
            Request::SetTasks { name, configs } => self.set_tasks(name, configs, ticket, out),
            Request::Fence(name) => self.fence(name, ticket, out),
            Request::Lead { .. } => self
                .check_leads("Only the leader can process this request.")
                .map(|()| Some(Answer::Done)),
            Request::Health => {
                self.healths.push((ticket, self.last_number));
                LATER
            }
        };
        match outcome {
            Ok(Some(answer)) => out.push(Action::Reply(ticket, Ok(answer))),
            Ok(None) => {}
            Err(error) => out.push(Action::Reply(ticket, Err(error))),
        }
    }

    fn put(&mut self, put: Put, ticket: Ticket, out: &mut Vec<Action>) -> Outcome {
        self.check_leads("Only the leader can set connector configs.")?;
        let Put { name, config, .. } = put;
        let before = self.view.info(&name);
        let is_new = before.is_none();
        if !is_new && !put.may_replace {
            return Err(HerderError::AlreadyExists(name));
        }
        let mut records = Vec::new();
        if let Some(state) = put.initial_state {
            records.push(ConfigRecord::Target {
                name: name.clone(),
                state: Some(state),
            });
        }
        records.push(ConfigRecord::Connector {
            name: name.clone(),
            config: Some(config.clone()),
        });
        let then = match self.view.settings.mode {
            WorkerMode::Standalone => Then::AnswerOnceStarted(ticket, is_new),
            // The tasks of the answer are those from before.
            WorkerMode::Distributed => {
                let class = config.get("connector.class").unwrap_or_default();
                let registry = &self.view.settings.registry;
                let info = ConnectorInfo {
                    kind: registry.connector(class).ok().map(|c| c.role().kind()),
                    name: name.clone(),
                    config,
                    tasks: before.map_or(0, |info| info.tasks),
                };
                Then::Answer(ticket, Answer::Connector { info, is_new })
            }
        };
        self.write(Some(name), records, then, out);
        LATER
    }

    fn delete(&mut self, name: Arc<str>, ticket: Ticket, out: &mut Vec<Action>) -> Outcome {
        self.check_leads("Only the leader can delete connector configs.")?;
        if self.view.config(&name).is_none() {
            return Err(HerderError::NotFound(format!("Connector {name} not found")));
        }
        let records = vec![
            ConfigRecord::Connector {
                name: name.clone(),
                config: None,
            },
            ConfigRecord::Target {
                name: name.clone(),
                state: None,
            },
        ];
        self.write_and_answer(name, records, ticket, out)
    }

    fn set_target(
        &mut self,
        name: Arc<str>,
        target: TargetState,
        ticket: Ticket,
        out: &mut Vec<Action>,
    ) -> Outcome {
        if self.view.config(&name).is_none() {
            return Err(HerderError::NotFound(format!("Unknown connector {name}")));
        }
        let records = vec![ConfigRecord::Target {
            name: name.clone(),
            state: Some(target),
        }];
        self.write_and_answer(name, records, ticket, out)
    }

    fn stop(&mut self, name: Arc<str>, ticket: Ticket, out: &mut Vec<Action>) -> Outcome {
        if self.view.config(&name).is_none() {
            return Err(self.view.by_mode(
                HerderError::Failed(format!("No connector `{name}` configured")),
                HerderError::NotFound(format!("Unknown connector {name}")),
            ));
        }
        self.check_leads("Only the leader can transition connectors to the STOPPED state.")?;
        let records = vec![
            ConfigRecord::Tasks {
                name: name.clone(),
                configs: Vec::new(),
            },
            ConfigRecord::Target {
                name: name.clone(),
                state: Some(TargetState::Stopped),
            },
        ];
        self.write_and_answer(name, records, ticket, out)
    }

    fn restart_connector(
        &mut self,
        name: &Arc<str>,
        ticket: Ticket,
        out: &mut Vec<Action>,
    ) -> Outcome {
        if self.view.config(name).is_none() {
            return Err(self.view.by_mode(
                HerderError::Failed(STANDALONE_NO_CONFIG.to_owned()),
                HerderError::NotFound(format!("Unknown connector: {name}")),
            ));
        }
        if !self.assigned.connectors.contains(name) {
            let why = "Cannot restart connector since it is not assigned to this member";
            return Err(self.not_here(why, |owners| owners.connectors.get(name)));
        }
        self.wait_for(name, ticket, None);
        self.say_ended(name, out);
        self.start_connector(name, out);
        LATER
    }

    fn restart(
        &mut self,
        name: Arc<str>,
        include_tasks: bool,
        only_failed: bool,
        ticket: Ticket,
        out: &mut Vec<Action>,
    ) -> Outcome {
        if self.view.config(&name).is_none() {
            return Err(HerderError::NotFound(format!("Unknown connector: {name}")));
        }
        self.check_leads("Only the leader can process restart requests.")?;
        let plan = self.restart_plan(&name, include_tasks, only_failed);
        let (Some((with_connector, tasks)), Some(mut state)) = (plan, self.view.state(&name))
        else {
            let why = format!("Status for connector {name} not found");
            return Err(HerderError::NotFound(why));
        };
        if with_connector {
            state.connector.state = RunState::Restarting;
        }
        for (number, task) in &mut state.tasks {
            if tasks.contains(number) {
                task.status.state = RunState::Restarting;
                task.outage = None;
            }
        }
        let records = vec![ConfigRecord::Restart {
            name: name.clone(),
            include_tasks,
            only_failed,
        }];
        let then = Then::Answer(ticket, Answer::Restarting(state));
        self.write(Some(name), records, then, out);
        LATER
    }

    fn restart_one_task(&mut self, id: &TaskId, out: &mut Vec<Action>) -> Outcome {
        if !self.view.has_task(id) {
            return Err(self.view.no_such_task(&id.connector, id.task));
        }
        if !self.assigned.tasks.contains(id) {
            let why = "Cannot restart task since it is not assigned to this member";
            return Err(self.not_here(why, |owners| owners.tasks.get(id)));
        }
        self.restart_task(id, out);
        Ok(Some(Answer::Done))
    }

    fn reset_topics(&mut self, name: &Arc<str>, out: &mut Vec<Action>) -> Outcome {
        out.extend(self.view.topics(name).into_iter().map(|topic| {
            let connector = name.clone();
            let key = StatusKey::Topic { topic, connector };
            Action::WriteStatus(StatusRecord { key, value: None })
        }));
        Ok(Some(Answer::Done))
    }

    fn set_tasks(
        &mut self,
        name: Arc<str>,
        configs: Vec<Properties>,
        ticket: Ticket,
        out: &mut Vec<Action>,
    ) -> Outcome {
        self.check_leads("Only the leader may write task configurations.")?;
        let known = self
            .view
            .known(&name)
            .filter(|known| known.config.is_some());
        let Some(known) = known else {
            return Err(HerderError::NotFound(format!("Connector {name} not found")));
        };
        if known.target == TargetState::Stopped && !configs.is_empty() {
            return Err(HerderError::BadRequest(format!(
                "Cannot submit non-empty set of task configs for stopped connector {name}"
            )));
        }
        // As in Java, whoever sets them has the last word, until the connector plans them anew.
        let instance = self.instances.get_mut(&name);
        if let Some(planned) = instance.and_then(|instance| instance.planned.as_mut()) {
            *planned = Arc::new(configs.clone());
        }
        let records = vec![ConfigRecord::Tasks {
            name: name.clone(),
            configs,
        }];
        self.write_and_answer(name, records, ticket, out)
    }

    fn write_and_answer(
        &mut self,
        name: Arc<str>,
        records: Vec<ConfigRecord>,
        ticket: Ticket,
        out: &mut Vec<Action>,
    ) -> Outcome {
        let then = Then::Answer(ticket, Answer::Done);
        self.write(Some(name), records, then, out);
        LATER
    }

    pub(super) fn check_leads(&self, why: &'static str) -> Result<(), HerderError> {
        match &self.leader {
            Leader::Here(_) => Ok(()),
            Leader::At(_) | Leader::Unknown => Err(self.not_here(why, |_| None)),
        }
    }

    /// To be asked of whoever runs it, whom the leader knows; so everybody else asks the leader.
    fn not_here<'a>(
        &'a self,
        why: &'static str,
        owner: impl FnOnce(&'a Owners) -> Option<&'a Arc<str>>,
    ) -> HerderError {
        let url = match &self.leader {
            Leader::Here(owners) => owner(owners),
            Leader::At(url) => Some(url),
            Leader::Unknown => None,
        };
        HerderError::NotHere {
            why,
            url: url.cloned(),
        }
    }
}

pub(super) const LATER: Outcome = Ok(None);
