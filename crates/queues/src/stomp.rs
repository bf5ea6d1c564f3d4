//! STOMP 1.2 to ActiveMQ, for queues of text and bytes that need more than AMQP 1.0 does there: the broker writes each of
//! its acknowledgements to disk, and cumulative ones of STOMP without a receipt are not waited for.

mod frame;
mod message;
mod session;

use crate::input::{Connected, Gathering, InputError, InputErrorKind, QueueConnector, QueueFacts};
use crate::net::{self, Endpoint, Tls, TlsFiles};
use async_trait::async_trait;
use frame::Frame;
use millstream_core::config::Password;
use session::{StompInput, Talk};
use std::time::Duration;
use tokio::time::timeout;

/// Messages come with this name of ours for what we read.
const SUBSCRIPTION: &str = "0";

/// What a body without length and content stands for: an empty text, or a map, stream or object that STOMP cannot carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmptyBody {
    /// The task fails and says which message it is: what is archived emptied is lost.
    Fail,
    /// A null value.
    Null,
    /// The broker puts it among its own dead letters, whole.
    DeadLetter,
}

/// What ActiveMQ Classic calls itself; Artemis, which takes a message that is refused for one that is acknowledged, is
/// `ActiveMQ-Artemis/…`.
const CLASSIC: &str = "ActiveMQ/";

/// What the program needs to know to read one queue.
#[derive(Clone, Debug)]
pub struct StompSettings {
    /// Tried in this order; one at least.
    pub endpoints: Vec<Endpoint>,
    pub tls: TlsFiles,
    pub username: String,
    pub password: Password,
    pub queue: String,
    pub selector: Option<String>,
    pub empty_body: EmptyBody,
    /// For each of connecting and signing in.
    pub connect_timeout: Duration,
    /// How often either side says at the least that it is there.
    pub heartbeat: Duration,
    /// Whether messages are to bring what they say of themselves in types (`Message::details`).
    pub keeps_types: bool,
}

/// Opens connections to a queue.
pub struct StompConnector {
    settings: StompSettings,
    tls: Tls,
}

impl StompConnector {
    /// Reads the files that TLS needs; the error says which cannot be used.
    pub fn new(settings: StompSettings) -> Result<Self, String> {
        let tls = Tls::new(&settings.tls, &settings.endpoints)?;
        Ok(StompConnector { settings, tls })
    }

    async fn open_at(&self, endpoint: &Endpoint, room: usize) -> Result<StompInput, InputError> {
        let Endpoint { host, port, .. } = endpoint;
        let within = self.settings.connect_timeout;
        let stream = net::open(endpoint, &self.tls, within).await;
        let stream = stream.map_err(|error| {
            let what = format!("the broker at {host}:{port} cannot be reached: {error}");
            self.error(InputErrorKind::Transient, &what)
                .with_source(error)
        })?;
        let mut talk = Talk::new(stream);
        let answered = timeout(within, self.sign_in(&mut talk, host, room)).await;
        answered.unwrap_or_else(|_| {
            Err(self.error(
                InputErrorKind::Transient,
                "the broker did not answer in time",
            ))
        })?;
        let settings = &self.settings;
        Ok(StompInput::new(
            &settings.queue,
            settings.empty_body,
            settings.keeps_types,
            talk,
            room,
        ))
    }

    async fn sign_in(&self, talk: &mut Talk, host: &str, room: usize) -> Result<(), InputError> {
        let settings = &self.settings;
        let beat = settings.heartbeat.as_millis().to_string();
        let beats = format!("{beat},{beat}");
        let who = [
            ("login", settings.username.as_str()),
            ("passcode", settings.password.reveal()),
        ];
        let who = who.into_iter().filter(|_| !settings.username.is_empty());
        let wishes = [
            ("accept-version", "1.2"),
            ("host", host),
            ("heart-beat", &beats),
        ];
        let connect = Frame::new("CONNECT", wishes.into_iter().chain(who));
        let gone = |error: std::io::Error| {
            let what = format!("the broker ended the connection: {error}");
            self.error(InputErrorKind::Transient, &what)
                .with_source(error)
        };
        talk.send(&connect).await.map_err(gone)?;
        let answer = talk.next().await.map_err(gone)?;
        if answer.command() != "CONNECTED" {
            let why = answer.header("message").unwrap_or("it does not say why");
            let what = format!("the broker refuses to let {} in: {why}", settings.username);
            return Err(self.error(InputErrorKind::Fatal, &what));
        }
        let server = answer.header("server").unwrap_or_default();
        if settings.empty_body == EmptyBody::DeadLetter && !server.starts_with(CLASSIC) {
            let what = format!(
                "input.stomp.empty.body=dead-letter has ActiveMQ Classic put messages among its dead letters, and the broker is {}, which would drop them; set it to fail or null, or activemq.protocol=amqp",
                if server.is_empty() { "another" } else { server }
            );
            return Err(self.error(InputErrorKind::Fatal, &what));
        }
        talk.agree(settings.heartbeat, answer.header("heart-beat"));
        let destination = format!("/queue/{}", settings.queue);
        let prefetch = room.clamp(1, 65_535).to_string();
        let wanted = [
            ("id", SUBSCRIPTION),
            ("destination", &destination),
            ("ack", "client"),
            ("activemq.prefetchSize", &prefetch),
        ];
        let selector = settings.selector.iter();
        let selector = selector.map(|selector| ("selector", selector.as_str()));
        let subscribe = Frame::new("SUBSCRIBE", wanted.into_iter().chain(selector));
        talk.send(&subscribe).await.map_err(gone)
    }

    fn error(&self, kind: InputErrorKind, why: &str) -> InputError {
        let what = format!("the queue {} cannot be read: {why}", self.settings.queue);
        InputError::new(kind, what)
    }
}

#[async_trait]
impl QueueConnector for StompConnector {
    fn queue(&self) -> &str {
        &self.settings.queue
    }

    async fn connect(&self, room: usize) -> Result<Connected, InputError> {
        let none = self.error(InputErrorKind::Transient, "no broker is named");
        let input = net::first_of(&self.settings.endpoints, none, |endpoint| {
            self.open_at(endpoint, room)
        });
        Ok(Connected {
            input: Box::new(input.await?),
            facts: QueueFacts {
                // As over AMQP.
                hides_returns: true,
                gathering: Some(Gathering::of_activemq(8)),
                ..QueueFacts::default()
            },
        })
    }
}

#[cfg(test)]
mod tests;
