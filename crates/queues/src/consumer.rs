//! QueueConsumer: a queue as the source of a task's records. A worker owns the connection and all that is held; this handle
//! passes its batches on, and tells it what is done.

use crate::engine::controls::Controls;
use crate::engine::worker::{Item, Worker, WorkerParts};
use crate::engine::{HoldRules, IdRules};
use crate::health::news;
use crate::input::QueueConnector;
use async_trait::async_trait;
use millstream_core::limits::QUEUED_BATCHES;
use millstream_core::{
    ByteBudget, Confirms, Consumer, ConsumerError, Degraded, Extent, Fetched, QueueMeters,
    SettledOffsets, TopicPartition,
};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Instrument;

/// How much longer than its deadline a worker may take before it is given up.
const GRACE: Duration = Duration::from_secs(1);

/// What a consumer is made of.
pub struct ConsumerParts {
    pub connector: Arc<dyn QueueConnector>,
    /// The topic of the records; the partition is the task's number.
    pub origin: TopicPartition,
    pub rules: HoldRules,
    pub ids: IdRules,
    /// Told of what the queue has taken note of.
    pub settled: Arc<SettledOffsets>,
    /// Memory for records that have not been taken by the sink.
    pub budget: ByteBudget,
    pub meters: Arc<QueueMeters>,
    /// Epoch milliseconds.
    pub clock: fn() -> i64,
}

/// Reads one queue for one task. Offsets count this run's messages, from the start's time in microseconds on: they rise over
/// restarts, and no two runs share one as long as the machine's clock does not go back further than a run has lasted.
pub struct QueueConsumer {
    origin: TopicPartition,
    first: i64,
    items: mpsc::Receiver<Item>,
    trouble: watch::Receiver<Option<Degraded>>,
    controls: Arc<Controls>,
    is_assigned: bool,
    is_paused: bool,
    /// Batches of earlier epochs are not delivered; the worker takes them back.
    epoch: u64,
    /// The offset behind the last batch that was delivered.
    handed: i64,
    task: JoinHandle<()>,
    /// A consumer that is dropped ends its task, too.
    stop: DropGuard,
}

impl QueueConsumer {
    /// Starts the consumer; a queue that is out of reach is waited for. Needs a Tokio runtime.
    pub fn start(parts: ConsumerParts) -> Self {
        let first = (parts.clock)().saturating_mul(1_000);
        let (item_sender, items) = mpsc::channel(QUEUED_BATCHES);
        let (trouble_sender, trouble) = watch::channel(None);
        let controls = Arc::new(Controls::new(first));
        let worker = Worker::new(WorkerParts {
            connector: parts.connector,
            origin: parts.origin.clone(),
            rules: parts.rules,
            ids: parts.ids,
            settled: parts.settled,
            first,
            items: item_sender,
            budget: parts.budget,
            controls: Arc::clone(&controls),
            trouble: trouble_sender,
            meters: parts.meters,
            clock: parts.clock,
        });
        let token = CancellationToken::new();
        let running = worker.run(token.clone()).in_current_span();
        QueueConsumer {
            origin: parts.origin,
            first,
            items,
            trouble,
            controls,
            is_assigned: false,
            is_paused: false,
            epoch: 0,
            handed: first,
            task: tokio::spawn(running),
            stop: token.drop_guard(),
        }
    }

    /// What was made of the messages at these offsets is durable, or they were dropped: they may be taken off the queue.
    pub(crate) fn settle(&self, offsets: &[i64]) {
        let each = offsets.iter().map(|offset| *offset..*offset + 1);
        self.controls.done(each);
    }

    fn assigned(&mut self) -> Option<Fetched> {
        let is_first = !std::mem::replace(&mut self.is_assigned, true);
        is_first.then(|| Fetched::Assigned(vec![self.origin.clone()]))
    }

    fn take(&mut self, item: Option<Item>) -> Option<Fetched> {
        match item {
            Some(Item::Batch { epoch, batch }) => {
                if epoch != self.epoch || self.is_paused {
                    return None;
                }
                self.handed = self.handed.max(batch.next_offset);
                Some(Fetched::Batch(batch))
            }
            Some(Item::Flush(reason)) => Some(Fetched::Flush(reason)),
            Some(Item::Failed(error)) => Some(Fetched::Failed(error)),
            None => Some(Fetched::Failed(ConsumerError {
                is_transient: false,
                message: "the consumer of the queue has ended".to_owned(),
                source: None,
            })),
        }
    }
}

#[async_trait]
impl Consumer for QueueConsumer {
    async fn next(&mut self) -> Fetched {
        if let Some(assigned) = self.assigned() {
            return assigned;
        }
        loop {
            let item = tokio::select! {
                biased;
                news = news(&mut self.trouble) => return news,
                item = self.items.recv() => item,
            };
            if let Some(fetched) = self.take(item) {
                return fetched;
            }
        }
    }

    async fn next_event(&mut self) -> Fetched {
        match self.assigned() {
            Some(assigned) => assigned,
            None => news(&mut self.trouble).await,
        }
    }

    fn confirms(&self) -> Confirms {
        Confirms::Ranges
    }

    /// Never fails: what cannot be settled at once is settled later, and told of as an outage meanwhile.
    async fn confirm(
        &mut self,
        done: &[(TopicPartition, Range<i64>)],
    ) -> Result<(), ConsumerError> {
        self.controls
            .done(done.iter().map(|(_, range)| range.clone()));
        Ok(())
    }

    /// A queue keeps no offsets.
    async fn commit(
        &mut self,
        _offsets: &[(TopicPartition, i64, String)],
    ) -> Result<(), ConsumerError> {
        Ok(())
    }

    fn pause(&mut self, _partitions: &[TopicPartition]) {
        self.is_paused = true;
        self.epoch = self.controls.set_paused(true, self.handed);
    }

    fn resume(&mut self, _partitions: &[TopicPartition]) {
        self.is_paused = false;
        self.epoch = self.controls.set_paused(false, self.handed);
    }

    /// Gives messages back: they come again under later offsets.
    fn seek(&mut self, _partition: &TopicPartition, offset: i64) {
        self.epoch = self.controls.seek(offset);
    }

    fn extents(&self) -> Vec<(TopicPartition, Extent)> {
        let extent = Extent {
            begin: self.first,
            end: self.controls.end().max(self.handed),
        };
        vec![(self.origin.clone(), extent)]
    }

    async fn close(self: Box<Self>, deadline: Duration) {
        let QueueConsumer {
            controls,
            items,
            stop,
            mut task,
            ..
        } = *self;
        controls.end_by(Instant::now() + deadline);
        stop.disarm().cancel();
        drop(items);
        if timeout(deadline + GRACE, &mut task).await.is_err() {
            task.abort();
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
