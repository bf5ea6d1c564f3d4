//! Where share groups begin to read, told and changed.

use super::Admin;
use super::described_groups::{check, offers};
use super::groups::{by_topic, group_id};
use crate::error::KafkaError;
use crate::names::topic_name;
use kafka_protocol::messages::alter_share_group_offsets_request::{
    AlterShareGroupOffsetsRequestPartition, AlterShareGroupOffsetsRequestTopic,
};
use kafka_protocol::messages::describe_share_group_offsets_request::DescribeShareGroupOffsetsRequestGroup;
use kafka_protocol::messages::{AlterShareGroupOffsetsRequest, DescribeShareGroupOffsetsRequest};
use millstream_core::TopicPartition;
use std::sync::Arc;

/// Where a share group begins to read a partition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShareGroupOffset {
    pub place: TopicPartition,
    /// `None` where it has not read yet.
    pub start: Option<i64>,
    /// Of the partition, as the group's state tells it.
    pub leader_epoch: Option<i32>,
}

impl Admin {
    /// Where a share group begins to read each of its partitions; nothing where the brokers do not tell.
    pub async fn share_group_offsets(
        &self,
        group: &str,
    ) -> Result<Vec<ShareGroupOffset>, KafkaError> {
        let operation = format!("describe offsets of share group {group}");
        self.retry(|| async {
            let connection = self.coordinator(group).await?;
            if !offers::<DescribeShareGroupOffsetsRequest>(&connection) {
                return Ok(Vec::new());
            }
            let asked = DescribeShareGroupOffsetsRequestGroup::default()
                .with_group_id(group_id(group))
                .with_topics(None);
            let response = connection
                .request(|_| DescribeShareGroupOffsetsRequest::default().with_groups(vec![asked]))
                .await?;
            let mut offsets = Vec::new();
            for group in response.groups {
                check(&operation, group.error_code, group.error_message.as_ref())?;
                for topic in group.topics {
                    let name: Arc<str> = Arc::from(topic.topic_name.as_str());
                    offsets.extend(topic.partitions.iter().map(|p| {
                        let start = Some(p.start_offset).filter(|offset| *offset >= 0);
                        let epoch = start.and(Some(p.leader_epoch));
                        ShareGroupOffset {
                            place: TopicPartition::new(Arc::clone(&name), p.partition_index),
                            start,
                            leader_epoch: epoch.filter(|epoch| *epoch >= 0),
                        }
                    }));
                }
            }
            offsets.sort();
            Ok(offsets)
        })
        .await
    }

    /// Sets where a share group that has no members begins to read.
    pub async fn set_share_group_offsets(
        &self,
        group: &str,
        offsets: &[(TopicPartition, i64)],
    ) -> Result<(), KafkaError> {
        let operation = format!("alter offsets of share group {group}");
        self.retry(|| async {
            let topics = by_topic(offsets).into_iter().map(|(topic, partitions)| {
                let partitions = partitions.into_iter().map(|(partition, offset)| {
                    AlterShareGroupOffsetsRequestPartition::default()
                        .with_partition_index(partition)
                        .with_start_offset(*offset)
                });
                AlterShareGroupOffsetsRequestTopic::default()
                    .with_topic_name(topic_name(&topic))
                    .with_partitions(partitions.collect())
            });
            let request = AlterShareGroupOffsetsRequest::default()
                .with_group_id(group_id(group))
                .with_topics(topics.collect());
            let response = self.coordinator(group).await?.request(|_| request).await?;
            check(
                &operation,
                response.error_code,
                response.error_message.as_ref(),
            )?;
            let mut partitions = response
                .responses
                .iter()
                .flat_map(|topic| &topic.partitions);
            partitions.try_for_each(|partition| {
                check(
                    &operation,
                    partition.error_code,
                    partition.error_message.as_ref(),
                )
            })
        })
        .await
    }
}
