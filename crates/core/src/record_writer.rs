//! The seam to writing records to Kafka: dead letters and internal topics use it.

use async_trait::async_trait;
use bytes::Bytes;

/// A record to be written; the partition is the partitioner's choice.
#[derive(Clone, Debug)]
pub struct OutgoingRecord {
    pub topic: String,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<(Bytes, Option<Bytes>)>,
    /// Milliseconds since the epoch; the writer's clock if none.
    pub timestamp: Option<i64>,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot write to topic {topic}: {reason}")]
pub struct WriteError {
    pub topic: String,
    pub reason: String,
    /// Whether the same records may be written later.
    pub is_transient: bool,
    /// What a record would have to give up to be taken.
    pub objection: Option<Objection>,
}

/// What about a record is not taken, although another like it would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objection {
    /// It is larger than the writer or the broker takes.
    Size,
    /// It is further in the past or the future than the broker takes.
    Timestamp,
}

/// Writes records; returns once all are acknowledged, or with the first that cannot be written.
#[async_trait]
pub trait RecordWriter: Send + Sync {
    async fn write(&self, records: Vec<OutgoingRecord>) -> Result<(), WriteError>;
}
