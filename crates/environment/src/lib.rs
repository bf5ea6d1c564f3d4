//! What a process that is given nothing but environment variables is to do: `CONNECT_*` as the container images of Kafka
//! Connect read them, and the names of services to discover. Pure: variables come in as a map, and what only the network
//! can tell is left open, with whoever may find it.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod bootstrap;
pub mod connect;
pub mod discovery;
pub mod helpers;
pub mod logging;
pub mod names;
pub mod note;
pub mod preflight;
pub mod resolved;
pub mod rest_port;
pub mod secret;
pub mod security;
pub mod variables;

pub use bootstrap::{BOOTSTRAP_CONNECTORS, Place};
pub use connect::{ConnectEnvironment, Missing};
pub use discovery::{Finder, Services};
pub use logging::LogEnvironment;
pub use note::{Note, Severity};
pub use preflight::Preflight;
pub use resolved::{Origin, Resolved};
pub use variables::Variables;
