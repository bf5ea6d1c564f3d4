//! The task behind a producer. It owns the batches; requests run beside it. A partition has one batch under way at a
//! time, so that order needs no bookkeeping; while it is, the next one grows.

mod accumulator;
mod delivery;
mod sending;
mod topics;

use super::batch::ProducerId;
use super::config::ProducerSettings;
use super::request::{self, Answer};
use super::{Call, ProducerRecord, partitioner};
use crate::clock::now_ms;
use crate::cluster::{Cluster, Metadata, Topics};
use crate::error::KafkaError;
use accumulator::Accumulator;
use delivery::Deliveries;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use millstream_core::TopicPartition;
use millstream_core::backoff::Backoff;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// How often the task looks around when nothing happens.
const IDLE: Duration = Duration::from_secs(5);

/// A leader usually answers within milliseconds; after this long the others are asked who leads.
const LATE_ANSWER: Duration = Duration::from_secs(2);

pub(super) struct Worker {
    cluster: Cluster,
    settings: ProducerSettings,
    deliveries: Deliveries,
    accumulator: Accumulator,
    /// Records whose topic is not known yet, with their owners and the time at which they are given up.
    awaiting_metadata: Vec<(ProducerRecord, (u64, usize), Instant)>,
    topics: BTreeSet<Arc<str>>,
    producer: Option<ProducerId>,
    is_asking_for_id: bool,
    flights: Vec<Flight>,
    next_flight: u64,
    work: FuturesUnordered<BoxFuture<'static, Done>>,
    is_refreshing: bool,
    refresh_due: Instant,
    backoff: Backoff,
    flushes: Vec<oneshot::Sender<()>>,
    /// No more calls will come.
    is_closing: bool,
    wake: Instant,
}

/// A request under way.
struct Flight {
    id: u64,
    broker: i32,
    partitions: Vec<TopicPartition>,
    /// When it should have been answered.
    late_at: Instant,
    /// Ends the wait for an answer.
    give_up: CancellationToken,
}

enum Done {
    Metadata(Result<Arc<Metadata>, KafkaError>),
    Id(Result<ProducerId, KafkaError>),
    Produced {
        flight: u64,
        result: Result<HashMap<TopicPartition, Answer>, KafkaError>,
    },
}

impl Worker {
    pub(super) fn new(cluster: Cluster, settings: ProducerSettings) -> Self {
        let backoff = Backoff::new(settings.client.retry_backoff());
        let producer = (!settings.is_idempotent()).then_some(ProducerId::NONE);
        Worker {
            deliveries: Deliveries::default(),
            accumulator: Accumulator::new(
                settings.batch_size(),
                settings.max_request_size(),
                settings.linger(),
            ),
            awaiting_metadata: Vec::new(),
            topics: BTreeSet::new(),
            producer,
            is_asking_for_id: false,
            flights: Vec::new(),
            next_flight: 0,
            work: FuturesUnordered::new(),
            is_refreshing: false,
            refresh_due: Instant::now() + settings.client.metadata_max_age(),
            backoff,
            flushes: Vec::new(),
            is_closing: false,
            wake: Instant::now(),
            cluster,
            settings,
        }
    }

    pub(super) async fn run(mut self, mut calls: mpsc::Receiver<Call>) {
        loop {
            self.advance();
            if self.is_closing && self.deliveries.is_empty() {
                return;
            }
            tokio::select! {
                call = calls.recv(), if !self.is_closing => match call {
                    Some(call) => self.take(call),
                    None => self.is_closing = true,
                },
                Some(done) = self.work.next(), if !self.work.is_empty() => self.on_done(done),
                () = sleep_until(self.wake) => {}
            }
        }
    }

    fn take(&mut self, call: Call) {
        match call {
            Call::Flush(reply) => self.flushes.push(reply),
            Call::Send {
                records,
                permit,
                reply,
            } => {
                let now = Instant::now();
                let give_up = now + self.settings.max_block();
                let id = self.deliveries.begin(records.len(), permit, reply);
                let metadata = self.cluster.metadata();
                for (place, record) in records.into_iter().enumerate() {
                    if metadata.partition_count(&record.topic) > 0 {
                        self.append(record, (id, place), now, &metadata);
                    } else {
                        if self.topics.insert(record.topic.clone()) || !self.is_refreshing {
                            self.refresh_due = self.refresh_due.min(now);
                        }
                        self.awaiting_metadata.push((record, (id, place), give_up));
                    }
                }
            }
        }
    }

