//! The demo's producer: a burst of messages at the start, then a hundred a second.

use super::services::TOPIC;
use bytes::Bytes;
use millstream_core::{OutgoingRecord, RecordWriter, WriteError};
use std::time::Duration;
use tokio::time::{Instant, interval};
use tokio_util::sync::CancellationToken;

/// Enough that the first second shows what the program does in one.
const BURST: usize = 5_000;

/// Messages of one write; each write goes to one partition, so several make all partitions busy.
const BURST_WRITE: usize = 50;

const PER_TICK: usize = 10;
const TICK: Duration = Duration::from_millis(100);

/// Produces until the token is cancelled or the time is over.
pub(crate) async fn produce(
    writer: &dyn RecordWriter,
    duration: Option<Duration>,
    now_ms: fn() -> i64,
    stop: CancellationToken,
) -> Result<(), WriteError> {
    // One that the clock cannot show never comes.
    let end = duration.and_then(|duration| Instant::now().checked_add(duration));
    for _ in 0..BURST / BURST_WRITE {
        writer.write(messages(BURST_WRITE, now_ms)).await?;
    }
    let mut ticks = interval(TICK);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            now = ticks.tick() => if end.is_some_and(|end| now >= end) { return Ok(()) },
        }
        writer.write(messages(PER_TICK, now_ms)).await?;
    }
}

fn messages(count: usize, now_ms: fn() -> i64) -> Vec<OutgoingRecord> {
    (0..count)
        .map(|_| {
            let now = now_ms();
            OutgoingRecord {
                topic: TOPIC.into(),
                partition: None,
                key: None,
                value: Some(Bytes::from(format!(
                    "Kafka message sent at {}.{:03}",
                    now / 1000,
                    now % 1000
                ))),
                headers: Vec::new(),
                timestamp: Some(now),
            }
        })
        .collect()
}
