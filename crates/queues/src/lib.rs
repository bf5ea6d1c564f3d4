//! Message queues as sources of a sink's records, or of topics: one engine over the transports of the queues, which takes a message off
//! its queue only when the record made of it is durable.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod activemq;
mod address;
pub mod amqp;
pub mod consumer;
mod doubles;
mod engine;
mod headers;
mod health;
mod hex;
pub mod input;
mod jms;
mod kinds;
mod log;
pub mod net;
pub mod rabbitmq;
mod record;
mod ring;
mod settings;
mod sources;
mod sqs;
pub mod stomp;
mod url;

pub use consumer::{ConsumerParts, QueueConsumer};
pub use engine::{HoldRules, IdRules, IdSource, MissingId};
pub use headers::MessageHeaders;
pub use kinds::{INPUT_TYPE, inputs, queue_settings};
pub use log::{
    IdleConsumer, KeptOffset, LogConnector, LogConsumer, LogParts, LogReader, LogSource, Reset,
};
pub use settings::QueueSettings;
pub use sources::source_connectors;
pub use url::QueueOfUrl;
