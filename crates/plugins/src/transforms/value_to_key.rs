//! ValueToKey: a new key from fields of the value.

use super::{Derived, add_field, field_value};
use crate::settings::{checked, distinct_non_empty, replace_null_with_default};
use millstream_core::config::{Importance, Key, Kind, Validator};
use millstream_core::converter::RowErrors;
use millstream_core::{
    Map, Needs, PluginError, Properties, RecordBatch, RecordError, RowMask, Schema, SchemaAndValue,
    SchemaRef, SchemaType, Struct, Transform, TransformPlugin, Value, config_def,
};

pub(crate) const PLUGIN: TransformPlugin = TransformPlugin {
    class: "org.apache.kafka.connect.transforms.ValueToKey",
    config_def: ValueToKeyConfig::definition,
    make: |properties| Ok(Box::new(ValueToKey::new(properties)?)),
};

const PURPOSE: &str = "copying fields from value to key";

config_def! {
    struct ValueToKeyConfig {
        fields: Vec<String> = Key::required("fields", Kind::List)
            .importance(Importance::High)
            .doc("Field names on the record value to extract as the record key.")
            .validator(Validator::Check(distinct_non_empty)),
        replace_null_with_default: bool = replace_null_with_default(),
    }
}

struct ValueToKey {
    fields: Vec<String>,
    replace_null_with_default: bool,
    schemas: Derived,
}

impl ValueToKey {
    fn new(properties: &Properties) -> Result<Self, PluginError> {
        let config = checked(ValueToKeyConfig::parse(properties))?;
        Ok(ValueToKey {
            fields: config.fields,
            replace_null_with_default: config.replace_null_with_default,
            schemas: Derived::default(),
        })
    }

    fn key(
        &mut self,
        schema: Option<&SchemaRef>,
        value: &Value,
    ) -> Result<SchemaAndValue, RecordError> {
        let Some(schema) = schema else {
            let Value::Map(map) = value else {
                // Says what was found instead.
                super::require_map(value.clone(), PURPOSE)?;
                return Ok(SchemaAndValue::NULL);
            };
            let pairs = self.fields.iter().map(|field| {
                let value = map.get_str(field).cloned().unwrap_or(Value::Null);
                (Value::from(field.as_str()), value)
            });
            return Ok(SchemaAndValue {
                schema: None,
                value: Value::Map(Map::hashed_with_capacity(self.fields.len(), pairs)),
            });
        };
        let Value::Struct(old) = value else {
            super::require_struct(value.clone(), PURPOSE)?;
            return Ok(SchemaAndValue::NULL);
        };
        let fields = &self.fields;
        let key_schema = self.schemas.get(schema, |_| {
            let mut key_schema = Schema::of(SchemaType::Struct);
            for field in fields {
                let Some(index) = old.schema.field_index(field) else {
                    return Err(RecordError::data(format!("Field does not exist: {field}")));
                };
                add_field(
                    &mut key_schema,
                    field,
                    old.schema.fields[index].schema.clone(),
                )?;
            }
            Ok(key_schema)
        })?;
        let mut key = Struct::new(key_schema.clone());
        for (place, field) in fields.iter().enumerate() {
            if let Some(index) = old.schema.field_index(field) {
                let value = field_value(old, index, self.replace_null_with_default);
                key.put(place, value)?;
            }
        }
        Ok(SchemaAndValue {
            schema: Some(key_schema),
            value: Value::Struct(Box::new(key)),
        })
    }
}

impl Transform for ValueToKey {
    fn class_name(&self) -> &str {
        PLUGIN.class
    }

    fn needs(&self) -> Needs {
        Needs {
            key: true,
            value: true,
            headers: false,
        }
    }

    fn apply(
        &mut self,
        batch: &mut RecordBatch,
        mask: &RowMask,
        _keep: &mut RowMask,
        errors: &mut RowErrors,
    ) {
        let values = batch.values.decoded();
        super::rewrite(&mut batch.keys, mask, errors, |row, _| match values {
            Some(values) => self.key(values.schemas[row].as_ref(), &values.values[row]),
            None => Err(RecordError::data("the values were not decoded")),
        });
    }
}
