//! Default values of Connect's schemas as the JSON of Avro's.

use super::{AvroDataSettings, DEEPEST, is_union};
use crate::model::{AvroType, Kind, TypeId};
use millstream_core::logical::{date_days, decimal_bytes, time_millis};
use millstream_core::schema::{DATE, DECIMAL, TIME, TIMESTAMP};
use millstream_core::{RecordError, Schema, SchemaRef, SchemaType, Value};
use millstream_java::number::{f32_text, f64_text};
use serde_json::{Map, Number, Value as Json};

/// A schema's default as JSON. The value is given apart: within a default the inner schemas' own do not count.
pub(crate) fn to_json(
    schema: &Schema,
    value: &Value,
    settings: &AvroDataSettings,
) -> Result<Json, RecordError> {
    let inner = |schema: &Option<SchemaRef>, value: &Value| match schema {
        Some(schema) => to_json(schema, value, settings),
        None => Err(wrong(schema_kind(value), value)),
    };
    Ok(match (schema.name.as_deref(), value) {
        (_, Value::Null) => Json::Null,
        (Some(DECIMAL), Value::Decimal(decimal)) => latin1(&decimal_bytes(schema, decimal)?),
        (Some(DATE), Value::Date(millis)) => date_days(*millis)?.into(),
        (Some(TIME), Value::Date(millis)) => time_millis(*millis)?.into(),
        (Some(TIMESTAMP), Value::Date(millis)) => (*millis).into(),
        _ => match (schema.kind, value) {
            (SchemaType::Int8, Value::Int8(v)) => (*v).into(),
            (SchemaType::Int16, Value::Int16(v)) => (*v).into(),
            (SchemaType::Int32, Value::Int32(v)) => (*v).into(),
            (SchemaType::Int64, Value::Int64(v)) => (*v).into(),
            (SchemaType::Float32, Value::Float32(v)) => number(&f32_text(*v)),
            (SchemaType::Float64, Value::Float64(v)) => number(&f64_text(*v)),
            (SchemaType::Boolean, Value::Boolean(v)) => (*v).into(),
            (SchemaType::String, Value::String(text)) => text.to_java_utf8().into_owned().into(),
            (SchemaType::Bytes, Value::Bytes(bytes)) => latin1(bytes),
            (SchemaType::Array, Value::Array(items)) => {
                let items = items.iter().map(|item| inner(&schema.value_schema, item));
                Json::Array(items.collect::<Result<_, _>>()?)
            }
            (SchemaType::Map, Value::Map(map)) if settings.has_text_keys(schema) => {
                let mut object = Map::new();
                for (key, value) in map.iter() {
                    object.insert(key.to_string(), inner(&schema.value_schema, value)?);
                }
                Json::Object(object)
            }
            (SchemaType::Map, Value::Map(map)) => {
                let pairs = map.iter().map(|(key, value)| {
                    let key = inner(&schema.key_schema, key)?;
                    Ok(Json::Array(vec![key, inner(&schema.value_schema, value)?]))
                });
                Json::Array(pairs.collect::<Result<_, RecordError>>()?)
            }
            (SchemaType::Struct, Value::Struct(record)) => {
                let mut object = Map::new();
                for (index, field) in schema.fields.iter().enumerate() {
                    let Some(_) = record.values.get(index) else {
                        break;
                    };
                    let default = to_json(&field.schema, record.get_at(index), settings)?;
                    if is_union(schema) {
                        return Ok(default);
                    }
                    object.insert(settings.name(&field.name), default);
                }
                Json::Object(object)
            }
            (kind, value) => return Err(wrong(kind.java_name(), value)),
        },
    })
}

fn wrong(kind: &str, value: &Value) -> RecordError {
    RecordError::data(format!(
        "Invalid type used for default value of {kind} field: class {}",
        value.java_class()
    ))
}

fn schema_kind(value: &Value) -> &'static str {
    match value {
        Value::Map(_) => "MAP",
        _ => "ARRAY",
    }
}

/// Text with a character for each byte.
fn latin1(bytes: &[u8]) -> Json {
    bytes
        .iter()
        .map(|byte| char::from(*byte))
        .collect::<String>()
        .into()
}

/// The bytes of such a text; Java's `?` for what is no byte.
pub(crate) fn from_latin1(text: &str) -> Vec<u8> {
    text.chars()
        .map(|c| u8::try_from(c).unwrap_or(b'?'))
        .collect()
}

/// The digits as they are; a text where JSON has no number.
fn number(digits: &str) -> Json {
    let number = digits.parse().ok().and_then(Number::from_f64);
    number.map_or_else(|| digits.into(), Json::Number)
}

/// Whether Avro takes a field's default: one that fits any branch of a union will do.
pub(crate) fn is_valid(types: &[AvroType], id: TypeId, default: &Json) -> bool {
    fits(types, id, default, DEEPEST)
}

fn fits(types: &[AvroType], id: TypeId, default: &Json, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else {
        return false;
    };
    let inner = |id, default: &Json| fits(types, id, default, depth);
    match &types[id.0].kind {
        Kind::Null => default.is_null(),
        Kind::Boolean => default.is_boolean(),
        Kind::Int => default.as_i64().is_some_and(|v| i32::try_from(v).is_ok()),
        Kind::Long => default.is_i64(),
        Kind::Float | Kind::Double => default.is_number(),
        Kind::String | Kind::Bytes | Kind::Enum(_) | Kind::Fixed(_) => default.is_string(),
        Kind::Array(of) => {
            let items = default.as_array();
            items.is_some_and(|items| items.iter().all(|item| inner(*of, item)))
        }
        Kind::Map(of) => {
            let pairs = default.as_object();
            pairs.is_some_and(|pairs| pairs.values().all(|value| inner(*of, value)))
        }
        Kind::Union(branches) => branches.iter().any(|branch| inner(*branch, default)),
        Kind::Record(record) => default.as_object().is_some_and(|object| {
            record.fields.iter().all(|field| {
                let value = object.get(&field.name).or(field.default.as_ref());
                value.is_some_and(|value| inner(field.schema, value))
            })
        }),
    }
}
