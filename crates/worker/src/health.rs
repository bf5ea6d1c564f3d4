//! The health port: a server of its own beside REST, which answers probes for this worker, or in front of another one as
//! kafka-connect-healthcheck does. What it answers is decided in the crate `health`.

mod config;
mod http;
mod port;
mod seen;
mod sidecar;
mod task_watch;
mod upstream;

pub use config::{HealthConfig, HealthSettings};
pub use port::{HealthPort, ProgressSource};
pub use sidecar::{Sidecar, SidecarServer};
pub use task_watch::TaskWatch;
pub use upstream::Upstream;
