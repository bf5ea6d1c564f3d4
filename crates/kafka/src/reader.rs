//! KafkaReader: reads given partitions from one offset to another, or follows them, as a member of no group: what audits,
//! restores and logs of the cluster's own stand on. A task owns the state (the same fetcher as a consumer's); this handle
//! receives what it has read, in order within each partition.

mod worker;

use crate::cluster::Cluster;
use crate::config::ReaderSettings;
use crate::fetcher::{Collected, Controls, FetchBuffer, FetchCollector};
use millstream_core::limits::QUEUED_BATCHES;
use millstream_core::{ByteBudget, ConsumerError, Degraded, Fetched, RecordBatch, TopicPartition};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use worker::Worker;

/// Where reading begins in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// The first record that the log still has.
    Earliest,
    /// The next record to come.
    Latest,
    /// The first record at this offset or after it.
    Offset(i64),
}

/// How far a partition is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadUpTo {
    /// All records below this offset; it is waited for records that the log does not have yet.
    Offset(i64),
    /// All records that are there when the reader is started (with `isolation.level=read_committed`: up to the first
    /// transaction that is open then).
    EndAsOfNow,
    /// For ever.
    Follow,
}

/// What to read of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadRange {
    pub partition: TopicPartition,
    pub from: StartAt,
    pub up_to: ReadUpTo,
}

/// What to do when a log turns out not to be the one that was read: its topic was deleted and made again, an unclean
/// change of leader cut it short, or retention removed what was to be read next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenLost {
    /// End with an error that names the partition.
    Fail,
    /// Tell of it (`Read::StartedOver`) and read the partition from its first record.
    StartOver,
}

/// What a reader reports.
// Nearly every item is a batch, so boxing it would only cost.
#[allow(clippy::large_enum_variant)]
#[derive(Debug)]
pub enum Read {
    /// Where reading begins in partitions that are not read from an offset: (partition, offset).
    Begun(Vec<(TopicPartition, i64)>),
    /// Rows of one partition, in the order of their offsets, none of them outside of its range. A batch may have no rows:
    /// then what lies below its `next_offset` was compacted away, aborted, or no record.
    Batch(RecordBatch),
    /// Everything in the partition's range has been delivered. The offset is the range's end or beyond it.
    Reached {
        partition: TopicPartition,
        offset: i64,
    },
    /// What was read of these partitions counts for nothing; they are read anew from their first records.
    StartedOver(Vec<TopicPartition>),
    /// Something is out of reach and being retried.
    Degraded(Degraded),
    /// The outage of an earlier `Degraded` is over.
    Recovered,
    /// The end: the reader cannot go on. Partition and offset stand in the message where they matter.
    Failed(ConsumerError),
}

/// A running reader. Dropping it ends it, too.
pub struct KafkaReader {
    collector: FetchCollector,
    when_lost: WhenLost,
    task: JoinHandle<()>,
    stop: DropGuard,
}

impl KafkaReader {
    /// Starts to read; brokers and topics that are out of reach are waited for. No more is fetched than the budget has
    /// bytes for. Needs a Tokio runtime.
    pub fn start(
        settings: ReaderSettings,
        ranges: Vec<ReadRange>,
        when_lost: WhenLost,
        budget: ByteBudget,
    ) -> Self {
        let cluster = Cluster::for_consumer(settings.client.clone(), budget.clone());
        let controls = Arc::new(Controls::default());
        let (event_sender, events) = mpsc::channel(QUEUED_BATCHES);
        let (item_sender, items) = mpsc::channel(QUEUED_BATCHES);
        let buffer = FetchBuffer::new(event_sender, item_sender, budget);
        let worker = Worker::new(
            cluster,
            settings,
            ranges,
            when_lost,
            Arc::clone(&controls),
            buffer,
        );
        let token = CancellationToken::new();
        KafkaReader {
            collector: FetchCollector::new(events, items, controls),
            when_lost,
            task: crate::tasks::spawn(worker.run(token.clone())),
            stop: token.drop_guard(),
        }
    }

    /// The next item. Cancel safe: dropping the future loses nothing.
    pub async fn next(&mut self) -> Read {
        loop {
            match self.collector.next().await {
                Collected::Batch(batch) => return Read::Batch(batch),
                Collected::Reached(partition, offset) => {
                    return Read::Reached { partition, offset };
                }
                Collected::Failed(error) => return Read::Failed(error),
                Collected::Event(event) => {
                    if let Some(read) = self.on_event(event) {
                        return read;
                    }
                }
            }
        }
    }

    fn on_event(&self, event: Fetched) -> Option<Read> {
        match event {
            Fetched::Positioned(places) => Some(Read::Begun(places)),
            Fetched::Lost(partitions) => Some(match self.when_lost {
                WhenLost::StartOver => Read::StartedOver(partitions),
                WhenLost::Fail => Read::Failed(recreated(&partitions)),
            }),
            Fetched::Degraded(degraded) => Some(Read::Degraded(degraded)),
            Fetched::Recovered => Some(Read::Recovered),
            Fetched::Failed(error) => Some(Read::Failed(error)),
            Fetched::Batch(batch) => Some(Read::Batch(batch)),
            // Nobody shares the partitions out, so they are this reader's from beginning to end; Kafka lends nothing.
            Fetched::Assigned(_) | Fetched::Revoked { .. } | Fetched::Flush(_) => None,
        }
    }

    /// Ends the reader and closes its connections, within the deadline.
    pub async fn close(self, deadline: Duration) {
        let KafkaReader {
            collector,
            task,
            stop,
            ..
        } = self;
        stop.disarm().cancel();
        // A full queue must not keep the task from ending.
        drop(collector);
        let _ = tokio::time::timeout(deadline, task).await;
    }
}

fn recreated(partitions: &[TopicPartition]) -> ConsumerError {
    let names: Vec<String> = partitions.iter().map(ToString::to_string).collect();
    ConsumerError {
        is_transient: false,
        message: format!(
            "the topic of {} was deleted and recreated while it was read",
            names.join(", ")
        ),
        source: None,
    }
}
