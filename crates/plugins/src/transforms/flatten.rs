//! Flatten: nested fields become fields of the top with joined names.

use super::{
    Derived, Part, add_field, copy_basics, key_and_value, require_map, require_struct, rewrite,
};
use crate::settings::checked;
use millstream_core::config::{Key, Kind};
use millstream_core::converter::RowErrors;
use millstream_core::{
    Map, Needs, PluginError, Properties, RecordBatch, RecordError, RowMask, Schema, SchemaAndValue,
    SchemaType, Struct, Transform, Value, config_def,
};
use std::sync::Arc;

key_and_value!(
    Flatten,
    FlattenConfig,
    "org.apache.kafka.connect.transforms.Flatten"
);

const PURPOSE: &str = "flattening";

config_def! {
    struct FlattenConfig {
        delimiter: String = Key::new("delimiter", Kind::String, ".").doc(
            "Delimiter to insert between field names from the input record when generating field names for the \
             output record",
        ),
    }
}

struct Flatten {
    part: Part,
    delimiter: String,
    schemas: Derived,
}

impl Flatten {
    fn new(properties: &Properties, part: Part) -> Result<Self, PluginError> {
        let config = checked(FlattenConfig::parse(properties))?;
        Ok(Flatten {
            part,
            delimiter: config.delimiter,
            schemas: Derived::default(),
        })
    }

    fn flatten(&mut self, taken: SchemaAndValue) -> Result<SchemaAndValue, RecordError> {
        if taken.value.is_null() {
            return Ok(taken);
        }
        let Some(schema) = taken.schema else {
            let mut pairs = Vec::new();
            self.flatten_map(require_map(taken.value, PURPOSE)?, "", &mut pairs)?;
            return Ok(SchemaAndValue {
                schema: None,
                value: Value::Map(Map::linked(pairs)),
            });
        };
        let old = require_struct(taken.value, PURPOSE)?;
        let delimiter = &self.delimiter;
        let flat = self.schemas.get(&schema, |schema| {
            let mut flat = copy_basics(schema);
            let default = match &schema.default {
                Some(Value::Struct(default)) => Some(&**default),
                _ => None,
            };
            flatten_schema(schema, "", delimiter, schema.optional, default, &mut flat)?;
            Ok(flat)
        })?;
        let mut record = Struct::new(flat.clone());
        self.flatten_struct(&old, "", &mut record)?;
        Ok(SchemaAndValue {
            schema: Some(flat),
            value: Value::Struct(Box::new(record)),
        })
    }

    fn flatten_map(
        &self,
        map: Map,
        prefix: &str,
        pairs: &mut Vec<(Value, Value)>,
    ) -> Result<(), RecordError> {
        for (key, value) in map.into_entries() {
            let name = joined(prefix, &self.delimiter, &key.to_string());
            match value {
                Value::Map(inner) => self.flatten_map(inner, &name, pairs)?,
                Value::Decimal(_) | Value::Date(_) => {
                    return Err(RecordError::data(format!(
                        "Flatten transformation was passed a value of type class {} which is not supported by \
                         Connect's data API",
                        value.java_class()
                    )));
                }
                Value::Struct(_) => {
                    return Err(RecordError::data(format!(
                        "Flatten transformation does not support class {} for record without schemas (for field \
                         {name}).",
                        value.java_class()
                    )));
                }
                leaf => pairs.push((Value::from(name), leaf)),
            }
        }
        Ok(())
    }

    fn flatten_struct(
        &self,
        old: &Struct,
        prefix: &str,
        record: &mut Struct,
    ) -> Result<(), RecordError> {
        for (index, field) in old.schema.fields.iter().enumerate() {
            let name = joined(prefix, &self.delimiter, &field.name);
            if field.schema.kind == SchemaType::Struct {
                // A null struct stays null, whatever its default; its leaves are not set.
                if let Value::Struct(inner) = &old.values[index] {
                    self.flatten_struct(inner, &name, record)?;
                }
            } else if let Some(place) = record.schema.field_index(&name) {
                record.put(place, old.get_at(index).clone())?;
            }
        }
        Ok(())
    }
}

fn joined(prefix: &str, delimiter: &str, name: &str) -> String {
    if prefix.is_empty() {
        name.to_owned()
    } else {
        format!("{prefix}{delimiter}{name}")
    }
}

/// Adds the fields of `schema` to `flat`; below an optional struct everything is optional.
fn flatten_schema(
    schema: &Schema,
    prefix: &str,
    delimiter: &str,
    optional: bool,
    default_of_parent: Option<&Struct>,
    flat: &mut Schema,
) -> Result<(), RecordError> {
    for field in &schema.fields {
        let name = joined(prefix, delimiter, &field.name);
        let optional = optional || field.schema.optional;
        let default = match &field.schema.default {
            Some(default) => Some(default),
            None => default_of_parent.and_then(|parent| parent.get(&field.name)),
        };
        let default = default.filter(|default| !default.is_null());
        if field.schema.recursive {
            return Err(RecordError::data(format!(
                "Flatten transformation does not support a struct within itself (for field {name})."
            )));
        }
        match field.schema.kind {
            SchemaType::Struct => {
                let inner = match default {
                    Some(Value::Struct(default)) => Some(&**default),
                    _ => None,
                };
                flatten_schema(&field.schema, &name, delimiter, optional, inner, flat)?;
            }
            SchemaType::Map => {
                return Err(RecordError::data(format!(
                    "Flatten transformation does not support MAP for record with schemas (for field {name})."
                )));
            }
            _ => {
                let leaf = Schema {
                    optional,
                    default: default.cloned(),
                    ..(*field.schema).clone()
                };
                add_field(flat, &name, Arc::new(leaf))?;
            }
        }
    }
    Ok(())
}

impl Transform for Flatten {
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
            self.flatten(taken)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_core::Field;

    #[test]
    fn a_struct_within_itself_is_refused() {
        let mut within = Schema::optional(SchemaType::Struct);
        within.name = Some("Node".to_owned());
        within.recursive = true;
        let mut node = Schema::of(SchemaType::Struct);
        node.fields = vec![Field {
            name: "next".to_owned(),
            schema: Arc::new(within),
        }];
        let mut flat = Schema::of(SchemaType::Struct);
        let error = flatten_schema(&node, "", ".", false, None, &mut flat).unwrap_err();
        assert!(error.message.contains("within itself (for field next)"));
    }
}
