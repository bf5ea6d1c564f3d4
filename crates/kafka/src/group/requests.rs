//! Committing and fetching the group's offsets, with retries while its coordinator moves.

use super::{GroupSettings, Membership};
use crate::cluster::{Cluster, Lane};
use crate::connection::Connection;
use crate::error::KafkaError;
use crate::limits::OFFSETS_ANSWER;
use crate::names::topic_name;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::{GroupId, OffsetCommitRequest, OffsetFetchRequest};
use kafka_protocol::protocol::StrBytes;
use millstream_core::TopicPartition;
use millstream_core::backoff::Backoff;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// The broker's code for a topic that is not there.
const UNKNOWN_TOPIC: i16 = 3;

/// A committed offset; −1 where there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) offset: i64,
    pub(crate) leader_epoch: i32,
}

#[derive(Clone, Debug)]
pub(crate) struct Offsets {
    cluster: Cluster,
    settings: Arc<GroupSettings>,
    current: watch::Receiver<Option<Membership>>,
    moved: Arc<Notify>,
}

impl Offsets {
    pub(super) fn new(
        cluster: Cluster,
        settings: Arc<GroupSettings>,
        current: watch::Receiver<Option<Membership>>,
        moved: Arc<Notify>,
    ) -> Self {
        Offsets {
            cluster,
            settings,
            current,
            moved,
        }
    }

    /// Commits as the current member; each offset is the next to read. Retries until `limit`.
    pub(crate) async fn commit(
        &self,
        offsets: &[(TopicPartition, i64, String)],
        limit: Duration,
        backoff: Backoff,
    ) -> Result<(), KafkaError> {
        self.retry(limit, backoff, || self.commit_once(offsets))
            .await
    }

    /// What the group has committed for these partitions.
    pub(crate) async fn fetch(
        &self,
        partitions: &[TopicPartition],
        limit: Duration,
        backoff: Backoff,
    ) -> Result<HashMap<TopicPartition, Committed>, KafkaError> {
        self.retry(limit, backoff, || self.fetch_once(partitions))
            .await
    }

    async fn retry<T, F: Future<Output = Result<T, KafkaError>>>(
        &self,
        limit: Duration,
        mut backoff: Backoff,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, KafkaError> {
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            let error = match attempt().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let pause = backoff.next_pause();
            // Between two generations the old one is refused; the new one is known in a moment, or we are out.
            let is_between = matches!(
                error.response_error(),
                Some(ResponseError::RebalanceInProgress | ResponseError::IllegalGeneration)
            );
            if !(error.is_transient() || is_between)
                || tokio::time::Instant::now() + pause > deadline
            {
                return Err(error);
            }
            if !is_between
                && !matches!(
                    error.response_error(),
                    Some(
                        ResponseError::UnstableOffsetCommit
                            | ResponseError::CoordinatorLoadInProgress
                    )
                )
            {
                self.moved.notify_one();
            }
            tokio::time::sleep(pause).await;
        }
    }

    fn membership(&self) -> Result<Membership, KafkaError> {
        self.current
            .borrow()
            .clone()
            .ok_or_else(|| KafkaError::Failed {
                operation: format!("offset request of group {}", self.settings.group_id),
                why: "the consumer is not part of an active group".to_owned(),
            })
    }

    /// Not the member's own: the coordinator answers nothing there while a join is under way.
    async fn connection(&self, membership: &Membership) -> Result<Connection, KafkaError> {
        self.cluster
            .connect(&membership.coordinator, Lane::Control)
            .await
    }

    fn timeout(&self) -> Duration {
        self.cluster
            .settings()
            .request_timeout()
            .min(OFFSETS_ANSWER)
    }

    async fn commit_once(
        &self,
        offsets: &[(TopicPartition, i64, String)],
    ) -> Result<(), KafkaError> {
        let membership = self.membership()?;
        let mut topics: BTreeMap<&Arc<str>, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
        for (partition, offset, metadata) in offsets {
            topics.entry(&partition.topic).or_default().push(
                OffsetCommitRequestPartition::default()
                    .with_partition_index(partition.partition)
                    .with_committed_offset(*offset)
                    .with_committed_metadata(Some(StrBytes::from_string(metadata.clone()))),
            );
        }
        let response = self
            .connection(&membership)
            .await?
            .request_within(self.timeout(), |version| {
                let mut request = OffsetCommitRequest::default()
                    .with_group_id(self.group_id())
                    .with_generation_id_or_member_epoch(membership.generation)
                    .with_member_id(membership.member_id.clone())
                    .with_topics(
                        topics
                            .into_iter()
                            .map(|(topic, partitions)| {
                                OffsetCommitRequestTopic::default()
                                    .with_name(topic_name(topic))
                                    .with_partitions(partitions)
                            })
                            .collect(),
                    );
                if version >= 7 {
                    request.group_instance_id =
                        self.settings.instance_id.clone().map(StrBytes::from_string);
                }
                request
            })
            .await?;
        let metadata = self.cluster.metadata();
        for topic in &response.topics {
            let known = metadata.topics.get(topic.name.as_str());
            for partition in &topic.partitions {
                // Of a topic that is gone there is nothing to come back to.
                let is_gone = partition.error_code == UNKNOWN_TOPIC
                    && known.is_none_or(|topic| topic.error == UNKNOWN_TOPIC);
                if partition.error_code != 0 && !is_gone {
                    return Err(KafkaError::response(
                        format!(
                            "offset commit of {}-{} for group {}",
                            topic.name.as_str(),
                            partition.partition_index,
                            self.settings.group_id
                        ),
                        partition.error_code,
                    ));
                }
            }
        }
        Ok(())
    }

    async fn fetch_once(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<HashMap<TopicPartition, Committed>, KafkaError> {
        let membership = self.membership()?;
        let mut topics: BTreeMap<&Arc<str>, Vec<i32>> = BTreeMap::new();
        for partition in partitions {
            topics
                .entry(&partition.topic)
                .or_default()
                .push(partition.partition);
        }
        let names: HashMap<String, Arc<str>> = topics
            .keys()
            .map(|topic| (topic.to_string(), Arc::clone(topic)))
            .collect();
        let response = self
            .connection(&membership)
            .await?
            .request_within(self.timeout(), |version| {
                OffsetFetchRequest::default()
                    .with_group_id(self.group_id())
                    // Offsets of transactions that are still being committed are worth waiting for.
                    .with_require_stable(version >= 7)
                    .with_topics(Some(
                        topics
                            .into_iter()
                            .map(|(topic, partitions)| {
                                OffsetFetchRequestTopic::default()
                                    .with_name(topic_name(topic))
                                    .with_partition_indexes(partitions)
                            })
                            .collect(),
                    ))
            })
            .await?;
        let refused = |code| {
            KafkaError::response(
                format!("offset fetch for group {}", self.settings.group_id),
                code,
            )
        };
        if response.error_code != 0 {
            return Err(refused(response.error_code));
        }
        let mut committed = HashMap::new();
        for topic in &response.topics {
            let Some(name) = names.get(topic.name.as_str()) else {
                continue;
            };
            for partition in &topic.partitions {
                if partition.error_code != 0 {
                    return Err(refused(partition.error_code));
                }
                committed.insert(
                    TopicPartition::new(Arc::clone(name), partition.partition_index),
                    Committed {
                        offset: partition.committed_offset,
                        leader_epoch: partition.committed_leader_epoch,
                    },
                );
            }
        }
        Ok(committed)
    }

    fn group_id(&self) -> GroupId {
        GroupId(StrBytes::from_string(self.settings.group_id.clone()))
    }
}
