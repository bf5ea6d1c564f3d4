//! The internal topics: made where they are missing, checked where they are there, repaired where that is allowed.

use millstream_core::Properties;
use millstream_core::backoff::Backoff;
use millstream_kafka::admin::{NewTopic, TopicInfo};
use millstream_kafka::{Admin, KafkaError, ResponseError};
use millstream_worker::config::DistributedConfig;
use std::time::Duration;

const CLEANUP: &str = "cleanup.policy";
const COMPACT: &str = "compact";

/// The pauses while a topic that was made is not there yet for everybody.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// How often that is looked at: some 30 s.
const LOOKS: u32 = 35;

/// One of the three topics.
#[derive(Clone, Debug)]
struct InternalTopic {
    /// The setting that names it.
    key: &'static str,
    name: String,
    purpose: &'static str,
    /// −1: as many as the brokers make by default.
    partitions: i32,
    replicas: i16,
    has_one_partition: bool,
    /// Further settings with which it is made.
    configs: Vec<(String, String)>,
}

/// Why a worker cannot work with the topics; most texts are Java's.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    #[error(
        "Topic '{topic}' specified via the '{key}' property is missing. The config 'internal.topics.automatic.creation.enable' is set to 'false', so automatic creation of internal topics is disabled. Either enable automatic creation or create the topics manually."
    )]
    Missing { topic: String, key: &'static str },
    #[error(
        "Topic '{topic}' supplied via the '{key}' property is required to have a single partition in order to guarantee consistency of connector configurations, but found {found} partitions."
    )]
    Partitions {
        topic: String,
        key: &'static str,
        found: i32,
    },
    #[error(
        "Topic '{topic}' supplied via the '{key}' property is required to have 'cleanup.policy=compact' to guarantee consistency and durability of {purpose}, but found the topic currently has 'cleanup.policy={found}'. Continuing would likely result in eventually losing {purpose} and problems restarting this Connect cluster in the future. Change the '{key}' property in the Connect worker configurations to use a topic with 'cleanup.policy=compact'; or set millstream.fix.internal.topics=true, and this topic gets that policy."
    )]
    Policy {
        topic: String,
        key: &'static str,
        purpose: &'static str,
        found: String,
    },
    #[error("Error while attempting to create/find topic(s) '{topic}': {source}")]
    Create { topic: String, source: KafkaError },
    #[error("topic {topic} was made and is not there")]
    NotThere { topic: String },
    #[error(transparent)]
    Kafka(#[from] KafkaError),
}

impl TopicError {
    /// Whether the same attempt may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            TopicError::Create { source, .. } | TopicError::Kafka(source) => source.is_transient(),
            TopicError::NotThere { .. } => true,
            TopicError::Missing { .. }
            | TopicError::Partitions { .. }
            | TopicError::Policy { .. } => false,
        }
    }
}

/// Makes the topics that are missing and checks the others. Several workers may do so at once.
///
/// # Errors
/// If a topic cannot be made or is not fit for its purpose.
pub async fn prepare(
    admin: &Admin,
    config: &DistributedConfig,
    properties: &Properties,
) -> Result<(), TopicError> {
    for topic in topics(config, properties) {
        let found = match look(admin, &topic.name).await? {
            Some(found) => found,
            None if !config.may_create_topics => {
                let (key, topic) = (topic.key, topic.name);
                return Err(TopicError::Missing { topic, key });
            }
            None => create(admin, &topic).await?,
        };
        if topic.has_one_partition && found.partitions != 1 {
            return Err(TopicError::Partitions {
                topic: topic.name,
                key: topic.key,
                found: found.partitions,
            });
        }
        check_policy(admin, topic, config.may_fix_topics).await?;
    }
    Ok(())
}

