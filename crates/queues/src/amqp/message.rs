//! A message of AMQP 1.0 as one of ours: its fields become headers named `amqp.…`, properties and annotations keep their own
//! names.

use super::details::details;
use super::value::{body, id_text, text};
use crate::headers::MessageHeaders;
use crate::input::{Message, Token};
use fe2o3_amqp::types::messaging::{
    Body, Message as AmqpMessage, Properties, annotations::OwnedKey,
};
use fe2o3_amqp::types::primitives::{Symbol, Timestamp, Value};
use std::sync::Arc;

/// Says what a body was that is JSON here.
pub(crate) const BODY_TYPE: &str = "queue.body.type";

/// Stands before the names of fields, among headers.
const FIELD: &str = "amqp.";

/// How messages of a broker are read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reading {
    /// The broker says of each message whether we are the first to have it. Others leave that at its default, which is that
    /// we may not be, and mark what comes again by its counter, or not at all.
    pub(super) tells_first: bool,
    /// Whether somebody wants what it says of itself in types.
    pub(super) keeps_types: bool,
}

pub(super) fn message(
    token: Token,
    message: AmqpMessage<Body<Value>>,
    reading: Reading,
) -> Message {
    let mut headers = MessageHeaders::default();
    let details = reading.keeps_types.then(|| Box::new(details(&message)));
    let properties = message.properties.unwrap_or_default();
    let id = properties.message_id.as_ref().map(id_text);
    put_properties(&mut headers, &properties, id.as_deref());
    let was_acquired = reading.tells_first
        && message
            .header
            .as_ref()
            .is_some_and(|header| !header.first_acquirer);
    let deliveries = message.header.map(|header| {
        let mut put = |name: &str, value: String| {
            headers.push_under(FIELD, name, value.as_bytes());
        };
        put("durable", header.durable.to_string());
        put("priority", header.priority.0.to_string());
        header
            .ttl
            .into_iter()
            .for_each(|ttl| put("ttl", ttl.to_string()));
        header.delivery_count.saturating_add(1)
    });
    let annotations = message.message_annotations.into_iter();
    for (key, value) in annotations.flat_map(|annotations| annotations.0) {
        match key {
            OwnedKey::Symbol(symbol) => headers.push(&symbol.0, &text(&value)),
            OwnedKey::Ulong(number) => headers.push(&number.to_string(), &text(&value)),
        }
    }
    let own = message.application_properties.into_iter();
    for (name, value) in own.flat_map(|properties| properties.0) {
        headers.push(&name, &text(&Value::from(value)));
    }
    let (body, kind) = body(message.body);
    if let Some(kind) = kind {
        headers.push(BODY_TYPE, kind.as_bytes());
    }
    Message {
        token,
        id: id.filter(|id| !id.is_empty()).map(Arc::from),
        group: properties.group_id.filter(|group| !group.is_empty()),
        body,
        timestamp: properties.creation_time.map(|at| at.milliseconds()),
        headers,
        redelivered: was_acquired || deliveries.is_some_and(|deliveries| deliveries > 1),
        deliveries,
        expires: None,
        details,
    }
}

fn put_properties(headers: &mut MessageHeaders, properties: &Properties, id: Option<&str>) {
    let mut put = |name: &str, value: Option<&[u8]>| {
        if let Some(value) = value {
            headers.push_under(FIELD, name, value);
        }
    };
    let time = |at: &Option<Timestamp>| at.as_ref().map(|at| at.milliseconds().to_string());
    let correlation = properties.correlation_id.as_ref().map(id_text);
    let sequence = properties.group_sequence.map(|number| number.to_string());
    let user = properties.user_id.as_ref();
    put("message-id", id.map(str::as_bytes));
    put("user-id", user.map(|user| user.as_slice()));
    put("to", bytes(&properties.to));
    put("subject", bytes(&properties.subject));
    put("reply-to", bytes(&properties.reply_to));
    put("correlation-id", bytes(&correlation));
    put("content-type", symbol(&properties.content_type));
    put("content-encoding", symbol(&properties.content_encoding));
    let expiry = time(&properties.absolute_expiry_time);
    put("absolute-expiry-time", bytes(&expiry));
    put("creation-time", bytes(&time(&properties.creation_time)));
    put("group-id", bytes(&properties.group_id));
    put("group-sequence", bytes(&sequence));
    put("reply-to-group-id", bytes(&properties.reply_to_group_id));
}

fn bytes(text: &Option<String>) -> Option<&[u8]> {
    text.as_ref().map(String::as_bytes)
}

fn symbol(symbol: &Option<Symbol>) -> Option<&[u8]> {
    symbol.as_ref().map(|symbol| symbol.0.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use fe2o3_amqp::types::messaging::{
        AmqpValue, ApplicationProperties, Header, MessageAnnotations,
    };

    fn token() -> Token {
        Token::Delivery {
            number: 1,
            tag: Bytes::from_static(b"t"),
        }
    }

    #[test]
    fn fields_are_headers_and_properties_keep_their_names() {
        let content = AmqpMessage::builder()
            .header(Header {
                durable: true,
                delivery_count: 2,
                ..Header::default()
            })
            .properties(
                Properties::builder()
                    .message_id("ID:host-1".to_owned())
                    .subject("order")
                    .group_id("g".to_owned())
                    .creation_time(Timestamp::from_milliseconds(7))
                    .content_type(Symbol::from("text/plain"))
                    .build(),
            )
            .message_annotations(
                MessageAnnotations::builder()
                    .insert(Symbol::from("x-opt-jms-dest"), 0i8)
                    .build(),
            )
            .application_properties(ApplicationProperties::builder().insert("n", 3i32).build())
            .body(Body::Value(AmqpValue("hello".to_owned().into())))
            .build();
        let message = message(token(), content, Reading::default());
        assert!(message.details.is_none());
        assert_eq!(message.id.as_deref(), Some("ID:host-1"));
        assert_eq!(message.group.as_deref(), Some("g"));
        assert_eq!(message.timestamp, Some(7));
        assert_eq!((message.deliveries, message.redelivered), (Some(3), true));
        assert_eq!(message.body.as_deref(), Some(&b"hello"[..]));
        let headers = message.headers.iter();
        let headers: Vec<_> = headers
            .map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value)))
            .collect();
        let expected = [
            "amqp.message-id=ID:host-1",
            "amqp.subject=order",
            "amqp.content-type=text/plain",
            "amqp.creation-time=7",
            "amqp.group-id=g",
            "amqp.durable=true",
            "amqp.priority=4",
            "x-opt-jms-dest=0",
            "n=3",
        ];
        assert_eq!(headers, expected);
    }

    #[test]
    fn a_broker_that_tells_who_is_first_marks_what_comes_again() {
        let come = |first_acquirer, tells_first| {
            let header = Header {
                first_acquirer,
                ..Header::default()
            };
            let content = AmqpMessage::builder().header(header);
            let reading = Reading {
                tells_first,
                ..Reading::default()
            };
            message(token(), content.body(Body::Empty).build(), reading).redelivered
        };
        assert!(come(false, true));
        assert!(!come(true, true) && !come(false, false) && !come(true, false));
    }

    #[test]
    fn what_a_sender_leaves_out_is_not_there() {
        let content = AmqpMessage::builder().body(Body::Empty).build();
        let message = message(token(), content, Reading::default());
        assert_eq!(
            (message.id, message.group, message.body),
            (None, None, None)
        );
        assert_eq!((message.timestamp, message.deliveries), (None, None));
        assert_eq!(message.headers, MessageHeaders::default());
        assert!(!message.redelivered);
    }
}
