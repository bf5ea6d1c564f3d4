//! What a message of AMQP 1.0 says of itself, in JMS's words and with its types, as Qpid's client for JMS reads it.

use super::value::{id_text, typed};
use crate::jms;
use fe2o3_amqp::types::messaging::{
    Body, Header, Message as AmqpMessage, MessageAnnotations, Properties, annotations::OwnedKey,
};
use fe2o3_amqp::types::primitives::{OrderedMap, Value};
use millstream_core::{BodyKind, MessageDetails, Text, Value as Typed};

/// The annotations by which clients of JMS say what a message and its destinations are.
const MESSAGE_KIND: &str = "x-opt-jms-msg-type";
const DESTINATION_KIND: &str = "x-opt-jms-dest";
const REPLY_KIND: &str = "x-opt-jms-reply-to";

/// The content type of an object of Java.
const OBJECT: &str = "application/x-java-serialized-object";

pub(super) fn details(message: &AmqpMessage<Body<Value>>) -> MessageDetails {
    let annotations = message.message_annotations.as_ref();
    let properties = message.properties.as_ref();
    let own = message.application_properties.iter();
    let own = own.flat_map(|properties| properties.0.iter());
    MessageDetails {
        body: kind(&message.body, annotations, properties),
        fields: fields(message.header.as_ref(), annotations, properties),
        properties: own
            .map(|(name, value)| (name.clone(), typed(&Value::from(value.clone()))))
            .collect(),
    }
}

fn fields(
    header: Option<&Header>,
    annotations: Option<&MessageAnnotations>,
    properties: Option<&Properties>,
) -> Vec<(&'static str, Typed)> {
    let text = |text: &str| Typed::String(Text::from(text));
    let is_topic = |name| annotation(annotations, name).is_some_and(|kind| kind % 2 == 1);
    let is_durable = header.is_some_and(|header| header.durable);
    let mode = if is_durable {
        jms::PERSISTENT
    } else {
        jms::NOT_PERSISTENT
    };
    let priority = header.map_or(jms::USUAL_PRIORITY, |header| header.priority.0.into());
    let mut fields = vec![
        (jms::DELIVERY_MODE, Typed::Int32(mode)),
        (jms::PRIORITY, Typed::Int32(priority)),
    ];
    let Some(properties) = properties else {
        return fields;
    };
    let mut put = |name, value: Option<Typed>| fields.extend(value.map(|value| (name, value)));
    let id = |id| text(&id_text(id));
    let millis = Typed::Int64;
    let destination = |name: &String, kind| jms::destination(name, is_topic(kind));
    put(jms::MESSAGE_ID, properties.message_id.as_ref().map(id));
    put(
        jms::CORRELATION_ID,
        properties.correlation_id.as_ref().map(id),
    );
    let to = properties.to.as_ref();
    put(
        jms::DESTINATION,
        to.map(|name| destination(name, DESTINATION_KIND)),
    );
    let reply_to = properties.reply_to.as_ref();
    put(
        jms::REPLY_TO,
        reply_to.map(|name| destination(name, REPLY_KIND)),
    );
    put(jms::TYPE, properties.subject.as_deref().map(text));
    let expires = properties.absolute_expiry_time.as_ref();
    put(jms::EXPIRATION, expires.map(|at| millis(at.milliseconds())));
    let created = properties.creation_time.as_ref();
    put(jms::TIMESTAMP, created.map(|at| millis(at.milliseconds())));
    put(jms::GROUP_ID, properties.group_id.as_deref().map(text));
    // JMS has signed numbers, and wraps the sequence as they do.
    let sequence = properties.group_sequence.map(u32::cast_signed);
    put(jms::GROUP_SEQUENCE, sequence.map(Typed::Int32));
    let user = properties.user_id.as_ref();
    put(
        jms::USER_ID,
        user.map(|user| text(&String::from_utf8_lossy(user))),
    );
    fields
}

/// What a client of JMS says that it has sent, else what Qpid's client takes the body for.
fn kind(
    body: &Body<Value>,
    annotations: Option<&MessageAnnotations>,
    properties: Option<&Properties>,
) -> BodyKind {
    let content_type = properties.and_then(|properties| properties.content_type.as_ref());
    let content_type = content_type.map_or("", |kind| kind.0.as_str());
    match annotation(annotations, MESSAGE_KIND) {
        Some(1) => return BodyKind::Object,
        Some(3) => return BodyKind::Bytes,
        Some(5) => return BodyKind::Text,
        _ => {}
    }
    match body {
        Body::Data(_) | Body::Empty if content_type == OBJECT => BodyKind::Object,
        Body::Data(_) if is_text(content_type) => BodyKind::Text,
        Body::Data(_) | Body::Empty => BodyKind::Bytes,
        Body::Sequence(_) => BodyKind::List,
        Body::Value(value) => match &value.0 {
            Value::Binary(_) => BodyKind::Bytes,
            Value::Map(entries) => BodyKind::Map(map(entries)),
            Value::List(_) | Value::Array(_) => BodyKind::List,
            // Numbers and the like have no message of JMS; their JSON is a text.
            _ => BodyKind::Text,
        },
    }
}

