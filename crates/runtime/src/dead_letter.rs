//! DeadLetters: rejected rows as records of the dead-letter topic, with Connect's context headers.

use crate::failure::TaskFailure;
use bytes::Bytes;
use millstream_core::{OutgoingRecord, RecordError, RecordWriter, RejectedRow, TaskId};
use std::fmt::Write;
use std::sync::Arc;

const PREFIX: &str = "__connect.errors.";

/// Where rejected rows go, and whether they carry the reason.
pub struct DeadLetters {
    pub task: TaskId,
    pub topic: String,
    pub with_context: bool,
    pub writer: Arc<dyn RecordWriter>,
}

impl DeadLetters {
    /// Writes the rows and waits for their acknowledgement. Rows that cannot be written fail the task:
    /// counting them as settled would lose them.
    pub async fn write(&self, rows: &[RejectedRow]) -> Result<(), TaskFailure> {
        let records = rows.iter().map(|row| self.record(row)).collect();
        self.writer.write(records).await.map_err(|error| {
            let reason = format!("dead letters cannot be written: {error}");
            TaskFailure {
                trace: format!("org.apache.kafka.connect.errors.ConnectException: {reason}"),
                reason,
                is_transient: error.is_transient,
            }
        })
    }

    fn record(&self, row: &RejectedRow) -> OutgoingRecord {
        let mut headers = row.headers.clone();
        if self.with_context {
            headers.extend(self.context(row));
        }
        OutgoingRecord {
            topic: self.topic.clone(),
            key: row.key.clone(),
            value: row.value.clone(),
            headers,
            timestamp: (row.timestamp >= 0).then_some(row.timestamp),
        }
    }

    /// The headers of Connect's dead letters, in its order.
    fn context(&self, row: &RejectedRow) -> Vec<(Bytes, Option<Bytes>)> {
        let header = |name: &str, text: String| {
            (
                Bytes::from(format!("{PREFIX}{name}")),
                Some(Bytes::from(text)),
            )
        };
        vec![
            header("topic", row.origin.topic.to_string()),
            header("partition", row.origin.partition.to_string()),
            header("offset", row.offset.to_string()),
            header("connector.name", self.task.connector.to_string()),
            header("task.id", self.task.task.to_string()),
            header("stage", row.stage.java_name().to_owned()),
            header("class.name", row.class.clone()),
            header("exception.class.name", row.error.class.to_owned()),
            header("exception.message", row.error.message.clone()),
            header("exception.stacktrace", stack_trace(&row.error)),
        ]
    }
}

/// The error and its causes as a Java stack trace without frames.
fn stack_trace(error: &RecordError) -> String {
    let mut text = format!("{}: {}", error.class, error.message);
    let mut cause = &error.cause;
    while let Some(error) = cause {
        // Writing to a String cannot fail.
        let _ = write!(text, "\nCaused by: {}: {}", error.class, error.message);
        cause = &error.cause;
    }
    text.push('\n');
    text
}
