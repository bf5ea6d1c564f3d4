//! DeadLetters: rejected rows as records of the dead-letter topic, with Connect's context headers.

use crate::failure::TaskFailure;
use crate::log_throttle::SharedLogThrottle;
use bytes::Bytes;
use futures::future::join_all;
use millstream_core::rejected::CONNECT_EXCEPTION;
use millstream_core::{
    OutgoingRecord, RecordError, RecordRejection, RecordWriter, RejectedRow, TaskId, WriteError,
};
use std::fmt::Write;
use std::sync::Arc;

const PREFIX: &str = "__connect.errors.";

/// The header of a letter that does not hold its record: the record's size in bytes.
const OMITTED: &str = "__millstream.errors.omitted.bytes";

/// The header of a letter that does not have its record's time: that time, in milliseconds since the epoch.
const TIMESTAMP: &str = "__millstream.errors.record.timestamp";

/// Where rejected rows go, and whether they carry the reason.
pub struct DeadLetters {
    task: TaskId,
    topic: Arc<str>,
    with_context: bool,
    writer: Arc<dyn RecordWriter>,
    /// Of letters that were too large.
    cut: SharedLogThrottle,
    /// Of letters whose time was not taken.
    untimed: SharedLogThrottle,
}

/// How much of a record a dead letter holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    Whole,
    /// All but the value, with its place in the context headers and the bytes that were left out.
    WithoutValue,
    /// Nothing of the record itself.
    PlaceAlone,
}

/// What a dead letter keeps of its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kept {
    extent: Extent,
    /// The record's time; else the letter has that of its writing, and the record's in a header.
    time: bool,
}

impl Kept {
    const ALL: Kept = Kept {
        extent: Extent::Whole,
        time: true,
    };

    /// What is left to try after a refusal; `None` where there is nothing left to give up.
    fn less(self, rejection: RecordRejection) -> Option<Kept> {
        match (rejection, self.extent) {
            (RecordRejection::TooLarge, Extent::Whole) => Some(Kept {
                extent: Extent::WithoutValue,
                ..self
            }),
            (RecordRejection::TooLarge, Extent::WithoutValue) => Some(Kept {
                extent: Extent::PlaceAlone,
                ..self
            }),
            (RecordRejection::TooLarge, Extent::PlaceAlone) => None,
            (RecordRejection::InvalidTimestamp, _) => self.time.then_some(Kept {
                time: false,
                ..self
            }),
        }
    }
}

impl DeadLetters {
    pub fn new(
        task: TaskId,
        topic: impl Into<Arc<str>>,
        with_context: bool,
        writer: Arc<dyn RecordWriter>,
    ) -> Self {
        DeadLetters {
            task,
            topic: topic.into(),
            with_context,
            writer,
            cut: SharedLogThrottle::default(),
            untimed: SharedLogThrottle::default(),
        }
    }

    /// Writes the rows and waits for their acknowledgement. Rows that cannot be written fail the task:
    /// counting them as settled would lose them. A letter that is too large is written without its value, one whose time is
    /// not taken with that of its writing.
    pub async fn write(&self, rows: &[RejectedRow]) -> Result<(), TaskFailure> {
        // One call each, so that each has an outcome of its own; they are made in order and share batches.
        let calls = rows.iter().map(|row| self.write_one(row, Kept::ALL));
        for (row, outcome) in rows.iter().zip(join_all(calls).await) {
            match outcome {
                Ok(()) => {}
                Err(error) if error.rejection.is_some() => self.write_what_is_taken(row).await?,
                Err(error) => return Err(self.cannot_write(row, &error)),
            }
        }
        Ok(())
    }

    async fn write_one(&self, row: &RejectedRow, kept: Kept) -> Result<(), WriteError> {
        self.writer.write(vec![self.record(row, kept)]).await
    }

