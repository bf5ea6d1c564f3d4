//! The classes: what they take, what they refuse and which records they make; and the task over a queue in memory, in paused
//! time.

mod log;
mod typed;

use super::class::CLASSES;
use super::connector::QueueSource;
use super::shape::{RabbitShape, Shape, SqsAttributes, SqsShape};
use super::task::QueueSourceTask;
use crate::consumer::tests::memory_queue::{Call, MemoryQueue, clock};
use crate::headers::MessageHeaders;
use crate::input::{InputErrorKind, Message, Token};
use crate::record;
use bytes::Bytes;
use millstream_core::{
    Connector, Header, Headers, Payload, Properties, RawKind, RecordBatch, SinkErrorKind,
    SourceBatch, SourceTask, TopicPartition, Value,
};
use std::time::Duration;
use tokio::time::sleep;

const CONFLUENT: &str = "io.confluent.connect.sqs.source.SqsSourceConnector";
const NORDSTROM: &str = "com.nordstrom.kafka.connect.sqs.SqsSourceConnector";
const RABBIT: &str = "io.confluent.connect.rabbitmq.RabbitMQSourceConnector";
const CAMEL: &str = "org.apache.camel.kafkaconnector.awssqssource.CamelAwssqssourceSourceConnector";
const AMQP_URL: &str = "camel.kamelet.jms-amqp-10-source.remoteURI";
const URL: &str = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders";
const IBM: &str = "com.ibm.eventstreams.connect.rabbitmqsource.RabbitMQSourceConnector";
const ACTIVEMQ: &str = "io.confluent.connect.activemq.ActiveMQSourceConnector";
const CAMEL_AMQP: &str =
    "org.apache.camel.kafkaconnector.jmsamqp10source.CamelJmsamqp10sourceSourceConnector";
const CAMEL_ARTEMIS: &str = "org.apache.camel.kafkaconnector.jmsapacheartemissource.CamelJmsapacheartemissourceSourceConnector";
const CAMEL_QUEUE: &str = "camel.kamelet.aws-sqs-source.queueNameOrArn";

fn connector(class: &str) -> QueueSource {
    let found = CLASSES.iter().position(|one| one.name == class);
    QueueSource::new(&CLASSES[found.unwrap()])
}

/// Each class with the least that it takes.
fn least(class: &str) -> Properties {
    let settings = match class {
        CONFLUENT => vec![("kafka.topic", "t"), ("sqs.url", URL)],
        NORDSTROM => vec![("topics", "t"), ("sqs.queue.url", URL)],
        RABBIT | IBM => vec![("kafka.topic", "t"), ("rabbitmq.queue", "orders")],
        ACTIVEMQ => vec![
            ("kafka.topic", "t"),
            ("activemq.url", "ssl://b-1:61617"),
            ("jms.destination.name", "orders"),
        ],
        CAMEL_AMQP => vec![
            ("topics", "t"),
            (AMQP_URL, "amqp://b-1:5672"),
            ("camel.kamelet.jms-amqp-10-source.destinationName", "orders"),
        ],
        CAMEL_ARTEMIS => vec![
            ("topics", "t"),
            (
                "camel.kamelet.jms-apache-artemis-source.brokerURL",
                "tcp://b-1:61616",
            ),
            (
                "camel.kamelet.jms-apache-artemis-source.destinationName",
                "orders",
            ),
        ],
        _ => vec![
            ("topics", "t"),
            (CAMEL_QUEUE, "arn:aws:sqs:eu-west-1:123456789012:orders"),
        ],
    };
    Properties::from_iter(settings)
}

/// The errors, each behind its key.
fn errors(class: &str, settings: &[(&str, &str)]) -> Vec<String> {
    let mut properties = least(class);
    for (key, value) in settings {
        properties.insert(*key, *value);
    }
    let values = connector(class).validate(&properties).into_iter();
    values
        .flat_map(|value| {
            let errors = value.errors.into_iter();
            errors.map(move |error| format!("{} ← {error}", value.name))
        })
        .collect()
}

