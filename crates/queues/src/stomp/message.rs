//! A MESSAGE frame of ActiveMQ as one of ours: its headers keep their names, and all of their values are text.

use super::frame::Frame;
use crate::headers::MessageHeaders;
use crate::input::{Message, Token};
use crate::jms;
use millstream_core::{BodyKind, MessageDetails, Text, Value};
use std::sync::Arc;

/// Headers that are the protocol's own business, or told by other means.
const OWN: [&str; 5] = [
    "subscription",
    "ack",
    "message-id",
    "content-length",
    "redelivered",
];

/// Headers by which ActiveMQ shows the fields of a message of JMS.
const FIELDS: [&str; 10] = [
    "destination",
    "timestamp",
    "expires",
    "priority",
    "persistent",
    "correlation-id",
    "reply-to",
    "type",
    "JMSXGroupID",
    "JMSXUserID",
];

/// `is_unknown`: there is no body, and it is not known whether there was one. `keeps_types`: somebody wants what it says of
/// itself in the words and types of JMS.
pub(super) fn message(frame: Frame, token: Token, is_unknown: bool, keeps_types: bool) -> Message {
    let text = |name: &str| frame.header(name).filter(|text| !text.is_empty());
    let all = frame.headers();
    let mut headers = MessageHeaders::with_capacity(all.len(), frame.head_len());
    for (name, value) in all.filter(|(name, _)| !OWN.contains(name)) {
        headers.push(name, value.as_bytes());
    }
    Message {
        token,
        id: text("message-id").map(Arc::from),
        group: text("JMSXGroupID").map(ToOwned::to_owned),
        timestamp: text("timestamp").and_then(|at| at.parse().ok()),
        redelivered: frame.header("redelivered") == Some("true"),
        deliveries: None,
        expires: None,
        headers,
        details: keeps_types.then(|| Box::new(details(&frame))),
        body: (!is_unknown).then_some(frame.body),
    }
}

fn details(frame: &Frame) -> MessageDetails {
    let given = |name: &str| frame.header(name).filter(|text| !text.is_empty());
    let string = |text: &str| Value::String(Text::from(text));
    let text = |name: &str| given(name).map(string);
    let number = |name: &str| given(name).and_then(|text| text.parse().ok());
    let destination = |name: &str| given(name).map(|name| jms::destination(name, false));
    let mode = match given("persistent") {
        Some("true") => jms::PERSISTENT,
        _ => jms::NOT_PERSISTENT,
    };
    let priority = number("priority").and_then(|number: i64| i32::try_from(number).ok());
    let fields = [
        (jms::DELIVERY_MODE, Some(Value::Int32(mode))),
        (
            jms::PRIORITY,
            Some(Value::Int32(priority.unwrap_or(jms::USUAL_PRIORITY))),
        ),
        (jms::MESSAGE_ID, text("message-id")),
        (jms::CORRELATION_ID, text("correlation-id")),
        (jms::DESTINATION, destination("destination")),
        (jms::REPLY_TO, destination("reply-to")),
        (jms::TYPE, text("type")),
        (jms::EXPIRATION, number("expires").map(Value::Int64)),
        (jms::TIMESTAMP, number("timestamp").map(Value::Int64)),
        (jms::GROUP_ID, text("JMSXGroupID")),
        (jms::USER_ID, text("JMSXUserID")),
    ];
    let fields = fields.into_iter();
    let is_own = |name: &str| OWN.contains(&name) || FIELDS.contains(&name);
    let properties = frame.headers().filter(|(name, _)| !is_own(name));
    // Bytes come with a length, and texts without one.
    let body = match frame.header("content-length") {
        Some(_) => BodyKind::Bytes,
        None => BodyKind::Text,
    };
    MessageDetails {
        body,
        fields: fields
            .filter_map(|(name, value)| Some((name, value?)))
            .collect(),
        properties: properties
            .map(|(name, value)| (name.to_owned(), string(value)))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn read(more: &[(&str, &str)], keeps_types: bool) -> Message {
        let usual = [
            ("subscription", "0"),
            ("ack", "a1"),
            ("message-id", "ID:host-1"),
            ("destination", "/queue/orders"),
            ("timestamp", "17"),
            ("expires", "0"),
            ("persistent", "true"),
            ("redelivered", "true"),
            ("colour", "red"),
        ];
        let mut frame = Frame::new("MESSAGE", usual.iter().chain(more).copied());
        frame.body = Bytes::from_static(b"hello");
        message(frame, Token::Tag(1), false, keeps_types)
    }

    #[test]
    fn headers_keep_their_names() {
        let message = read(&[("JMSXGroupID", "g")], false);
        assert_eq!(message.id.as_deref(), Some("ID:host-1"));
        assert_eq!(message.group.as_deref(), Some("g"));
        assert_eq!((message.timestamp, message.redelivered), (Some(17), true));
        let names: Vec<_> = message.headers.iter().map(|(name, _)| name).collect();
        let expected = [
            "destination",
            "timestamp",
            "expires",
            "persistent",
            "colour",
            "JMSXGroupID",
        ];
        assert_eq!(names, expected);
        assert!(message.details.is_none());
    }

    #[test]
    fn what_jms_has_a_field_for_is_told_apart_from_properties() {
        let string = |text: &str| Value::String(Text::from(text));
        let details = read(&[("type", "order")], true).details.unwrap();
        assert_eq!(details.body, BodyKind::Text);
        let expected = [
            (jms::DELIVERY_MODE, Value::Int32(jms::PERSISTENT)),
            (jms::PRIORITY, Value::Int32(jms::USUAL_PRIORITY)),
            (jms::MESSAGE_ID, string("ID:host-1")),
            (jms::DESTINATION, string("queue://orders")),
            (jms::TYPE, string("order")),
            (jms::EXPIRATION, Value::Int64(0)),
            (jms::TIMESTAMP, Value::Int64(17)),
        ];
        assert_eq!(details.fields, expected);
        let expected = [("colour".to_owned(), string("red"))];
        assert_eq!(details.properties, expected);
        let details = read(&[("content-length", "5")], true).details.unwrap();
        assert_eq!(details.body, BodyKind::Bytes);
    }
}
