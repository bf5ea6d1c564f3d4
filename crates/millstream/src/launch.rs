//! What every command that runs a worker gives it: the plugins, the starter of tasks, the Kafka client, the metrics.

use crate::kafka_admin::AdminClient;
use crate::logging::LogLevels;
use crate::plugins;
use crate::progress::Board;
use crate::prometheus::Prometheus;
use crate::starter::{Starter, TaskServices};
use millstream_runtime::{Budgets, memory};
use millstream_worker::{Worker, WorkerSettings, WorkerStart};
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// A worker without connectors, and the board that its tasks count on. Tasks run on `data`.
pub(crate) fn worker(
    settings: WorkerSettings,
    levels: LogLevels,
    data: Handle,
    shutdown: CancellationToken,
) -> (WorkerStart, Board) {
    let records = memory::for_records(settings.config.memory_bytes);
    let board = Board::default();
    let services = TaskServices {
        budgets: Budgets::new(records),
        board: board.clone(),
    };
    let start = WorkerStart {
        settings,
        registry: plugins::registry(),
        starter: Arc::new(Starter::new(data, services)),
        kafka: Some(Arc::new(AdminClient)),
        offsets: None,
        log_control: Some(Box::new(levels)),
        metrics: Some(Arc::new(Prometheus(board.clone()))),
        connector_files: Vec::new(),
        connectors: Vec::new(),
        shutdown,
    };
    (start, board)
}

/// Says where the REST API listens.
pub(crate) fn announce(worker: &Worker) {
    for address in worker.addresses() {
        tracing::info!(%address, "REST API is ready");
    }
}