    /// A letter that was refused, or shared a batch with one that was: by itself, then with less and less.
    async fn write_what_is_taken(&self, row: &RejectedRow) -> Result<(), TaskFailure> {
        let mut kept = Kept::ALL;
        loop {
            let Err(error) = self.write_one(row, kept).await else {
                self.note_loss(row, kept);
                return Ok(());
            };
            let less = error.rejection.and_then(|rejection| kept.less(rejection));
            kept = less.ok_or_else(|| self.cannot_write(row, &error))?;
        }
    }

    fn note_loss(&self, row: &RejectedRow, kept: Kept) {
        if kept.extent != Extent::Whole
            && let Some(letters) = self.cut.count(1)
        {
            tracing::error!(
                connector = &*self.task.connector,
                task = self.task.task,
                letters,
                topic = &*row.origin.topic,
                partition = row.origin.partition,
                offset = row.offset,
                bytes = size(row),
                "dead letters were too large and were written without their values; to have them whole, raise \
                 producer.override.max.request.size, and max.message.bytes of topic {}",
                self.topic
            );
        }
        if !kept.time
            && let Some(letters) = self.untimed.count(1)
        {
            tracing::warn!(
                connector = &*self.task.connector,
                task = self.task.task,
                letters,
                topic = &*row.origin.topic,
                partition = row.origin.partition,
                offset = row.offset,
                timestamp = row.timestamp,
                "dead letters had timestamps that their topic rejects and were written with the present time, their own \
                 in the header {TIMESTAMP}; to keep it, raise message.timestamp.after.max.ms or \
                 message.timestamp.before.max.ms of topic {}",
                self.topic
            );
        }
    }

    fn cannot_write(&self, row: &RejectedRow, error: &WriteError) -> TaskFailure {
        let mut reason = format!(
            "dead letter queue write failed for topic {}, partition {}, offset {}: {error}",
            row.origin.topic, row.origin.partition, row.offset
        );
        if error.rejection == Some(RecordRejection::TooLarge) {
            reason.push_str("; raise producer.override.max.request.size");
        }
        TaskFailure {
            trace: format!("{CONNECT_EXCEPTION}: {reason}"),
            reason,
            is_transient: error.is_transient,
        }
    }

    fn record(&self, row: &RejectedRow, kept: Kept) -> OutgoingRecord {
        let Kept { extent, time } = kept;
        let is_whole = extent == Extent::Whole;
        let mut headers = match extent {
            Extent::Whole | Extent::WithoutValue => row.headers.clone(),
            Extent::PlaceAlone => Vec::new(),
        };
        if self.with_context || kept != Kept::ALL {
            headers.extend(self.context(row));
        }
        let mut note = |name: &'static str, number: String| {
            let name = Bytes::from_static(name.as_bytes());
            headers.push((name, Some(Bytes::from(number))));
        };
        if !is_whole {
            note(OMITTED, size(row).to_string());
        }
        if !time {
            note(TIMESTAMP, row.timestamp.to_string());
        }
        OutgoingRecord {
            topic: Arc::clone(&self.topic),
            partition: None,
            key: row.key.clone().filter(|_| extent != Extent::PlaceAlone),
            value: row.value.clone().filter(|_| is_whole),
            headers,
            timestamp: (time && row.timestamp >= 0).then_some(row.timestamp),
        }
    }

    /// The headers of Connect's dead letters, in its order.
    fn context(&self, row: &RejectedRow) -> Vec<(Bytes, Option<Bytes>)> {
        let named = |name: &str, text: Option<String>| {
            let name = Bytes::from(format!("{PREFIX}{name}"));
            (name, text.map(Bytes::from))
        };
        let header = |name: &str, text: String| named(name, Some(text));
        // Java has null for an exception that was given no message.
        let message = row.error.java_message();
        let message = (!message.is_empty()).then(|| message.to_owned());
        vec![
            header("topic", row.origin.topic.to_string()),
            header("partition", row.origin.partition.to_string()),
            header("offset", row.offset.to_string()),
            header("connector.name", self.task.connector.to_string()),
            header("task.id", self.task.task.to_string()),
            header("stage", row.stage.java_name().to_owned()),
            header("class.name", row.class.clone()),
            header("exception.class.name", row.error.class.to_owned()),
            named("exception.message", message),
            header("exception.stacktrace", stack_trace(&row.error)),
        ]
    }
}

