//! Positions by `auto.offset.reset`: a leader's first or next offset.

use crate::cluster::{Cluster, Lane};
use crate::error::KafkaError;
use crate::names::topic_name;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use kafka_protocol::messages::{ListOffsetsRequest, OffsetForLeaderEpochRequest};
use millstream_core::TopicPartition;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The first offset that a partition still has.
pub const EARLIEST: i64 = -2;
/// The offset that a partition's next record will get.
pub const LATEST: i64 = -1;

/// The offsets at a time (or `EARLIEST`, `LATEST`) in partitions that one broker leads: an offset or an error code each.
pub(crate) async fn list(
    cluster: Cluster,
    broker: i32,
    partitions: Vec<TopicPartition>,
    time: i64,
    reads_committed: bool,
) -> Result<Vec<(TopicPartition, Result<i64, i16>)>, KafkaError> {
    let metadata = cluster.metadata();
    let mut topics: BTreeMap<Arc<str>, Vec<ListOffsetsPartition>> = BTreeMap::new();
    let connection = cluster.node(broker, Lane::Control).await?;
    let response = connection
        .request(|version| {
            for partition in &partitions {
                let mut asked = ListOffsetsPartition::default()
                    .with_partition_index(partition.partition)
                    .with_timestamp(time);
                if version >= 4 {
                    asked.current_leader_epoch =
                        metadata.partition(partition).map_or(-1, |p| p.leader_epoch);
                }
                topics
                    .entry(partition.topic.clone())
                    .or_default()
                    .push(asked);
            }
            let mut request = ListOffsetsRequest::default()
                .with_replica_id((-1).into())
                .with_topics(
                    topics
                        .into_iter()
                        .map(|(topic, partitions)| {
                            ListOffsetsTopic::default()
                                .with_name(topic_name(&topic))
                                .with_partitions(partitions)
                        })
                        .collect(),
                );
            if version >= 2 {
                request.isolation_level = i8::from(reads_committed);
            }
            request
        })
        .await?;
    let mut answers = BTreeMap::new();
    for topic in &response.topics {
        for partition in &topic.partitions {
            let answer = match partition.error_code {
                0 => Ok(partition.offset),
                code => Err(code),
            };
            answers.insert((topic.name.to_string(), partition.partition_index), answer);
        }
    }
    Ok(partitions
        .into_iter()
        .map(|partition| {
            let key = (partition.topic.to_string(), partition.partition);
            // A partition that is not answered for is as good as one unknown there.
            let answer = answers.get(&key).copied().unwrap_or(Err(3));
            (partition, answer)
        })
        .collect())
}

/// Where a leader's log parts from one that was read: the end of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EpochEnd {
    /// −1: the leader knows nothing of the epoch or of any before it.
    pub(crate) offset: i64,
}

/// Asks the leader of these partitions how far the given epochs reach in its log. `None`: the broker is too old to say.
pub(crate) async fn epoch_ends(
    cluster: Cluster,
    broker: i32,
    partitions: Vec<(TopicPartition, i32)>,
) -> Result<Option<Vec<(TopicPartition, Result<EpochEnd, i16>)>>, KafkaError> {
    let metadata = cluster.metadata();
    let connection = cluster.node(broker, Lane::Control).await?;
    // Older versions need rights on the whole cluster.
    if connection
        .version_of::<OffsetForLeaderEpochRequest>()
        .map_or(true, |version| version < 3)
    {
        return Ok(None);
    }
    let mut topics: BTreeMap<Arc<str>, Vec<OffsetForLeaderPartition>> = BTreeMap::new();
    for (partition, epoch) in &partitions {
        topics.entry(partition.topic.clone()).or_default().push(
            OffsetForLeaderPartition::default()
                .with_partition(partition.partition)
                .with_current_leader_epoch(
                    metadata.partition(partition).map_or(-1, |p| p.leader_epoch),
                )
                .with_leader_epoch(*epoch),
        );
    }
    let response = connection
        .request(|_| {
            OffsetForLeaderEpochRequest::default()
                .with_replica_id((-1).into())
                .with_topics(
                    topics
                        .into_iter()
                        .map(|(topic, partitions)| {
                            OffsetForLeaderTopic::default()
                                .with_topic(topic_name(&topic))
                                .with_partitions(partitions)
                        })
                        .collect(),
                )
        })
        .await?;
    let mut answers = BTreeMap::new();
    for topic in &response.topics {
        for partition in &topic.partitions {
            let answer = match partition.error_code {
                0 => Ok(EpochEnd {
                    offset: partition.end_offset,
                }),
                code => Err(code),
            };
            answers.insert((topic.topic.to_string(), partition.partition), answer);
        }
    }
    Ok(Some(
        partitions
            .into_iter()
            .map(|(partition, _)| {
                let key = (partition.topic.to_string(), partition.partition);
                let answer = answers.get(&key).copied().unwrap_or(Err(3));
                (partition, answer)
            })
            .collect(),
    ))
}