/// In the order in which Java's worker looks at them.
fn topics(config: &DistributedConfig, properties: &Properties) -> [InternalTopic; 3] {
    let configs = |prefix: &str| {
        let own = ["topic", "partitions", "replication.factor"];
        let configs = properties.with_prefix(prefix);
        if let Some(value) = configs.get(CLEANUP) {
            tracing::warn!(
                "Ignoring '{prefix}{CLEANUP}={value}' setting, since compaction is always used"
            );
        }
        let further = configs
            .iter()
            .filter(|(key, _)| !own.contains(key) && *key != CLEANUP);
        let further = further.map(|(key, value)| (key.to_owned(), value.to_owned()));
        further
            .chain([(CLEANUP.to_owned(), COMPACT.to_owned())])
            .collect()
    };
    let partitions = "config.storage.partitions";
    if let Some(value) = properties.get(partitions) {
        tracing::warn!(
            "Ignoring '{partitions}={value}' setting, since config topic partitions is always 1"
        );
    }
    [
        InternalTopic {
            key: "offset.storage.topic",
            name: config.offset_topic.clone(),
            purpose: "source connector offsets",
            partitions: config.offset_partitions,
            replicas: config.offset_replicas,
            has_one_partition: false,
            configs: configs("offset.storage."),
        },
        InternalTopic {
            key: "status.storage.topic",
            name: config.status_topic.clone(),
            purpose: "connector and task statuses",
            partitions: config.status_partitions,
            replicas: config.status_replicas,
            has_one_partition: false,
            configs: configs("status.storage."),
        },
        InternalTopic {
            key: "config.storage.topic",
            name: config.config_topic.clone(),
            purpose: "connector configurations",
            partitions: 1,
            replicas: config.config_replicas,
            has_one_partition: true,
            configs: configs("config.storage."),
        },
    ]
}

async fn look(admin: &Admin, name: &str) -> Result<Option<TopicInfo>, KafkaError> {
    let mut found = admin.describe_topics(&[name.to_owned()]).await?;
    Ok(found.remove(name))
}

/// Makes a topic, unless another worker has just done so, and waits until it is there.
async fn create(admin: &Admin, topic: &InternalTopic) -> Result<TopicInfo, TopicError> {
    let failed = |source| TopicError::Create {
        topic: topic.name.clone(),
        source,
    };
    let wanted = NewTopic {
        name: topic.name.clone(),
        partitions: topic.partitions,
        replication: topic.replicas,
        configs: topic.configs.clone(),
    };
    let mut made = admin.create_topics(&[wanted]).await.map_err(failed)?;
    match made.remove(&topic.name) {
        Some(Err(error)) if error.response_error() == Some(ResponseError::TopicAlreadyExists) => {}
        Some(Err(error)) => return Err(failed(error)),
        Some(Ok(())) | None => {
            tracing::info!(topic = topic.name, "the topic was missing and is made")
        }
    }
    let mut backoff = Backoff::new(PAUSES);
    for _ in 0..LOOKS {
        if let Some(found) = look(admin, &topic.name).await? {
            return Ok(found);
        }
        tokio::time::sleep(backoff.next_pause()).await;
    }
    let topic = topic.name.clone();
    Err(TopicError::NotThere { topic })
}

/// Without compaction what is stored would be lost in time, beside it too.
async fn check_policy(
    admin: &Admin,
    topic: InternalTopic,
    may_fix: bool,
) -> Result<(), TopicError> {
    let InternalTopic {
        key, name, purpose, ..
    } = topic;
    let found = match admin.topic_config(&name, CLEANUP).await {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(()),
        Err(error) if error.is_transient() => return Err(error.into()),
        Err(error) => {
            tracing::warn!(topic = name, %error, "Unable to use admin client to verify the cleanup policy of '{name}' topic is 'compact', either because the broker is an older version or because the Kafka principal used for Connect internal topics does not have the required permission to describe topic configurations.");
            return Ok(());
        }
    };
    if found == COMPACT {
        return Ok(());
    }
    if !may_fix {
        let topic = name;
        return Err(TopicError::Policy {
            topic,
            key,
            purpose,
            found,
        });
    }
    admin.set_topic_config(&name, CLEANUP, COMPACT).await?;
    tracing::warn!(
        topic = name,
        "its cleanup.policy was {found} and is compact now (millstream.fix.internal.topics); what was deleted before is lost"
    );
    Ok(())
}
