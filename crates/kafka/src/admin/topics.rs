//! Topics looked at closely: who leads which partition, who follows, what is set; and topics with more partitions.

use super::{Admin, outcome};
use crate::cluster::Topics;
use crate::connection::Connection;
use crate::error::KafkaError;
use crate::names::topic_name;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use kafka_protocol::messages::describe_topic_partitions_response::{
    DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{
    BrokerId, CreatePartitionsRequest, DescribeTopicPartitionsRequest, MetadataRequest,
};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Partitions of one answer, as Java's tools ask for them; a broker may give fewer.
const PARTITIONS_AT_A_TIME: i32 = 2000;

/// A topic as the brokers see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicDetail {
    pub name: String,
    /// In Kafka's text; `None` before brokers 2.8.
    pub id: Option<String>,
    pub is_internal: bool,
    /// By their numbers.
    pub partitions: Vec<PartitionDetail>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionDetail {
    pub index: i32,
    pub leader: Option<i32>,
    pub replicas: Vec<i32>,
    pub in_sync: Vec<i32>,
    /// Replicas that may lead though they are not in sync; `None` where the brokers do not tell.
    pub eligible: Option<Vec<i32>>,
    pub last_known_eligible: Option<Vec<i32>>,
}

/// A broker that is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub id: i32,
    pub host: String,
    pub port: u16,
}

impl Admin {
    /// The brokers that are up, by their numbers.
    pub async fn brokers(&self) -> Result<Vec<Node>, KafkaError> {
        let nobody = Topics::Named(Vec::new());
        let metadata = self.retry(|| self.cluster.refresh(&nobody, false)).await?;
        let mut nodes: Vec<Node> = metadata
            .brokers
            .iter()
            .map(|(id, address)| Node {
                id: *id,
                host: address.host.clone(),
                port: address.port,
            })
            .collect();
        nodes.sort_by_key(|node| node.id);
        Ok(nodes)
    }

    /// All topics, or those of these that exist, by name.
    pub async fn topic_details(
        &self,
        wanted: Option<&[String]>,
    ) -> Result<Vec<TopicDetail>, KafkaError> {
        let mut details = self
            .retry(|| async {
                let connection = self.cluster.any().await?;
                let asked = wanted.map(|names| {
                    let named = |name: &String| {
                        MetadataRequestTopic::default().with_name(Some(topic_name(name)))
                    };
                    names.iter().map(named).collect()
                });
                let response = connection
                    .request(|version| {
                        // Before version 4 a broker creates what it lacks, as its own setting says.
                        MetadataRequest::default()
                            .with_topics(asked)
                            .with_allow_auto_topic_creation(version < 4)
                    })
                    .await?;
                let there = response.topics.iter().filter(|topic| topic.error_code == 0);
                Ok(there.filter_map(seen).collect::<Vec<_>>())
            })
            .await?;
        details.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(details)
    }

    /// As `topic_details`, with the replicas that may lead where the brokers tell them (4.0 and later).
    pub async fn full_topic_details(
        &self,
        wanted: &[String],
    ) -> Result<Vec<TopicDetail>, KafkaError> {
        let found = self
            .retry(|| async {
                let connection = self.cluster.any().await?;
                match connection.version_of::<DescribeTopicPartitionsRequest>() {
                    Ok(_) if !wanted.is_empty() => whole(&connection, wanted).await.map(Some),
                    Ok(_) | Err(_) => Ok(None),
                }
            })
            .await?;
        match found {
            Some(found) => Ok(found),
            None => self.topic_details(Some(wanted)).await,
        }
    }

    /// Adds partitions, up to this number.
    pub async fn create_partitions(&self, topic: &str, count: i32) -> Result<(), KafkaError> {
        let operation = format!("create partitions of topic {topic}");
        self.retry(|| async {
            let asked = CreatePartitionsTopic::default()
                .with_name(topic_name(topic))
                .with_count(count)
                .with_assignments(None);
            let request = CreatePartitionsRequest::default()
                .with_topics(vec![asked])
                .with_timeout_ms(self.cluster.settings().request_timeout_ms);
            let response = self.controller().await?.request(|_| request).await?;
            for result in &response.results {
                let told = outcome(&operation, result.error_code, result.error_message.as_ref())?;
                if told.is_err() {
                    return Ok(told);
                }
            }
            Ok(Ok(()))
        })
        .await?
    }
}

