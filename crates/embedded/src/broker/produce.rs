//! Produce: checks what a client sends and appends it as it is.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::produce_request::PartitionProduceData;
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse};

use super::batch;
use super::call::Call;
use super::{Shared, wall_clock};

/// Kafka's default of `max.message.bytes`.
const MAX_BATCH: i64 = 1_048_588;
/// A compacted topic is looked at again after this much new data, or as much as the last compaction left.
const COMPACT_AFTER: usize = 1024 * 1024;

impl Call<'_> {
    /// `None` closes the connection, the only way to tell a client that wants no answers.
    pub(crate) fn produce(&self, request: ProduceRequest) -> Option<ProduceResponse> {
        let mut failed = false;
        let mut topics = Vec::with_capacity(request.topic_data.len());
        for topic in request.topic_data {
            let name = self.broker.topic_name(&topic.name, topic.topic_id);
            let mut parts = Vec::with_capacity(topic.partition_data.len());
            for part in topic.partition_data {
                let answer = PartitionProduceResponse::default()
                    .with_index(part.index)
                    .with_log_append_time_ms(-1);
                parts.push(match self.store(&name, &part, request.acks) {
                    Ok((base, start)) => answer.with_base_offset(base).with_log_start_offset(start),
                    Err(error) => {
                        failed = true;
                        let error = if name.is_empty() {
                            ResponseError::UnknownTopicId
                        } else {
                            error
                        };
                        answer
                            .with_base_offset(-1)
                            .with_log_start_offset(-1)
                            .with_error_code(error.code())
                    }
                });
            }
            let answer = TopicProduceResponse::default()
                .with_topic_id(topic.topic_id)
                .with_partition_responses(parts);
            topics.push(answer.with_name(topic.name));
        }
        if failed && request.acks == 0 {
            None
        } else {
            Some(ProduceResponse::default().with_responses(topics))
        }
    }

    fn store(
        &self,
        topic: &str,
        part: &PartitionProduceData,
        acks: i16,
    ) -> Result<(i64, i64), ResponseError> {
        if let Some(forced) = self.forced(topic) {
            return Err(forced);
        }
        if !(-1..=1).contains(&acks) {
            return Err(ResponseError::InvalidRequiredAcks);
        }
        let records = part.records.as_ref().ok_or(ResponseError::InvalidRecord)?;
        self.broker.append(topic, part.index, self.node, records)
    }
}

impl Shared {
    /// Appends batches to a partition that `node` leads; the offset of the first, and the log's start.
    pub(crate) fn append(
        &self,
        topic: &str,
        index: i32,
        node: i32,
        records: &[u8],
    ) -> Result<(i64, i64), ResponseError> {
        let (topic, partition) = self.topics.led(topic, index, node)?;
        let batches = batch::split(records)?;
        let largest = topic.number("max.message.bytes", MAX_BATCH);
        if batches
            .iter()
            .any(|(header, _)| header.size as i64 > largest)
        {
            return Err(ResponseError::MessageTooLarge);
        }
        let stamp = topic
            .has("message.timestamp.type", "LogAppendTime")
            .then(wall_clock);
        let mut first = None;
        let mut log = partition.log();
        for (header, bytes) in batches {
            let base = log.append(header, bytes, stamp)?;
            first.get_or_insert(base);
        }
        if topic.has("cleanup.policy", "compact") && log.is_dirty(COMPACT_AFTER) {
            log.compact();
        }
        let start = log.start();
        drop(log);
        partition.wake();
        Ok((first.unwrap_or(-1), start))
    }
}
