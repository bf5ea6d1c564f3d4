//! One produce request to one broker: a batch for each of some partitions, and what became of each.

use crate::cluster::{Cluster, Lane};
use crate::error::KafkaError;
use crate::names::topic_name;
use bytes::Bytes;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{InitProducerIdRequest, ProduceRequest};
use kafka_protocol::protocol::StrBytes;
use millstream_core::TopicPartition;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::batch::ProducerId;

/// What a broker said of one batch: its base offset, or an error code and its own words.
pub(super) type Answer = Result<i64, (i16, Option<StrBytes>)>;

pub(super) async fn produce(
    cluster: Cluster,
    broker: i32,
    batches: Vec<(TopicPartition, Bytes)>,
    acks: i16,
) -> Result<HashMap<TopicPartition, Answer>, KafkaError> {
    let connection = cluster.node(broker, Lane::Produce).await?;
    let partitions: Vec<TopicPartition> = batches.iter().map(|(p, _)| p.clone()).collect();
    let timeout_ms = cluster.settings().request_timeout_ms;
    let build = |_| {
        ProduceRequest::default()
            .with_acks(acks)
            .with_timeout_ms(timeout_ms)
            .with_topic_data(by_topic(batches))
    };
    if acks == 0 {
        connection.send_without_response(build).await?;
        return Ok(partitions.into_iter().map(|p| (p, Ok(-1))).collect());
    }
    let response = connection.request(build).await?;
    let mut answers = HashMap::new();
    for topic in &response.responses {
        for partition in &topic.partition_responses {
            answers.insert(
                (topic.name.as_str(), partition.index),
                match partition.error_code {
                    0 => Ok(partition.base_offset),
                    code => Err((code, partition.error_message.clone())),
                },
            );
        }
    }
    Ok(partitions
        .into_iter()
        .map(|p| {
            // A partition that is not answered for is as good as one unknown there.
            let answer = answers
                .get(&(&*p.topic, p.partition))
                .cloned()
                .unwrap_or(Err((3, None)));
            (p, answer)
        })
        .collect())
}

fn by_topic(batches: Vec<(TopicPartition, Bytes)>) -> Vec<TopicProduceData> {
    let mut topics: BTreeMap<Arc<str>, Vec<PartitionProduceData>> = BTreeMap::new();
    for (partition, records) in batches {
        topics.entry(partition.topic).or_default().push(
            PartitionProduceData::default()
                .with_index(partition.partition)
                .with_records(Some(records)),
        );
    }
    topics
        .into_iter()
        .map(|(topic, partitions)| {
            TopicProduceData::default()
                .with_name(topic_name(&topic))
                .with_partition_data(partitions)
        })
        .collect()
}

/// Asks for an identity by which brokers tell repeated batches from new ones.
pub(super) async fn init_producer_id(cluster: Cluster) -> Result<ProducerId, KafkaError> {
    let connection = cluster.any().await?;
    let response = connection
        .request(|_| {
            InitProducerIdRequest::default()
                .with_transactional_id(None)
                .with_transaction_timeout_ms(i32::MAX)
        })
        .await?;
    match response.error_code {
        0 => Ok(ProducerId {
            id: response.producer_id.0,
            epoch: response.producer_epoch,
        }),
        code => Err(KafkaError::response("init producer id", code)),
    }
}
