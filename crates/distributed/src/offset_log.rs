//! TopicOffsets: the offsets of sources in their topic, which all workers of a cluster share. One task owns the log; the
//! handles ask it.

use crate::offset_table::Offsets;
use crate::outage::Outage;
use async_trait::async_trait;
use bytes::Bytes;
use millstream_core::compacted_log::{CompactedLog, LogEntry, LogError, LogEvent, LogRecord};
use millstream_core::{OffsetError, OffsetStore, SourceMap};
use std::collections::HashMap;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

/// Questions that wait for the task; each has a caller that waits for its answer.
const QUEUED: usize = 64;

/// Handle to the topic. Its task ends with it.
#[derive(Debug)]
pub struct TopicOffsets {
    questions: mpsc::Sender<Question>,
    _task: AbortOnDropHandle<()>,
}

#[derive(Debug)]
enum Question {
    Read(String, oneshot::Sender<Answer>),
    Write(String, Changes, oneshot::Sender<Result<(), OffsetError>>),
}

type Answer = Result<Vec<(SourceMap, SourceMap)>, OffsetError>;

type Changes = Vec<(SourceMap, Option<SourceMap>)>;

impl TopicOffsets {
    /// Over a topic that was opened. Where it cannot be read any more, `failed` is told why.
    pub fn new(log: Box<dyn CompactedLog>, failed: mpsc::Sender<String>) -> Self {
        let (questions, asked) = mpsc::channel(QUEUED);
        let owner = Owner {
            log,
            offsets: Offsets::default(),
            partitions: HashMap::new(),
            reads: HashMap::new(),
            writes: HashMap::new(),
            last: 0,
            outage: Outage::new("the offset topic", failed),
        };
        TopicOffsets {
            questions,
            _task: AbortOnDropHandle::new(tokio::spawn(owner.run(asked))),
        }
    }
}

fn gone() -> OffsetError {
    OffsetError {
        message: "the offset topic is not read any more".to_owned(),
    }
}

