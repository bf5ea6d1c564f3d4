//! KafkaProducer: records in, acknowledged records out, each exactly once and in order within its partition
//! (`enable.idempotence`). A task owns the batches; the handle waits for room in the buffer.

mod batch;
mod config;
mod partitioner;
mod request;
mod worker;

pub(crate) use batch::{Batch, ProducerId};
pub use config::{ProducerConfig, ProducerSettings};
pub use partitioner::partition_of;

use crate::cluster::Cluster;
use crate::error::KafkaError;
use async_trait::async_trait;
use bytes::Bytes;
use millstream_core::{
    Acknowledgement, ByteBudget, BytePermit, OutgoingRecord, RecordSender, RecordWriter, WriteError,
};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use worker::Worker;

/// Calls that may wait between the handles and the task; their bytes are bounded by `buffer.memory`.
const QUEUED_CALLS: usize = 256;

/// A record to be written.
#[derive(Clone, Debug, Default)]
pub struct ProducerRecord {
    pub topic: Arc<str>,
    /// `None`: by the key's hash, or wherever there is a batch to fill.
    pub partition: Option<i32>,
    /// Milliseconds since the epoch; `None` is now.
    pub timestamp: Option<i64>,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<(Bytes, Option<Bytes>)>,
}

impl ProducerRecord {
    /// The bytes that the record takes at most in a batch.
    fn size(&self) -> usize {
        let field = |f: &Option<Bytes>| f.as_ref().map_or(0, Bytes::len);
        let headers: usize = self
            .headers
            .iter()
            .map(|(key, value)| 10 + key.len() + field(value))
            .sum();
        // Seven variable-length numbers.
        40 + field(&self.key) + field(&self.value) + headers
    }
}

/// Where a record was written. The offset is −1 where the broker did not say (`acks=0`, or a repeated attempt).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    pub partition: i32,
    pub offset: i64,
}

/// The records of one call, or what kept one of them from being written.
type Outcome = Result<Vec<Written>, Arc<KafkaError>>;

enum Call {
    Send {
        records: Vec<ProducerRecord>,
        permit: BytePermit,
        reply: oneshot::Sender<Outcome>,
    },
    /// Send everything now and say when it is done.
    Flush(oneshot::Sender<()>),
}

/// Cloning shares the producer; it ends when the last handle is gone and everything is written or given up.
#[derive(Clone, Debug)]
pub struct KafkaProducer {
    calls: mpsc::Sender<Call>,
    buffer: ByteBudget,
    max_block: Duration,
    max_record: usize,
    task: Arc<JoinHandle<()>>,
}

impl KafkaProducer {
    /// Starts the producer; brokers that are out of reach are waited for. Needs a Tokio runtime.
    pub fn start(settings: ProducerSettings) -> Self {
        let (calls, receiver) = mpsc::channel(QUEUED_CALLS);
        let cluster = Cluster::new(settings.client.clone());
        let worker = Worker::new(cluster, settings.clone());
        KafkaProducer {
            calls,
            buffer: ByteBudget::new(settings.buffer_memory()),
            max_block: settings.max_block(),
            max_record: settings.max_request_size(),
            task: Arc::new(crate::tasks::spawn(worker.run(receiver))),
        }
    }

    /// Takes records over, once there is room for them; the future that it returns ends when all are written.
    /// What cannot be written within `delivery.timeout.ms` is given up.
    pub async fn send(
        &self,
        records: Vec<ProducerRecord>,
    ) -> Result<impl Future<Output = Outcome> + Send + use<>, Arc<KafkaError>> {
        if let Some(record) = records.iter().find(|r| r.size() > self.max_record) {
            return Err(Arc::new(KafkaError::TooLarge {
                topic: record.topic.to_string(),
                size: record.size(),
                most: self.max_record,
            }));
        }
        let size = records.iter().map(ProducerRecord::size).sum();
        let room = tokio::time::timeout(self.max_block, self.buffer.acquire(size)).await;
        let permit = room.map_err(|_| {
            Arc::new(KafkaError::Failed {
                operation: "produce".to_owned(),
                why: format!(
                    "the buffer (buffer.memory) was exhausted for {} ms (max.block.ms)",
                    self.max_block.as_millis()
                ),
            })
        })?;
        let (reply, outcome) = oneshot::channel();
        let call = Call::Send {
            records,
            permit,
            reply,
        };
        self.calls
            .send(call)
            .await
            .map_err(|_| Arc::new(KafkaError::Closed))?;
        Ok(async move {
            outcome
                .await
                .unwrap_or_else(|_| Err(Arc::new(KafkaError::Closed)))
        })
    }

    /// Sends what is waiting at once and returns when all of it is written or given up.
    pub async fn flush(&self) {
        let (reply, done) = oneshot::channel();
        if self.calls.send(Call::Flush(reply)).await.is_ok() {
            // A task that ended has nothing left to write.
            let _ = done.await;
        }
    }

    /// Writes what is waiting, within the deadline. Other handles go on until they are dropped.
    pub async fn close(self, deadline: Duration) {
        let KafkaProducer { calls, task, .. } = self;
        drop(calls);
        if let Some(task) = Arc::into_inner(task) {
            let abort = task.abort_handle();
            if tokio::time::timeout(deadline, task).await.is_err() {
                abort.abort();
            }
        }
    }
}

impl From<OutgoingRecord> for ProducerRecord {
    fn from(record: OutgoingRecord) -> Self {
        ProducerRecord {
            topic: record.topic,
            partition: record.partition,
            timestamp: record.timestamp,
            key: record.key,
            value: record.value,
            headers: record.headers,
        }
    }
}

fn write_error(topic: Arc<str>, error: &KafkaError) -> WriteError {
    WriteError {
        topic,
        reason: error.to_string(),
        is_transient: error.is_transient(),
        rejection: error.rejection(),
    }
}

#[async_trait]
impl RecordSender for KafkaProducer {
    async fn send(&self, records: Vec<OutgoingRecord>) -> Result<Acknowledgement, WriteError> {
        let Some(topic) = records.first().map(|record| record.topic.clone()) else {
            return Ok(Box::pin(std::future::ready(Ok(()))));
        };
        let records = records.into_iter().map(ProducerRecord::from).collect();
        match KafkaProducer::send(self, records).await {
            Ok(outcome) => Ok(Box::pin(async move {
                let written = outcome.await;
                written
                    .map(|_| ())
                    .map_err(|error| write_error(topic, &error))
            })),
            Err(error) => Err(write_error(topic, &error)),
        }
    }
}

#[async_trait]
impl RecordWriter for KafkaProducer {
    async fn write(&self, records: Vec<OutgoingRecord>) -> Result<(), WriteError> {
        RecordSender::send(self, records).await?.await
    }
}
