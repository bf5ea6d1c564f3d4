//! VerifiableSink: prints each record when it comes and when its offset is committed.

use super::printer::Printer;
use super::{no_keys, number, numbered};
use crate::output::Output;
use async_trait::async_trait;
use millstream_core::plugin::KAFKA_VERSION;
use millstream_core::{
    ColumnNeed, ConfigDef, Connector, Progress, Properties, RecordBatch, Role, SinkConnector,
    SinkError, SinkNeeds, SinkTask, TaskContext, TopicPartition, Value,
};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// The class that the original names when its settings are wrong.
const TASK: &str = "VerifiableSourceTask";

/// `org.apache.kafka.connect.tools.VerifiableSinkConnector`.
#[derive(Clone, Copy, Debug, Default)]
pub struct VerifiableSinkConnector;

impl Connector for VerifiableSinkConnector {
    fn class_name(&self) -> &'static str {
        "org.apache.kafka.connect.tools.VerifiableSinkConnector"
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

    fn task_configs(&self, properties: &Properties, max_tasks: usize) -> Vec<Properties> {
        numbered(properties, max_tasks)
    }
}

#[async_trait]
impl SinkConnector for VerifiableSinkConnector {
    async fn start_task(
        &self,
        properties: &Properties,
        _context: TaskContext,
    ) -> Result<Box<dyn SinkTask>, SinkError> {
        let output = Output::open(None).await;
        let output = output.map_err(|error| SinkError::fatal(error.to_string()))?;
        Ok(Box::new(VerifiableSinkTask {
            name: properties.get("name").unwrap_or_default().to_owned(),
            id: number(properties, "id", TASK)?,
            printer: Printer::new(output),
            unflushed: Vec::new(),
            done: Vec::new(),
        }))
    }
}

/// A record that was printed once.
struct Seen {
    origin: TopicPartition,
    topic: Arc<str>,
    offset: i64,
    key: Value,
    value: Value,
}

struct VerifiableSinkTask {
    name: String,
    id: i32,
    printer: Printer,
    unflushed: Vec<Seen>,
    done: Vec<(TopicPartition, Range<i64>)>,
}

impl VerifiableSinkTask {
    fn line(&self, seen: &Seen, now: i64) -> [(&'static str, Value); 7] {
        [
            ("name", Value::from(self.name.as_str())),
            // The number of the task of VerifiableSource that made it.
            ("task", seen.key.clone()),
            ("sinkTask", Value::Int32(self.id)),
            ("topic", Value::from(&*seen.topic)),
            ("time_ms", Value::Int64(now)),
            ("seqno", seen.value.clone()),
            ("offset", Value::Int64(seen.offset)),
        ]
    }

    fn flush(&mut self, now: i64) {
        for seen in std::mem::take(&mut self.unflushed) {
            let line = self.line(&seen, now).into_iter();
            let line = line.chain([("flushed", Value::Boolean(true))]);
            self.printer.print(line);
        }
    }
}

#[async_trait]
impl SinkTask for VerifiableSinkTask {
    fn needs(&self) -> SinkNeeds {
        SinkNeeds {
            key: ColumnNeed::Decoded,
            value: ColumnNeed::Decoded,
            headers: false,
        }
    }

    async fn open(&mut self, _partitions: &[TopicPartition]) -> Result<(), SinkError> {
        Ok(())
    }

    async fn put(&mut self, batch: Arc<RecordBatch>, now: i64) -> Result<(), SinkError> {
        self.printer.room().await?;
        let (Some(keys), Some(values)) = (batch.keys.decoded(), batch.values.decoded()) else {
            return Ok(());
        };
        for row in 0..batch.len() {
            let seen = Seen {
                origin: batch.origin.clone(),
                topic: batch.destination.topic(row).clone(),
                offset: batch.offsets[row],
                key: keys.values[row].clone(),
                value: values.values[row].clone(),
            };
            let line = self.line(&seen, now);
            self.printer.print(line);
            self.unflushed.push(seen);
        }
        let rows = batch.first_offset..batch.next_offset;
        self.done.push((batch.origin.clone(), rows));
        Ok(())
    }

    async fn poll(&mut self, now: i64) -> Result<Progress, SinkError> {
        self.flush(now);
        Ok(Progress {
            done: std::mem::take(&mut self.done),
            ..Progress::default()
        })
    }

    async fn finish(&mut self, deadline: Duration) -> Result<(), SinkError> {
        match timeout(deadline, self.printer.flush()).await {
            Ok(flushed) => flushed,
            Err(_) => Err(SinkError::retriable(
                "the standard output takes nothing",
                deadline,
            )),
        }
    }

    async fn close(&mut self, partitions: &[TopicPartition]) {
        self.unflushed
            .retain(|seen| !partitions.contains(&seen.origin));
        self.done
            .retain(|(partition, _)| !partitions.contains(partition));
    }
}
