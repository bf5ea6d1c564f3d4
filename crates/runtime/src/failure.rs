//! TaskFailure: why a task ended, with the text that Connect shows as its trace.

use millstream_core::chain::ChainError;
use millstream_core::rejected::CONNECT_EXCEPTION;
use millstream_core::{
    ConsumerError, FailedRecord, RecordBatch, RecordError, RecordRejection, RejectedRow, SinkError,
    SinkErrorKind, Stage, TopicPartition, WriteError,
};
use std::error::Error;
use std::fmt::Write;

/// The first line of a task that ended in its sink or its consumer.
const EXITING: &str = "org.apache.kafka.connect.errors.ConnectException: \
                       Exiting WorkerSinkTask due to unrecoverable exception.";

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
            trace: first_line(class, message),
            reason: message.to_owned(),
            is_transient: false,
        }
    }

    /// A chain of transforms that cannot be made, wrapped as Java's runtime does it.
    pub fn chain(error: &ChainError) -> Self {
        let own = format!("{}: {}", error.cause.class, error.cause.message);
        let wrapped = |times: usize| format!("{CONNECT_EXCEPTION}: ").repeat(times) + &own;
        let traces: Vec<String> = (0..=error.wrappers).rev().map(wrapped).collect();
        TaskFailure {
            trace: traces.join("\nCaused by: "),
            reason: error.cause.message.clone(),
            is_transient: false,
        }
    }

    /// A record that nothing tolerates. Its place is told; its content only on demand.
    pub fn rejected(row: &RejectedRow, shows_content: bool) -> Self {
        let failed = row.error.clone().shown(shows_content);
        let place = format!(
            "\n\tat record {}, stage {}, class {}",
            place(&row.origin, row.offset),
            row.stage.java_name(),
            row.class
        );
        let exceeded = format!("{CONNECT_EXCEPTION}: Tolerance exceeded in error handler");
        // What a sink reports, Connect's handler throws into the sink's own `put`.
        let mut trace = match row.stage {
            Stage::TaskPut => format!("{EXITING}{place}\nCaused by: {exceeded}"),
            _ => exceeded + &place,
        };
        push_causes(&mut trace, &failed);
        TaskFailure {
            trace,
            reason: format!("{}: {failed}", sentence_place(&row.origin, row.offset)),
            is_transient: false,
        }
    }

    /// A sink that gave up. The cause is told once: where a record is to blame, it follows its place.
    pub fn sink(error: &SinkError) -> Self {
        let source = error.source.as_deref();
        if let Some(failed) = source.and_then(|source| source.downcast_ref::<FailedRecord>()) {
            let mut trace = format!(
                "{EXITING}\n\tat record {}",
                place(&failed.origin, failed.offset)
            );
            push_causes(&mut trace, &failed.error);
            return TaskFailure {
                trace,
                reason: failed.to_string(),
                is_transient: is_transient(error),
            };
        }
        let started = TaskFailure::start(error);
        TaskFailure {
            trace: format!("{EXITING}\nCaused by: {}", started.trace),
            ..started
        }
    }

    /// A sink that does not start: nothing is wrapped around its error.
    pub fn start(error: &SinkError) -> Self {
        let mut trace = first_line(error.class, &error.message);
        push_sources(&mut trace, error.source());
        TaskFailure {
            trace,
            reason: with_cause(error),
            is_transient: is_transient(error),
        }
    }

    /// A record whose topic a transform has changed, before a sink that writes by the topic it was read from.
    pub fn renamed(batch: &RecordBatch, row: usize, transforms: &[&str]) -> Self {
        let (origin, topic) = (&batch.origin, batch.destination.topic(row));
        let message = format!(
            "No writer found for topic partition {topic}-{}. The record's topic-partition does not match any assigned \
             partitions: {} renamed topic {} to {topic}, and renaming a topic before this sink is not supported",
            origin.partition,
            transforms.join(", "),
            origin.topic
        );
        let error = RecordError::new(CONNECT_EXCEPTION, message);
        TaskFailure::sink(&SinkError::record(batch, row, error))
    }

    /// Records that Kafka does not take.
    pub fn send(error: &WriteError) -> Self {
        let mut trace =
            format!("{CONNECT_EXCEPTION}: Unrecoverable exception from producer send callback");
        push_causes(&mut trace, &unsent(error));
        TaskFailure {
            trace,
            reason: error.to_string(),
            is_transient: error.is_transient,
        }
    }

    /// A consumer that cannot go on.
    pub fn consumer(error: &ConsumerError) -> Self {
        let mut trace = format!(
            "{EXITING}\nCaused by: org.apache.kafka.common.KafkaException: {}",
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

/// Java ends after the class where an exception has no message.
fn first_line(class: &str, message: &str) -> String {
    match message {
        "" => class.to_owned(),
        message => format!("{class}: {message}"),
    }
}

/// What Java's producer throws for a record that was not written.
pub(crate) fn unsent(error: &WriteError) -> RecordError {
    let class = match error.rejection {
        Some(RecordRejection::TooLarge) => "org.apache.kafka.common.errors.RecordTooLargeException",
        Some(RecordRejection::InvalidTimestamp) => {
            "org.apache.kafka.common.errors.InvalidTimestampException"
        }
        None => "org.apache.kafka.common.KafkaException",
    };
    RecordError::new(class, error.to_string())
}

fn is_transient(error: &SinkError) -> bool {
    matches!(
        error.kind,
        SinkErrorKind::Retriable { .. } | SinkErrorKind::GaveUp
    )
}

/// A record's place as Java's error handler writes it.
fn place(origin: &TopicPartition, offset: i64) -> String {
    if origin.partition < 0 {
        // It has no place in Kafka yet.
        return format!("{{topic='{}', source offset={offset}}}", origin.topic);
    }
    format!(
        "{{topic='{}', partition={}, offset={offset}}}",
        origin.topic, origin.partition
    )
}

fn sentence_place(origin: &TopicPartition, offset: i64) -> String {
    let topic = &origin.topic;
    match origin.partition {
        ..0 => format!("topic {topic}, source offset {offset}"),
        partition => format!("topic {topic}, partition {partition}, offset {offset}"),
    }
}

fn push_causes(trace: &mut String, error: &RecordError) {
    let mut cause = Some(error);
    while let Some(error) = cause {
        trace.push_str("\nCaused by: ");
        trace.push_str(&first_line(error.class, &error.message));
        cause = error.cause.as_deref();
    }
}

/// The message with the first cause behind it, where that says more: `Failed to start …` alone helps nobody.
fn with_cause(error: &SinkError) -> String {
    match error.source().map(ToString::to_string) {
        Some(cause) if !error.message.contains(&cause) => {
            // Java's text may end where its cause is to follow.
            format!("{}: {cause}", error.message.trim_end_matches([':', ' ']))
        }
        _ => error.message.clone(),
    }
}

/// The causes behind what has been said; one that only repeats it is left out.
fn push_sources(trace: &mut String, mut source: Option<&(dyn Error + 'static)>) {
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<RecordError>() {
            let text = format!("{}: {}", error.class, error.message);
            if trace.ends_with(&text) {
                if let Some(cause) = &error.cause {
                    push_causes(trace, cause);
                }
            } else {
                push_causes(trace, error);
            }
            return;
        }
        let text = error.to_string();
        if !text.is_empty() && !trace.contains(&text) {
            let _ = write!(trace, "\nCaused by: {text}");
        }
        source = error.source();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_core::PluginError;
    use millstream_core::rejected::DATA_EXCEPTION;

    fn failed(class: &'static str, message: &str, error: RecordError) -> TaskFailure {
        let error = FailedRecord {
            origin: TopicPartition::new("t", 1),
            offset: 7,
            error,
        };
        TaskFailure::sink(&SinkError {
            class,
            message: message.to_owned(),
            ..SinkError::fatal("").with_source(error)
        })
    }

    #[test]
    fn report_f10_a_chain_is_wrapped_as_java_does_it() {
        let failure = TaskFailure::chain(&ChainError {
            cause: PluginError::config("no"),
            wrappers: 2,
        });
        let config = "org.apache.kafka.common.config.ConfigException: no";
        let connect = "org.apache.kafka.connect.errors.ConnectException: ";
        assert_eq!(
            failure.trace,
            format!(
                "{connect}{connect}{config}\nCaused by: {connect}{config}\nCaused by: {config}"
            )
        );
    }

    #[test]
    fn report_a15_a_record_s_failure_tells_its_cause_once_with_class_and_place() {
        let error = RecordError::data("it is bad").caused_by(RecordError::data("the reason"));
        let failure = failed(
            CONNECT_EXCEPTION,
            &format!("{DATA_EXCEPTION}: it is bad"),
            error,
        );
        assert_eq!(
            failure.trace,
            format!(
                "{EXITING}\n\tat record {{topic='t', partition=1, offset=7}}\n\
                 Caused by: {DATA_EXCEPTION}: it is bad\nCaused by: {DATA_EXCEPTION}: the reason"
            )
        );
        assert_eq!(
            failure.reason,
            "topic t, partition 1, offset 7: it is bad: the reason"
        );
    }

    #[test]
    fn a_sink_that_does_not_start_is_told_without_a_wrapper() {
        let cause = RecordError::new("java.lang.NoSuchMethodException", "C.<init>()");
        let error = SinkError::fatal("Reflection exception: ").with_source(cause);
        let failure = TaskFailure::start(&error);
        assert_eq!(
            failure.trace,
            format!(
                "{CONNECT_EXCEPTION}: Reflection exception: \n\
                 Caused by: java.lang.NoSuchMethodException: C.<init>()"
            )
        );
        assert_eq!(failure.reason, "Reflection exception: C.<init>()");
    }

    #[test]
    fn report_a15_a_cause_is_not_told_twice() {
        let cause = RecordError::data("the reason");
        let said = format!("{DATA_EXCEPTION}: the reason");
        let failure = TaskFailure::sink(&SinkError::fatal(said.as_str()).with_source(cause));
        assert_eq!(failure.trace.matches("the reason").count(), 1, "{failure}");
        let io = std::io::Error::other("disk full");
        let failure = TaskFailure::sink(&SinkError::fatal("disk full").with_source(io));
        assert_eq!(failure.trace.matches("disk full").count(), 1, "{failure}");
    }
}
