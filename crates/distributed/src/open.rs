//! Opens what the workers of a cluster share, as often as it takes.

use crate::config_store::KafkaConfigStore;
use crate::offset_log::TopicOffsets;
use crate::status_store::KafkaStatusStore;
use crate::topics::{self, TopicError};
use millstream_core::backoff::Backoff;
use millstream_core::limits::MAX_BACKOFF;
use millstream_core::{ByteBudget, Properties};
use millstream_kafka::{
    Admin, Bootstrap, ClientSettings, InvalidConfig, KafkaError, KafkaLog, LogSettings,
};
use millstream_worker::WorkerSettings;
use millstream_worker::config::{DistributedConfig, ExactlyOnce};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// The pauses between attempts.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), MAX_BACKOFF);

/// How long one attempt at the topics goes on before it is told of: soon enough for whoever looks at the log.
const ATTEMPT_MS: &str = "5000";

/// What is fetched of a topic and not yet read: the records are small, and each topic is read whole once.
const FETCHED_BYTES: usize = 8 << 20;

/// How long a record may wait for the brokers. A write has failed by then, and should not come about afterwards.
const DELIVERY_MS: i64 = 30_000;

/// What is stored, over topics that are fit for it.
pub struct Stores {
    pub configs: KafkaConfigStore,
    pub statuses: KafkaStatusStore,
    /// For the worker, not for its group.
    pub offsets: Arc<TopicOffsets>,
    /// What the group is joined with.
    pub group: ClientSettings,
}

/// Why the topics cannot be opened, where trying again does not help.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Config(#[from] InvalidConfig),
    #[error(transparent)]
    Topic(#[from] TopicError),
    #[error(transparent)]
    Kafka(#[from] KafkaError),
}

impl OpenError {
    fn is_transient(&self) -> bool {
        match self {
            OpenError::Config(_) => false,
            OpenError::Topic(error) => error.is_transient(),
            // Of a topic that was made just now not every broker knows.
            OpenError::Kafka(KafkaError::Failed { .. }) => true,
            OpenError::Kafka(error) => error.is_transient(),
        }
    }
}

/// Makes and checks the topics and opens those that a worker reads. What comes with the stores tells why one of the topics
/// cannot be read any more, if that comes to pass. While brokers are out of reach it tries again, and says so. Brokers that may become others while the worker runs are `bootstrap`.
///
/// # Errors
/// If the topics or the settings are not fit, or the brokers refuse this worker.
pub async fn open(
    settings: &WorkerSettings,
    config: &DistributedConfig,
    bootstrap: Option<&Bootstrap>,
) -> Result<(Stores, mpsc::Receiver<String>), OpenError> {
    let mut backoff = Backoff::new(PAUSES);
    loop {
        match Box::pin(attempt(settings, config, bootstrap)).await {
            Err(error) if error.is_transient() => {
                let pause = backoff.next_pause();
                tracing::warn!(%error, "internal topics are unavailable, retrying in {} ms", pause.as_millis());
                tokio::time::sleep(pause).await;
            }
            outcome => return outcome,
        }
    }
}

async fn attempt(
    settings: &WorkerSettings,
    config: &DistributedConfig,
    bootstrap: Option<&Bootstrap>,
) -> Result<(Stores, mpsc::Receiver<String>), OpenError> {
    let client_of = |properties: &Properties| {
        ClientSettings::from_properties(properties).map(|client| client.following(bootstrap))
    };
    let log_of = |properties: &Properties| {
        LogSettings::from_properties(properties).map(|log| log.following(bootstrap))
    };
    let mut admin = client(settings, config, "shared-admin");
    admin.insert("default.api.timeout.ms", ATTEMPT_MS);
    let admin = Admin::new(client_of(&admin)?);
    topics::prepare(&admin, config, &settings.properties).await?;
    let mut configs = client(settings, config, "configs");
    let mut offsets = client(settings, config, "offsets");
    if config.exactly_once == ExactlyOnce::Enabled {
        configs.insert("isolation.level", "read_committed");
        offsets.insert("isolation.level", "read_committed");
    }
    let statuses = client(settings, config, "statuses");
    let group = client_of(&settings.properties)?;
    let mut config_settings = log_of(&configs)?;
    let is_transactional = config.exactly_once != ExactlyOnce::Disabled;
    if is_transactional {
        config_settings = config_settings.with_transactional_id(transactional_id(config));
    }
    let (configs, statuses, offsets) = tokio::try_join!(
        log(config_settings, &config.config_topic),
        log(log_of(&statuses)?, &config.status_topic),
        log(log_of(&offsets)?, &config.offset_topic)
    )?;
    let (report, failed) = mpsc::channel(1);
    let mut configs =
        KafkaConfigStore::new(Box::new(configs), config.sync_timeout(), report.clone());
    if is_transactional {
        configs = configs.in_transactions();
    }
    let stores = Stores {
        configs,
        offsets: Arc::new(TopicOffsets::new(Box::new(offsets), report.clone())),
        statuses: KafkaStatusStore::new(Box::new(statuses), report),
        group,
    };
    Ok((stores, failed))
}

async fn log(settings: LogSettings, topic: &str) -> Result<KafkaLog, OpenError> {
    let budget = ByteBudget::new(FETCHED_BYTES);
    Ok(KafkaLog::open(settings, topic, budget).await?)
}

/// Under which the leader writes what only a leader writes; all workers of a group have the same, as in Java.
fn transactional_id(config: &DistributedConfig) -> String {
    format!("connect-cluster-{}", config.group_id)
}

/// The worker's own properties, under the name that Java gives to the client.
fn client(settings: &WorkerSettings, config: &DistributedConfig, name: &str) -> Properties {
    let mut client = settings.properties.clone();
    if config.exactly_once != ExactlyOnce::Disabled {
        // As in Java, the worker's own takes its place.
        client.remove("transactional.id");
    }
    let DistributedConfig {
        group_id,
        client_id,
        ..
    } = config;
    client.insert(
        "client.id",
        if client_id.is_empty() {
            format!("{group_id}-{name}")
        } else {
            format!("{group_id}-{client_id}-{name}")
        },
    );
    let request = client.get("request.timeout.ms");
    let request: Option<i64> = request.and_then(|ms| ms.trim().parse().ok());
    let delivery = request.unwrap_or(0).max(DELIVERY_MS);
    client.insert("delivery.timeout.ms", delivery.to_string());
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_have_java_s_names() {
        let name = |more: &str| {
            let file = format!(
                "bootstrap.servers=a:1\nkey.converter=k\nvalue.converter=v\ngroup.id=g\nconfig.storage.topic=c\noffset.storage.topic=o\nstatus.storage.topic=s\n{more}"
            );
            let (settings, config) = WorkerSettings::of_cluster(file.as_bytes()).expect("whole");
            let client = client(&settings, &config, "configs");
            let value = |key| client.get(key).unwrap_or_default().to_owned();
            (value("client.id"), value("delivery.timeout.ms"))
        };
        assert_eq!(name(""), ("g-configs".into(), "30000".into()));
        assert_eq!(
            name("client.id=w\nrequest.timeout.ms=40000"),
            ("g-w-configs".into(), "40000".into())
        );
    }
}
