//! Warnings of settings that a client was given and will not act on: names that no client has, names of librdkafka's,
//! and those of Java's clients that have no counterpart here and would change what happens. The caller warns.

use super::{ClientConfig, ConsumerConfig, FetchConfig};
use crate::producer::ProducerConfig;
use crate::security::{OAuthConfig, SecurityConfig};
use millstream_core::Properties;
use std::borrow::Cow;
use std::fmt;

/// Something to know about a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigWarning {
    pub key: String,
    /// Follows the key: "is librdkafka's name; write …".
    pub text: String,
}

impl fmt::Display for ConfigWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.text)
    }
}

/// Whose settings they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Consumer,
    Producer,
    Admin,
}

/// Settings of all of Java's clients (4.3) that ours are without; they tune, and do without harm.
const TUNING: &[&str] = &[
    "connections.max.idle.ms",
    "enable.metrics.push",
    "metadata.recovery.rebootstrap.trigger.ms",
    "metadata.recovery.strategy",
    "metrics.num.samples",
    "metrics.recording.level",
    "metrics.sample.window.ms",
    "receive.buffer.bytes",
    "send.buffer.bytes",
    "socket.connection.setup.timeout.max.ms",
];
const CONSUMER_TUNING: &[&str] = &[
    "auto.commit.interval.ms",
    "group.remote.assignor",
    "internal.throw.on.fetch.stable.offset.unsupported",
    "key.deserializer",
    "share.acknowledgement.mode",
    "share.acquire.mode",
    "value.deserializer",
];
const PRODUCER_TUNING: &[&str] = &[
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.zstd.level",
    "key.serializer",
    "metadata.max.idle.ms",
    "partitioner.adaptive.partitioning.enable",
    "partitioner.availability.timeout.ms",
    "retries",
    "transaction.two.phase.commit.enable",
    "value.serializer",
];
const ADMIN_TUNING: &[&str] = &["bootstrap.controllers", "retries"];

/// Java's settings without a counterpart here, of which a person would expect something. A name that ends with a dot
/// stands for all that begin so.
const WITHOUT_EFFECT: &[&str] = &[
    "client.dns.lookup",
    "config.providers",
    "exclude.internal.topics",
    "interceptor.classes",
    "metric.reporters",
    "partitioner.class",
    "partitioner.ignore.keys",
    "sasl.kerberos.",
    "sasl.login.",
    "sasl.oauthbearer.",
    "security.providers",
    "ssl.cipher.suites",
    "ssl.enabled.protocols",
    "ssl.engine.factory.class",
    "ssl.keymanager.algorithm",
    "ssl.protocol",
    "ssl.provider",
    "ssl.secure.random.implementation",
    "ssl.trustmanager.algorithm",
];

/// librdkafka's names with what Java's clients, and this one, call it.
const LIBRDKAFKA: &[(&str, &str)] = &[
    ("compression.codec", "compression.type"),
    (
        "enable.ssl.certificate.verification",
        "ssl.endpoint.identification.algorithm",
    ),
    ("fetch.message.max.bytes", "max.partition.fetch.bytes"),
    ("fetch.wait.max.ms", "fetch.max.wait.ms"),
    ("max.in.flight", "max.in.flight.requests.per.connection"),
    ("message.max.bytes", "max.request.size"),
    ("message.send.max.retries", "delivery.timeout.ms"),
    ("message.timeout.ms", "delivery.timeout.ms"),
    ("metadata.broker.list", "bootstrap.servers"),
    ("queue.buffering.max.kbytes", "buffer.memory"),
    ("queue.buffering.max.ms", "linger.ms"),
    ("request.required.acks", "acks"),
    ("sasl.mechanisms", "sasl.mechanism"),
    (
        "sasl.password",
        "sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username=\"…\" password=\"…\";",
    ),
    (
        "sasl.username",
        "sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username=\"…\" password=\"…\";",
    ),
    ("socket.timeout.ms", "request.timeout.ms"),
    ("ssl.ca.location", "ssl.truststore.location"),
    ("ssl.ca.pem", "ssl.truststore.certificates"),
    ("ssl.certificate.location", "ssl.keystore.location"),
    ("ssl.certificate.pem", "ssl.keystore.certificate.chain"),
    ("ssl.key.location", "ssl.keystore.location"),
    ("ssl.key.pem", "ssl.keystore.key"),
    ("topic.metadata.refresh.interval.ms", "metadata.max.age.ms"),
];

/// What is to be said of these settings, in their order.
pub fn warnings(properties: &Properties, role: Role) -> Vec<ConfigWarning> {
    let own = known(role);
    let mut warnings = Vec::new();
    for (key, value) in properties.entries() {
        let text = match of_key(key, &own) {
            None if key == "bootstrap.servers" && has_repeats(value.unwrap_or_default()) => {
                "names a broker twice; once is enough".to_owned()
            }
            None => continue,
            Some(text) => text,
        };
        warnings.push(ConfigWarning {
            key: key.to_owned(),
            text,
        });
    }
    warnings
}

