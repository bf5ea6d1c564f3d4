//! The client against a broker that misbehaves: moves, truncation, every request refused, cut off or delayed once,
//! and brokers of other releases. Whatever happens, each record comes exactly once and in order.

#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use kafka_protocol::messages::ApiKey;
use millstream_core::{ByteBudget, Consumer, Fetched, Payload, Properties, TopicPartition};
use millstream_embedded::broker::{ApiAction, ApiCap, ApiFault, Broker, BrokerSettings};
use millstream_kafka::{
    ConsumerSettings, KafkaConsumer, KafkaProducer, ProducerRecord, ProducerSettings, Subscription,
};
use std::sync::Arc;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

struct Bench {
    broker: Broker,
}

impl Bench {
    async fn new(settings: BrokerSettings) -> Self {
        let broker = Broker::start(settings).await.unwrap();
        broker.create_topic("t", 2).unwrap();
        Bench { broker }
    }

    fn properties(&self, more: &[(&str, &str)]) -> Properties {
        let bootstrap = self.broker.bootstrap();
        let base = [
            ("bootstrap.servers", bootstrap.as_str()),
            ("group.id", "g"),
            ("auto.offset.reset", "earliest"),
            ("session.timeout.ms", "6000"),
            ("heartbeat.interval.ms", "100"),
            ("metadata.max.age.ms", "500"),
            ("retry.backoff.ms", "20"),
            ("fetch.max.wait.ms", "50"),
            ("linger.ms", "0"),
        ];
        Properties::from_iter(base.iter().chain(more).copied())
    }

    fn consumer(&self, more: &[(&str, &str)]) -> KafkaConsumer {
        let settings = ConsumerSettings::from_properties(&self.properties(more)).unwrap();
        let topics = Subscription::Topics(vec!["t".to_owned()]);
        KafkaConsumer::start(settings, topics, ByteBudget::new(64 << 20)).unwrap()
    }

    fn producer(&self) -> KafkaProducer {
        KafkaProducer::start(ProducerSettings::from_properties(&self.properties(&[])).unwrap())
    }

    /// Writes the numbers to partition 0, one batch each.
    async fn write(&self, producer: &KafkaProducer, numbers: std::ops::Range<u32>) {
        for number in numbers {
            let record = ProducerRecord {
                topic: Arc::from("t"),
                partition: Some(0),
                value: Some(Bytes::from(number.to_string())),
                ..ProducerRecord::default()
            };
            producer.send(vec![record]).await.unwrap().await.unwrap();
        }
    }
}

/// Reads `count` numbers, letting go of what is revoked; checks that offsets ascend without gaps from `from` on.
async fn read(consumer: &mut KafkaConsumer, from: i64, count: usize) -> Vec<u32> {
    let mut numbers = Vec::new();
    let mut next = from;
    while numbers.len() < count {
        let event = tokio::time::timeout(PATIENCE, consumer.next()).await;
        match event.expect("something happens in time") {
            Fetched::Batch(batch) if batch.origin.partition == 0 => {
                let Payload::Raw { column, .. } = &batch.values else {
                    unreachable!("a consumer decodes nothing");
                };
                for (row, value) in column.iter().enumerate() {
                    assert_eq!(batch.offsets[row], next, "each record once and in order");
                    next += 1;
                    let text = std::str::from_utf8(value.unwrap()).unwrap();
                    numbers.push(text.parse().unwrap());
                }
            }
            Fetched::Revoked { partitions, done } => {
                // What was read counts as done.
                let position = partitions.iter().filter(|p| p.partition == 0);
                let offsets: Vec<_> = position.map(|p| (p.clone(), next, String::new())).collect();
                consumer.commit(&offsets).await.unwrap();
                done.send(()).unwrap();
            }
            Fetched::Lost(partitions) if partitions.iter().any(|p| p.partition == 0) => {
                // Nothing was committed: the records come again.
                next = from;
                numbers.clear();
            }
            Fetched::Failed(error) => panic!("the consumer failed: {error}"),
            _ => {}
        }
    }
    numbers
}

async fn close(consumer: KafkaConsumer) {
    Box::new(consumer).close(PATIENCE).await;
}

fn numbers(range: std::ops::Range<u32>) -> Vec<u32> {
    range.collect()
}

#[tokio::test]
async fn every_request_may_fail_once() {
    let requests = [
        (ApiKey::Metadata, &[][..]),
        (ApiKey::FindCoordinator, &[14, 15]),
        (ApiKey::JoinGroup, &[14, 15, 16, 25, 27]),
        (ApiKey::SyncGroup, &[14, 15, 16, 22, 25, 27]),
        (ApiKey::Heartbeat, &[15, 16, 22, 25, 27]),
        (ApiKey::OffsetFetch, &[14, 16]),
        (ApiKey::ListOffsets, &[3, 5, 6, 74, 75, 78]),
        (ApiKey::Fetch, &[-1, 3, 5, 6, 9, 56, 74, 75, 78, 70, 71]),
        (ApiKey::OffsetCommit, &[14, 15, 16]),
        (ApiKey::Produce, &[3, 5, 6, 7, 19, 20, 56, 45, 59]),
        (ApiKey::InitProducerId, &[14, 15, 16]),
    ];
    let cuts = [
        ApiAction::Disconnect,
        ApiAction::LoseAnswer,
        ApiAction::Delay(Duration::from_millis(300)),
    ];
    for (api, codes) in requests {
        let actions = codes.iter().map(|code| ApiAction::Error(*code)).chain(cuts);
        for action in actions {
            let bench = Bench::new(BrokerSettings::default()).await;
            bench.broker.faults().add(ApiFault::new(api, action));
            let producer = bench.producer();
            bench.write(&producer, 0..5).await;
            let mut consumer = bench.consumer(&[]);
            assert_eq!(
                read(&mut consumer, 0, 5).await,
                numbers(0..5),
                "{api:?} {action:?}"
            );
            bench.write(&producer, 5..8).await;
            assert_eq!(
                read(&mut consumer, 5, 3).await,
                numbers(5..8),
                "{api:?} {action:?}"
            );
            let partition = TopicPartition::new("t", 0);
            let offsets = [(partition, 8, "m".to_owned())];
            consumer.commit(&offsets).await.unwrap();
            let committed = bench.broker.committed("g", "t", 0);
            assert_eq!(committed, Some((8, "m".to_owned())), "{api:?} {action:?}");
            // A heartbeat comes by itself; all others have been met.
            let deadline = tokio::time::Instant::now() + PATIENCE;
            while bench.broker.faults().left() > 0 {
                assert!(tokio::time::Instant::now() < deadline, "{api:?} {action:?}");
                let event = tokio::time::timeout(Duration::from_millis(50), consumer.next());
                if let Ok(Fetched::Failed(error)) = event.await {
                    panic!("{api:?} {action:?}: {error}");
                }
            }
            close(consumer).await;
            producer.close(PATIENCE).await;
            bench.broker.shutdown().await;
        }
    }
}

