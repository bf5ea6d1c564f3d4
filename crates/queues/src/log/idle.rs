//! IdleConsumer: the source of a task that has nothing to read, since a log is read by one task.

use async_trait::async_trait;
use millstream_core::{Consumer, ConsumerError, Fetched, TopicPartition};
use std::future::pending;
use std::time::Duration;

pub struct IdleConsumer;

#[async_trait]
impl Consumer for IdleConsumer {
    async fn next(&mut self) -> Fetched {
        pending().await
    }

    async fn next_event(&mut self) -> Fetched {
        pending().await
    }

    async fn commit(
        &mut self,
        _offsets: &[(TopicPartition, i64, String)],
    ) -> Result<(), ConsumerError> {
        Ok(())
    }

    fn pause(&mut self, _partitions: &[TopicPartition]) {}

    fn resume(&mut self, _partitions: &[TopicPartition]) {}

    fn seek(&mut self, _partition: &TopicPartition, _offset: i64) {}

    async fn close(self: Box<Self>, _deadline: Duration) {}
}
