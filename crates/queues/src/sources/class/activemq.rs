//! ActiveMQ Classic and Artemis: Confluent's connector.

use super::Class;
use crate::activemq::ActiveMq;
use crate::settings;
use crate::sources::shape::{JmsShape, Shape};

pub(super) const CONFLUENT_ACTIVEMQ: Class = Class {
    name: "io.confluent.connect.activemq.ActiveMQSourceConnector",
    version: "13.0.0",
    topic: "kafka.topic",
    input: settings::plugin::<ActiveMq>,
    read: settings::reader::<ActiveMq>,
    keeps_types: true,
    same: &[
        "activemq.url",
        "activemq.username",
        "activemq.password",
        "jms.destination.name",
        "jms.destination.type",
        "jms.message.selector",
    ],
    // Both are the most messages that a task has taken and not acknowledged.
    renamed: &[("max.pending.messages", "input.max.held.messages")],
    own: Vec::new,
    refused: &[],
    derive: |_, _| None,
    shape: |_| Shape::Jms(JmsShape::new()),
};
