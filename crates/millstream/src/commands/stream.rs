//! `millstream stream`: topic → hash → document store, an ordinary connector with its settings preset.

pub(super) mod settings;

use super::CommandResult;
use crate::cli::{StreamArgs, misspelt_variables};
use crate::discovery::StreamFinds;
use crate::logging::LogLevels;
use crate::{cause, discovery, launch, progress, shutdown};
use millstream_worker::config::SharedValues;
use millstream_worker::herder::request::Request;
use millstream_worker::{TaskId, Worker, WorkerSettings, WorkerStart};
use settings::{CONNECTOR, PROVIDER, StreamSettings};
use std::time::Duration;
use tokio::runtime::Handle;

/// How often a line of progress is written.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

/// The name under which the connection string stands.
const URI: &str = "MONGODB_URI";

/// What the sink says when nobody may sign in.
const REFUSED: &str = "authentication failed at the document store";

/// How often a secret is read again, and how long after the other: a rotation is over within a minute.
const LOOKUPS: u32 = 4;
const LOOKUP_PAUSE: Duration = Duration::from_secs(30);

pub(crate) async fn run(mut args: StreamArgs, levels: LogLevels, data: Handle) -> CommandResult {
    let stop = shutdown::on_signal()?;
    warn_of_misspelt_variables();
    let found = Box::pin(discovery::complete_stream(&mut args));
    let Some(found) = stop.run_until_cancelled(found).await else {
        return Ok(());
    };
    let found = found?;
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
    let (board, health) = launch::health(&worker, &stop).await?;
    let (start, counted) = launch::worker(worker, levels, data, stop.clone(), board, None);
    let started = Worker::start(WorkerStart {
        health: Some(health.clone()),
        connectors: vec![(CONNECTOR.to_owned(), settings.connector.clone())],
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
    let mut watch = std::pin::pin!(found.watch());
    let is_watched = !args.rest_allow_changes || found.store.is_some();
    loop {
        let reason = tokio::select! {
            () = &mut job => return Ok(()),
            never = &mut watch => match never {},
            reason = counted.board.failed(), if is_watched => reason,
        };
        let renewed = Box::pin(renew_login(&reason, &found, &args.mongodb_uri));
        match stop.run_until_cancelled(renewed).await.flatten() {
            Some(uri) => {
                secrets.set(URI, &uri);
                args.mongodb_uri = Some(uri);
                counted.board.forgive();
                let task = TaskId::new(CONNECTOR, 0);
                let restarted = herder.change(Request::RestartTask(task)).await;
                restarted.map_err(|error| error.to_string())?;
            }
            None if args.rest_allow_changes => counted.board.forgive(),
            None => {
                stop.cancel();
                job.await;
                return Err(settings.in_typed_words(&reason).into());
            }
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
        if let Some(uri) = store.renewed(known).await {
            tracing::info!(
                "the document store's login has changed; the task starts again with the new one"
            );
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
