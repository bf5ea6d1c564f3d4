//! Our consumer alone: a group of one member drains a topic and drops every batch.

use crate::{Failure, Topic};
use millstream_core::{ByteBudget, Consumer, Fetched, Properties};
use millstream_kafka::{ConsumerSettings, KafkaConsumer, Subscription};
use std::path::Path;
use std::time::Duration;

/// Room for fetched batches; what one busy task gets of the worker's budget.
const BUDGET: usize = 64 << 20;

pub(crate) fn run(topic: &Topic, properties: Option<&Path>) -> Result<(), Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(drain(topic, properties))
}

async fn drain(topic: &Topic, properties: Option<&Path>) -> Result<(), Failure> {
    let mut config = Properties::new();
    config.insert("bootstrap.servers", &topic.bootstrap);
    // Nothing is ever committed, so every run of the group begins at the start.
    config.insert("group.id", format!("bench-{}", std::process::id()));
    config.insert("auto.offset.reset", "earliest");
    if let Some(path) = properties {
        let text = std::fs::read_to_string(path)?;
        let lines = text.lines().filter_map(|line| line.split_once('='));
        for (key, value) in lines {
            config.insert(key, value);
        }
    }
    let settings = ConsumerSettings::from_properties(&config)?;
    let subscription = Subscription::Topics(vec![topic.topic.clone()]);
    let mut consumer = KafkaConsumer::start(settings, subscription, ByteBudget::new(BUDGET))?;
    let mut records = 0;
    while records < topic.records {
        match consumer.next().await {
            Fetched::Batch(batch) => records += batch.len() as u64,
            Fetched::Failed(error) => return Err(error.into()),
            // A group's first member may have to wait for its coordinator.
            Fetched::Degraded(_)
            | Fetched::Recovered
            | Fetched::Flush(_)
            | Fetched::Assigned(_)
            | Fetched::Positioned(_)
            | Fetched::Revoked { .. }
            | Fetched::Lost(_) => {}
        }
    }
    Box::new(consumer).close(Duration::from_secs(5)).await;
    println!("{records} records");
    Ok(())
}
