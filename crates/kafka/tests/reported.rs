//! What people reported of the client, against a broker. Topics that are not there, are deleted, are made again and grow:
//! a consumer of what is `latest` says so by name and misses nothing. Brokers that refuse: what to change is named.

#![allow(clippy::unwrap_used)]

use millstream_core::{ByteBudget, Consumer, Fetched, Properties, RecordRejection, TopicPartition};
use millstream_embedded::broker::{ApiAction, ApiFault, ApiKey, Broker, BrokerSettings};
use millstream_kafka::admin::NewTopic;
use millstream_kafka::{
    Admin, ClientSettings, ConsumerSettings, KafkaConsumer, KafkaProducer, ProducerRecord,
    ProducerSettings, ResponseError, Subscription,
};
use std::collections::BTreeMap;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

struct Bench(Broker);

impl Bench {
    async fn new() -> Self {
        let settings = BrokerSettings {
            auto_create_topics: false,
            ..BrokerSettings::default()
        };
        Bench(Broker::start(settings).await.unwrap())
    }

    fn properties(&self, more: &[(&str, &str)]) -> Properties {
        let bootstrap = self.0.bootstrap();
        let base = [
            ("bootstrap.servers", bootstrap.as_str()),
            ("group.id", "g"),
            ("auto.offset.reset", "latest"),
            ("session.timeout.ms", "6000"),
            ("heartbeat.interval.ms", "100"),
            ("metadata.max.age.ms", "300"),
            ("retry.backoff.ms", "20"),
            ("fetch.max.wait.ms", "50"),
            ("linger.ms", "0"),
        ];
        Properties::from_iter(base.iter().chain(more).copied())
    }

    fn consumer(&self, topics: &[&str]) -> KafkaConsumer {
        self.consumer_with(topics, &[])
    }

    fn consumer_with(&self, topics: &[&str], more: &[(&str, &str)]) -> KafkaConsumer {
        let settings = ConsumerSettings::from_properties(&self.properties(more)).unwrap();
        let topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
        let budget = ByteBudget::new(64 << 20);
        KafkaConsumer::start(settings, Subscription::Topics(topics), budget).unwrap()
    }

    fn produce(&self, topic: &str, partition: i32, count: usize) {
        for _ in 0..count {
            self.0.produce(topic, partition, None, Some(b"x")).unwrap();
        }
    }
}

async fn next(consumer: &mut KafkaConsumer) -> Fetched {
    match tokio::time::timeout(PATIENCE, consumer.next()).await {
        Ok(Fetched::Failed(error)) => panic!("the consumer failed: {error}"),
        Ok(fetched) => fetched,
        Err(_) => panic!("nothing happened"),
    }
}

/// What the consumer says is wrong next.
async fn degraded(consumer: &mut KafkaConsumer) -> String {
    loop {
        if let Fetched::Degraded(degraded) = next(consumer).await {
            return degraded.reason;
        }
    }
}

/// Where reading begins in these partitions, which have no committed offset.
async fn positions(consumer: &mut KafkaConsumer, count: usize) -> BTreeMap<TopicPartition, i64> {
    let mut found = BTreeMap::new();
    while found.len() < count {
        if let Fetched::Positioned(positions) = next(consumer).await {
            found.extend(positions);
        }
    }
    found
}

/// Reads so many records, each next in its partition; returns the first offsets.
async fn read(consumer: &mut KafkaConsumer, count: usize) -> BTreeMap<TopicPartition, i64> {
    let mut firsts = BTreeMap::new();
    let mut nexts: BTreeMap<TopicPartition, i64> = BTreeMap::new();
    let mut records = 0;
    while records < count {
        match next(consumer).await {
            Fetched::Batch(batch) => {
                for &offset in &batch.offsets {
                    let next = nexts.entry(batch.origin.clone()).or_insert(offset);
                    assert_eq!(*next, offset);
                    *next += 1;
                }
                let first = batch.offsets.first().copied();
                let first = first.unwrap_or(batch.first_offset);
                firsts.entry(batch.origin.clone()).or_insert(first);
                records += batch.len();
            }
            Fetched::Lost(partitions) | Fetched::Revoked { partitions, .. } => {
                nexts.retain(|partition, _| !partitions.contains(partition));
            }
            _ => {}
        }
    }
    firsts
}

async fn close(consumer: KafkaConsumer) {
    Box::new(consumer).close(PATIENCE).await;
}

