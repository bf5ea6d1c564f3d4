//! Partitioners: which folder a record belongs to, from the record and the settings alone.

pub(crate) mod zone;

use crate::config::S3Config;
use millstream_core::{RecordBatch, RecordError};
use std::sync::Arc;

/// How records are spread over folders.
#[derive(Clone, Debug)]
pub(crate) enum Partitioner {
    /// By their Kafka partition: all rows of a batch go to the same folder.
    Default,
}

impl Partitioner {
    /// The partitioner that the settings name. The error is the original's text.
    pub(crate) fn new(_config: &S3Config) -> Result<Self, String> {
        Ok(Partitioner::Default)
    }

    /// Whether all records of a Kafka partition go to one folder.
    pub(crate) fn is_constant(&self) -> bool {
        matches!(self, Partitioner::Default)
    }

    /// The folder of a row.
    pub(crate) fn encode(&self, batch: &RecordBatch, _row: usize) -> Result<Arc<str>, RecordError> {
        match self {
            Partitioner::Default => Ok(format!("partition={}", batch.origin.partition).into()),
        }
    }
}
