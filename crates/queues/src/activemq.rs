//! `activemq.…` and `jms.…`: the keys of Confluent's source connector, and a few of our own.

use crate::address::{BrokerUrl, alternatives};
use crate::amqp::{AmqpBroker, AmqpConnector, AmqpSettings};
use crate::engine::HoldRules;
use crate::input::QueueConnector;
use crate::net::{Endpoint, TlsFiles};
use crate::settings::{self, GROUP, InputKind, Traits};
use crate::stomp::{EmptyBody, StompConnector, StompSettings};
use millstream_core::config::{ConfigValue, Importance, Key, Kind, Password, Validator, Width};
use millstream_core::{Properties, config_def};
use std::sync::Arc;
use std::time::Duration;

const PROTOCOLS: [&str; 2] = ["amqp", "stomp"];
const TYPES: [&str; 2] = ["queue", "topic"];
const EMPTY_BODIES: [&str; 3] = ["fail", "null", "dead-letter"];

const URL: &str = "activemq.url";

config_def! {
    pub struct ActiveMqConfig {
        pub url: String = Key::required("activemq.url", Kind::String)
            .group(GROUP, 50, Width::Long, "Broker URL")
            .importance(Importance::High)
            .doc(
                "The broker: ``amqp+ssl://``, ``amqp://``, ``stomp+ssl://`` or ``stomp://`` with host and port, several with \
                 commas between them or in ``failover:(…)``. The usual addresses of OpenWire, ``ssl://…:61617`` and \
                 ``tcp://…:61616``, stand for those of the protocol at the same host.",
            ),
        pub username: String = Key::new("activemq.username", Kind::String, "")
            .group(GROUP, 51, Width::Medium, "User")
            .importance(Importance::High)
            .doc("The user to sign in as; without one nobody signs in."),
        pub password: Option<Password> = Key::null("activemq.password", Kind::Password)
            .group(GROUP, 52, Width::Medium, "Password")
            .importance(Importance::High)
            .doc("The password to sign in with."),
        pub destination: String = Key::required("jms.destination.name", Kind::String)
            .group(GROUP, 53, Width::Medium, "Destination")
            .importance(Importance::High)
            .validator(Validator::NonEmpty)
            .doc("The queue to read."),
        pub destination_type: String = Key::new("jms.destination.type", Kind::String, "queue")
            .group(GROUP, 54, Width::Short, "Destination type")
            .importance(Importance::High)
            .validator(Validator::OneOf(&TYPES))
            .recommended(&TYPES[..1])
            .doc("A queue. A topic keeps nothing for who is away, so it is refused."),
        pub selector: String = Key::new("jms.message.selector", Kind::String, "")
            .group(GROUP, 55, Width::Long, "Selector")
            .importance(Importance::High)
            .doc("Only messages that this selector of JMS finds are read."),
        pub protocol: Option<String> = Key::null("activemq.protocol", Kind::String)
            .group(GROUP, 56, Width::Short, "Protocol")
            .recommended(&PROTOCOLS)
            .doc(
                "amqp, unless the URL says otherwise: types of messages, ids, groups and any number of messages held. stomp \
                 for text and bytes that come faster than about a thousand a second; Classic holds two hundred at a time.",
            ),
        pub empty_body: String = Key::new("input.stomp.empty.body", Kind::String, "fail")
            .group(GROUP, 57, Width::Short, "Empty body")
            .validator(Validator::OneOf(&EMPTY_BODIES))
            .recommended(&EMPTY_BODIES)
            .doc(
                "What a message without a body is over STOMP, which an empty text is like a map, stream or object message: \
                 fail ends the task, null makes it a null value, dead-letter has ActiveMQ Classic put it among its own dead \
                 letters, with all that is in it.",
            ),
        pub truststore: Option<String> = Key::null("activemq.ssl.truststore.location", Kind::String)
            .group(GROUP, 58, Width::Long, "Truststore")
            .doc("A PEM file with the certificates of the authorities to trust; the system's without it."),
        pub keystore: Option<String> = Key::null("activemq.ssl.keystore.location", Kind::String)
            .group(GROUP, 59, Width::Long, "Keystore")
            .doc("A PEM file with the client's certificate chain and private key, where the broker asks for one."),
        pub connection_timeout: i32 = Key::new("activemq.connection.timeout.ms", Kind::Int, "60000")
            .group(GROUP, 60, Width::Short, "Connection timeout")
            .importance(Importance::Low)
            .validator(Validator::AtLeast(1))
            .doc("How long connecting and signing in may take."),
        pub acknowledge_mode: String = Key::new("jms.session.acknowledge.mode", Kind::String, "client")
            .group(GROUP, 61, Width::Short, "Acknowledge mode")
            .importance(Importance::Low)
            .doc("Only client: a message is acknowledged when what is made of it is durable."),
    }
}

