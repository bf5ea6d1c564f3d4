//! Rejected: rows that cannot go on, and why. It carries all that Connect's error log and dead letters tell.

use crate::batch::{RecordBatch, RowMask, TimestampType};
use crate::config::{Importance, Key, Kind, Properties};
use crate::offsets::TopicPartition;
use bytes::Bytes;

pub use crate::record_error::{
    CONNECT_EXCEPTION, DATA_EXCEPTION, RecordError, SCHEMA_BUILDER_EXCEPTION,
    SERIALIZATION_EXCEPTION,
};

/// The stages of Connect's error handler, by the names of its enum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    KeyConverter,
    ValueConverter,
    HeaderConverter,
    Transformation,
    TaskPut,
    KafkaProduce,
}

impl Stage {
    pub fn java_name(self) -> &'static str {
        match self {
            Stage::KeyConverter => "KEY_CONVERTER",
            Stage::ValueConverter => "VALUE_CONVERTER",
            Stage::HeaderConverter => "HEADER_CONVERTER",
            Stage::Transformation => "TRANSFORMATION",
            Stage::TaskPut => "TASK_PUT",
            Stage::KafkaProduce => "KAFKA_PRODUCE",
        }
    }
}

/// Whether logs and status say what Java says, record content included. Every connector has this setting.
pub const SHOW_CONTENT: &str = "millstream.errors.show.content";

/// Whether a connector has it.
pub fn shows_content(connector: &Properties) -> bool {
    connector
        .get(SHOW_CONTENT)
        .is_some_and(|text| text.trim().eq_ignore_ascii_case("true"))
}

/// Its definition, for the settings that a connector's original does not have.
pub fn show_content_key() -> Key {
    Key::new(SHOW_CONTENT, Kind::Boolean, "false")
        .importance(Importance::Low)
        .doc("Whether errors in status and log have the original's words where these repeat what a record holds. Without it they name place, field and type alone. Dead letters, which hold the record anyway, always have the original's words.")
}

/// A record that ends its task: where it is, and why.
#[derive(Clone, Debug, thiserror::Error)]
#[error("topic {}, partition {}, offset {offset}: {error}", origin.topic, origin.partition)]
pub struct FailedRecord {
    pub origin: TopicPartition,
    pub offset: i64,
    pub error: RecordError,
}

/// A record as it was fetched, with the failure that ended its way.
#[derive(Clone, Debug)]
pub struct RejectedRow {
    pub origin: TopicPartition,
    pub offset: i64,
    pub timestamp: i64,
    pub timestamp_type: TimestampType,
    pub stage: Stage,
    /// The Java class that was executing.
    pub class: String,
    pub error: RecordError,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<(Bytes, Option<Bytes>)>,
}

/// The rows that stages have taken out of a batch and that await the error policy.
#[derive(Debug, Default)]
pub struct Rejected {
    pub rows: Vec<RejectedRow>,
}

impl Rejected {
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Notes a row, with its bytes as fetched; the caller drops it from the batch, see `reject`.
    pub fn push(
        &mut self,
        batch: &RecordBatch,
        row: usize,
        stage: Stage,
        class: &str,
        error: RecordError,
    ) {
        self.rows.push(RejectedRow {
            origin: batch.origin.clone(),
            offset: batch.offsets[row],
            timestamp: batch.timestamps[row],
            timestamp_type: batch.timestamp_type,
            stage,
            class: class.to_owned(),
            error,
            key: batch.raw_key(row),
            value: batch.raw_value(row),
            headers: batch.raw_headers(row),
        });
    }

    /// Notes the failed rows of one stage (each at most once) and drops them from the batch.
    pub fn reject(
        &mut self,
        batch: &mut RecordBatch,
        stage: Stage,
        class: &str,
        failed: Vec<(usize, RecordError)>,
    ) {
        if failed.is_empty() {
            return;
        }
        let mut keep = RowMask::all(batch.len());
        for (row, error) in failed {
            self.push(batch, row, stage, class, error);
            keep.clear(row);
        }
        batch.retain(&keep);
    }
}
