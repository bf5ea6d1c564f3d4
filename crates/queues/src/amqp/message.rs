//! A message of AMQP 1.0 as one of ours: its fields become headers named `amqp.…`, properties and annotations keep their own
//! names.

use super::details::details;
use super::value::{body, id_text, text};
use crate::input::{Message, Token};
use bytes::Bytes;
use fe2o3_amqp::types::messaging::{
    Body, Message as AmqpMessage, Properties, annotations::OwnedKey,
};
use fe2o3_amqp::types::primitives::{SimpleValue, Value};

/// Says what a body was that is JSON here.
pub(crate) const BODY_TYPE: &str = "queue.body.type";

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
    let mut headers = Vec::new();
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
            headers.push((format!("amqp.{name}"), Bytes::from(value)));
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
        let name = match key {
            OwnedKey::Symbol(symbol) => symbol.0,
            OwnedKey::Ulong(number) => number.to_string(),
        };
        headers.push((name, text(&value)));
    }
    let own = message.application_properties.into_iter();
    for (name, value) in own.flat_map(|properties| properties.0) {
        headers.push((name, simple(value)));
    }
    let (body, kind) = body(message.body);
    headers.extend(kind.map(|kind| (BODY_TYPE.to_owned(), Bytes::from(kind))));
    Message {
        token,
        id: id.filter(|id| !id.is_empty()),
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

fn put_properties(headers: &mut Vec<(String, Bytes)>, properties: &Properties, id: Option<&str>) {
    let mut put = |name: &str, value: Option<Bytes>| {
        headers.extend(value.map(|value| (format!("amqp.{name}"), value)));
    };
    let owned = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    put("message-id", id.map(owned));
    let user = properties.user_id.as_ref();
    put("user-id", user.map(|user| Bytes::copy_from_slice(user)));
    put("to", properties.to.as_deref().map(owned));
    put("subject", properties.subject.as_deref().map(owned));
    put("reply-to", properties.reply_to.as_deref().map(owned));
    let correlation = properties.correlation_id.as_ref();
    put("correlation-id", correlation.map(id_text).map(Bytes::from));
    let kind = properties.content_type.as_ref();
    put("content-type", kind.map(|kind| owned(&kind.0)));
    let encoding = properties.content_encoding.as_ref();
    put(
        "content-encoding",
        encoding.map(|encoding| owned(&encoding.0)),
    );
    let number = |number: String| Bytes::from(number);
    let expiry = properties.absolute_expiry_time.as_ref();
    put(
        "absolute-expiry-time",
        expiry.map(|at| number(at.milliseconds().to_string())),
    );
    let created = properties.creation_time.as_ref();
    put(
        "creation-time",
        created.map(|at| number(at.milliseconds().to_string())),
    );
    put("group-id", properties.group_id.as_deref().map(owned));
    let sequence = properties.group_sequence;
    put(
        "group-sequence",
        sequence.map(|sequence| number(sequence.to_string())),
    );
    put(
        "reply-to-group-id",
        properties.reply_to_group_id.as_deref().map(owned),
    );
}

fn simple(value: SimpleValue) -> Bytes {
    text(&Value::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fe2o3_amqp::types::messaging::{
        AmqpValue, ApplicationProperties, Header, MessageAnnotations,
    };
    use fe2o3_amqp::types::primitives::{Symbol, Timestamp};

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
        assert!(message.headers.is_empty() && !message.redelivered);
    }
}
