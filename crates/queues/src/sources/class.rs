//! The classes there are: what each calls the settings of its queue, what it has that is not supported, and which records it
//! makes.

mod activemq;
mod camel;
mod camel_jms;
mod rabbitmq;
mod sqs;

use super::shape::Shape;
use crate::settings::Read;
use millstream_core::config::Key;
use millstream_core::{InputPlugin, Properties};

/// The group of keys that are not the queue's.
const GROUP: &str = "Records";

/// A connector that others have, and what it is here.
pub(super) struct Class {
    pub(super) name: &'static str,
    /// Of the original.
    pub(super) version: &'static str,
    /// The key that names the topic.
    pub(super) topic: &'static str,
    pub(super) input: fn() -> InputPlugin,
    pub(super) read: fn() -> Read,
    /// Whether its records need what messages say of themselves in types.
    pub(super) keeps_types: bool,
    /// Keys that have the same name in the original.
    pub(super) same: &'static [&'static str],
    /// Names of the original's keys, and what the queue's settings call them.
    pub(super) renamed: &'static [(&'static str, &'static str)],
    /// Keys that say which records are made.
    pub(super) own: fn() -> Vec<Key>,
    /// In lists, of which several classes may have one.
    pub(super) refused: &'static [&'static [Refused]],
    /// Settings of the queue that the original's keys say otherwise; an error of a key where they do not say enough.
    pub(super) derive: fn(&Properties, &mut Properties) -> Option<(&'static str, String)>,
    pub(super) shape: fn(&Properties) -> Shape,
}

/// A key of the original that would change what happens, and is not supported.
pub(super) struct Refused {
    pub(super) key: &'static str,
    /// Values that are what happens anyway, in small letters.
    pub(super) allowed: &'static [&'static str],
    /// Why, and what to do instead.
    pub(super) why: &'static str,
}

/// Refused for every class.
pub(super) const REFUSED: [Refused; 4] = [
    Refused {
        key: "auto_ack",
        allowed: &["false"],
        why: AUTO_ACK,
    },
    Refused {
        key: "no_ack",
        allowed: &["false"],
        why: AUTO_ACK,
    },
    Refused {
        key: "input.type",
        allowed: &[],
        why: "it is for sinks, whose records come from a queue; remove it",
    },
    Refused {
        key: "input.topic",
        allowed: &[],
        why: "the connector's own key names the topic; remove it",
    },
];

const AUTO_ACK: &str = "a message would be taken off its queue before Kafka has it; remove it: messages are acknowledged once Kafka has acknowledged their records";

pub(super) const CLASSES: [Class; 8] = [
    sqs::CONFLUENT_SQS,
    sqs::NORDSTROM_SQS,
    rabbitmq::CONFLUENT_RABBITMQ,
    rabbitmq::IBM_RABBITMQ,
    activemq::CONFLUENT_ACTIVEMQ,
    camel::CAMEL_SQS,
    camel_jms::CAMEL_AMQP,
    camel_jms::CAMEL_ARTEMIS,
];

/// The setting, if it is more than blanks.
pub(super) fn given<'a>(properties: &'a Properties, key: &str) -> Option<&'a str> {
    let text = properties.get(key)?.trim();
    Some(text).filter(|text| !text.is_empty())
}

fn is_true(properties: &Properties, key: &str) -> bool {
    given(properties, key).is_some_and(|text| text.eq_ignore_ascii_case("true"))
}
