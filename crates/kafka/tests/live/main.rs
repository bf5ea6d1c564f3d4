//! The client against a broker: our own stand-in, or a real one that `MILLSTREAM_KAFKA=host:port` names
//! (with `MILLSTREAM_KAFKA_OLD` set for one before 2.8).

#![allow(clippy::unwrap_used)]

mod logs;

use bytes::Bytes;
use millstream_core::{
    ByteBudget, Consumer, Fetched, Headers, Payload, Properties, RecordBatch, TopicPartition,
};
use millstream_embedded::broker::{Broker, BrokerSettings};
use millstream_kafka::admin::NewTopic;
use millstream_kafka::{
    Admin, ClientSettings, ConsumerSettings, KafkaConsumer, KafkaProducer, ProducerRecord,
    ProducerSettings, Subscription,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

struct Bench {
    bootstrap: String,
    topic: String,
    /// Ends with the test.
    _broker: Option<Broker>,
}

impl Bench {
    /// A fresh topic.
    async fn new(name: &str, partitions: i32) -> Self {
        let (bootstrap, broker) = match std::env::var("MILLSTREAM_KAFKA") {
            Ok(bootstrap) => (bootstrap, None),
            Err(_) => {
                let broker = Broker::start(BrokerSettings::default()).await.unwrap();
                (broker.bootstrap(), Some(broker))
            }
        };
        let bench = Bench {
            bootstrap,
            topic: format!("{name}-{}", uuid::Uuid::new_v4()),
            _broker: broker,
        };
        let new = NewTopic {
            name: bench.topic.clone(),
            partitions,
            replication: 1,
            configs: Vec::new(),
        };
        let results = bench.admin().create_topics(&[new]).await.unwrap();
        assert!(results[&bench.topic].is_ok(), "{results:?}");
        bench
    }

    fn properties(&self, more: &[(&str, &str)]) -> Properties {
        let base = [
            ("bootstrap.servers", self.bootstrap.as_str()),
            ("group.id", self.topic.as_str()),
            ("auto.offset.reset", "earliest"),
            ("session.timeout.ms", "6000"),
            ("heartbeat.interval.ms", "300"),
            ("metadata.max.age.ms", "1000"),
        ];
        Properties::from_iter(base.iter().chain(more).copied())
    }

    fn admin(&self) -> Admin {
        Admin::new(ClientSettings::from_properties(&self.properties(&[])).unwrap())
    }

    fn producer(&self, more: &[(&str, &str)]) -> KafkaProducer {
        KafkaProducer::start(ProducerSettings::from_properties(&self.properties(more)).unwrap())
    }

    fn consumer(&self, more: &[(&str, &str)]) -> KafkaConsumer {
        let settings = ConsumerSettings::from_properties(&self.properties(more)).unwrap();
        let topics = Subscription::Topics(vec![self.topic.clone()]);
        KafkaConsumer::start(settings, topics, ByteBudget::new(64 << 20)).unwrap()
    }

    fn record(&self, partition: i32, value: &str) -> ProducerRecord {
        ProducerRecord {
            topic: Arc::from(self.topic.as_str()),
            partition: Some(partition),
            value: Some(Bytes::from(value.to_owned())),
            ..ProducerRecord::default()
        }
    }

    fn partition(&self, number: i32) -> TopicPartition {
        TopicPartition::new(self.topic.as_str(), number)
    }
}

async fn next(consumer: &mut KafkaConsumer) -> Fetched {
    loop {
        let event = tokio::time::timeout(PATIENCE, consumer.next()).await;
        match event.expect("something happens in time") {
            Fetched::Failed(error) => panic!("the consumer failed: {error}"),
            // A broker that has just started is still loading.
            Fetched::Degraded(_) | Fetched::Recovered | Fetched::Positioned(_) => {}
            event => return event,
        }
    }
}

fn values(batch: &RecordBatch) -> Vec<String> {
    match &batch.values {
        Payload::Raw { column, .. } => column
            .iter()
            .map(|v| String::from_utf8(v.unwrap().to_vec()).unwrap())
            .collect(),
        Payload::Encoded(_) | Payload::Decoded(_) => unreachable!("a consumer decodes nothing"),
    }
}

/// Reads until `count` values have come; lets go of whatever is revoked.
async fn read(consumer: &mut KafkaConsumer, count: usize) -> BTreeMap<TopicPartition, Vec<String>> {
    let mut read: BTreeMap<TopicPartition, Vec<String>> = BTreeMap::new();
    while read.values().map(Vec::len).sum::<usize>() < count {
        match next(consumer).await {
            Fetched::Batch(batch) => {
                let place = read.entry(batch.origin.clone()).or_default();
                place.extend(values(&batch));
            }
            Fetched::Revoked { done, .. } => done.send(()).unwrap(),
            // What was read of them counts for nothing.
            Fetched::Lost(partitions) => read.retain(|p, _| !partitions.contains(p)),
            _ => {}
        }
    }
    read
}

async fn close(consumer: KafkaConsumer) {
    Box::new(consumer).close(PATIENCE).await;
}

#[tokio::test]
async fn every_codec_comes_back_with_headers_and_nulls() {
    let bench = Bench::new("codecs", 1).await;
    let mut codecs = vec!["none", "gzip", "snappy", "lz4"];
    if std::env::var("MILLSTREAM_KAFKA_OLD").is_err() {
        codecs.push("zstd");
    }
    for codec in &codecs {
        let producer = bench.producer(&[("compression.type", codec), ("linger.ms", "0")]);
        let mut first = bench.record(0, &codec.repeat(100));
        first.key = Some(Bytes::from_static(b"key"));
        first.headers = vec![
            (Bytes::from_static(b"a"), Some(Bytes::from_static(b"1"))),
            (Bytes::from_static(b"a"), None),
        ];
        first.timestamp = Some(1_700_000_000_000);
        let outcome = producer.send(vec![first, bench.record(0, codec)]).await;
        let written = outcome.unwrap().await.unwrap();
        assert_eq!(written[1].offset, written[0].offset + 1);
        producer.close(PATIENCE).await;
    }
    let mut consumer = bench.consumer(&[]);
    let mut seen = Vec::new();
    while seen.len() < 2 * codecs.len() {
        let Fetched::Batch(batch) = next(&mut consumer).await else {
            continue;
        };
        for (row, value) in values(&batch).into_iter().enumerate() {
            let Headers::Raw(raw) = &batch.headers else {
                panic!("headers were written");
            };
            let headers: Vec<_> = raw.row(row).collect();
            if value.len() > 10 {
                assert_eq!(headers, [(&b"a"[..], Some(&b"1"[..])), (&b"a"[..], None)]);
                assert_eq!(batch.timestamps[row], 1_700_000_000_000);
            } else {
                assert!(headers.is_empty());
                seen.push(value.clone());
            }
            seen.push(value);
        }
    }
    close(consumer).await;
}

#[tokio::test]
async fn commits_seek_and_pause() {
    let bench = Bench::new("commit", 1).await;
    let producer = bench.producer(&[]);
    let records = (0..10).map(|n| bench.record(0, &n.to_string())).collect();
    producer.send(records).await.unwrap().await.unwrap();
    let partition = bench.partition(0);

    let mut consumer = bench.consumer(&[]);
    assert_eq!(read(&mut consumer, 10).await[&partition].len(), 10);
    consumer
        .commit(&[(partition.clone(), 7, "seven".to_owned())])
        .await
        .unwrap();
    consumer.seek(&partition, 9);
    assert_eq!(read(&mut consumer, 1).await[&partition], ["9"]);
    close(consumer).await;

    let mut consumer = bench.consumer(&[]);
    assert_eq!(read(&mut consumer, 3).await[&partition], ["7", "8", "9"]);
    consumer.pause(std::slice::from_ref(&partition));
    let record = bench.record(0, "10");
    producer.send(vec![record]).await.unwrap().await.unwrap();
    let quiet = tokio::time::timeout(Duration::from_secs(1), consumer.next()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    consumer.resume(std::slice::from_ref(&partition));
    assert_eq!(read(&mut consumer, 1).await[&partition], ["10"]);
    close(consumer).await;
    producer.close(PATIENCE).await;
}

#[tokio::test]
async fn members_share_and_hold_a_rebalance() {
    let bench = Bench::new("share", 4).await;
    let mut first = bench.consumer(&[("partition.assignment.strategy", "roundrobin")]);
    let Fetched::Assigned(all) = next(&mut first).await else {
        panic!("the assignment comes first");
    };
    assert_eq!(all.len(), 4);
    let mut second = bench.consumer(&[("partition.assignment.strategy", "roundrobin,range")]);
    let Fetched::Revoked { partitions, done } = next(&mut first).await else {
        panic!("a second member takes a share");
    };
    assert_eq!(partitions.len(), 4);
    // Until the first has let go it may commit, and the second gets nothing.
    first
        .commit(&[(partitions[0].clone(), 0, String::new())])
        .await
        .unwrap();
    let held = tokio::time::timeout(Duration::from_secs(1), second.next()).await;
    assert!(held.is_err(), "{held:?}");
    done.send(()).unwrap();
    let (a, b) = tokio::join!(next(&mut first), next(&mut second));
    let (Fetched::Assigned(a), Fetched::Assigned(b)) = (a, b) else {
        panic!("both get a share");
    };
    assert_eq!((a.len(), b.len()), (2, 2));
    close(second).await;
    let Fetched::Revoked { done, .. } = next(&mut first).await else {
        panic!("the second left");
    };
    drop(done);
    let Fetched::Assigned(all) = next(&mut first).await else {
        panic!("all come back");
    };
    assert_eq!(all.len(), 4);
    close(first).await;
}

#[tokio::test]
async fn a_pattern_finds_topics_made_later() {
    let bench = Bench::new("pattern-a", 1).await;
    let suffix = bench.topic.strip_prefix("pattern-a").unwrap().to_owned();
    let settings = ConsumerSettings::from_properties(&bench.properties(&[])).unwrap();
    let wanted = suffix.clone();
    let pattern = Subscription::Pattern(Box::new(move |name: &str| name.ends_with(&wanted)));
    let mut consumer = KafkaConsumer::start(settings, pattern, ByteBudget::new(1 << 20)).unwrap();
    let Fetched::Assigned(first) = next(&mut consumer).await else {
        panic!("the first topic is there");
    };
    assert_eq!(first, [bench.partition(0)]);
    let later = NewTopic {
        name: format!("pattern-b{suffix}"),
        partitions: 2,
        replication: 1,
        configs: Vec::new(),
    };
    bench.admin().create_topics(&[later]).await.unwrap();
    let assigned = loop {
        match next(&mut consumer).await {
            Fetched::Revoked { done, .. } => done.send(()).unwrap(),
            Fetched::Assigned(assigned) if assigned.len() > 1 => break assigned,
            _ => {}
        }
    };
    assert_eq!(assigned.len(), 3);
    close(consumer).await;
}

#[tokio::test]
async fn no_reset_policy_and_no_offset_is_the_end() {
    let bench = Bench::new("none", 1).await;
    let mut consumer = bench.consumer(&[("auto.offset.reset", "none")]);
    let error = loop {
        match tokio::time::timeout(PATIENCE, consumer.next())
            .await
            .unwrap()
        {
            Fetched::Failed(error) => break error,
            _ => continue,
        }
    };
    let expected = format!(
        "Undefined offset with no reset policy for partitions: [{}-0]",
        bench.topic
    );
    assert_eq!(error.message, expected);
    assert!(!error.is_transient);
    close(consumer).await;
}

#[tokio::test]
async fn cooperative_members_keep_reading_what_they_keep() {
    let bench = Bench::new("cooperative", 4).await;
    let sticky = [(
        "partition.assignment.strategy",
        "org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
    )];
    let mut first = bench.consumer(&sticky);
    let Fetched::Assigned(all) = next(&mut first).await else {
        panic!("the assignment comes first");
    };
    assert_eq!(all.len(), 4);
    let mut second = bench.consumer(&sticky);
    let Fetched::Revoked { partitions, done } = next(&mut first).await else {
        panic!("a second member takes a share");
    };
    assert_eq!(partitions.len(), 2);
    // What stays is read while the other half is still being let go.
    let kept = all.iter().find(|p| !partitions.contains(p)).unwrap();
    let producer = bench.producer(&[]);
    let record = bench.record(kept.partition, "kept");
    producer.send(vec![record]).await.unwrap().await.unwrap();
    assert_eq!(read(&mut first, 1).await[kept], ["kept"]);
    first
        .commit(&[(kept.clone(), 1, String::new())])
        .await
        .unwrap();
    done.send(()).unwrap();
    let Fetched::Assigned(share) = next(&mut second).await else {
        panic!("the second gets what the first let go");
    };
    assert_eq!(share, partitions);
    close(second).await;
    let Fetched::Assigned(back) = next(&mut first).await else {
        panic!("they come back");
    };
    assert_eq!(back, partitions);
    close(first).await;
}

#[tokio::test]
async fn a_static_member_comes_back_to_its_partitions() {
    let bench = Bench::new("static", 2).await;
    let named = [
        ("group.instance.id", "one"),
        ("session.timeout.ms", "30000"),
    ];
    let mut first = bench.consumer(&named);
    assert!(matches!(next(&mut first).await, Fetched::Assigned(all) if all.len() == 2));
    close(first).await;
    // Another member would have to wait for the session's end; the same one need not.
    let again = tokio::time::timeout(Duration::from_secs(10), async {
        let mut again = bench.consumer(&named);
        let assigned = matches!(next(&mut again).await, Fetched::Assigned(all) if all.len() == 2);
        close(again).await;
        assigned
    });
    assert!(again.await.unwrap());
}

#[tokio::test]
async fn a_topic_made_anew_is_begun_anew() {
    let bench = Bench::new("anew", 1).await;
    if std::env::var("MILLSTREAM_KAFKA_OLD").is_ok() {
        // Topics have no identity there.
        return;
    }
    let producer = bench.producer(&[]);
    let records = (0..3).map(|n| bench.record(0, &n.to_string())).collect();
    producer.send(records).await.unwrap().await.unwrap();
    let mut consumer = bench.consumer(&[]);
    let partition = bench.partition(0);
    assert_eq!(read(&mut consumer, 3).await[&partition].len(), 3);
    let admin = bench.admin();
    let deleted = admin
        .delete_topics(std::slice::from_ref(&bench.topic))
        .await
        .unwrap();
    assert!(deleted[&bench.topic].is_ok());
    let new = NewTopic {
        name: bench.topic.clone(),
        partitions: 1,
        replication: 1,
        configs: Vec::new(),
    };
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while admin
        .create_topics(std::slice::from_ref(&new))
        .await
        .unwrap()[&bench.topic]
        .is_err()
    {
        assert!(tokio::time::Instant::now() < deadline);
    }
    let producer = bench.producer(&[]);
    let records = (0..5)
        .map(|n| bench.record(0, &format!("new {n}")))
        .collect();
    producer.send(records).await.unwrap().await.unwrap();
    let values = read(&mut consumer, 5).await;
    assert_eq!(values[&partition][0], "new 0");
    close(consumer).await;
}

/// Ten thousand records through a budget of one fetch, with a reader that takes its time.
#[tokio::test]
async fn a_small_budget_slows_down_and_loses_nothing() {
    let bench = Bench::new("budget", 3).await;
    let producer = bench.producer(&[("compression.type", "lz4")]);
    let mut waiting = Vec::new();
    for chunk in 0..10 {
        let records = (0..1_000)
            .map(|n| bench.record(n % 3, &format!("{:0>500}", chunk * 1_000 + n)))
            .collect();
        waiting.push(producer.send(records).await.unwrap());
    }
    for outcome in waiting {
        outcome.await.unwrap();
    }
    let settings = ConsumerSettings::from_properties(&bench.properties(&[])).unwrap();
    let topics = Subscription::Topics(vec![bench.topic.clone()]);
    let budget = ByteBudget::new(256 << 10);
    let mut consumer = KafkaConsumer::start(settings, topics, budget.clone()).unwrap();
    let (mut held, mut seen) = (Vec::new(), 0);
    while seen < 10_000 {
        let event = tokio::time::timeout(Duration::from_millis(500), next(&mut consumer)).await;
        match event {
            Ok(Fetched::Batch(batch)) => {
                seen += batch.len();
                held.push(batch);
            }
            Ok(_) => {}
            // Nothing more comes until something is given back.
            Err(_) => {
                assert!(budget.available() < budget.total());
                held.clear();
            }
        }
    }
    assert_eq!(seen, 10_000);
    close(consumer).await;
}

#[tokio::test]
async fn a_reader_that_makes_no_progress_gives_its_partitions_up() {
    let bench = Bench::new("idle", 1).await;
    let mut lazy = bench.consumer(&[("max.poll.interval.ms", "1000")]);
    assert!(matches!(next(&mut lazy).await, Fetched::Assigned(_)));
    let mut busy = bench.consumer(&[]);
    // The lazy one does nothing meanwhile: a rebalance would have to wait for it.
    assert!(matches!(next(&mut busy).await, Fetched::Assigned(all) if all.len() == 1));
    assert!(matches!(
        next(&mut lazy).await,
        Fetched::Revoked { .. } | Fetched::Lost(_)
    ));
    close(busy).await;
    assert!(matches!(next(&mut lazy).await, Fetched::Assigned(all) if all.len() == 1));
    close(lazy).await;
}
