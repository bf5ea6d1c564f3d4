//! Camel's connectors for brokers of JMS: AMQP 1.0 and Artemis.

use super::camel::{COMMON, headers_and_key, map_headers, message_key};
use super::{Class, given};
use crate::activemq::ActiveMq;
use crate::address::decoded;
use crate::settings;
use crate::sources::shape::{CamelJmsShape, Shape};
use millstream_core::Properties;
use millstream_core::config::Key;

const URL: &str = "activemq.url";
const USERNAME: &str = "activemq.username";
const PASSWORD: &str = "activemq.password";
const DESTINATION: &str = "jms.destination.name";
const DESTINATION_TYPE: &str = "jms.destination.type";

const AMQP_URL: &str = "camel.kamelet.jms-amqp-10-source.remoteURI";
const ARTEMIS_URL: &str = "camel.kamelet.jms-apache-artemis-source.brokerURL";

pub(super) const CAMEL_AMQP: Class = Class {
    name: "org.apache.camel.kafkaconnector.jmsamqp10source.CamelJmsamqp10sourceSourceConnector",
    renamed: &[
        (AMQP_URL, URL),
        (
            "camel.kamelet.jms-amqp-10-source.destinationName",
            DESTINATION,
        ),
        (
            "camel.kamelet.jms-amqp-10-source.destinationType",
            DESTINATION_TYPE,
        ),
    ],
    derive: |properties, input| {
        // As Qpid's client has them among the options of its URL.
        sign_in(
            properties,
            input,
            AMQP_URL,
            ["jms.username", "jms.password"],
        )
    },
    ..KAMELET
};

pub(super) const CAMEL_ARTEMIS: Class = Class {
    name: "org.apache.camel.kafkaconnector.jmsapacheartemissource.CamelJmsapacheartemissourceSourceConnector",
    renamed: &[
        (ARTEMIS_URL, URL),
        (
            "camel.kamelet.jms-apache-artemis-source.destinationName",
            DESTINATION,
        ),
        (
            "camel.kamelet.jms-apache-artemis-source.destinationType",
            DESTINATION_TYPE,
        ),
    ],
    derive: |properties, input| sign_in(properties, input, ARTEMIS_URL, ["user", "password"]),
    ..KAMELET
};

/// What both have.
const KAMELET: Class = Class {
    name: "",
    version: "4.8.5",
    topic: "topics",
    input: settings::plugin::<ActiveMq>,
    read: settings::reader::<ActiveMq>,
    keeps_types: true,
    same: &[],
    renamed: &[],
    own: keys,
    refused: &[&COMMON],
    derive: |_, _| None,
    shape,
};

fn keys() -> Vec<Key> {
    vec![message_key(2), map_headers(3)]
}

fn shape(properties: &Properties) -> Shape {
    let (has_headers, key) = headers_and_key(properties);
    Shape::CamelJms(CamelJmsShape::new(has_headers, key))
}

/// Takes user and password from the options of a URL, where no keys of ours have them.
fn sign_in(
    properties: &Properties,
    input: &mut Properties,
    url: &str,
    options: [&str; 2],
) -> Option<(&'static str, String)> {
    let (_, query) = given(properties, url)?.rsplit_once('?')?;
    for (key, option) in [USERNAME, PASSWORD].into_iter().zip(options) {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let found = pairs.find(|(name, _)| *name == option);
        let value = found.and_then(|(_, value)| decoded(value).ok());
        if let Some(value) = value.filter(|_| given(properties, key).is_none()) {
            input.insert(key, value);
        }
    }
    None
}
