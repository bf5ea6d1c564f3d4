//! What every command that runs a worker gives it: the plugins, the starter of tasks, the Kafka client, the metrics.

use crate::emf::{self, EmfSettings};
use crate::kafka_admin::AdminClient;
use crate::logging::LogLevels;
use crate::plugins;
use crate::progress::Board;
use crate::prometheus::{Names, Prometheus};
use crate::starter::{Starter, TaskServices};
use millstream_core::ClientMeters;
use millstream_runtime::{Budgets, memory};
use millstream_worker::{Worker, WorkerSettings, WorkerStart};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What runs beside a worker, and what it needs of it.
pub(crate) struct Counted {
    /// Where tasks count.
    pub(crate) board: Board,
    metrics: Arc<Prometheus>,
    /// What lines for CloudWatch are like, if they are wanted.
    emf: Option<EmfSettings>,
}

impl Counted {
    /// Writes lines for CloudWatch until the worker ends, if they are wanted.
    pub(crate) fn tell(
        &self,
        worker: &Worker,
        stop: CancellationToken,
    ) -> impl Future<Output = ()> + use<> {
        let herder = worker.herder().clone();
        emf::write_every(self.emf.clone(), self.metrics.clone(), herder, stop)
    }
}

/// A worker without connectors, and what its tasks count on. Tasks run on `data`; a worker of a cluster is in its group with
/// the client that counts on `group`.
pub(crate) fn worker(
    settings: WorkerSettings,
    levels: LogLevels,
    data: Handle,
    shutdown: CancellationToken,
    group: Option<Arc<ClientMeters>>,
) -> (WorkerStart, Counted) {
    let records = memory::for_records(settings.config.memory_bytes);
    let board = Board::default();
    let budgets = Budgets::new(records);
    let names = Names::of(&settings.config.metrics_names);
    let metrics = Prometheus::new(board.clone(), budgets.clone(), names);
    let metrics = Arc::new(match group {
        Some(group) => metrics.with_group(group, Instant::now()),
        None => metrics,
    });
    let counted = Counted {
        board: board.clone(),
        metrics: metrics.clone(),
        emf: emf_settings(&settings),
    };
    let services = TaskServices {
        budgets,
        board: board.clone(),
    };
    let start = WorkerStart {
        settings,
        registry: plugins::registry(),
        starter: Arc::new(Starter::new(data, services)),
        kafka: Some(Arc::new(AdminClient)),
        offsets: None,
        log_control: Some(Box::new(levels)),
        metrics: Some(metrics),
        connector_files: Vec::new(),
        connectors: Vec::new(),
        shutdown,
    };
    (start, counted)
}

/// What lines for CloudWatch are like, if they are wanted.
fn emf_settings(settings: &WorkerSettings) -> Option<EmfSettings> {
    let config = &settings.config;
    let interval = u64::try_from(config.metrics_emf_interval_ms).ok()?;
    let cluster = settings.properties.get("group.id").unwrap_or("standalone");
    config.metrics_emf.then(|| EmfSettings {
        interval: Duration::from_millis(interval),
        cluster: cluster.to_owned(),
    })
}

/// Says where the REST API listens.
pub(crate) fn announce(worker: &Worker) {
    for address in worker.addresses() {
        tracing::info!(%address, "REST API is ready");
    }
}
