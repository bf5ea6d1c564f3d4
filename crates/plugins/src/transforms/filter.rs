//! Filter: drops every record; its predicate says which.

use millstream_core::converter::RowErrors;
use millstream_core::{ConfigDef, Needs, RecordBatch, RowMask, Transform, TransformPlugin};

pub(crate) const PLUGIN: TransformPlugin = TransformPlugin {
    class: "org.apache.kafka.connect.transforms.Filter",
    config_def: || ConfigDef::new(Vec::new()),
    make: |_| Ok(Box::new(Filter)),
};

struct Filter;

impl Transform for Filter {
    fn class_name(&self) -> &str {
        PLUGIN.class
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn apply(
        &mut self,
        _batch: &mut RecordBatch,
        mask: &RowMask,
        keep: &mut RowMask,
        _errors: &mut RowErrors,
    ) {
        for row in mask.rows() {
            keep.clear(row);
        }
    }
}
