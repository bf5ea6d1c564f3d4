//! Transactions: records of one partition written together under a transactional id, which belongs to whoever has claimed it
//! last. The exchange is that of KIP-98; the newer one (KIP-890) needs a cluster that has switched to it.

use crate::address::Address;
use crate::clock::now_ms;
use crate::cluster::{Cluster, Lane, Topics};
use crate::connection::Connection;
use crate::error::KafkaError;
use crate::names::topic_name;
use crate::producer::{Batch, ProducerId, ProducerRecord, ProducerSettings};
use crate::retry::retry_until;
use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    self, AddPartitionsToTxnRequest, EndTxnRequest, InitProducerIdRequest, ProduceRequest,
    TransactionalId,
};
use kafka_protocol::protocol::StrBytes;
use millstream_core::TopicPartition;
use millstream_core::backoff::Backoff;
use std::future::Future;
use std::time::Duration;
use tokio::time::Instant;

/// The markers of the transaction before are on their way as a rule, and there within milliseconds.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// The last version of Produce that leaves it to the producer to add partitions to its transaction.
const PRODUCE_VERSION: i16 = 11;

/// A transactional id and the cluster that knows it. Cloning shares the connections.
#[derive(Clone, Debug)]
pub(crate) struct Transactions {
    cluster: Cluster,
    settings: ProducerSettings,
    id: StrBytes,
}

/// The right to write under a transactional id, until another claims it.
#[derive(Debug)]
pub(crate) struct Claim {
    producer: ProducerId,
    /// Of the next record.
    sequence: i32,
}

impl Transactions {
    pub(crate) fn new(settings: ProducerSettings, id: &str) -> Self {
        Transactions {
            cluster: Cluster::new(settings.client.clone()),
            settings,
            id: StrBytes::from_string(id.to_owned()),
        }
    }

    /// Takes the id over, within `default.api.timeout.ms`: whoever had it can write no more, and what they left open is
    /// aborted.
    pub(crate) async fn claim(&self) -> Result<Claim, KafkaError> {
        let deadline = Instant::now() + self.settings.client.api_timeout();
        self.claim_by(deadline).await
    }

    async fn claim_by(&self, deadline: Instant) -> Result<Claim, KafkaError> {
        let claimed = self.retry(deadline, || async {
            let connection = self.coordinator().await?;
            let response = connection
                .request(|_| {
                    InitProducerIdRequest::default()
                        .with_transactional_id(Some(self.id()))
                        .with_transaction_timeout_ms(self.settings.config.transaction_timeout_ms)
                })
                .await?;
            self.check("init producer id", response.error_code)?;
            Ok(Claim {
                producer: ProducerId {
                    id: response.producer_id.0,
                    epoch: response.producer_epoch,
                },
                sequence: 0,
            })
        });
        claimed.await
    }

    /// Writes the records in one transaction, before the deadline; their offsets, −1 where the broker did not tell. Without
    /// a claim it makes one first. One under which that failed is used up: the next one ends what is left of the
    /// transaction.
    pub(crate) async fn write(
        &self,
        claim: Option<Claim>,
        partition: &TopicPartition,
        records: &[ProducerRecord],
        deadline: Instant,
    ) -> Result<(Claim, Vec<i64>), KafkaError> {
        let written = async {
            let mut claim = match claim {
                Some(claim) => claim,
                None => self.claim_by(deadline).await?,
            };
            let begin = self.retry(deadline, || self.begin(&claim, partition));
            begin.await?;
            let mut offsets = Vec::with_capacity(records.len());
            for mut batch in self.batches(records) {
                let base = self.append(&claim, partition, &mut batch, deadline).await?;
                let count = batch.count();
                offsets.extend((0..count).map(|n| if base < 0 { -1 } else { base + i64::from(n) }));
                claim.sequence = claim.sequence.wrapping_add(count) & i32::MAX;
            }
            self.retry(deadline, || self.commit(&claim)).await?;
            Ok((claim, offsets))
        };
        let ended = tokio::time::timeout_at(deadline, written).await;
        ended.map_err(|_| KafkaError::Failed {
            operation: format!("write a transaction to {partition}"),
            why: "it did not end in time (delivery.timeout.ms)".to_owned(),
        })?
    }

    async fn append(
        &self,
        claim: &Claim,
        partition: &TopicPartition,
        batch: &mut Batch,
        deadline: Instant,
    ) -> Result<i64, KafkaError> {
        let codec = self.settings.codec();
        let bytes = batch.encode_in_transaction(codec, claim.producer, claim.sequence);
        let bytes = bytes.map_err(|error| KafkaError::Failed {
            operation: format!("compress batch for {partition}"),
            why: error.to_string(),
        })?;
        self.retry(deadline, || self.produce(partition, bytes.clone()))
            .await
    }

    fn batches(&self, records: &[ProducerRecord]) -> Vec<Batch> {
        let mut batches: Vec<Batch> = Vec::new();
        for (place, record) in records.iter().enumerate() {
            let limit = self.settings.batch_size();
            let open = batches
                .last_mut()
                .filter(|batch| batch.has_room(record, limit));
            let timestamp = record.timestamp.unwrap_or_else(now_ms);
            match open {
                Some(batch) => batch.push(record, timestamp, (0, place)),
                None => {
                    let mut batch = Batch::new(Instant::now());
                    batch.push(record, timestamp, (0, place));
                    batches.push(batch);
                }
            }
        }
        batches
    }

