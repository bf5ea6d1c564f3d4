//! MockSink and MockSource: they do nothing, until they fail as their settings say.

use super::no_keys;
use async_trait::async_trait;
use millstream_core::plugin::KAFKA_VERSION;
use millstream_core::{
    ColumnNeed, ConfigDef, Connector, ConnectorError, Progress, Properties, RecordBatch, Role,
    SinkConnector, SinkError, SinkNeeds, SinkTask, SourceBatch, SourceConnector, SourceContext,
    SourceError, SourceTask, TaskContext, TopicPartition,
};
use std::future::pending;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

const MODE: &str = "mock_mode";
const DELAY: &str = "delay_ms";

/// The delay where none is set.
const LATER: Duration = Duration::from_secs(15);

const RUNTIME_EXCEPTION: &str = "java.lang.RuntimeException";

/// `org.apache.kafka.connect.tools.MockSinkConnector`.
#[derive(Clone, Copy, Debug, Default)]
pub struct MockSinkConnector;

/// `org.apache.kafka.connect.tools.MockSourceConnector`.
#[derive(Clone, Copy, Debug, Default)]
pub struct MockSourceConnector;

/// How long after the start what the settings name is to fail.
fn failure(properties: &Properties, mode: &str) -> Result<Option<Duration>, ConnectorError> {
    if properties.get(MODE) != Some(mode) {
        return Ok(None);
    }
    let Some(text) = properties.get(DELAY) else {
        return Ok(Some(LATER));
    };
    let delay: i64 = text.parse().map_err(|_| ConnectorError {
        class: "java.lang.NumberFormatException",
        message: format!("For input string: \"{text}\""),
    })?;
    Ok(Some(Duration::from_millis(
        u64::try_from(delay).unwrap_or(0),
    )))
}

/// Java's connector fails some time after its start. Here it does not start: no connector of ours runs beside its tasks.
fn check(properties: &Properties) -> Result<(), ConnectorError> {
    match failure(properties, "connector-failure")? {
        None => Ok(()),
        Some(_) => Err(ConnectorError {
            class: RUNTIME_EXCEPTION,
            message: String::new(),
        }),
    }
}

fn task_failure(properties: &Properties) -> Result<Option<Instant>, SinkError> {
    let delay = failure(properties, "task-failure").map_err(|error| SinkError {
        class: error.class,
        ..SinkError::fatal(error.message)
    })?;
    Ok(delay.map(|delay| Instant::now() + delay))
}

fn failed() -> SinkError {
    SinkError {
        class: RUNTIME_EXCEPTION,
        ..SinkError::fatal("")
    }
}

impl Connector for MockSinkConnector {
    fn class_name(&self) -> &'static str {
        "org.apache.kafka.connect.tools.MockSinkConnector"
    }

    fn role(&self) -> Role<'_> {
        Role::Sink(self)
    }

    fn version(&self) -> &'static str {
        KAFKA_VERSION
    }

    fn config_def(&self) -> &ConfigDef {
        no_keys()
    }

    fn check_start(&self, properties: &Properties) -> Result<(), ConnectorError> {
        check(properties)
    }

    fn task_configs(&self, properties: &Properties, _max_tasks: usize) -> Vec<Properties> {
        vec![properties.clone()]
    }
}

impl Connector for MockSourceConnector {
    fn class_name(&self) -> &'static str {
        "org.apache.kafka.connect.tools.MockSourceConnector"
    }

    fn role(&self) -> Role<'_> {
        Role::Source(self)
    }

    fn version(&self) -> &'static str {
        KAFKA_VERSION
    }

    fn config_def(&self) -> &ConfigDef {
        no_keys()
    }

    fn check_start(&self, properties: &Properties) -> Result<(), ConnectorError> {
        check(properties)
    }

    fn task_configs(&self, properties: &Properties, _max_tasks: usize) -> Vec<Properties> {
        vec![properties.clone()]
    }
}

#[async_trait]
impl SinkConnector for MockSinkConnector {
    async fn start_task(
        &self,
        properties: &Properties,
        _context: TaskContext,
    ) -> Result<Box<dyn SinkTask>, SinkError> {
        Ok(Box::new(MockSinkTask {
            fails_at: task_failure(properties)?,
            done: Vec::new(),
        }))
    }
}

#[async_trait]
impl SourceConnector for MockSourceConnector {
    async fn start_source(
        &self,
        properties: &Properties,
        _context: SourceContext,
    ) -> Result<Box<dyn SourceTask>, SourceError> {
        Ok(Box::new(MockSourceTask {
            fails_at: task_failure(properties)?,
        }))
    }
}

/// Until a time, or for ever.
async fn wait(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => pending().await,
    }
}

struct MockSinkTask {
    fails_at: Option<Instant>,
    done: Vec<(TopicPartition, Range<i64>)>,
}

#[async_trait]
impl SinkTask for MockSinkTask {
    fn needs(&self) -> SinkNeeds {
        SinkNeeds {
            key: ColumnNeed::Nothing,
            value: ColumnNeed::Nothing,
            headers: false,
        }
    }

    async fn open(&mut self, _partitions: &[TopicPartition]) -> Result<(), SinkError> {
        Ok(())
    }

    async fn put(&mut self, batch: Arc<RecordBatch>, _now: i64) -> Result<(), SinkError> {
        let rows = batch.first_offset..batch.next_offset;
        self.done.push((batch.origin.clone(), rows));
        Ok(())
    }

    /// The original fails in the call of `put` that comes after each look for records, be there any or not.
    async fn poll(&mut self, _now: i64) -> Result<Progress, SinkError> {
        if self.fails_at.is_some_and(|at| at <= Instant::now()) {
            return Err(failed());
        }
        Ok(Progress {
            done: std::mem::take(&mut self.done),
            ..Progress::default()
        })
    }

    async fn progressed(&mut self) {
        wait(self.fails_at).await;
    }

    async fn finish(&mut self, _deadline: Duration) -> Result<(), SinkError> {
        Ok(())
    }

    async fn close(&mut self, partitions: &[TopicPartition]) {
        self.done
            .retain(|(partition, _)| !partitions.contains(partition));
    }
}

struct MockSourceTask {
    fails_at: Option<Instant>,
}

#[async_trait]
impl SourceTask for MockSourceTask {
    async fn poll(&mut self, _clock: fn() -> i64) -> Result<SourceBatch, SourceError> {
        wait(self.fails_at).await;
        Err(failed())
    }
}
