//! SinkRecord: one row on its way to a write, with its key and value as documents, made when first asked for.

use crate::document::{self, Half};
use bson::Document;
use millstream_core::batch::NO_TIMESTAMP;
use millstream_core::{RecordBatch, RecordError, TimestampType};

pub(crate) struct SinkRecord<'a> {
    batch: &'a RecordBatch,
    row: usize,
    key: Option<Result<Option<Document>, RecordError>>,
    value: Option<Result<Option<Document>, RecordError>>,
}

impl<'a> SinkRecord<'a> {
    pub(crate) fn new(batch: &'a RecordBatch, row: usize) -> Self {
        SinkRecord {
            batch,
            row,
            key: None,
            value: None,
        }
    }

    pub(crate) fn topic(&self) -> &'a str {
        self.batch.destination.topic(self.row)
    }

    pub(crate) fn partition(&self) -> i32 {
        self.batch.origin.partition
    }

    pub(crate) fn offset(&self) -> i64 {
        self.batch.offsets[self.row]
    }

    pub(crate) fn message_id(&self) -> Option<String> {
        message_id(self.batch, self.row).map(|parts| parts.concat())
    }

    /// The timestamp with the name of its type, unless the record has none.
    pub(crate) fn timestamp(&self) -> Option<(&'static str, i64)> {
        let millis = self.batch.timestamps[self.row];
        let name = match self.batch.timestamp_type {
            TimestampType::CreateTime => "CREATE_TIME",
            TimestampType::LogAppendTime => "LOG_APPEND_TIME",
            TimestampType::NoTimestampType => "NO_TIMESTAMP_TYPE",
        };
        (millis != NO_TIMESTAMP).then_some((name, millis))
    }

    pub(crate) fn has_key(&self) -> bool {
        !self.batch.keys.is_null(self.row)
    }

    pub(crate) fn key(&mut self) -> Result<Option<&mut Document>, RecordError> {
        let (batch, row) = (self.batch, self.row);
        ready(&mut self.key, || document::of_row(batch, row, Half::Key))
    }

    pub(crate) fn value(&mut self) -> Result<Option<&mut Document>, RecordError> {
        let (batch, row) = (self.batch, self.row);
        ready(&mut self.value, || {
            document::of_row(batch, row, Half::Value)
        })
    }

    /// The value, given away at the end of the way.
    pub(crate) fn take_value(&mut self) -> Result<Option<Document>, RecordError> {
        self.value()?;
        self.value.take().unwrap_or(Ok(None))
    }

    /// Java's text of the whole record, for the one message that has it.
    pub(crate) fn describe(&self) -> String {
        format!(
            "SinkRecord{{kafkaOffset={}, timestampType={}}} ConnectRecord{{topic='{}', kafkaPartition={}}}",
            self.offset(),
            self.batch.timestamp_type.name(),
            self.topic(),
            self.partition()
        )
    }
}

/// `<queue>#<id>` of the message that a row was made of, if it has an id.
pub(crate) fn message_id(batch: &RecordBatch, row: usize) -> Option<[&str; 3]> {
    let messages = batch.fetched.messages.as_ref()?;
    let id = messages.of(batch.offsets[row])?.id.as_ref()?;
    Some([&messages.queue, "#", id])
}

fn ready(
    slot: &mut Option<Result<Option<Document>, RecordError>>,
    make: impl FnOnce() -> Result<Option<Document>, RecordError>,
) -> Result<Option<&mut Document>, RecordError> {
    match slot.get_or_insert_with(make) {
        Ok(document) => Ok(document.as_mut()),
        Err(error) => Err(error.clone()),
    }
}
