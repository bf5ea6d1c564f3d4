//! Writes records and says what it cost: `produce BOOTSTRAP TOPIC RECORDS SIZE [key=value…]`.

#![allow(clippy::print_stdout)]

use bytes::Bytes;
use millstream_core::Properties;
use millstream_kafka::{KafkaProducer, ProducerRecord, ProducerSettings};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bootstrap, topic, records, size, rest @ ..] = arguments.as_slice() else {
        return Err("usage: produce BOOTSTRAP TOPIC RECORDS SIZE [key=value…]".into());
    };
    let (records, size): (usize, usize) = (records.parse()?, size.parse()?);
    let mut properties = Properties::from_iter([("bootstrap.servers", bootstrap.as_str())]);
    for pair in rest {
        let (key, value) = pair.split_once('=').ok_or("expected key=value")?;
        properties.insert(key, value);
    }
    let producer = KafkaProducer::start(ProducerSettings::from_properties(&properties)?);
    let topic: Arc<str> = Arc::from(topic.as_str());
    let started = Instant::now();
    let mut waiting = Vec::new();
    for chunk in (0..records).collect::<Vec<_>>().chunks(1_000) {
        let batch = chunk
            .iter()
            .map(|n| ProducerRecord {
                topic: topic.clone(),
                value: Some(Bytes::from(format!("{n:0size$}"))),
                ..ProducerRecord::default()
            })
            .collect();
        waiting.push(producer.send(batch).await?);
    }
    producer.flush().await;
    let mut written = 0;
    for outcome in waiting {
        written += outcome.await?.len();
    }
    let wall = started.elapsed().as_secs_f64();
    producer.close(Duration::from_secs(5)).await;
    println!(
        "{written} records in {wall:.3} s, {:.0} records/s",
        written as f64 / wall
    );
    Ok(())
}
