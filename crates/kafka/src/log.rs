//! KafkaLog: a compacted topic as a log that is read whole and then followed. A reader without a group reads it, a producer
//! writes it; a write is over once it has been read back.

mod transactional_writer;
mod waits;

use crate::admin::{Admin, LATEST};
use crate::config::{Bootstrap, InvalidConfig, ReaderSettings};
use crate::error::KafkaError;
use crate::producer::{KafkaProducer, ProducerRecord, ProducerSettings};
use crate::reader::{KafkaReader, Read, ReadRange, ReadUpTo, StartAt, WhenLost};
use async_trait::async_trait;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use millstream_core::compacted_log::{
    CompactedLog, LogEntry, LogError, LogEvent, LogPlace, LogRecord,
};
use millstream_core::{
    ByteBudget, ConsumerError, Payload, Properties, RecordBatch, TopicPartition,
};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use transactional_writer::{Transacted, TransactionalWriter};
use waits::{Kind, Waits};

/// Settings of a log.
#[derive(Clone, Debug)]
pub struct LogSettings {
    reader: ReaderSettings,
    producer: ProducerSettings,
    transactional_id: Option<String>,
}

impl LogSettings {
    /// From the settings of a client; those that the log cannot do with are set here: it writes with `acks=all` and tells
    /// repeated attempts, and makes no topic by asking for it.
    pub fn from_properties(properties: &Properties) -> Result<Self, InvalidConfig> {
        let mut config = properties.clone();
        for (key, value) in [
            ("acks", "all"),
            ("enable.idempotence", "true"),
            ("linger.ms", "0"),
            ("allow.auto.create.topics", "false"),
        ] {
            config.insert(key, value);
        }
        Ok(LogSettings {
            reader: ReaderSettings::from_properties(&config)?,
            producer: ProducerSettings::from_properties(&config)?,
            transactional_id: None,
        })
    }

    /// As `ClientSettings::following`.
    #[must_use]
    pub fn following(mut self, bootstrap: Option<&Bootstrap>) -> Self {
        self.reader.client.follow(bootstrap);
        self.producer.client.follow(bootstrap);
        self
    }

    /// For a topic of one partition: what is written in transactions is written under this id.
    #[must_use]
    pub fn with_transactional_id(mut self, id: String) -> Self {
        self.transactional_id = Some(id);
        self
    }
}

/// What is done beside the reading.
enum Done {
    /// A write was taken over by the producer; its end.
    Sent {
        number: u64,
        outcome: Result<BoxFuture<'static, Done>, LogError>,
    },
    /// The producer has written, or given up.
    Written {
        number: u64,
        outcome: Result<Vec<LogPlace>, LogError>,
    },
    /// Where the partitions end.
    Ends {
        number: u64,
        kind: Kind,
        outcome: Result<Vec<LogPlace>, LogError>,
    },
    Transacted(Transacted),
}

/// A topic's partitions as they were when it was opened; ones that are added later are not read.
pub struct KafkaLog {
    topic: Arc<str>,
    partitions: Vec<TopicPartition>,
    reader: KafkaReader,
    producer: KafkaProducer,
    admin: Admin,
    reads_committed: bool,
    read_timeout: Duration,
    /// Rows that have not come out yet: a batch, and the next of its rows.
    rows: Option<(RecordBatch, usize)>,
    /// Writes in order; the producer takes one after the other.
    unsent: VecDeque<(u64, Vec<LogEntry>)>,
    unsent_bytes: usize,
    /// Of which there may be no more, as the producer has as much again.
    room: usize,
    is_sending: bool,
    transactions: Option<TransactionalWriter>,
    work: FuturesUnordered<BoxFuture<'static, Done>>,
    waits: Waits,
    events: VecDeque<LogEvent>,
    failure: Option<LogError>,
}

