//! HasHeaderKey: whether a record has a header with this name.

use crate::settings::checked;
use millstream_core::config::{Key, Kind, Validator};
use millstream_core::converter::RowErrors;
use millstream_core::{
    Headers, Needs, PluginError, Predicate, PredicatePlugin, Properties, RecordBatch, RowMask,
    config_def,
};

pub(crate) const PLUGIN: PredicatePlugin = PredicatePlugin {
    class: "org.apache.kafka.connect.transforms.predicates.HasHeaderKey",
    config_def: HasHeaderKeyConfig::definition,
    make: |properties| Ok(Box::new(HasHeaderKey::new(properties)?)),
};

config_def! {
    struct HasHeaderKeyConfig {
        name: String = Key::required("name", Kind::String)
            .doc("The header name.")
            .validator(Validator::NonEmpty),
    }
}

struct HasHeaderKey {
    name: String,
}

impl HasHeaderKey {
    fn new(properties: &Properties) -> Result<Self, PluginError> {
        let config = checked(HasHeaderKeyConfig::parse(properties))?;
        Ok(HasHeaderKey { name: config.name })
    }
}

impl Predicate for HasHeaderKey {
    fn class_name(&self) -> &str {
        PLUGIN.class
    }

    fn needs(&self) -> Needs {
        Needs {
            headers: true,
            ..Needs::default()
        }
    }

    fn test(&self, batch: &RecordBatch, _errors: &mut RowErrors) -> RowMask {
        RowMask::from_fn(batch.len(), |row| match &batch.headers {
            Headers::None => false,
            Headers::Raw(raw) => raw.row(row).any(|(key, _)| key == self.name.as_bytes()),
            Headers::Decoded { rows, .. } => rows[row].iter().any(|header| header.key == self.name),
        })
    }
}
