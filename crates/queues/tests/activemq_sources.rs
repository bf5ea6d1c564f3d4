//! The classes that write a queue of ActiveMQ to a topic, over a broker of STOMP that checks what it is told.
#![allow(clippy::unwrap_used)]

mod support;

use async_trait::async_trait;
use millstream_core::{
    ByteBudget, Headers, OffsetError, OffsetStore, Payload, Properties, Role, SourceContext,
    SourceMap, SourceTask, Value,
};
use std::sync::Arc;
use support::StompBroker;

const CONFLUENT: &str = "io.confluent.connect.activemq.ActiveMQSourceConnector";
const ARTEMIS: &str = "org.apache.camel.kafkaconnector.jmsapacheartemissource.CamelJmsapacheartemissourceSourceConnector";
const AMQP: &str =
    "org.apache.camel.kafkaconnector.jmsamqp10source.CamelJmsamqp10sourceSourceConnector";

/// A queue keeps what is settled by itself.
struct NoOffsets;

#[async_trait]
impl OffsetStore for NoOffsets {
    async fn read(&self, _: &str) -> Result<Vec<(SourceMap, SourceMap)>, OffsetError> {
        panic!("nobody asks for offsets");
    }

    async fn write(
        &self,
        _: &str,
        _: &[(SourceMap, Option<SourceMap>)],
    ) -> Result<(), OffsetError> {
        panic!("nobody stores offsets");
    }
}

/// Epoch milliseconds.
const fn clock() -> i64 {
    1_700_000_000_000
}

async fn start(class: &str, settings: &[(&str, &str)]) -> Box<dyn SourceTask> {
    let connectors = millstream_queues::source_connectors();
    let connector = connectors.iter().find(|one| one.class_name() == class);
    let connector = Arc::clone(connector.unwrap());
    let properties = Properties::from_iter(settings.iter().copied());
    let errors: Vec<String> = connector
        .validate(&properties)
        .into_iter()
        .flat_map(|value| value.errors)
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    let Role::Source(source) = connector.role() else {
        panic!("a sink");
    };
    let context = SourceContext {
        connector: "orders".into(),
        task: 0,
        offsets: Arc::new(NoOffsets),
        memory: ByteBudget::new(1 << 20),
        queue: Arc::default(),
    };
    source.start_source(&properties, context).await.unwrap()
}

/// A field of a struct, as text.
fn field(value: &Value, name: &str) -> String {
    let Value::Struct(fields) = value else {
        panic!("{value:?}");
    };
    match fields.get(name).unwrap() {
        Value::String(text) => text.to_java_utf8().into_owned(),
        Value::Int64(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn confluents_class_settles_what_kafka_has_and_leaves_the_rest() {
    let broker = StompBroker::start(10).await;
    let url = format!("stomp://{}", broker.address());
    let settings = [
        ("kafka.topic", "t"),
        ("activemq.url", &*url),
        ("jms.destination.name", "orders"),
        ("max.pending.messages", "6"),
    ];
    let mut task = start(CONFLUENT, &settings).await;
    let mut offsets = Vec::new();
    while offsets.len() < 6 {
        let batch = task.poll(clock).await.unwrap();
        let Payload::Decoded(values) = &batch.records.values else {
            panic!("no structs");
        };
        assert!(matches!(batch.records.headers, Headers::None));
        for (row, value) in values.values.iter().enumerate() {
            let number = offsets.len() + row + 1;
            assert_eq!(field(value, "messageID"), format!("ID:{number}"));
            assert_eq!(field(value, "text"), format!("text {number}"));
            assert_eq!(field(value, "messageType"), "text");
        }
        offsets.extend(batch.records.offsets);
    }
    assert!(broker.settled().is_empty());
    // Its acknowledgements go no further than the first that Kafka has not.
    task.acknowledged(&[offsets[0], offsets[1], offsets[3]], clock());
    broker.until_settled(2).await;
    task.stop().await;
    assert_eq!(broker.settled(), [1, 2]);
    // All else comes again, marked, to whoever reads next.
    let mut task = start(CONFLUENT, &settings).await;
    let again = task.poll(clock).await.unwrap();
    let first = &again.records.values.decoded().unwrap().values[0];
    assert_eq!(field(first, "messageID"), "ID:3");
    assert_eq!(field(first, "redelivered"), "Boolean(true)");
    task.stop().await;
}

#[tokio::test]
async fn camels_classes_read_by_the_same_connection() {
    for (class, kamelet, url) in [
        (ARTEMIS, "jms-apache-artemis-source", "brokerURL"),
        (AMQP, "jms-amqp-10-source", "remoteURI"),
    ] {
        let broker = StompBroker::start(3).await;
        let key = |name: &str| format!("camel.kamelet.{kamelet}.{name}");
        let settings = [
            ("topics", "t"),
            (&*key(url), &*format!("stomp://{}", broker.address())),
            (&*key("destinationName"), "orders"),
            ("camel.source.camelMessageHeaderKey", "colour"),
        ];
        let mut task = start(class, &settings).await;
        let mut offsets = Vec::new();
        while offsets.len() < 3 {
            let batch = task.poll(clock).await.unwrap();
            let values = batch.records.values.decoded().unwrap();
            assert!(
                values
                    .values
                    .iter()
                    .all(|value| matches!(value, Value::String(_)))
            );
            let keys = batch.records.keys.decoded().unwrap();
            assert!(
                keys.values
                    .iter()
                    .all(|key| *key == Value::String("red".into()))
            );
            let Headers::Decoded { rows, .. } = &batch.records.headers else {
                panic!("no headers");
            };
            let names: Vec<&str> = rows[0].iter().map(|header| &*header.key).collect();
            assert!(names.contains(&"CamelHeader.JMSMessageID"), "{names:?}");
            assert!(names.contains(&"CamelHeader.colour"), "{names:?}");
            offsets.extend(batch.records.offsets);
        }
        task.acknowledged(&offsets, clock());
        broker.until_settled(3).await;
        task.stop().await;
    }
}
