//! `millstream stream`: topic or queue → hash → document store, an ordinary connector with its settings preset.

mod explain;
mod input;
mod key;
pub(super) mod settings;
mod totals;
mod words;

use super::CommandResult;
use crate::aws::Store;
use crate::cli::{StreamArgs, misspelt_variables};
use crate::discovery::StreamFinds;
use crate::launch::Surroundings;
use crate::logging::LogLevels;
use crate::progress::Board;
use crate::{cause, discovery, launch, progress, shutdown};
use millstream_worker::config::SharedValues;
use millstream_worker::herder::request::Request;
use millstream_worker::{TaskId, Worker, WorkerSettings, WorkerStart};
use settings::{CONNECTOR, PROVIDER, StreamSettings};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// How often a line of progress is written.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

/// The name under which the connection string stands.
const URI: &str = "MONGODB_URI";

/// What the sink says when nobody may sign in.
const REFUSED: &str = "authentication failed at the document store";

/// What stands in every reason that the sink gives for waiting.
const THE_STORE: &str = "the document store";

/// How often a secret is read again, and how long after the other: a rotation is over within a minute.
const LOOKUPS: u32 = 4;
const LOOKUP_PAUSE: Duration = Duration::from_secs(30);

pub(crate) async fn run(mut args: StreamArgs, levels: LogLevels, data: Handle) -> CommandResult {
    if let Some(samples) = args.hashing.explain.take() {
        return Box::pin(explain::run(args, &samples)).await;
    }
    let stop = shutdown::on_signal()?;
    warn_of_misspelt_variables();
    let found = Box::pin(discovery::complete_stream(&mut args));
    let Some(found) = stop.run_until_cancelled(found).await else {
        return Ok(());
    };
    let found = found?;
    tokio::select! {
        never = found.watch() => match never {},
        ended = Box::pin(work(args, &found, stop, (levels, data))) => ended,
    }
}

async fn work(
    mut args: StreamArgs,
    found: &StreamFinds,
    stop: CancellationToken,
    (levels, data): (LogLevels, Handle),
) -> CommandResult {
    let mut settings = StreamSettings::read(&args)?;
    found.sign_in(&mut settings.worker);
    let secrets = SharedValues::from(settings.secrets.clone());
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    let worker = WorkerSettings::quiet(settings.worker.clone())
        .map_err(|errors| settings.explain(&errors.into()))?
        .with_values(PROVIDER, secrets.clone());
    let worker = args.health.apply(worker);
    let providers = worker.providers.clone();
    let (board, health) = launch::health(&worker, &stop).await?;
    let around = Surroundings {
        health: Some(health.clone()),
        group: None,
        bootstrap: found.bootstrap(),
        aws: found.aws.clone(),
    };
    let (start, counted) = launch::worker(worker, levels, data, stop.clone(), board, around);
    if let Some(secret) = &args.hashing.hash_key_secret {
        let looked = key::look_up(&providers, secret);
        match stop.run_until_cancelled(looked).await {
            Some(looked) => looked?,
            None => return Ok(()),
        }
    }
    let started = Worker::start(WorkerStart {
        connectors: vec![(CONNECTOR.to_owned(), settings.connector.clone())],
        // Nobody is to be asked where the records come from a queue.
        kafka: start.kafka.filter(|_| args.input.is_none()),
        ..start
    });
    let worker = match started.await {
        Ok(worker) => worker,
        Err(error) if cause::is_stop(&error) => return Ok(()),
        Err(error) => return Err(settings.explain(&error).into()),
    };
    launch::announce(&worker);
    let herder = worker.herder().clone();
    let questions = shutdown::questions()?;
    let progress = progress::log_every(
        PROGRESS_INTERVAL,
        counted.board.clone(),
        questions,
        stop.clone(),
    );
    let told = counted.tell(&worker, stop.clone());
    let job = async {
        tokio::join!(worker.ended(), progress, told);
        health.close().await;
        progress::log_end(&counted.board);
    };
    let mut job = std::pin::pin!(job);
    // Where changes are allowed somebody may restart the task; else the process is of no use without it, and whoever runs
    // it learns that from the exit code.
    let is_watched = !args.rest_allow_changes || found.store.is_some();
    let mut looks = Looks::of(found);
    loop {
        let uri = tokio::select! {
            () = &mut job => return Ok(()),
            uri = looks.other_place(&args.mongodb_uri, &counted.board) => uri,
            reason = counted.board.failed(), if is_watched => {
                let renewed = renew_login(&reason, found, &args.mongodb_uri);
                match Box::pin(stop.run_until_cancelled(renewed)).await.flatten() {
                    Some(uri) => uri,
                    None if args.rest_allow_changes => {
                        counted.board.forgive();
                        continue;
                    }
                    None => {
                        stop.cancel();
                        job.await;
                        return Err(settings.in_typed_words(&reason).into());
                    }
                }
            }
        };
        tracing::info!(
            "the document store's place or login has changed; the task starts again with the new one"
        );
        secrets.set(URI, &uri);
        args.mongodb_uri = Some(uri);
        counted.board.forgive();
        let task = TaskId::new(CONNECTOR, 0);
        let restarted = herder.change(Request::RestartTask(task)).await;
        restarted.map_err(|error| error.to_string())?;
    }
}

/// Looks for the store that are made while the task waits for it.
struct Looks<'a> {
    store: Option<&'a Store>,
    next: Instant,
}

impl<'a> Looks<'a> {
    fn of(found: &'a StreamFinds) -> Self {
        Looks {
            store: found.store.as_ref(),
            next: Instant::now(),
        }
    }

    /// Another connection string, once there is one. While the store is out of reach discovery is asked again.
    async fn other_place(&mut self, known: &Option<String>, board: &Board) -> String {
        let (Some(store), Some(known)) = (self.store, known.as_deref()) else {
            return std::future::pending().await;
        };
        let look = async {
            loop {
                sleep_until(self.next).await;
                let evidence = board.waits(|reason| reason.contains(THE_STORE)).await;
                self.next = Instant::now() + LOOKUP_PAUSE;
                store.look(&evidence).await;
            }
        };
        tokio::select! {
            uri = store.other_than(known) => uri,
            never = look => never,
        }
    }
}

/// The connection string with another password, where the store refused the one that was known: it may have been rotated.
async fn renew_login(reason: &str, found: &StreamFinds, known: &Option<String>) -> Option<String> {
    let (store, known) = (found.store.as_ref()?, known.as_deref()?);
    if !reason.contains(REFUSED) {
        return None;
    }
    for attempt in 0..LOOKUPS {
        if attempt > 0 {
            tokio::time::sleep(LOOKUP_PAUSE).await;
        }
        store.look("the document store refuses the login").await;
        let uri = store.uri();
        if uri != known {
            return Some(uri);
        }
        tracing::warn!("the document store refuses the login, and its secret has no other one yet");
    }
    None
}

fn warn_of_misspelt_variables() {
    let set = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for (name, meant) in misspelt_variables("stream", set) {
        tracing::warn!(variable = name, "not read; did you mean {meant}?");
    }
}
