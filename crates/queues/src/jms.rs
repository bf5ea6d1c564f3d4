//! What JMS calls the fields of a message, which AMQP 1.0 and STOMP have under names of their own.

use millstream_core::{Text, Value};

pub(crate) const CORRELATION_ID: &str = "JMSCorrelationID";
/// An int: 1 where a message may be lost with its broker, 2 where it may not.
pub(crate) const DELIVERY_MODE: &str = "JMSDeliveryMode";
/// A text: see `destination`.
pub(crate) const DESTINATION: &str = "JMSDestination";
/// A long: milliseconds since the epoch.
pub(crate) const EXPIRATION: &str = "JMSExpiration";
pub(crate) const MESSAGE_ID: &str = "JMSMessageID";
/// An int.
pub(crate) const PRIORITY: &str = "JMSPriority";
/// A text: see `destination`.
pub(crate) const REPLY_TO: &str = "JMSReplyTo";
/// A long: milliseconds since the epoch.
pub(crate) const TIMESTAMP: &str = "JMSTimestamp";
pub(crate) const TYPE: &str = "JMSType";
pub(crate) const GROUP_ID: &str = "JMSXGroupID";
/// An int.
pub(crate) const GROUP_SEQUENCE: &str = "JMSXGroupSeq";
pub(crate) const USER_ID: &str = "JMSXUserID";

pub(crate) const NOT_PERSISTENT: i32 = 1;
pub(crate) const PERSISTENT: i32 = 2;

/// The priority of who sets none.
pub(crate) const USUAL_PRIORITY: i32 = 4;

/// The kinds of destinations: as ActiveMQ writes them in URLs, as STOMP has them before names, and whether they are topics.
const KINDS: [(&str, &str, bool); 6] = [
    ("queue://", "/queue/", false),
    ("topic://", "/topic/", true),
    ("temp-queue://", "/temp-queue/", false),
    ("temp-topic://", "/temp-topic/", true),
    ("temp-queue://", "/remote-temp-queue/", false),
    ("temp-topic://", "/remote-temp-topic/", true),
];

/// A queue or topic, as ActiveMQ writes it: `queue://orders`. `is_topic`: what the message says of a bare name.
pub(crate) fn destination(text: &str, is_topic: bool) -> Value {
    let kind = KINDS.iter().find_map(|(url, stomp, _)| {
        if text.starts_with(url) {
            return Some(text.to_owned());
        }
        let name = text.strip_prefix(stomp)?;
        Some(format!("{url}{name}"))
    });
    let bare = || format!("{}://{text}", if is_topic { "topic" } else { "queue" });
    Value::String(Text::from(kind.unwrap_or_else(bare)))
}

/// The kind of a destination, `queue` or `topic`, and its name.
pub(crate) fn taken_apart(destination: &str) -> (&'static str, &str) {
    let found = KINDS.iter().find_map(|(url, _, is_topic)| {
        let name = destination.strip_prefix(url)?;
        Some((if *is_topic { "topic" } else { "queue" }, name))
    });
    found.unwrap_or(("queue", destination))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_the_same_over_all_protocols() {
        let cases = [
            ("queue://orders", false, ("queue", "orders")),
            ("orders", false, ("queue", "orders")),
            ("orders", true, ("topic", "orders")),
            ("/queue/a/b", false, ("queue", "a/b")),
            ("/topic/news", false, ("topic", "news")),
            ("temp-queue://ID:1", false, ("queue", "ID:1")),
            ("/remote-temp-queue/ID:1", false, ("queue", "ID:1")),
        ];
        for (text, is_topic, expected) in cases {
            let Value::String(written) = destination(text, is_topic) else {
                panic!("no text");
            };
            assert_eq!(taken_apart(written.as_str().unwrap()), expected, "{text}");
        }
    }
}
