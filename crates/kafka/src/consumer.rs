//! KafkaConsumer: a group member that fetches from all brokers side by side. A task owns the state;
//! this handle receives what the task reports, in order, and steers it.

mod subscription;
mod worker;

pub use subscription::Subscription;

use crate::cluster::Cluster;
use crate::config::ConsumerConfig;
use crate::fetcher::{Controls, Item, Outbox, Verdict};
use crate::group::{Group, GroupConfig, Offsets, protocol};
use async_trait::async_trait;
use millstream_core::backoff::Backoff;
use millstream_core::limits::QUEUED_BATCHES;
use millstream_core::{ByteBudget, Consumer, ConsumerError, Fetched, RecordBatch, TopicPartition};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use worker::Worker;

pub struct KafkaConsumer {
    events: mpsc::Receiver<Fetched>,
    items: mpsc::Receiver<Item>,
    controls: Arc<Controls>,
    offsets: Offsets,
    config: ConsumerConfig,
    /// Batches of partitions that were paused when they came.
    held: VecDeque<(u64, RecordBatch)>,
    /// Batches to be delivered before others: held ones whose partitions go on, and one that an event was before.
    ready: VecDeque<(u64, RecordBatch)>,
    task: JoinHandle<()>,
    /// A consumer that is dropped ends its task, too.
    stop: DropGuard,
}

impl KafkaConsumer {
    /// Starts the consumer; brokers that are out of reach are waited for. Needs a Tokio runtime.
    pub fn start(
        config: ConsumerConfig,
        subscription: Subscription,
        budget: ByteBudget,
    ) -> Result<Self, ConsumerError> {
        let settings = &config.settings;
        let cluster = Cluster::for_consumer(config.client.clone(), budget.clone());
        let group = GroupConfig {
            group_id: settings.group_id.clone(),
            instance_id: settings.group_instance_id.clone(),
            protocol_type: protocol::PROTOCOL_TYPE,
            session_timeout: millis(settings.session_timeout_ms),
            rebalance_timeout: millis(settings.max_poll_interval_ms),
            heartbeat_interval: millis(settings.heartbeat_interval_ms),
        };
        let (group, group_events) = Group::start(cluster.clone(), group);
        let offsets = group.offsets();
        let controls = Arc::new(Controls::default());
        let (event_sender, events) = mpsc::channel(QUEUED_BATCHES);
        let (item_sender, items) = mpsc::channel(QUEUED_BATCHES);
        let token = CancellationToken::new();
        let worker = Worker::new(
            cluster,
            config.clone(),
            subscription,
            group,
            Arc::clone(&controls),
            Outbox::new(event_sender, item_sender, budget),
        );
        Ok(KafkaConsumer {
            events,
            items,
            controls,
            offsets,
            config,
            held: VecDeque::new(),
            ready: VecDeque::new(),
            task: crate::tasks::spawn(worker.run(group_events, token.clone())),
            stop: token.drop_guard(),
        })
    }

    /// Forgets held batches that an event has made stale.
    fn heed(&mut self, event: Fetched) -> Fetched {
        if matches!(event, Fetched::Revoked { .. } | Fetched::Lost(_)) {
            let controls = &self.controls;
            self.held
                .retain(|(epoch, batch)| controls.judge(&batch.origin, *epoch) != Verdict::Drop);
        }
        event
    }

    /// The batch, unless it is not wanted any more or has to wait.
    fn admit(&mut self, epoch: u64, batch: RecordBatch) -> Option<RecordBatch> {
        match self.controls.judge(&batch.origin, epoch) {
            Verdict::Deliver => Some(batch),
            Verdict::Hold => {
                self.held.push_back((epoch, batch));
                None
            }
            Verdict::Drop => None,
        }
    }
}

#[async_trait]
impl Consumer for KafkaConsumer {
    async fn next(&mut self) -> Fetched {
        let controls = Arc::clone(&self.controls);
        let _polling = controls.poll();
        loop {
            let item = match self.ready.pop_front() {
                Some((epoch, batch)) => Item::Batch {
                    epoch,
                    weight: 0,
                    batch,
                },
                None => tokio::select! {
                    biased;
                    Some(event) = self.events.recv() => return self.heed(event),
                    item = self.items.recv() => item.unwrap_or_else(|| Item::Failed(ended())),
                },
            };
            // What was told before the item was sent may have come only now.
            let event = self.events.try_recv().ok();
            match (item, event) {
                (Item::Batch { epoch, batch, .. }, Some(event)) => {
                    self.ready.push_front((epoch, batch));
                    return self.heed(event);
                }
                (Item::Batch { epoch, batch, .. }, None) => {
                    if let Some(batch) = self.admit(epoch, batch) {
                        return Fetched::Batch(batch);
                    }
                }
                (Item::Failed(error), _) => return Fetched::Failed(error),
            }
        }
    }

    async fn next_event(&mut self) -> Fetched {
        let controls = Arc::clone(&self.controls);
        let _polling = controls.poll();
        match self.events.recv().await {
            Some(event) => self.heed(event),
            // The end is told behind the batches that are still to be taken.
            None => std::future::pending().await,
        }
    }

    async fn commit(
        &mut self,
        offsets: &[(TopicPartition, i64, String)],
    ) -> Result<(), ConsumerError> {
        if offsets.is_empty() {
            return Ok(());
        }
        let client = &self.config.client;
        self.offsets
            .commit(
                offsets,
                client.api_timeout(),
                Backoff::new(client.retry_backoff()),
            )
            .await
            .map_err(ConsumerError::from)
    }

    fn pause(&mut self, partitions: &[TopicPartition]) {
        self.controls.set_paused(partitions, true);
    }

    fn resume(&mut self, partitions: &[TopicPartition]) {
        self.controls.set_paused(partitions, false);
        for (epoch, batch) in std::mem::take(&mut self.held) {
            if partitions.contains(&batch.origin) {
                self.ready.push_back((epoch, batch));
            } else {
                self.held.push_back((epoch, batch));
            }
        }
    }

    fn seek(&mut self, partition: &TopicPartition, offset: i64) {
        self.controls.seek(partition, offset);
    }

    fn ends(&self) -> Vec<(TopicPartition, i64)> {
        self.controls.ends()
    }

    async fn close(self: Box<Self>, deadline: Duration) {
        let KafkaConsumer {
            task,
            stop,
            events,
            items,
            ..
        } = *self;
        stop.disarm().cancel();
        // A full queue must not keep the task from ending.
        drop((events, items));
        let _ = tokio::time::timeout(deadline, task).await;
    }
}

fn ended() -> ConsumerError {
    ConsumerError {
        is_transient: false,
        message: "the consumer has ended".to_owned(),
        source: None,
    }
}

fn millis(value: i32) -> Duration {
    Duration::from_millis(value.max(0) as u64)
}
