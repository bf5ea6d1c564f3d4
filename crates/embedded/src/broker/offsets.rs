//! Committed offsets: commit, fetch and delete.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse,
    OffsetFetchRequest, OffsetFetchResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use super::call::Call;
use super::group::{Committed, Group, Offsets};
use super::lock;

/// Kafka's default of `offset.metadata.max.bytes`.
pub(crate) const MAX_METADATA: usize = 4_096;

/// One partition of an answer: offset, epoch, metadata, error.
type Fetched = (i64, i32, String, i16);

impl Call<'_> {
    pub(crate) fn offset_commit(&self, request: OffsetCommitRequest) -> OffsetCommitResponse {
        let group = self.broker.groups.get_or_create(&request.group_id);
        let allowed = self.check_coordinator(&request.group_id).and_then(|()| {
            let instance = request.group_instance_id.as_ref();
            self.broker.groups.change(&group, |group, now| {
                group.check_commit(
                    &request.member_id,
                    instance,
                    request.generation_id_or_member_epoch,
                    now,
                )
            })
        });
        let mut offsets = Offsets::new();
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in request.topics {
            let mut parts = Vec::with_capacity(topic.partitions.len());
            for part in topic.partitions {
                let metadata = part.committed_metadata.map(|metadata| metadata.to_string());
                let checked = allowed.and_then(|()| {
                    self.check_offset(&topic.name, part.partition_index, metadata.as_deref())
                });
                if checked.is_ok() {
                    let committed = Committed {
                        offset: part.committed_offset,
                        epoch: part.committed_leader_epoch,
                        metadata,
                    };
                    offsets.insert((topic.name.to_string(), part.partition_index), committed);
                }
                let answer = OffsetCommitResponsePartition::default()
                    .with_partition_index(part.partition_index);
                parts.push(answer.with_error_code(super::call::code(checked)));
            }
            topics.push(
                OffsetCommitResponseTopic::default()
                    .with_name(topic.name)
                    .with_partitions(parts),
            );
        }
        self.broker
            .groups
            .commit(&request.group_id, &mut lock(&group), offsets);
        OffsetCommitResponse::default().with_topics(topics)
    }

    pub(crate) fn check_offset(
        &self,
        topic: &str,
        partition: i32,
        metadata: Option<&str>,
    ) -> Result<(), ResponseError> {
        if let Some(forced) = self.forced(topic) {
            return Err(forced);
        }
        let known = self
            .broker
            .topics
            .get(topic)
            .and_then(|topic| topic.partition(partition));
        if known.is_none() {
            return Err(ResponseError::UnknownTopicOrPartition);
        }
        if metadata.is_some_and(|metadata| metadata.len() > MAX_METADATA) {
            return Err(ResponseError::OffsetMetadataTooLarge);
        }
        Ok(())
    }

    pub(crate) fn offset_fetch(&self, request: OffsetFetchRequest) -> OffsetFetchResponse {
        if self.version >= 8 {
            let groups = request.groups.into_iter().map(|asked| {
                let wanted = asked.topics.map(|topics| {
                    topics
                        .into_iter()
                        .map(|t| (t.name, t.partition_indexes))
                        .collect()
                });
                let answer =
                    OffsetFetchResponseGroup::default().with_group_id(asked.group_id.clone());
                match self.fetch_offsets(&asked.group_id, wanted, request.require_stable) {
                    Err(error) => answer.with_error_code(error.code()),
                    Ok(found) => answer.with_topics(
                        found
                            .into_iter()
                            .map(|(name, parts)| new_topic(name, parts))
                            .collect(),
                    ),
                }
            });
            return OffsetFetchResponse::default().with_groups(groups.collect());
        }
        let wanted = request.topics.map(|topics| {
            topics
                .into_iter()
                .map(|t| (t.name, t.partition_indexes))
                .collect()
        });
        match self.fetch_offsets(&request.group_id, wanted, request.require_stable) {
            Err(error) => OffsetFetchResponse::default().with_error_code(error.code()),
            Ok(found) => OffsetFetchResponse::default().with_topics(
                found
                    .into_iter()
                    .map(|(name, parts)| old_topic(name, parts))
                    .collect(),
            ),
        }
    }

    fn fetch_offsets(
        &self,
        id: &str,
        wanted: Option<Vec<(TopicName, Vec<i32>)>>,
        stable: bool,
    ) -> Result<Vec<(TopicName, Vec<(i32, Fetched)>)>, ResponseError> {
        self.check_coordinator(id)?;
        let group = self.broker.groups.get(id);
        let group = group.as_ref().map(|group| lock(group));
        let wanted =
            wanted.unwrap_or_else(|| group.as_deref().map(all_partitions).unwrap_or_default());
        let one = |topic: &TopicName, partition: i32| {
            let key = (topic.to_string(), partition);
            let Some(group) = &group else {
                return (-1, -1, String::new(), 0);
            };
            if stable
                && group
                    .pending_offsets
                    .values()
                    .any(|offsets| offsets.contains_key(&key))
            {
                return (
                    -1,
                    -1,
                    String::new(),
                    ResponseError::UnstableOffsetCommit.code(),
                );
            }
            match group.offsets.get(&key) {
                None => (-1, -1, String::new(), 0),
                Some(found) => (
                    found.offset,
                    found.epoch,
                    found.metadata.clone().unwrap_or_default(),
                    0,
                ),
            }
        };
        let topic = |(name, parts): (TopicName, Vec<i32>)| {
            let parts = parts
                .into_iter()
                .map(|partition| (partition, one(&name, partition)))
                .collect();
            (name, parts)
        };
        Ok(wanted.into_iter().map(topic).collect())
    }

    pub(crate) fn offset_delete(&self, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
        let group = self.check_coordinator(&request.group_id).and_then(|()| {
            self.broker
                .groups
                .get(&request.group_id)
                .ok_or(ResponseError::GroupIdNotFound)
        });
        let group = match &group {
            Ok(group) => lock(group),
            Err(error) => return OffsetDeleteResponse::default().with_error_code(error.code()),
        };
        // A member may be subscribed to the topic: the broker does not read subscriptions, so it refuses while anybody is in.
        let error = if group.is_empty() {
            0
        } else {
            ResponseError::GroupSubscribedToTopic.code()
        };
        let mut group = group;
        let topics = request.topics.into_iter().map(|topic| {
            let parts = topic.partitions.iter().map(|part| {
                if error == 0 {
                    self.broker.groups.forget_offset(
                        &request.group_id,
                        &mut group,
                        &topic.name,
                        part.partition_index,
                    );
                }
                let answer = OffsetDeleteResponsePartition::default()
                    .with_partition_index(part.partition_index);
                answer.with_error_code(error)
            });
            let parts = parts.collect();
            OffsetDeleteResponseTopic::default()
                .with_name(topic.name)
                .with_partitions(parts)
        });
        OffsetDeleteResponse::default().with_topics(topics.collect())
    }
}

