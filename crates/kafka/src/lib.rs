//! The Kafka client: connections, groups, a consumer, on `kafka-protocol`'s messages and a record walker of our own.
//! It is the only crate that knows Kafka's wire format.

mod backoff;
mod cluster;
mod codec;
pub mod config;
mod connection;
mod consumer;
mod error;
pub mod group;
mod limits;
mod tasks;
pub mod walker;

pub use config::{ClientConfig, ConsumerConfig, InvalidConfig};
pub use consumer::{KafkaConsumer, Subscription};
pub use error::KafkaError;