fn check(class: &str, settings: &[(&str, &str)], expected: &[&str]) {
    let errors = errors(class, settings);
    assert_eq!(errors.len(), expected.len(), "{errors:?}");
    for (error, expected) in errors.iter().zip(expected) {
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn each_class_takes_its_own_names() {
    let more: [(&str, &[(&str, &str)]); 8] = [
        (
            CONFLUENT,
            &[
                ("sqs.region", "eu-west-1"),
                ("sqs.messages.max", "10"),
                ("sqs.waittime.seconds", "20"),
                ("sqs.max.retries", "6"),
                ("confluent.license", ""),
                (
                    "sqs.credentials.provider.class",
                    "com.amazonaws.auth.DefaultAWSCredentialsProviderChain",
                ),
                ("input.max.held.messages", "500"),
            ],
        ),
        (
            NORDSTROM,
            &[
                ("sqs.max.messages", "5"),
                ("sqs.wait.time.seconds", "1"),
                ("sqs.endpoint.url", "http://localhost:9324"),
                ("sqs.message.attributes.enabled", "true"),
                (
                    "sqs.credentials.provider.class",
                    "com.nordstrom.kafka.connect.auth.AWSUserCredentialsProvider",
                ),
                ("sqs.credentials.provider.accessKeyId", "id"),
                ("sqs.credentials.provider.secretKey", "secret"),
            ],
        ),
        (
            RABBIT,
            &[
                ("rabbitmq.host", "h"),
                ("rabbitmq.prefetch.count", "500"),
                ("rabbitmq.automatic.recovery.enabled", "true"),
                ("no_ack", "false"),
            ],
        ),
        (
            CAMEL,
            &[
                ("camel.kamelet.aws-sqs-source.deleteAfterRead", "true"),
                ("camel.kamelet.aws-sqs-source.region", "eu-west-1"),
                ("camel.kamelet.aws-sqs-source.accessKey", "id"),
                ("camel.kamelet.aws-sqs-source.secretKey", "secret"),
                ("camel.kamelet.aws-sqs-source.delay", "500"),
            ],
        ),
        (
            IBM,
            &[
                ("rabbitmq.prefetch.count", "100"),
                ("rabbitmq.requested.channel.max", "0"),
            ],
        ),
        (
            ACTIVEMQ,
            &[
                ("activemq.username", "u"),
                ("activemq.password", "hidden"),
                ("jms.destination.type", "queue"),
                ("jms.message.selector", "colour = 'red'"),
                ("batch.size", "1024"),
                ("max.pending.messages", "4096"),
                ("max.poll.duration", "60000"),
                ("activemq.protocol", "amqp"),
            ],
        ),
        (
            CAMEL_AMQP,
            &[
                (
                    AMQP_URL,
                    "failover:(amqps://b-1:5671,amqps://b-2:5671)?jms.username=u&jms.password=p",
                ),
                ("camel.kamelet.jms-amqp-10-source.destinationType", "queue"),
                ("camel.source.camelMessageHeaderKey", "JMSMessageID"),
                ("camel.map.headers", "false"),
            ],
        ),
        (CAMEL_ARTEMIS, &[("activemq.username", "u")]),
    ];
    for (class, settings) in more {
        check(class, &[], &[]);
        check(class, settings, &[]);
    }
}

#[test]
fn errors_have_the_names_of_the_class_and_are_told_once() {
    check(
        CONFLUENT,
        &[("sqs.url", "orders"), ("sqs.messages.max", "11")],
        &[
            "sqs.messages.max ← Invalid value 11 for configuration sqs.messages.max",
            "sqs.url ← sqs.url: orders is no URL of a queue; write for example",
        ],
    );
    check(
        CONFLUENT,
        &[("kafka.topic", "")],
        &["kafka.topic ← Invalid value  for configuration kafka.topic"],
    );
    check(
        NORDSTROM,
        &[
            ("topics", "a,b"),
            ("sqs.credentials.provider.accessKeyId", "id"),
        ],
        &[
            "topics ← topics: a queue is written to one topic",
            "accessKeyId ← sqs.credentials.provider.accessKeyId: sqs.credentials.provider.secretKey is missing",
        ],
    );
    check(
        CAMEL,
        &[
            (CAMEL_QUEUE, "orders"),
            ("camel.kamelet.aws-sqs-source.maxMessagesPerPoll", "11"),
        ],
        &[
            "maxMessagesPerPoll ← Invalid value 11 for configuration camel.kamelet.aws-sqs-source.maxMessagesPerPoll",
            "queueNameOrArn: orders tells no account and region; write arn:aws:sqs:REGION:ACCOUNT:NAME, or the queue's URL for camel.kamelet.aws-sqs-source.queueURL",
        ],
    );
    check(
        RABBIT,
        &[("rabbitmq.queue", "a,b")],
        &["rabbitmq.queue ← rabbitmq.queue: one queue is read by one connector"],
    );
    check(
        ACTIVEMQ,
        &[
            ("activemq.url", "vm://broker"),
            ("jms.destination.type", "topic"),
            ("max.pending.messages", "0"),
        ],
        &[
            "activemq.url ← activemq.url: vm:// is not read",
            "jms.destination.type ← jms.destination.type: a topic keeps nothing for who is away",
            "max.pending.messages ← Invalid value 0 for configuration max.pending.messages",
        ],
    );
    check(
        CAMEL_ARTEMIS,
        &[(
            "camel.kamelet.jms-apache-artemis-source.destinationType",
            "topic",
        )],
        &["destinationType ← camel.kamelet.jms-apache-artemis-source.destinationType: a topic"],
    );
    let url = "camel.kamelet.aws-sqs-source.queueURL";
    check(CAMEL, &[(CAMEL_QUEUE, "orders"), (url, URL)], &[]);
}

#[test]
fn what_would_settle_too_soon_or_do_otherwise_is_refused_by_name() {
    for class in CLASSES.iter().map(|class| class.name) {
        check(
            class,
            &[
                ("auto_ack", "true"),
                ("no_ack", "true"),
                ("input.topic", "x"),
            ],
            &[
                "auto_ack ← auto_ack: a message would be taken off its queue before Kafka has it; remove it",
                "no_ack ← no_ack: a message would be taken off",
                "input.topic ← input.topic: the connector's own key names the topic",
            ],
        );
    }
    check(
        CAMEL,
        &[
            ("camel.kamelet.aws-sqs-source.deleteAfterRead", "false"),
            ("camel.source.unmarshal", "json"),
        ],
        &[
            "deleteAfterRead: messages that stay in their queue come again and again; remove it, or write true",
            "camel.source.unmarshal: data formats of Camel are not there; remove it, and use",
        ],
    );
    check(
        CAMEL_AMQP,
        &[("camel.source.marshal", "json"), ("camel.source.url", "x")],
        &[
            "camel.source.marshal: data formats of Camel are not there; remove it, and use",
            "camel.source.url: the queue is named by the keys of the kamelet",
        ],
    );
    check(
        CONFLUENT,
        &[
            ("sqs.proxy.url", "https://proxy:3128"),
            ("sqs.credentials.provider.class", "com.acme.Provider"),
        ],
        &[
            "sqs.credentials.provider.class: providers of credentials are not loaded",
            "sqs.proxy.url: no proxy is used; remove it",
        ],
    );
    check(
        RABBIT,
        &[("rabbitmq.ssl.truststore.type", "JKS")],
        &["rabbitmq.ssl.truststore.type: certificates are read from PEM files"],
    );
}

fn message() -> Message {
    let headers = [
        ("colour", "red"),
        ("sqs.SenderId", "not the service's"),
        ("shape", "round"),
        ("sqs.ApproximateFirstReceiveTimestamp", "18"),
        ("sqs.MessageGroupId", "g"),
        ("sqs.SenderId", "sender"),
    ];
    Message {
        token: Token::Handle("h".into()),
        id: Some("m-1".into()),
        group: Some("g".to_owned()),
        body: Some(Bytes::from_static(b"body")),
        timestamp: Some(17),
        headers: MessageHeaders::from_iter(headers),
        redelivered: true,
        deliveries: Some(2),
        expires: None,
        details: None,
    }
}

/// The record that is made of the message.
fn shaped(shape: SqsShape) -> SourceBatch {
    let origin = TopicPartition::new("t", -1);
    let batch = record::batch(&origin, "orders", vec![(7, message())], None, 99);
    let shaped = Shape::Sqs(shape).records(batch);
    assert_eq!(shaped.records.offsets, [7]);
    assert!(shaped.place.is_none());
    shaped
}

/// The headers of the first row, in one line.
fn headers(batch: &RecordBatch) -> String {
    let Headers::Decoded { rows, .. } = &batch.headers else {
        panic!("no headers: {:?}", batch.headers);
    };
    let text = |header: &Header| match &header.value {
        Value::String(text) => format!("{}={}", header.key, text.to_java_utf8()),
        other => panic!("{other:?}"),
    };
    let all: Vec<String> = rows[0].iter().map(text).collect();
    all.join(" ")
}

/// A text or a struct of the first row, as `name=value`.
fn first(payload: &Payload) -> String {
    let value = match payload {
        Payload::Raw {
            column,
            kind: RawKind::String,
        } => return String::from_utf8(column.get(0).unwrap().to_vec()).unwrap(),
        Payload::Raw { kind, .. } => panic!("{kind:?}"),
        Payload::Encoded(_) => panic!("no source keeps data encoded"),
        Payload::Decoded(decoded) => &decoded.values[0],
    };
    let text = |value: &Value| match value {
        Value::Null => "null".to_owned(),
        Value::String(text) => text.to_java_utf8().into_owned(),
        Value::Int32(number) => number.to_string(),
        Value::Int64(number) => format!("{number}L"),
        other => panic!("{other:?}"),
    };
    match value {
        Value::Struct(fields) => {
            let names = fields.schema.fields.iter();
            let pairs = names.zip(&fields.values);
            let pairs = pairs.map(|(field, value)| format!("{}={}", field.name, text(value)));
            pairs.collect::<Vec<_>>().join(" ")
        }
        other => text(other),
    }
}

#[test]
fn confluents_records_are_structs() {
    let shaped = shaped(SqsShape::confluent(URL));
    let records = shaped.records;
    assert_eq!(
        first(&records.keys),
        format!("QueueUrl={URL} MessageId=m-1 MessageGroupId=g")
    );
    assert_eq!(
        first(&records.values),
        "ApproximateFirstReceiveTimestamp=18L ApproximateReceiveCount=2 SenderId=sender SentTimestamp=17L MessageDeduplicationId=null MessageGroupId=g SequenceNumber=null Body=body"
    );
    assert_eq!(
        headers(&records),
        "colour=red sqs.SenderId=not the service's shape=round"
    );
}

#[test]
fn nordstroms_records_are_texts() {
    let plain = shaped(SqsShape::nordstrom(SqsAttributes::None, None));
    assert_eq!(first(&plain.records.keys), "m-1");
    assert_eq!(first(&plain.records.values), "body");
    assert!(!plain.value_schema.unwrap().optional);
    assert_eq!(headers(&plain.records), "");
    assert_eq!(plain.records.timestamps, [-1]);
    let named = SqsAttributes::Named(vec!["shape".to_owned()]);
    let keyed = shaped(SqsShape::nordstrom(named, Some("colour".to_owned())));
    assert_eq!(first(&keyed.records.keys), "red");
    assert_eq!(headers(&keyed.records), "shape=round");
}

#[test]
fn camels_records_have_headers_with_its_prefix() {
    let plain = shaped(SqsShape::camel(true, None));
    assert!(plain.records.keys.is_null(0));
    assert_eq!(first(&plain.records.values), "body");
    assert_eq!(
        headers(&plain.records),
        "CamelHeader.CamelAwsSqsMessageId=m-1 CamelHeader.colour=red CamelHeader.sqs.SenderId=not the service's CamelHeader.shape=round"
    );
    assert_eq!(plain.records.timestamps, [17]);
    let key = Some("CamelAwsSqsMessageId".to_owned());
    let keyed = shaped(SqsShape::camel(false, key));
    assert_eq!(first(&keyed.records.keys), "m-1");
    assert_eq!(headers(&keyed.records), "");
}

#[test]
fn records_of_rabbitmq_over_its_newer_protocol_have_headers_of_text() {
    let origin = TopicPartition::new("t", -1);
    let headers_of = [("rabbitmq.routing.key", "eu.new"), ("trace", "a-1")];
    let message = Message {
        group: None,
        headers: MessageHeaders::from_iter(headers_of),
        ..message()
    };
    let batch = record::batch(&origin, "orders", vec![(7, message)], None, 99);
    let shaped = Shape::Rabbit(RabbitShape::confluent()).records(batch);
    assert_eq!(first(&shaped.records.keys), "m-1");
    let Payload::Raw { column, kind } = &shaped.records.values else {
        panic!("no bytes");
    };
    assert_eq!((column.get(0), *kind), (Some(&b"body"[..]), RawKind::Bytes));
    assert_eq!(
        headers(&shaped.records),
        "rabbitmq.routing.key=eu.new trace=a-1"
    );
}

fn task(queue: &MemoryQueue) -> QueueSourceTask {
    let origin = TopicPartition::new("t", -1);
    let consumer = queue.consumer(origin.clone());
    let shape = SqsShape::nordstrom(SqsAttributes::None, None);
    QueueSourceTask::new(consumer, origin, Shape::Sqs(shape))
}

/// The offsets of so many records.
async fn take(task: &mut QueueSourceTask, records: usize) -> Vec<i64> {
    let mut offsets = Vec::new();
    while offsets.len() < records {
        offsets.extend(task.poll(clock).await.unwrap().records.offsets);
    }
    offsets
}

/// Lets the queue's worker do what there is to do now.
async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn only_what_kafka_has_is_settled() {
    let queue = MemoryQueue::default();
    queue.send(0..12);
    let mut task = task(&queue);
    let offsets = take(&mut task, 12).await;
    settle().await;
    assert!(queue.state().settled.is_empty(), "nothing is acknowledged");
    // Batches are acknowledged in any order.
    task.acknowledged(&offsets[6..9], clock());
    settle().await;
    assert_eq!(queue.state().settled, [6, 7, 8]);
    task.acknowledged(&[offsets[0], offsets[2]], clock());
    settle().await;
    assert_eq!(queue.state().settled, [6, 7, 8, 0, 2]);
    // What is acknowledged in the last moment is settled, the rest goes back.
    task.acknowledged(&offsets[3..5], clock());
    task.stop().await;
    let state = queue.state();
    assert_eq!(state.settled, [6, 7, 8, 0, 2, 3, 4]);
    assert_eq!(state.waiting, [1, 5, 9, 10, 11]);
    assert_eq!((state.closed, state.misused, state.out.len()), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn no_more_is_asked_for_than_may_be_held() {
    let queue = MemoryQueue::default();
    queue.send(0..50);
    let mut task = task(&queue);
    let offsets = take(&mut task, 20).await;
    let more = tokio::time::timeout(Duration::from_secs(3600), task.poll(clock)).await;
    assert!(
        more.is_err(),
        "nothing more comes before something is settled"
    );
    task.acknowledged(&offsets[..5], clock());
    take(&mut task, 5).await;
    assert_eq!(queue.state().most_out, 20);
}

#[tokio::test(start_paused = true)]
async fn a_pause_gives_back_what_is_not_on_its_way() {
    let queue = MemoryQueue::default();
    queue.send(0..15);
    let mut task = task(&queue);
    let offsets = task.poll(clock).await.unwrap().records.offsets;
    let taken = offsets.len();
    task.set_paused(true);
    settle().await;
    assert_eq!(queue.state().closed, 0, "Kafka may still acknowledge these");
    task.acknowledged(&offsets, clock());
    settle().await;
    {
        let state = queue.state();
        assert_eq!((state.settled.len(), state.closed), (taken, 1));
        assert_eq!((state.out.len(), state.waiting.len()), (0, 15 - taken));
    }
    task.set_paused(false);
    take(&mut task, 15 - taken).await;
    assert_eq!(queue.state().misused, 0);
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_the_queue_is_told_of_and_its_end_too() {
    let queue = MemoryQueue::default();
    queue.fail(Call::Connect, InputErrorKind::Transient);
    let mut task = task(&queue);
    let outage = task.poll(clock).await.unwrap_err();
    assert_eq!(outage.message, "the queue fails: Connect");
    assert!(matches!(
        outage.kind,
        SinkErrorKind::Retriable { since: Some(_), .. }
    ));
    let over = task.poll(clock).await.unwrap();
    assert!(over.records.is_empty());
    queue.fail(Call::Receive, InputErrorKind::Fatal);
    let end = task.poll(clock).await.unwrap_err();
    assert!(matches!(end.kind, SinkErrorKind::Fatal), "{end}");
}
