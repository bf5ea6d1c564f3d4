//! AMQP 1.0: ActiveMQ Classic, Artemis and RabbitMQ 4. One connection, one session, one link, with credit that we grant
//! ourselves: the library's own would hold up to half as much again.

mod details;
mod encoding;
mod link;
mod message;
mod sections;
mod tap;
#[cfg(test)]
mod tests;
mod transfers;
mod value;

use crate::input::{Connected, Gathering, InputError, InputErrorKind, QueueConnector, QueueFacts};
use crate::net::{self, Endpoint, Stream, Tls, TlsFiles};
use async_trait::async_trait;
use fe2o3_amqp::connection::{ConnectionHandle, OpenError};
use fe2o3_amqp::link::{ReceiverAttachError, receiver::CreditMode};
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::types::messaging::Source;
use fe2o3_amqp::types::primitives::Symbol;
use fe2o3_amqp::{Connection, Receiver, Session};
use link::{AmqpInput, LARGEST_CREDIT};
use message::Reading;
use millstream_core::config::Password;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::sync::Arc;
use std::time::Duration;
use tap::{TakenBack, Tap};
use tokio::time::timeout;
use transfers::Contents;

pub(crate) use message::BODY_TYPE;
pub(crate) use value::encoded;

/// Selectors of JMS, in the words of its brokers.
const SELECTOR: &str = "apache.org:selector-filter:string";

/// How a broker names a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AmqpBroker {
    /// ActiveMQ Classic and Artemis: the name itself, and the word that it is a queue.
    ActiveMq,
    /// RabbitMQ 4: a path.
    RabbitMq,
}

/// What the program needs to know to read one queue.
#[derive(Clone, Debug)]
pub struct AmqpSettings {
    pub broker: AmqpBroker,
    /// Tried in this order; one at least.
    pub endpoints: Vec<Endpoint>,
    pub tls: TlsFiles,
    pub username: String,
    pub password: Password,
    /// RabbitMQ's; others have none.
    pub virtual_host: Option<String>,
    pub queue: String,
    pub selector: Option<String>,
    /// For each of connecting, signing in and attaching.
    pub connect_timeout: Duration,
    /// How often the broker says at the least that it is there.
    pub idle_timeout: Duration,
    /// How long messages can be held, where the broker takes them back.
    pub longest_hold: Option<Duration>,
    pub delivery_limit: Option<u32>,
    pub reconnect_pause: Option<Duration>,
    /// Whether messages are to bring what they say of themselves in types (`Message::details`).
    pub keeps_types: bool,
    /// The beginning of the container's id.
    pub connection_name: String,
}

/// Opens connections to a queue.
pub struct AmqpConnector {
    settings: AmqpSettings,
    tls: Tls,
}

impl AmqpConnector {
    /// Reads the files that TLS needs; the error says which cannot be used.
    pub fn new(settings: AmqpSettings) -> Result<Self, String> {
        let tls = Tls::new(&settings.tls, &settings.endpoints)?;
        Ok(AmqpConnector { settings, tls })
    }

    async fn open(&self) -> Result<AmqpInput, InputError> {
        let none = self.error(InputErrorKind::Transient, "no broker is named");
        net::first_of(&self.settings.endpoints, none, |endpoint| {
            self.open_at(endpoint)
        })
        .await
    }

    async fn open_at(&self, endpoint: &Endpoint) -> Result<AmqpInput, InputError> {
        let Endpoint { host, port, .. } = endpoint;
        let within = self.settings.connect_timeout;
        let stream = net::open(endpoint, &self.tls, within).await;
        let stream = stream.map_err(|error| {
            let what = format!("the broker at {host}:{port} cannot be reached: {error}");
            self.error(InputErrorKind::Transient, &what)
                .with_source(error)
        })?;
        self.open_over(stream, endpoint).await
    }

