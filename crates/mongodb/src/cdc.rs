//! Change data capture: what an event of a database's change log becomes. The settings of processors, ids and write models
//! mean nothing here: the event says what is to be written. The rules are those of the original's handlers, by name.

mod change_stream;
mod debezium_mongodb;
mod debezium_rdbms;
mod errors;
mod null_fields;
mod qlik;

use crate::record::SinkRecord;
use crate::write_model::Model;
use millstream_core::RecordError;

/// Who wrote the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventFormat {
    /// Debezium for MongoDB, from its change streams: an update brings the whole document.
    DebeziumChangeStream,
    /// Debezium for MongoDB before 2.0, from the oplog: an update is a patch.
    DebeziumOplog,
    /// Debezium for MySQL, PostgreSQL, SQL Server and other relational databases.
    DebeziumRdbms,
    /// Change stream events as MongoDB's source connector publishes them.
    ChangeStream,
    /// Qlik Replicate for relational databases.
    QlikRdbms,
}

impl EventFormat {
    /// Whether only a record's key tells which document an event is about.
    pub(crate) fn needs_keys(self) -> bool {
        matches!(self, EventFormat::DebeziumRdbms | EventFormat::QlikRdbms)
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct CdcHandler {
    pub(crate) format: EventFormat,
    /// Whether fields that are null are left out of what is written.
    pub(crate) removes_nulls: bool,
}

impl CdcHandler {
    /// What the event writes; `None` if nothing: a tombstone, a change of a schema, an update that changes nothing.
    pub(crate) fn handle(&self, record: &mut SinkRecord<'_>) -> Result<Option<Model>, RecordError> {
        let model = match self.format {
            EventFormat::DebeziumChangeStream => debezium_mongodb::handle(record, false)?,
            EventFormat::DebeziumOplog => debezium_mongodb::handle(record, true)?,
            EventFormat::DebeziumRdbms => debezium_rdbms::handle(record)?,
            EventFormat::ChangeStream => change_stream::handle(record)?,
            EventFormat::QlikRdbms => qlik::handle(record)?,
        };
        Ok(match model {
            Some(model) if self.removes_nulls => null_fields::without(model),
            model => model,
        })
    }
}
