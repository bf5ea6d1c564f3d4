//! The herder: one loop owns the control state; everybody else sends it messages. It performs what `state` decides.

pub mod request;
pub mod state;

use crate::cluster::{ConfigRecord, ConfigStore, Membership, StatusRecord, StatusStore};
use crate::local_tasks::LocalTasks;
use crate::loggers::Loggers;
use crate::task::TaskReport;
use request::{Answer, HerderError, Request};
use state::{Action, Event, Settings, State, Ticket};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Requests that wait for the herder. Each has a client that waits too, so more would only time out.
const QUEUED_MESSAGES: usize = 256;

/// How long a client waits for the herder, as in Java.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(90);

type Reply = oneshot::Sender<Result<Answer, HerderError>>;

enum Message {
    Change(Request, Reply),
    Read(Box<dyn FnOnce(&State) + Send>),
}

/// Sends requests to the herder.
#[derive(Clone)]
pub struct HerderHandle(mpsc::Sender<Message>);

impl HerderHandle {
    /// Asks for a change and waits for its answer.
    pub async fn change(&self, request: Request) -> Result<Answer, HerderError> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Change(request, reply), answer).await?
    }

    /// Reads from the herder's state.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&State) -> T + Send + 'static,
    ) -> Result<T, HerderError> {
        let (reply, answer) = oneshot::channel();
        let read = Box::new(move |state: &State| {
            // A client that went away needs no answer.
            let _ = reply.send(read(state));
        });
        self.send(Message::Read(read), answer).await
    }

    async fn send<T>(
        &self,
        message: Message,
        answer: oneshot::Receiver<T>,
    ) -> Result<T, HerderError> {
        let exchange = async {
            self.0.send(message).await.ok()?;
            answer.await.ok()
        };
        match tokio::time::timeout(REQUEST_TIMEOUT, exchange).await {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(HerderError::ShuttingDown),
            Err(_) => Err(HerderError::TimedOut),
        }
    }
}

/// What the herder shares with others and what it owns.
pub(crate) struct HerderParts {
    pub(crate) settings: Settings,
    pub(crate) configs: Box<dyn ConfigStore>,
    pub(crate) statuses: Box<dyn StatusStore>,
    pub(crate) membership: Box<dyn Membership>,
    pub(crate) tasks: LocalTasks,
    pub(crate) reports: mpsc::Receiver<TaskReport>,
    pub(crate) loggers: Arc<Loggers>,
}

pub(crate) struct Herder {
    state: State,
    parts: HerderParts,
    messages: mpsc::Receiver<Message>,
    replies: HashMap<Ticket, Reply>,
    last_ticket: u64,
    /// Work that takes long: planning tasks, and waiting for tasks to end.
    work: JoinSet<Event>,
}

impl Herder {
    pub(crate) fn new(parts: HerderParts) -> (Herder, HerderHandle) {
        let (sender, messages) = mpsc::channel(QUEUED_MESSAGES);
        let herder = Herder {
            state: State::new(parts.settings.clone()),
            parts,
            messages,
            replies: HashMap::new(),
            last_ticket: 0,
            work: JoinSet::new(),
        };
        (herder, HerderHandle(sender))
    }

    /// Runs until it is told to shut down, then stops every task within the deadline.
    pub(crate) async fn run(mut self, shutdown: CancellationToken, deadline: Duration) {
        while let Some(event) = self.next_event(&shutdown).await {
            let actions = self.state.handle(event, now());
            self.perform(actions).await;
        }
        // Tasks may still report; nobody listens any more, and so they do not wait either.
        self.parts.reports.close();
        let stopping = async { while self.work.join_next().await.is_some() {} };
        let stopped = self.parts.tasks.stop_all(deadline);
        let both = async { tokio::join!(stopped, stopping) };
        if tokio::time::timeout(deadline, both).await.is_err() {
            tracing::warn!("some tasks did not end in time and were abandoned");
        }
    }

