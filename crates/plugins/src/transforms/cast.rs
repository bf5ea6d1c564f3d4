//! Cast: fields, or the whole key or value, to another primitive type.

mod convert;
mod spec;

use super::{
    Derived, Part, add_field, changes_in_copy, copy_basics, field_value, key_and_value,
    require_map, require_struct, rewrite,
};
use crate::settings::{checked, replace_null_with_default};
use convert::cast;
use millstream_core::config::{Importance, Key, Kind, Validator};
use millstream_core::converter::RowErrors;
use millstream_core::rejected::SCHEMA_BUILDER_EXCEPTION;
use millstream_core::schema::{DATE, DECIMAL, TIME, TIMESTAMP};
use millstream_core::{
    Edit, Needs, Origin, PluginError, Properties, RecordBatch, RecordError, RowMask, Schema,
    SchemaAndValue, SchemaType, Struct, Transform, Value, config_def,
};
use spec::{Casts, check_spec};
use std::sync::Arc;

key_and_value!(Cast, CastConfig, "org.apache.kafka.connect.transforms.Cast");

const PURPOSE: &str = "cast types";

config_def! {
    struct CastConfig {
        spec: Vec<String> = Key::required("spec", Kind::List)
            .importance(Importance::High)
            .doc(
                "List of fields and the type to cast them to of the form field1:type,field2:type to cast fields of \
                 Maps or Structs. A single type to cast the entire value. Valid types are int8, int16, int32, int64, \
                 float32, float64, boolean, and string. Note that binary fields can only be cast to string.",
            )
            .validator(Validator::Check(check_spec)),
        replace_null_with_default: bool = replace_null_with_default(),
    }
}

struct Cast {
    part: Part,
    casts: Casts,
    replace_null_with_default: bool,
    schemas: Derived,
}

impl Cast {
    fn new(properties: &Properties, part: Part) -> Result<Self, PluginError> {
        let config = checked(CastConfig::parse(properties))?;
        Ok(Cast {
            part,
            casts: Casts::parse(&config.spec).map_err(PluginError::config)?,
            replace_null_with_default: config.replace_null_with_default,
            schemas: Derived::default(),
        })
    }

    fn apply_to(&mut self, taken: SchemaAndValue) -> Result<SchemaAndValue, RecordError> {
        if taken.value.is_null() {
            return Ok(taken);
        }
        match (&self.casts, taken.schema) {
            (Casts::Whole(kind), None) => Ok(SchemaAndValue {
                schema: None,
                value: cast(None, &taken.value, *kind)?,
            }),
            (Casts::Whole(kind), Some(schema)) => {
                let updated = self.schemas.get(&schema, |schema| whole(schema, *kind))?;
                Ok(SchemaAndValue {
                    value: cast(Some(&schema), &taken.value, *kind)?,
                    schema: Some(updated),
                })
            }
            (Casts::Fields(fields), None) => {
                let mut map = require_map(taken.value, PURPOSE)?.copied_from();
                for (name, kind) in fields {
                    let value = match map.get_str(name) {
                        Some(value) => cast(None, value, *kind)?,
                        None => Value::Null,
                    };
                    map.put_str(name, value);
                }
                Ok(SchemaAndValue {
                    schema: None,
                    value: Value::Map(map),
                })
            }
            (Casts::Fields(_), Some(schema)) => {
                let casts = &self.casts;
                let updated = self
                    .schemas
                    .get(&schema, |schema| with_fields(schema, casts))?;
                let old = require_struct(taken.value, PURPOSE)?;
                let mut record = Struct::new(updated.clone());
                for (index, field) in old.schema.fields.iter().enumerate() {
                    let value = field_value(&old, index, self.replace_null_with_default);
                    let value = match casts.of(&field.name) {
                        Some(kind) => cast(Some(&field.schema), &value, kind)?,
                        None => value,
                    };
                    record.put(index, value)?;
                }
                Ok(SchemaAndValue {
                    schema: Some(updated),
                    value: Value::Struct(Box::new(record)),
                })
            }
        }
    }
}

/// The schema of a whole value of another type. It keeps its name: a Timestamp becomes an INT64 called Timestamp.
fn whole(schema: &Schema, kind: SchemaType) -> Result<Schema, RecordError> {
    let default = match &schema.default {
        Some(default) => Some(cast(Some(schema), default, kind)?),
        None => None,
    };
    let logical = [DATE, TIME, TIMESTAMP, DECIMAL];
    if default.is_some()
        && schema
            .name
            .as_deref()
            .is_some_and(|name| logical.contains(&name))
    {
        // The plain number does not fit the name.
        return Err(RecordError::new(
            SCHEMA_BUILDER_EXCEPTION,
            "Invalid default value",
        ));
    }
    Ok(Schema {
        kind,
        optional: schema.optional,
        default,
        ..copy_basics(schema)
    })
}

fn with_fields(schema: &Schema, casts: &Casts) -> Result<Schema, RecordError> {
    if schema.kind != SchemaType::Struct {
        return Err(RecordError::data("Cannot list fields on non-struct type"));
    }
    let mut updated = copy_basics(schema);
    for field in &schema.fields {
        let new = match casts.of(&field.name) {
            None => field.schema.clone(),
            Some(kind) => {
                let default = match &field.schema.default {
                    Some(default) => Some(cast(Some(&field.schema), default, kind)?),
                    None => None,
                };
                Arc::new(Schema {
                    optional: field.schema.optional,
                    default,
                    ..Schema::of(kind)
                })
            }
        };
        add_field(&mut updated, &field.name, new)?;
    }
    updated.optional = schema.optional;
    if let Some(default) = &schema.default {
        // Java casts the default as a whole, which no struct survives.
        updated.default = Some(cast(Some(schema), default, SchemaType::Struct)?);
    }
    Ok(updated)
}

impl Transform for Cast {
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
            self.apply_to(taken)
        });
    }

    fn edits(&self) -> Option<Vec<Edit>> {
        match &self.casts {
            Casts::Whole(_) => None,
            Casts::Fields(fields) => Some(changes_in_copy(fields.iter().map(|(name, _)| name))),
        }
    }

    fn edit(&mut self, edit: usize, old: &Value, _origin: &Origin<'_>) -> Option<Value> {
        match &self.casts {
            Casts::Whole(_) => None,
            Casts::Fields(fields) => {
                let (_, kind) = &fields[edit - 1];
                cast(None, old, *kind).ok()
            }
        }
    }
}
