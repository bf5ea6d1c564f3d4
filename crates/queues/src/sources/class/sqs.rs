//! SQS: Confluent's and Nordstrom's connectors.

use super::{Class, GROUP, Refused, given, is_true};
use crate::settings;
use crate::sources::shape::{Shape, SqsAttributes, SqsShape};
use crate::sqs::Sqs;
use millstream_core::config::{Importance, Key, Kind, Width, list_items};

pub(super) const CONFLUENT_SQS: Class = Class {
    name: "io.confluent.connect.sqs.source.SqsSourceConnector",
    version: "2.1.0",
    topic: "kafka.topic",
    input: settings::plugin::<Sqs>,
    read: settings::reader::<Sqs>,
    keeps_types: false,
    same: &["sqs.region", "sqs.messages.max", "sqs.waittime.seconds"],
    renamed: &[("sqs.url", SQS_URL)],
    own: Vec::new,
    refused: &[&[
        Refused {
            key: "sqs.credentials.provider.class",
            allowed: &DEFAULT_CHAINS,
            why: CREDENTIALS,
        },
        Refused {
            key: "sqs.proxy.url",
            allowed: &[],
            why: PROXY,
        },
        Refused {
            key: "sqs.proxy.user",
            allowed: &[],
            why: PROXY,
        },
        Refused {
            key: "sqs.proxy.password",
            allowed: &["[hidden]"],
            why: PROXY,
        },
    ]],
    derive: |_, _| None,
    shape: |properties| {
        let url = ["sqs.url", SQS_URL].into_iter();
        let url = url.filter_map(|key| given(properties, key)).next();
        Shape::Sqs(SqsShape::confluent(url.unwrap_or_default()))
    },
};

pub(super) const NORDSTROM_SQS: Class = Class {
    name: "com.nordstrom.kafka.connect.sqs.SqsSourceConnector",
    version: "1.6",
    topic: "topics",
    input: settings::plugin::<Sqs>,
    read: settings::reader::<Sqs>,
    keeps_types: false,
    same: &[
        SQS_URL,
        "sqs.region",
        ENDPOINT,
        "sqs.max.messages",
        "sqs.wait.time.seconds",
    ],
    renamed: &[
        ("sqs.credentials.provider.accessKeyId", KEY_ID),
        ("sqs.credentials.provider.secretKey", SECRET),
    ],
    own: || {
        vec![
            Key::new(ATTRIBUTES, Kind::Boolean, "false")
                .importance(Importance::Low)
                .group(GROUP, 2, Width::Short, "Attributes")
                .doc("Whether attributes of a message become headers of its record."),
            Key::new(INCLUDED, Kind::List, "")
                .importance(Importance::Low)
                .group(GROUP, 3, Width::Long, "Attributes included")
                .doc("The attributes that become headers; all of them without a name here."),
            Key::null(PARTITION_KEY, Kind::String)
                .importance(Importance::Low)
                .group(GROUP, 4, Width::Medium, "Attribute for the key")
                .doc("The attribute that is the record's key, where the message has it and attributes are enabled; else the key is the message's id."),
        ]
    },
    refused: &[&[Refused {
        key: "sqs.credentials.provider.class",
        allowed: &NORDSTROM_CHAINS,
        why: CREDENTIALS,
    }]],
    derive: |_, _| None,
    shape: |properties| {
        if !is_true(properties, ATTRIBUTES) {
            return Shape::Sqs(SqsShape::nordstrom(SqsAttributes::None, None));
        }
        let included = list_items(given(properties, INCLUDED).unwrap_or_default());
        let included: Vec<String> = included.map(str::to_owned).collect();
        let attributes = match included.is_empty() {
            true => SqsAttributes::All,
            false => SqsAttributes::Named(included),
        };
        let key = given(properties, PARTITION_KEY).map(str::to_owned);
        Shape::Sqs(SqsShape::nordstrom(attributes, key))
    },
};

/// The settings of the queue that others have names of their own for.
pub(super) const SQS_URL: &str = "sqs.queue.url";
pub(super) const ENDPOINT: &str = "sqs.endpoint.url";
pub(super) const KEY_ID: &str = "aws.access.key.id";
pub(super) const SECRET: &str = "aws.secret.access.key";

const ATTRIBUTES: &str = "sqs.message.attributes.enabled";
const INCLUDED: &str = "sqs.message.attributes.include.list";
const PARTITION_KEY: &str = "sqs.message.attributes.partition.key";

const DEFAULT_CHAINS: [&str; 2] = [
    "com.amazonaws.auth.defaultawscredentialsproviderchain",
    "software.amazon.awssdk.auth.credentials.defaultcredentialsprovider",
];

const NORDSTROM_CHAINS: [&str; 3] = [
    DEFAULT_CHAINS[0],
    DEFAULT_CHAINS[1],
    "com.nordstrom.kafka.connect.auth.awsusercredentialsprovider",
];

const CREDENTIALS: &str = "providers of credentials are not loaded by class; remove it: credentials come from the environment, profiles (AWS_PROFILE, whose role_arn may name a role), web identity, the container or the instance, or from aws.access.key.id and aws.secret.access.key";

const PROXY: &str = "no proxy is used; remove it, and give the worker a way to SQS, for example an endpoint of its own network named by sqs.endpoint.url";
