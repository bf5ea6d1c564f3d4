//! The herder: one loop owns the control state; everybody else sends it messages or reads what it publishes. It performs
//! what `state` decides and never waits: whatever takes time goes on beside it and comes back as an event.

mod facts;
pub mod request;
mod settings;
mod shared_map;
mod slot;
pub mod state;
mod view;

use crate::cluster::{Cluster, ConfigRecord, GroupHealth, SessionKey, StatusRecord};
use crate::fencer::Fencer;
use crate::local_tasks::LocalTasks;
use crate::loggers::Loggers;
use crate::metrics::WorkerFacts;
use crate::task::TaskReport;
use futures::FutureExt;
use rand::RngCore;
use request::{Answer, HerderError, Request};
use state::{Action, Event, KeyPolicy, Settings, State, Ticket};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
pub use view::View;

/// Requests that the herder has taken and not answered, and as many that wait for it. Each has a client that waits too,
/// so more would only time out.
const OPEN_REQUESTS: usize = 256;

/// How long a client waits for the herder, as in Java.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(90);

/// Questions whether the loop turns, each of somebody who waits for the answer.
const OPEN_PINGS: usize = 32;

/// Beyond the time that tasks have to stop: for the last statuses.
const LAST_WORDS: Duration = Duration::from_secs(1);

type Reply = oneshot::Sender<Result<Answer, HerderError>>;

/// Sends requests to the herder, and shows what it knows.
#[derive(Clone)]
pub struct HerderHandle {
    requests: mpsc::Sender<(Request, Reply)>,
    pings: mpsc::Sender<oneshot::Sender<()>>,
    published: watch::Receiver<Arc<View>>,
    group_health: watch::Receiver<GroupHealth>,
}

impl HerderHandle {
    /// Asks for a change and waits for its answer.
    pub async fn change(&self, request: Request) -> Result<Answer, HerderError> {
        let (reply, answer) = oneshot::channel();
        let exchange = async {
            self.requests.send((request, reply)).await.ok()?;
            answer.await.ok()
        };
        match tokio::time::timeout(REQUEST_TIMEOUT, exchange).await {
            Ok(Some(answer)) => answer,
            Ok(None) => Err(HerderError::ShuttingDown),
            Err(_) => {
                let view = self.view();
                let stage = view.stage().map(|stage| format!(". {}", stage.sentence()));
                Err(HerderError::TimedOut(stage.unwrap_or_default()))
            }
        }
    }

    /// Returns once the loop has turned, or has ended for good.
    pub async fn turned(&self) {
        let (reply, answer) = oneshot::channel();
        if self.pings.send(reply).await.is_ok() {
            let _ = answer.await;
        }
    }

    /// What the herder knew when it last published: all that answers have told, and more. Waits for nobody.
    pub fn view(&self) -> Arc<View> {
        self.published.borrow().clone()
    }

    /// Returns once there is a connector that needs Kafka; not before if the herder has ended.
    pub(crate) async fn needs_kafka(&self) {
        let mut published = self.published.clone();
        if published.wait_for(|view| view.needs_kafka()).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// What this worker tells of itself in its metrics.
    pub fn facts(&self) -> WorkerFacts {
        self.view().facts(now())
    }

    /// What keeps the group from its work, if it is no matter of waiting.
    pub fn group_error(&self) -> Option<String> {
        self.group_health.borrow().error.clone()
    }
}

/// What the herder shares with others and what it owns.
pub(crate) struct HerderParts {
    pub(crate) settings: Settings,
    pub(crate) tasks: LocalTasks,
    pub(crate) reports: mpsc::Receiver<TaskReport>,
    pub(crate) loggers: Arc<Loggers>,
    pub(crate) fencer: Fencer,
}

pub(crate) struct Herder {
    state: State,
    parts: HerderParts,
    cluster: Cluster,
    requests: mpsc::Receiver<(Request, Reply)>,
    pings: mpsc::Receiver<oneshot::Sender<()>>,
    published: watch::Sender<Arc<View>>,
    replies: HashMap<Ticket, Reply>,
    last_ticket: u64,
    /// What goes on beside the loop: plans being made, and tasks, each until it has stopped.
    work: JoinSet<Event>,
}

impl Herder {
    /// `cluster` is made of what is published.
    pub(crate) fn new(
        parts: HerderParts,
        cluster: impl FnOnce(watch::Receiver<Arc<View>>) -> Cluster,
    ) -> (Herder, HerderHandle) {
        let (sender, requests) = mpsc::channel(OPEN_REQUESTS);
        let (pings_in, pings) = mpsc::channel(OPEN_PINGS);
        let state = State::new(parts.settings.clone());
        let (published, view) = watch::channel(Arc::new(state.view().clone()));
        let cluster = cluster(view.clone());
        let group_health = cluster.group_health.clone();
        let herder = Herder {
            state,
            parts,
            cluster,
            requests,
            pings,
            published,
            replies: HashMap::new(),
            last_ticket: 0,
            work: JoinSet::new(),
        };
        let handle = HerderHandle {
            requests: sender,
            pings: pings_in,
            published: view,
            group_health,
        };
        (herder, handle)
    }

