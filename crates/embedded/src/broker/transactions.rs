//! Producer ids and transactions: who may write under a transactional id, which partitions and groups an open transaction
//! touches, and the markers that end it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
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
use tokio::sync::Notify;
use tokio::time::Instant;

use super::batch::{self, BatchHeader};
use super::call::{Call, code};
use super::group::Committed;
use super::store::Entry;
use super::{Shared, lock, wall_clock};

/// Kafka's default of `transaction.max.timeout.ms`.
const MAX_TIMEOUT: Duration = Duration::from_secs(900);
/// How long the timer sleeps when no transaction is open.
const IDLE: Duration = Duration::from_secs(3_600);

#[derive(Debug, Default)]
struct Transaction {
    producer_id: i64,
    epoch: i16,
    timeout: Duration,
    partitions: BTreeSet<(String, i32)>,
    /// When it is aborted unless it ends; `None` while none is open.
    deadline: Option<Instant>,
    /// How the newest one ended: a repeated end is answered the same way.
    ended: Option<bool>,
}

/// The transactional ids of the cluster, and the next producer id.
#[derive(Debug, Default)]
pub(crate) struct Transactions {
    by_id: Mutex<BTreeMap<String, Transaction>>,
    next_producer_id: Mutex<i64>,
    opened: Notify,
}

impl Transactions {
    pub(crate) fn restore(&self, next: i64, ids: BTreeMap<String, (i64, i16)>) {
        *lock(&self.next_producer_id) = next;
        let transaction = |(producer_id, epoch)| Transaction {
            producer_id,
            epoch,
            ..Transaction::default()
        };
        *lock(&self.by_id) = ids
            .into_iter()
            .map(|(id, producer)| (id, transaction(producer)))
            .collect();
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        let mut entries = vec![Entry::NextProducerId {
            next: *lock(&self.next_producer_id),
        }];
        for (id, transaction) in lock(&self.by_id).iter() {
            let (producer_id, epoch) = (transaction.producer_id, transaction.epoch);
            entries.push(Entry::Transactional {
                id: id.clone(),
                producer_id,
                epoch,
            });
        }
        entries
    }
}

impl Shared {
    fn next_producer_id(&self) -> i64 {
        let mut next = lock(&self.transactions.next_producer_id);
        let id = *next;
        *next += 1;
        self.journal.write(&Entry::NextProducerId { next: *next });
        id
    }

    /// Aborts transactions that run too long, for as long as the broker lives.
    pub(crate) async fn run_transactions(&self) {
        loop {
            let now = Instant::now();
            let next = {
                let mut transactions = lock(&self.transactions.by_id);
                for (id, transaction) in transactions.iter_mut() {
                    if transaction.deadline.is_some_and(|deadline| deadline <= now) {
                        // The epoch rises first, so that its producer cannot go on.
                        self.raise_epoch(id, transaction);
                        self.end(transaction, false);
                    }
                }
                transactions
                    .values()
                    .filter_map(|transaction| transaction.deadline)
                    .min()
            };
            tokio::select! {
                () = tokio::time::sleep_until(next.unwrap_or(now + IDLE)) => {}
                () = self.transactions.opened.notified() => {}
            }
        }
    }

    fn raise_epoch(&self, id: &str, transaction: &mut Transaction) {
        if transaction.epoch == i16::MAX {
            transaction.producer_id = self.next_producer_id();
            transaction.epoch = 0;
        } else {
            transaction.epoch += 1;
        }
        let (producer_id, epoch) = (transaction.producer_id, transaction.epoch);
        self.journal.write(&Entry::Transactional {
            id: id.to_owned(),
            producer_id,
            epoch,
        });
    }

    /// Writes the markers of an open transaction and settles its offsets.
    fn end(&self, transaction: &mut Transaction, committed: bool) {
        transaction.deadline = None;
        transaction.ended = Some(committed);
        for (topic, partition) in std::mem::take(&mut transaction.partitions) {
            self.write_marker(
                &topic,
                partition,
                (transaction.producer_id, transaction.epoch),
                committed,
            );
        }
        self.groups
            .end_transaction(transaction.producer_id, committed);
    }

    fn write_marker(&self, topic: &str, partition: i32, producer: (i64, i16), committed: bool) {
        let Some(partition) = self
            .topics
            .get(topic)
            .and_then(|topic| topic.partition(partition))
        else {
            return;
        };
        let marker = batch::end_marker(producer, committed, wall_clock());
        if let Some(header) = BatchHeader::parse(&marker)
            && let Err(error) = partition.log().append(header, &marker, None)
        {
            tracing::error!(%error, topic, "cannot end a transaction in the embedded broker");
        }
        partition.wake();
    }

    /// After a restart nobody remembers what a transaction was about: what is open in the logs is aborted.
    pub(crate) fn abort_leftovers(&self) {
        for topic in self.topics.all() {
            for (index, partition) in topic.partitions().iter().enumerate() {
                let open = partition.log().open_producers();
                for producer in open {
                    self.write_marker(&topic.name, index as i32, producer, false);
                }
            }
        }
    }
}

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
