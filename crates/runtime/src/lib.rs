//! The data plane: runs one sink task from consumer to sink. It knows no REST and no cluster.

pub mod dead_letter;
mod durability;
pub mod error_policy;
pub mod failure;
pub mod metrics;
mod offset_tracker;
pub mod pipeline;
pub mod plan;
mod quiet;
pub mod run;
mod stored;
pub mod task;
mod troubles;

pub use error_policy::{ErrorPolicy, ErrorSettings, Tolerance};
pub use failure::TaskFailure;
pub use metrics::TaskMetrics;
pub use plan::{Plan, PlanParts};
pub use quiet::{Quiet, SharedQuiet};
pub use run::run_task;
pub use task::{Target, TaskEvent, TaskParts, TaskSettings};
