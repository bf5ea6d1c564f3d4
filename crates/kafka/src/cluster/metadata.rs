//! Metadata: one view of the cluster. It is replaced as a whole, never changed.

use crate::address::Address;
use kafka_protocol::messages::MetadataResponse;
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use millstream_core::TopicPartition;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use uuid::Uuid;

#[derive(Clone, Debug, Default)]
pub(crate) struct Metadata {
    pub(crate) brokers: HashMap<i32, Address>,
    /// Of brokers that say in which rack they stand.
    pub(crate) racks: HashMap<i32, String>,
    pub(crate) controller: i32,
    pub(crate) cluster_id: Option<String>,
    pub(crate) topics: BTreeMap<Arc<str>, Topic>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Topic {
    /// Zero before brokers 2.8.
    pub(crate) id: Uuid,
    /// Why the topic cannot be used; 0 where it can.
    pub(crate) error: i16,
    pub(crate) is_internal: bool,
    pub(crate) partitions: BTreeMap<i32, Partition>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Partition {
    /// The leader's broker; −1 where there is none.
    pub(crate) leader: i32,
    /// −1 where the broker does not say.
    pub(crate) leader_epoch: i32,
    pub(crate) replicas: Vec<i32>,
}

impl Metadata {
    /// Takes the broker's answer; of a partition whose leader epoch went back, the newer knowledge stays.
    pub(super) fn new(response: &MetadataResponse, before: &Metadata) -> Self {
        let mut brokers = HashMap::new();
        let mut racks = HashMap::new();
        for broker in &response.brokers {
            if let Some(address) = address(&broker.host, broker.port) {
                brokers.insert(broker.node_id.0, address);
            }
            if let Some(rack) = broker.rack.as_ref().filter(|rack| !rack.is_empty()) {
                racks.insert(broker.node_id.0, rack.to_string());
            }
        }
        let topics = response
            .topics
            .iter()
            .filter_map(|topic| {
                let name = topic.name.as_ref()?;
                let known = before.topics.get_key_value(name.as_str());
                let key = known.map_or_else(|| Arc::from(name.as_str()), |(key, _)| key.clone());
                Some((key, Topic::new(topic, known.map(|(_, topic)| topic))))
            })
            .collect();
        Metadata {
            brokers,
            racks,
            controller: response.controller_id.0,
            cluster_id: response.cluster_id.as_ref().map(ToString::to_string),
            topics,
        }
    }

    pub(crate) fn partition(&self, partition: &TopicPartition) -> Option<&Partition> {
        self.topics
            .get(&partition.topic)?
            .partitions
            .get(&partition.partition)
    }

    /// The usable partitions of a topic; none of one that is not there.
    pub(crate) fn partition_count(&self, topic: &str) -> usize {
        self.topics
            .get(topic)
            .filter(|topic| topic.error == 0)
            .map_or(0, |topic| topic.partitions.len())
    }
}

impl Topic {
    fn new(response: &MetadataResponseTopic, before: Option<&Topic>) -> Self {
        let before = before.filter(|topic| topic.id == response.topic_id);
        let partitions = response
            .partitions
            .iter()
            .map(|p| {
                let fresh = Partition {
                    leader: p.leader_id.0,
                    leader_epoch: p.leader_epoch,
                    replicas: p.replica_nodes.iter().map(|node| node.0).collect(),
                };
                let known = before.and_then(|topic| topic.partitions.get(&p.partition_index));
                let newest = known.filter(|known| known.leader_epoch > fresh.leader_epoch);
                (p.partition_index, newest.cloned().unwrap_or(fresh))
            })
            .collect();
        Topic {
            id: response.topic_id,
            error: response.error_code,
            is_internal: response.is_internal,
            partitions,
        }
    }
}

pub(crate) fn address(host: &str, port: i32) -> Option<Address> {
    Some(Address {
        host: host.to_owned(),
        port: u16::try_from(port).ok().filter(|&port| port > 0)?,
    })
}
