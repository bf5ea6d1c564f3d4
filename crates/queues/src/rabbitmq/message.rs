//! A delivery as a message. Properties become headers under the names that Confluent's source gives them; headers keep their
//! own names, with their values as text or, where they are tables or arrays, as JSON.

use super::details::details;
use super::value::{bytes, lossy, millis, whole_number};
use crate::amqp::{BODY_TYPE, encoded};
use crate::headers::MessageHeaders;
use crate::input::{Message, Token};
use bytes::Bytes;
use lapin::message::Delivery;
use lapin::types::ShortString;
use millstream_core::{Text, Value};
use std::sync::Arc;

/// How often a quorum queue has taken the message back.
const RETURNS: &str = "x-delivery-count";

/// The type of what was sent over AMQP 1.0 as a value or a sequence: the body is the encoding of these sections.
const ENCODED: &str = "amqp-1.0";

/// Where RabbitMQ puts an id that a property has no room or no type for: one of a sender that speaks AMQP 1.0.
const LONG_ID: &str = "x-message-id";

/// `consumer`: the tag of who it was delivered to, if somebody wants what it says of itself in types.
pub(super) fn message(delivery: Delivery, consumer: Option<&str>) -> Message {
    let mut headers = MessageHeaders::default();
    let mut details = consumer.map(|tag| Box::new(details(&delivery, tag)));
    let properties = &delivery.properties;
    {
        let mut put = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                headers.push_under("rabbitmq.", name, value.as_bytes());
            }
        };
        put("exchange", Some(delivery.exchange.as_str()));
        put("routing.key", Some(delivery.routing_key.as_str()));
        put("content.type", text(properties.content_type()));
        put("content.encoding", text(properties.content_encoding()));
        let mode = properties.delivery_mode().map(|mode| mode.to_string());
        put("delivery.mode", mode.as_deref());
        let priority = properties.priority().map(|priority| priority.to_string());
        put("priority", priority.as_deref());
        put("correlation.id", text(properties.correlation_id()));
        put("reply.to", text(properties.reply_to()));
        put("expiration", text(properties.expiration()));
        put("message.id", text(properties.message_id()));
        let timestamp = properties.timestamp().map(|at| millis(at).to_string());
        put("timestamp", timestamp.as_deref());
        put("type", text(properties.kind()));
        put("user.id", text(properties.user_id()));
        put("app.id", text(properties.app_id()));
    }
    let table = properties.headers().as_ref();
    let header = |name: &str| table.and_then(|table| table.inner().get(name));
    let returns = header(RETURNS).and_then(whole_number);
    let id = properties.message_id().as_ref().map(|id| id.to_string());
    let id = id.or_else(|| header(LONG_ID).map(|id| lossy(&bytes(id))));
    for (name, value) in table.into_iter().flatten() {
        headers.push(name.as_str(), &bytes(value));
    }
    let is_encoded = properties
        .kind()
        .as_ref()
        .is_some_and(|kind| kind.as_str() == ENCODED);
    let decoded = is_encoded.then(|| encoded(&delivery.data)).flatten();
    let timestamp = properties.timestamp().map(millis);
    // A sender may have chosen that type by itself.
    let (body, kind) = decoded.unwrap_or_else(|| (Some(Bytes::from(delivery.data)), None));
    if let (Some(kind), Some(details)) = (kind, &mut details) {
        let kind = Text::from(kind);
        let kind = (BODY_TYPE.to_owned(), Value::String(kind));
        details.properties.push(kind);
    }
    if let Some(kind) = kind {
        headers.push(BODY_TYPE, kind.as_bytes());
    }
    Message {
        token: Token::Tag(delivery.delivery_tag),
        id: id.filter(|id| !id.is_empty()).map(Arc::from),
        group: None,
        timestamp,
        headers,
        redelivered: delivery.redelivered,
        deliveries: returns
            .map(|returns| u32::try_from(returns).unwrap_or(u32::MAX).saturating_add(1)),
        expires: None,
        details,
        body,
    }
}

fn text(value: &Option<ShortString>) -> Option<&str> {
    value.as_ref().map(ShortString::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapin::BasicProperties;
    use lapin::types::{AMQPValue, FieldTable, LongString};

    fn delivery(properties: BasicProperties) -> Delivery {
        let mut delivery =
            Delivery::mock(7, "orders".into(), "eu.new".into(), true, b"{}".to_vec());
        delivery.properties = properties;
        delivery
    }

    fn headers(message: &Message) -> Vec<(&str, String)> {
        let headers = message.headers.iter();
        headers
            .map(|(name, value)| (name, String::from_utf8_lossy(value).into_owned()))
            .collect()
    }

    fn text(text: &str) -> AMQPValue {
        AMQPValue::LongString(LongString::from(text))
    }

    #[test]
    fn properties_are_headers_and_headers_keep_their_names() {
        let mut table = FieldTable::default();
        table.insert("trace".into(), text("a-1"));
        table.insert("x-delivery-count".into(), AMQPValue::LongLongInt(2));
        let properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_message_id("id-9".into())
            .with_timestamp(1_700_000_000)
            .with_priority(4)
            .with_type("order".into())
            .with_headers(table);
        let message = message(delivery(properties), None);
        assert_eq!(message.token, Token::Tag(7));
        assert_eq!(message.id.as_deref(), Some("id-9"));
        assert_eq!(message.timestamp, Some(1_700_000_000_000));
        assert_eq!(message.body.as_deref(), Some(&b"{}"[..]));
        assert!(message.redelivered);
        assert_eq!(message.deliveries, Some(3));
        let expected = [
            ("rabbitmq.exchange", "orders"),
            ("rabbitmq.routing.key", "eu.new"),
            ("rabbitmq.content.type", "application/json"),
            ("rabbitmq.priority", "4"),
            ("rabbitmq.message.id", "id-9"),
            ("rabbitmq.timestamp", "1700000000000"),
            ("rabbitmq.type", "order"),
            ("trace", "a-1"),
            ("x-delivery-count", "2"),
        ];
        assert_eq!(
            headers(&message),
            expected.map(|(name, value)| (name, value.to_owned()))
        );
    }

    #[test]
    fn a_queue_without_ids_and_counters_gives_none() {
        let message = message(delivery(BasicProperties::default()), None);
        assert_eq!((message.id, message.deliveries), (None, None));
        assert_eq!(message.timestamp, None);
    }

    #[test]
    fn a_value_of_the_newer_protocol_is_decoded() {
        let properties = || BasicProperties::default().with_type("amqp-1.0".into());
        let mut value = delivery(properties());
        value.data = vec![0x00, 0x53, 0x77, 0xA1, 2, b'h', b'i'];
        assert_eq!(message(value, None).body.as_deref(), Some(&b"hi"[..]));
        let mut null = delivery(properties());
        null.data = vec![0x00, 0x53, 0x77, 0x40];
        assert_eq!(message(null, None).body, None);
        assert_eq!(
            message(delivery(properties()), None).body.as_deref(),
            Some(&b"{}"[..])
        );
    }

    #[test]
    fn a_long_id_of_another_protocol_is_the_id() {
        let mut table = FieldTable::default();
        table.insert("x-message-id".into(), text("urn:uuid:1"));
        let properties = BasicProperties::default().with_headers(table);
        let message = message(delivery(properties), None);
        assert_eq!(message.id.as_deref(), Some("urn:uuid:1"));
    }
}
