//! What a load needs and what it costs: always-on tasks or Lambda, how many, which objects and requests S3 sees. Formulas
//! over numbers and a file of prices; whoever measures the numbers is elsewhere. `docs/sizing.md` has the formulas in words.

pub mod advice;
pub mod capacity;
pub mod flags;
pub mod lambda;
pub mod measured;
pub mod objects;
pub mod prices;
pub mod question;
pub mod queue;
pub mod queue_use;
pub mod report;
pub mod units;

/// Everything that is wrong with a question or a file of prices, each with what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.0.join("\n"))]
pub struct Mistakes(pub Vec<String>);
