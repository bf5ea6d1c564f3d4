//! Fencing: before the tasks of an exactly-once source start, the producers of its former tasks are shut out, and the
//! number of those that are to come is recorded.

use super::requests::{LATER, Outcome};
use super::writes::Then;
use super::*;
use millstream_core::ConnectorKind;

impl State {
    /// Former tasks of which nobody has recorded the number have nothing to be shut out of, and one that follows one
    /// takes its place in Kafka.
    pub(super) fn fence(
        &mut self,
        name: Arc<str>,
        ticket: Ticket,
        out: &mut Vec<Action>,
    ) -> Outcome {
        self.check_leads("Only the leader may perform zombie fencing.")?;
        let known = self.view.known(&name);
        let Some(known) = known.filter(|known| known.config.is_some()) else {
            return Err(HerderError::NotFound(format!("Connector {name} not found")));
        };
        if self.view.kind(&name) == Some(ConnectorKind::Sink) {
            return Err(HerderError::BadRequest(format!(
                "Connector {name} is not a source connector"
            )));
        }
        if !known.is_unfenced {
            return Ok(Some(Answer::Done));
        }
        let tasks = known.tasks.clone();
        match known
            .fenced
            .filter(|former| (*former, tasks.len()) != (1, 1))
        {
            None => self.record_fencing(name, tasks.len() as u32, ticket, out),
            Some(former) => {
                let then = Then::RecordFencing(ticket, tasks);
                let number = self.begin_write(Some(name.clone()), then);
                out.push(Action::FenceProducers {
                    number,
                    name,
                    tasks: former,
                });
            }
        }
        LATER
    }

    /// The producers were shut out. Tasks that were set meanwhile may have started before that.
    pub(super) fn on_fenced(
        &mut self,
        name: Arc<str>,
        tasks: &Arc<Vec<Properties>>,
        ticket: Ticket,
        out: &mut Vec<Action>,
    ) {
        let known = self.view.known(&name);
        if known.is_some_and(|known| Arc::ptr_eq(&known.tasks, tasks)) {
            return self.record_fencing(name, tasks.len() as u32, ticket, out);
        }
        let error = HerderError::Conflict(
            "Failed to complete zombie fencing because a new set of task configs was generated",
        );
        out.push(Action::Reply(ticket, Err(error)));
        self.go_on_with(&name, out);
    }

    fn record_fencing(
        &mut self,
        name: Arc<str>,
        tasks: u32,
        ticket: Ticket,
        out: &mut Vec<Action>,
    ) {
        let record = ConfigRecord::Fenced {
            name: name.clone(),
            tasks,
        };
        let then = Then::Answer(ticket, Answer::Done);
        self.write(Some(name), vec![record], then, out);
    }
}
