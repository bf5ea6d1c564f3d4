//! A queue of SQS as the source of a topic: what is settled is in the topic, whatever happens to the worker and to Kafka.

use crate::sqs::{self, QUEUE, Queue, assert_doubled_in_hand_only, assert_none_lost};
use crate::stage::{PARTITIONS, Stage, TOPIC};
use crate::worker::{Worker, until};
use hyper::StatusCode;
use millstream_embedded::aws::{QueueSettings, Step};
use millstream_embedded::broker::{ApiAction, ApiFault, ApiKey};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const SOURCE: &str = "sqs-source";

struct SourceStage {
    stage: Stage,
    sqs: Queue,
}

impl SourceStage {
    async fn new(settings: QueueSettings) -> Self {
        SourceStage {
            stage: Stage::new().await,
            sqs: Queue::new(QUEUE, settings).await,
        }
    }

    fn config(&self) -> Value {
        json!({
            "connector.class": "com.nordstrom.kafka.connect.sqs.SqsSourceConnector",
            "tasks.max": 2,
            "topics": TOPIC,
            "sqs.queue.url": self.sqs.url,
            "sqs.wait.time.seconds": 1,
            "sqs.message.attributes.enabled": true,
            "aws.access.key.id": "key",
            "aws.secret.access.key": "secret",
        })
    }

    async fn start(&self, worker: &str) -> Worker {
        let worker = self.stage.standalone(worker, &[]).await;
        worker.create(SOURCE, &self.config()).await;
        worker
    }

    /// What is in the topic, and how often.
    fn produced(&self) -> BTreeMap<String, usize> {
        let mut found = BTreeMap::new();
        for partition in 0..PARTITIONS {
            for record in self.stage.broker.read(TOPIC, partition).unwrap() {
                let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
                *found.entry(value).or_default() += 1;
                let colour = ("colour".to_owned(), Some("red".into()));
                assert_eq!(record.headers, [colour]);
                assert!(record.key.is_some(), "the key is the message's id");
            }
        }
        found
    }

    fn assert_settled_is_produced(&self) {
        let settled = self.sqs.now().deleted;
        assert_none_lost(&settled, &self.produced());
    }

    fn assert_each_once(&self, messages: usize) {
        sqs::assert_each_once(messages, &self.produced());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_is_written_to_a_topic_and_settled() {
    let settings = QueueSettings {
        fails_every: Some(7),
        ..QueueSettings::default()
    };
    let source = SourceStage::new(settings).await;
    source.sqs.send(0..730);
    let worker = source.start("first").await;
    source.sqs.drained(&worker, 730).await;
    source.assert_each_once(730);
    assert_eq!(source.sqs.now().most_receives, 1);
    assert_eq!(worker.metric("millstream_queue_settled_total").await, 730);
}

/// A worker is killed while what it has written is not settled. Every message is in the topic in the end, and twice only what
/// it had in hand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_between_the_write_and_the_settlement_loses_nothing() {
    let source = SourceStage::new(QueueSettings::default()).await;
    let mut in_hand = BTreeSet::new();
    for round in 0..3 {
        let failing = || Step::error(503, "ServiceUnavailable", "not now");
        let steps = std::iter::repeat_with(failing).take(4);
        source.sqs.service.script("DeleteMessageBatch", steps);
        source.sqs.send(round * 200..(round + 1) * 200);
        let worker = source.start(&format!("worker-{round}")).await;
        let wanted = round * 200 + 150;
        until("some records", || async {
            (source.produced().len() > wanted).then_some(())
        })
        .await;
        worker.signal("-KILL");
        drop(worker);
        source.sqs.receives_ended().await;
        source.assert_settled_is_produced();
        in_hand.extend(source.sqs.return_messages());
    }
    let worker = source.start("last").await;
    source.sqs.drained(&worker, 600).await;
    assert_doubled_in_hand_only(600, &source.produced(), &in_hand);
}

/// At a signal what Kafka has is settled, and the rest goes back at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clean_stop_doubles_nothing() {
    let source = SourceStage::new(QueueSettings::default()).await;
    source.sqs.send(0..1500);
    let mut worker = source.start("first").await;
    until("some records", || async {
        (source.produced().len() > 200).then_some(())
    })
    .await;
    worker.signal("-TERM");
    assert_eq!(worker.ended().await, 0, "{}", worker.log());
    source.sqs.receives_ended().await;
    assert_eq!(source.sqs.now().deleted.len(), source.produced().len());
    source.sqs.return_messages();
    let worker = source.start("second").await;
    source.sqs.drained(&worker, 1500).await;
    source.assert_each_once(1500);
}

/// Nothing is settled that Kafka does not take: the task fails, and its messages are there for the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_kafka_refuses_stays_in_the_queue() {
    const TOPIC_AUTHORIZATION_FAILED: i16 = 29;
    let source = SourceStage::new(QueueSettings::default()).await;
    let action = ApiAction::Error(TOPIC_AUTHORIZATION_FAILED);
    let fault = ApiFault::new(ApiKey::Produce, action).times(1_000);
    source.stage.broker.faults().add(fault);
    source.sqs.send(0..30);
    let worker = source.stage.standalone("first", &[]).await;
    let mut config = source.config();
    config["tasks.max"] = 1.into();
    worker.create(SOURCE, &config).await;
    worker
        .task_until(SOURCE, "that has failed", |task| task.state == "FAILED")
        .await;
    until("its messages to be given back", || async {
        let now = source.sqs.now();
        (now.waiting == 30 && now.in_flight == 0).then_some(())
    })
    .await;
    assert!(source.sqs.now().deleted.is_empty());
    source.stage.broker.faults().clear();
    let path = format!("/connectors/{SOURCE}/tasks/0/restart");
    worker.request("POST", &path, None).await;
    source.sqs.drained(&worker, 30).await;
    source.assert_each_once(30);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_would_lose_messages_are_refused() {
    let source = SourceStage::new(QueueSettings::default()).await;
    let worker = source.stage.standalone("first", &[]).await;
    let config = json!({
        "connector.class": "org.apache.camel.kafkaconnector.awssqssource.CamelAwssqssourceSourceConnector",
        "topics": TOPIC,
        "camel.kamelet.aws-sqs-source.queueNameOrArn": "orders",
        "camel.kamelet.aws-sqs-source.deleteAfterRead": false,
        "camel.idempotency.enabled": true,
    });
    let body = json!({"name": SOURCE, "config": config});
    let (status, answer) = worker.request("POST", "/connectors", Some(&body)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
    let message = answer["message"].as_str().unwrap();
    for expected in [
        "contains the following 3 error(s)",
        "queueNameOrArn: orders tells no account and region; write arn:aws:sqs:REGION:ACCOUNT:NAME",
        "deleteAfterRead: messages that stay in their queue come again and again; remove it, or write true",
        "camel.idempotency.enabled: doubles are not looked for; remove it",
    ] {
        assert!(message.contains(expected), "{message}");
    }
}
