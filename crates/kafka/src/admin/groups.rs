//! A group's committed offsets seen and changed from outside, while it has no members.

use super::Admin;
use crate::cluster::{Lane, Topics};
use crate::connection::Connection;
use crate::error::KafkaError;
use crate::names::topic_name;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use kafka_protocol::messages::{
    DeleteGroupsRequest, GroupId, OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest,
};
use kafka_protocol::protocol::StrBytes;
use millstream_core::TopicPartition;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Partitions by topic, the shape of most requests.
pub(super) fn by_topic<'a, T: 'a>(
    partitions: impl IntoIterator<Item = &'a (TopicPartition, T)>,
) -> BTreeMap<Arc<str>, Vec<(i32, &'a T)>> {
    let mut topics: BTreeMap<Arc<str>, Vec<(i32, &T)>> = BTreeMap::new();
    for (partition, value) in partitions {
        let of_topic = topics.entry(Arc::clone(&partition.topic)).or_default();
        of_topic.push((partition.partition, value));
    }
    topics
}

/// How far a group has read a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupOffset {
    pub place: TopicPartition,
    pub offset: i64,
    /// Of the record before, as the member told it.
    pub leader_epoch: Option<i32>,
}

impl Admin {
    /// The cluster's id, if its brokers tell one.
    pub async fn cluster_id(&self) -> Result<Option<String>, KafkaError> {
        self.retry(|| async {
            let metadata = self
                .cluster
                .refresh(&Topics::Named(Vec::new()), false)
                .await?;
            Ok(metadata.cluster_id.clone())
        })
        .await
    }

    /// What the group has committed; nothing if there is no such group.
    pub async fn group_offsets(
        &self,
        group: &str,
    ) -> Result<Vec<(TopicPartition, i64)>, KafkaError> {
        let committed = self.group_commits(group).await?.into_iter();
        Ok(committed.map(|one| (one.place, one.offset)).collect())
    }

    /// As `group_offsets`, with all that is committed beside.
    pub async fn group_commits(&self, group: &str) -> Result<Vec<GroupOffset>, KafkaError> {
        self.retry(|| async {
            let response = self
                .coordinator(group)
                .await?
                .request(|_| {
                    OffsetFetchRequest::default()
                        .with_group_id(group_id(group))
                        .with_topics(None)
                })
                .await?;
            check(
                &format!("offset fetch for group {group}"),
                response.error_code,
            )?;
            let mut offsets = Vec::new();
            for topic in &response.topics {
                let name: Arc<str> = Arc::from(topic.name.as_str());
                for partition in &topic.partitions {
                    if partition.committed_offset >= 0 {
                        let leader_epoch = partition.committed_leader_epoch;
                        offsets.push(GroupOffset {
                            place: TopicPartition::new(
                                Arc::clone(&name),
                                partition.partition_index,
                            ),
                            offset: partition.committed_offset,
                            leader_epoch: Some(leader_epoch).filter(|epoch| *epoch >= 0),
                        });
                    }
                }
            }
            Ok(offsets)
        })
        .await
    }

    /// Sets offsets of a group that has no members.
    pub async fn set_group_offsets(
        &self,
        group: &str,
        offsets: &[(TopicPartition, i64)],
    ) -> Result<(), KafkaError> {
        let operation = format!("alter offsets of group {group}");
        self.retry(|| async {
            let topics = by_topic(offsets).into_iter().map(|(topic, partitions)| {
                let partitions = partitions.into_iter().map(|(partition, offset)| {
                    OffsetCommitRequestPartition::default()
                        .with_partition_index(partition)
                        .with_committed_offset(*offset)
                        .with_committed_metadata(Some(StrBytes::default()))
                });
                OffsetCommitRequestTopic::default()
                    .with_name(topic_name(&topic))
                    .with_partitions(partitions.collect())
            });
            let request = OffsetCommitRequest::default()
                .with_group_id(group_id(group))
                // No member: what an admin client commits as.
                .with_generation_id_or_member_epoch(-1)
                .with_topics(topics.collect());
            let response = self.coordinator(group).await?.request(|_| request).await?;
            let mut codes = response.topics.iter().flat_map(|topic| &topic.partitions);
            codes.try_for_each(|partition| check(&operation, partition.error_code))
        })
        .await
    }

    /// Removes a group's offsets of some partitions.
    pub async fn delete_group_offsets(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<(), KafkaError> {
        let operation = format!("delete offsets of group {group}");
        let places: Vec<(TopicPartition, ())> = partitions
            .iter()
            .map(|partition| (partition.clone(), ()))
            .collect();
        self.retry(|| async {
            let topics = by_topic(&places).into_iter().map(|(topic, partitions)| {
                let partitions = partitions.into_iter().map(|(partition, ())| {
                    OffsetDeleteRequestPartition::default().with_partition_index(partition)
                });
                OffsetDeleteRequestTopic::default()
                    .with_name(topic_name(&topic))
                    .with_partitions(partitions.collect())
            });
            let request = OffsetDeleteRequest::default()
                .with_group_id(group_id(group))
                .with_topics(topics.collect());
            let response = self.coordinator(group).await?.request(|_| request).await?;
            check(&operation, response.error_code)?;
            let mut codes = response.topics.iter().flat_map(|topic| &topic.partitions);
            codes.try_for_each(|partition| check(&operation, partition.error_code))
        })
        .await
    }

    /// Deletes a group that has no members.
    pub async fn delete_group(&self, group: &str) -> Result<(), KafkaError> {
        self.retry(|| async {
            let response = self
                .coordinator(group)
                .await?
                .request(|_| {
                    DeleteGroupsRequest::default().with_groups_names(vec![group_id(group)])
                })
                .await?;
            let mut codes = response.results.iter();
            codes.try_for_each(|result| check(&format!("delete group {group}"), result.error_code))
        })
        .await
    }

    pub(super) async fn coordinator(&self, group: &str) -> Result<Connection, KafkaError> {
        let key = StrBytes::from_string(group.to_owned());
        let (_, address) = self.cluster.find_coordinator(&key).await?;
        self.cluster.connect(&address, Lane::Control).await
    }
}

pub(super) fn group_id(group: &str) -> GroupId {
    GroupId(StrBytes::from_string(group.to_owned()))
}

fn check(operation: &str, code: i16) -> Result<(), KafkaError> {
    match code {
        0 => Ok(()),
        _ => Err(KafkaError::response(operation, code)),
    }
}
