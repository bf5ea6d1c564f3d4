//! Records of messages that bring their types: RabbitMQ's and JMS's.

use super::super::shape::{CamelJmsShape, JmsShape, RabbitShape, Shape};
use crate::input::{Message, Token};
use crate::jms;
use crate::record;
use bytes::Bytes;
use millstream_core::{
    BodyKind, Headers, MessageDetails, MessageId, Messages, Payload, RawKind, SourceBatch, Text,
    TopicPartition, Value,
};
use std::sync::Arc;

fn string(text: &str) -> Value {
    Value::String(Text::from(text))
}

fn rabbit() -> MessageDetails {
    MessageDetails {
        body: BodyKind::Bytes,
        fields: vec![
            ("consumer.tag", string("ctag")),
            ("correlation.id", Value::Null),
            ("priority", Value::Int32(4)),
            ("delivery.tag", Value::Int64(9)),
            ("redeliver", Value::Boolean(true)),
        ],
        properties: vec![
            ("keyValue".to_owned(), Value::Int64(77)),
            ("trace".to_owned(), string("a-1")),
        ],
    }
}

fn jms_message(body: BodyKind) -> MessageDetails {
    MessageDetails {
        body,
        fields: vec![
            (jms::DELIVERY_MODE, Value::Int32(jms::PERSISTENT)),
            (jms::PRIORITY, Value::Int32(7)),
            (jms::MESSAGE_ID, string("ID:host-1")),
            (jms::REPLY_TO, string("topic://answers")),
            (jms::TIMESTAMP, Value::Int64(17)),
            (jms::GROUP_ID, string("g")),
        ],
        properties: vec![
            ("n".to_owned(), Value::Int32(3)),
            ("a_DOT_b_HYPHEN_c".to_owned(), Value::Boolean(true)),
            ("none".to_owned(), Value::Null),
        ],
    }
}

/// The record of a message with this body that says this of itself.
fn shaped(shape: Shape, body: Option<&'static str>, details: MessageDetails) -> SourceBatch {
    let origin = TopicPartition::new("t", -1);
    let message = Message {
        id: Some("m-1".into()),
        body: body.map(Bytes::from),
        timestamp: Some(17),
        redelivered: true,
        deliveries: Some(2),
        ..Message::bare(Token::Tag(1))
    };
    let mut batch = record::batch(&origin, "orders", vec![(7, message)], None, 99);
    let id = MessageId {
        is_redelivered: true,
        details: Some(Box::new(details)),
        ..MessageId::default()
    };
    batch.fetched.messages = Some(Arc::new(Messages::new("orders", [(7, id)])));
    let shaped = shape.records(batch);
    assert_eq!(shaped.records.offsets, [7]);
    assert!(shaped.records.fetched.messages.is_none() && shaped.place.is_none());
    shaped
}

/// A value with its types, in short.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Boolean(value) => value.to_string(),
        Value::Int32(value) => value.to_string(),
        Value::Int64(value) => format!("{value}L"),
        Value::String(text) => text.to_java_utf8().into_owned(),
        Value::Bytes(bytes) => format!("b'{}'", String::from_utf8_lossy(bytes)),
        Value::Map(map) => {
            let entries = map.iter();
            let entries = entries.map(|(key, value)| format!("{}: {}", shown(key), shown(value)));
            format!("[{}]", entries.collect::<Vec<_>>().join(", "))
        }
        Value::Struct(fields) => {
            let names = fields.schema.fields.iter();
            let set = names
                .zip(&fields.values)
                .filter(|(_, value)| !value.is_null());
            let set = set.map(|(field, value)| format!("{}={}", field.name, shown(value)));
            format!("{{{}}}", set.collect::<Vec<_>>().join(" "))
        }
        other => panic!("{other:?}"),
    }
}

fn headers(batch: &SourceBatch) -> String {
    let Headers::Decoded { rows, .. } = &batch.records.headers else {
        panic!("no headers");
    };
    let all = rows[0].iter();
    let all = all.map(|header| {
        assert!(header.schema.is_some(), "{}", header.key);
        format!("{}={}", header.key, shown(&header.value))
    });
    all.collect::<Vec<_>>().join(" ")
}

/// The first value of a column that has been decoded, and the name of its schema.
fn first(payload: &Payload) -> (String, String) {
    let decoded = payload.decoded().unwrap();
    let schema = decoded.schemas[0].as_ref();
    let name = schema.map(|schema| match &schema.name {
        Some(name) => name.clone(),
        None => schema.kind.java_name().to_owned(),
    });
    (shown(&decoded.values[0]), name.unwrap_or_default())
}

#[test]
fn confluents_records_of_rabbitmq_have_all_of_the_envelope() {
    let shape = Shape::Rabbit(RabbitShape::confluent());
    let shaped = shaped(shape, Some("body"), rabbit());
    let Payload::Raw { column, kind } = &shaped.records.values else {
        panic!("no bytes");
    };
    assert_eq!((column.get(0), *kind), (Some(&b"body"[..]), RawKind::Bytes));
    assert_eq!(
        headers(&shaped),
        "rabbitmq.consumer.tag=ctag rabbitmq.correlation.id=null rabbitmq.priority=4 rabbitmq.delivery.tag=9L rabbitmq.redeliver=true keyValue=77L trace=a-1"
    );
}

