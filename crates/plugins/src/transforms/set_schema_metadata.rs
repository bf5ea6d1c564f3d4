//! SetSchemaMetadata: gives a struct's schema another name or version.

use super::{Derived, Part, field_value, key_and_value, rewrite};
use crate::settings::{checked, replace_null_with_default};
use millstream_core::config::{Importance, Key, Kind};
use millstream_core::converter::RowErrors;
use millstream_core::{
    Needs, PluginError, Properties, RecordBatch, RecordError, RowMask, Schema, SchemaAndValue,
    SchemaType, Struct, Transform, Value, config_def,
};
use std::sync::Arc;

key_and_value!(
    SetSchemaMetadata,
    SetSchemaMetadataConfig,
    "org.apache.kafka.connect.transforms.SetSchemaMetadata"
);

config_def! {
    struct SetSchemaMetadataConfig {
        name: Option<String> = Key::null("schema.name", Kind::String)
            .importance(Importance::High)
            .doc("Schema name to set."),
        version: Option<i32> = Key::null("schema.version", Kind::Int)
            .importance(Importance::High)
            .doc("Schema version to set."),
        replace_null_with_default: bool = replace_null_with_default(),
    }
}

struct SetSchemaMetadata {
    part: Part,
    name: Option<String>,
    version: Option<i32>,
    replace_null_with_default: bool,
    schemas: Derived,
}

impl SetSchemaMetadata {
    fn new(properties: &Properties, part: Part) -> Result<Self, PluginError> {
        let config = checked(SetSchemaMetadataConfig::parse(properties))?;
        if config.name.is_none() && config.version.is_none() {
            return Err(PluginError::config(
                "Neither schema name nor version configured",
            ));
        }
        Ok(SetSchemaMetadata {
            part,
            name: config.name,
            version: config.version,
            replace_null_with_default: config.replace_null_with_default,
            schemas: Derived::default(),
        })
    }

    fn set(&mut self, taken: SchemaAndValue) -> Result<SchemaAndValue, RecordError> {
        let Some(schema) = taken.schema else {
            return if taken.value.is_null() {
                Ok(SchemaAndValue::NULL)
            } else {
                Err(RecordError::data(
                    "Schema required for [updating schema metadata]",
                ))
            };
        };
        if schema.kind != SchemaType::Struct {
            // Java reads the fields of whatever schema it gets.
            return Err(RecordError::data("Cannot list fields on non-struct type"));
        }
        let updated = self.schemas.get(&schema, |schema| {
            Ok(renamed(schema, self.name.as_ref(), self.version))
        })?;
        let value = match taken.value {
            Value::Struct(old) => {
                let mut record = Struct::new(updated.clone());
                for index in 0..old.values.len().min(record.values.len()) {
                    let value = field_value(&old, index, self.replace_null_with_default);
                    record.put(index, value)?;
                }
                Value::Struct(Box::new(record))
            }
            other => other,
        };
        Ok(SchemaAndValue {
            schema: Some(updated),
            value,
        })
    }
}

/// The schema under another name or version, that of its default value likewise.
fn renamed(schema: &Schema, name: Option<&String>, version: Option<i32>) -> Schema {
    let default = match &schema.default {
        Some(Value::Struct(default)) => {
            let mut default = default.clone();
            default.schema = Arc::new(renamed(&default.schema, name, version));
            Some(Value::Struct(default))
        }
        other => other.clone(),
    };
    Schema {
        name: name.or(schema.name.as_ref()).cloned(),
        version: version.or(schema.version),
        default,
        ..schema.clone()
    }
}

impl Transform for SetSchemaMetadata {
    fn class_name(&self) -> &str {
        self.part.pick(KEY.class, VALUE.class)
    }

    fn needs(&self) -> Needs {
        self.part.needs()
    }

    fn apply(
        &mut self,
        batch: &mut RecordBatch,
        mask: &RowMask,
        _keep: &mut RowMask,
        errors: &mut RowErrors,
    ) {
        rewrite(self.part.of(batch), mask, errors, |_, taken| {
            self.set(taken)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_f13_renames_the_schema_of_the_default_too() {
        let plain = Schema {
            name: Some("old".to_owned()),
            ..Schema::optional(SchemaType::Struct)
        };
        let default = Struct::new(Arc::new(plain.clone()));
        let schema = Schema {
            default: Some(Value::Struct(Box::new(default))),
            ..plain
        };
        let properties = Properties::from_iter([("schema.name", "new")]);
        let mut set = SetSchemaMetadata::new(&properties, Part::Value).unwrap();
        let changed = set
            .set(SchemaAndValue {
                schema: Some(Arc::new(schema)),
                value: Value::Null,
            })
            .unwrap();
        let schema = changed.schema.unwrap();
        let Some(Value::Struct(default)) = &schema.default else {
            panic!("the default stays");
        };
        assert_eq!(schema.name.as_deref(), Some("new"));
        assert_eq!(default.schema.name.as_deref(), Some("new"));
    }
}
