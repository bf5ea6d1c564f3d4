//! HealthPort: answers probes for the worker of this process, from what the herder publishes. It is open before the worker
//! starts and until everything has ended, so that a process that waits for its brokers or drains is not taken for dead.

use super::config::HealthSettings;
use super::http::{response, routed};
use super::seen::{alarms_of, statuses, tell};
use super::task_watch::TaskWatch;
use crate::auth::Authenticator;
use crate::cluster::RunState;
use crate::config::{Listener, WorkerConfigError, WorkerSettings};
use crate::herder::HerderHandle;
use crate::metrics::MetricsSource;
use crate::rest::{Limits, PROMETHEUS_TEXT, Server, may_pass, refused};
use crate::task::TaskId;
use crate::tls::{self, ServerTls};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use millstream_health::{Alarm, Reply, Route, TaskSample, Verdict, WorkerState, judge, readiness};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Between two attempts to open a port that is taken: whoever has it may be about to end.
const OPEN_AGAIN: Duration = Duration::from_secs(5);

/// How long the herder's loop may take for a turn; it never waits for anything.
const LONGEST_TURN: Duration = Duration::from_secs(5);

/// For clients that have not taken their answer when the process ends.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// What the tasks of this process get done.
pub trait ProgressSource: Send + Sync {
    /// One for each task that runs.
    fn samples(&self) -> Vec<TaskSample>;
}

/// The worker, once there is one.
struct RunningWorker {
    herder: HerderHandle,
    worker_id: Arc<str>,
    metrics: Option<Arc<dyn MetricsSource>>,
}

/// Cloning shares it.
#[derive(Clone)]
pub struct HealthPort(Arc<Shared>);

struct Shared {
    settings: HealthSettings,
    progress: Arc<dyn ProgressSource>,
    /// Who may see more than whether the worker is well.
    guard: Option<Authenticator>,
    begun: Instant,
    /// Of the worker; the port outlasts it.
    shutdown: CancellationToken,
    closing: CancellationToken,
    tracker: TaskTracker,
    worker: OnceLock<RunningWorker>,
    watch: TaskWatch,
    /// Connectors that are to be there and are not.
    lacking: OnceLock<watch::Receiver<Vec<Alarm>>>,
    address: watch::Sender<Option<SocketAddr>>,
}

impl HealthPort {
    /// Opens the port, if the settings want one. `shutdown` tells the worker to stop.
    ///
    /// # Errors
    /// If a setting is wrong. A port that is taken is none: it is told and tried again.
    pub async fn open(
        worker: &WorkerSettings,
        progress: Arc<dyn ProgressSource>,
        shutdown: CancellationToken,
    ) -> Result<Self, WorkerConfigError> {
        let settings = HealthSettings::read(&worker.properties).map_err(WorkerConfigError)?;
        if let Some(warning) = settings.warning {
            tracing::warn!("{warning}");
        }
        let guard = Authenticator::new(worker).map_err(|why| WorkerConfigError(vec![why]))?;
        let listener = settings.listener.clone();
        let is_secure = listener.as_ref().is_some_and(|listener| listener.is_secure);
        let tls = is_secure.then(|| ServerTls::new(&worker.properties, tls::LISTENERS));
        let tls = tls.transpose().map_err(WorkerConfigError)?;
        let begun = Instant::now();
        let port = HealthPort(Arc::new(Shared {
            watch: TaskWatch::new(settings.thresholds, begun),
            settings,
            progress,
            guard,
            begun,
            shutdown,
            closing: CancellationToken::new(),
            tracker: TaskTracker::new(),
            worker: OnceLock::new(),
            lacking: OnceLock::new(),
            address: watch::Sender::new(None),
        }));
        port.0.tracker.spawn(port.clone().watch());
        if let Some(listener) = listener {
            // Most often the port is free; then it is open when this returns.
            match listener.bind().await {
                Ok(socket) => port.serve(socket, tls),
                Err(error) => {
                    tracing::warn!(port = listener.port, %error, "the health port cannot be opened; the worker runs without, and tries again. If another process should have it, choose one with HEALTHCHECK_PORT (millstream.health.listener), or off");
                    port.0.tracker.spawn(port.clone().open_again(listener, tls));
                }
            }
        }
        Ok(port)
    }

