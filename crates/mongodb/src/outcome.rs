//! What the outcome of a bulk write means for its records, by the original's table: who is reported with
//! which exception, or how the task fails.

use crate::bulk::BulkOutcome;
use crate::settings::Tolerance;
use crate::store::FailureKind;
use millstream_core::rejected::DATA_EXCEPTION;
use millstream_core::{RecordError, SinkError, SinkErrorKind};

/// The statements to report, or the end of the task.
pub(crate) fn judge(
    outcome: &BulkOutcome,
    statements: usize,
    ordered: bool,
    tolerance: Tolerance,
    host: &str,
) -> Result<Vec<(usize, RecordError)>, SinkError> {
    if let Some(failure) = &outcome.failure {
        let text = format!("{}: {}", failure.error.class, failure.error.message);
        return match tolerance {
            Tolerance::None => {
                let mut error = data_error(&text, failure.error.clone());
                if failure.kind == FailureKind::Transient {
                    error.kind = SinkErrorKind::GaveUp;
                }
                Err(error)
            }
            Tolerance::Data => Err(data_error(
                "non Data Error, fail the connector.",
                failure.error.clone(),
            )),
            Tolerance::All => Ok((0..statements)
                .map(|index| (index, failure.error.clone()))
                .collect()),
        };
    }
    if outcome.errors.is_empty() && outcome.concern.is_none() {
        return Ok(Vec::new());
    }
    if tolerance == Tolerance::None {
        let message = describe(outcome, host);
        let cause = RecordError::new("com.mongodb.MongoBulkWriteException", message.clone());
        return Err(data_error(&format!("{}: {message}", cause.class), cause));
    }
    let reported = (0..statements)
        .filter_map(|index| report(outcome, ordered, index).map(|error| (index, error)));
    Ok(reported.collect())
}

/// Write errors first, then the write concern for what was tried, then what an ordered write never tried.
fn report(outcome: &BulkOutcome, ordered: bool, index: usize) -> Option<RecordError> {
    if let Some(error) = outcome.errors.iter().find(|error| error.index == index) {
        return Some(error.record_error());
    }
    let stopped_at = outcome.errors.first().map(|error| error.index);
    if ordered && stopped_at.is_some_and(|at| index > at) {
        return Some(RecordError::new(
            "com.mongodb.kafka.connect.sink.dlq.WriteSkippedException",
            "",
        ));
    }
    outcome
        .concern
        .as_ref()
        .map(|concern| concern.record_error())
}

fn describe(outcome: &BulkOutcome, host: &str) -> String {
    let mut text = format!("Bulk write operation error on MongoDB server {host}. ");
    if !outcome.errors.is_empty() {
        let items: Vec<String> = outcome
            .errors
            .iter()
            .map(|error| error.describe())
            .collect();
        text.push_str(&format!("Write errors: [{}]. ", items.join(", ")));
    }
    if let Some(concern) = &outcome.concern {
        text.push_str(&format!("Write concern error: {}. ", concern.describe()));
    }
    text
}

/// A `DataException` that fails the task.
pub(crate) fn data_error(message: &str, cause: RecordError) -> SinkError {
    SinkError {
        kind: SinkErrorKind::Fatal,
        class: DATA_EXCEPTION,
        message: message.to_owned(),
        source: Some(Box::new(cause)),
    }
}
