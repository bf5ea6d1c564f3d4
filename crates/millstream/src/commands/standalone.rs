//! `millstream standalone`: a worker on one node.

use super::CommandResult;
use crate::cli::StandaloneArgs;
use crate::logging::LogLevels;
use crate::{launch, shutdown};
use millstream_worker::{Worker, WorkerConfig, WorkerStart};
use std::fs;
use tokio::runtime::Handle;

pub(crate) async fn run(args: StandaloneArgs, levels: LogLevels, data: Handle) -> CommandResult {
    let stop = shutdown::on_signal()?;
    let text = fs::read(&args.worker)
        .map_err(|error| format!("cannot read {}: {error}", args.worker.display()))?;
    let config = WorkerConfig::from_file(&text)?;
    let (start, _) = launch::worker(config, levels, data, stop);
    let worker = Worker::start(WorkerStart {
        connector_files: args.connectors,
        ..start
    })
    .await?;
    launch::announce(&worker);
    worker.ended().await;
    Ok(())
}
