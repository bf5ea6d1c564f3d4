//! Camel's connector for SQS, and what is refused for all of Camel's.

use super::sqs::{ENDPOINT, KEY_ID, SECRET, SQS_URL};
use super::{Class, GROUP, Refused, given, is_true};
use crate::settings;
use crate::sources::shape::{Shape, SqsShape};
use crate::sqs::Sqs;
use millstream_core::Properties;
use millstream_core::config::{Importance, Key, Kind, Validator, Width};

pub(super) const CAMEL_SQS: Class = Class {
    name: "org.apache.camel.kafkaconnector.awssqssource.CamelAwssqssourceSourceConnector",
    version: "4.8.5",
    topic: "topics",
    input: settings::plugin::<Sqs>,
    read: settings::reader::<Sqs>,
    keeps_types: false,
    same: &[],
    renamed: &[
        (CAMEL_URL, SQS_URL),
        ("camel.kamelet.aws-sqs-source.region", "sqs.region"),
        ("camel.kamelet.aws-sqs-source.accessKey", KEY_ID),
        ("camel.kamelet.aws-sqs-source.secretKey", SECRET),
        (
            "camel.kamelet.aws-sqs-source.maxMessagesPerPoll",
            "sqs.messages.max",
        ),
        (
            "camel.kamelet.aws-sqs-source.waitTimeSeconds",
            "sqs.waittime.seconds",
        ),
    ],
    own: || {
        vec![
            Key::null(CAMEL_QUEUE, Kind::String)
                .importance(Importance::High)
                .group(GROUP, 2, Width::Long, "Queue")
                .validator(Validator::NonEmpty)
                .doc("The ARN of the queue; a name alone is not enough, see ``camel.kamelet.aws-sqs-source.queueURL``."),
            message_key(3),
            map_headers(4),
        ]
    },
    refused: &[
        &[
            Refused {
                key: "camel.kamelet.aws-sqs-source.deleteAfterRead",
                allowed: &["true"],
                why: "messages that stay in their queue come again and again; remove it, or write true: a message is deleted once Kafka has acknowledged its record",
            },
            Refused {
                key: "camel.kamelet.aws-sqs-source.autoCreateQueue",
                allowed: &["false"],
                why: "queues are not created; create it, and remove this key",
            },
            Refused {
                key: "camel.kamelet.aws-sqs-source.amazonAWSHost",
                allowed: &["amazonaws.com"],
                why: "hosts are not put together; write the whole address for camel.kamelet.aws-sqs-source.queueURL",
            },
            Refused {
                key: "camel.kamelet.aws-sqs-source.protocol",
                allowed: &["https"],
                why: "addresses are not put together; write the whole address for camel.kamelet.aws-sqs-source.queueURL",
            },
            Refused {
                key: "camel.kamelet.aws-sqs-source.visibilityTimeout",
                allowed: &[],
                why: "messages are kept invisible for as long as they are held; remove it, and write half of it for input.max.hold.ms to have those of a killed worker back sooner",
            },
            Refused {
                key: "camel.kamelet.aws-sqs-source.useProfileCredentialsProvider",
                allowed: &["false"],
                why: "name the profile in the worker's environment, AWS_PROFILE",
            },
            Refused {
                key: "camel.kamelet.aws-sqs-source.useSessionCredentials",
                allowed: &["false"],
                why: SESSION,
            },
            Refused {
                key: "camel.kamelet.aws-sqs-source.sessionToken",
                allowed: &[],
                why: SESSION,
            },
        ],
        &COMMON,
    ],
    derive: camel_queue,
    shape: |properties| {
        let (has_headers, key) = headers_and_key(properties);
        Shape::Sqs(SqsShape::camel(has_headers, key))
    },
};

/// Refused for every kamelet.
pub(super) const COMMON: [Refused; 6] = [
    Refused {
        key: "camel.source.unmarshal",
        allowed: &[],
        why: CAMEL_STEP,
    },
    Refused {
        key: "camel.source.marshal",
        allowed: &[],
        why: CAMEL_STEP,
    },
    Refused {
        key: "camel.source.url",
        allowed: &[],
        why: "the queue is named by the keys of the kamelet, camel.kamelet.…; remove it",
    },
    Refused {
        key: "camel.beans.aggregate",
        allowed: &[],
        why: "each message is a record of its own; remove it",
    },
    Refused {
        key: "camel.idempotency.enabled",
        allowed: &["false"],
        why: "doubles are not looked for; remove it, and tell them by the message's id",
    },
    Refused {
        key: "camel.remove.headers.pattern",
        allowed: &[],
        why: "headers are not chosen by a pattern; use the transform DropHeaders",
    },
];

const CAMEL_QUEUE: &str = "camel.kamelet.aws-sqs-source.queueNameOrArn";
const CAMEL_URL: &str = "camel.kamelet.aws-sqs-source.queueURL";
const CAMEL_KEY: &str = "camel.source.camelMessageHeaderKey";
const CAMEL_HEADERS: &str = "camel.map.headers";

const SESSION: &str = "session credentials end, and are not taken from a connector; remove it: those of the environment, a profile, web identity, the container or the instance are renewed";

const CAMEL_STEP: &str =
    "data formats of Camel are not there; remove it, and use a converter or a transform";

/// The key that says which header is the key, at this place of its group.
pub(super) fn message_key(place: i32) -> Key {
    Key::null(CAMEL_KEY, Kind::String)
        .importance(Importance::Medium)
        .group(GROUP, place, Width::Medium, "Header for the key")
        .doc("The header, without ``CamelHeader.``, whose value is the record's key; without one the key is null.")
}

/// The key that says whether there are headers, at this place of its group.
pub(super) fn map_headers(place: i32) -> Key {
    Key::new(CAMEL_HEADERS, Kind::Boolean, "true")
        .importance(Importance::Medium)
        .group(GROUP, place, Width::Short, "Headers")
        .doc("Whether what the message says of itself, and its attributes or properties, become headers.")
}

/// Whether there are headers, and which is the key.
pub(super) fn headers_and_key(properties: &Properties) -> (bool, Option<String>) {
    let wanted = given(properties, CAMEL_HEADERS);
    let has_headers = wanted.is_none_or(|text| text.eq_ignore_ascii_case("true"));
    (has_headers, given(properties, CAMEL_KEY).map(str::to_owned))
}

/// The URL that an ARN stands for, and an endpoint that is set in two keys.
fn camel_queue(properties: &Properties, input: &mut Properties) -> Option<(&'static str, String)> {
    if is_true(properties, "camel.kamelet.aws-sqs-source.overrideEndpoint")
        && let Some(url) = given(
            properties,
            "camel.kamelet.aws-sqs-source.uriEndpointOverride",
        )
    {
        input.insert(ENDPOINT, url);
    }
    if given(properties, CAMEL_URL).is_some() {
        return None;
    }
    let queue = given(properties, CAMEL_QUEUE).unwrap_or_default();
    let parts: Vec<&str> = queue.split(':').collect();
    let [_, partition, "sqs", region, account, name] = &*parts else {
        let why = format!(
            "{CAMEL_QUEUE}: {} tells no account and region; write arn:aws:sqs:REGION:ACCOUNT:NAME, or the queue's URL for {CAMEL_URL}",
            if queue.is_empty() { "no queue" } else { queue }
        );
        return Some((CAMEL_QUEUE, why));
    };
    let domain = match *partition {
        "aws-cn" => "amazonaws.com.cn",
        _ => "amazonaws.com",
    };
    input.insert(
        SQS_URL,
        format!("https://sqs.{region}.{domain}/{account}/{name}"),
    );
    None
}
