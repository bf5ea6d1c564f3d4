//! What the workers of a Connect cluster share, as Java's workers keep it: the internal topics and the group. The seams of
//! `millstream_worker::cluster` are implemented here over the Kafka client.

mod assignor;
mod config_store;
#[cfg(test)]
mod fake_log;
mod join;
mod leader;
mod member;
mod membership;
mod offset_file;
mod offset_log;
mod offset_table;
mod open;
mod outage;
mod protocol;
pub mod records;
mod serialized_map;
mod status_store;
pub mod topics;

pub use config_store::KafkaConfigStore;
pub use join::join;
pub use membership::{GroupMembership, MembershipSettings};
pub use offset_file::{FileOffsets, FileOffsetsError};
pub use offset_log::TopicOffsets;
pub use open::{OpenError, Stores, open};
pub use status_store::KafkaStatusStore;

#[cfg(test)]
mod tests;
