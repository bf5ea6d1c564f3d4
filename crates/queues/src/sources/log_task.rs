//! LogSourceTask: hands messages of a log on as records. How far Kafka has them is kept with the offsets of the connector, from
//! where the next task reads on.

use super::shape::Shape;
use super::task::{failed_or_degraded, nothing};
use crate::log::{KeptOffset, LogConsumer, OFFSET};
use async_trait::async_trait;
use millstream_core::{
    Consumer, Fetched, SourceBatch, SourceError, SourcePlace, SourceTask, TopicPartition,
};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

/// How long the end of a connection may take.
const CLOSING: Duration = Duration::from_secs(3);

pub(super) struct LogSourceTask {
    /// `None` once it is stopped, and in tasks that have nothing to read.
    consumer: Option<LogConsumer>,
    origin: TopicPartition,
    place: SourcePlace,
    shape: Shape,
}

impl LogSourceTask {
    pub(super) fn new(
        consumer: Option<LogConsumer>,
        queue: &str,
        origin: TopicPartition,
        shape: Shape,
    ) -> Self {
        let place = SourcePlace {
            partition: Arc::new(KeptOffset::partition(queue)),
            offset_name: OFFSET,
        };
        LogSourceTask {
            consumer,
            origin,
            place,
            shape,
        }
    }
}

#[async_trait]
impl SourceTask for LogSourceTask {
    async fn poll(&mut self, _clock: fn() -> i64) -> Result<SourceBatch, SourceError> {
        let Some(consumer) = &mut self.consumer else {
            return pending().await;
        };
        loop {
            match consumer.next().await {
                Fetched::Batch(batch) => {
                    let mut shaped = self.shape.records(batch);
                    // Where the source stands after a row is at the next one.
                    for offset in &mut shaped.records.offsets {
                        *offset += 1;
                    }
                    shaped.place = Some(self.place.clone());
                    return Ok(shaped);
                }
                Fetched::Recovered => return Ok(nothing(&self.origin)),
                other => {
                    if let Some(error) = failed_or_degraded(other) {
                        return Err(error);
                    }
                }
            }
        }
    }

    fn set_paused(&mut self, is_paused: bool) {
        match &mut self.consumer {
            Some(consumer) if is_paused => consumer.pause(&[]),
            Some(consumer) => consumer.resume(&[]),
            None => {}
        }
    }

    async fn stop(&mut self) {
        if let Some(consumer) = self.consumer.take() {
            Box::new(consumer).close(CLOSING).await;
        }
    }
}
