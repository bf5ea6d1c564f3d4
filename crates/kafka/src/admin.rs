//! Admin: the few things that a client asks of a cluster besides reading and writing.

mod configs;
mod described_groups;
mod fencing;
mod groups;
mod share_groups;
mod topics;

use crate::cluster::{Cluster, Lane, Topics};
use crate::config::ClientSettings;
use crate::error::KafkaError;
use crate::names::topic_name;
use crate::positions;
use crate::retry::retry_until;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::{CreateTopicsRequest, DeleteTopicsRequest};
use kafka_protocol::protocol::StrBytes;
use millstream_core::TopicPartition;
use millstream_core::backoff::Backoff;
use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

pub use crate::positions::{EARLIEST, LATEST};
pub use configs::TopicSetting;
pub use described_groups::{GroupDescription, GroupEpochs, GroupKind, GroupListing, GroupMember};
pub use groups::GroupOffset;
pub use share_groups::ShareGroupOffset;
pub use topics::{Node, PartitionDetail, TopicDetail};

/// Stands for the brokers' default, and the first version of CreateTopics that takes it.
const BY_DEFAULT: i32 = -1;
const FIRST_WITH_DEFAULTS: i16 = 4;

/// A topic to be made.
#[derive(Clone, Debug)]
pub struct NewTopic {
    pub name: String,
    /// −1: as many as the broker makes by default.
    pub partitions: i32,
    /// −1: as the broker's default.
    pub replication: i16,
    pub configs: Vec<(String, String)>,
}

/// A topic that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicInfo {
    pub partitions: i32,
    pub replication: usize,
}

/// Hears of an attempt that has failed, and for how long others follow it.
pub type OnRetry = fn(&KafkaError, Duration);

/// An answer that takes longer than this is one that somebody at a terminal wonders about.
const WONDERED_ABOUT: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub struct Admin {
    cluster: Cluster,
    on_retry: Option<OnRetry>,
}

impl Admin {
    pub fn new(settings: ClientSettings) -> Self {
        Admin {
            cluster: Cluster::new(settings),
            on_retry: None,
        }
    }

    /// Tells, once for each question, what keeps the brokers from answering soon.
    pub fn telling(self, on_retry: OnRetry) -> Self {
        Admin {
            on_retry: Some(on_retry),
            ..self
        }
    }

    /// Makes topics. One that exists already is an error of its own; the others are made all the same. Brokers before 2.4,
    /// which fill in no defaults themselves, are told their own.
    pub async fn create_topics(
        &self,
        topics: &[NewTopic],
    ) -> Result<BTreeMap<String, Result<(), KafkaError>>, KafkaError> {
        self.retry(|| async {
            let connection = self.controller().await?;
            let version = connection.version_of::<CreateTopicsRequest>()?;
            let (partitions, replicas) = if version < FIRST_WITH_DEFAULTS {
                // Who may not ask gets what every broker can make.
                let (partitions, replicas) = match self.defaults().await {
                    Err(error) if error.is_transient() => return Err(error),
                    told => told.unwrap_or_default(),
                };
                (partitions.unwrap_or(1), replicas.unwrap_or(1))
            } else {
                (BY_DEFAULT, BY_DEFAULT as i16)
            };
            let topics = topics.iter().map(|topic| {
                let mut topic = topic.clone();
                if topic.partitions == BY_DEFAULT {
                    topic.partitions = partitions;
                }
                if topic.replication == BY_DEFAULT as i16 {
                    topic.replication = replicas;
                }
                creatable(&topic)
            });
            let request = CreateTopicsRequest::default()
                .with_timeout_ms(self.cluster.settings().request_timeout_ms)
                .with_topics(topics.collect());
            let response = connection.request(|_| request).await?;
            let mut results = BTreeMap::new();
            for topic in response.topics {
                let name = topic.name.to_string();
                let operation = format!("create topic {name}");
                let result = outcome(&operation, topic.error_code, topic.error_message.as_ref())?;
                results.insert(name, result);
            }
            Ok(results)
        })
        .await
    }

    pub async fn delete_topics(
        &self,
        topics: &[String],
    ) -> Result<BTreeMap<String, Result<(), KafkaError>>, KafkaError> {
        self.retry(|| async {
            let connection = self.controller().await?;
            let response = connection
                .request(|_| {
                    DeleteTopicsRequest::default()
                        .with_timeout_ms(self.cluster.settings().request_timeout_ms)
                        .with_topic_names(topics.iter().map(|topic| topic_name(topic)).collect())
                })
                .await?;
            let mut results = BTreeMap::new();
            for topic in response.responses {
                let name = topic.name.unwrap_or_default().to_string();
                let operation = format!("delete topic {name}");
                let result = outcome(&operation, topic.error_code, topic.error_message.as_ref())?;
                results.insert(name, result);
            }
            Ok(results)
        })
        .await
    }

    /// The topics among these that exist.
    pub async fn describe_topics(
        &self,
        topics: &[String],
    ) -> Result<BTreeMap<String, TopicInfo>, KafkaError> {
        let wanted = Topics::Named(topics.to_vec());
        self.describe(&wanted).await
    }

    /// How many brokers the cluster has, as one that answers knows it.
    pub async fn broker_count(&self) -> Result<usize, KafkaError> {
        let nothing = Topics::Named(Vec::new());
        let metadata = self.retry(|| self.cluster.refresh(&nothing, false)).await?;
        Ok(metadata.brokers.len())
    }

