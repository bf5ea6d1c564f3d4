//! `millstream standalone`: a worker on one node.

use super::CommandResult;
use crate::cli::StandaloneArgs;
use crate::kafka_admin::AdminClient;
use crate::logging::LogLevels;
use crate::starter::{Budgets, Starter};
use crate::{memory, plugins, shutdown};
use millstream_worker::{Worker, WorkerConfig, WorkerStart};
use std::fs;
use std::sync::Arc;
use tokio::runtime::Handle;

pub(crate) async fn run(args: StandaloneArgs, levels: LogLevels, data: Handle) -> CommandResult {
    let stop = shutdown::on_signal()?;
    let text = fs::read(&args.worker)
        .map_err(|error| format!("cannot read {}: {error}", args.worker.display()))?;
    let config = WorkerConfig::from_file(&text)?;
    let starter = Starter::new(data, Budgets::new(memory::record_budget()));
    let worker = Worker::start(WorkerStart {
        config,
        registry: plugins::registry(),
        starter: Arc::new(starter),
        kafka: Some(Arc::new(AdminClient)),
        log_control: Some(Box::new(levels)),
        connector_files: args.connectors,
        connectors: Vec::new(),
        shutdown: stop,
    })
    .await?;
    for address in worker.addresses() {
        tracing::info!(%address, "REST API is ready");
    }
    worker.ended().await;
    Ok(())
}
