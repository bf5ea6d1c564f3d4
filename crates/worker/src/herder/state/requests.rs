//! Requests: checked against what is known, then turned into records that every worker reads.

use super::*;
use std::fmt::Display;

/// What Java's standalone worker says when a connector that it needs is not there.
const STANDALONE_NO_CONFIG: &str =
    "Cannot invoke \"java.util.Map.get(Object)\" because \"connProps\" is null";

/// `None`: the answer comes later.
type Outcome = Result<Option<Answer>, HerderError>;

impl State {
    pub(super) fn on_request(&mut self, request: Request, ticket: Ticket, out: &mut Vec<Action>) {
        let outcome = match request {
            Request::Put(put) => self.put(put, ticket, out),
            Request::Delete(name) => self.delete(name, out),
            Request::SetTarget(name, target) => self.set_target(name, target, out),
            Request::Stop(name) => self.stop(name, out),
            Request::RestartConnector(name) => self.restart_connector(&name, ticket, out),
            Request::Restart {
                name,
                include_tasks,
                only_failed,
            } => self.restart(name, include_tasks, only_failed, out),
            Request::RestartTask(id) => self.restart_one_task(&id, out),
            Request::ResetTopics(name) => self.reset_topics(&name, out),
            Request::SetClusterLogger { namespace, level } => {
                let record = ConfigRecord::Logger { namespace, level };
                out.push(Action::WriteConfig(vec![record]));
                DONE
            }
        };
        match outcome {
            Ok(Some(answer)) => out.push(Action::Reply(ticket, Ok(answer))),
            Ok(None) => {}
            Err(error) => out.push(Action::Reply(ticket, Err(error))),
        }
    }

    fn put(&mut self, put: Put, ticket: Ticket, out: &mut Vec<Action>) -> Outcome {
        let Put { name, config, .. } = put;
        let before = self.info(&name);
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
        out.push(Action::WriteConfig(records));
        match self.settings.flavour {
            Flavour::Standalone => {
                self.wait_for(&name, ticket, Some(is_new));
                Ok(None)
            }
            // The tasks of the answer are those from before.
            Flavour::Distributed => {
                let class = config.get("connector.class").unwrap_or_default();
                let info = ConnectorInfo {
                    is_sink: self.settings.registry.connector(class).is_ok(),
                    name,
                    config,
                    tasks: before.map_or(0, |info| info.tasks),
                };
                Ok(Some(Answer::Connector { info, is_new }))
            }
        }
    }

    fn delete(&mut self, name: Arc<str>, out: &mut Vec<Action>) -> Outcome {
        if self.config(&name).is_none() {
            return Err(HerderError::NotFound(format!("Connector {name} not found")));
        }
        out.push(Action::WriteConfig(vec![
            ConfigRecord::Connector {
                name: name.clone(),
                config: None,
            },
            ConfigRecord::Target { name, state: None },
        ]));
        DONE
    }

    fn set_target(
        &mut self,
        name: Arc<str>,
        target: TargetState,
        out: &mut Vec<Action>,
    ) -> Outcome {
        if self.config(&name).is_none() {
            return Err(HerderError::NotFound(format!("Unknown connector {name}")));
        }
        out.push(Action::WriteConfig(vec![ConfigRecord::Target {
            name,
            state: Some(target),
        }]));
        DONE
    }

    fn stop(&mut self, name: Arc<str>, out: &mut Vec<Action>) -> Outcome {
        if self.config(&name).is_none() {
            return Err(self.by_flavour(
                HerderError::Failed(format!("No connector `{name}` configured")),
                HerderError::NotFound(format!("Unknown connector {name}")),
            ));
        }
        out.push(Action::WriteConfig(vec![
            ConfigRecord::Tasks {
                name: name.clone(),
                configs: Vec::new(),
            },
            ConfigRecord::Target {
                name,
                state: Some(TargetState::Stopped),
            },
        ]));
        DONE
    }

    fn restart_connector(
        &mut self,
        name: &Arc<str>,
        ticket: Ticket,
        out: &mut Vec<Action>,
    ) -> Outcome {
        if self.config(name).is_none() {
            return Err(self.by_flavour(
                HerderError::Failed(STANDALONE_NO_CONFIG.to_owned()),
                HerderError::NotFound(format!("Unknown connector: {name}")),
            ));
        }
        self.wait_for(name, ticket, None);
        self.start_connector(name, out);
        Ok(None)
    }

    fn restart(
        &mut self,
        name: Arc<str>,
        include_tasks: bool,
        only_failed: bool,
        out: &mut Vec<Action>,
    ) -> Outcome {
        if self.config(&name).is_none() {
            return Err(HerderError::NotFound(format!("Unknown connector: {name}")));
        }
        let plan = self.restart_plan(&name, include_tasks, only_failed);
        let (Some((with_connector, tasks)), Some(mut state)) = (plan, self.state(&name)) else {
            let why = format!("Status for connector {name} not found");
            return Err(HerderError::NotFound(why));
        };
        if with_connector {
            state.connector.state = RunState::Restarting;
        }
        for (number, task) in &mut state.tasks {
            if tasks.iter().any(|id| id.task == *number) {
                task.status.state = RunState::Restarting;
                task.trouble = None;
            }
        }
        out.push(Action::WriteConfig(vec![ConfigRecord::Restart {
            name,
            include_tasks,
            only_failed,
        }]));
        Ok(Some(Answer::Restarting(state)))
    }

    fn restart_one_task(&mut self, id: &TaskId, out: &mut Vec<Action>) -> Outcome {
        let connector = self.connectors.get(&id.connector);
        if connector.is_none_or(|connector| id.task as usize >= connector.tasks.len()) {
            return Err(self.no_such_task(&id.connector, id.task));
        }
        self.restart_task(id, out);
        DONE
    }

    /// Why a task cannot be restarted that the connector does not have, or whose connector there is not.
    pub(crate) fn no_such_task(&self, connector: &str, task: impl Display) -> HerderError {
        if !self.connectors.contains_key(connector) {
            return self.by_flavour(
                HerderError::Failed(STANDALONE_NO_CONFIG.to_owned()),
                HerderError::NotFound(format!("Unknown connector: {connector}")),
            );
        }
        self.by_flavour(
            HerderError::NotFound(format!("Task {connector}-{task} not found")),
            HerderError::NotFound(format!("Unknown task: {connector}-{task}")),
        )
    }

    fn reset_topics(&mut self, name: &Arc<str>, out: &mut Vec<Action>) -> Outcome {
        out.extend(self.topics(name).into_iter().map(|topic| {
            let connector = name.clone();
            let key = StatusKey::Topic { topic, connector };
            Action::WriteStatus(StatusRecord { key, value: None })
        }));
        DONE
    }

    fn wait_for(&mut self, name: &Arc<str>, ticket: Ticket, created: Option<bool>) {
        let waiting = self.waiting.entry(name.clone()).or_default();
        waiting.push(Waiting { ticket, created });
    }

    fn by_flavour(&self, standalone: HerderError, distributed: HerderError) -> HerderError {
        match self.settings.flavour {
            Flavour::Standalone => standalone,
            Flavour::Distributed => distributed,
        }
    }
}

const DONE: Outcome = Ok(Some(Answer::Done));
