//! DropHeaders: takes away all headers with these names.

use crate::settings::{checked, distinct_non_empty};
use millstream_core::config::{Importance, Key, Kind, Validator};
use millstream_core::converter::RowErrors;
use millstream_core::{
    Headers, Needs, PluginError, Properties, RecordBatch, RowMask, Transform, TransformPlugin,
    config_def,
};

pub(crate) const PLUGIN: TransformPlugin = TransformPlugin {
    class: "org.apache.kafka.connect.transforms.DropHeaders",
    config_def: DropHeadersConfig::definition,
    make: |properties| Ok(Box::new(DropHeaders::new(properties)?)),
};

config_def! {
    struct DropHeadersConfig {
        headers: Vec<String> = Key::required("headers", Kind::List)
            .importance(Importance::High)
            .doc("The name of the headers to be removed.")
            .validator(Validator::Check(distinct_non_empty)),
    }
}

struct DropHeaders {
    names: Vec<String>,
}

impl DropHeaders {
    fn new(properties: &Properties) -> Result<Self, PluginError> {
        let config = checked(DropHeadersConfig::parse(properties))?;
        Ok(DropHeaders {
            names: config.headers,
        })
    }
}

impl Transform for DropHeaders {
    fn class_name(&self) -> &str {
        PLUGIN.class
    }

    fn needs(&self) -> Needs {
        Needs {
            headers: true,
            ..Needs::default()
        }
    }

    fn only_headers(&self) -> bool {
        true
    }

    fn apply(
        &mut self,
        batch: &mut RecordBatch,
        mask: &RowMask,
        _keep: &mut RowMask,
        errors: &mut RowErrors,
    ) {
        match &mut batch.headers {
            Headers::None => {}
            Headers::Raw(_) => super::undecoded_headers(mask, errors),
            Headers::Decoded { rows, .. } => {
                for row in mask.rows() {
                    rows[row].retain(|header| !self.names.contains(&header.key));
                }
            }
        }
    }
}
