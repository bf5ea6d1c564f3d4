//! The seams to writing records to Kafka: for dead letters, and for what sources bring.

use async_trait::async_trait;
use bytes::Bytes;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// A record to be written.
#[derive(Clone, Debug)]
pub struct OutgoingRecord {
    pub topic: Arc<str>,
    /// `None`: the partitioner's choice.
    pub partition: Option<i32>,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<(Bytes, Option<Bytes>)>,
    /// Milliseconds since the epoch; the writer's clock if none.
    pub timestamp: Option<i64>,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot write to topic {topic}: {reason}")]
pub struct WriteError {
    pub topic: Arc<str>,
    pub reason: String,
    /// Whether the same records may be written later.
    pub is_transient: bool,
    /// What a record would have to give up to be taken.
    pub rejection: Option<RecordRejection>,
}

/// What about a record is not taken, although another like it would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordRejection {
    /// It is larger than the writer or the broker takes.
    TooLarge,
    /// It is further in the past or the future than the broker takes.
    InvalidTimestamp,
}

/// Writes records; returns once all are acknowledged, or with the first that cannot be written.
#[async_trait]
pub trait RecordWriter: Send + Sync {
    async fn write(&self, records: Vec<OutgoingRecord>) -> Result<(), WriteError>;
}

/// Ends when records are acknowledged, or with the first that cannot be written.
pub type Acknowledgement = Pin<Box<dyn Future<Output = Result<(), WriteError>> + Send>>;

/// Sends records, in the order of the calls within a partition, without waiting for their acknowledgement.
#[async_trait]
pub trait RecordSender: Send + Sync {
    /// Takes records over once there is room for them. An error: none of them was taken.
    async fn send(&self, records: Vec<OutgoingRecord>) -> Result<Acknowledgement, WriteError>;
}
