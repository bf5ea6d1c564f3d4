//! The seam to a log of key-value records that all workers of a cluster share: a compacted topic. Whoever opens it reads it
//! whole, then follows it; the newest record of a key counts. It knows bytes alone: what they mean is its owner's business.

use crate::consumer::ConsumerError;
use crate::degraded::Degraded;
use async_trait::async_trait;
use bytes::Bytes;

/// A record to be written. Its partition is the one that Java's producer would choose for the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    pub key: Bytes,
    /// `None` removes the key.
    pub value: Option<Bytes>,
}

/// A record of the log. Its bytes are part of what was fetched with it: copy what is kept for long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    pub at: LogPlace,
    /// Milliseconds since the epoch; −1 where the record has none.
    pub timestamp: i64,
    pub key: Bytes,
    /// `None`: the key was removed.
    pub value: Option<Bytes>,
}

/// A place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogPlace {
    pub partition: i32,
    pub offset: i64,
}

/// What comes out of a log; records of one partition in its order.
#[derive(Debug)]
pub enum LogEvent {
    Record(LogRecord),
    /// A record that no owner can use, as it has no key. It is passed over.
    Bad {
        at: LogPlace,
        reason: String,
    },
    /// The end of `CompactedLog::write`. If it succeeded, its records have come out before, unless others have replaced them
    /// already, and these are their places. If it failed, they may still come.
    Written {
        number: u64,
        outcome: Result<Vec<LogPlace>, LogError>,
    },
    /// The end of `CompactedLog::read_to_end`: what was in the log at the call has come out before. For each partition, in
    /// order, the offset after what has come out.
    End {
        number: u64,
        outcome: Result<Vec<LogPlace>, LogError>,
    },
    /// The partition is another one than it was (the topic was made again, or a change of leader cut it short): what it said
    /// counts for nothing, and all that it says now follows.
    StartedOver {
        partition: i32,
    },
    /// Something is out of reach and being retried.
    Degraded(Degraded),
    /// The outage of an earlier `Degraded` is over.
    Recovered,
    /// The log cannot be read any more, and why; what was under way has failed before. Nothing follows but the ends of
    /// later calls.
    Failed(ConsumerError),
}

/// What was not written or read, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct LogError {
    pub message: String,
    /// Whether the same call may succeed later.
    pub is_transient: bool,
}

/// A log that is read whole and then followed. Calls return at once; each ends in its event, in bounded time. Nothing goes
/// on but while `next` is awaited.
#[async_trait]
pub trait CompactedLog: Send {
    /// Writes records in order, after those of earlier calls, and waits until they have been read back. All replicas in sync
    /// have what was written. Ends in `LogEvent::Written`.
    fn write(&mut self, number: u64, entries: Vec<LogEntry>);

    /// As `write`, in one transaction where the log writes in those: who reads what is committed sees all of the records or
    /// none, and none are written once another process has claimed the log. In no order with other writes. Ends in
    /// `LogEvent::Written`.
    fn write_in_transaction(&mut self, number: u64, entries: Vec<LogEntry>) {
        self.write(number, entries);
    }

    /// This process writes in transactions from here on, and whoever did before is shut out of that.
    fn claim(&mut self) {}

    /// Makes sure of what anybody has written before. Ends in `LogEvent::End`.
    fn read_to_end(&mut self, number: u64);

    /// What happens next. Cancel safe.
    async fn next(&mut self) -> LogEvent;
}
