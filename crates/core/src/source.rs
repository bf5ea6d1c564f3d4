//! The seams to sources: connectors whose tasks bring records, and the store of how far they have come.

use crate::batch::RecordBatch;
use crate::budget::ByteBudget;
use crate::config::Properties;
use crate::connector_error::ConnectorError;
use crate::meters::QueueMeters;
use crate::schema::SchemaRef;
use crate::sink::SinkError;
use crate::source_map::SourceMap;
use async_trait::async_trait;
use std::sync::Arc;

/// Starts the tasks of a source connector.
#[async_trait]
pub trait SourceConnector: Send + Sync {
    /// Starts a task: reads its settings and where its source stands. Yields a whole task or an error.
    async fn start_source(
        &self,
        properties: &Properties,
        context: SourceContext,
    ) -> Result<Box<dyn SourceTask>, SourceError>;

    /// Looks at offsets that somebody wants to set (`None`: to remove); whether the connector vouches for them. If not,
    /// the answer says that the source may keep offsets of its own.
    ///
    /// # Errors
    /// What the connector does not take, in Java's words.
    fn check_offsets(
        &self,
        _connector: &Properties,
        _offsets: &[(SourceMap, Option<SourceMap>)],
    ) -> Result<bool, ConnectorError> {
        Ok(false)
    }

    /// Whether it says of itself that its records can be written exactly once with these settings; `None` if it does not
    /// say.
    fn can_do_exactly_once(&self, _connector: &Properties) -> Option<bool> {
        None
    }
}

/// What a source task is given besides its settings.
#[derive(Clone)]
pub struct SourceContext {
    pub connector: Arc<str>,
    pub task: u32,
    /// Where the connector's offsets are read at the start.
    pub offsets: Arc<dyn OffsetStore>,
    /// Memory for records that the source has read ahead.
    pub memory: ByteBudget,
    /// What is counted of a queue, where the source is one.
    pub queue: Arc<QueueMeters>,
}

impl SourceContext {
    /// The offset that is stored for a partition of the source.
    ///
    /// # Errors
    /// The store is out of reach: the same start may succeed later.
    pub async fn offset(&self, partition: &SourceMap) -> Result<Option<SourceMap>, SourceError> {
        let stored = self.offsets.read(&self.connector).await;
        let stored = stored.map_err(|error| SourceError {
            kind: crate::sink::SinkErrorKind::GaveUp,
            ..SourceError::fatal(error.to_string())
        })?;
        let found = stored.into_iter().find(|(known, _)| known == partition);
        Ok(found.map(|(_, offset)| offset))
    }
}

/// Why a source could not do its work; the kinds are those of sinks.
pub type SourceError = SinkError;

/// Records that a source brings: of one partition of the source, in its order.
#[derive(Debug)]
pub struct SourceBatch {
    /// Origin and destination are the topic that the records are bound for; the origin's partition is the one that the
    /// task wants, or −1. `offsets` are where the source stands after each row, growing from row to row. Raw columns hold
    /// well-formed bytes of their kind.
    pub records: RecordBatch,
    /// The schemas of raw columns.
    pub key_schema: Option<SchemaRef>,
    pub value_schema: Option<SchemaRef>,
    /// `None` where the source keeps no offsets.
    pub place: Option<SourcePlace>,
}

/// Where in its source a batch lies: the partition, and the name under which its offsets are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourcePlace {
    pub partition: Arc<SourceMap>,
    pub offset_name: &'static str,
}

/// One task of a source. All calls come from one owner, in order.
#[async_trait]
pub trait SourceTask: Send {
    /// Waits for the next records; a batch may be empty. `clock` tells epoch milliseconds. Cancel safe: dropping the
    /// future loses nothing. After a `Retriable` error it is called again.
    async fn poll(&mut self, clock: fn() -> i64) -> Result<SourceBatch, SourceError>;

    /// Rows, by their offsets, that Kafka has acknowledged or that were dropped on their way. Batches may come in any
    /// order.
    fn acknowledged(&mut self, _rows: &[i64], _now: i64) {}

    /// Whether it is paused: it is not polled then, and may let go of what it has read ahead. Returns at once.
    fn set_paused(&mut self, _is_paused: bool) {}

    /// Returns once everything is let go that a stop has to wait for.
    async fn stop(&mut self) {}
}

/// Where the offsets of source connectors are kept. Cheap to call at the same time from many tasks.
#[async_trait]
pub trait OffsetStore: Send + Sync {
    /// All that is stored for a connector, with what anybody has written before the call.
    async fn read(&self, connector: &str) -> Result<Vec<(SourceMap, SourceMap)>, OffsetError>;

    /// Stores offsets and returns when they are safe; `None` removes a partition's. What is given together may be stored
    /// in parts if it fails. Dropping the future may or may not store them.
    async fn write(
        &self,
        connector: &str,
        offsets: &[(SourceMap, Option<SourceMap>)],
    ) -> Result<(), OffsetError>;
}

/// Offsets that were not read or written, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct OffsetError {
    pub message: String,
}