fn all_partitions(group: &Group) -> Vec<(TopicName, Vec<i32>)> {
    let mut topics: Vec<(TopicName, Vec<i32>)> = Vec::new();
    for (name, partition) in group.offsets.keys() {
        match topics.last_mut() {
            Some((last, parts)) if last.as_str() == name => parts.push(*partition),
            _ => topics.push((
                TopicName(StrBytes::from_string(name.clone())),
                vec![*partition],
            )),
        }
    }
    topics
}

fn new_topic(name: TopicName, parts: Vec<(i32, Fetched)>) -> OffsetFetchResponseTopics {
    let part = |(index, (offset, epoch, metadata, error))| {
        OffsetFetchResponsePartitions::default()
            .with_partition_index(index)
            .with_committed_offset(offset)
            .with_committed_leader_epoch(epoch)
            .with_metadata(Some(StrBytes::from_string(metadata)))
            .with_error_code(error)
    };
    OffsetFetchResponseTopics::default()
        .with_name(name)
        .with_partitions(parts.into_iter().map(part).collect())
}

fn old_topic(name: TopicName, parts: Vec<(i32, Fetched)>) -> OffsetFetchResponseTopic {
    let part = |(index, (offset, epoch, metadata, error))| {
        OffsetFetchResponsePartition::default()
            .with_partition_index(index)
            .with_committed_offset(offset)
            .with_committed_leader_epoch(epoch)
            .with_metadata(Some(StrBytes::from_string(metadata)))
            .with_error_code(error)
    };
    OffsetFetchResponseTopic::default()
        .with_name(name)
        .with_partitions(parts.into_iter().map(part).collect())
}