#[test]
fn ibms_records_are_texts_with_a_header_as_the_key() {
    let with_key = shaped(Shape::Rabbit(RabbitShape::ibm()), Some("body"), rabbit());
    assert_eq!(
        first(&with_key.records.keys),
        ("77".to_owned(), "STRING".to_owned())
    );
    let Payload::Raw { column, kind } = &with_key.records.values else {
        panic!("no text");
    };
    assert_eq!(
        (column.get(0), *kind),
        (Some(&b"body"[..]), RawKind::String)
    );
    assert_eq!(headers(&with_key), "keyValue=77L trace=a-1");
    let bare = MessageDetails {
        properties: Vec::new(),
        ..rabbit()
    };
    let without = shaped(Shape::Rabbit(RabbitShape::ibm()), Some("body"), bare);
    assert!(without.records.keys.is_null(0));
    assert_eq!(headers(&without), "");
}

#[test]
fn confluents_records_of_jms_are_structs() {
    let entries = vec![("x".to_owned(), Value::Int64(1))];
    let cases = [
        (BodyKind::Text, Some("hi"), "messageType=text", " text=hi}"),
        (BodyKind::Text, None, "messageType=text", "}"),
        (
            BodyKind::Bytes,
            Some("hi"),
            "messageType=bytes",
            " bytes=b'hi'}",
        ),
        (
            BodyKind::Map(entries),
            Some("{}"),
            "messageType=map",
            " map=[x: {propertyType=long long=1L}]}",
        ),
        (
            BodyKind::List,
            Some("[1]"),
            "messageType=stream",
            " text=[1]}",
        ),
        (
            BodyKind::Object,
            Some("hi"),
            "messageType=object",
            " bytes=b'hi'}",
        ),
    ];
    for (body, bytes, kind, end) in cases {
        let shaped = shaped(Shape::Jms(JmsShape::new()), bytes, jms_message(body));
        assert!(matches!(shaped.records.headers, Headers::None));
        assert_eq!(shaped.records.timestamps, [17]);
        let (key, name) = first(&shaped.records.keys);
        assert_eq!(
            (&*key, &*name),
            ("{messageID=ID:host-1}", "io.confluent.connect.jms.Key")
        );
        let (value, name) = first(&shaped.records.values);
        assert_eq!(name, "io.confluent.connect.jms.Value");
        let expected = format!(
            "{{messageID=ID:host-1 {kind} timestamp=17L deliveryMode=2 replyTo={{destinationType=topic name=answers}} destination={{destinationType=queue name=orders}} redelivered=true expiration=0L priority=7 properties=[n: {{propertyType=integer integer=3}}, a_DOT_b_HYPHEN_c: {{propertyType=boolean boolean=true}}, none: {{propertyType=null-value}}, JMSXGroupID: {{propertyType=string string=g}}]"
        );
        assert_eq!(value, expected + end);
    }
}

#[test]
fn a_message_of_jms_that_says_nothing_is_a_record_all_the_same() {
    let details = MessageDetails::default();
    let shaped = shaped(Shape::Jms(JmsShape::new()), Some("hi"), details);
    assert_eq!(first(&shaped.records.keys).0, "{messageID=m-1}");
    assert_eq!(
        first(&shaped.records.values).0,
        "{messageID=m-1 messageType=bytes timestamp=0L deliveryMode=1 destination={destinationType=queue name=orders} redelivered=true expiration=0L priority=4 properties=[] bytes=b'hi'}"
    );
}

#[test]
fn camels_records_of_jms_are_bodies_with_headers() {
    let key = Some("n".to_owned());
    let shape = || Shape::CamelJms(CamelJmsShape::new(true, key.clone()));
    let text = shaped(shape(), Some("hi"), jms_message(BodyKind::Text));
    assert_eq!(
        first(&text.records.values),
        ("hi".to_owned(), "STRING".to_owned())
    );
    assert_eq!(
        first(&text.records.keys),
        ("3".to_owned(), "INT32".to_owned())
    );
    assert_eq!(text.records.timestamps, [-1]);
    assert_eq!(
        headers(&text),
        "CamelHeader.JMSDeliveryMode=2 CamelHeader.JMSPriority=7 CamelHeader.JMSMessageID=ID:host-1 CamelHeader.JMSTimestamp=17L CamelHeader.JMSXGroupID=g CamelHeader.JMSExpiration=0L CamelHeader.JMSRedelivered=true CamelHeader.JMSXDeliveryCount=2 CamelHeader.n=3 CamelHeader.a.b-c=true"
    );
    let bytes = shaped(shape(), Some("hi"), jms_message(BodyKind::Bytes));
    assert_eq!(
        first(&bytes.records.values),
        ("b'hi'".to_owned(), "BYTES".to_owned())
    );
    let none = shaped(shape(), None, jms_message(BodyKind::Text));
    assert_eq!(
        first(&none.records.values),
        ("null".to_owned(), String::new())
    );
    let bare = Shape::CamelJms(CamelJmsShape::new(false, None));
    let bare = shaped(bare, Some("hi"), jms_message(BodyKind::Text));
    assert_eq!(headers(&bare), "");
    assert!(bare.records.keys.is_null(0));
}