    /// Puts a record into its partition's batch.
    fn append(
        &mut self,
        record: ProducerRecord,
        owner: (u64, usize),
        now: Instant,
        metadata: &Metadata,
    ) {
        let count = metadata.partition_count(&record.topic) as i32;
        let partition = match (record.partition, &record.key) {
            (Some(partition), _) if !(0..count).contains(&partition) => {
                self.deliveries.fail(
                    [owner],
                    &Arc::new(KafkaError::Failed {
                        operation: format!("produce to {}-{partition}", record.topic),
                        why: format!("the topic has {count} partitions"),
                    }),
                );
                return;
            }
            (Some(partition), _) => partition,
            (None, Some(key)) => partitioner::partition_of(key, count),
            (None, None) => self.accumulator.any_partition(&record.topic, count),
        };
        let timestamp = record.timestamp.unwrap_or_else(now_ms);
        let partition = TopicPartition::new(record.topic.clone(), partition);
        self.accumulator
            .push(partition, &record, timestamp, owner, now);
    }

    /// Starts whatever can be started now, and notes when to look again.
    fn advance(&mut self) {
        let now = Instant::now();
        self.wake = now + IDLE;
        self.expire_awaiting_metadata(now);
        self.expire(now);
        self.check_late_brokers(now);
        self.start_refresh(now);
        if self.deliveries.is_empty() {
            for flush in self.flushes.drain(..) {
                // Whoever flushed may have stopped waiting.
                let _ = flush.send(());
            }
            return;
        }
        let Some(producer) = self.producer else {
            self.ask_for_id_after(Duration::ZERO);
            return;
        };
        self.start_requests(now, producer);
    }

    fn on_done(&mut self, done: Done) {
        let now = Instant::now();
        match done {
            Done::Metadata(result) => self.on_metadata(result, now),
            Done::Id(result) => {
                self.is_asking_for_id = false;
                match result {
                    Ok(id) => {
                        self.backoff.reset();
                        self.producer = Some(id);
                    }
                    Err(error) if error.is_transient() => {
                        let pause = self.backoff.next_pause();
                        tracing::debug!(%error, "init producer id failed, retrying");
                        self.ask_for_id_after(pause);
                    }
                    Err(error) => self.fail_all(error),
                }
            }
            Done::Produced { flight, result } => {
                let place = self.flights.iter().position(|f| f.id == flight);
                if let Some(flight) = place.map(|place| self.flights.swap_remove(place)) {
                    self.on_produced(&flight.partitions, result, now);
                }
            }
        }
    }

    /// Gives up what has waited longer than `delivery.timeout.ms`.
    fn expire(&mut self, now: Instant) {
        let limit = self.settings.delivery_timeout();
        let (expired, in_doubt) = self.accumulator.expire(now, limit, &mut self.wake);
        for (partition, owners) in expired {
            let error = KafkaError::Failed {
                operation: format!("produce {} record(s) to {partition}", owners.len()),
                why: format!(
                    "expired, {} ms have passed since batch creation (delivery.timeout.ms)",
                    limit.as_millis()
                ),
            };
            self.deliveries.fail(owners, &Arc::new(error));
        }
        // Whether a given-up attempt took a sequence number is unknown.
        for partition in in_doubt {
            self.reset_producer_id(&partition);
        }
    }

    fn ask_for_id_after(&mut self, pause: Duration) {
        if self.is_asking_for_id {
            return;
        }
        self.is_asking_for_id = true;
        let cluster = self.cluster.clone();
        self.work.push(Box::pin(async move {
            tokio::time::sleep(pause).await;
            Done::Id(request::init_producer_id(cluster).await)
        }));
    }

    /// The partition's next batch begins under a new identity.
    fn reset_producer_id(&mut self, partition: &TopicPartition) {
        let old = self.accumulator.reset_producer_id(partition);
        if self.settings.is_idempotent() && old == self.producer {
            self.producer = None;
        }
    }

    /// No retry helps: everything that waits is given up.
    fn fail_all(&mut self, error: KafkaError) {
        let error = Arc::new(error);
        for (_, owner, _) in std::mem::take(&mut self.awaiting_metadata) {
            self.deliveries.fail([owner], &error);
        }
        for owners in self.accumulator.give_up_all() {
            self.deliveries.fail(owners, &error);
        }
    }
}
