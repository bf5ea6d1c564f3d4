//! `rabbitmq.…`: the keys of Confluent's and IBM's source connectors, and a few of our own.

use super::log::StreamConnector;
use super::{LONGEST_NAME, RabbitConnector, RabbitSettings};
use crate::address::{BrokerUrl, alternatives};
use crate::amqp::{AmqpConnector, AmqpSettings};
use crate::engine::HoldRules;
use crate::input::QueueConnector;
use crate::log::{LogSource, Reset};
use crate::net::{Endpoint, TlsFiles};
use crate::settings::{self, GROUP, InputKind, Traits};
use millstream_core::config::{
    ConfigValue, Importance, Key, Kind, Parsed, Password, Validator, Width,
};
use millstream_core::{Properties, config_def};
use std::sync::Arc;
use std::time::Duration;

const PROTOCOLS: [&str; 2] = ["amqp091", "amqp1"];
const SECURITY: [&str; 2] = ["PLAINTEXT", "SSL"];

config_def! {
    pub struct RabbitConfig {
        pub queue: Vec<String> = Key::required("rabbitmq.queue", Kind::List)
            .group(GROUP, 30, Width::Long, "Queue")
            .importance(Importance::High)
            .doc("The queue to read. It has to be there."),
        pub host: String = Key::new("rabbitmq.host", Kind::String, "localhost")
            .group(GROUP, 31, Width::Long, "Host")
            .importance(Importance::High)
            .doc(
                "The host of RabbitMQ, several of a cluster with commas between them, or URLs such as \
                 ``amqps://b-1.mq.us-east-1.amazonaws.com:5671``, whose user, password and virtual host go before the keys \
                 for these.",
            ),
        pub port: Option<i32> = Key::null("rabbitmq.port", Kind::Int)
            .group(GROUP, 32, Width::Short, "Port")
            .doc("The port of RabbitMQ: 5672, with TLS 5671, unless it is set."),
        pub username: String = Key::new("rabbitmq.username", Kind::String, "guest")
            .group(GROUP, 33, Width::Medium, "User")
            .importance(Importance::High)
            .doc("The user to sign in as."),
        pub password: Password = Key::new("rabbitmq.password", Kind::Password, "guest")
            .group(GROUP, 34, Width::Medium, "Password")
            .importance(Importance::High)
            .doc("The password to sign in with."),
        pub virtual_host: String = Key::new("rabbitmq.virtual.host", Kind::String, "/")
            .group(GROUP, 35, Width::Medium, "Virtual host")
            .importance(Importance::High)
            .doc("The virtual host that the queue is in."),
        pub security_protocol: String = Key::new("rabbitmq.security.protocol", Kind::String, "PLAINTEXT")
            .group(GROUP, 36, Width::Short, "Security protocol")
            .validator(Validator::OneOf(&SECURITY))
            .recommended(&SECURITY)
            .doc("SSL for TLS. A URL with ``amqps://`` says so by itself."),
        pub truststore: Option<String> = Key::null("rabbitmq.ssl.truststore.location", Kind::String)
            .group(GROUP, 37, Width::Long, "Truststore")
            .doc("A PEM file with the certificates of the authorities to trust; the system's without it."),
        pub keystore: Option<String> = Key::null("rabbitmq.ssl.keystore.location", Kind::String)
            .group(GROUP, 38, Width::Long, "Keystore")
            .doc("A PEM file with the client's certificate chain and private key, where RabbitMQ asks for one."),
        pub protocol: String = Key::new("rabbitmq.protocol", Kind::String, "amqp091")
            .group(GROUP, 39, Width::Short, "Protocol")
            .validator(Validator::OneOf(&PROTOCOLS))
            .recommended(&PROTOCOLS)
            .doc(
                "amqp1 reads the queue over AMQP 1.0, which RabbitMQ speaks from 4.0 on: for messages that were sent over \
                 it with properties that AMQP 0.9.1 cannot carry.",
            ),
        pub prefetch_count: i32 = Key::new("rabbitmq.prefetch.count", Kind::Int, "0")
            .group(GROUP, 40, Width::Short, "Prefetch count")
            .validator(Validator::Between(0, 65535))
            .doc(
                "How many messages may be unacknowledged at a time, whatever their size. With 0 as many as \
                 ``input.max.held.messages``, of which about 32 MiB may be on their way at a time: another consumer takes over \
                 where their size asks for more or less, so set it for a queue with a single active consumer.",
            ),
        pub prefetch_global: bool = Key::new("rabbitmq.prefetch.global", Kind::Boolean, "false")
            .group(GROUP, 41, Width::Short, "Global prefetch")
            .importance(Importance::Low)
            .doc("Acts as false: there is one consumer on each channel, and RabbitMQ 4.3 applies it to each anyway."),
        pub consumer_timeout: i64 = Key::new("rabbitmq.consumer.timeout.ms", Kind::Long, "1800000")
            .group(GROUP, 42, Width::Short, "Consumer timeout")
            .validator(Validator::AtLeast(1000))
            .doc("The ``consumer_timeout`` of RabbitMQ or of the queue, so that messages are held for less than that."),
        pub connection_timeout: i32 = Key::new("rabbitmq.connection.timeout.ms", Kind::Int, "60000")
            .group(GROUP, 43, Width::Short, "Connection timeout")
            .importance(Importance::Low)
            .validator(Validator::AtLeast(1))
            .doc("How long connecting and signing in may take."),
        pub heartbeat: i32 = Key::new("rabbitmq.requested.heartbeat.seconds", Kind::Int, "60")
            .group(GROUP, 44, Width::Short, "Heartbeat")
            .importance(Importance::Low)
            .validator(Validator::Between(0, 65535))
            .doc("How often either side says at the least that it is there; 0 turns it off."),
        pub stream_offset: Option<String> = Key::null(STREAM, Kind::String)
            .group(GROUP, 45, Width::Short, "Stream offset")
            .validator(Validator::Check(stream_start))
            .doc(
                "For a stream, which is read by its offsets and from which nothing is taken off: where reading begins if no offset is \
                 kept, first or an offset.",
            ),
        pub stream_reset: String = Key::new(STREAM_RESET, Kind::String, RESETS[0])
            .group(GROUP, 46, Width::Short, "Stream offset reset")
            .validator(Validator::OneOf(&RESETS))
            .recommended(&RESETS)
            .doc(
                "What happens where the offset to read on at is not in the stream any more, because messages have been deleted before they \
                 were read or the stream was made again. earliest: reading goes on at the first message that there is. none: the task \
                 fails.",
            ),
    }
}

