//! The data plane: runs one task, from consumer to sink or from source to Kafka. It knows no REST and no cluster.

pub mod budgets;
pub mod dead_letter;
pub mod deadlines;
mod durability;
pub mod error_policy;
pub mod failure;
mod log_throttle;
pub mod memory;
pub mod metrics;
mod offset_tracker;
mod outage_reporter;
mod outages;
pub mod pipeline;
pub mod plan;
mod preparing;
pub mod run;
pub mod source;
pub mod start;
mod stored;
pub mod task;

pub use budgets::Budgets;
pub use error_policy::ErrorPolicy;
pub use failure::TaskFailure;
pub use log_throttle::{LogThrottle, SharedLogThrottle};
pub use metrics::TaskMetrics;
pub use plan::{Plan, PlanParts};
pub use run::{run_task, run_task_alone};
pub use source::SourcePlan;
pub use start::{Assemble, Start};
pub use task::{SinkParts, SourceParts, Target, TaskEvent, TaskParts, TaskSettings};
