//! The task over a log in memory: its records say where the log stands behind them.

use super::super::log_task::LogSourceTask;
use super::super::shape::{RabbitShape, Shape};
use crate::log::consumer::tests::memory_log::{MemoryLog, clock};
use millstream_core::source_map::Plain;
use millstream_core::{SourceTask, TopicPartition};
use std::time::Duration;

fn task(log: Option<&MemoryLog>) -> LogSourceTask {
    let origin = TopicPartition::new("t", -1);
    let consumer = log.map(|log| log.consumer(0, 1 << 20));
    let shape = Shape::Rabbit(RabbitShape::ibm());
    LogSourceTask::new(consumer, "events", origin, shape)
}

#[tokio::test(start_paused = true)]
async fn each_record_says_where_the_log_stands_behind_it() {
    let log = MemoryLog::of(12);
    log.state.lock().unwrap().breaks_after = Some(7);
    let mut task = task(Some(&log));
    let (mut stands, mut outages) = (Vec::new(), 0);
    while stands.len() < 12 {
        match task.poll(clock).await {
            Ok(batch) => {
                if let Some(place) = batch.place {
                    let queue = place.partition.get("queue");
                    assert!(matches!(queue, Some(Plain::Text(queue)) if queue == "events"));
                    assert_eq!(place.offset_name, "offset");
                }
                stands.extend(batch.records.offsets);
            }
            Err(error) => {
                assert_eq!(error.message, "the log is lost");
                outages += 1;
            }
        }
    }
    assert!(stands.into_iter().eq(1..=12) && outages > 0);
    task.stop().await;
}

#[tokio::test(start_paused = true)]
async fn further_tasks_have_nothing_to_do() {
    let mut task = task(None);
    let polled = tokio::time::timeout(Duration::from_secs(3600), task.poll(clock)).await;
    assert!(polled.is_err());
    task.set_paused(true);
    task.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_log_that_was_made_anew_is_read_from_its_beginning() {
    let log = MemoryLog::of(12);
    log.keep(12);
    log.becomes(0..3);
    let mut task = task(Some(&log));
    let (mut stands, mut outages) = (Vec::new(), Vec::new());
    while stands.len() < 3 {
        match task.poll(clock).await {
            Ok(batch) => stands.extend(batch.records.offsets),
            Err(error) => outages.push(error.message),
        }
    }
    assert_eq!(stands, [1, 2, 3]);
    assert_eq!(outages.len(), 1, "{outages:?}");
    assert!(outages[0].starts_with("stream events ends before offset 12"));
    task.stop().await;
}
