//! Worker: a herder, its REST API and the tasks of this machine, started together and ended together.

mod address;
mod warnings;

use crate::auth::{Authenticator, BASIC_AUTH};
use crate::bootstrap::BootstrapConnectors;
use crate::cluster::{Cluster, GroupProtocol, MemoryOffsets, TaskSubmitter};
use crate::cluster_id::{ClusterId, learn_cluster_id};
use crate::config::{
    ConnectorFile, ConnectorFileError, ResponseHeaders, WorkerConfigError, WorkerSettings,
    read_connector_file,
};
use crate::creation::{CreateError, create};
use crate::fencer::Fencer;
use crate::forward::Forwarder;
use crate::health::HealthPort;
use crate::herder::state::{KeyPolicy, Settings, WorkerMode};
use crate::herder::{Herder, HerderHandle, HerderParts};
use crate::inter_worker::InterWorkerConfig;
use crate::kafka_admin::KafkaAdmin;
use crate::local_tasks::LocalTasks;
use crate::loggers::{LogControl, Loggers};
use crate::metrics::MetricsSource;
use crate::registry::PluginRegistry;
use crate::rest::{self, Api, Limits, RestSubmitter, Server};
use crate::task::TaskStarter;
use crate::tls::{self, ClientTls, ServerTls};
use crate::validation::{ConfigWarnings, Validator};
use address::{addresses, advertised, bind};
use millstream_core::{OffsetStore, Properties};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
pub use warnings::worker_keys;

/// Reports of tasks that wait for the herder; tasks report changes, not records.
const QUEUED_REPORTS: usize = 256;

/// What a worker is started with.
pub struct WorkerStart {
    pub settings: WorkerSettings,
    pub registry: PluginRegistry,
    pub starter: Arc<dyn TaskStarter>,
    /// Asks the brokers about themselves and about consumer groups; without it offsets cannot be shown.
    pub kafka: Option<Arc<dyn KafkaAdmin>>,
    /// Where the offsets of sources are kept; without it they are gone with the process.
    pub offsets: Option<Arc<dyn OffsetStore>>,
    /// Changes log levels while the worker runs.
    pub log_control: Option<Box<dyn LogControl>>,
    /// What `/metrics` shows.
    pub metrics: Option<Arc<dyn MetricsSource>>,
    /// The port that tells how the worker is, if there is one.
    pub health: Option<HealthPort>,
    pub connector_files: Vec<PathBuf>,
    /// Connectors by name, created like those of the files.
    pub connectors: Vec<(String, Properties)>,
    /// Connectors that are created where they are not there yet.
    pub bootstrap_connectors: Option<BootstrapConnectors>,
    pub shutdown: CancellationToken,
}

/// What the seams of a cluster are made with.
pub struct WorkerIdentity {
    /// Where other workers reach this one; a slash at the end.
    pub url: Arc<str>,
    /// The same as host:port, which statuses carry.
    pub worker_id: Arc<str>,
    /// For the membership.
    pub submitter: Arc<dyn TaskSubmitter>,
}

/// A worker that runs.
pub struct Worker {
    addresses: Vec<SocketAddr>,
    admin_addresses: Vec<SocketAddr>,
    herder: HerderHandle,
    tracker: TaskTracker,
}