#[tokio::test]
async fn report_a16_a_topic_that_does_not_exist_is_waited_for_by_name() {
    let bench = Bench::new().await;
    bench.0.create_topic("here", 1).unwrap();
    let mut consumer = bench.consumer(&["here", "later"]);
    // In either order: the word about the one, and where the other is read from, which what follows lies behind.
    let (mut reason, mut is_placed) = (None, false);
    while reason.is_none() || !is_placed {
        match next(&mut consumer).await {
            Fetched::Degraded(degraded) => reason = Some(degraded.reason),
            Fetched::Positioned(_) => is_placed = true,
            _ => {}
        }
    }
    assert_eq!(
        reason.as_deref(),
        Some("topic later does not exist, waiting for it")
    );
    // What it has is read meanwhile, and all of what comes to the new topic.
    bench.produce("here", 0, 3);
    read(&mut consumer, 3).await;
    bench.0.create_topic("later", 2).unwrap();
    bench.produce("later", 1, 7);
    let firsts = read(&mut consumer, 7).await;
    assert_eq!(firsts[&TopicPartition::new("later", 1)], 0);
    close(consumer).await;
}

#[tokio::test]
async fn report_b13_b17_a_topic_made_again_is_read_from_its_beginning() {
    let bench = Bench::new().await;
    bench.0.create_topic("t", 2).unwrap();
    bench.produce("t", 0, 5);
    let mut consumer = bench.consumer(&["t"]);
    // Without a committed offset: at the end, which may be committed.
    let at = positions(&mut consumer, 2).await;
    assert_eq!(at[&TopicPartition::new("t", 0)], 5);
    assert_eq!(at[&TopicPartition::new("t", 1)], 0);
    bench.produce("t", 0, 2);
    let firsts = read(&mut consumer, 2).await;
    assert_eq!(firsts[&TopicPartition::new("t", 0)], 5);
    bench.0.delete_topic("t").unwrap();
    assert_eq!(
        degraded(&mut consumer).await,
        "topic t was deleted, waiting for it to be created again"
    );
    bench.0.create_topic("t", 2).unwrap();
    bench.produce("t", 0, 29);
    let firsts = read(&mut consumer, 29).await;
    assert_eq!(firsts[&TopicPartition::new("t", 0)], 0);
    close(consumer).await;
}

/// Deleted and made again at once: the old offset is in the new log or beyond its end, and either way the new topic is
/// begun anew.
#[tokio::test]
async fn report_b17_a_topic_that_was_made_again_at_once_is_told_by_its_identity() {
    for records in [3, 50] {
        let bench = Bench::new().await;
        bench.0.create_topic("t", 1).unwrap();
        bench.produce("t", 0, 10);
        let mut consumer = bench.consumer(&["t"]);
        positions(&mut consumer, 1).await;
        bench.produce("t", 0, 1);
        read(&mut consumer, 1).await;
        bench.0.delete_topic("t").unwrap();
        bench.0.create_topic("t", 1).unwrap();
        bench.produce("t", 0, records);
        let mut whole = Vec::new();
        while whole.len() < records {
            match next(&mut consumer).await {
                Fetched::Batch(batch) => whole.extend(batch.offsets),
                // What was read at the old offset is read again.
                Fetched::Lost(_) | Fetched::Revoked { .. } => whole.clear(),
                _ => {}
            }
        }
        let wanted: Vec<i64> = (0..records as i64).collect();
        assert_eq!(whole, wanted);
        close(consumer).await;
    }
}

#[tokio::test]
async fn report_b17_partitions_that_are_added_are_read_whole() {
    let bench = Bench::new().await;
    bench.0.create_topic("t", 1).unwrap();
    let mut consumer = bench.consumer(&["t"]);
    positions(&mut consumer, 1).await;
    bench.0.add_partitions("t", 2).unwrap();
    bench.produce("t", 1, 4);
    let firsts = read(&mut consumer, 4).await;
    assert_eq!(firsts[&TopicPartition::new("t", 1)], 0);
    close(consumer).await;
}

/// As Java's consumer: what was there when the partition was found is before what is `latest`.
#[tokio::test]
async fn report_b17_where_it_is_switched_off_new_partitions_are_read_from_their_end() {
    let bench = Bench::new().await;
    bench.0.create_topic("t", 1).unwrap();
    let off = [("millstream.new.partitions.from.start", "false")];
    let mut consumer = bench.consumer_with(&["t"], &off);
    positions(&mut consumer, 1).await;
    // The end is not told before the records are there.
    let not_yet = ApiFault::new(ApiKey::ListOffsets, ApiAction::Error(5)).times(100_000);
    bench.0.faults().add(not_yet);
    bench.0.add_partitions("t", 2).unwrap();
    bench.produce("t", 1, 4);
    bench.0.faults().clear();
    let new = TopicPartition::new("t", 1);
    while positions(&mut consumer, 1).await.get(&new) != Some(&4) {}
    bench.produce("t", 1, 2);
    let firsts = read(&mut consumer, 2).await;
    assert_eq!(firsts[&new], 4);
    close(consumer).await;
}

