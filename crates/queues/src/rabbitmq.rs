//! RabbitMQ by AMQP 0.9.1: one connection with one channel and one consumer, which one owner reads and acknowledges on.
//!
//! lapin keeps what was delivered and not read yet without a bound; the prefetch that we always send is the bound, and follows
//! the size of messages.

mod channel;
pub mod config;
mod details;
mod failure;
pub(crate) mod log;
mod message;
mod stream;
mod value;
mod window;

use crate::amqp::{AmqpBroker, AmqpSettings, STREAM_OFFSET, is_stream};
use crate::input::{Connected, InputError, InputErrorKind, QueueConnector, QueueFacts};
use crate::net::{self, Endpoint, Tls, TlsFiles};
use crate::ring::Ring;
use async_trait::async_trait;
use channel::{ChannelParts, RabbitInput};
use failure::Trouble;
use lapin::options::{BasicConsumeOptions, BasicQosOptions};
use lapin::tcp::AsyncTcpStream;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::uri::{AMQPAuthority, AMQPUri, AMQPUserInfo};
use lapin::{Connection, ConnectionProperties};
use millstream_core::config::Password;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use stream::Socket;
use tokio::time::timeout;
use window::Window;

/// A name longer than this has no room in a frame.
pub const LONGEST_NAME: usize = 255;

/// What a broker gives a consumer until it acknowledges, where nobody says otherwise: half an hour.
pub const CONSUMER_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// Quorum queues of RabbitMQ 4 delete or dead-letter a message that was lost so often; classic ones do not count.
const DELIVERY_LIMIT: u32 = 20;

/// Each lost channel costs what it held one of its lives.
const RECONNECT_PAUSE: Duration = Duration::from_secs(5);

/// What the program needs to know to read one queue.
#[derive(Clone, Debug)]
pub struct RabbitSettings {
    /// The nodes of a cluster, tried in this order; one at least.
    pub endpoints: Vec<Endpoint>,
    pub tls: TlsFiles,
    pub username: String,
    pub password: Password,
    pub virtual_host: String,
    pub queue: String,
    /// How many messages may be unacknowledged at a time, whatever their size. Without it as many as may be held, and as few
    /// of them on their way at a time as their size asks for.
    pub prefetch: Option<u16>,
    /// The broker's `consumer_timeout`.
    pub consumer_timeout: Duration,
    /// For each of connecting, signing in and opening the consumer.
    pub connect_timeout: Duration,
    pub heartbeat: Duration,
    /// Whether messages are to bring what they say of themselves in types (`Message::details`).
    pub keeps_types: bool,
    /// Shown by the broker beside the connection.
    pub connection_name: String,
}

impl RabbitSettings {
    /// The same queue over AMQP 1.0, where credit takes the place of the prefetch.
    pub fn over_amqp1(self) -> AmqpSettings {
        AmqpSettings {
            broker: AmqpBroker::RabbitMq,
            endpoints: self.endpoints,
            tls: self.tls,
            username: self.username,
            password: self.password,
            virtual_host: Some(self.virtual_host),
            queue: self.queue,
            selector: None,
            connect_timeout: self.connect_timeout,
            idle_timeout: self.heartbeat,
            longest_hold: Some(self.consumer_timeout),
            delivery_limit: Some(DELIVERY_LIMIT),
            reconnect_pause: Some(RECONNECT_PAUSE),
            keeps_types: self.keeps_types,
            connection_name: self.connection_name,
        }
    }
}

/// Opens connections to a queue of RabbitMQ.
pub struct RabbitConnector {
    settings: RabbitSettings,
    tls: Tls,
    trouble: Arc<Mutex<Trouble>>,
}

impl RabbitConnector {
    /// Reads the files that TLS needs; the error says which cannot be used.
    pub fn new(settings: RabbitSettings) -> Result<Self, String> {
        let tls = Tls::new(&settings.tls, &settings.endpoints)?;
        Ok(RabbitConnector {
            settings,
            tls,
            trouble: Arc::default(),
        })
    }

    async fn open(&self, room: usize) -> Result<RabbitInput, InputError> {
        let connection = self.open_connection().await?;
        let refused = |error| self.refusal("cannot be read", error);
        if !self.has_connected() {
            self.refuse_stream(&connection).await?;
        }
        let most = u16::try_from(room).unwrap_or(u16::MAX).max(1);
        let window = match self.settings.prefetch {
            Some(prefetch) => Window::fixed(prefetch.min(most)),
            None => {
                let size = self.trouble.lock().map_or(0, |trouble| trouble.size);
                Window::following(most, size)
            }
        };
        let channel = async {
            let channel = connection.create_channel().await?;
            let consumer = channel::consume(&channel, &self.settings.queue, window.allowed());
            let consumer = consumer.await?;
            lapin::Result::Ok((channel, consumer))
        };
        let (channel, consumer) = match timeout(self.settings.connect_timeout, channel).await {
            Ok(opened) => opened.map_err(refused)?,
            Err(_) => return Err(self.transient("the broker did not answer in time")),
        };
        Ok(RabbitInput::new(ChannelParts {
            queue: self.settings.queue.clone(),
            connection,
            channel,
            consumer,
            ring: Ring::new(most.into()),
            window,
            keeps_types: self.settings.keeps_types,
            trouble: Arc::clone(&self.trouble),
        }))
    }

