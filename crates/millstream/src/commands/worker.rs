//! `millstream worker`: a worker of a cluster, beside others of ours and Java's.

use super::{CommandResult, Exit};
use crate::cli::WorkerArgs;
use crate::logging::LogLevels;
use crate::{cause, launch, progress, shutdown};
use millstream_distributed::{join, open};
use millstream_worker::{Worker, WorkerSettings, WorkerStart};
use std::fs;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

/// How often each task writes a sign of life.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(60);

pub(crate) async fn run(args: WorkerArgs, levels: LogLevels, data: Handle) -> CommandResult {
    let stop = shutdown::on_signal()?;
    let Some(file) = args.worker else {
        return Err("usage: millstream worker worker.properties".into());
    };
    let text = fs::read(&file)
        .map_err(|error| Exit::not_started(format!("cannot read {}: {error}", file.display())))?;
    let (settings, config) = WorkerSettings::of_cluster(&text).map_err(Exit::not_started)?;
    let settings = settings.with_kafka_opts(args.jvm.kafka_opts.as_deref());
    let settings = args.health.apply(settings);
    let health = launch::health(&settings, &stop).await;
    let (board, health) = health.map_err(Exit::not_started)?;
    let Some(opened) = stop
        .run_until_cancelled(Box::pin(open(&settings, &config)))
        .await
    else {
        return Ok(());
    };
    let (stores, mut failed) = opened.map_err(Exit::no_cluster)?;
    let (start, counted) = launch::worker(
        settings,
        levels,
        data,
        stop.clone(),
        board,
        Some(stores.group.meters.clone()),
    );
    let start = WorkerStart {
        health: Some(health.clone()),
        offsets: Some(stores.offsets.clone()),
        ..start
    };
    let farewells = TaskTracker::new();
    let leaving = farewells.clone();
    let started = Worker::start_in_cluster(start, |here| join(stores, &config, here, leaving));
    let worker = match started.await {
        Ok(worker) => worker,
        Err(error) if cause::is_stop(&error) => return Ok(()),
        Err(error) => return Err(Exit::not_started(cause::of_start(&error)).into()),
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
    let work = async {
        tokio::join!(worker.ended(), progress, told);
        farewells.close();
        farewells.wait().await;
        health.close().await;
        progress::log_end(&counted.board);
    };
    let mut work = std::pin::pin!(work);
    tokio::select! {
        () = &mut work => Ok(()),
        Some(why) = failed.recv() => {
            stop.cancel();
            work.await;
            Err(why.into())
        }
    }
}
