//! The command line for Kafka without its network: the flags, what they come to, and how answers are written. The flags
//! are spelt as those of Kafka's scripts, and so is the output that scripts read. The commands themselves, which ask
//! the brokers, are the binary's.

pub mod connection;
pub mod consume;
pub mod groups;
pub mod instant;
pub mod pairs;
pub mod produce;
pub mod table;
pub mod topics;

/// Flags that do not go together, or a value that cannot be read. The process ends with code 2.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

impl UsageError {
    pub fn new(text: impl Into<String>) -> Self {
        UsageError(text.into())
    }
}
