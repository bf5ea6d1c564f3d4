//! The Kafka client: connections, groups, a consumer, on `kafka-protocol`'s messages and a record walker of our own.
//! It is the only crate that knows Kafka's wire format.

mod codec;
pub mod walker;