    async fn open_again(self, listener: Listener, tls: Option<ServerTls>) {
        let closing = self.0.closing.clone();
        while closing
            .run_until_cancelled(sleep(OPEN_AGAIN))
            .await
            .is_some()
        {
            if let Ok(socket) = listener.bind().await {
                return self.serve(socket, tls);
            }
        }
    }

    fn serve(&self, socket: TcpListener, tls: Option<ServerTls>) {
        let Shared {
            tracker, closing, ..
        } = &*self.0;
        if let Ok(address) = socket.local_addr() {
            tracing::info!(%address, "health port is open");
            self.0.address.send_replace(Some(address));
        }
        let router = Router::new().fallback(answer).with_state(self.clone());
        let server = Server::new(
            Limits::HEALTH,
            tracker.clone(),
            closing.clone(),
            LAST_ANSWERS,
        );
        server.serve(socket, tls, router);
    }

    /// The worker has started, and its listeners take connections.
    pub(crate) fn attach(
        &self,
        herder: HerderHandle,
        worker_id: Arc<str>,
        metrics: Option<Arc<dyn MetricsSource>>,
    ) {
        let worker = RunningWorker {
            herder,
            worker_id,
            metrics,
        };
        // A process starts one worker.
        let _ = self.0.worker.set(worker);
    }

    /// Connectors are to be there, and this tells which are not.
    pub(crate) fn expect(&self, lacking: watch::Receiver<Vec<Alarm>>) {
        // A process starts one worker.
        let _ = self.0.lacking.set(lacking);
    }

    fn lacking(&self) -> Vec<Alarm> {
        let lacking = self.0.lacking.get();
        lacking.map(|it| it.borrow().clone()).unwrap_or_default()
    }

    /// Where it listens; returns once it does.
    pub async fn address(&self) -> Option<SocketAddr> {
        let mut address = self.0.address.subscribe();
        // The sender lives as long as this.
        let found = address.wait_for(Option::is_some).await;
        found.ok().and_then(|address| *address)
    }

    /// Who knows which tasks stand still or fall behind.
    pub fn task_watch(&self) -> TaskWatch {
        self.0.watch.clone()
    }

    /// Closes the port, once everything else has ended.
    pub async fn close(self) {
        self.0.closing.cancel();
        self.0.tracker.close();
        self.0.tracker.wait().await;
    }

    /// Looks at the tasks, and tells of what begins to be wrong and what does not any more.
    async fn watch(self) {
        let mut ticks = interval(self.0.watch.pause());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut active = BTreeMap::new();
        let closing = self.0.closing.clone();
        while closing.run_until_cancelled(ticks.tick()).await.is_some() {
            self.0.watch.look(&self.samples());
            tell(&mut active, self.0.watch.alarms());
        }
    }

    /// Of the tasks that are to get something done: one that is paused is not.
    fn samples(&self) -> Vec<TaskSample> {
        let Some(worker) = self.0.worker.get() else {
            return Vec::new();
        };
        let view = worker.herder.view();
        let mut samples = self.0.progress.samples();
        samples.retain(|sample| {
            let id = TaskId::new(sample.connector.clone(), sample.task);
            let state = view.task_state(&id);
            state.is_some_and(|state| state.status.state == RunState::Running)
        });
        samples
    }

    /// Everything that is wrong with what runs here.
    fn alarms(&self) -> Vec<Alarm> {
        let mut alarms = self.0.watch.alarms();
        alarms.extend(self.lacking());
        if let Some(worker) = self.0.worker.get() {
            alarms.extend(alarms_of(&worker.herder.view(), &worker.worker_id));
        }
        alarms.sort_unstable();
        alarms
    }

    /// # Errors
    /// Why the process had better be replaced.
    async fn live(&self) -> Result<(), String> {
        let Some(worker) = self.0.worker.get() else {
            return Ok(());
        };
        turns(worker.herder.turned()).await
    }