/// Why a worker does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen at {listener}: {source}")]
    Listen { listener: String, source: io::Error },
    #[error(transparent)]
    Config(#[from] WorkerConfigError),
    #[error(transparent)]
    File(#[from] ConnectorFileError),
    #[error("connector {name} cannot be created: {source}")]
    Connector { name: String, source: CreateError },
}

impl Worker {
    /// Starts a worker on one node: binds its listeners, serves its API, creates the connectors it was given.
    ///
    /// # Errors
    /// If a listener cannot be bound, or a connector file cannot be read or is refused; nothing runs then.
    pub async fn start(mut start: WorkerStart) -> Result<Self, StartError> {
        let files = start
            .connector_files
            .iter()
            .map(|path| read_connector_file(path));
        let mut connectors = files.collect::<Result<Vec<_>, _>>()?;
        connectors.extend(start.connectors.iter().map(|(name, config)| ConnectorFile {
            name: name.clone(),
            config: config.clone(),
            initial_state: None,
        }));
        let shutdown = start.shutdown.clone();
        let bootstrap = start.bootstrap_connectors.take();
        attach(&start, bootstrap.as_ref());
        let alone = |_| Cluster::of_one(GroupProtocol::default());
        let (worker, api) = Worker::launch(start, WorkerMode::Standalone, alone).await?;
        for connector in connectors {
            let name = connector.name.clone();
            if let Err(source) = create(&api, connector).await {
                shutdown.cancel();
                worker.ended().await;
                return Err(StartError::Connector { name, source });
            }
        }
        worker.keep_creating(bootstrap, api, shutdown);
        Ok(worker)
    }

    /// Starts a cluster of one that answers as Java's distributed worker does. What it knows is not kept.
    ///
    /// # Errors
    /// If a listener cannot be bound.
    pub async fn start_cluster_of_one(start: WorkerStart) -> Result<Self, StartError> {
        let protocol = offered(&start.settings);
        Worker::start_in_cluster(start, |_| Cluster::of_one(protocol)).await
    }

    /// Starts a worker of a cluster, which `cluster` makes known to it.
    ///
    /// # Errors
    /// If a setting is wrong or a listener cannot be bound.
    pub async fn start_in_cluster(
        mut start: WorkerStart,
        cluster: impl FnOnce(WorkerIdentity) -> Cluster,
    ) -> Result<Self, StartError> {
        let shutdown = start.shutdown.clone();
        let bootstrap = start.bootstrap_connectors.take();
        attach(&start, bootstrap.as_ref());
        let (worker, api) = Worker::launch(start, WorkerMode::Distributed, cluster).await?;
        worker.keep_creating(bootstrap, api, shutdown);
        Ok(worker)
    }

    /// Creates first connectors beside everything else, until all are there or the worker ends.
    fn keep_creating(
        &self,
        bootstrap: Option<BootstrapConnectors>,
        api: Api,
        shutdown: CancellationToken,
    ) {
        if let Some(bootstrap) = bootstrap {
            let run = shutdown.run_until_cancelled_owned(bootstrap.run(api));
            self.tracker.spawn(run);
        }
    }

    /// What a start with these settings would end with, or else warn of, without starting anything: files that they name are
    /// read, no port is opened, nobody is asked.
    pub fn examine(
        settings: &WorkerSettings,
        registry: PluginRegistry,
    ) -> (Vec<String>, ConfigWarnings) {
        let registry = registry.limited_to(&settings.config.plugins_include);
        let mut errors = Vec::new();
        if let Err(WorkerConfigError(missing)) = check_converters(settings, &registry) {
            errors.extend(missing);
        }
        errors.extend(Authenticator::new(settings).err());
        let (config, properties) = (&settings.config, &settings.properties);
        let admin = config.admin_listeners.as_deref().unwrap_or_default();
        for (listeners, prefix) in [
            (&*config.listeners, tls::LISTENERS),
            (admin, tls::ADMIN_LISTENERS),
        ] {
            if address::is_any_secure(listeners) {
                errors.extend(ServerTls::new(properties, prefix).err().unwrap_or_default());
            }
        }
        let warnings = warnings::of(properties, &settings.providers, &registry);
        (errors, warnings)
    }

    /// Starts everything but connectors.
    async fn launch(
        start: WorkerStart,
        mode: WorkerMode,
        cluster: impl FnOnce(WorkerIdentity) -> Cluster,
    ) -> Result<(Self, Api), StartError> {
        let include = &start.settings.config.plugins_include;
        let registry = start.registry.limited_to(include);
        check_converters(&start.settings, &registry)?;
        let settings = Arc::new(start.settings);
        let config = &settings.config;
        // A worker without peers reads none of it, as in Java.
        let inter_worker = match mode {
            WorkerMode::Standalone => InterWorkerConfig::read(&Properties::new()),
            WorkerMode::Distributed => InterWorkerConfig::read(&settings.properties),
        };
        let inter_worker = Arc::new(inter_worker.map_err(WorkerConfigError)?);
        let keys = KeyPolicy {
            algorithm: inter_worker.key_algorithm.as_str().into(),
            length: inter_worker.key_length(),
            ttl_ms: i64::from(inter_worker.key_ttl_ms),
        };
        let authenticator = Authenticator::new(&settings);
        let authenticator = authenticator.map_err(|why| WorkerConfigError(vec![why]))?;
        let authenticator = authenticator.map(Arc::new);
        let properties = &settings.properties;
        let listeners = bind(&config.listeners, properties, tls::LISTENERS).await?;
        let admin = config.admin_listeners.as_deref().unwrap_or_default();
        let admin = bind(admin, properties, tls::ADMIN_LISTENERS).await?;
        let advertised = advertised(&settings, &listeners);
        let tracker = TaskTracker::new();
        let forwarder = Forwarder::new(ClientTls::new(properties), tracker.clone());
        warn_of_what_is_ignored(&settings);
        let warnings = warnings::of(&settings.properties, &settings.providers, &registry);
        warnings.log_of_worker();

        let registry = Arc::new(registry);
        if let Some(control) = &start.log_control {
            control.redact(settings.providers.clone());
        }
        let plugins = registry.list().into_iter().map(|(class, ..)| class);
        let loggers = Arc::new(Loggers::new(start.log_control, plugins));
        let offsets = start.offsets;
        let offsets = offsets.unwrap_or_else(|| Arc::<MemoryOffsets>::default());
        let (reports_in, reports) = mpsc::channel(QUEUED_REPORTS);
        let parts = HerderParts {
            settings: Settings {
                mode,
                worker_id: advertised.worker_id.clone(),
                registry: registry.clone(),
                topic_tracking: config.topic_tracking,
                self_healing: config.self_healing,
                protocol: offered(&settings),
                keys: (mode == WorkerMode::Distributed).then_some(keys),
            },
            tasks: LocalTasks::new(
                start.starter,
                registry.clone(),
                settings.clone(),
                offsets.clone(),
                reports_in,
            ),
            reports,
            loggers: loggers.clone(),
            fencer: Fencer {
                kafka: start.kafka.clone(),
                worker: settings.clone(),
            },
        };
        let url: Arc<str> = advertised.url.into();
        let worker_id: Arc<str> = advertised.worker_id.into();
        let (herder, handle) = Herder::new(parts, |view| {
            let submitter = RestSubmitter::new(forwarder.clone(), view, inter_worker.clone());
            cluster(WorkerIdentity {
                url: url.clone(),
                worker_id: worker_id.clone(),
                submitter: Arc::new(submitter),
            })
        });
        let (cluster_id, cluster_id_in) = ClusterId::new();
        let api = Api {
            herder: handle,
            validator: Arc::new(Validator {
                registry,
                worker: settings.clone(),
                group: match mode {
                    WorkerMode::Standalone => None,
                    WorkerMode::Distributed => {
                        settings.properties.get("group.id").map(str::to_owned)
                    }
                },
            }),
            worker: settings.clone(),
            kafka: start.kafka.clone(),
            offsets,
            cluster_id,
            loggers,
            metrics: start.metrics,
            advertised_url: url,
            mode,
            authenticator,
            forwarder,
            inter_worker,
        };

        tracker.spawn(herder.run(start.shutdown.clone(), settings.shutdown_timeout()));
        if let Some(kafka) = start.kafka {
            tracker.spawn(learn_cluster_id(
                kafka,
                settings.clone(),
                cluster_id_in,
                kafka_needed(mode, api.herder.clone()),
                start.shutdown.clone(),
            ));
        }
        // The text was checked when the settings were read.
        let headers = ResponseHeaders::parse(&config.response_headers).unwrap_or_default();
        let main = rest::main_router(&api, headers);
        let worker = Worker {
            addresses: addresses(&listeners),
            admin_addresses: addresses(&admin),
            herder: api.herder.clone(),
            tracker,
        };
        let deadline = settings.shutdown_timeout();
        let server = Server::new(
            Limits::REST,
            worker.tracker.clone(),
            start.shutdown.clone(),
            deadline,
        );
        let admin_router = rest::admin_router(&api);
        let served = listeners.into_iter().map(|listener| (listener, &main));
        let admin = admin.into_iter().map(|listener| (listener, &admin_router));
        for (bound, router) in served.chain(admin) {
            server.serve(bound.socket, bound.tls, router.clone());
        }
        worker.tracker.close();
        if let Some(health) = &start.health {
            health.attach(api.herder.clone(), worker_id, api.metrics.clone());
        }
        Ok((worker, api))
    }

    /// Where the API listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where the admin endpoints listen, if on listeners of their own.
    pub fn admin_addresses(&self) -> &[SocketAddr] {
        &self.admin_addresses
    }

    /// Shows what the worker knows.
    pub fn herder(&self) -> &HerderHandle {
        &self.herder
    }

    /// Returns once everything has ended after the shutdown.
    pub async fn ended(self) {
        self.tracker.wait().await;
    }
}

/// The health port tells what is not there.
fn attach(start: &WorkerStart, bootstrap: Option<&BootstrapConnectors>) {
    if let (Some(health), Some(bootstrap)) = (&start.health, bootstrap) {
        health.expect(bootstrap.lacking());
    }
}

/// Returns once brokers are needed: by a cluster of workers at once, by a worker alone with its first connector of Kafka.
async fn kafka_needed(mode: WorkerMode, herder: HerderHandle) {
    match mode {
        WorkerMode::Distributed => {}
        WorkerMode::Standalone => herder.needs_kafka().await,
    }
}

/// The protocol that the worker offers its group.
fn offered(settings: &WorkerSettings) -> GroupProtocol {
    let name = settings.properties.get("connect.protocol");
    name.and_then(GroupProtocol::configured).unwrap_or_default()
}

/// The worker's own converters must be here.
fn check_converters(
    settings: &WorkerSettings,
    registry: &PluginRegistry,
) -> Result<(), WorkerConfigError> {
    let config = &settings.config;
    let (key, value, header) = (
        &config.key_converter,
        &config.value_converter,
        &config.header_converter,
    );
    let missing = [
        ("key.converter", key, registry.converter(key).is_none()),
        (
            "value.converter",
            value,
            registry.converter(value).is_none(),
        ),
        (
            "header.converter",
            header,
            registry.header_converter(header).is_none(),
        ),
    ];
    let errors = missing.into_iter().filter(|(_, _, is_missing)| *is_missing);
    let errors: Vec<String> = errors
        .map(|(key, class, _)| {
            format!(
                "Invalid value {class} for configuration {key}: Class {class} could not be found."
            )
        })
        .collect();
    if errors.is_empty() {
        return Ok(());
    }
    Err(WorkerConfigError(errors))
}

fn warn_of_what_is_ignored(settings: &WorkerSettings) {
    for key in ["plugin.path", "plugin.discovery"] {
        if settings.properties.contains(key) {
            tracing::warn!(key, "ignored: plugins are compiled in");
        }
    }
    for key in ["internal.key.converter", "internal.value.converter"] {
        if settings.properties.contains(key) {
            tracing::warn!(key, "ignored");
        }
    }
    let extensions = settings.config.rest_extensions.iter();
    for class in extensions.filter(|class| *class != BASIC_AUTH) {
        tracing::warn!(class, "a REST extension that is not known is ignored");
    }
}

#[cfg(test)]
mod tests;