#[async_trait]
impl OffsetStore for TopicOffsets {
    async fn read(&self, connector: &str) -> Answer {
        let (reply, answer) = oneshot::channel();
        let question = Question::Read(connector.to_owned(), reply);
        self.questions.send(question).await.map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    async fn write(
        &self,
        connector: &str,
        offsets: &[(SourceMap, Option<SourceMap>)],
    ) -> Result<(), OffsetError> {
        let (reply, answer) = oneshot::channel();
        let question = Question::Write(connector.to_owned(), offsets.to_vec(), reply);
        self.questions.send(question).await.map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}

struct Owner {
    log: Box<dyn CompactedLog>,
    offsets: Offsets,
    /// Where each key was read, as keys and not as connectors write them.
    partitions: HashMap<Bytes, i32>,
    reads: HashMap<u64, (String, oneshot::Sender<Answer>)>,
    writes: HashMap<u64, oneshot::Sender<Result<(), OffsetError>>>,
    last: u64,
    outage: Outage,
}

impl Owner {
    async fn run(mut self, mut questions: mpsc::Receiver<Question>) {
        loop {
            let open = self.reads.len() + self.writes.len();
            tokio::select! {
                event = self.log.next() => self.on_log(event),
                asked = questions.recv(), if open < QUEUED => match asked {
                    Some(question) => self.begin(question),
                    None => return,
                },
            }
        }
    }

    fn begin(&mut self, question: Question) {
        self.last += 1;
        match question {
            Question::Read(connector, reply) => {
                self.reads.insert(self.last, (connector, reply));
                self.log.read_to_end(self.last);
            }
            Question::Write(connector, changes, reply) => {
                let changes = changes.iter();
                let entries = changes.map(|(partition, offset)| {
                    self.offsets.write(&connector, partition, offset.as_ref())
                });
                match entries.collect::<Result<Vec<LogEntry>, _>>() {
                    Ok(entries) => {
                        self.writes.insert(self.last, reply);
                        self.log.write(self.last, entries);
                    }
                    Err(error) => {
                        // Whoever has stopped waiting does not need the answer.
                        let _ = reply.send(Err(OffsetError {
                            message: error.to_string(),
                        }));
                    }
                }
            }
        }
    }

    fn on_log(&mut self, event: LogEvent) {
        match event {
            LogEvent::Record(record) => self.on_record(&record),
            LogEvent::Bad { reason, .. } => tracing::warn!(reason, "invalid record skipped"),
            LogEvent::Written { number, outcome } => {
                if let Some(reply) = self.writes.remove(&number) {
                    let _ = reply.send(outcome.map(|_| ()).map_err(offset_error));
                }
            }
            LogEvent::End { number, outcome } => {
                if let Some((connector, reply)) = self.reads.remove(&number) {
                    let answer = outcome.map(|_| self.offsets.of(&connector));
                    let _ = reply.send(answer.map_err(offset_error));
                }
            }
            LogEvent::StartedOver { partition } => self.forget(partition),
            LogEvent::Degraded(degraded) => self.outage.on_degraded(&degraded),
            LogEvent::Recovered => self.outage.on_recovered(),
            LogEvent::Failed(error) => self.outage.on_failed(&error),
        }
    }

    fn on_record(&mut self, record: &LogRecord) {
        if let Err(reason) = self.offsets.read(&record.key, record.value.as_deref()) {
            let key = String::from_utf8_lossy(&record.key);
            let (partition, offset) = (record.at.partition, record.at.offset);
            tracing::warn!(%key, partition, offset, %reason, "invalid record in the offset topic skipped");
            return;
        }
        match record.value {
            Some(_) => {
                // The record's bytes are part of a larger buffer.
                let key = Bytes::copy_from_slice(&record.key);
                self.partitions.insert(key, record.at.partition);
            }
            None => {
                self.partitions.remove(&record.key);
            }
        }
    }

    /// What a partition of the topic has said counts for nothing.
    fn forget(&mut self, partition: i32) {
        let of_partition = self.partitions.extract_if(|_, at| *at == partition);
        for (key, _) in of_partition {
            // It was read before.
            let _ = self.offsets.read(&key, None);
        }
    }
}

fn offset_error(error: LogError) -> OffsetError {
    OffsetError {
        message: error.message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_log::{Answers, FakeLog, source_map as map};

    fn store(log: &FakeLog) -> TopicOffsets {
        let (failed, _) = mpsc::channel(1);
        TopicOffsets::new(Box::new(log.clone()), failed)
    }

    #[tokio::test]
    async fn reads_what_others_have_written_before_the_call() {
        let log = FakeLog::default();
        let store = store(&log);
        log.append(r#"["f",{"filename":"/in"}]"#, Some(r#"{"position":8}"#));
        log.append("odd", Some("{}"));
        let expected = [(map("filename", "/in"), map("position", 8))];
        assert_eq!(store.read("f").await, Ok(expected.to_vec()));
        assert_eq!(store.read("g").await, Ok(Vec::new()));
        log.append(r#"["f",{"filename":"/in"}]"#, None);
        assert_eq!(store.read("f").await, Ok(Vec::new()));
    }

    #[tokio::test]
    async fn writes_and_says_what_was_not_written() {
        let log = FakeLog::default();
        let store = store(&log);
        let changes = [(map("filename", "/in"), Some(map("position", 14)))];
        store.write("f", &changes).await.expect("it is written");
        let expected = [(map("filename", "/in"), map("position", 14))];
        assert_eq!(store.read("f").await, Ok(expected.to_vec()));
        let calls = log.take_calls();
        assert!(
            calls
                .iter()
                .any(|call| call.contains(r#"["f",{"filename":"/in"}]"#)),
            "{calls:?}"
        );
        log.inner().answers = Answers::Refuses;
        store.write("f", &changes).await.expect_err("it is refused");
    }

    #[tokio::test]
    async fn a_topic_that_was_made_again_says_nothing_of_before() {
        let log = FakeLog::default();
        let store = store(&log);
        log.append(r#"["f",{"filename":"/in"}]"#, Some(r#"{"position":8}"#));
        store.read("f").await.expect("it is read");
        log.start_over();
        assert_eq!(store.read("f").await, Ok(Vec::new()));
    }
}
