//! TaskFailure: why a task ended, with the text that Connect shows as its trace.

use millstream_core::rejected::CONNECT_EXCEPTION;
use millstream_core::{ConsumerError, RejectedRow, SinkError, SinkErrorKind};
use std::error::Error;
use std::fmt::Write;

/// The end of a task. `trace` is what the status of a failed task shows.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{trace}")]
pub struct TaskFailure {
    pub trace: String,
    /// The cause in one sentence, for a log line or a status.
    pub reason: String,
    /// Whether the cause may go away by itself, so that a restart is worth a try.
    pub is_transient: bool,
}

impl TaskFailure {
    /// A failure with one cause.
    pub fn new(class: &str, message: &str) -> Self {
        TaskFailure {
            trace: format!("{class}: {message}"),
            reason: message.to_owned(),
            is_transient: false,
        }
    }

    /// A record that nothing tolerates. Its place is told, its content is not.
    pub fn rejected(row: &RejectedRow) -> Self {
        let mut trace = format!(
            "{CONNECT_EXCEPTION}: Tolerance exceeded in error handler\n\tat record {{topic='{}', partition={}, offset={}}}, \
             stage {}, class {}",
            row.origin.topic,
            row.origin.partition,
            row.offset,
            row.stage.java_name(),
            row.class
        );
        let mut cause = Some(&row.error);
        while let Some(error) = cause {
            // Writing to a String cannot fail.
            let _ = write!(trace, "\nCaused by: {}: {}", error.class, error.message);
            cause = error.cause.as_deref();
        }
        TaskFailure {
            trace,
            reason: row.error.message.clone(),
            is_transient: false,
        }
    }

    /// A sink that gave up.
    pub fn sink(error: &SinkError) -> Self {
        let mut trace = format!(
            "{CONNECT_EXCEPTION}: Exiting WorkerSinkTask due to unrecoverable exception.\nCaused by: {}: {}",
            error.class, error.message
        );
        push_sources(&mut trace, error.source());
        TaskFailure {
            trace,
            reason: error.message.clone(),
            is_transient: matches!(
                error.kind,
                SinkErrorKind::Retriable { .. } | SinkErrorKind::GaveUp
            ),
        }
    }

    /// A consumer that cannot go on.
    pub fn consumer(error: &ConsumerError) -> Self {
        let mut trace = format!(
            "{CONNECT_EXCEPTION}: Exiting WorkerSinkTask due to unrecoverable exception.\n\
             Caused by: org.apache.kafka.common.KafkaException: {}",
            error.message
        );
        push_sources(&mut trace, error.source());
        TaskFailure {
            trace,
            reason: error.message.clone(),
            is_transient: error.is_transient,
        }
    }
}

fn push_sources(trace: &mut String, mut source: Option<&(dyn Error + 'static)>) {
    while let Some(error) = source {
        let _ = write!(trace, "\nCaused by: {error}");
        source = error.source();
    }
}