impl KafkaLog {
    /// Opens a topic that is there, within `default.api.timeout.ms`, and begins to read it. `budget` bounds what is fetched.
    pub async fn open(
        settings: LogSettings,
        topic: &str,
        budget: ByteBudget,
    ) -> Result<Self, KafkaError> {
        let admin = Admin::new(settings.reader.client.clone());
        let known = admin.describe_topics(&[topic.to_owned()]).await?;
        let count = known.get(topic).map_or(0, |info| info.partitions);
        if count == 0 {
            return Err(KafkaError::Failed {
                operation: format!("open topic {topic}"),
                why: "it does not exist".to_owned(),
            });
        }
        if settings.transactional_id.is_some() && count > 1 {
            return Err(KafkaError::Failed {
                operation: format!("open topic {topic}"),
                why: format!("it has {count} partitions, and transactions are written to one"),
            });
        }
        let topic: Arc<str> = Arc::from(topic);
        let partitions: Vec<TopicPartition> = (0..count)
            .map(|number| TopicPartition::new(topic.clone(), number))
            .collect();
        let ranges = partitions.iter().map(|partition| ReadRange {
            partition: partition.clone(),
            from: StartAt::Earliest,
            up_to: ReadUpTo::Follow,
        });
        Ok(KafkaLog {
            reads_committed: settings.reader.fetch.reads_committed(),
            read_timeout: settings.reader.client.api_timeout(),
            reader: KafkaReader::start(
                settings.reader,
                ranges.collect(),
                WhenLost::StartOver,
                budget,
            ),
            room: usize::try_from(settings.producer.config.buffer_memory).unwrap_or(usize::MAX),
            transactions: settings.transactional_id.map(|id| {
                let partition = TopicPartition::new(topic.clone(), 0);
                TransactionalWriter::new(settings.producer.clone(), &id, partition)
            }),
            producer: KafkaProducer::start(settings.producer),
            topic,
            partitions,
            admin,
            rows: None,
            unsent: VecDeque::new(),
            unsent_bytes: 0,
            is_sending: false,
            work: FuturesUnordered::new(),
            waits: Waits::default(),
            events: VecDeque::new(),
            failure: None,
        })
    }

    /// Writes what was taken over, and ends, within the deadline.
    pub async fn close(self, deadline: Duration) {
        let KafkaLog {
            reader, producer, ..
        } = self;
        tokio::join!(reader.close(deadline), producer.close(deadline));
    }

    /// Whether there is room for a write; if not, it has ended.
    fn takes(&mut self, number: u64, entries: &[LogEntry]) -> bool {
        if let Some(error) = self.failure.clone() {
            self.finish(number, Kind::Write, Err(error));
            return false;
        }
        let bytes = size(entries);
        if self.unsent_bytes > 0 && self.unsent_bytes + bytes > self.room {
            let error = LogError {
                message: format!(
                    "buffer full: the records that wait for topic {} exceed {} bytes (buffer.memory)",
                    self.topic, self.room
                ),
                is_transient: true,
            };
            self.finish(number, Kind::Write, Err(error));
            return false;
        }
        self.unsent_bytes += bytes;
        true
    }

