//! Assembly: the parts of a task, put together from its settings, for sinks and for sources.

mod sink;
mod source;
mod source_writer;

use super::services::TaskServices;
use async_trait::async_trait;
use millstream_runtime::{Assemble, PlanParts, Start, TaskFailure, TaskMetrics, TaskParts};
use millstream_worker::{TaskSettings, TaskStart};
use sink::SinkAssembly;
use source::SourceAssembly;
use std::time::Duration;

const CONFIG_EXCEPTION: &str = "org.apache.kafka.common.config.ConfigException";

/// What a task is made of, read once for all attempts to start it.
pub(super) enum Assembly {
    Sink(Box<SinkAssembly>),
    Source(Box<SourceAssembly>),
}

impl Assembly {
    pub(super) fn new(start: TaskStart, services: &TaskServices, metrics: &TaskMetrics) -> Self {
        match start.settings.clone() {
            TaskSettings::Sink(settings) => Assembly::Sink(Box::new(SinkAssembly::new(
                start, settings, services, metrics,
            ))),
            TaskSettings::Source(settings) => Assembly::Source(Box::new(SourceAssembly::new(
                start, settings, services, metrics,
            ))),
        }
    }

    /// `max.poll.interval.ms` of a sink, unless its consumer's settings are wrong.
    pub(super) fn max_poll_interval(&self) -> Option<Duration> {
        match self {
            Assembly::Sink(sink) => sink.max_poll_interval(),
            Assembly::Source(_) => None,
        }
    }
}

#[async_trait]
impl Assemble for Assembly {
    async fn assemble(&self, waits: &Start) -> Result<TaskParts, TaskFailure> {
        match self {
            Assembly::Sink(sink) => sink.assemble(waits).await.map(TaskParts::Sink),
            Assembly::Source(source) => source.assemble(waits).await.map(TaskParts::Source),
        }
    }
}

/// The converters and transforms of a task.
fn plan_parts(start: &TaskStart) -> Result<PlanParts, TaskFailure> {
    let chain = start.chain().map_err(|error| TaskFailure::chain(&error))?;
    let converters = start
        .converters()
        .map_err(|error| TaskFailure::new(error.class, &error.message))?;
    Ok(PlanParts {
        key: converters.key,
        value: converters.value,
        header: converters.header,
        chain,
    })
}

/// The settings of a task are those of its connector's role, so that this is a bug.
fn wrong_role() -> TaskFailure {
    TaskFailure::new("java.lang.Error", "the connector has changed its role")
}