    /// # Errors
    /// Why the worker should be sent no requests.
    fn ready(&self) -> Result<(), String> {
        let Shared {
            settings,
            begun,
            shutdown,
            worker,
            ..
        } = &*self.0;
        let herder = worker.get().map(|worker| &worker.herder);
        readiness(&WorkerState {
            is_draining: shutdown.is_cancelled(),
            serves: herder.is_some(),
            has_joined: herder.is_some_and(|herder| herder.view().has_started()),
            group_error: herder.and_then(HerderHandle::group_error),
            connectors: herder.map_or(0, |herder| herder.view().names().len()),
            lacking: self.lacking().into_iter().map(|alarm| alarm.text).collect(),
            age: begun.elapsed(),
            grace: settings.start_grace,
        })
    }

    /// What kafka-connect-healthcheck would say in front of this worker.
    fn verdict(&self) -> Verdict {
        let mut policy = self.0.settings.policy.clone();
        let Some(worker) = self.0.worker.get() else {
            return Verdict::failed(&policy, "the worker is starting");
        };
        let (view, group_error) = (worker.herder.view(), worker.herder.group_error());
        if policy.worker_id.is_none() && !self.0.settings.is_of_all {
            policy.worker_id = Some(worker.worker_id.to_string());
        }
        if !view.has_started() {
            let why = group_error.map_or_else(
                || "the worker has not joined its group yet".to_owned(),
                |group_error| format!("the group cannot work: {group_error}"),
            );
            return Verdict::failed(&policy, &why);
        }
        judge(&policy, &statuses(&view), group_error.is_none())
    }

    async fn status(&self) -> Reply {
        let (live, ready) = (self.live().await, self.ready());
        let alarms = self.alarms();
        let well = live.is_ok() && alarms.is_empty();
        let alarms: Vec<Json> = alarms.into_iter().map(|alarm| {
            json!({"alarm": alarm.kind.name(), "connector": &*alarm.connector, "task": alarm.task, "text": alarm.text})
        }).collect();
        let body = json!({
            "verdict": if well { "healthy" } else { "alarming" },
            "live": live.is_ok(),
            "not_live_because": live.err(),
            "ready": ready.is_ok(),
            "not_ready_because": ready.err(),
            "alarms": alarms,
        });
        Reply::json(200, body.to_string())
    }

    /// None before there is a worker.
    fn metrics(&self) -> Option<Response> {
        let worker = self.0.worker.get()?;
        let text = worker.metrics.as_ref()?.render(worker.herder.facts());
        Some(([(header::CONTENT_TYPE, PROMETHEUS_TEXT)], text).into_response())
    }

    /// Whether strangers may not see what is at this path.
    fn is_guarded(&self, route: &Route) -> bool {
        match route {
            Route::Verdict => self.0.settings.authenticate,
            Route::Own(path) => matches!(path.as_str(), "/status" | "/metrics"),
            Route::Answered(_) => false,
        }
    }
}

/// # Errors
/// If the turn of the herder's loop does not come.
async fn turns(turn: impl Future<Output = ()>) -> Result<(), String> {
    let seconds = LONGEST_TURN.as_secs();
    let late = |_| format!("the herder has not answered within {seconds} s");
    timeout(LONGEST_TURN, turn).await.map_err(late)
}

async fn answer(State(port): State<HealthPort>, request: Request) -> Response {
    let route = routed(&request);
    if let Some(guard) = port.0.guard.as_ref().filter(|_| port.is_guarded(&route))
        && !may_pass(guard, &request)
    {
        return refused(guard);
    }
    let told = |outcome: Result<(), String>| match outcome {
        Ok(()) => Reply::up(),
        Err(why) => Reply::json(503, json!({"status": "DOWN", "reason": why}).to_string()),
    };
    let reply = match route {
        Route::Verdict => Reply::of(port.verdict()),
        Route::Answered(reply) => reply,
        Route::Own(path) => match path.as_str() {
            "/live" => told(port.live().await),
            "/ready" => told(port.ready()),
            "/status" => port.status().await,
            "/metrics" => return port.metrics().unwrap_or_else(|| response(Reply::nothing())),
            _ => Reply::nothing(),
        },
    };
    response(reply)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_does_not_turn_is_not_alive() {
        assert_eq!(turns(ready(())).await, Ok(()));
        let why = turns(pending()).await.expect_err("it hangs");
        assert!(why.contains("within 5 s"), "{why}");
    }
}
