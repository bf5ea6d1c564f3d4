//! One fetch from one broker: what is asked, and what came of it.

use super::partitions::Wanted;
use super::session::Plan;
use crate::cluster::{Cluster, Lane};
use crate::config::FetchConfig;
use crate::error::KafkaError;
use crate::names::topic_name;
use crate::walker::AbortedTransaction;
use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::{FetchRequest, FetchResponse};
use kafka_protocol::protocol::StrBytes;
use millstream_core::{BytePermit, TopicPartition};
use std::time::Duration;

/// What came for one partition: records or an error.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) partition: TopicPartition,
    pub(super) wanted: Wanted,
    pub(super) error: i16,
    pub(super) records: Bytes,
    pub(super) aborted: Option<Vec<AbortedTransaction>>,
    /// A replica that the leader would rather have us read from.
    pub(super) replica: Option<i32>,
}

impl Answer {
    /// `None` where there is no news.
    pub(super) fn new(
        partition: &TopicPartition,
        wanted: Wanted,
        data: PartitionData,
        reads_committed: bool,
    ) -> Option<Self> {
        let records = data.records.unwrap_or_default();
        let replica = Some(data.preferred_read_replica.0).filter(|&replica| replica >= 0);
        if data.error_code == 0 && records.is_empty() && replica.is_none() {
            return None;
        }
        let aborted = reads_committed.then(|| {
            data.aborted_transactions
                .into_iter()
                .flatten()
                .map(|t| AbortedTransaction {
                    producer_id: t.producer_id.0,
                    first_offset: t.first_offset,
                })
                .collect()
        });
        Some(Answer {
            partition: partition.clone(),
            wanted,
            error: data.error_code,
            records,
            aborted,
            replica,
        })
    }
}

/// A broker's response.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) session_id: i32,
    pub(super) topics: Vec<FetchableTopicResponse>,
    pub(super) throttle: Duration,
    /// What it is counted as.
    pub(super) memory: Option<BytePermit>,
}

#[derive(Clone, Debug)]
pub(super) struct Limits {
    min_bytes: i32,
    max_bytes: i32,
    partition_bytes: i32,
    max_wait: Duration,
    pub(super) reads_committed: bool,
    rack: StrBytes,
}

impl Limits {
    pub(super) fn new(config: &FetchConfig, largest_response: usize) -> Self {
        Limits {
            min_bytes: config.fetch_min_bytes,
            max_bytes: i32::try_from(largest_response).map_or(config.fetch_max_bytes, |most| {
                config.fetch_max_bytes.min(most)
            }),
            partition_bytes: config.max_partition_fetch_bytes,
            max_wait: config.fetch_max_wait(),
            reads_committed: config.reads_committed(),
            rack: StrBytes::from_string(config.client_rack.clone()),
        }
    }
}

pub(super) async fn fetch(
    cluster: Cluster,
    broker: i32,
    plan: Plan,
    limits: Limits,
) -> Result<Response, KafkaError> {
    let connection = cluster.node(broker, Lane::Fetch).await?;
    let timeout = cluster
        .settings()
        .request_timeout()
        .max(limits.max_wait * 2);
    let (response, memory): (FetchResponse, _) = connection
        .request_with_memory(timeout, |version| request(&plan, &limits, version))
        .await?;
    if response.error_code != 0 {
        return Err(KafkaError::response(
            format!("fetch from {}", connection.broker()),
            response.error_code,
        ));
    }
    Ok(Response {
        session_id: response.session_id,
        topics: response.responses,
        throttle: Duration::from_millis(response.throttle_time_ms.max(0) as u64),
        memory,
    })
}

fn request(plan: &Plan, limits: &Limits, version: i16) -> FetchRequest {
    let mut topics: Vec<FetchTopic> = Vec::new();
    let mut last = None;
    for (partition, wanted) in &plan.asked {
        if last != Some(&partition.topic) {
            last = Some(&partition.topic);
            topics.push(FetchTopic::default().with_topic(topic_name(&partition.topic)));
        }
        let mut asked = FetchPartition::default()
            .with_partition(partition.partition)
            .with_fetch_offset(wanted.offset)
            .with_partition_max_bytes(limits.partition_bytes);
        if version >= 9 {
            asked.current_leader_epoch = wanted.leader_epoch;
        }
        if let Some(topic) = topics.last_mut() {
            topic.partitions.push(asked);
        }
    }
    let mut request = FetchRequest::default()
        .with_replica_id((-1).into())
        .with_max_wait_ms(i32::try_from(limits.max_wait.as_millis()).unwrap_or(i32::MAX))
        .with_min_bytes(limits.min_bytes)
        .with_max_bytes(limits.max_bytes)
        .with_isolation_level(i8::from(limits.reads_committed))
        .with_topics(topics);
    if version >= 7 {
        request.session_id = plan.session_id;
        request.session_epoch = plan.session_epoch;
        request.forgotten_topics_data = plan.forgotten.iter().map(forgotten).collect();
    }
    if version >= 11 {
        request.rack_id = limits.rack.clone();
    }
    request
}

fn forgotten(partition: &TopicPartition) -> ForgottenTopic {
    ForgottenTopic::default()
        .with_topic(topic_name(&partition.topic))
        .with_partitions(vec![partition.partition])
}
