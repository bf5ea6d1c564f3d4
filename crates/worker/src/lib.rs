//! The control plane: worker settings, plugins by their Java names, the herder and its REST API.
//! It decides which tasks run and tells the world about them; it never sees a record.

pub mod client_settings;
pub mod config;
pub mod registry;
pub mod task;
pub mod trace;

pub use config::WorkerConfig;
pub use registry::PluginRegistry;
pub use task::{TaskEvent, TaskEvents, TaskHandle, TaskId, TaskStart, TaskStarter};

/// The version of Kafka Connect whose behaviour this is; clients of the REST API read it as a Kafka version.
pub const KAFKA_VERSION: &str = "4.3.1";