/// The key that makes a queue a stream.
const STREAM: &str = "rabbitmq.stream.offset";

const STREAM_RESET: &str = "rabbitmq.stream.offset.reset";
const RESETS: [&str; 2] = ["earliest", "none"];

/// What to do where none is what happens.
const RESET_REMEDY: &str = "write rabbitmq.stream.offset.reset=earliest to read on at the first message that there is, or give the connector another name";

/// What stands for the first offset that there is.
const FIRST: &str = "first";

/// The offset to begin with; `None` if this is none.
fn start_of(text: &str) -> Option<i64> {
    match text.trim() {
        FIRST => Some(0),
        number => number.parse().ok().filter(|offset| *offset >= 0),
    }
}

fn stream_start(key: &str, value: Option<&Parsed>) -> Result<(), String> {
    match value {
        Some(Parsed::String(text)) if start_of(text).is_none() => Err(format!(
            "Invalid value {text} for configuration {key}: write {FIRST}, or an offset"
        )),
        _ => Ok(()),
    }
}

/// Settings for the protocol that was chosen, and what to warn of.
#[derive(Clone, Debug)]
pub struct RabbitChoice {
    pub reader: RabbitReader,
    /// The offset to begin with, and what happens where reading cannot go on, if it is a stream.
    pub stream: Option<(i64, Reset)>,
    pub warnings: Vec<String>,
}

#[derive(Clone, Debug)]
pub enum RabbitReader {
    Amqp091(RabbitSettings),
    Amqp1(AmqpSettings),
}

impl RabbitReader {
    /// What reads the queue; the error says which file of TLS cannot be used.
    ///
    /// `keeps_types`: whether its messages are to bring what they say of themselves in types.
    pub fn connector(self, keeps_types: bool) -> Result<Box<dyn QueueConnector>, String> {
        Ok(match self {
            RabbitReader::Amqp091(settings) => Box::new(RabbitConnector::new(RabbitSettings {
                keeps_types,
                ..settings
            })?),
            RabbitReader::Amqp1(settings) => Box::new(AmqpConnector::new(AmqpSettings {
                keeps_types,
                ..settings
            })?),
        })
    }
}