    /// Over a connection that has been made.
    async fn open_over(
        &self,
        stream: Stream,
        endpoint: &Endpoint,
    ) -> Result<AmqpInput, InputError> {
        let Endpoint { host, port, .. } = endpoint;
        let within = self.settings.connect_timeout;
        let late = || {
            self.error(
                InputErrorKind::Transient,
                "the broker did not answer in time",
            )
        };
        let taken_back = Arc::new(TakenBack::default());
        let (contents, received) = Contents::new(LARGEST_CREDIT);
        let tap = Tap::new(stream, Arc::clone(&taken_back), contents);
        let opened = timeout(within, self.sign_in(host, tap)).await;
        let mut connection = opened.map_err(|_| late())?.map_err(|error| {
            let kind = match &error {
                OpenError::SaslError { .. } => InputErrorKind::Fatal,
                _ => InputErrorKind::Transient,
            };
            let what = format!("{host}:{port} refuses us: {error}");
            self.error(kind, &what).with_source(error)
        })?;
        let begun = timeout(within, Session::begin(&mut connection)).await;
        let mut session = begun.map_err(|_| late())?.map_err(|error| {
            let what = format!("{host}:{port} begins no session: {error}");
            self.error(InputErrorKind::Transient, &what)
                .with_source(error)
        })?;
        let attached = timeout(within, self.attach(&mut session)).await;
        let receiver = attached.map_err(|_| late())?.map_err(|error| {
            let what = format!("{host}:{port} refuses to be read: {error:?}");
            self.error(InputErrorKind::Transient, &what)
                .with_source(error)
        })?;
        Ok(AmqpInput::new(
            &self.settings.queue,
            Reading {
                tells_first: self.settings.broker == AmqpBroker::RabbitMq,
                keeps_types: self.settings.keeps_types,
            },
            connection,
            session,
            receiver,
            taken_back,
            received,
        ))
    }

    async fn sign_in(&self, host: &str, stream: Tap) -> Result<ConnectionHandle<()>, OpenError> {
        let settings = &self.settings;
        // A broker takes one live connection of a container, and may not have noticed the end of the last one.
        let container = format!(
            "{}-{:016x}",
            settings.connection_name,
            rand::random::<u64>()
        );
        let virtual_host = settings.virtual_host.as_ref().filter(|name| *name != "/");
        let hostname = virtual_host.map_or_else(|| host.to_owned(), |name| format!("vhost:{name}"));
        let idle = u32::try_from(settings.idle_timeout.as_millis()).unwrap_or(u32::MAX);
        let profile = if settings.username.is_empty() {
            SaslProfile::Anonymous
        } else {
            SaslProfile::Plain {
                username: settings.username.clone(),
                password: settings.password.reveal().to_owned(),
            }
        };
        Connection::builder()
            .container_id(container)
            .hostname(hostname.as_str())
            .scheme("amqp")
            .idle_time_out(idle)
            .sasl_profile(profile)
            .open_with_stream(stream)
            .await
    }

    async fn attach(
        &self,
        session: &mut SessionHandle<()>,
    ) -> Result<Receiver, ReceiverAttachError> {
        let settings = &self.settings;
        let mut source = match settings.broker {
            AmqpBroker::ActiveMq => Source::builder()
                .address(settings.queue.as_str())
                .capabilities(vec![Symbol::from("queue")]),
            AmqpBroker::RabbitMq => {
                let name = utf8_percent_encode(&settings.queue, NON_ALPHANUMERIC);
                Source::builder().address(format!("/queues/{name}"))
            }
        };
        if let Some(selector) = &settings.selector {
            source = source.add_to_filter_using_legacy_format(SELECTOR, selector.as_str());
        }
        Receiver::builder()
            .name(format!(
                "{}-{:08x}",
                settings.connection_name,
                rand::random::<u32>()
            ))
            .source(source.build())
            .credit_mode(CreditMode::Manual)
            .attach(session)
            .await
    }

    fn error(&self, kind: InputErrorKind, why: &str) -> InputError {
        let what = format!("the queue {} cannot be read: {why}", self.settings.queue);
        InputError::new(kind, what)
    }
}

/// Where a message of RabbitMQ stands in its stream.
pub(crate) const STREAM_OFFSET: &str = "x-stream-offset";

/// A stream is a log: who begins to read it without an offset gets what comes from then on, and settles nothing.
pub(crate) fn is_stream(queue: &str) -> InputError {
    let what = format!(
        "RabbitMQ's {queue} is a stream, which is read by offsets and not by acknowledgements; say where to begin by rabbitmq.stream.offset, first or an offset, and read it by AMQP 0.9.1"
    );
    InputError::new(InputErrorKind::Fatal, what)
}

#[async_trait]
impl QueueConnector for AmqpConnector {
    fn queue(&self) -> &str {
        &self.settings.queue
    }

    async fn connect(&self, _: usize) -> Result<Connected, InputError> {
        let is_activemq = self.settings.broker == AmqpBroker::ActiveMq;
        Ok(Connected {
            input: Box::new(self.open().await?),
            facts: QueueFacts {
                longest_hold: self.settings.longest_hold,
                delivery_limit: self.settings.delivery_limit,
                reconnect_pause: self.settings.reconnect_pause,
                // Classic counts, Artemis does not, and nothing of the protocol tells which it is.
                hides_returns: is_activemq,
                gathering: is_activemq.then(|| Gathering::of_activemq(1)),
                ..QueueFacts::default()
            },
        })
    }
}