fn of_key(key: &str, own: &[Cow<'static, str>]) -> Option<String> {
    if own.iter().any(|name| name == key) {
        return None;
    }
    if stands_in(WITHOUT_EFFECT, key) {
        return Some("is a setting of Java's clients that has no effect here".to_owned());
    }
    if let Some((_, javas)) = LIBRDKAFKA.iter().find(|(name, _)| *name == key) {
        return Some(format!("is librdkafka's name and ignored; write {javas}"));
    }
    let others = [
        (Role::Consumer, "consumers"),
        (Role::Producer, "producers"),
        (Role::Admin, "admin clients"),
    ];
    let is_of = |role: Role| known(role).iter().any(|name| name == key);
    if let Some((_, whose)) = others.iter().find(|(role, _)| is_of(*role)) {
        return Some(format!("is a setting of {whose} and ignored"));
    }
    let nearest = own.iter().map(|name| (distance(name, key), name)).min();
    Some(match nearest {
        Some((distance, name)) if distance <= (name.len() / 5).clamp(1, 3) => {
            format!("is unknown to Kafka's clients and ignored; did you mean {name}?")
        }
        Some(_) | None => "is unknown to Kafka's clients and ignored".to_owned(),
    })
}

/// The names that a client of this role takes, without those in `WITHOUT_EFFECT`.
fn known(role: Role) -> Vec<Cow<'static, str>> {
    let (own, tuning) = match role {
        Role::Consumer => {
            let own = [FetchConfig::keys(), ConsumerConfig::keys()];
            (own.concat(), CONSUMER_TUNING)
        }
        Role::Producer => (ProducerConfig::keys(), PRODUCER_TUNING),
        Role::Admin => (Vec::new(), ADMIN_TUNING),
    };
    let sign_in = [SecurityConfig::keys(), OAuthConfig::keys()].concat();
    [ClientConfig::keys(), sign_in, own]
        .into_iter()
        .flatten()
        .map(|key| key.name)
        .chain(TUNING.iter().chain(tuning).map(|name| Cow::Borrowed(*name)))
        .collect()
}

fn stands_in(names: &[&str], key: &str) -> bool {
    names
        .iter()
        .any(|name| *name == key || (name.ends_with('.') && key.starts_with(name)))
}

fn has_repeats(servers: &str) -> bool {
    let servers: Vec<&str> = servers.split(',').map(str::trim).collect();
    let mut rest = servers.as_slice();
    while let Some((first, others)) = rest.split_first() {
        if others.contains(first) {
            return true;
        }
        rest = others;
    }
    false
}

/// How many letters have to be put in, taken out or changed.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let changed = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(role: Role, keys: &[&str]) -> Vec<String> {
        let properties = Properties::from_iter(keys.iter().map(|key| (*key, "x")));
        warnings(&properties, role)
            .iter()
            .map(ConfigWarning::to_string)
            .collect()
    }

    #[test]
    fn report_c12_misspelt_keys_are_named() {
        let keys = ["max.poll.records", "fetch.min.bytes", "sasl.mechanism"];
        assert_eq!(said(Role::Consumer, &keys), [""; 0]);
        assert_eq!(
            said(Role::Consumer, &["max.pol.records", "foo", "linger.ms"]),
            [
                "max.pol.records is unknown to Kafka's clients and ignored; did you mean max.poll.records?",
                "foo is unknown to Kafka's clients and ignored",
                "linger.ms is a setting of producers and ignored",
            ]
        );
        assert_eq!(
            said(Role::Producer, &["max.requst.size", "acks"]),
            [
                "max.requst.size is unknown to Kafka's clients and ignored; did you mean max.request.size?"
            ]
        );
    }

    #[test]
    fn report_b12_names_of_librdkafka_come_with_those_of_java() {
        let keys = [
            "metadata.broker.list",
            "sasl.username",
            "interceptor.classes",
            "sasl.login.class",
        ];
        let said = said(Role::Consumer, &keys);
        assert!(said[0].ends_with("write bootstrap.servers"), "{said:?}");
        assert!(
            said[1].contains("write sasl.jaas.config=org.apache"),
            "{said:?}"
        );
        assert!(said[2].ends_with("has no effect here"), "{said:?}");
        assert!(said[3].ends_with("has no effect here"), "{said:?}");
        let properties = Properties::from_iter([("bootstrap.servers", "a:1, a:1")]);
        assert_eq!(warnings(&properties, Role::Admin).len(), 1);
    }

    /// Whatever Java's clients know is either taken or remarked on by its own sentence.
    #[test]
    fn the_tables_do_not_contradict_each_other() {
        for role in [Role::Consumer, Role::Producer, Role::Admin] {
            for name in known(role) {
                assert!(
                    LIBRDKAFKA.iter().all(|(theirs, _)| *theirs != name),
                    "{name}"
                );
            }
        }
        assert_eq!(distance("abc", "abc"), 0);
        assert_eq!(distance("max.pol.records", "max.poll.records"), 1);
        assert_eq!(distance("", "abc"), 3);
    }
}