    /// Fails if the queue is a stream. AMQP does not tell types of queues, but streams alone can be begun at an offset. The
    /// broker's log has a line of that, so it is asked once.
    async fn refuse_stream(&self, connection: &Connection) -> Result<(), InputError> {
        let asked = async {
            let channel = connection.create_channel().await?;
            let one = BasicQosOptions::default();
            channel.basic_qos(1, one).await?;
            let mut arguments = FieldTable::default();
            arguments.insert(STREAM_OFFSET.into(), AMQPValue::LongString("next".into()));
            let queue = ShortString::from(self.settings.queue.as_str());
            let options = BasicConsumeOptions::default();
            let consumed = channel.basic_consume(queue, ShortString::default(), options, arguments);
            consumed.await.map(drop)
        };
        match timeout(self.settings.connect_timeout, asked).await {
            Ok(Ok(())) => Err(is_stream(&self.settings.queue)),
            Ok(Err(error)) if failure::is_unknown_argument(&error) => Ok(()),
            Ok(Err(error)) => Err(self.refusal("cannot be read", error)),
            Err(_) => Err(self.transient("the broker did not answer in time")),
        }
    }

    /// A connection to the first node that takes us.
    async fn open_connection(&self) -> Result<Connection, InputError> {
        let none = self.transient("no broker is named");
        net::first_of(&self.settings.endpoints, none, |endpoint| {
            self.sign_in(endpoint)
        })
        .await
    }

    async fn sign_in(&self, endpoint: &Endpoint) -> Result<Connection, InputError> {
        let Endpoint { host, port, .. } = endpoint;
        let within = self.settings.connect_timeout;
        let stream = net::open(endpoint, &self.tls, within).await;
        let stream = stream.map_err(|error| {
            let what = format!("cannot connect to RabbitMQ at {host}:{port}: {error}");
            InputError::new(InputErrorKind::Transient, what).with_source(error)
        })?;
        // The library connects at most once: it retries nothing by itself.
        let stream = Mutex::new(Some(Socket(stream)));
        let connect = async move |_: AMQPUri, _| {
            let socket = stream.lock().ok().and_then(|mut stream| stream.take());
            let socket = socket.ok_or(std::io::ErrorKind::NotConnected);
            Ok(AsyncTcpStream::Plain(socket.map_err(std::io::Error::from)?))
        };
        let properties = ConnectionProperties::default()
            .with_connection_name(self.settings.connection_name.as_str().into());
        let opened = Connection::connector(
            self.address(endpoint),
            stream::runtime(),
            connect,
            properties,
        );
        match timeout(within, opened).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(self.refusal("cannot be reached", error)),
            Err(_) => Err(self.transient("the broker did not answer in time")),
        }
    }

    fn address(&self, endpoint: &Endpoint) -> AMQPUri {
        let heartbeat = self.settings.heartbeat.as_secs();
        let mut uri = AMQPUri {
            authority: AMQPAuthority {
                userinfo: AMQPUserInfo {
                    username: self.settings.username.clone(),
                    password: self.settings.password.reveal().to_owned(),
                },
                host: endpoint.host.clone(),
                port: endpoint.port,
            },
            vhost: self.settings.virtual_host.clone(),
            ..AMQPUri::default()
        };
        uri.query.heartbeat = Some(u16::try_from(heartbeat).unwrap_or(u16::MAX));
        uri
    }

    fn transient(&self, why: &str) -> InputError {
        let queue = &self.settings.queue;
        let what = format!("RabbitMQ's queue {queue} cannot be read: {why}");
        InputError::new(InputErrorKind::Transient, what)
    }

    fn refusal(&self, what: &str, error: lapin::Error) -> InputError {
        failure::refusal(&self.settings, what, error, self.has_connected())
    }

    fn note_connected(&self) {
        if let Ok(mut trouble) = self.trouble.lock() {
            trouble.has_connected = true;
        }
    }

    /// The queue has been read since the task began.
    fn has_connected(&self) -> bool {
        let trouble = self.trouble.lock();
        trouble.is_ok_and(|trouble| trouble.has_connected)
    }
}

#[async_trait]
impl QueueConnector for RabbitConnector {
    fn queue(&self) -> &str {
        &self.settings.queue
    }

    async fn connect(&self, room: usize) -> Result<Connected, InputError> {
        let input = self.open(room).await?;
        self.note_connected();
        Ok(Connected {
            input: Box::new(input),
            facts: QueueFacts {
                longest_hold: Some(self.settings.consumer_timeout),
                delivery_limit: Some(DELIVERY_LIMIT),
                reconnect_pause: Some(RECONNECT_PAUSE),
                ..QueueFacts::default()
            },
        })
    }
}