    /// What was written is read before anything else, so that every request sees the effects of those before it.
    async fn next_event(&mut self, shutdown: &CancellationToken) -> Option<Event> {
        loop {
            let due = until(self.state.next_due());
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return None,
                record = self.parts.configs.next() => return Some(Event::Config(record)),
                record = self.parts.statuses.next() => return Some(Event::Status(record)),
                assignment = self.parts.membership.next() => return Some(Event::Assigned(assignment)),
                Some(report) = self.parts.reports.recv() => return Some(Event::Task(report)),
                Some(done) = self.work.join_next(), if !self.work.is_empty() => match done {
                    Ok(event) => return Some(event),
                    Err(error) => tracing::error!(%error, "the herder's work ended by a bug"),
                },
                () = tokio::time::sleep(due), if self.state.next_due().is_some() => return Some(Event::Due),
                // Without a listener nobody is left to ask, and the connectors run all the same.
                Some(message) = self.messages.recv() => match message {
                    Message::Change(request, reply) => {
                        self.last_ticket += 1;
                        let ticket = Ticket(self.last_ticket);
                        self.replies.insert(ticket, reply);
                        return Some(Event::Request(request, ticket));
                    }
                    Message::Read(read) => read(&self.state),
                },
            }
        }
    }

    async fn perform(&mut self, actions: Vec<Action>) {
        // Once a write has failed, the answer that follows it is not true any more.
        let mut failed_write = None;
        for action in actions {
            match action {
                Action::Reply(ticket, answer) => {
                    let answer = match &failed_write {
                        Some(why) => Err(HerderError::Failed(String::clone(why))),
                        None => answer,
                    };
                    if let Some(reply) = self.replies.remove(&ticket) {
                        // A client that went away needs no answer.
                        let _ = reply.send(answer);
                    }
                }
                Action::WriteConfig(records) => failed_write = self.write_config(records).await,
                Action::WriteStatus(record) => self.write_status(record).await,
                Action::Rejoin(inventory) => self.parts.membership.rejoin(inventory),
                Action::PlanTasks {
                    name,
                    attempt,
                    config,
                } => {
                    let plan = self.parts.tasks.plan(name.clone(), config);
                    self.work.spawn(async move {
                        let outcome = plan.await;
                        Event::Planned {
                            name,
                            attempt,
                            outcome,
                        }
                    });
                }
                Action::StartTask(start) => self.parts.tasks.start(start).await,
                Action::PauseTask(id) => self.parts.tasks.pause(&id),
                Action::ResumeTask(id) => self.parts.tasks.resume(&id),
                Action::StopTask { id, instance } => {
                    let stopped = self.parts.tasks.stop(&id);
                    self.work.spawn(async move {
                        stopped.await;
                        Event::TaskStopped { id, instance }
                    });
                }
                Action::SetLogger { namespace, level } => {
                    if let Err(error) = self.parts.loggers.set(&namespace, &level, now()) {
                        tracing::warn!(%error, "a log level of the cluster is not known here");
                    }
                }
            }
        }
    }

    async fn write_config(&mut self, records: Vec<ConfigRecord>) -> Option<String> {
        let error = self.parts.configs.write(records).await.err()?;
        tracing::error!(%error, "cannot write the shared configuration");
        Some(error.to_string())
    }

    async fn write_status(&mut self, record: StatusRecord) {
        log_status(&record);
        if let Err(error) = self.parts.statuses.write(record).await {
            tracing::error!(%error, "cannot write a status");
        }
    }
}

fn log_status(record: &StatusRecord) {
    use crate::cluster::{RunState, StatusKey, StatusValue};
    let Some(StatusValue::Status(status)) = &record.value else {
        return;
    };
    let (state, trace) = (status.state.name(), status.trace.as_deref().unwrap_or(""));
    match &record.key {
        StatusKey::Connector(connector) if status.state == RunState::Failed => {
            tracing::error!(%connector, error = trace, "connector failed");
        }
        StatusKey::Connector(connector) => tracing::info!(%connector, state, "connector"),
        StatusKey::Task(id) if status.state == RunState::Failed => {
            tracing::error!(connector = %id.connector, task = id.task, error = trace, "task failed");
        }
        StatusKey::Task(id) => {
            tracing::info!(connector = %id.connector, task = id.task, state, "task");
        }
        StatusKey::Topic { .. } => {}
    }
}

/// The time until then; without a time, long enough to never matter.
fn until(due: Option<i64>) -> Duration {
    due.map_or(REQUEST_TIMEOUT, |due| {
        Duration::from_millis(u64::try_from(due - now()).unwrap_or(0))
    })
}

/// Epoch milliseconds; this loop is one of the places that hand the time down.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64)
}
