//! MaskField: fields get the zero of their type, or a replacement.

use super::{
    Part, changes_in_copy, field_value, key_and_value, require_map, require_struct, rewrite,
};
use crate::converters::simple_header::{low_bits, parse_decimal, to_f64};
use crate::settings::{checked, distinct_non_empty, replace_null_with_default};
use millstream_core::config::{Importance, Key, Kind, Validator};
use millstream_core::converter::RowErrors;
use millstream_core::{
    Decimal, Edit, Map, Needs, Origin, PluginError, Properties, RecordBatch, RecordError, RowMask,
    SchemaAndValue, Struct, Transform, Value, config_def,
};
use num_bigint::BigInt;

key_and_value!(
    MaskField,
    MaskFieldConfig,
    "org.apache.kafka.connect.transforms.MaskField"
);

const PURPOSE: &str = "mask fields";

config_def! {
    struct MaskFieldConfig {
        fields: Vec<String> = Key::required("fields", Kind::List)
            .importance(Importance::High)
            .doc("Names of fields to mask.")
            .validator(Validator::Check(distinct_non_empty)),
        replacement: Option<String> = Key::null("replacement", Kind::String)
            .importance(Importance::Low)
            .doc(
                "Custom value replacement, that will be applied to all 'fields' values (numeric or non-empty string \
                 values only).",
            )
            .validator(Validator::NonEmpty),
        replace_null_with_default: bool = replace_null_with_default(),
    }
}

struct MaskField {
    part: Part,
    fields: Vec<String>,
    replacement: Option<String>,
    replace_null_with_default: bool,
}

impl MaskField {
    fn new(properties: &Properties, part: Part) -> Result<Self, PluginError> {
        let config = checked(MaskFieldConfig::parse(properties))?;
        // Java holds them in a set, whose order decides which field fails first, and where fields that were not there go.
        let set = Map::hashed(
            config
                .fields
                .into_iter()
                .map(|name| (Value::from(name), Value::Null)),
        );
        Ok(MaskField {
            part,
            fields: set.iter().map(|(name, _)| name.to_string()).collect(),
            replacement: config.replacement,
            replace_null_with_default: config.replace_null_with_default,
        })
    }

    fn mask(&self, taken: SchemaAndValue) -> Result<SchemaAndValue, RecordError> {
        let Some(schema) = taken.schema else {
            let mut map = require_map(taken.value, PURPOSE)?.copied_from();
            for field in &self.fields {
                let masked = match map.get_str(field) {
                    Some(value) => self.masked(value)?,
                    None => Value::Null,
                };
                map.put_str(field, masked);
            }
            return Ok(SchemaAndValue {
                schema: None,
                value: Value::Map(map),
            });
        };
        let old = require_struct(taken.value, PURPOSE)?;
        let mut record = Struct::new(old.schema.clone());
        for (index, field) in old.schema.fields.iter().enumerate() {
            let value = field_value(&old, index, self.replace_null_with_default);
            let value = if self.fields.contains(&field.name) {
                self.masked(&value)?
            } else {
                value
            };
            record.put(index, value)?;
        }
        Ok(SchemaAndValue {
            schema: Some(schema),
            value: Value::Struct(Box::new(record)),
        })
    }

    fn masked(&self, value: &Value) -> Result<Value, RecordError> {
        match &self.replacement {
            _ if value.is_null() => Ok(Value::Null),
            None => zero(value),
            Some(replacement) => replaced(value, replacement),
        }
    }
}

fn zero(value: &Value) -> Result<Value, RecordError> {
    Ok(match value {
        Value::Boolean(_) => Value::Boolean(false),
        Value::Int8(_) => Value::Int8(0),
        Value::Int16(_) => Value::Int16(0),
        Value::Int32(_) => Value::Int32(0),
        Value::Int64(_) => Value::Int64(0),
        Value::Float32(_) => Value::Float32(0.0),
        Value::Float64(_) => Value::Float64(0.0),
        // Java's zero has the scale 0, whatever the schema says.
        Value::Decimal(_) => Value::Decimal(Decimal {
            unscaled: BigInt::from(0),
            scale: 0,
        }),
        Value::Date(_) => Value::Date(0),
        Value::String(_) => Value::from(""),
        Value::Array(_) => Value::Array(Vec::new()),
        Value::Map(_) => Value::Map(Map::hashed([])),
        other => {
            return Err(RecordError::data(format!(
                "Cannot mask value of type: class {}",
                other.java_class()
            )));
        }
    })
}

fn replaced(value: &Value, replacement: &str) -> Result<Value, RecordError> {
    let number = |what: &str| {
        parse_decimal(replacement).ok_or_else(|| {
            RecordError::data(format!(
                "Unable to convert {replacement} (class java.lang.String) to {what}"
            ))
        })
    };
    let integer = || Ok::<i64, RecordError>(low_bits(&number("a number")?));
    Ok(match value {
        Value::Int8(_) => Value::Int8(integer()? as i8),
        Value::Int16(_) => Value::Int16(integer()? as i16),
        Value::Int32(_) => Value::Int32(integer()? as i32),
        Value::Int64(_) => Value::Int64(integer()?),
        Value::Float32(_) => Value::Float32(to_f64(&number("a number")?) as f32),
        Value::Float64(_) => Value::Float64(to_f64(&number("a number")?)),
        Value::Decimal(_) => Value::Decimal(number("number")?),
        Value::String(_) => Value::from(replacement),
        other => {
            return Err(RecordError::data(format!(
                "Cannot mask value of type class {} with custom replacement.",
                other.java_class()
            )));
        }
    })
}

impl Transform for MaskField {
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
            self.mask(taken)
        });
    }

    fn edits(&self) -> Option<Vec<Edit>> {
        let mut edits = changes_in_copy(&self.fields);
        edits.push(Edit::RefuseNull);
        Some(edits)
    }

    fn edit(&mut self, _edit: usize, old: &Value, _origin: &Origin<'_>) -> Option<Value> {
        self.masked(old).ok()
    }
}