    async fn begin(&self, claim: &Claim, partition: &TopicPartition) -> Result<(), KafkaError> {
        let topic = AddPartitionsToTxnTopic::default()
            .with_name(topic_name(&partition.topic))
            .with_partitions(vec![partition.partition]);
        let connection = self.coordinator().await?;
        let response = connection
            .request(|_| {
                AddPartitionsToTxnRequest::default()
                    .with_v3_and_below_transactional_id(self.id())
                    .with_v3_and_below_producer_id(messages::ProducerId(claim.producer.id))
                    .with_v3_and_below_producer_epoch(claim.producer.epoch)
                    .with_v3_and_below_topics(vec![topic])
            })
            .await?;
        let topics = response.results_by_topic_v3_and_below.iter();
        let partitions = topics.flat_map(|topic| &topic.results_by_partition);
        for answer in partitions {
            self.check(
                "add partitions to a transaction",
                answer.partition_error_code,
            )?;
        }
        Ok(())
    }

    async fn produce(&self, partition: &TopicPartition, batch: Bytes) -> Result<i64, KafkaError> {
        if self.leader(partition).is_none() {
            self.refresh(partition).await?;
        }
        let written = self.produce_to_leader(partition, batch).await;
        if written.as_ref().is_err_and(KafkaError::is_transient) {
            // Another broker may lead by now; the next attempt fails if nobody tells.
            let _ = self.refresh(partition).await;
        }
        written
    }

    async fn produce_to_leader(
        &self,
        partition: &TopicPartition,
        batch: Bytes,
    ) -> Result<i64, KafkaError> {
        let leader = self.leader(partition).unwrap_or(-1);
        let connection = self.cluster.node(leader, Lane::Produce).await?;
        let data = TopicProduceData::default()
            .with_name(topic_name(&partition.topic))
            .with_partition_data(vec![
                PartitionProduceData::default()
                    .with_index(partition.partition)
                    .with_records(Some(batch)),
            ]);
        let response = connection
            .request_up_to(PRODUCE_VERSION, |_| {
                ProduceRequest::default()
                    .with_transactional_id(Some(self.id()))
                    .with_acks(-1)
                    .with_timeout_ms(self.cluster.settings().request_timeout_ms)
                    .with_topic_data(vec![data])
            })
            .await?;
        let topics = response.responses.iter();
        let answer = topics.flat_map(|topic| &topic.partition_responses).next();
        let operation = || format!("produce to {partition}");
        match answer.map(|answer| (answer.error_code, answer)) {
            Some((0, answer)) => Ok(answer.base_offset),
            // An earlier attempt arrived.
            Some((46, _)) => Ok(-1),
            Some((code, answer)) => Err(KafkaError::response_with_message(
                operation(),
                code,
                answer.error_message.as_ref(),
            )),
            None => Err(KafkaError::response(operation(), 3)),
        }
    }

    async fn commit(&self, claim: &Claim) -> Result<(), KafkaError> {
        let connection = self.coordinator().await?;
        let response = connection
            .request(|_| {
                EndTxnRequest::default()
                    .with_transactional_id(self.id())
                    .with_producer_id(messages::ProducerId(claim.producer.id))
                    .with_producer_epoch(claim.producer.epoch)
                    .with_committed(true)
            })
            .await?;
        self.check("commit a transaction", response.error_code)
    }

    async fn refresh(&self, partition: &TopicPartition) -> Result<(), KafkaError> {
        let topics = Topics::Named(vec![partition.topic.to_string()]);
        self.cluster.refresh(&topics, false).await.map(|_| ())
    }

    fn leader(&self, partition: &TopicPartition) -> Option<i32> {
        let metadata = self.cluster.metadata();
        let known = metadata.partition(partition);
        known
            .map(|known| known.leader)
            .filter(|leader| *leader >= 0)
    }

    async fn coordinator(&self) -> Result<Connection, KafkaError> {
        let address: Address = self.cluster.find_transaction_coordinator(&self.id).await?;
        self.cluster.connect(&address, Lane::Control).await
    }

    fn id(&self) -> TransactionalId {
        TransactionalId(self.id.clone())
    }

    fn check(&self, operation: &str, code: i16) -> Result<(), KafkaError> {
        match code {
            0 => Ok(()),
            code => {
                let operation = format!("{operation} of {}", self.id);
                Err(KafkaError::response(operation, code))
            }
        }
    }

    /// Tries again, until the deadline, what may succeed later.
    async fn retry<T, F: Future<Output = Result<T, KafkaError>>>(
        &self,
        deadline: Instant,
        attempt: impl FnMut() -> F,
    ) -> Result<T, KafkaError> {
        let (_, longest) = self.settings.client.retry_backoff();
        retry_until(deadline, Backoff::new((FIRST_PAUSE, longest)), attempt).await
    }
}

/// Whether another has claimed the id meanwhile.
pub(crate) fn is_fenced(error: &KafkaError) -> bool {
    matches!(
        error.response_error(),
        Some(ResponseError::ProducerFenced | ResponseError::InvalidProducerEpoch)
    )
}
