//! Groups looked at from outside: which there are, of which kind, and who is in them.

use super::Admin;
use super::groups::group_id;
use super::topics::Node;
use crate::cluster::{Lane, Topics};
use crate::connection::Connection;
use crate::error::KafkaError;
use crate::group::protocol::{Assignment, PROTOCOL_TYPE};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, DescribeGroupsRequest, ListGroupsRequest,
    ShareGroupDescribeRequest, TopicName, consumer_group_describe_response,
    describe_groups_response, share_group_describe_response,
};
use kafka_protocol::protocol::StrBytes;
use millstream_core::TopicPartition;
use std::sync::Arc;

/// A group as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupListing {
    pub id: String,
    /// `consumer`, `connect`, `share` and so on; empty for a group that has only offsets.
    pub protocol_type: String,
    /// `None` before brokers 2.6.
    pub state: Option<String>,
    /// `Classic`, `Consumer`, `Share` or `Streams`; `None` before brokers 3.8.
    pub kind: Option<String>,
}

/// Which protocol the members speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupKind {
    /// Members share out by themselves.
    Classic,
    /// The coordinator shares out (KIP-848).
    Consumer,
    /// Members take records of the same partitions side by side (KIP-932).
    Share,
}

impl GroupKind {
    /// As Kafka writes it.
    pub fn name(self) -> &'static str {
        match self {
            GroupKind::Classic => "Classic",
            GroupKind::Consumer => "Consumer",
            GroupKind::Share => "Share",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDescription {
    pub id: String,
    pub kind: GroupKind,
    /// What the members of a classic group are: `consumer`, `connect` and so on.
    pub protocol_type: String,
    pub state: String,
    pub assignor: String,
    pub coordinator: Node,
    /// `None` of a classic group.
    pub epochs: Option<GroupEpochs>,
    pub members: Vec<GroupMember>,
}

/// How often a group has changed whose coordinator shares out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupEpochs {
    pub group: i32,
    /// The change for which the partitions were shared out last.
    pub assignment: i32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    pub id: String,
    /// Of a static member.
    pub instance_id: Option<String>,
    pub client_id: String,
    pub host: String,
    /// None of a classic group that is no consumers'.
    pub partitions: Vec<TopicPartition>,
    /// How far it has followed the group; `None` of a classic group.
    pub epoch: Option<i32>,
    /// What the coordinator wants it to read; of a share group not told.
    pub target: Vec<TopicPartition>,
}

impl Admin {
    /// The groups of all brokers, by name.
    pub async fn list_groups(&self) -> Result<Vec<GroupListing>, KafkaError> {
        let mut groups = self
            .retry(|| async {
                let nobody = Topics::Named(Vec::new());
                let metadata = self.cluster.refresh(&nobody, false).await?;
                let mut groups = Vec::new();
                for id in metadata.brokers.keys() {
                    let connection = self.cluster.node(*id, Lane::Control).await?;
                    let response = connection.request(|_| ListGroupsRequest::default()).await?;
                    check("list groups", response.error_code, None)?;
                    groups.extend(response.groups.into_iter().map(|group| GroupListing {
                        id: group.group_id.to_string(),
                        protocol_type: group.protocol_type.to_string(),
                        state: told(&group.group_state),
                        kind: told(&group.group_type).map(|kind| capital(&kind)),
                    }));
                }
                Ok(groups)
            })
            .await?;
        groups.sort_by(|a, b| a.id.cmp(&b.id));
        groups.dedup_by(|a, b| a.id == b.id);
        Ok(groups)
    }

    /// A group of whatever kind; `None` if there is none of this name.
    pub async fn describe_group(
        &self,
        group: &str,
    ) -> Result<Option<GroupDescription>, KafkaError> {
        self.retry(|| async {
            let key = StrBytes::from_string(group.to_owned());
            let (id, address) = self.cluster.find_coordinator(&key).await?;
            let coordinator = Node {
                id,
                host: address.host.clone(),
                port: address.port,
            };
            let connection = self.cluster.connect(&address, Lane::Control).await?;
            if let Some(found) = as_consumer(&connection, group, &coordinator).await? {
                return Ok(Some(found));
            }
            if let Some(found) = as_classic(&connection, group, &coordinator).await? {
                return Ok(Some(found));
            }
            as_share(&connection, group, &coordinator).await
        })
        .await
    }
}

pub(super) fn offers<R: kafka_protocol::protocol::Request>(connection: &Connection) -> bool {
    connection.version_of::<R>().is_ok()
}

async fn as_consumer(
    connection: &Connection,
    group: &str,
    coordinator: &Node,
) -> Result<Option<GroupDescription>, KafkaError> {
    if !offers::<ConsumerGroupDescribeRequest>(connection) {
        return Ok(None);
    }
    let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![group_id(group)]);
    let response = connection.request(|_| request).await?;
    let Some(found) = response.groups.into_iter().next() else {
        return Ok(None);
    };
    if is_another(found.error_code) {
        return Ok(None);
    }
    let operation = format!("describe group {group}");
    check(&operation, found.error_code, found.error_message.as_ref())?;
    let assigned = |topics: &[consumer_group_describe_response::TopicPartitions]| {
        let topics = topics.iter();
        topics
            .flat_map(|topic| places(&topic.topic_name, &topic.partitions))
            .collect()
    };
    let member = |told: consumer_group_describe_response::Member| GroupMember {
        id: told.member_id.to_string(),
        instance_id: told.instance_id.map(|id| id.to_string()),
        client_id: told.client_id.to_string(),
        host: told.client_host.to_string(),
        partitions: assigned(&told.assignment.topic_partitions),
        epoch: Some(told.member_epoch),
        target: assigned(&told.target_assignment.topic_partitions),
    };
    Ok(Some(GroupDescription {
        id: group.to_owned(),
        kind: GroupKind::Consumer,
        protocol_type: PROTOCOL_TYPE.to_owned(),
        state: found.group_state.to_string(),
        assignor: found.assignor_name.to_string(),
        coordinator: coordinator.clone(),
        epochs: Some(GroupEpochs {
            group: found.group_epoch,
            assignment: found.assignment_epoch,
        }),
        members: found.members.into_iter().map(member).collect(),
    }))
}