    /// Runs until it is told to shut down, and every task has stopped or `deadline` has passed.
    pub(crate) async fn run(mut self, shutdown: CancellationToken, deadline: Duration) {
        let actions = self.state.begin();
        self.perform(actions);
        while let Some(event) = shutdown.run_until_cancelled(self.event()).await {
            self.handle(event);
        }
        self.handle(Event::Shutdown);
        let end = Instant::now() + deadline + LAST_WORDS;
        while !self.state.has_ended() {
            match tokio::time::timeout_at(end, self.event()).await {
                Ok(event) => self.handle(event),
                Err(_) => {
                    tracing::warn!("some tasks did not stop in time and were abandoned");
                    return;
                }
            }
        }
    }

    /// The next event. What has been decided is published at the latest before this waits.
    async fn event(&mut self) -> Event {
        if let Some(event) = self.next_event().now_or_never() {
            return event;
        }
        self.publish();
        self.next_event().await
    }

    /// What was written is read before anything else, so that every request sees the effects of those before it.
    async fn next_event(&mut self) -> Event {
        let due = self.state.next_due();
        let Cluster {
            configs,
            statuses,
            membership,
            ..
        } = &mut self.cluster;
        loop {
            tokio::select! {
                biased;
                Some(reply) = self.pings.recv() => {
                    // Who went away needs no answer.
                    let _ = reply.send(());
                }
                event = configs.next() => return Event::Config(event),
                event = statuses.next() => return Event::Status(event),
                event = membership.next() => return Event::Group(event),
                Some(report) = self.parts.reports.recv() => return Event::Task(report),
                Some(done) = self.work.join_next(), if !self.work.is_empty() => match done {
                    Ok(event) => return event,
                    Err(error) => tracing::error!(%error, "internal error of the herder"),
                },
                () = tokio::time::sleep(until(due)), if due.is_some() => return Event::Due,
                // Without a listener nobody is left to ask, and the connectors run all the same.
                Some((request, reply)) = self.requests.recv(), if self.replies.len() < OPEN_REQUESTS => {
                    self.last_ticket += 1;
                    let ticket = Ticket(self.last_ticket);
                    self.replies.insert(ticket, reply);
                    return Event::Request(request, ticket);
                }
            }
        }
    }

    fn handle(&mut self, event: Event) {
        let actions = self.state.handle(event, now());
        self.perform(actions);
    }

    fn publish(&self) {
        self.published
            .send_replace(Arc::new(self.state.view().clone()));
    }

    /// Begins what takes time and does the rest.
    fn perform(&mut self, actions: Vec<Action>) {
        // Who has an answer sees what it tells.
        if actions
            .iter()
            .any(|action| matches!(action, Action::Reply(..)))
        {
            self.publish();
        }
        let Cluster {
            configs,
            statuses,
            membership,
            ..
        } = &mut self.cluster;
        for action in actions {
            match action {
                Action::Reply(ticket, answer) => {
                    if let Some(reply) = self.replies.remove(&ticket) {
                        // A client that went away needs no answer.
                        let _ = reply.send(answer);
                    }
                }
                Action::WriteConfig { number, records } => configs.write(number, records),
                Action::WriteSessionKey { number, created } => {
                    let key = self
                        .parts
                        .settings
                        .keys
                        .as_ref()
                        .map(|p| new_key(p, created));
                    configs.write(number, key.into_iter().collect());
                }
                Action::FenceProducers {
                    number,
                    name,
                    tasks,
                } => {
                    let config = self.state.view().info(&name).map(|info| info.config);
                    let fenced = self
                        .parts
                        .fencer
                        .fence(name, config.unwrap_or_default(), tasks);
                    self.work.spawn(async move {
                        let outcome = fenced.await;
                        Event::Fenced { number, outcome }
                    });
                }
                Action::Lead => configs.lead(),
                Action::ReadToEnd(number) => configs.read_to_end(number),
                Action::WriteStatus(record) => {
                    log_status(&record);
                    statuses.write(record);
                }
                Action::FlushStatuses(number) => statuses.flush(number),
                Action::Observe(snapshot) => membership.observe(snapshot),
                Action::Rejoin => membership.rejoin(),
                Action::Released(number) => membership.released(number),
                Action::SubmitTasks {
                    number,
                    name,
                    configs,
                } => membership.submit(number, name, configs),
                Action::Leave => membership.leave(),
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
                Action::StartTask(start) => {
                    let (id, instance) = (start.id.clone(), start.instance);
                    let life = self.parts.tasks.start(start);
                    self.work.spawn(async move {
                        life.await;
                        Event::TaskStopped { id, instance }
                    });
                }
                Action::PauseTask(id) => self.parts.tasks.pause(&id),
                Action::ResumeTask(id) => self.parts.tasks.resume(&id),
                Action::StopTask { id, instance } => {
                    // One that is gone already, which a bug alone brings about, has stopped too.
                    if !self.parts.tasks.stop(&id, instance) {
                        self.work
                            .spawn(async move { Event::TaskStopped { id, instance } });
                    }
                }
                Action::SetLogger { namespace, level } => {
                    if let Err(error) = self.parts.loggers.set(&namespace, &level, now()) {
                        tracing::warn!(%error, "a log level of the cluster is not known here");
                    }
                }
            }
        }
    }
}

fn new_key(policy: &KeyPolicy, created: i64) -> ConfigRecord {
    let mut key = vec![0; policy.length];
    rand::rng().fill_bytes(&mut key);
    ConfigRecord::SessionKey(SessionKey {
        key: key.into(),
        algorithm: policy.algorithm.clone(),
        created,
    })
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
