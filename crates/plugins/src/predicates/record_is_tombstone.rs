//! RecordIsTombstone: whether a record's value is null.

use millstream_core::converter::RowErrors;
use millstream_core::{ConfigDef, Needs, Predicate, PredicatePlugin, RecordBatch, RowMask};

pub(crate) const PLUGIN: PredicatePlugin = PredicatePlugin {
    class: "org.apache.kafka.connect.transforms.predicates.RecordIsTombstone",
    config_def: || ConfigDef::new(Vec::new()),
    make: |_| Ok(Box::new(RecordIsTombstone)),
};

struct RecordIsTombstone;

impl Predicate for RecordIsTombstone {
    fn class_name(&self) -> &str {
        PLUGIN.class
    }

    /// In every form a column says which rows are null.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn test(&self, batch: &RecordBatch, _errors: &mut RowErrors) -> RowMask {
        RowMask::from_fn(batch.len(), |row| batch.values.is_null(row))
    }
}
