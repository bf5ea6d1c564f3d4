//! Writes and reads a numbered stream while somebody kills brokers: `moves BOOTSTRAP TOPIC SECONDS [key=value…]`.
//! It ends with an error unless every number came exactly once and in order, and says how long the flow stood still.

#![allow(clippy::print_stdout)]

use bytes::Bytes;
use millstream_core::{ByteBudget, Consumer, Fetched, Payload, Properties};
use millstream_kafka::{
    ConsumerSettings, KafkaConsumer, KafkaProducer, ProducerRecord, ProducerSettings, Subscription,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const PARTITIONS: i32 = 3;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bootstrap, topic, seconds, rest @ ..] = arguments.as_slice() else {
        return Err("usage: moves BOOTSTRAP TOPIC SECONDS [key=value…]".into());
    };
    let seconds: u64 = seconds.parse()?;
    let mut properties = Properties::from_iter([
        ("bootstrap.servers", bootstrap.as_str()),
        ("group.id", topic.as_str()),
        ("auto.offset.reset", "earliest"),
        ("session.timeout.ms", "10000"),
        ("heartbeat.interval.ms", "1000"),
    ]);
    for pair in rest {
        let (key, value) = pair.split_once('=').ok_or("expected key=value")?;
        properties.insert(key, value);
    }
    let producer = KafkaProducer::start(ProducerSettings::from_properties(&properties)?);
    let written = Arc::new(AtomicU64::new(0));
    let writing = write(
        producer,
        Arc::from(topic.as_str()),
        Duration::from_secs(seconds),
        Arc::clone(&written),
    );
    let settings = ConsumerSettings::from_properties(&properties)?;
    let topics = Subscription::Topics(vec![topic.clone()]);
    let consumer = KafkaConsumer::start(settings, topics, ByteBudget::new(64 << 20))?;
    let (wrote, read) = tokio::join!(writing, read(consumer, Arc::clone(&written)));
    let (wrote, (read, longest)) = (wrote?, read?);
    println!("{wrote} written, {read} read in order, longest gap {longest:.1?}");
    if wrote == read {
        Ok(())
    } else {
        Err("not everything came".into())
    }
}

/// A few thousand numbers a second, the same to each partition; returns how many records in all.
async fn write(
    producer: KafkaProducer,
    topic: Arc<str>,
    duration: Duration,
    written: Arc<AtomicU64>,
) -> Result<u64, Failure> {
    let end = Instant::now() + duration;
    let mut number = 0u64;
    let mut waiting = Vec::new();
    while Instant::now() < end {
        let mut records = Vec::new();
        for _ in 0..10 {
            for partition in 0..PARTITIONS {
                records.push(ProducerRecord {
                    topic: topic.clone(),
                    partition: Some(partition),
                    value: Some(Bytes::from(number.to_string())),
                    ..ProducerRecord::default()
                });
            }
            number += 1;
        }
        waiting.push(producer.send(records).await?);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    producer.flush().await;
    let mut total = 0;
    for outcome in waiting {
        total += outcome.await?.len() as u64;
    }
    written.store(total, Ordering::Release);
    producer.close(Duration::from_secs(5)).await;
    Ok(total)
}

/// Reads until everything that was written has come; commits now and then, begins anew at what was committed.
async fn read(
    mut consumer: KafkaConsumer,
    written: Arc<AtomicU64>,
) -> Result<(u64, Duration), Failure> {
    let mut next: BTreeMap<i32, u64> = BTreeMap::new();
    let (mut total, mut longest, mut last) = (0, Duration::ZERO, None::<Instant>);
    loop {
        let all = written.load(Ordering::Acquire);
        if all > 0 && total >= all {
            break;
        }
        let event = tokio::time::timeout(Duration::from_millis(200), consumer.next()).await;
        let Ok(event) = event else { continue };
        match event {
            Fetched::Batch(batch) => {
                if let Some(last) = last.replace(Instant::now()) {
                    longest = longest.max(last.elapsed());
                }
                let Payload::Raw { column, .. } = &batch.values else {
                    return Err("a consumer decodes nothing".into());
                };
                let expected = next.entry(batch.origin.partition).or_default();
                for value in column.iter().flatten() {
                    let number: u64 = std::str::from_utf8(value)?.parse()?;
                    if number != *expected {
                        return Err(format!(
                            "{} came in {} where {expected} was due",
                            number, batch.origin
                        )
                        .into());
                    }
                    *expected += 1;
                    total += 1;
                }
                let offsets = [(batch.origin.clone(), batch.next_offset, String::new())];
                if total % 50 == 0
                    && let Err(error) = consumer.commit(&offsets).await
                {
                    eprintln!("{error}");
                }
            }
            Fetched::Revoked { partitions, done } => {
                eprintln!("revoked {partitions:?}");
                // What was read stays read here; a new assignment must go on from there.
                let positions: Vec<_> = partitions
                    .iter()
                    .map(|p| {
                        let at = next.get(&p.partition).copied().unwrap_or_default();
                        (p.clone(), at as i64, String::new())
                    })
                    .collect();
                consumer.commit(&positions).await?;
                let _ = done.send(());
            }
            Fetched::Assigned(partitions) => {
                for partition in &partitions {
                    let at = next.get(&partition.partition).copied().unwrap_or_default();
                    consumer.seek(partition, at as i64);
                }
                eprintln!("assigned {partitions:?}");
            }
            Fetched::Failed(error) => return Err(error.into()),
            event => eprintln!("{event:?}"),
        }
    }
    Box::new(consumer).close(Duration::from_secs(5)).await;
    Ok((total, longest))
}
