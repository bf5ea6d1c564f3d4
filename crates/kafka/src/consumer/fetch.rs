//! One fetch from one broker: what is asked, and what came of it.

use crate::cluster::{Cluster, Lane, topic_name};
use crate::config::ConsumerSettings;
use crate::error::KafkaError;
use crate::walker::AbortedTransaction;
use bytes::Bytes;
use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::protocol::StrBytes;
use millstream_core::TopicPartition;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// What one partition was asked for.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) partition: TopicPartition,
    pub(super) epoch: u64,
    pub(super) offset: i64,
    pub(super) leader_epoch: i32,
}

/// What came for one partition: records or an error.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) asked: Asked,
    pub(super) error: i16,
    pub(super) records: Bytes,
    pub(super) aborted: Option<Vec<AbortedTransaction>>,
}

/// A broker's response: partitions without news are left out.
#[derive(Debug, Default)]
pub(super) struct Response {
    pub(super) answers: VecDeque<Answer>,
    pub(super) throttle: Duration,
}

#[derive(Clone, Debug)]
pub(super) struct Limits {
    pub(super) min_bytes: i32,
    pub(super) max_bytes: i32,
    pub(super) partition_bytes: i32,
    pub(super) max_wait: Duration,
    pub(super) reads_committed: bool,
    pub(super) rack: StrBytes,
}

impl Limits {
    pub(super) fn new(settings: &ConsumerSettings) -> Self {
        Limits {
            min_bytes: settings.fetch_min_bytes,
            max_bytes: settings.fetch_max_bytes,
            partition_bytes: settings.max_partition_fetch_bytes,
            max_wait: settings.fetch_max_wait(),
            reads_committed: settings.reads_committed(),
            rack: StrBytes::from_string(settings.client_rack.clone()),
        }
    }
}

pub(super) async fn fetch(
    cluster: Cluster,
    broker: i32,
    asked: Vec<Asked>,
    limits: Limits,
) -> Result<Response, KafkaError> {
    let connection = cluster.node(broker, Lane::Fetch).await?;
    let patience = cluster.config().request_timeout().max(limits.max_wait * 2);
    let response = connection
        .request_within(patience, |version| request(&asked, &limits, version))
        .await?;
    if response.error_code != 0 {
        return Err(KafkaError::refused(
            format!("fetch from {}", connection.broker()),
            response.error_code,
        ));
    }
    let mut by_place: HashMap<(&str, i32), &Asked> = HashMap::with_capacity(asked.len());
    for one in &asked {
        by_place.insert((&one.partition.topic, one.partition.partition), one);
    }
    let mut answers = VecDeque::new();
    for topic in response.responses {
        for data in topic.partitions {
            let place = (topic.topic.as_str(), data.partition_index);
            if let Some(one) = by_place.get(&place) {
                answers.extend(answer(one, data, limits.reads_committed));
            }
        }
    }
    Ok(Response {
        answers,
        throttle: Duration::from_millis(response.throttle_time_ms.max(0) as u64),
    })
}

fn answer(asked: &Asked, data: PartitionData, reads_committed: bool) -> Option<Answer> {
    let records = data.records.unwrap_or_default();
    if data.error_code == 0 && records.is_empty() {
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
        asked: asked.clone(),
        error: data.error_code,
        records,
        aborted,
    })
}

fn request(asked: &[Asked], limits: &Limits, version: i16) -> FetchRequest {
    let mut topics: Vec<FetchTopic> = Vec::new();
    let mut last = None;
    for one in asked {
        if last != Some(&one.partition.topic) {
            last = Some(&one.partition.topic);
            topics.push(FetchTopic::default().with_topic(topic_name(&one.partition.topic)));
        }
        let mut partition = FetchPartition::default()
            .with_partition(one.partition.partition)
            .with_fetch_offset(one.offset)
            .with_partition_max_bytes(limits.partition_bytes);
        if version >= 9 {
            partition.current_leader_epoch = one.leader_epoch;
        }
        if let Some(topic) = topics.last_mut() {
            topic.partitions.push(partition);
        }
    }
    let mut request = FetchRequest::default()
        .with_replica_id((-1).into())
        .with_max_wait_ms(i32::try_from(limits.max_wait.as_millis()).unwrap_or(i32::MAX))
        .with_min_bytes(limits.min_bytes)
        .with_max_bytes(limits.max_bytes)
        .with_isolation_level(i8::from(limits.reads_committed))
        .with_topics(topics);
    if version >= 11 {
        request.rack_id = limits.rack.clone();
    }
    request
}
