//! Reads topics and says what it cost: `consume BOOTSTRAP TOPIC[,TOPIC…] RECORDS [key=value…]`.
//! It commits at the end; events of the consumer go to standard error.

#![allow(clippy::print_stdout)]

use millstream_core::{ByteBudget, Consumer, Fetched, Properties};
use millstream_kafka::{ConsumerSettings, KafkaConsumer, Subscription};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bootstrap, topics, wanted, rest @ ..] = arguments.as_slice() else {
        return Err("usage: consume BOOTSTRAP TOPIC[,TOPIC…] RECORDS [key=value…]".into());
    };
    let wanted: u64 = wanted.parse()?;
    let mut properties = Properties::from_iter([
        ("bootstrap.servers", bootstrap.as_str()),
        ("group.id", "consume-example"),
        ("auto.offset.reset", "earliest"),
    ]);
    for pair in rest {
        let (key, value) = pair.split_once('=').ok_or("expected key=value")?;
        properties.insert(key, value);
    }
    let settings = ConsumerSettings::from_properties(&properties)?;
    let topics = topics.split(',').map(str::to_owned).collect();
    let mut consumer = KafkaConsumer::start(
        settings,
        Subscription::Topics(topics),
        ByteBudget::new(256 << 20),
    )?;
    let (mut records, mut bytes, mut batches) = (0u64, 0u64, 0u64);
    let mut next = BTreeMap::new();
    let mut started = None;
    let cpu_before = cpu_seconds();
    while records < wanted {
        match consumer.next().await {
            Fetched::Batch(batch) => {
                started.get_or_insert_with(Instant::now);
                batches += 1;
                records += batch.len() as u64;
                if let millstream_core::Payload::Raw { column, .. } = &batch.values {
                    bytes += column.iter().flatten().map(|v| v.len() as u64).sum::<u64>();
                }
                next.insert(batch.origin.clone(), batch.next_offset);
            }
            Fetched::Revoked { partitions, done } => {
                eprintln!("revoked {partitions:?}");
                let _ = done.send(());
            }
            Fetched::Failed(error) => return Err(error.into()),
            event => eprintln!("{event:?}"),
        }
    }
    let wall = started
        .map_or(Duration::ZERO, |s| s.elapsed())
        .as_secs_f64();
    let cpu = cpu_seconds() - cpu_before;
    let offsets: Vec<_> = next
        .into_iter()
        .map(|(partition, offset)| (partition, offset, String::from("example")))
        .collect();
    consumer.commit(&offsets).await?;
    Box::new(consumer).close(Duration::from_secs(5)).await;
    println!(
        "{records} records, {bytes} value bytes, {batches} batches, {wall:.3} s, {cpu:.3} CPU-s, {:.4} CPU-s per million, {:.0} records/s",
        cpu * 1e6 / records as f64,
        records as f64 / wall
    );
    Ok(())
}

/// User and system time of this process; Linux only.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |i: usize| {
        fields
            .get(i)
            .and_then(|f| f.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    (ticks(11) + ticks(12)) / 100.0
}
