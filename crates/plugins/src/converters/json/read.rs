//! From a JSON tree to Connect's values: by inference where there is no schema, else by the schema's lenient coercions.

use super::base64::decode_base64;
use super::node::Node;
use millstream_core::logical::{self, DAY_MILLIS};
use millstream_core::schema::{DATE, DECIMAL, TIME, TIMESTAMP};
use millstream_core::{Decimal, Map, RecordError, Schema, SchemaRef, SchemaType, Struct, Value};

/// A value as Java infers it: INT64, FLOAT64, strings, booleans, lists and hash maps.
pub(super) fn infer(node: Node) -> Value {
    match node {
        Node::Missing | Node::Null => Value::Null,
        Node::Boolean(v) => Value::Boolean(v),
        Node::Integer(_) | Node::BigInteger(_) => Value::Int64(node.to_i64()),
        Node::Fraction(fraction) => Value::Float64(fraction.to_f64()),
        Node::String(text) => Value::String(text),
        Node::Array(items) => Value::Array(items.into_iter().map(infer).collect()),
        Node::Object(members) => Value::Map(Map::hashed(
            members
                .into_iter()
                .map(|(name, node)| (Value::String(name), infer(node))),
        )),
    }
}

/// A value for a schema. `None` stands for a member that is not there.
pub(super) fn coerce(
    schema: &SchemaRef,
    node: Option<&Node>,
    replace_null_with_default: bool,
) -> Result<Value, RecordError> {
    let Some(node) = node.filter(|node| !node.is_null()) else {
        return match &schema.default {
            Some(default) if replace_null_with_default => Ok(default.clone()),
            _ if schema.optional => Ok(Value::Null),
            _ => Err(RecordError::data(format!(
                "Invalid null value for required {} field",
                schema.kind.java_name()
            ))),
        };
    };
    let coerce = |schema, node| coerce(schema, node, replace_null_with_default);
    if let Some(value) = logical(schema, node)? {
        return Ok(value);
    }
    Ok(match schema.kind {
        SchemaType::Int8 => Value::Int8(node.to_i64() as i8),
        SchemaType::Int16 => Value::Int16(node.to_i64() as i16),
        SchemaType::Int32 => Value::Int32(node.to_i64() as i32),
        SchemaType::Int64 => Value::Int64(node.to_i64()),
        SchemaType::Float32 => Value::Float32(node.to_f32()),
        SchemaType::Float64 => Value::Float64(node.to_f64()),
        SchemaType::Boolean => Value::Boolean(matches!(node, Node::Boolean(true))),
        SchemaType::String => match node {
            Node::String(text) => Value::String(text.clone()),
            _ => Value::Null,
        },
        SchemaType::Bytes => match node {
            Node::String(text) => {
                let bytes = decode_base64(&text.to_java_utf8());
                let bytes = bytes.ok_or_else(|| RecordError::data("Invalid bytes field"))?;
                Value::Bytes(bytes.into())
            }
            _ => Value::Null,
        },
        SchemaType::Array => {
            let element = schema.value_schema.as_ref().expect("an array has elements");
            let items: Vec<&Node> = match node {
                Node::Array(items) => items.iter().collect(),
                other => other.members().unwrap_or_default().into_values().collect(),
            };
            let items = items.into_iter().map(|item| coerce(element, Some(item)));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        SchemaType::Map => Value::Map(map(schema, node, replace_null_with_default)?),
        SchemaType::Struct => {
            let Node::Object(_) = node else {
                return Err(RecordError::data(format!(
                    "Structs should be encoded as JSON objects, but found {}",
                    node.type_name()
                )));
            };
            let mut record = Struct::new(schema.clone());
            for (index, field) in schema.fields.iter().enumerate() {
                record.put(index, coerce(&field.schema, node.get(&field.name))?)?;
            }
            Value::Struct(Box::new(record))
        }
    })
}

fn map(schema: &Schema, node: &Node, replace_null_with_default: bool) -> Result<Map, RecordError> {
    let keys = schema.key_schema.as_ref().expect("a map has keys");
    let values = schema.value_schema.as_ref().expect("a map has values");
    let coerce = |schema, node| coerce(schema, Some(node), replace_null_with_default);
    let mut pairs = Vec::new();
    match (keys.kind, node) {
        (SchemaType::String, object @ Node::Object(_)) => {
            for (name, value) in object.members().unwrap_or_default() {
                pairs.push((Value::String(name.clone()), coerce(values, value)?));
            }
        }
        (SchemaType::String, other) => {
            return Err(RecordError::data(format!(
                "Maps with string fields should be encoded as JSON objects, but found {}",
                other.type_name()
            )));
        }
        (_, Node::Array(entries)) => {
            for entry in entries {
                let Node::Array(pair) = entry else {
                    return Err(RecordError::data(format!(
                        "Found invalid map entry instead of array tuple: {}",
                        entry.type_name()
                    )));
                };
                let [key, value] = &pair[..] else {
                    return Err(RecordError::data(format!(
                        "Found invalid map entry, expected length 2 but found :{}",
                        pair.len()
                    )));
                };
                pairs.push((coerce(keys, key)?, coerce(values, value)?));
            }
        }
        (_, other) => {
            return Err(RecordError::data(format!(
                "Maps with non-string fields should be encoded as JSON array of tuples, but found {}",
                other.type_name()
            )));
        }
    }
    Ok(Map::hashed(pairs))
}

/// The value of a logical type, told by the schema's name alone.
fn logical(schema: &Schema, node: &Node) -> Result<Option<Value>, RecordError> {
    let wrong = |logical: &str, wanted: &str| {
        RecordError::data(format!(
            "Invalid type for {logical}, underlying representation should be {wanted} but was {}",
            node.type_name()
        ))
    };
    let int32 = |logical| match node {
        Node::Integer(v) if i32::try_from(*v).is_ok() => Ok(*v),
        _ => Err(wrong(logical, "integer")),
    };
    Ok(Some(match schema.name.as_deref() {
        Some(DECIMAL) => Value::Decimal(decimal(schema, node)?),
        Some(DATE) => Value::Date(int32("Date")? * DAY_MILLIS),
        Some(TIME) => {
            let millis = int32("Time")?;
            if !(0..=DAY_MILLIS).contains(&millis) {
                return Err(RecordError::data(
                    "Time values must use number of milliseconds greater than 0 and less than 86400000",
                ));
            }
            Value::Date(millis)
        }
        Some(TIMESTAMP) => match node {
            Node::Integer(_) | Node::BigInteger(_) => Value::Date(node.to_i64()),
            _ => return Err(wrong("Timestamp", "integral")),
        },
        _ => return Ok(None),
    }))
}

fn decimal(schema: &Schema, node: &Node) -> Result<Decimal, RecordError> {
    if let Some(decimal) = node.to_decimal() {
        return Ok(decimal);
    }
    let invalid = |cause| RecordError::data("Invalid bytes for Decimal field").caused_by(cause);
    match node {
        Node::String(text) => {
            let bytes = decode_base64(&text.to_java_utf8());
            let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) else {
                return Err(invalid(RecordError::new(
                    "java.lang.NumberFormatException",
                    "the text is not base64 of a number",
                )));
            };
            let scale = logical::decimal_scale(schema).map_err(invalid)?;
            Ok(Decimal::from_unscaled_bytes(&bytes, scale))
        }
        _ => Err(RecordError::data(format!(
            "Invalid type for Decimal, underlying representation should be numeric or bytes but was {}",
            node.type_name()
        ))),
    }
}