    fn send_next(&mut self) {
        if self.is_sending {
            return;
        }
        let Some((number, entries)) = self.unsent.pop_front() else {
            return;
        };
        self.is_sending = true;
        self.unsent_bytes -= size(&entries);
        let producer = self.producer.clone();
        let topic = self.topic.clone();
        self.work.push(Box::pin(async move {
            let outcome = match producer.send(records(&topic, entries)).await {
                Ok(outcome) => Ok(outcome),
                Err(error) => Err(refusal(&error)),
            };
            let outcome = outcome.map(|outcome| -> BoxFuture<'static, Done> {
                Box::pin(async move {
                    let places = |written: Vec<crate::producer::Written>| {
                        let places = written.into_iter().map(|one| LogPlace {
                            partition: one.partition,
                            offset: one.offset,
                        });
                        places.collect()
                    };
                    let outcome = outcome.await.map(places);
                    Done::Written {
                        number,
                        outcome: outcome.map_err(|error| refusal(&error)),
                    }
                })
            });
            Done::Sent { number, outcome }
        }));
    }

    /// Begins what is written in transactions.
    fn transact_next(&mut self) {
        let begun = self
            .transactions
            .as_mut()
            .and_then(TransactionalWriter::begin);
        if let Some((bytes, begun)) = begun {
            self.unsent_bytes -= bytes;
            self.work
                .push(Box::pin(async move { Done::Transacted(begun.await) }));
        }
    }

    fn on_transacted(&mut self, transacted: Transacted) {
        let ended = self
            .transactions
            .as_mut()
            .and_then(|writer| writer.end(transacted));
        if let Some((number, outcome)) = ended {
            let places = |offsets: Vec<i64>| {
                let places = offsets.into_iter().map(|offset| LogPlace {
                    partition: 0,
                    offset,
                });
                places.collect()
            };
            self.on_done(Done::Written {
                number,
                outcome: outcome.map(places).map_err(|error| refusal(&error)),
            });
        }
    }

    fn ask_ends(&mut self, number: u64, kind: Kind) {
        let (admin, partitions) = (self.admin.clone(), self.partitions.clone());
        let reads_committed = self.reads_committed;
        self.work.push(Box::pin(async move {
            let listed = admin
                .list_offsets_as(&partitions, LATEST, reads_committed)
                .await;
            let outcome = match listed {
                Ok(ends) => Ok(places(&ends)),
                Err(error) => Err(refusal(&error)),
            };
            Done::Ends {
                number,
                kind,
                outcome,
            }
        }));
    }

    fn on_done(&mut self, done: Done) {
        match done {
            Done::Transacted(transacted) => self.on_transacted(transacted),
            Done::Sent { number, outcome } => {
                self.is_sending = false;
                match outcome {
                    Ok(written) => self.work.push(written),
                    Err(error) => self.finish(number, Kind::Write, Err(error)),
                }
            }
            Done::Written { number, outcome } => match outcome {
                // A repeated attempt whose place the broker did not tell: it lies before the end.
                Ok(places) if places.iter().any(|place| place.offset < 0) => {
                    self.ask_ends(number, Kind::Write);
                }
                Ok(places) => self.wait(number, Kind::Write, places, 1),
                Err(error) => self.finish(number, Kind::Write, Err(error)),
            },
            Done::Ends {
                number,
                kind,
                outcome,
            } => match outcome {
                Ok(ends) => self.wait(number, kind, ends, 0),
                Err(error) => self.finish(number, kind, Err(error)),
            },
        }
    }

    /// Waits until `past` more than these offsets have come out.
    fn wait(&mut self, number: u64, kind: Kind, places: Vec<LogPlace>, past: i64) {
        if let Some(error) = self.failure.clone() {
            return self.finish(number, kind, Err(error));
        }
        let deadline = Instant::now() + self.read_timeout;
        self.waits.add(number, kind, places, past, deadline);
    }

    fn finish(&mut self, number: u64, kind: Kind, outcome: Result<Vec<LogPlace>, LogError>) {
        self.events.push_back(match kind {
            Kind::Write => LogEvent::Written { number, outcome },
            Kind::End => LogEvent::End { number, outcome },
        });
    }

    fn on_read(&mut self, read: Read) {
        match read {
            Read::Begun(places) => {
                for (partition, offset) in places {
                    self.waits.has_read(partition.partition, offset);
                }
            }
            Read::Batch(batch) => self.rows = Some((batch, 0)),
            Read::StartedOver(partitions) => {
                for partition in partitions {
                    let partition = partition.partition;
                    for (number, kind) in self.waits.start_over(partition) {
                        match kind {
                            // It may have been written to the log that is gone.
                            Kind::Write => {
                                let error = lost(&self.topic, partition);
                                self.finish(number, kind, Err(error));
                            }
                            Kind::End => self.ask_ends(number, kind),
                        }
                    }
                    self.events.push_back(LogEvent::StartedOver { partition });
                }
            }
            Read::Degraded(degraded) => self.events.push_back(LogEvent::Degraded(degraded)),
            Read::Recovered => self.events.push_back(LogEvent::Recovered),
            Read::Failed(error) => self.fail(error),
            // All partitions are followed for ever.
            Read::Reached { .. } => {}
        }
    }

    fn fail(&mut self, error: ConsumerError) {
        let reason = LogError {
            message: error.message.clone(),
            is_transient: false,
        };
        for (number, kind) in self.waits.give_up_all() {
            self.finish(number, kind, Err(reason.clone()));
        }
        self.failure = Some(reason);
        self.events.push_back(LogEvent::Failed(error));
    }

    /// The next row that was fetched; the batch's end is taken note of once all have come out.
    fn next_row(&mut self) -> Option<LogEvent> {
        let (batch, row) = self.rows.as_mut()?;
        let partition = batch.origin.partition;
        if *row >= batch.len() {
            let position = batch.next_offset;
            self.rows = None;
            self.waits.has_read(partition, position);
            return None;
        }
        let at = LogPlace {
            partition,
            offset: batch.offsets[*row],
        };
        let event = match bytes(&batch.keys, *row) {
            Some(key) => LogEvent::Record(LogRecord {
                at,
                timestamp: batch.timestamps[*row],
                key,
                value: bytes(&batch.values, *row),
            }),
            None => LogEvent::Bad {
                at,
                reason: format!(
                    "the record of {}-{partition} at offset {} has no key",
                    self.topic, at.offset
                ),
            },
        };
        *row += 1;
        Some(event)
    }

    /// What waits no more, for better or worse.
    fn settle(&mut self) {
        for (number, kind, places) in self.waits.take_met() {
            self.finish(number, kind, Ok(places));
        }
        for (number, kind) in self.waits.take_expired(Instant::now()) {
            let message = format!(
                "reading topic {} to its end timed out after {} ms (default.api.timeout.ms)",
                self.topic,
                self.read_timeout.as_millis()
            );
            let error = LogError {
                message,
                is_transient: true,
            };
            self.finish(number, kind, Err(error));
        }
    }
}

