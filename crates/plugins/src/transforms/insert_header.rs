//! InsertHeader: adds a header with a fixed value, whose type is inferred from its text.

use super::{headers_of, undecoded_headers};
use crate::converters::simple_header;
use crate::settings::{checked, non_null};
use millstream_core::config::{Importance, Key, Kind, Validator};
use millstream_core::converter::RowErrors;
use millstream_core::{
    Header, Needs, PluginError, Properties, RecordBatch, RowMask, Transform, TransformPlugin,
    config_def,
};

pub(crate) const PLUGIN: TransformPlugin = TransformPlugin {
    class: "org.apache.kafka.connect.transforms.InsertHeader",
    config_def: InsertHeaderConfig::definition,
    make: |properties| Ok(Box::new(InsertHeader::new(properties)?)),
};

config_def! {
    struct InsertHeaderConfig {
        header: String = Key::required("header", Kind::String)
            .importance(Importance::High)
            .doc("The name of the header.")
            .validator(Validator::Check(non_null)),
        literal: String = Key::required("value.literal", Kind::String)
            .importance(Importance::High)
            .doc("The literal value that is to be set as the header value on all records.")
            .validator(Validator::Check(non_null)),
    }
}

struct InsertHeader {
    header: Header,
}

impl InsertHeader {
    fn new(properties: &Properties) -> Result<Self, PluginError> {
        let config = checked(InsertHeaderConfig::parse(properties))?;
        let inferred = simple_header::infer(&config.literal);
        Ok(InsertHeader {
            header: Header {
                key: config.header,
                schema: inferred.schema,
                value: inferred.value,
            },
        })
    }
}

impl Transform for InsertHeader {
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
        match headers_of(batch) {
            Some(rows) => {
                for row in mask.rows() {
                    rows[row].push(self.header.clone());
                }
            }
            None => undecoded_headers(mask, errors),
        }
    }
}
