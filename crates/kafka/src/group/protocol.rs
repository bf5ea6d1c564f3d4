//! The bytes of the "consumer" group protocol: what members subscribe to and what the leader assigns. No I/O.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use indexmap::IndexMap;
use kafka_protocol::messages::consumer_protocol_assignment as assignment;
use kafka_protocol::messages::consumer_protocol_subscription as subscription;
use kafka_protocol::messages::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, TopicName,
};
use kafka_protocol::protocol::{Encodable, StrBytes};
use millstream_core::TopicPartition;
use std::sync::Arc;

pub const PROTOCOL_TYPE: &str = "consumer";
const NEWEST: i16 = 3;

type Malformed = Box<dyn std::error::Error + Send + Sync>;

/// What a member tells the leader.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscription {
    pub topics: Vec<String>,
    pub user_data: Option<Bytes>,
    /// Partitions held from the generation before (cooperative members).
    pub owned: Vec<TopicPartition>,
    pub generation: Option<i32>,
    pub rack: Option<String>,
}

impl Subscription {
    pub fn encode(&self) -> Bytes {
        self.encode_as(NEWEST)
    }

    pub(super) fn encode_as(&self, version: i16) -> Bytes {
        let mut topics = self.topics.clone();
        topics.sort();
        let mut message = ConsumerProtocolSubscription::default()
            .with_topics(topics.into_iter().map(StrBytes::from_string).collect())
            .with_user_data(self.user_data.clone());
        if version >= 1 {
            let mut owned = self.owned.clone();
            owned.sort();
            message.owned_partitions = by_topic(&owned)
                .into_iter()
                .map(|(topic, partitions)| {
                    subscription::TopicPartition::default()
                        .with_topic(topic)
                        .with_partitions(partitions)
                })
                .collect();
        }
        if version >= 2 {
            message.generation_id = self.generation.unwrap_or(-1);
        }
        if version >= 3 {
            message.rack_id = self.rack.clone().map(StrBytes::from_string);
        }
        with_version(version, &message)
    }

    /// Reads any version; a newer one as the newest known, whose fields come first.
    pub fn decode(bytes: &Bytes) -> Result<Self, Malformed> {
        let (version, mut body) = take_version(bytes)?;
        let message = millstream_wire::decode::<ConsumerProtocolSubscription>(&mut body, version)?;
        Ok(Subscription {
            topics: message.topics.iter().map(ToString::to_string).collect(),
            user_data: message.user_data,
            owned: message
                .owned_partitions
                .iter()
                .flat_map(|t| partitions(&t.topic, &t.partitions))
                .collect(),
            generation: Some(message.generation_id).filter(|&generation| generation >= 0),
            rack: message
                .rack_id
                .map(|rack| rack.to_string())
                .filter(|rack| !rack.is_empty()),
        })
    }
}

/// What the leader gives a member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignment {
    pub partitions: Vec<TopicPartition>,
    pub user_data: Option<Bytes>,
}

impl Assignment {
    pub fn encode(&self) -> Bytes {
        self.encode_as(NEWEST)
    }

    pub(super) fn encode_as(&self, version: i16) -> Bytes {
        let message = ConsumerProtocolAssignment::default()
            .with_user_data(self.user_data.clone())
            .with_assigned_partitions(
                by_topic(&self.partitions)
                    .into_iter()
                    .map(|(topic, partitions)| {
                        assignment::TopicPartition::default()
                            .with_topic(topic)
                            .with_partitions(partitions)
                    })
                    .collect(),
            );
        with_version(version, &message)
    }

    pub fn decode(bytes: &Bytes) -> Result<Self, Malformed> {
        // A member that the leader gave nothing may get no bytes at all.
        if bytes.is_empty() {
            return Ok(Assignment::default());
        }
        let (version, mut body) = take_version(bytes)?;
        let message = millstream_wire::decode::<ConsumerProtocolAssignment>(&mut body, version)?;
        Ok(Assignment {
            partitions: message
                .assigned_partitions
                .iter()
                .flat_map(|t| partitions(&t.topic, &t.partitions))
                .collect(),
            user_data: message.user_data,
        })
    }
}

/// Grouped by topic, in the order in which topics first come.
fn by_topic(partitions: &[TopicPartition]) -> Vec<(TopicName, Vec<i32>)> {
    let mut topics: IndexMap<&Arc<str>, Vec<i32>> = IndexMap::new();
    for p in partitions {
        topics.entry(&p.topic).or_default().push(p.partition);
    }
    topics
        .into_iter()
        .map(|(topic, partitions)| (crate::names::topic_name(topic), partitions))
        .collect()
}

fn partitions(topic: &TopicName, partitions: &[i32]) -> Vec<TopicPartition> {
    let topic: Arc<str> = Arc::from(topic.as_str());
    partitions
        .iter()
        .map(|&partition| TopicPartition::new(topic.clone(), partition))
        .collect()
}

fn with_version(version: i16, message: &impl Encodable) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(version);
    message
        .encode(&mut bytes, version)
        .expect("fields that the version lacks were left at their defaults");
    bytes.freeze()
}

fn take_version(bytes: &Bytes) -> Result<(i16, Bytes), Malformed> {
    let mut body = bytes.clone();
    let version = body.try_get_i16()?;
    if version < 0 {
        return Err(format!("unsupported protocol version {version}").into());
    }
    Ok((version.min(NEWEST), body))
}