#[tokio::test]
async fn leaders_move_and_nodes_stop() {
    let bench = Bench::new(BrokerSettings::of_nodes(3)).await;
    let producer = bench.producer();
    let mut consumer = bench.consumer(&[]);
    for round in 0..6 {
        let node = round % 3 + 1;
        bench.broker.move_leader("t", 0, node).unwrap();
        let from = round as u32 * 4;
        bench.write(&producer, from..from + 4).await;
        let read = read(&mut consumer, from.into(), 4).await;
        assert_eq!(read, numbers(from..from + 4), "round {round}");
    }
    // Whatever the first node did, the others do.
    bench.broker.stop_node(1);
    bench.write(&producer, 24..28).await;
    assert_eq!(read(&mut consumer, 24, 4).await, numbers(24..28));
    bench.broker.start_node(1).await.unwrap();
    bench.broker.stop_node(2);
    bench.write(&producer, 28..32).await;
    assert_eq!(read(&mut consumer, 28, 4).await, numbers(28..32));
    close(consumer).await;
}

#[tokio::test]
async fn a_log_cut_short_is_read_again_from_where_it_parts() {
    let bench = Bench::new(BrokerSettings::of_nodes(2)).await;
    let producer = bench.producer();
    bench.broker.move_leader("t", 0, 1).unwrap();
    bench.write(&producer, 0..10).await;
    let mut consumer = bench.consumer(&[]);
    assert_eq!(read(&mut consumer, 0, 10).await, numbers(0..10));
    // The new leader had only six of the ten.
    bench.broker.truncate("t", 0, 6).unwrap();
    bench.broker.move_leader("t", 0, 2).unwrap();
    let producer = bench.producer();
    bench.write(&producer, 100..106).await;
    let lost = loop {
        match tokio::time::timeout(PATIENCE, consumer.next())
            .await
            .unwrap()
        {
            Fetched::Lost(partitions) => break partitions,
            Fetched::Batch(batch) => panic!("{:?} came before the loss was told", batch.offsets),
            Fetched::Failed(error) => panic!("{error}"),
            _ => {}
        }
    };
    assert_eq!(lost, [TopicPartition::new("t", 0)]);
    assert_eq!(read(&mut consumer, 6, 6).await, numbers(100..106));
    close(consumer).await;
}

#[tokio::test]
async fn offsets_out_of_range_follow_the_policy() {
    let bench = Bench::new(BrokerSettings::default()).await;
    let producer = bench.producer();
    bench.write(&producer, 0..10).await;
    let mut consumer = bench.consumer(&[]);
    assert_eq!(read(&mut consumer, 0, 10).await.len(), 10);
    let partition = TopicPartition::new("t", 0);
    bench.broker.delete_records("t", 0, 5).unwrap();
    consumer.seek(&partition, 2);
    assert_eq!(read(&mut consumer, 5, 5).await, numbers(5..10));
    close(consumer).await;
    let mut strict = bench.consumer(&[("auto.offset.reset", "none"), ("group.id", "strict")]);
    loop {
        match tokio::time::timeout(PATIENCE, strict.next()).await.unwrap() {
            Fetched::Failed(error) => {
                assert!(error.message.starts_with("Undefined offset"), "{error}");
                break;
            }
            _ => continue,
        }
    }
    close(strict).await;
}

#[tokio::test]
async fn brokers_of_other_releases() {
    for cap in [ApiCap::V2_2, ApiCap::V2_8, ApiCap::V3_9, ApiCap::V4_3] {
        let settings = BrokerSettings {
            cap: Some(cap),
            ..BrokerSettings::of_nodes(2)
        };
        let bench = Bench::new(settings).await;
        let producer = bench.producer();
        bench.write(&producer, 0..5).await;
        let mut consumer = bench.consumer(&[("isolation.level", "read_committed")]);
        assert_eq!(read(&mut consumer, 0, 5).await, numbers(0..5), "{cap:?}");
        bench.broker.move_leader("t", 0, 2).unwrap();
        bench.write(&producer, 5..8).await;
        assert_eq!(read(&mut consumer, 5, 3).await, numbers(5..8), "{cap:?}");
        let offsets = [(TopicPartition::new("t", 0), 8, String::new())];
        consumer.commit(&offsets).await.unwrap();
        close(consumer).await;
        bench.write(&producer, 8..9).await;
        let mut again = bench.consumer(&[]);
        assert_eq!(read(&mut again, 8, 1).await, [8], "{cap:?}");
        close(again).await;
    }
}
