//! FileStreamSink: appends the values of records to a file or to the standard output, a line each.

mod lines;

use crate::file_error::java_exception;
use crate::output::Output;
use async_trait::async_trait;
use millstream_core::config::{Importance, Key, Kind};
use millstream_core::plugin::KAFKA_VERSION;
use millstream_core::{
    BytePermit, ColumnNeed, ConfigDef, Connector, Degraded, Progress, Properties, RawKind,
    RecordBatch, Role, SinkConnector, SinkError, SinkNeeds, SinkTask, TaskContext, TopicPartition,
    config_def,
};
use std::io;
use std::ops::Range;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::time::timeout;

/// The pause before what is stuck is tried again: somebody has to make room on the disk.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

config_def! {
    struct FileSinkConfig {
        file: Option<String> = Key::null("file", Kind::String)
            .importance(Importance::High)
            .doc("Destination filename. If not specified, the standard output will be used"),
    }
}

/// `org.apache.kafka.connect.file.FileStreamSinkConnector`.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileStreamSinkConnector;

#[async_trait]
impl Connector for FileStreamSinkConnector {
    fn class_name(&self) -> &'static str {
        "org.apache.kafka.connect.file.FileStreamSinkConnector"
    }

    fn role(&self) -> Role<'_> {
        Role::Sink(self)
    }

    fn version(&self) -> &'static str {
        KAFKA_VERSION
    }

    fn config_def(&self) -> &ConfigDef {
        static DEFINITION: LazyLock<ConfigDef> = LazyLock::new(FileSinkConfig::definition);
        &DEFINITION
    }
}

#[async_trait]
impl SinkConnector for FileStreamSinkConnector {
    async fn start_task(
        &self,
        properties: &Properties,
        context: TaskContext,
    ) -> Result<Box<dyn SinkTask>, SinkError> {
        let (config, _) = FileSinkConfig::parse(properties);
        let file = config.and_then(|config| config.file);
        let file = file.filter(|file| !file.is_empty());
        let output = Output::open(file.as_deref()).await.map_err(|error| {
            let file = file.as_deref().unwrap_or_default();
            let what = format!("Couldn't find or create file '{file}' for FileStreamSinkTask");
            SinkError::fatal(what).with_source(java_exception(file, &error))
        })?;
        let name = file.unwrap_or_else(|| "the standard output".to_owned());
        Ok(Box::new(FileStreamSinkTask::new(name, output, context)))
    }
}

struct FileStreamSinkTask {
    /// For errors.
    name: String,
    output: Output,
    context: TaskContext,
    /// The rows that are being written, and the memory of their lines.
    under_way: Vec<(TopicPartition, Range<i64>)>,
    permit: Option<BytePermit>,
    done: Vec<(TopicPartition, Range<i64>)>,
    /// When writing began to fail, epoch milliseconds.
    stuck_since: Option<i64>,
}

impl FileStreamSinkTask {
    fn new(name: String, output: Output, context: TaskContext) -> Self {
        FileStreamSinkTask {
            name,
            output,
            context,
            under_way: Vec::new(),
            permit: None,
            done: Vec::new(),
            stuck_since: None,
        }
    }

    /// Waits for the write under way, as long as a sink may make its consumer wait.
    async fn settle(&mut self, now: i64) -> Result<(), SinkError> {
        let Ok(written) = timeout(self.context.longest_put, self.output.settled()).await else {
            let reason = format!("{} does not take what is written to it", self.name);
            return Err(SinkError::retriable(reason, RETRY_PAUSE));
        };
        match written {
            Ok(()) => {
                self.stuck_since = None;
                self.permit = None;
                self.done.append(&mut self.under_way);
                Ok(())
            }
            Err(error) => {
                let reason = format!("cannot write to {}: {error}", self.name);
                let may_pass = matches!(
                    error.kind(),
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
                );
                if !may_pass || !self.context.retries_outages {
                    return Err(SinkError::fatal(reason));
                }
                Err(SinkError::from(Degraded {
                    reason,
                    since: *self.stuck_since.get_or_insert(now),
                    next_try: RETRY_PAUSE,
                }))
            }
        }
    }

    /// Looks what became of a write that has ended; what is stuck is tried again.
    async fn look(&mut self, now: i64) -> Result<(), SinkError> {
        if !self.output.is_settled() {
            return Ok(());
        }
        let settled = self.settle(now).await;
        if settled.is_err() {
            self.output.begin();
        }
        settled
    }
}

#[async_trait]
impl SinkTask for FileStreamSinkTask {
    fn needs(&self) -> SinkNeeds {
        SinkNeeds {
            key: ColumnNeed::Nothing,
            value: ColumnNeed::RawOr(&[RawKind::String]),
            headers: false,
        }
    }

    async fn open(&mut self, _partitions: &[TopicPartition]) -> Result<(), SinkError> {
        Ok(())
    }

    async fn put(&mut self, batch: Arc<RecordBatch>, now: i64) -> Result<(), SinkError> {
        self.settle(now).await?;
        // Whatever is settled without an error has room.
        let Some(room) = self.output.room() else {
            return Ok(());
        };
        lines::append(&batch, room);
        let memory = self.context.in_flight.acquire(room.len());
        let Ok(permit) = timeout(self.context.longest_put, memory).await else {
            room.clear();
            let reason = "there is no memory for lines in flight";
            return Err(SinkError::retriable(reason, RETRY_PAUSE));
        };
        let rows = (batch.origin.clone(), batch.first_offset..batch.next_offset);
        if room.is_empty() {
            self.done.push(rows);
            return Ok(());
        }
        self.permit = Some(permit);
        self.under_way.push(rows);
        self.output.begin();
        Ok(())
    }

    async fn poll(&mut self, now: i64) -> Result<Progress, SinkError> {
        self.look(now).await?;
        Ok(Progress {
            done: std::mem::take(&mut self.done),
            ..Progress::default()
        })
    }

    async fn progressed(&mut self) {
        if !self.output.is_writing() {
            return std::future::pending().await;
        }
        // What became of it is asked for by `poll`.
        let _ = self.output.settled().await;
    }

    async fn finish(&mut self, deadline: Duration) -> Result<(), SinkError> {
        match timeout(deadline, self.output.settled()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                let reason = format!("cannot write to {}: {error}", self.name);
                Err(SinkError::retriable(reason, RETRY_PAUSE))
            }
            Err(_) => {
                let reason = format!("{} does not take what is written to it", self.name);
                Err(SinkError::retriable(reason, RETRY_PAUSE))
            }
        }
    }

    async fn close(&mut self, partitions: &[TopicPartition]) {
        for rows in [&mut self.under_way, &mut self.done] {
            rows.retain(|(partition, _)| !partitions.contains(partition));
        }
    }
}

#[cfg(test)]
mod tests;
