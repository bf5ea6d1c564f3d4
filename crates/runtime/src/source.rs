//! A source task: records from their source into Kafka, and behind them the offsets of the source.

mod encoding;
mod pipeline;
mod plan;
mod progress;

pub(crate) use pipeline::SourcePipeline;
pub use plan::SourcePlan;
