//! The seam between the engine and a transport: messages come with tokens, and tokens are settled, extended or given back.
//! A transport decides nothing about when; it knows how its queue is asked, and what the queue says of a token.

use crate::headers::MessageHeaders;
use async_trait::async_trait;
use bytes::Bytes;
use millstream_core::MessageDetails;
use std::error::Error;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Opens connections to one queue; there is one for the life of a task, and one connection at a time.
#[async_trait]
pub trait QueueConnector: Send + Sync {
    /// The name of the queue, for messages, logs and the topic of its records.
    fn queue(&self) -> &str;

    /// Connects and asks for what is known of the queue. Has its own timeout. Cancel safe: a connection half made is
    /// dropped. `room` is the most messages that are ever held at a time: what is to be asked for at once, where a queue is
    /// told that when a consumer begins.
    async fn connect(&self, room: usize) -> Result<Connected, InputError>;
}

/// A connection and what was learned as it was made.
pub struct Connected {
    pub input: Box<dyn QueueInput>,
    pub facts: QueueFacts,
}

/// What the engine has to know of a queue. Where a queue does not tell, the transport says what is safe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueFacts {
    /// For how long a message is ours after its receipt or an extension, if the queue has such a clock (SQS's visibility
    /// timeout). Without one `Message::expires` is `None` and `extend` is never called.
    pub lease: Option<Duration>,
    /// The longest time for which a message can be held, whatever is extended: SQS's 12 hours, RabbitMQ's consumer timeout.
    pub longest_hold: Option<Duration>,
    /// The deliveries after which the queue removes a message or moves it elsewhere.
    pub delivery_limit: Option<u32>,
    /// The least time between the loss of a connection with unsettled messages and the next connection, where each loss
    /// counts as a delivery of them all.
    pub reconnect_pause: Option<Duration>,
    /// Whether `Message::id` is made by the queue itself, so that two messages never share one.
    pub makes_ids: bool,
    /// Messages of a group come in order, and none of them comes while others of the group are held (SQS FIFO).
    pub is_ordered: bool,
    /// A message that was in hand when a connection ended comes again without a word of it (Artemis).
    pub hides_returns: bool,
    /// How messages are left to gather where the queue hands them out a few at a time.
    pub gathering: Option<Gathering>,
}

/// What happens behind a receipt of a few messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gathering {
    /// How many are a few.
    pub few: Range<usize>,
    /// For so long nothing more is received.
    pub pause: Duration,
}

impl Gathering {
    /// ActiveMQ Classic hands out as many messages as were acknowledged meanwhile. `least`: with fewer more is on its way.
    pub(crate) fn of_activemq(least: usize) -> Self {
        Gathering {
            few: least..100,
            pause: Duration::from_millis(10),
        }
    }
}

/// How many messages are in hand at most while one of them is worn: a crash costs each that is in hand one of its deliveries,
/// so that in a row of crashes many would come to the limit before it was their turn to be stored.
pub(crate) const WORN_ROOM: usize = 256;

impl QueueFacts {
    /// Whether a message with so many deliveries has used up half of what its queue allows.
    pub(crate) fn is_worn(&self, deliveries: u32) -> bool {
        self.delivery_limit
            .is_some_and(|limit| is_worn(deliveries, limit))
    }
}

/// See `QueueFacts::is_worn`.
pub(crate) fn is_worn(deliveries: u32, limit: u32) -> bool {
    deliveries > 1 && deliveries >= limit.div_ceil(2)
}

/// One connection. All calls come from one owner, one at a time; tokens are always those of messages that this connection
/// delivered, and none is settled or given back twice.
///
/// An error of kind `Lost` or `Fatal` ends the connection: nothing but `close` is called after it, with no tokens. Every call
/// but `receive` bounds its own time.
#[async_trait]
pub trait QueueInput: Send {
    /// Waits for messages; returns none where an outage is over and the queue has none. `room` says how many more the engine has room for, those included that were
    /// asked for and have not been returned yet; with none nothing more is asked for, and only what was asked for before is
    /// returned. Messages beyond `room` are never returned. Cancel safe: dropping the future loses no message, and
    /// messages may go on coming in, within `room`, until the next call.
    async fn receive(&mut self, room: usize) -> Result<Vec<Message>, InputError>;

