//! The control plane: worker settings, plugins by their Java names, the herder and its REST API.
//! It decides which tasks run and tells the world about them; it never sees a record.

mod auth;
pub mod bootstrap;
mod client_keys;
pub mod client_settings;
pub mod cluster;
mod cluster_id;
pub mod config;
mod connector_config;
mod creation;
mod fencer;
mod forward;
pub mod health;
pub mod herder;
pub mod inputs;
mod inter_worker;
pub mod json_text;
pub mod kafka_admin;
mod local_tasks;
pub mod loggers;
pub mod metrics;
pub mod registry;
mod reloading;
mod rest;
pub mod sink_settings;
pub mod source_settings;
pub mod spelling;
pub mod stage_settings;
mod stages;
pub mod task;
mod tls;
mod too_many_tasks;
pub mod topic_creation;
pub mod trace;
#[cfg(test)]
mod unstartable;
pub mod validation;
pub mod worker;

pub use bootstrap::{BootstrapConnectors, ConnectorsSource};
pub use config::{WorkerConfigError, WorkerSettings};
pub use creation::CreateError;
pub use inter_worker::InterWorkerConfig;
pub use kafka_admin::{AdminError, KafkaAdmin};
pub use loggers::LogControl;
pub use metrics::{MetricsSource, WorkerFacts};
pub use millstream_core::plugin::KAFKA_VERSION;
pub use registry::PluginRegistry;
pub use stages::Converters;
pub use task::{TaskEvent, TaskEvents, TaskHandle, TaskId, TaskSettings, TaskStart, TaskStarter};
pub use tls::ListenerTlsConfig;
pub use worker::{StartError, Worker, WorkerIdentity, WorkerStart};
