//! The requests of producers with transactions.

use std::time::Duration;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse, EndTxnRequest, EndTxnResponse, InitProducerIdRequest,
    InitProducerIdResponse, ProducerId, TxnOffsetCommitRequest, TxnOffsetCommitResponse,
};
use tokio::time::Instant;

use super::super::call::{Call, code};
use super::super::group::Committed;
use super::super::lock;
use super::super::store::Entry;
use super::Transaction;

/// Kafka's default of `transaction.max.timeout.ms`.
const MAX_TIMEOUT: Duration = Duration::from_secs(900);

impl Call<'_> {
    pub(crate) fn init_producer_id(
        &self,
        request: InitProducerIdRequest,
    ) -> InitProducerIdResponse {
        let given = match &request.transactional_id {
            None => self
                .forced_whole()
                .map_or_else(|| Ok((self.broker.next_producer_id(), 0)), Err),
            Some(id) => self
                .check_coordinator(id)
                .and_then(|()| self.take_over(id, &request)),
        };
        match given {
            Ok((id, epoch)) => InitProducerIdResponse::default()
                .with_producer_id(ProducerId(id))
                .with_producer_epoch(epoch),
            Err(error) => InitProducerIdResponse::default()
                .with_error_code(error.code())
                .with_producer_id(ProducerId(-1))
                .with_producer_epoch(-1),
        }
    }

    fn take_over(
        &self,
        id: &str,
        request: &InitProducerIdRequest,
    ) -> Result<(i64, i16), ResponseError> {
        let timeout =
            Duration::from_millis(u64::try_from(request.transaction_timeout_ms).unwrap_or(0));
        if timeout.is_zero() || timeout > MAX_TIMEOUT {
            return Err(ResponseError::InvalidTransactionTimeout);
        }
        let mut transactions = lock(&self.broker.transactions.by_id);
        let transaction = match transactions.get_mut(id) {
            None => {
                let producer_id = self.broker.next_producer_id();
                self.broker.journal.write(&Entry::Transactional {
                    id: id.to_owned(),
                    producer_id,
                    epoch: 0,
                });
                transactions.entry(id.to_owned()).or_insert(Transaction {
                    producer_id,
                    ..Transaction::default()
                })
            }
            Some(known) => {
                let claimed = (request.producer_id.0, request.producer_epoch);
                if claimed.0 != -1 && claimed != (known.producer_id, known.epoch) {
                    return Err(ResponseError::ProducerFenced);
                }
                self.broker.raise_epoch(id, known);
                if known.deadline.is_some() {
                    self.broker.end(known, false);
                }
                known
            }
        };
        transaction.timeout = timeout;
        transaction.ended = None;
        Ok((transaction.producer_id, transaction.epoch))
    }

    /// Runs `act` on a transaction of this very producer.
    fn in_transaction<T>(
        &self,
        id: &str,
        producer: (ProducerId, i16),
        act: impl FnOnce(&mut Transaction) -> Result<T, ResponseError>,
    ) -> Result<T, ResponseError> {
        self.check_coordinator(id)?;
        let mut transactions = lock(&self.broker.transactions.by_id);
        let transaction = transactions
            .get_mut(id)
            .ok_or(ResponseError::InvalidProducerIdMapping)?;
        if transaction.producer_id != producer.0.0 {
            return Err(ResponseError::InvalidProducerIdMapping);
        }
        if transaction.epoch != producer.1 {
            // The newer code came with version 2 of these requests.
            let is_new = self.version >= 2;
            return Err(if is_new {
                ResponseError::ProducerFenced
            } else {
                ResponseError::InvalidProducerEpoch
            });
        }
        act(transaction)
    }

    fn open(&self, transaction: &mut Transaction) {
        if transaction.deadline.is_none() {
            transaction.deadline = Some(Instant::now() + transaction.timeout);
            transaction.ended = None;
            self.broker.transactions.opened.notify_one();
        }
    }

    pub(crate) fn add_partitions(
        &self,
        request: AddPartitionsToTxnRequest,
    ) -> AddPartitionsToTxnResponse {
        let producer = (
            request.v3_and_below_producer_id,
            request.v3_and_below_producer_epoch,
        );
        let topics = request.v3_and_below_topics;
        let is_missing = |topic: &str, partition| {
            self.broker
                .topics
                .get(topic)
                .and_then(|t| t.partition(partition))
                .is_none()
        };
        let missing = topics.iter().any(|topic| {
            topic
                .partitions
                .iter()
                .any(|partition| is_missing(&topic.name, *partition))
        });
        let added = self.in_transaction(
            &request.v3_and_below_transactional_id,
            producer,
            |transaction| {
                // All or nothing, as in Kafka.
                if missing {
                    return Err(ResponseError::OperationNotAttempted);
                }
                self.open(transaction);
                let all = topics.iter().flat_map(|topic| {
                    topic
                        .partitions
                        .iter()
                        .map(|partition| (topic.name.to_string(), *partition))
                });
                transaction.partitions.extend(all);
                Ok(())
            },
        );
        let results = topics.iter().map(|topic| {
            let parts = topic.partitions.iter().map(|partition| {
                let error = match added {
                    Err(ResponseError::OperationNotAttempted)
                        if is_missing(&topic.name, *partition) =>
                    {
                        Err(ResponseError::UnknownTopicOrPartition)
                    }
                    added => added,
                };
                let result =
                    AddPartitionsToTxnPartitionResult::default().with_partition_index(*partition);
                result.with_partition_error_code(code(error))
            });
            AddPartitionsToTxnTopicResult::default()
                .with_name(topic.name.clone())
                .with_results_by_partition(parts.collect())
        });
        AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(results.collect())
    }

    pub(crate) fn add_offsets(&self, request: AddOffsetsToTxnRequest) -> AddOffsetsToTxnResponse {
        let producer = (request.producer_id, request.producer_epoch);
        let added = self.in_transaction(&request.transactional_id, producer, |transaction| {
            self.open(transaction);
            Ok(())
        });
        AddOffsetsToTxnResponse::default().with_error_code(code(added))
    }

    pub(crate) fn txn_offset_commit(
        &self,
        request: TxnOffsetCommitRequest,
    ) -> TxnOffsetCommitResponse {
        let group = self.broker.groups.get_or_create(&request.group_id);
        let allowed = self.check_coordinator(&request.group_id).and_then(|()| {
            // Before version 3 the client does not say who it is.
            if self.version < 3 || (request.generation_id < 0 && request.member_id.is_empty()) {
                return Ok(());
            }
            let instance = request.group_instance_id.as_ref();
            self.broker.groups.change(&group, |group, now| {
                group.check_commit(&request.member_id, instance, request.generation_id, now)
            })
        });
        let topics = request.topics.into_iter().map(|topic| {
            let parts = topic.partitions.into_iter().map(|part| {
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
                    let mut group = lock(&group);
                    let pending = group
                        .pending_offsets
                        .entry(request.producer_id.0)
                        .or_default();
                    pending.insert((topic.name.to_string(), part.partition_index), committed);
                }
                let answer = TxnOffsetCommitResponsePartition::default()
                    .with_partition_index(part.partition_index);
                answer.with_error_code(code(checked))
            });
            let parts = parts.collect();
            TxnOffsetCommitResponseTopic::default()
                .with_name(topic.name)
                .with_partitions(parts)
        });
        TxnOffsetCommitResponse::default().with_topics(topics.collect())
    }

    pub(crate) fn end_txn(&self, request: EndTxnRequest) -> EndTxnResponse {
        let producer = (request.producer_id, request.producer_epoch);
        let ended = self.in_transaction(&request.transactional_id, producer, |transaction| {
            if transaction.deadline.is_some() {
                self.broker.end(transaction, request.committed);
                return Ok(());
            }
            if transaction.ended == Some(request.committed) {
                Ok(())
            } else {
                Err(ResponseError::InvalidTxnState)
            }
        });
        EndTxnResponse::default().with_error_code(code(ended))
    }
}
