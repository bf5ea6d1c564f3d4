//! What the workers of a Connect cluster share, over Kafka: the internal topics.

mod config_store;
#[cfg(test)]
mod fake_log;
mod open;
mod outage;
pub mod records;
mod status_store;
pub mod topics;

pub use config_store::KafkaConfigStore;
pub use open::{OpenError, Stores, open};
pub use status_store::KafkaStatusStore;
