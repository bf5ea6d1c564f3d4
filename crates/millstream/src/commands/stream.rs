//! `millstream stream`: topic → hash → document store, an ordinary connector with its settings preset.

pub(super) mod settings;

use super::CommandResult;
use crate::cli::{StreamArgs, misspelt_variables};
use crate::logging::LogLevels;
use crate::{cause, discovery, launch, progress, shutdown};
use millstream_worker::{Worker, WorkerSettings, WorkerStart};
use settings::{CONNECTOR, PROVIDER, StreamSettings};
use std::time::Duration;
use tokio::runtime::Handle;

/// How often a line of progress is written.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

pub(crate) async fn run(args: StreamArgs, levels: LogLevels, data: Handle) -> CommandResult {
    let stop = shutdown::on_signal()?;
    warn_of_misspelt_variables();
    discovery::complete_stream(&args)?;
    let settings = StreamSettings::read(&args)?;
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    let worker = WorkerSettings::quiet(settings.worker.clone())
        .map_err(|errors| settings.explain(&errors.into()))?
        .with_values(PROVIDER, settings.secrets.clone());
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
    tokio::select! {
        _ = &mut job => Ok(()),
        reason = counted.board.failed(), if !args.rest_allow_changes => {
            stop.cancel();
            job.await;
            Err(settings.in_typed_words(&reason).into())
        }
    }
}

fn warn_of_misspelt_variables() {
    let set = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for (name, meant) in misspelt_variables("stream", set) {
        tracing::warn!(variable = name, "not read; did you mean {meant}?");
    }
}
