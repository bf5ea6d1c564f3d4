//! Logs of a broker, RabbitMQ's streams: read from a position on, in order, and nothing is taken off. So they are read as a
//! partition of Kafka is, and not as a queue: offsets mean something, and how far the records are durable is kept elsewhere.

pub(crate) mod consumer;
mod idle;
mod kept;
mod place;
mod worker;

use crate::input::{InputError, Message};
use async_trait::async_trait;
pub use consumer::LogConsumer;
pub use idle::IdleConsumer;
pub use kept::KeptOffset;
pub(crate) use kept::OFFSET;
use std::sync::Arc;
pub use worker::LogParts;

/// A log, and where reading begins.
#[derive(Clone)]
pub struct LogSource {
    pub connector: Arc<dyn LogConnector>,
    /// The offset to begin at if none is kept; 0 is the first that the broker still has.
    pub start: i64,
    pub reset: Reset,
}

/// What happens where the offset to read on at is not in the log any more: as Kafka's `auto.offset.reset` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// Reading goes on at the first message that there is, and a warning says so.
    Earliest,
    /// The task fails.
    Fail {
        /// What to do instead.
        remedy: &'static str,
    },
}

/// Opens connections to one log, one at a time.
#[async_trait]
pub trait LogConnector: Send + Sync {
    /// The name of the log.
    fn queue(&self) -> &str;

    /// Begins to read at an offset, or at the first later one that there is. Has its own timeout. Cancel safe.
    async fn open(&self, from: i64) -> Result<Box<dyn LogReader>, InputError>;
}

/// One connection. All calls come from one owner, one at a time; nothing is called after an error but `close`.
#[async_trait]
pub trait LogReader: Send {
    /// Waits for messages, with their offsets, which rise: one at least, `most` at most. Cancel safe.
    async fn receive(&mut self, most: usize) -> Result<Vec<(i64, Message)>, InputError>;

    /// Lets as many come as were returned: the broker has no more on their way than it was allowed.
    async fn allow_more(&mut self) -> Result<(), InputError>;

    async fn close(self: Box<Self>);
}
