//! Discovery: where the brokers and the database are, asked at the start and again when something speaks for a change.
//!
//! A process that runs needs none of the services asked here: what they do not answer leaves it with what it knows.

mod patience;
mod resolvers;
pub mod selection;
mod settings;
mod trouble;
mod watched;

pub use resolvers::{Database, DatabaseResolver, Kafka, KafkaResolver};
pub use settings::{ClusterSettings, DatabaseSettings};
pub use trouble::{DiscoveryError, Ending, Trouble, remedy};
pub use watched::{Found, Resolve, Watched};
