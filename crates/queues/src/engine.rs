//! The engine: what every queue has in common, however it is spoken to.

pub(crate) mod controls;
mod held;
mod ids;
mod pace;
pub(crate) mod worker;

pub use held::HoldRules;
pub use ids::{IdRules, IdSource, MissingId};
pub(crate) use pace::Pace;
