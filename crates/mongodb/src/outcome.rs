//! What the outcome of a bulk write means for its records, by the original's table: who is reported with
//! which exception, or how the task fails.

use crate::bulk::BulkOutcome;
use crate::namespace::Namespace;
use crate::settings::Tolerance;
use crate::store::FailureKind;
use millstream_core::rejected::DATA_EXCEPTION;
use millstream_core::{FailedRecord, RecordError, SinkError, SinkErrorKind, TopicPartition};
use std::collections::HashSet;

/// What is known of a bulk write besides its outcome.
pub(crate) struct Verdict<'a> {
    pub(crate) namespace: &'a Namespace,
    pub(crate) statements: usize,
    pub(crate) ordered: bool,
    pub(crate) tolerance: Tolerance,
    pub(crate) host: &'a str,
    /// Whether texts are Java's, which repeat what records hold.
    pub(crate) shows_content: bool,
    /// Where a statement's record was read, if that is still known.
    pub(crate) place: &'a dyn Fn(usize) -> Option<(TopicPartition, i64)>,
}

/// Whether the task ends with this outcome, so that nothing later is to be written.
pub(crate) fn ends_task(outcome: &BulkOutcome, tolerance: Tolerance) -> bool {
    let failed = outcome.failure.is_some();
    if is_setup(outcome) {
        return true;
    }
    match tolerance {
        Tolerance::None => failed || !outcome.errors.is_empty() || outcome.concern.is_some(),
        Tolerance::Data => failed,
        Tolerance::All => false,
    }
}

/// Whether the collection is not what the settings ask for, which is no record's fault.
fn is_setup(outcome: &BulkOutcome) -> bool {
    outcome
        .failure
        .as_ref()
        .is_some_and(|failure| failure.kind == FailureKind::Setup)
}

impl Verdict<'_> {
    /// The statements to report, or the end of the task.
    pub(crate) fn judge(
        &self,
        outcome: &BulkOutcome,
    ) -> Result<Vec<(usize, RecordError)>, SinkError> {
        if ends_task(outcome, self.tolerance) {
            return Err(self.end(outcome));
        }
        if let Some(failure) = &outcome.failure {
            let unsettled: HashSet<usize> = outcome.unsettled.iter().copied().collect();
            let told = |index| {
                if unsettled.is_empty() || unsettled.contains(&index) {
                    Some(failure.error.clone())
                } else {
                    self.report(outcome, index)
                }
            };
            let reported = (0..self.statements).filter_map(|at| told(at).map(|error| (at, error)));
            return Ok(reported.collect());
        }
        if outcome.errors.is_empty() && outcome.concern.is_none() {
            return Ok(Vec::new());
        }
        let reported = (0..self.statements)
            .filter_map(|index| self.report(outcome, index).map(|error| (index, error)));
        Ok(reported.collect())
    }

    /// Write errors first, then the write concern for what was tried, then what an ordered write never tried.
    fn report(&self, outcome: &BulkOutcome, index: usize) -> Option<RecordError> {
        if let Some(error) = outcome.errors.iter().find(|error| error.index == index) {
            return Some(error.record_error(self.namespace));
        }
        let stopped_at = outcome.errors.first().map(|error| error.index);
        if self.ordered && stopped_at.is_some_and(|at| index > at) {
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

    fn end(&self, outcome: &BulkOutcome) -> SinkError {
        if let Some(failure) = outcome.failure.as_ref().filter(|_| is_setup(outcome)) {
            return SinkError {
                kind: SinkErrorKind::Fatal,
                class: failure.error.class,
                message: failure.reason.clone(),
                source: None,
            };
        }
        let (message, cause) = if self.shows_content {
            let cause = java_cause(outcome, self.host);
            let message = match (&outcome.failure, self.tolerance) {
                (Some(_), Tolerance::Data) => "non Data Error, fail the connector.".to_owned(),
                _ => format!("{}: {}", cause.class, cause.message),
            };
            (message, Some(cause))
        } else {
            (self.sentence(outcome), None)
        };
        let failure = outcome.failure.as_ref();
        let may_pass = failure.is_some_and(|failure| failure.kind == FailureKind::Transient);
        let error = SinkError {
            kind: if may_pass && self.tolerance == Tolerance::None {
                SinkErrorKind::GaveUp
            } else {
                SinkErrorKind::Fatal
            },
            class: DATA_EXCEPTION,
            message,
            source: None,
        };
        let first = outcome.errors.first().map_or(0, |error| error.index);
        let mut whole = RecordError::data(error.message.as_str());
        if let Some(cause) = cause {
            whole = whole.caused_by(cause);
        }
        match (self.place)(first) {
            Some((origin, offset)) => error.with_source(FailedRecord {
                origin,
                offset,
                error: whole,
            }),
            None => error,
        }
    }

    /// The reason without what records hold. Where the first record was follows it.
    fn sentence(&self, outcome: &BulkOutcome) -> String {
        let (host, namespace) = (self.host, self.namespace);
        if let Some(failure) = &outcome.failure {
            let records = match self.statements {
                1 => "a record".to_owned(),
                many => format!("{many} records"),
            };
            return format!(
                "write of {records} to {namespace} failed: {}",
                failure.reason
            );
        }
        match (outcome.errors.first(), &outcome.concern) {
            (Some(error), _) => {
                let summary = error.summary(namespace);
                let more = match outcome.errors.len() {
                    1 => String::new(),
                    many => format!(", and {} more", many - 1),
                };
                format!("the document store {host} rejected a record{more}: {summary}")
            }
            (None, Some(concern)) => format!(
                "write to {namespace} on the document store {host}: {}",
                concern.summary()
            ),
            (None, None) => format!("a write to {namespace} failed"),
        }
    }
}

/// What the original's driver throws.
fn java_cause(outcome: &BulkOutcome, host: &str) -> RecordError {
    match &outcome.failure {
        Some(failure) => failure.error.clone().shown(true),
        None => RecordError::new(
            "com.mongodb.MongoBulkWriteException",
            describe(outcome, host),
        ),
    }
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