    /// All topics.
    pub async fn list_topics(&self) -> Result<BTreeMap<String, TopicInfo>, KafkaError> {
        self.describe(&Topics::All).await
    }

    async fn describe(&self, wanted: &Topics) -> Result<BTreeMap<String, TopicInfo>, KafkaError> {
        let metadata = self.retry(|| self.cluster.refresh(wanted, false)).await?;
        Ok(metadata
            .topics
            .iter()
            .filter(|(_, topic)| topic.error == 0)
            .map(|(name, topic)| {
                let replicas = topic.partitions.values().map(|p| p.replicas.len());
                let info = TopicInfo {
                    partitions: topic.partitions.len() as i32,
                    replication: replicas.max().unwrap_or(0),
                };
                (name.to_string(), info)
            })
            .collect())
    }

    /// The offsets of these partitions at a time in milliseconds, or at `EARLIEST` or `LATEST`; −1 where there is none.
    pub async fn list_offsets(
        &self,
        partitions: &[TopicPartition],
        time: i64,
    ) -> Result<HashMap<TopicPartition, i64>, KafkaError> {
        self.list_offsets_as(partitions, time, false).await
    }

    /// As `list_offsets`, with `reads_committed` as a reader sees it who waits for open transactions.
    pub(crate) async fn list_offsets_as(
        &self,
        partitions: &[TopicPartition],
        time: i64,
        reads_committed: bool,
    ) -> Result<HashMap<TopicPartition, i64>, KafkaError> {
        let mut topics: Vec<String> = partitions.iter().map(|p| p.topic.to_string()).collect();
        topics.sort();
        topics.dedup();
        let topics = Topics::Named(topics);
        // Who asks again and again, as a log does before each of many writes, asks who leads once. What is found wrong is
        // asked anew.
        let mut recent = self.cluster.recent_metadata().filter(|metadata| {
            let leader = |partition| metadata.partition(partition).map_or(-1, |p| p.leader);
            partitions.iter().all(|partition| leader(partition) >= 0)
        });
        let topics = &topics;
        self.retry(|| {
            let recent = recent.take();
            async move {
                let metadata = match recent {
                    Some(recent) => recent,
                    None => self.cluster.refresh(topics, false).await?,
                };
                let mut by_leader: BTreeMap<i32, Vec<TopicPartition>> = BTreeMap::new();
                for partition in partitions {
                    let leader = metadata.partition(partition).map_or(-1, |p| p.leader);
                    by_leader.entry(leader).or_default().push(partition.clone());
                }
                if let Some(first) = by_leader.get(&-1).and_then(|waiting| waiting.first()) {
                    return Err(KafkaError::Response {
                        operation: format!("find leader of {first}"),
                        error: ResponseError::LeaderNotAvailable,
                        message: None,
                    });
                }
                let mut found = HashMap::new();
                for (leader, asked) in by_leader {
                    let listed =
                        positions::list(self.cluster.clone(), leader, asked, time, reads_committed)
                            .await?;
                    for (partition, answer) in listed {
                        let offset = answer.map_err(|code| {
                            KafkaError::response(format!("list offsets of {partition}"), code)
                        })?;
                        found.insert(partition, offset);
                    }
                }
                Ok(found)
            }
        })
        .await
    }

    async fn controller(&self) -> Result<crate::connection::Connection, KafkaError> {
        let metadata = self
            .cluster
            .refresh(&Topics::Named(Vec::new()), false)
            .await?;
        if metadata.controller < 0 {
            return Err(KafkaError::Response {
                operation: "find controller".to_owned(),
                error: ResponseError::NotController,
                message: None,
            });
        }
        self.cluster.node(metadata.controller, Lane::Control).await
    }

    /// Tries again, within `default.api.timeout.ms`, what may succeed later.
    async fn retry<T, F: Future<Output = Result<T, KafkaError>>>(
        &self,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, KafkaError> {
        let settings = self.cluster.settings();
        let begun = Instant::now();
        let deadline = begun + settings.api_timeout();
        let has_told = AtomicBool::new(false);
        let told_about = || {
            let attempt = attempt();
            let has_told = &has_told;
            async move {
                let result = attempt.await;
                if let Err(error) = &result
                    && error.is_transient()
                    && begun.elapsed() >= WONDERED_ABOUT
                    && let Some(tell) = self.on_retry
                    && !has_told.swap(true, Ordering::Relaxed)
                {
                    tell(error, deadline.saturating_duration_since(Instant::now()));
                }
                result
            }
        };
        retry_until(deadline, Backoff::new(settings.retry_backoff()), told_about).await
    }
}

/// Success or an answer about the topic itself; the outer error is worth another try of the whole request.
fn outcome(
    operation: &str,
    code: i16,
    message: Option<&StrBytes>,
) -> Result<Result<(), KafkaError>, KafkaError> {
    match code {
        0 => Ok(Ok(())),
        _ => {
            let error = KafkaError::response_with_message(operation, code, message);
            match error.response_error() {
                Some(ResponseError::NotController) => Err(error),
                _ => Ok(Err(error)),
            }
        }
    }
}

fn creatable(topic: &NewTopic) -> CreatableTopic {
    CreatableTopic::default()
        .with_name(topic_name(&topic.name))
        .with_num_partitions(topic.partitions)
        .with_replication_factor(topic.replication)
        .with_configs(
            topic
                .configs
                .iter()
                .map(|(key, value)| {
                    CreatableTopicConfig::default()
                        .with_name(StrBytes::from_string(key.clone()))
                        .with_value(Some(StrBytes::from_string(value.clone())))
                })
                .collect(),
        )
}
