//! QueueSourceTask: hands messages on as records, and settles those whose records Kafka has acknowledged, or that were dropped
//! on their way. It settles nothing else; what is neither when the task ends goes back to the queue.

use super::shape::Shape;
use crate::consumer::QueueConsumer;
use crate::record;
use async_trait::async_trait;
use millstream_core::{
    Consumer, Degraded, Fetched, SinkErrorKind, SourceBatch, SourceError, SourceTask,
    TopicPartition,
};
use std::future::pending;
use std::time::Duration;

/// How long settling, giving back and closing may take at the end.
const CLOSING: Duration = Duration::from_secs(3);

/// How soon an outage that is over is noticed.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

pub(super) struct QueueSourceTask {
    /// `None` once it is stopped.
    consumer: Option<QueueConsumer>,
    origin: TopicPartition,
    shape: Shape,
}

impl QueueSourceTask {
    pub(super) fn new(consumer: QueueConsumer, origin: TopicPartition, shape: Shape) -> Self {
        QueueSourceTask {
            consumer: Some(consumer),
            origin,
            shape,
        }
    }
}

/// No records, which says that all is well.
pub(super) fn nothing(origin: &TopicPartition) -> SourceBatch {
    SourceBatch {
        records: record::gap(origin, 0, 0),
        key_schema: None,
        value_schema: None,
        place: None,
    }
}

fn outage(degraded: Degraded) -> SourceError {
    SourceError {
        kind: SinkErrorKind::Retriable {
            after: degraded.next_try.min(LOOK_AGAIN),
            since: Some(degraded.since),
        },
        ..SourceError::fatal(degraded.reason)
    }
}

/// What a consumer tells that a task fails or waits for.
pub(super) fn failed_or_degraded(fetched: Fetched) -> Option<SourceError> {
    match fetched {
        Fetched::Degraded(degraded) => Some(outage(degraded)),
        Fetched::Failed(error) => {
            let failed = SourceError::fatal(error.message);
            Some(match error.source {
                Some(source) => failed.with_source(source),
                None => failed,
            })
        }
        Fetched::Batch(_)
        | Fetched::Recovered
        | Fetched::Flush(_)
        | Fetched::Assigned(_)
        | Fetched::Positioned(_)
        | Fetched::Revoked { .. }
        | Fetched::Lost(_) => None,
    }
}

#[async_trait]
impl SourceTask for QueueSourceTask {
    async fn poll(&mut self, _clock: fn() -> i64) -> Result<SourceBatch, SourceError> {
        let Some(consumer) = &mut self.consumer else {
            return pending().await;
        };
        loop {
            match consumer.next().await {
                Fetched::Batch(batch) => return Ok(self.shape.records(batch)),
                Fetched::Recovered => return Ok(nothing(&self.origin)),
                // Each record goes to Kafka at once, so that nothing is open that could be closed.
                other => {
                    if let Some(error) = failed_or_degraded(other) {
                        return Err(error);
                    }
                }
            }
        }
    }

    fn acknowledged(&mut self, rows: &[i64], _now: i64) {
        if let Some(consumer) = &self.consumer {
            consumer.settle(rows);
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
