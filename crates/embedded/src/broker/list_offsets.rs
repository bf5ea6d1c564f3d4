//! ListOffsets, OffsetForLeaderEpoch and DeleteRecords: questions about, and cuts at, positions in a log.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use kafka_protocol::messages::{
    DeleteRecordsRequest, DeleteRecordsResponse, ListOffsetsRequest, ListOffsetsResponse,
    OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
};

use super::call::Call;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const NEWEST_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;

impl Call<'_> {
    pub(crate) fn list_offsets(&self, request: ListOffsetsRequest) -> ListOffsetsResponse {
        let committed = request.isolation_level == 1;
        let topics = request.topics.into_iter().map(|topic| {
            let parts = topic.partitions.iter().map(|asked| {
                let answer = ListOffsetsPartitionResponse::default()
                    .with_partition_index(asked.partition_index);
                match self.position(&topic.name, asked, committed) {
                    Ok((timestamp, offset, epoch)) => {
                        let epoch = if self.version >= 4 { epoch } else { -1 };
                        answer
                            .with_timestamp(timestamp)
                            .with_offset(offset)
                            .with_leader_epoch(epoch)
                    }
                    Err(error) => answer
                        .with_error_code(error.code())
                        .with_offset(-1)
                        .with_timestamp(-1),
                }
            });
            let parts = parts.collect();
            ListOffsetsTopicResponse::default()
                .with_name(topic.name)
                .with_partitions(parts)
        });
        ListOffsetsResponse::default().with_topics(topics.collect())
    }

    fn position(
        &self,
        topic: &str,
        asked: &ListOffsetsPartition,
        committed: bool,
    ) -> Result<(i64, i64, i32), ResponseError> {
        if let Some(forced) = self.forced(topic) {
            return Err(forced);
        }
        let (_, partition) = self
            .broker
            .topics
            .led(topic, asked.partition_index, self.node)?;
        let log = partition.log();
        log.check_epoch(asked.current_leader_epoch)?;
        let (timestamp, offset) = match asked.timestamp {
            LATEST => (
                -1,
                if committed {
                    log.last_stable()
                } else {
                    log.end()
                },
            ),
            EARLIEST | EARLIEST_LOCAL => (-1, log.start()),
            NEWEST_TIMESTAMP => log.newest_time().unwrap_or((-1, -1)),
            timestamp if timestamp < 0 => (-1, -1),
            timestamp => log.find_time(timestamp).unwrap_or((-1, -1)),
        };
        Ok((timestamp, offset, log.leader_epoch()))
    }

    pub(crate) fn leader_epochs(
        &self,
        request: OffsetForLeaderEpochRequest,
    ) -> OffsetForLeaderEpochResponse {
        let topics = request.topics.into_iter().map(|topic| {
            let parts = topic.partitions.iter().map(|asked| {
                let answer = EpochEndOffset::default().with_partition(asked.partition);
                let end = || {
                    let (_, partition) =
                        self.broker
                            .topics
                            .led(&topic.topic, asked.partition, self.node)?;
                    let log = partition.log();
                    log.check_epoch(asked.current_leader_epoch)?;
                    Ok(log.end_of_epoch(asked.leader_epoch))
                };
                match self.forced(&topic.topic).map_or_else(end, Err) {
                    Ok((epoch, offset)) => answer.with_leader_epoch(epoch).with_end_offset(offset),
                    Err(error) => answer
                        .with_error_code(error.code())
                        .with_leader_epoch(-1)
                        .with_end_offset(-1),
                }
            });
            let parts = parts.collect();
            OffsetForLeaderTopicResult::default()
                .with_topic(topic.topic)
                .with_partitions(parts)
        });
        OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
    }

    pub(crate) fn delete_records(&self, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
        let topics = request.topics.into_iter().map(|topic| {
            let parts = topic.partitions.iter().map(|asked| {
                let cut = || {
                    let (_, partition) =
                        self.broker
                            .topics
                            .led(&topic.name, asked.partition_index, self.node)?;
                    self.broker.topics.delete_records(
                        &topic.name,
                        &partition,
                        asked.partition_index,
                        asked.offset,
                    )
                };
                let answer = DeleteRecordsPartitionResult::default()
                    .with_partition_index(asked.partition_index);
                match self.forced(&topic.name).map_or_else(cut, Err) {
                    Ok(start) => answer.with_low_watermark(start),
                    Err(error) => answer.with_low_watermark(-1).with_error_code(error.code()),
                }
            });
            let parts = parts.collect();
            DeleteRecordsTopicResult::default()
                .with_name(topic.name)
                .with_partitions(parts)
        });
        DeleteRecordsResponse::default().with_topics(topics.collect())
    }
}
