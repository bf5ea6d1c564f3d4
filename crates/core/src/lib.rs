//! The vocabulary of millstream: records, batches, schemas, settings and the seams between stages.
//! It does no I/O, starts no task and knows neither Kafka's nor a store's wire format.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod backoff;
pub mod batch;
pub mod budget;
pub mod byte_column;
pub mod chain;
pub mod compacted_log;
pub mod config;
pub mod connector;
mod connector_error;
pub mod consumer;
pub mod contract;
pub mod converter;
pub mod decimal;
pub mod degraded;
pub mod digest;
pub mod edit;
pub mod encoded;
pub mod error_settings;
pub mod limits;
pub mod logical;
pub mod map;
pub mod message;
pub mod meters;
pub mod offsets;
mod oversized;
pub mod plugin;
mod record_error;
pub mod record_writer;
pub mod rejected;
pub mod schema;
pub mod sink;
pub mod source;
pub mod source_map;
pub mod task_id;
pub mod text;
pub mod transform;
pub mod value;

pub use batch::{
    DOCUMENT, Decoded, Destination, FetchedColumns, Header, Headers, Payload, RawHeaders, RawKind,
    RecordBatch, RowMask, TimestampType,
};
pub use budget::{BudgetUse, ByteBudget, BytePermit};
pub use byte_column::ByteColumn;
pub use config::{ConfigDef, ConfigValue, Key, Password, Properties};
pub use connector::{Connector, ConnectorKind, Role};
pub use connector_error::ConnectorError;
pub use consumer::{Confirms, Consumer, ConsumerError, Extent, Fetched, FlushReason};
pub use converter::{Converter, HeaderConverter, Preparation, Unavailable};
pub use decimal::Decimal;
pub use degraded::Degraded;
pub use edit::{Edit, Editor, Missing, Origin};
pub use encoded::{Encoded, Encoding};
pub use error_settings::{ErrorSettings, Tolerance};
pub use map::Map;
pub use message::{BodyKind, MessageDetails, MessageId, Messages, QueueContext, SettledOffsets};
pub use meters::{ClientMeters, QueueMeters, QueueState, SinkMeters};
pub use offsets::TopicPartition;
pub use plugin::{
    ConverterPlugin, ConverterUse, HeaderConverterPlugin, InputPlugin, KeyError, PluginError,
    PredicatePlugin, TransformPlugin,
};
pub use record_writer::{
    Acknowledgement, OutgoingRecord, RecordRejection, RecordSender, RecordWriter, WriteError,
};
pub use rejected::{FailedRecord, RecordError, Rejected, RejectedRow, Stage};
pub use schema::{Field, Schema, SchemaRef, SchemaType};
pub use sink::{
    ColumnNeed, Progress, SinkConnector, SinkError, SinkErrorKind, SinkNeeds, SinkTask, TaskContext,
};
pub use source::{
    OffsetError, OffsetStore, SourceBatch, SourceConnector, SourceContext, SourceError,
    SourcePlace, SourceTask,
};
pub use source_map::{Plain, SourceMap};
pub use task_id::TaskId;
pub use text::Text;
pub use transform::{Fusable, Needs, Predicate, Transform};
pub use value::{SchemaAndValue, Struct, Value};