/// The content types that Qpid's client reads as text.
fn is_text(content_type: &str) -> bool {
    let bare = content_type.split(';').next().unwrap_or_default().trim();
    let is_of = |ends: &str| bare.starts_with("application/") && bare.ends_with(ends);
    bare.starts_with("text/")
        || ["/xml", "/json", "/javascript", "+xml", "+json"]
            .iter()
            .any(|ends| is_of(ends))
}

fn map(entries: &OrderedMap<Value, Value>) -> Vec<(String, Typed)> {
    let name = |key: &Value| String::from_utf8_lossy(&super::value::text(key)).into_owned();
    let entries = entries.iter();
    entries
        .map(|(key, value)| (name(key), typed(value)))
        .collect()
}

/// An annotation that is a byte.
fn annotation(annotations: Option<&MessageAnnotations>, name: &str) -> Option<i8> {
    let found = annotations?.0.iter().find_map(|(key, value)| match key {
        OwnedKey::Symbol(symbol) => (symbol.0 == name).then_some(value),
        OwnedKey::Ulong(_) => None,
    });
    match found? {
        Value::Byte(kind) => Some(*kind),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fe2o3_amqp::types::messaging::{AmqpValue, ApplicationProperties, Batch, Data, Priority};
    use fe2o3_amqp::types::primitives::{Binary, Symbol, Timestamp};

    fn string(text: &str) -> Typed {
        Typed::String(Text::from(text))
    }

    #[test]
    fn fields_are_those_of_jms_and_properties_have_their_types() {
        let content = AmqpMessage::builder()
            .header(Header {
                durable: true,
                priority: Priority(7),
                ..Header::default()
            })
            .properties(
                Properties::builder()
                    .message_id("ID:host-1".to_owned())
                    .to("queue://orders")
                    .reply_to("answers")
                    .subject("order")
                    .group_id("g".to_owned())
                    .group_sequence(u32::MAX)
                    .creation_time(Timestamp::from_milliseconds(7))
                    .build(),
            )
            .message_annotations(
                MessageAnnotations::builder()
                    .insert(Symbol::from(REPLY_KIND), 1i8)
                    .build(),
            )
            .application_properties(
                ApplicationProperties::builder()
                    .insert("n", 3i32)
                    .insert("is", true)
                    .build(),
            )
            .body(Body::Value(AmqpValue("hello".to_owned().into())))
            .build();
        let found = details(&content);
        assert_eq!(found.body, BodyKind::Text);
        let expected = [
            (jms::DELIVERY_MODE, Typed::Int32(jms::PERSISTENT)),
            (jms::PRIORITY, Typed::Int32(7)),
            (jms::MESSAGE_ID, string("ID:host-1")),
            (jms::DESTINATION, string("queue://orders")),
            (jms::REPLY_TO, string("topic://answers")),
            (jms::TYPE, string("order")),
            (jms::TIMESTAMP, Typed::Int64(7)),
            (jms::GROUP_ID, string("g")),
            (jms::GROUP_SEQUENCE, Typed::Int32(-1)),
        ];
        assert_eq!(found.fields, expected);
        assert_eq!(found.field(jms::USER_ID), &Typed::Null);
        let expected = [
            ("n".to_owned(), Typed::Int32(3)),
            ("is".to_owned(), Typed::Boolean(true)),
        ];
        assert_eq!(found.properties, expected);
        assert!(found.size() > 0);
    }

    #[test]
    fn what_a_body_is_is_what_a_client_of_jms_takes_it_for() {
        let data = || Body::Data(Batch::new(vec![Data(Binary::from(b"x".to_vec()))]));
        let value = |value: Value| Body::Value(AmqpValue(value));
        let mut entries = OrderedMap::new();
        entries.insert("n".to_owned().into(), Value::Int(1));
        let entry = vec![("n".to_owned(), Typed::Int32(1))];
        let cases = [
            (data(), None, "", BodyKind::Bytes),
            (data(), None, OBJECT, BodyKind::Object),
            (data(), None, "application/json", BodyKind::Text),
            (data(), None, "text/plain;charset=utf-8", BodyKind::Text),
            (data(), None, "application/octet-stream", BodyKind::Bytes),
            (data(), Some(5i8), "", BodyKind::Text),
            (value(Value::Null), None, "", BodyKind::Text),
            (
                value(Value::Map(entries)),
                Some(2),
                "",
                BodyKind::Map(entry),
            ),
            (value(Value::List(vec![])), Some(4), "", BodyKind::List),
            (
                value(Value::Binary(Binary::from(vec![1]))),
                None,
                "",
                BodyKind::Bytes,
            ),
            (Body::Empty, None, "", BodyKind::Bytes),
        ];
        for (body, kind, content_type, expected) in cases {
            let mut annotations = MessageAnnotations::builder();
            if let Some(kind) = kind {
                annotations = annotations.insert(Symbol::from(MESSAGE_KIND), kind);
            }
            let properties = Properties::builder().content_type(Symbol::from(content_type));
            let content = AmqpMessage::builder()
                .properties(properties.build())
                .message_annotations(annotations.build())
                .body(body)
                .build();
            assert_eq!(details(&content).body, expected, "{content_type}");
        }
    }
}
