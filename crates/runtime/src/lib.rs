//! The data plane: runs one sink task from consumer to sink. It knows no REST and no cluster.

pub mod budgets;
pub mod dead_letter;
pub mod deadlines;
mod durability;
pub mod error_policy;
pub mod failure;
pub mod memory;
pub mod metrics;
mod offset_tracker;
pub mod pipeline;
pub mod plan;
mod quiet;
pub mod run;
pub mod start;
mod stored;
pub mod task;
mod troubles;

pub use budgets::Budgets;
pub use error_policy::ErrorPolicy;
pub use failure::TaskFailure;
pub use metrics::TaskMetrics;
pub use plan::{Plan, PlanParts};
pub use quiet::{Quiet, SharedQuiet};
pub use run::{run_task, run_task_alone};
pub use start::{Assemble, Start};
pub use task::{Target, TaskEvent, TaskParts, TaskSettings};
