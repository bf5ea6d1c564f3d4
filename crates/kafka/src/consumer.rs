//! KafkaConsumer: a group member that fetches from all brokers side by side. A task owns the state;
//! this handle receives what the task reports, in order, and steers it.

mod subscription;
mod worker;

pub use subscription::Subscription;

use crate::cluster::Cluster;
use crate::config::ConsumerSettings;
use crate::fetcher::{Collected, Controls, FetchBuffer, FetchCollector};
use crate::group::{Group, GroupSettings, Offsets, protocol};
use async_trait::async_trait;
use millstream_core::backoff::Backoff;
use millstream_core::limits::QUEUED_BATCHES;
use millstream_core::{ByteBudget, Consumer, ConsumerError, Extent, Fetched, TopicPartition};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use worker::Worker;

pub struct KafkaConsumer {
    collector: FetchCollector,
    controls: Arc<Controls>,
    offsets: Offsets,
    settings: ConsumerSettings,
    task: JoinHandle<()>,
    /// A consumer that is dropped ends its task, too.
    stop: DropGuard,
}

impl KafkaConsumer {
    /// Starts the consumer; brokers that are out of reach are waited for. Needs a Tokio runtime.
    pub fn start(
        settings: ConsumerSettings,
        subscription: Subscription,
        budget: ByteBudget,
    ) -> Result<Self, ConsumerError> {
        let config = &settings.config;
        let cluster = Cluster::for_consumer(settings.client.clone(), budget.clone());
        let group = GroupSettings {
            group_id: config.group_id.clone(),
            instance_id: config.group_instance_id.clone(),
            protocol_type: protocol::PROTOCOL_TYPE,
            session_timeout: millis(config.session_timeout_ms),
            rebalance_timeout: millis(config.max_poll_interval_ms),
            heartbeat_interval: millis(config.heartbeat_interval_ms),
        };
        let (group, group_events) = Group::start(cluster.clone(), group);
        let offsets = group.offsets();
        let controls = Arc::new(Controls::default());
        let (event_sender, events) = mpsc::channel(QUEUED_BATCHES);
        let (item_sender, items) = mpsc::channel(QUEUED_BATCHES);
        let token = CancellationToken::new();
        let worker = Worker::new(
            cluster,
            settings.clone(),
            subscription,
            group,
            Arc::clone(&controls),
            FetchBuffer::new(event_sender, item_sender, budget),
        );
        Ok(KafkaConsumer {
            collector: FetchCollector::new(events, items, Arc::clone(&controls)),
            controls,
            offsets,
            settings,
            task: crate::tasks::spawn(worker.run(group_events, token.clone())),
            stop: token.drop_guard(),
        })
    }
}

#[async_trait]
impl Consumer for KafkaConsumer {
    async fn next(&mut self) -> Fetched {
        let controls = Arc::clone(&self.controls);
        let _polling = controls.poll();
        loop {
            match self.collector.next().await {
                Collected::Event(event) => return event,
                Collected::Batch(batch) => return Fetched::Batch(batch),
                Collected::Failed(error) => return Fetched::Failed(error),
                // No partition of a consumer's has an end.
                Collected::Reached(..) => {}
            }
        }
    }

    async fn next_event(&mut self) -> Fetched {
        let controls = Arc::clone(&self.controls);
        let _polling = controls.poll();
        self.collector.next_event().await
    }

    async fn commit(
        &mut self,
        offsets: &[(TopicPartition, i64, String)],
    ) -> Result<(), ConsumerError> {
        if offsets.is_empty() {
            return Ok(());
        }
        let client = &self.settings.client;
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
        self.collector.release(partitions);
    }

    fn seek(&mut self, partition: &TopicPartition, offset: i64) {
        self.controls.seek(partition, offset);
    }

    fn extents(&self) -> Vec<(TopicPartition, Extent)> {
        self.controls.extents()
    }

    async fn close(self: Box<Self>, deadline: Duration) {
        let KafkaConsumer {
            task,
            stop,
            collector,
            ..
        } = *self;
        stop.disarm().cancel();
        // A full queue must not keep the task from ending.
        drop(collector);
        let _ = tokio::time::timeout(deadline, task).await;
    }
}

fn millis(value: i32) -> Duration {
    Duration::from_millis(value.max(0) as u64)
}
