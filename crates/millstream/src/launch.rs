//! What every command that runs a worker gives it: the plugins, the starter of tasks, the Kafka client, the metrics.

use crate::aws::{AwsValues, SharedAws};
use crate::emf::{self, EmfSettings};
use crate::kafka_admin::AdminClient;
use crate::logging::LogLevels;
use crate::plugins;
use crate::progress::Board;
use crate::prometheus::{Names, Prometheus};
use crate::starter::{Starter, TaskServices};
use millstream_core::{ClientMeters, TaskId};
use millstream_health::TaskSample;
use millstream_kafka::Bootstrap;
use millstream_runtime::metrics::Counts;
use millstream_runtime::{Budgets, memory};
use millstream_worker::health::{HealthPort, ProgressSource};
use millstream_worker::{Worker, WorkerConfigError, WorkerSettings, WorkerStart};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What a worker finds around itself.
pub(crate) struct Surroundings {
    /// Whom the references of connectors may ask.
    pub(crate) aws: SharedAws,
    /// The port that was opened for it.
    pub(crate) health: Option<HealthPort>,
    /// Of the client with which a worker of a cluster is in its group.
    pub(crate) group: Option<Arc<ClientMeters>>,
    /// Brokers that may become others while the worker runs.
    pub(crate) bootstrap: Option<Bootstrap>,
}

/// What runs beside a worker, and what it needs of it.
pub(crate) struct Counted {
    /// Where tasks count.
    pub(crate) board: Board,
    metrics: Arc<Prometheus>,
    /// What lines for CloudWatch are like, if they are wanted.
    emf: Option<EmfSettings>,
}

impl Surroundings {
    /// Nothing but what AWS may be asked with.
    pub(crate) fn of(aws: SharedAws) -> Self {
        Surroundings {
            aws,
            health: None,
            group: None,
            bootstrap: None,
        }
    }
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

/// The board of a process, and the health port that is open while there is no worker yet.
///
/// # Errors
/// If a setting of the port is wrong.
pub(crate) async fn health(
    settings: &WorkerSettings,
    shutdown: &CancellationToken,
) -> Result<(Board, HealthPort), WorkerConfigError> {
    let board = Board::default();
    let progress = Arc::new(board.clone());
    let health = HealthPort::open(settings, progress, shutdown.clone()).await?;
    Ok((board, health))
}

impl ProgressSource for Board {
    fn samples(&self) -> Vec<TaskSample> {
        let tasks = self.running().into_iter();
        tasks
            .map(|(id, metrics)| sample(&id, &metrics.counts()))
            .collect()
    }
}

/// Lag is what the task has not read yet: rows that are open in its sink, as in a file that is not full, wait on purpose.
fn sample(id: &TaskId, counts: &Counts) -> TaskSample {
    let settled = counts.records_stored + counts.records_filtered + counts.records_rejected;
    TaskSample {
        connector: id.connector.clone(),
        task: id.task,
        done: counts.records_read + counts.records_sent + settled,
        lag: counts.position_lag,
    }
}

/// A worker without connectors, whose tasks count on `board` and run on `data`, and what is told of it.
pub(crate) fn worker(
    settings: WorkerSettings,
    levels: LogLevels,
    data: Handle,
    shutdown: CancellationToken,
    board: Board,
    around: Surroundings,
) -> (WorkerStart, Counted) {
    let Surroundings {
        aws,
        health,
        group,
        bootstrap,
    } = around;
    let values = AwsValues::new(data.clone(), aws);
    settings.providers.ask_with(Arc::new(values));
    let records = memory::for_records(settings.config.memory_bytes);
    let budgets = Budgets::new(records);
    let names = Names::of(&settings.config.metrics_names);
    let watch = health.as_ref().map(HealthPort::task_watch);
    let metrics = Prometheus::new(board.clone(), budgets.clone(), names).with_watch(watch);
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
        bootstrap: bootstrap.clone(),
    };
    let start = WorkerStart {
        settings,
        registry: plugins::registry(),
        starter: Arc::new(Starter::new(data, services)),
        kafka: Some(Arc::new(AdminClient { bootstrap })),
        offsets: None,
        log_control: Some(Box::new(levels)),
        metrics: Some(metrics),
        health,
        connector_files: Vec::new(),
        connectors: Vec::new(),
        bootstrap_connectors: None,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_an_open_file_are_no_lag() {
        let counts = Counts {
            records_read: 10,
            records_stored: 4,
            lag: 13,
            position_lag: 7,
            ..Counts::default()
        };
        let sample = sample(&TaskId::new("c", 0), &counts);
        assert_eq!((sample.lag, sample.done), (7, 14));
    }
}