/// Asks page by page. The brokers give them in the order of names.
async fn whole(connection: &Connection, wanted: &[String]) -> Result<Vec<TopicDetail>, KafkaError> {
    let mut found: BTreeMap<String, TopicDetail> = BTreeMap::new();
    let mut wanted = wanted.to_vec();
    wanted.sort();
    wanted.dedup();
    let mut cursor: Option<Cursor> = None;
    loop {
        let first = cursor.as_ref().map(|cursor| cursor.topic_name.to_string());
        let left = wanted
            .iter()
            .filter(|name| first.as_ref().is_none_or(|first| *name >= first));
        let request = DescribeTopicPartitionsRequest::default()
            .with_topics(
                left.map(|name| TopicRequest::default().with_name(topic_name(name)))
                    .collect(),
            )
            .with_response_partition_limit(PARTITIONS_AT_A_TIME)
            .with_cursor(cursor.clone());
        let response = connection.request(|_| request).await?;
        let mut is_news = false;
        for topic in response.topics.iter().filter(|topic| topic.error_code == 0) {
            let Some(told) = described(topic) else {
                continue;
            };
            is_news |= !told.partitions.is_empty();
            let known = found
                .entry(told.name.clone())
                .or_insert_with(|| TopicDetail {
                    partitions: Vec::new(),
                    ..told.clone()
                });
            known.partitions.extend(told.partitions);
        }
        match response.next_cursor {
            // A page that brings nothing has no other behind it.
            Some(next) if is_news => {
                cursor = Some(
                    Cursor::default()
                        .with_topic_name(next.topic_name)
                        .with_partition_index(next.partition_index),
                );
            }
            Some(_) | None => break,
        }
    }
    for topic in found.values_mut() {
        topic.partitions.sort_by_key(|partition| partition.index);
        topic.partitions.dedup_by_key(|partition| partition.index);
    }
    Ok(found.into_values().collect())
}

fn seen(topic: &MetadataResponseTopic) -> Option<TopicDetail> {
    let mut partitions: Vec<PartitionDetail> = topic.partitions.iter().map(partition).collect();
    partitions.sort_by_key(|partition| partition.index);
    Some(TopicDetail {
        name: topic.name.as_ref()?.to_string(),
        id: id_text(topic.topic_id),
        is_internal: topic.is_internal,
        partitions,
    })
}

fn partition(told: &MetadataResponsePartition) -> PartitionDetail {
    PartitionDetail {
        index: told.partition_index,
        leader: Some(told.leader_id.0).filter(|id| *id >= 0),
        replicas: ids(&told.replica_nodes),
        in_sync: ids(&told.isr_nodes),
        eligible: None,
        last_known_eligible: None,
    }
}

fn described(topic: &DescribeTopicPartitionsResponseTopic) -> Option<TopicDetail> {
    let partition = |told: &DescribeTopicPartitionsResponsePartition| PartitionDetail {
        index: told.partition_index,
        leader: Some(told.leader_id.0).filter(|id| *id >= 0),
        replicas: ids(&told.replica_nodes),
        in_sync: ids(&told.isr_nodes),
        eligible: told.eligible_leader_replicas.as_deref().map(ids),
        last_known_eligible: told.last_known_elr.as_deref().map(ids),
    };
    Some(TopicDetail {
        name: topic.name.as_ref()?.to_string(),
        id: id_text(topic.topic_id),
        is_internal: topic.is_internal,
        partitions: topic.partitions.iter().map(partition).collect(),
    })
}

fn ids(brokers: &[BrokerId]) -> Vec<i32> {
    brokers.iter().map(|broker| broker.0).collect()
}

/// As Kafka prints an id.
fn id_text(id: Uuid) -> Option<String> {
    (!id.is_nil()).then(|| URL_SAFE_NO_PAD.encode(id.as_bytes()))
}
