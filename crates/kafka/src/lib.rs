//! The Kafka client: connections, groups, a consumer and a producer, on `kafka-protocol`'s messages and a record walker of our own.
//! It is the only crate that knows Kafka's wire format.

mod address;
pub mod admin;
mod clock;
mod cluster;
pub mod codec;
pub mod config;
mod connection;
mod consumer;
mod error;
mod fetcher;
pub mod group;
mod limits;
pub mod log;
mod names;
mod positions;
pub mod producer;
pub mod reader;
mod retry;
pub mod security;
mod tasks;
mod transactions;
pub mod walker;

pub use admin::Admin;
pub use config::{
    Bootstrap, ClientSettings, ConfigWarning, ConsumerSettings, InvalidConfig, Lost,
    ReaderSettings, Role, warnings,
};
pub use consumer::{KafkaConsumer, Subscription};
pub use error::KafkaError;
pub use kafka_protocol::error::ResponseError;
pub use log::{KafkaLog, LogSettings};
pub use producer::{KafkaProducer, ProducerRecord, ProducerSettings};
pub use reader::{KafkaReader, Read, ReadRange, ReadUpTo, StartAt, WhenLost};