async fn as_classic(
    connection: &Connection,
    group: &str,
    coordinator: &Node,
) -> Result<Option<GroupDescription>, KafkaError> {
    let request = DescribeGroupsRequest::default().with_groups(vec![group_id(group)]);
    let response = connection.request(|_| request).await?;
    let Some(found) = response.groups.into_iter().next() else {
        return Ok(None);
    };
    // Before version 6 of the request a group that is not there is a dead one.
    if is_another(found.error_code) || (found.error_code == 0 && &*found.group_state == "Dead") {
        return Ok(None);
    }
    let operation = format!("describe group {group}");
    check(&operation, found.error_code, found.error_message.as_ref())?;
    let is_of_consumers = &*found.protocol_type == PROTOCOL_TYPE;
    let member = |told: describe_groups_response::DescribedGroupMember| {
        // What cannot be read is no reason to show nothing of the group.
        let assignment = is_of_consumers
            .then(|| Assignment::decode(&told.member_assignment).unwrap_or_default());
        GroupMember {
            id: told.member_id.to_string(),
            instance_id: told.group_instance_id.map(|id| id.to_string()),
            client_id: told.client_id.to_string(),
            host: told.client_host.to_string(),
            partitions: assignment.unwrap_or_default().partitions,
            epoch: None,
            target: Vec::new(),
        }
    };
    Ok(Some(GroupDescription {
        id: group.to_owned(),
        kind: GroupKind::Classic,
        protocol_type: found.protocol_type.to_string(),
        state: found.group_state.to_string(),
        assignor: found.protocol_data.to_string(),
        coordinator: coordinator.clone(),
        epochs: None,
        members: found.members.into_iter().map(member).collect(),
    }))
}

async fn as_share(
    connection: &Connection,
    group: &str,
    coordinator: &Node,
) -> Result<Option<GroupDescription>, KafkaError> {
    if !offers::<ShareGroupDescribeRequest>(connection) {
        return Ok(None);
    }
    let request = ShareGroupDescribeRequest::default().with_group_ids(vec![group_id(group)]);
    let response = connection.request(|_| request).await?;
    let Some(found) = response.groups.into_iter().next() else {
        return Ok(None);
    };
    if is_another(found.error_code) {
        return Ok(None);
    }
    let operation = format!("describe group {group}");
    check(&operation, found.error_code, found.error_message.as_ref())?;
    let member = |told: share_group_describe_response::Member| GroupMember {
        id: told.member_id.to_string(),
        instance_id: None,
        client_id: told.client_id.to_string(),
        host: told.client_host.to_string(),
        partitions: told
            .assignment
            .topic_partitions
            .iter()
            .flat_map(|topic| places(&topic.topic_name, &topic.partitions))
            .collect(),
        epoch: Some(told.member_epoch),
        target: Vec::new(),
    };
    Ok(Some(GroupDescription {
        id: group.to_owned(),
        kind: GroupKind::Share,
        protocol_type: "share".to_owned(),
        state: found.group_state.to_string(),
        assignor: found.assignor_name.to_string(),
        coordinator: coordinator.clone(),
        epochs: Some(GroupEpochs {
            group: found.group_epoch,
            assignment: found.assignment_epoch,
        }),
        members: found.members.into_iter().map(member).collect(),
    }))
}

/// There is no group of this name and kind, or the broker has the kind switched off.
fn is_another(code: i16) -> bool {
    code == ResponseError::GroupIdNotFound.code()
        || code == ResponseError::UnsupportedVersion.code()
}

fn places(topic: &TopicName, partitions: &[i32]) -> Vec<TopicPartition> {
    let topic: Arc<str> = Arc::from(topic.as_str());
    let place = |partition: &i32| TopicPartition::new(Arc::clone(&topic), *partition);
    partitions.iter().map(place).collect()
}

fn told(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// Brokers write the kinds of groups in small letters, and Kafka's tools do not.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

pub(super) fn check(
    operation: &str,
    code: i16,
    message: Option<&StrBytes>,
) -> Result<(), KafkaError> {
    match code {
        0 => Ok(()),
        _ => Err(KafkaError::response_with_message(operation, code, message)),
    }
}