/// Settings for the protocol that was chosen.
#[derive(Clone, Debug)]
pub enum ActiveMqChoice {
    Amqp(AmqpSettings),
    Stomp(StompSettings),
}

impl ActiveMqChoice {
    /// What reads the queue; the error says which file of TLS cannot be used.
    ///
    /// `keeps_types`: whether its messages are to bring what they say of themselves in types.
    pub fn connector(self, keeps_types: bool) -> Result<Box<dyn QueueConnector>, String> {
        Ok(match self {
            ActiveMqChoice::Amqp(settings) => Box::new(AmqpConnector::new(AmqpSettings {
                keeps_types,
                ..settings
            })?),
            ActiveMqChoice::Stomp(settings) => Box::new(StompConnector::new(StompSettings {
                keeps_types,
                ..settings
            })?),
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Amqp,
    Stomp,
}

impl Protocol {
    fn name(self) -> &'static str {
        match self {
            Protocol::Amqp => "amqp",
            Protocol::Stomp => "stomp",
        }
    }

    fn port(self, is_tls: bool) -> u16 {
        match (self, is_tls) {
            (Protocol::Amqp, false) => 5672,
            (Protocol::Amqp, true) => 5671,
            (Protocol::Stomp, false) => 61613,
            (Protocol::Stomp, true) => 61614,
        }
    }
}

/// What a URL's scheme says: the protocol, if it is one that is read by, and whether it is over TLS.
pub(crate) enum Scheme {
    Read(Protocol, bool),
    OpenWire(bool),
}

impl Scheme {
    pub(crate) fn of(scheme: &str) -> Result<Self, String> {
        // `nio` is how the broker waits, `auto` that it finds the protocol out by itself.
        let bare = scheme.replace("+nio", "").replace("nio+", "");
        Ok(match bare.as_str() {
            "amqp" => Scheme::Read(Protocol::Amqp, false),
            "amqps" | "amqp+ssl" => Scheme::Read(Protocol::Amqp, true),
            "stomp" => Scheme::Read(Protocol::Stomp, false),
            "stomps" | "stomp+ssl" => Scheme::Read(Protocol::Stomp, true),
            "tcp" | "nio" | "openwire" | "auto" => Scheme::OpenWire(false),
            "ssl" | "openwire+ssl" | "auto+ssl" => Scheme::OpenWire(true),
            _ => {
                return Err(format!(
                    "{scheme}:// is not read; write amqp+ssl://HOST:5671 or amqp://HOST:5672, stomp+ssl://HOST:61614 or stomp://HOST:61613"
                ));
            }
        })
    }
}

impl ActiveMqConfig {
    /// The settings, or everything that keeps them from being used: key and sentence.
    ///
    /// `name`: what the connection is called, for who looks at the broker.
    pub fn settings(&self, name: &str) -> Result<ActiveMqChoice, Vec<(&'static str, String)>> {
        let mut errors = Vec::new();
        if self.destination_type == "topic" {
            let why = format!(
                "a topic keeps nothing for who is away; have the broker copy it to a queue and name that, on Classic Consumer.millstream.{0} of the virtual topic {0}",
                self.destination
            );
            errors.push(("jms.destination.type", why));
        }
        if self.acknowledge_mode != "client" {
            let why = "only client: everything else acknowledges before what is made of a message is durable";
            errors.push(("jms.session.acknowledge.mode", why.to_owned()));
        }
        let asked = match self.protocol.as_deref() {
            None => None,
            Some("amqp") => Some(Protocol::Amqp),
            Some("stomp") => Some(Protocol::Stomp),
            Some(other) => {
                let why = format!("{other} is not read; it is amqp or stomp");
                errors.push(("activemq.protocol", why));
                None
            }
        };
        let (protocol, place) = self.place(asked, &mut errors);
        if place.endpoints.is_empty() && errors.iter().all(|(key, _)| *key != URL) {
            errors.push((URL, "no broker is named".to_owned()));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let path = |path: &Option<String>| {
            path.as_ref()
                .filter(|path| !path.is_empty())
                .map(Into::into)
        };
        let tls = TlsFiles {
            authorities: path(&self.truststore),
            identity: path(&self.keystore),
        };
        let connect_timeout = Duration::from_millis(self.connection_timeout.unsigned_abs().into());
        let heartbeat = Duration::from_secs(30);
        let selector = Some(self.selector.clone()).filter(|selector| !selector.is_empty());
        let Place {
            endpoints,
            username,
            password,
        } = place;
        let queue = self.destination.clone();
        Ok(match protocol {
            Protocol::Amqp => ActiveMqChoice::Amqp(AmqpSettings {
                broker: AmqpBroker::ActiveMq,
                endpoints,
                tls,
                username,
                password,
                virtual_host: None,
                queue,
                selector,
                connect_timeout,
                idle_timeout: heartbeat,
                longest_hold: None,
                delivery_limit: None,
                reconnect_pause: None,
                keeps_types: false,
                connection_name: name.to_owned(),
            }),
            Protocol::Stomp => ActiveMqChoice::Stomp(StompSettings {
                endpoints,
                tls,
                username,
                password,
                queue,
                selector,
                empty_body: match self.empty_body.as_str() {
                    "null" => EmptyBody::Null,
                    "dead-letter" => EmptyBody::DeadLetter,
                    _ => EmptyBody::Fail,
                },
                connect_timeout,
                heartbeat,
                keeps_types: false,
            }),
        })
    }

    fn place(
        &self,
        asked: Option<Protocol>,
        errors: &mut Vec<(&'static str, String)>,
    ) -> (Protocol, Place) {
        let mut place = Place {
            endpoints: Vec::new(),
            username: self.username.clone(),
            password: self.password.clone().unwrap_or_else(|| Password::new("")),
        };
        let urls: Vec<_> = alternatives(&self.url)
            .into_iter()
            .filter_map(|text| {
                let parsed = BrokerUrl::parse(text)
                    .and_then(|url| Scheme::of(&url.scheme).map(|scheme| (url, scheme)));
                parsed.map_err(|why| errors.push((URL, why))).ok()
            })
            .collect();
        let said = urls.iter().find_map(|(_, scheme)| match scheme {
            Scheme::Read(protocol, _) => Some(*protocol),
            Scheme::OpenWire(_) => None,
        });
        let protocol = asked.or(said).unwrap_or(Protocol::Amqp);
        for (url, scheme) in urls {
            let host = &url.host;
            let (is_tls, port) = match scheme {
                Scheme::Read(other, _) if other != protocol => {
                    let (other, name) = (other.name(), protocol.name());
                    let why = format!(
                        "{other}://{host} is not of the protocol that is read by, which is {name}"
                    );
                    errors.push((URL, why));
                    continue;
                }
                Scheme::Read(_, is_tls) => (is_tls, url.port),
                Scheme::OpenWire(is_tls) => {
                    let usual = if is_tls { 61617 } else { 61616 };
                    if url.port.is_some_and(|port| port != usual) {
                        let (name, suffix) = (protocol.name(), if is_tls { "+ssl" } else { "" });
                        let why = format!(
                            "OpenWire, which tcp:// and ssl:// mean, is not read; write {name}{suffix}://{host} with the port of the broker's {name} connector, which usually is {}",
                            protocol.port(is_tls)
                        );
                        errors.push((URL, why));
                        continue;
                    }
                    (is_tls, None)
                }
            };
            let host = host.clone();
            let port = port.unwrap_or(protocol.port(is_tls));
            place.endpoints.push(Endpoint { host, port, is_tls });
            place.username = url.username.unwrap_or(place.username);
            place.password = url.password.unwrap_or(place.password);
        }
        (protocol, place)
    }
}

/// ActiveMQ Classic and Artemis as an input.
pub(crate) struct ActiveMq;

/// Messages held where nobody sets a bound: they stay in the memory of a Classic broker, which is small.
const MAX_HELD: usize = 2_000;

/// Classic hands out one page over STOMP until some are acknowledged.
const MAX_HELD_STOMP: usize = 200;

const IDLE: Duration = Duration::from_secs(5);

impl InputKind for ActiveMq {
    const NAME: &'static str = "activemq";

    const DOUBLES: &'static str = "a message of ActiveMQ comes again after every connection that is lost between its write and its acknowledgement, and over STOMP after a crash of the broker";

    fn keys() -> Vec<Key> {
        ActiveMqConfig::keys()
    }

    fn check(properties: &Properties, values: &mut [ConfigValue]) {
        let config = ActiveMqConfig::parse(properties).0;
        let errors = config.and_then(|config| config.settings("").err());
        settings::add_all(values, errors.unwrap_or_default());
    }

    fn traits(properties: &Properties) -> Option<Traits> {
        let choice = ActiveMqConfig::parse(properties).0?.settings("").ok()?;
        let (queue, max_held) = match choice {
            ActiveMqChoice::Amqp(settings) => (settings.queue, MAX_HELD),
            ActiveMqChoice::Stomp(settings) => (settings.queue, MAX_HELD_STOMP),
        };
        Some(Traits {
            queue,
            max_held,
            idle: IDLE,
            longest_hold: None,
            is_ordered: false,
        })
    }

    fn connector(
        properties: &Properties,
        _: &HoldRules,
        keeps_types: bool,
    ) -> Result<Arc<dyn QueueConnector>, String> {
        let config = ActiveMqConfig::parse(properties).0;
        let config = config.ok_or("the settings of ActiveMQ are wrong")?;
        let name = settings::connection_name(properties);
        let choice = config.settings(&name).map_err(settings::first)?;
        Ok(Arc::from(choice.connector(keeps_types)?))
    }
}

/// Where the queue is and who reads it.
struct Place {
    endpoints: Vec<Endpoint>,
    username: String,
    password: Password,
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_core::Properties;

    fn choose(
        url: &str,
        more: &[(&str, &str)],
    ) -> Result<ActiveMqChoice, Vec<(&'static str, String)>> {
        let mut properties =
            Properties::from_iter([("activemq.url", url), ("jms.destination.name", "orders")]);
        for (key, value) in more {
            properties.insert(*key, *value);
        }
        let (config, values) = ActiveMqConfig::parse(&properties);
        let config = config.unwrap_or_else(|| panic!("{values:?}"));
        config.settings("archive-0")
    }

    fn places(choice: &ActiveMqChoice) -> (&'static str, Vec<String>) {
        let (name, endpoints) = match choice {
            ActiveMqChoice::Amqp(settings) => ("amqp", &settings.endpoints),
            ActiveMqChoice::Stomp(settings) => ("stomp", &settings.endpoints),
        };
        let shown = endpoints.iter().map(|endpoint| {
            let tls = if endpoint.is_tls { " tls" } else { "" };
            format!("{}:{}{tls}", endpoint.host, endpoint.port)
        });
        (name, shown.collect())
    }

    #[test]
    fn urls_of_a_managed_broker_are_understood() {
        let cases = [
            (
                "amqp+ssl://b-1.mq.example:5671",
                "amqp",
                vec!["b-1.mq.example:5671 tls"],
            ),
            (
                "failover:(ssl://b-1:61617,ssl://b-2:61617)",
                "amqp",
                vec!["b-1:5671 tls", "b-2:5671 tls"],
            ),
            ("tcp://h", "amqp", vec!["h:5672"]),
            ("stomp+nio+ssl://h:61614", "stomp", vec!["h:61614 tls"]),
            ("nio+ssl://h:61617", "amqp", vec!["h:5671 tls"]),
            ("amqp://h:5673", "amqp", vec!["h:5673"]),
        ];
        for (url, protocol, endpoints) in cases {
            let choice = choose(url, &[]).unwrap();
            let expected = endpoints.into_iter().map(ToOwned::to_owned).collect();
            assert_eq!(places(&choice), (protocol, expected), "{url}");
        }
        let choice = choose("ssl://h:61617", &[("activemq.protocol", "stomp")]).unwrap();
        assert_eq!(places(&choice), ("stomp", vec!["h:61614 tls".to_owned()]));
    }

    #[test]
    fn what_cannot_be_read_says_what_to_write() {
        let said = |url, more: &[_]| choose(url, more).unwrap_err().remove(0);
        let (key, why) = said("tcp://h:7000", &[]);
        assert!(
            key == URL && why.contains("write amqp://h with the port"),
            "{why}"
        );
        let (_, why) = said("ssl://h:1", &[("activemq.protocol", "stomp")]);
        assert!(
            why.contains("stomp+ssl://h") && why.ends_with("61614"),
            "{why}"
        );
        let (_, why) = said("vm://broker", &[]);
        assert!(why.contains("amqp+ssl://HOST:5671"), "{why}");
        let (_, why) = said("stomp://h,amqp://h", &[]);
        assert!(why.contains("which is stomp"), "{why}");
        let (key, why) = said("tcp://h", &[("jms.destination.type", "topic")]);
        assert!(
            key == "jms.destination.type" && why.contains("Consumer.millstream.orders"),
            "{why}"
        );
        let (key, _) = said("tcp://h", &[("activemq.protocol", "openwire")]);
        assert_eq!(key, "activemq.protocol");
    }

    #[test]
    fn tells_every_error_at_once() {
        let more = [
            ("jms.destination.type", "topic"),
            ("jms.session.acknowledge.mode", "auto"),
            ("activemq.protocol", "mqtt"),
        ];
        let errors = choose("h,ws://h", &more).unwrap_err();
        let keys: Vec<_> = errors.iter().map(|(key, _)| *key).collect();
        let expected = [
            "jms.destination.type",
            "jms.session.acknowledge.mode",
            "activemq.protocol",
            URL,
            URL,
        ];
        assert_eq!(keys, expected, "{errors:?}");
    }
}
