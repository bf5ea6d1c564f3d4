//! Health, as decisions without I/O: the verdict, the bodies and the HTTP contract of kafka-connect-healthcheck, and what it
//! lacks: whether a worker is alive and ready, and which of its tasks stand still or fall behind.

mod alarm;
mod contract;
mod policy;
mod python;
mod readiness;
mod verdict;
mod walk;

pub use alarm::{Alarm, AlarmKind, AlarmMonitor, AlarmThresholds, TaskSample};
pub use contract::{HTML, JSON, Reply, Route, route};
pub use policy::{Credentials, Matching, Policy};
pub use readiness::{WorkerState, readiness};
pub use verdict::{ConnectorStatus, Verdict, judge};
pub use walk::{Answer, PATH_SEGMENT, Step, Walk};