#[tokio::test]
async fn report_b15_a_group_that_refuses_names_the_key() {
    let bench = Bench::new().await;
    bench.0.create_topic("t", 1).unwrap();
    for (code, key) in [
        (23, "partition.assignment.strategy"),
        (82, "group.instance.id"),
    ] {
        let refusal = ApiFault::new(ApiKey::JoinGroup, ApiAction::Error(code));
        bench.0.faults().add(refusal);
        let mut consumer = bench.consumer(&["t"]);
        let error = loop {
            match tokio::time::timeout(PATIENCE, consumer.next()).await {
                Ok(Fetched::Failed(error)) => break error,
                Ok(_) => {}
                Err(_) => panic!("nothing happened"),
            }
        };
        assert!(error.message.contains(key), "{error}");
        close(consumer).await;
    }
}

/// What the client's settings keep back, what the broker finds too large, and what has a time that it does not take are told
/// apart from other refusals.
#[tokio::test]
async fn report_a17_a_record_that_is_too_large_or_out_of_time_is_told_apart() {
    let bench = Bench::new().await;
    bench.0.create_topic("t", 1).unwrap();
    let config = bench.properties(&[("max.request.size", "1000")]);
    let producer = KafkaProducer::start(ProducerSettings::from_properties(&config).unwrap());
    let record = |size: usize| ProducerRecord {
        topic: "t".into(),
        value: Some(vec![b'x'; size].into()),
        ..ProducerRecord::default()
    };
    let kept_back = producer.send(vec![record(2_000)]).await.map(drop);
    let error = kept_back.unwrap_err();
    assert_eq!(
        error.rejection(),
        Some(RecordRejection::TooLarge),
        "{error}"
    );
    assert!(error.to_string().contains("max.request.size"), "{error}");
    let refusal = ApiFault::new(ApiKey::Produce, ApiAction::Error(10));
    bench.0.faults().add(refusal);
    let outcome = producer.send(vec![record(10)]).await.unwrap().await;
    let error = outcome.unwrap_err();
    assert_eq!(
        error.rejection(),
        Some(RecordRejection::TooLarge),
        "{error}"
    );
    assert!(error.to_string().contains("max.message.bytes"), "{error}");
    let refusal = ApiFault::new(ApiKey::Produce, ApiAction::Error(32));
    bench.0.faults().add(refusal);
    let outcome = producer.send(vec![record(10)]).await.unwrap().await;
    let error = outcome.unwrap_err();
    assert_eq!(
        error.rejection(),
        Some(RecordRejection::InvalidTimestamp),
        "{error}"
    );
    assert!(
        error.to_string().contains("message.timestamp.after.max.ms"),
        "{error}"
    );
    producer
        .send(vec![record(10)])
        .await
        .unwrap()
        .await
        .unwrap();
}

#[tokio::test]
async fn report_a14_a_topic_that_is_refused_comes_with_the_brokers_words() {
    let bench = Bench::new().await;
    let admin = Admin::new(ClientSettings::from_properties(&bench.properties(&[])).unwrap());
    let new = NewTopic {
        name: "a/b".to_owned(),
        partitions: 1,
        replication: 1,
        configs: Vec::new(),
    };
    let too_many = NewTopic {
        name: "dlq".to_owned(),
        replication: 3,
        ..new.clone()
    };
    let made = admin.create_topics(&[new, too_many]).await.unwrap();
    let error = made["dlq"].as_ref().unwrap_err().to_string();
    assert!(
        error.starts_with("create topic dlq failed: the broker returned INVALID_REPLICATION_FACTOR: Unable to replicate the partition 3 time(s)"),
        "{error}"
    );
    let error = made["a/b"].as_ref().unwrap_err();
    let text = error.to_string();
    assert_eq!(
        error.response_error(),
        Some(ResponseError::InvalidTopicException)
    );
    assert_eq!(
        text,
        "create topic a/b failed: the broker returned INVALID_TOPIC_EXCEPTION; a topic's name has up to 249 letters, digits, dots, underscores and hyphens"
    );
}

#[tokio::test]
async fn report_message_18_a_broker_without_sign_in_is_called_so() {
    let bench = Bench::new().await;
    let config = bench.properties(&[
        ("security.protocol", "SASL_PLAINTEXT"),
        ("sasl.mechanism", "PLAIN"),
        (
            "sasl.jaas.config",
            "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"u\" password=\"p\";",
        ),
    ]);
    let admin = Admin::new(ClientSettings::from_properties(&config).unwrap());
    let error = admin.list_topics().await.unwrap_err().to_string();
    let wanted = format!(
        "authentication failed at {}: the broker does not support SASL; check security.protocol and the port",
        bench.0.bootstrap()
    );
    assert_eq!(error, wanted);
}
