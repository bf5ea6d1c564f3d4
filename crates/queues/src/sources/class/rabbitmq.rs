//! RabbitMQ: Confluent's and IBM's connectors.

use super::{Class, Refused};
use crate::rabbitmq::config::RabbitMq;
use crate::settings;
use crate::sources::shape::{RabbitShape, Shape};

pub(super) const CONFLUENT_RABBITMQ: Class = Class {
    name: "io.confluent.connect.rabbitmq.RabbitMQSourceConnector",
    version: "1.8.0",
    topic: "kafka.topic",
    input: settings::plugin::<RabbitMq>,
    read: settings::reader::<RabbitMq>,
    keeps_types: true,
    same: &[
        "rabbitmq.queue",
        "rabbitmq.host",
        "rabbitmq.port",
        "rabbitmq.username",
        "rabbitmq.password",
        "rabbitmq.virtual.host",
        "rabbitmq.security.protocol",
        "rabbitmq.prefetch.count",
        "rabbitmq.prefetch.global",
        "rabbitmq.connection.timeout.ms",
        "rabbitmq.requested.heartbeat.seconds",
        "rabbitmq.ssl.truststore.location",
        "rabbitmq.ssl.keystore.location",
    ],
    renamed: &[],
    own: Vec::new,
    refused: &[&[
        Refused {
            key: "rabbitmq.ssl.truststore.type",
            allowed: &["pem"],
            why: STORE_TYPE,
        },
        Refused {
            key: "rabbitmq.ssl.keystore.type",
            allowed: &["pem"],
            why: STORE_TYPE,
        },
    ]],
    derive: |_, _| None,
    shape: |_| Shape::Rabbit(RabbitShape::confluent()),
};

pub(super) const IBM_RABBITMQ: Class = Class {
    name: "com.ibm.eventstreams.connect.rabbitmqsource.RabbitMQSourceConnector",
    version: "1.0.0",
    topic: "kafka.topic",
    input: settings::plugin::<RabbitMq>,
    read: settings::reader::<RabbitMq>,
    keeps_types: true,
    same: &[
        "rabbitmq.queue",
        "rabbitmq.host",
        "rabbitmq.port",
        "rabbitmq.username",
        "rabbitmq.password",
        "rabbitmq.virtual.host",
        "rabbitmq.prefetch.count",
        "rabbitmq.prefetch.global",
        "rabbitmq.connection.timeout.ms",
        "rabbitmq.requested.heartbeat.seconds",
    ],
    renamed: &[],
    own: Vec::new,
    refused: &[],
    derive: |_, _| None,
    shape: |_| Shape::Rabbit(RabbitShape::ibm()),
};

const STORE_TYPE: &str = "certificates are read from PEM files; convert the store, name the PEM file, and remove this key";
