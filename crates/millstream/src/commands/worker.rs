//! `millstream worker`: a worker of a cluster, beside others of ours and Java's.

use super::{CommandResult, Exit};
use crate::aws::{Brokers, SharedAws};
use crate::cli::WorkerArgs;
use crate::launch::Surroundings;
use crate::logging::LogLevels;
use crate::{bootstrap, cause, discovery, environment, launch, preflight, progress, shutdown};
use millstream_distributed::{join, open};
use millstream_environment::{ConnectEnvironment, Preflight, Severity};
use millstream_kafka::Bootstrap;
use millstream_worker::config::DistributedConfig;
use millstream_worker::{Worker, WorkerSettings, WorkerStart};
use std::fs;
use std::path::Path;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often each task writes a sign of life.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(60);

/// What the worker was told, by its file or by variables.
struct Told {
    settings: WorkerSettings,
    config: DistributedConfig,
    /// Brokers to wait for before the start; a file asks for none.
    preflight: Option<Preflight>,
    /// Brokers that were asked for, which may change.
    brokers: Option<Brokers>,
}

pub(crate) async fn run(args: WorkerArgs, levels: LogLevels, data: Handle) -> CommandResult {
    let stop = shutdown::on_signal()?;
    let aws = SharedAws::of_process();
    let mut told = match &args.worker {
        Some(file) => by_file(file)?,
        None => {
            let told = stop
                .run_until_cancelled(Box::pin(by_environment(&aws)))
                .await;
            match told {
                None => return Ok(()),
                Some(told) => told?,
            }
        }
    };
    let brokers = told.brokers.take();
    let bootstrap = brokers.as_ref().map(|found| found.bootstrap().clone());
    // From the beginning: brokers may move before anybody has got to them.
    let watch = async {
        match &brokers {
            Some(brokers) => Box::pin(brokers.watch()).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        never = watch => match never {},
        ended = Box::pin(work(args, told, (aws, bootstrap), stop, (levels, data))) => ended,
    }
}

async fn work(
    args: WorkerArgs,
    told: Told,
    (aws, bootstrap): (SharedAws, Option<Bootstrap>),
    stop: CancellationToken,
    (levels, data): (LogLevels, Handle),
) -> CommandResult {
    let Told {
        settings,
        config,
        preflight,
        ..
    } = told;
    let settings = settings.with_kafka_opts(args.jvm.kafka_opts.as_deref());
    let settings = args.health.apply(settings);
    let health = launch::health(&settings, &stop).await;
    let (board, health) = health.map_err(Exit::not_started)?;
    let group = settings.properties.get("group.id");
    let reading = Box::pin(bootstrap::read(&args.bootstrap, &settings, group, &aws));
    let Some(to_create) = stop.run_until_cancelled(reading).await else {
        return Ok(());
    };
    let to_create = to_create?;
    if let Some(preflight) = preflight {
        let client = &settings.properties;
        let waiting = preflight::wait_for_brokers(&preflight, client, bootstrap.as_ref());
        match stop.run_until_cancelled(Box::pin(waiting)).await {
            None => return Ok(()),
            Some(outcome) => outcome.map_err(Exit::not_given)?,
        }
    }
    let opening = Box::pin(open(&settings, &config, bootstrap.as_ref()));
    let Some(opened) = stop.run_until_cancelled(opening).await else {
        return Ok(());
    };
    let (stores, mut failed) = opened.map_err(Exit::no_cluster)?;
    let (start, counted) = launch::worker(
        settings,
        levels,
        data,
        stop.clone(),
        board,
        Surroundings {
            health: Some(health.clone()),
            group: Some(stores.group.meters.clone()),
            bootstrap,
            aws,
        },
    );
    let start = WorkerStart {
        bootstrap_connectors: to_create,
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

fn by_file(file: &Path) -> Result<Told, Exit> {
    let shown = file.display();
    let text = fs::read(file)
        .map_err(|error| Exit::not_started(format!("cannot read {shown}: {error}")))?;
    if ConnectEnvironment::is_given(&environment::variables()) {
        tracing::info!(
            "variables that begin with CONNECT_ are not read: the settings are those of {shown}"
        );
    }
    let (settings, config) = WorkerSettings::of_cluster(&text).map_err(Exit::not_started)?;
    Ok(Told {
        settings,
        config,
        preflight: None,
        brokers: None,
    })
}

/// As the images for Java's worker are told.
async fn by_environment(aws: &SharedAws) -> Result<Told, Exit> {
    let variables = environment::variables();
    let mut environment = ConnectEnvironment::read(&variables);
    let notes = environment::notes(&variables, &environment);
    notes.iter().for_each(environment::log);
    if !ConnectEnvironment::is_given(&variables) {
        tracing::error!(
            "neither a file nor variables say what to do: millstream worker worker.properties, or CONNECT_BOOTSTRAP_SERVERS and so on"
        );
    }
    let lacking: Vec<String> = environment.lacking().map(|it| it.message()).collect();
    if let Some((last, others)) = lacking.split_last() {
        others
            .iter()
            .for_each(|message| tracing::error!("{message}"));
        return Err(Exit::not_given(last));
    }
    let problems = notes
        .iter()
        .filter(|note| note.severity == Severity::Problem);
    let problems = problems.count();
    if problems > 0 {
        return Err(Exit::not_given(format!(
            "the environment has {problems} problem(s); millstream env shows them"
        )));
    }
    let completed = Box::pin(discovery::complete(&mut environment, aws)).await?;
    let (settings, config) =
        WorkerSettings::of_cluster_properties(completed.properties).map_err(Exit::not_started)?;
    Ok(Told {
        settings,
        config,
        preflight: Some(environment.preflight),
        brokers: completed.brokers,
    })
}