impl RabbitConfig {
    /// The settings, or everything that keeps them from being used: key and sentence.
    ///
    /// `name`: what the connection is called, for who looks at the broker.
    pub fn settings(&self, name: &str) -> Result<RabbitChoice, Vec<(&'static str, String)>> {
        let mut errors = Vec::new();
        let queue = match &*self.queue {
            [queue] if queue.len() <= LONGEST_NAME => queue.clone(),
            [_] => {
                let why = format!("a name has {LONGEST_NAME} bytes at the most");
                errors.push(("rabbitmq.queue", why));
                String::new()
            }
            _ => {
                let why = "one queue is read by one connector: give each queue its own".to_owned();
                errors.push(("rabbitmq.queue", why));
                String::new()
            }
        };
        let place = self.place(&mut errors);
        if place.endpoints.is_empty() && errors.iter().all(|(key, _)| *key != "rabbitmq.host") {
            errors.push(("rabbitmq.host", "no host is named".to_owned()));
        }
        if self.port.is_some_and(|port| !(1..=65535).contains(&port)) {
            let why = "a port is a number between 1 and 65535".to_owned();
            errors.push(("rabbitmq.port", why));
        }
        if place.virtual_host.len() > LONGEST_NAME {
            let why = format!("a name has {LONGEST_NAME} bytes at the most");
            errors.push(("rabbitmq.virtual.host", why));
        }
        let reset = if self.stream_reset == RESETS[1] {
            Reset::Fail {
                remedy: RESET_REMEDY,
            }
        } else {
            Reset::Earliest
        };
        let start = self.stream_offset.as_deref().and_then(start_of);
        let stream = start.map(|start| (start, reset));
        if stream.is_some() && self.protocol == PROTOCOLS[1] {
            let why = "a stream is read by AMQP 0.9.1; remove it, or rabbitmq.stream.offset";
            errors.push(("rabbitmq.protocol", why.to_owned()));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut warnings = Vec::new();
        if self.prefetch_global {
            warnings.push(
                "rabbitmq.prefetch.global=true acts as false: each task has one consumer on its channel, which rabbitmq.prefetch.count bounds"
                    .to_owned(),
            );
        }
        let millis = |millis: i64| Duration::from_millis(millis.unsigned_abs());
        let prefetch = u16::try_from(self.prefetch_count).ok();
        let path = |path: &Option<String>| {
            path.as_ref()
                .filter(|path| !path.is_empty())
                .map(Into::into)
        };
        let settings = RabbitSettings {
            endpoints: place.endpoints,
            tls: TlsFiles {
                authorities: path(&self.truststore),
                identity: path(&self.keystore),
            },
            username: place.username,
            password: place.password,
            virtual_host: place.virtual_host,
            queue,
            prefetch: prefetch.filter(|count| *count > 0),
            consumer_timeout: millis(self.consumer_timeout),
            connect_timeout: millis(self.connection_timeout.into()),
            heartbeat: Duration::from_secs(self.heartbeat.unsigned_abs().into()),
            keeps_types: false,
            connection_name: name.to_owned(),
        };
        let reader = match self.protocol.as_str() {
            "amqp1" => RabbitReader::Amqp1(settings.over_amqp1()),
            _ => RabbitReader::Amqp091(settings),
        };
        Ok(RabbitChoice {
            reader,
            stream,
            warnings,
        })
    }

    fn place(&self, errors: &mut Vec<(&'static str, String)>) -> Place {
        let is_tls = self.security_protocol == "SSL";
        let port = |is_tls| {
            let set = self.port.and_then(|port| u16::try_from(port).ok());
            set.unwrap_or(if is_tls { 5671 } else { 5672 })
        };
        let mut place = Place {
            endpoints: Vec::new(),
            username: self.username.clone(),
            password: self.password.clone(),
            virtual_host: self.virtual_host.clone(),
        };
        for item in alternatives(&self.host) {
            if !item.contains("://") {
                let host = item.to_owned();
                let port = port(is_tls);
                place.endpoints.push(Endpoint { host, port, is_tls });
                continue;
            }
            let url = match BrokerUrl::parse(item) {
                Ok(url) => url,
                Err(why) => {
                    errors.push(("rabbitmq.host", why));
                    continue;
                }
            };
            let is_tls = match url.scheme.as_str() {
                "amqp" => is_tls,
                "amqps" => true,
                other => {
                    let why =
                        format!("RabbitMQ is reached by amqp:// or amqps://, not by {other}://");
                    errors.push(("rabbitmq.host", why));
                    continue;
                }
            };
            place.endpoints.push(url.endpoint(is_tls, port(is_tls)));
            place.username = url.username.unwrap_or(place.username);
            place.password = url.password.unwrap_or(place.password);
            place.virtual_host = url.path.unwrap_or(place.virtual_host);
        }
        place
    }
}

/// RabbitMQ as an input.
pub(crate) struct RabbitMq;

/// Messages held where nobody sets a bound, which is what is prefetched.
const MAX_HELD: usize = 5_000;

const IDLE: Duration = Duration::from_secs(5);

/// AMQP does not tell of a queue what it is and where its dead letters go.
const DELIVERY_LIMIT_REMARK: &str = "if it is a quorum queue with a delivery limit (20 unless set, from RabbitMQ 4.0 on) and without a dead-letter exchange, RabbitMQ deletes a message that has come back so often; see its type, arguments and policy with rabbitmqctl list_queues name type arguments policy, and give it a dead-letter exchange, by x-dead-letter-exchange or a policy";

impl InputKind for RabbitMq {
    const NAME: &'static str = "rabbitmq";

    const DOUBLES: &'static str = "a message of RabbitMQ comes again after every connection that is lost between its write and its acknowledgement, and after the consumer timeout";

    fn keys() -> Vec<Key> {
        RabbitConfig::keys()
    }

    fn check(properties: &Properties, values: &mut [ConfigValue]) {
        let config = RabbitConfig::parse(properties).0;
        let errors = config.and_then(|config| config.settings("").err());
        settings::add_all(values, errors.unwrap_or_default());
    }

    fn traits(properties: &Properties) -> Option<Traits> {
        let choice = RabbitConfig::parse(properties).0?.settings("").ok()?;
        let (queue, longest_hold, prefetch) = match choice.reader {
            RabbitReader::Amqp091(settings) => {
                let prefetch = settings.prefetch.map(usize::from);
                (settings.queue, Some(settings.consumer_timeout), prefetch)
            }
            RabbitReader::Amqp1(settings) => (settings.queue, settings.longest_hold, None),
        };
        Some(Traits {
            queue,
            max_held: prefetch.unwrap_or(MAX_HELD),
            idle: IDLE,
            longest_hold,
            is_ordered: false,
        })
    }

    fn remarks(properties: &Properties) -> Vec<(&'static str, String)> {
        let config = RabbitConfig::parse(properties).0;
        let choice = config.and_then(|config| config.settings("").ok());
        let warnings = choice.map(|choice| choice.warnings).unwrap_or_default();
        let key = "rabbitmq.prefetch.global";
        let mut remarks: Vec<_> = warnings.into_iter().map(|why| (key, why)).collect();
        if !RabbitMq::is_log(properties) {
            remarks.push(("rabbitmq.queue", DELIVERY_LIMIT_REMARK.to_owned()));
        }
        remarks
    }

    fn is_log(properties: &Properties) -> bool {
        let offset = properties.get(STREAM);
        offset.is_some_and(|offset| !offset.trim().is_empty())
    }

    fn log(properties: &Properties, keeps_types: bool) -> Result<Option<LogSource>, String> {
        let choice = chosen(properties)?;
        let (Some((start, reset)), RabbitReader::Amqp091(settings)) =
            (choice.stream, choice.reader)
        else {
            return Ok(None);
        };
        let connector = RabbitConnector::new(RabbitSettings {
            keeps_types,
            ..settings
        })?;
        let connector = Arc::new(StreamConnector(connector));
        Ok(Some(LogSource {
            connector,
            start,
            reset,
        }))
    }

    fn connector(
        properties: &Properties,
        _: &HoldRules,
        keeps_types: bool,
    ) -> Result<Arc<dyn QueueConnector>, String> {
        let choice = chosen(properties)?;
        Ok(Arc::from(choice.reader.connector(keeps_types)?))
    }
}

/// What a task's settings come to.
fn chosen(properties: &Properties) -> Result<RabbitChoice, String> {
    let config = RabbitConfig::parse(properties).0;
    let config = config.ok_or("the settings of RabbitMQ are wrong")?;
    let name = settings::connection_name(properties);
    config.settings(&name).map_err(settings::first)
}

/// Where the queue is and who reads it.
struct Place {
    endpoints: Vec<Endpoint>,
    username: String,
    password: Password,
    virtual_host: String,
}

#[cfg(test)]
mod tests;