#[async_trait]
impl CompactedLog for KafkaLog {
    fn write(&mut self, number: u64, entries: Vec<LogEntry>) {
        if self.takes(number, &entries) {
            self.unsent.push_back((number, entries));
        }
    }

    fn claim(&mut self) {
        if let Some(transactions) = &mut self.transactions {
            transactions.claim();
        }
    }

    fn write_in_transaction(&mut self, number: u64, entries: Vec<LogEntry>) {
        if self.transactions.is_none() {
            return self.write(number, entries);
        }
        let is_taken = self.takes(number, &entries);
        if let Some(transactions) = self.transactions.as_mut().filter(|_| is_taken) {
            let bytes = size(&entries);
            transactions.write(number, records(&self.topic, entries), bytes);
        }
    }

    fn read_to_end(&mut self, number: u64) {
        match self.failure.clone() {
            Some(error) => self.finish(number, Kind::End, Err(error)),
            None => self.ask_ends(number, Kind::End),
        }
    }

    async fn next(&mut self) -> LogEvent {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            if let Some(event) = self.next_row() {
                return event;
            }
            self.settle();
            if !self.events.is_empty() {
                continue;
            }
            self.send_next();
            self.transact_next();
            let expiry = self.waits.first_deadline();
            tokio::select! {
                read = self.reader.next(), if self.failure.is_none() => self.on_read(read),
                Some(done) = self.work.next(), if !self.work.is_empty() => self.on_done(done),
                () = sleep_until(expiry.unwrap_or_else(Instant::now)), if expiry.is_some() => {}
                // Nothing can happen any more until the next call.
                () = std::future::pending() => {}
            }
        }
    }
}

fn records(topic: &Arc<str>, entries: Vec<LogEntry>) -> Vec<ProducerRecord> {
    let records = entries.into_iter().map(|entry| ProducerRecord {
        topic: topic.clone(),
        key: Some(entry.key),
        value: entry.value,
        ..ProducerRecord::default()
    });
    records.collect()
}

/// Bytes of keys and values.
fn size(entries: &[LogEntry]) -> usize {
    let sizes = entries
        .iter()
        .map(|entry| entry.key.len() + entry.value.as_ref().map_or(0, bytes::Bytes::len));
    sizes.sum()
}

fn bytes(column: &Payload, row: usize) -> Option<bytes::Bytes> {
    match column {
        Payload::Raw { column, .. } => column.get_shared(row),
        // A reader decodes nothing.
        Payload::Encoded(_) | Payload::Decoded(_) => None,
    }
}

/// In the order of the partitions.
fn places(ends: &HashMap<TopicPartition, i64>) -> Vec<LogPlace> {
    let mut places: Vec<LogPlace> = ends
        .iter()
        .map(|(partition, end)| LogPlace {
            partition: partition.partition,
            offset: *end,
        })
        .collect();
    places.sort();
    places
}

fn refusal(error: &KafkaError) -> LogError {
    LogError {
        message: error.to_string(),
        is_transient: error.is_transient(),
    }
}

fn lost(topic: &str, partition: i32) -> LogError {
    LogError {
        message: format!(
            "{topic}-{partition} was recreated or truncated before the written records were read back"
        ),
        is_transient: true,
    }
}
