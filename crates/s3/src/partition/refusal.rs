//! What becomes of a row that cannot be written.

use super::context::WriterContext;
use crate::compatibility::PROJECTOR_EXCEPTION;
use crate::partitioner::PARTITION_EXCEPTION;
use millstream_avro::error::SCHEMA_PARSE_EXCEPTION;
use millstream_core::rejected::{CONNECT_EXCEPTION, DATA_EXCEPTION, SCHEMA_BUILDER_EXCEPTION};
use millstream_core::{RecordBatch, RecordError, SinkError, Stage};
use millstream_parquet::INVALID_SCHEMA_EXCEPTION;

/// The class that Java says was executing when a record is refused in `put`.
const SINK_TASK: &str = "org.apache.kafka.connect.sink.SinkTask";

/// The exceptions that make a dead letter of a record that has no folder. A field that the schema lacks is none of them:
/// the settings are wrong, not the record.
pub(super) const WITHOUT_PLACE: &[&str] = &[PARTITION_EXCEPTION];

/// Those of a record that cannot be written.
pub(super) const NOT_WRITABLE: &[&str] = &[
    DATA_EXCEPTION,
    PROJECTOR_EXCEPTION,
    SCHEMA_BUILDER_EXCEPTION,
    SCHEMA_PARSE_EXCEPTION,
    INVALID_SCHEMA_EXCEPTION,
];

/// Rejects a bad row where its exception allows that and somebody hears of it; otherwise the task fails.
pub(super) fn refuse(
    context: &mut WriterContext,
    batch: &RecordBatch,
    row: usize,
    error: RecordError,
    rejectable: &[&str],
) -> Result<(), SinkError> {
    let may_be_rejected = rejectable.contains(&error.class);
    if may_be_rejected && context.has_reporter {
        reject(context, batch, row, error);
        return Ok(());
    }
    let mut failure = SinkError::record(batch, row, error);
    if may_be_rejected
        && failure.class != PROJECTOR_EXCEPTION
        && failure.class != PARTITION_EXCEPTION
    {
        // The original wraps these; their text becomes the wrapper's.
        failure.message = format!("{}: {}", failure.class, failure.message);
    }
    failure.class = CONNECT_EXCEPTION;
    Err(failure)
}

pub(super) fn reject(
    context: &mut WriterContext,
    batch: &RecordBatch,
    row: usize,
    error: RecordError,
) {
    context
        .rejected
        .push(batch, row, Stage::TaskPut, SINK_TASK, error);
}

pub(super) fn cannot_restore(error: std::io::Error) -> SinkError {
    SinkError::fatal("cannot read open objects back from the temporary file").with_source(error)
}