    /// Takes messages off the queue: the records made of them are durable, filtered out or settled as rejected. Tokens are
    /// in the order of their messages. Returns those that are not taken off, by their place in `tokens`. On an error it is
    /// unknown which are; with kind `Transient` all are settled again later, which has to be harmless.
    async fn settle(&mut self, tokens: &[Token]) -> Result<Vec<Unsettled>, InputError>;

    /// Begins the lease of these messages anew. Returns those that are not ours any more, by their place in `tokens`.
    async fn extend(&mut self, tokens: &[Token]) -> Result<Vec<usize>, InputError>;

    /// Gives messages back, so that they come again at once, to this or another consumer, in the order they had as far as
    /// the queue can. Tokens are in the order of their messages. The connection goes on.
    async fn give_back(&mut self, tokens: &[Token]) -> Result<(), InputError>;

    /// The messages that wait in the queue, as far as it tells; asked for once a minute.
    async fn backlog(&mut self) -> Result<Option<u64>, InputError> {
        Ok(None)
    }

    /// Ends the connection, in the order that costs the messages least: asks for no more, gives back `held` (in the order
    /// of their messages) and whatever else has come, and returns once the queue has taken what was settled, as far as it
    /// proves that. The caller bounds the time.
    async fn close(self: Box<Self>, held: &[Token]) -> Result<(), InputError>;
}

/// A message as it was delivered.
#[derive(Clone, Debug)]
pub struct Message {
    pub token: Token,
    /// What stays the same when the queue delivers the message again; `None` where it has nothing of the kind.
    pub id: Option<Arc<str>>,
    /// Messages of one group belong together (a FIFO queue's message group, JMSXGroupID).
    pub group: Option<String>,
    /// `None` is a null value, not an empty one.
    pub body: Option<Bytes>,
    /// The sender's time, or the queue's, milliseconds since the epoch.
    pub timestamp: Option<i64>,
    /// Properties in the order in which they came, values as text or bytes.
    pub headers: MessageHeaders,
    /// The queue says that the message has been delivered before, to whomever.
    pub redelivered: bool,
    /// How often it has been delivered, this time included, where the queue counts.
    pub deliveries: Option<u32>,
    /// Until when it is ours, where the queue has a clock, counted from before it was asked for.
    pub expires: Option<Instant>,
    /// What it says of itself in types, where the transport was told to keep them.
    pub details: Option<Box<MessageDetails>>,
}

#[cfg(test)]
impl Message {
    /// A message that says nothing of itself.
    pub(crate) fn bare(token: Token) -> Self {
        Message {
            token,
            id: None,
            group: None,
            body: None,
            timestamp: None,
            headers: MessageHeaders::default(),
            redelivered: false,
            deliveries: None,
            expires: None,
            details: None,
        }
    }
}

/// What a connection knows a delivery by. It means nothing on any other connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Token {
    /// A text made by the queue: SQS's receipt handle.
    Handle(Arc<str>),
    /// A number that rises by one with each delivery of a channel: AMQP 0.9.1's delivery tag,
    /// and over STOMP one of our own.
    Tag(u64),
    /// AMQP 1.0: the number of the delivery in its session, and its tag.
    Delivery { number: u32, tag: Bytes },
}

/// A message that `settle` has not taken off the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsettled {
    /// The place of its token in what was given.
    pub at: usize,
    pub reason: UnsettledReason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnsettledReason {
    /// It is not ours any more: it comes again, or is gone.
    Lapsed,
    /// The queue could not do it now; the same again may succeed.
    TryAgain,
}

/// Why a call to the queue has failed.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct InputError {
    pub kind: InputErrorKind,
    /// A sentence that names the queue and what was wanted of it.
    pub message: String,
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputErrorKind {
    /// The same call may succeed later, and all tokens stay good.
    Transient,
    /// The connection, channel or link is gone, or the queue has taken back what it delivered there: a server-sent
    /// cancel, a remote disposition. What was held comes again; a new connection may be made.
    Lost,
    /// Nothing that passes by itself: the task fails.
    Fatal,
}

impl InputError {
    pub fn new(kind: InputErrorKind, message: impl Into<String>) -> Self {
        InputError {
            kind,
            message: message.into(),
            source: None,
        }
    }

    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}