/// The error and its causes as a Java stack trace without frames.
fn stack_trace(error: &RecordError) -> String {
    let mut text = described(error);
    let mut cause = &error.cause;
    while let Some(error) = cause {
        // Writing to a String cannot fail.
        let _ = write!(text, "\nCaused by: {}", described(error));
        cause = &error.cause;
    }
    text.push('\n');
    text
}

/// As Java prints an exception: its class alone where it has no message.
fn described(error: &RecordError) -> String {
    match error.java_message() {
        "" => error.class.to_owned(),
        message => format!("{}: {message}", error.class),
    }
}

/// The bytes of a record's key, value and headers.
fn size(row: &RejectedRow) -> usize {
    let field = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
    let headers = row
        .headers
        .iter()
        .map(|(name, value)| name.len() + field(value));
    field(&row.key) + field(&row.value) + headers.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use millstream_core::{Stage, TimestampType, TopicPartition};
    use std::sync::Mutex;

    /// Takes batches up to a size and a time, and keeps what it took.
    struct Narrow {
        most: usize,
        latest: i64,
        taken: Mutex<Vec<OutgoingRecord>>,
    }

    #[async_trait]
    impl RecordWriter for Narrow {
        async fn write(&self, records: Vec<OutgoingRecord>) -> Result<(), WriteError> {
            let field = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
            let own = records.iter().map(|r| field(&r.key) + field(&r.value));
            let is_late = |r: &OutgoingRecord| r.timestamp.is_some_and(|time| time > self.latest);
            let rejection = if own.sum::<usize>() > self.most {
                Some(RecordRejection::TooLarge)
            } else if records.iter().any(is_late) {
                Some(RecordRejection::InvalidTimestamp)
            } else {
                None
            };
            if rejection.is_some() {
                return Err(WriteError {
                    topic: "dead".into(),
                    reason: "not like that".to_owned(),
                    is_transient: false,
                    rejection,
                });
            }
            self.taken.lock().expect("no writer panics").extend(records);
            Ok(())
        }
    }

    fn row(offset: i64, key: usize, value: usize) -> RejectedRow {
        RejectedRow {
            origin: TopicPartition::new("t", 2),
            offset,
            timestamp: 0,
            timestamp_type: TimestampType::CreateTime,
            stage: Stage::ValueConverter,
            class: "C".to_owned(),
            error: RecordError::data("it is bad"),
            key: Some(vec![b'k'; key].into()),
            value: Some(vec![b'v'; value].into()),
            headers: Vec::new(),
        }
    }

    #[tokio::test]
    async fn an_exception_without_a_message_has_null() {
        let writer = Arc::new(Narrow {
            most: 1000,
            latest: i64::MAX,
            taken: Mutex::default(),
        });
        let letters = DeadLetters::new(TaskId::new("c", 0), "dead", true, writer.clone());
        let skipped = RecordError::new("a.WriteSkippedException", "");
        let rows = [RejectedRow {
            error: RecordError::data("it is bad").caused_by(skipped.clone()),
            ..row(1, 1, 1)
        }];
        letters.write(&rows).await.expect("all fit");
        let mute = [RejectedRow {
            error: skipped,
            ..row(2, 1, 1)
        }];
        letters.write(&mute).await.expect("all fit");
        let taken = writer.taken.lock().expect("no writer panics");
        let header = |letter: &OutgoingRecord, name: &str| {
            let name = format!("{PREFIX}exception.{name}");
            let found = letter.headers.iter().find(|(each, _)| *each == name);
            found.expect("it is there").1.clone()
        };
        assert_eq!(header(&taken[0], "message"), Some("it is bad".into()));
        let caused: &[u8] = b"org.apache.kafka.connect.errors.DataException: it is bad\nCaused by: a.WriteSkippedException\n";
        assert_eq!(header(&taken[0], "stacktrace").as_deref(), Some(caused));
        assert_eq!(header(&taken[1], "message"), None);
        let alone: &[u8] = b"a.WriteSkippedException\n";
        assert_eq!(header(&taken[1], "stacktrace").as_deref(), Some(alone));
    }

    #[tokio::test]
    async fn report_a17_a_letter_that_is_too_large_goes_without_its_value_and_the_others_whole() {
        let writer = Arc::new(Narrow {
            most: 100,
            latest: i64::MAX,
            taken: Mutex::default(),
        });
        let letters = DeadLetters::new(TaskId::new("c", 0), "dead", false, writer.clone());
        let rows = [
            row(5, 1, 10),
            row(6, 1, 1000),
            row(7, 200, 1000),
            row(8, 1, 10),
        ];
        letters
            .write(&rows)
            .await
            .expect("all are written in some form");
        let taken = writer.taken.lock().expect("no writer panics");
        let mut seen: Vec<(usize, Option<usize>, usize)> = taken
            .iter()
            .map(|record| {
                let value = record.value.as_ref().map(Bytes::len);
                (
                    record.headers.len(),
                    value,
                    record.key.as_ref().map_or(0, Bytes::len),
                )
            })
            .collect();
        seen.sort_unstable();
        // The ten context headers and the size, even where the context is off.
        let expected = [
            (0, Some(10), 1),
            (0, Some(10), 1),
            (11, None, 0),
            (11, None, 1),
        ];
        assert_eq!(seen, expected);
        let cut = taken
            .iter()
            .find(|record| record.key.as_ref().is_none())
            .expect("one");
        let header = |name: &str| {
            let found = cut.headers.iter().find(|(known, _)| known == name);
            found
                .and_then(|(_, value)| value.clone())
                .unwrap_or_default()
        };
        assert_eq!(header("__connect.errors.offset"), "7");
        assert_eq!(header(OMITTED), "1200");
    }

    /// Java loses such letters, and with them those of the same batch.
    #[tokio::test]
    async fn report_a17_a_letter_with_a_time_that_is_not_taken_has_the_time_of_its_writing() {
        let writer = Arc::new(Narrow {
            most: 100,
            latest: 1_000,
            taken: Mutex::default(),
        });
        let letters = DeadLetters::new(TaskId::new("c", 0), "dead", false, writer.clone());
        let at = |offset: i64, size: usize, timestamp: i64| RejectedRow {
            timestamp,
            ..row(offset, 1, size)
        };
        let rows = [
            at(5, 10, 1_000),
            at(6, 10, 1_001),
            at(7, 1_000, 1_001),
            at(8, 10, -1),
        ];
        letters.write(&rows).await.expect("all are written");
        let taken = writer.taken.lock().expect("no writer panics");
        let header = |record: &OutgoingRecord, name: &str| {
            let found = record.headers.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.clone().unwrap_or_default())
        };
        let mut seen: Vec<_> = taken
            .iter()
            .map(|record| {
                (
                    record.timestamp,
                    record.value.as_ref().map(Bytes::len),
                    header(record, "__connect.errors.offset"),
                    header(record, TIMESTAMP),
                    header(record, OMITTED),
                )
            })
            .collect();
        seen.sort_unstable();
        let text = |text: &'static str| Some(Bytes::from_static(text.as_bytes()));
        let expected = [
            (None, None, text("7"), text("1001"), text("1001")),
            (None, Some(10), None, None, None),
            (None, Some(10), text("6"), text("1001"), None),
            (Some(1_000), Some(10), None, None, None),
        ];
        assert_eq!(seen, expected);
    }
}
