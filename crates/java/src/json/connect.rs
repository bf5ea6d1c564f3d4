//! A value with its schema as JsonConverter writes it, the schema itself left out.

use super::{write_bytes, write_f32, write_f64, write_i64, write_str, write_text};
use millstream_core::logical;
use millstream_core::rejected::RecordError;
use millstream_core::schema::{DATE, DECIMAL, Schema, SchemaType, TIME, TIMESTAMP};
use millstream_core::value::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DecimalFormat {
    /// The unscaled bytes.
    #[default]
    Base64,
    /// The digits of `BigDecimal.toString`.
    Numeric,
}

/// JsonConverter's settings that matter to the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectJson {
    pub decimal_format: DecimalFormat,
    pub replace_null_with_default: bool,
}

impl Default for ConnectJson {
    fn default() -> Self {
        ConnectJson {
            decimal_format: DecimalFormat::Base64,
            replace_null_with_default: true,
        }
    }
}

/// Writes a value by its schema, or by its own type where there is none. After an error, part of the text may be in `out`.
pub fn write_connect(
    out: &mut Vec<u8>,
    schema: Option<&Schema>,
    value: &Value,
    options: ConnectJson,
) -> Result<(), RecordError> {
    let Some(schema) = schema else {
        return write_schemaless(out, value, options);
    };
    if value.is_null() {
        return match &schema.default {
            Some(default) if options.replace_null_with_default => {
                write_connect(out, Some(schema), default, options)
            }
            _ if schema.optional => {
                out.extend_from_slice(b"null");
                Ok(())
            }
            _ => Err(RecordError::data(
                "Conversion error: null value for field that is required and has no default value",
            )),
        };
    }
    if write_logical(out, schema, value, options)? {
        return Ok(());
    }
    match (schema.kind, value) {
        (SchemaType::Int8, Value::Int8(_))
        | (SchemaType::Int16, Value::Int16(_))
        | (SchemaType::Int32, Value::Int32(_))
        | (SchemaType::Int64, Value::Int64(_))
        | (SchemaType::Float32, Value::Float32(_))
        | (SchemaType::Float64, Value::Float64(_))
        | (SchemaType::Boolean, Value::Boolean(_))
        | (SchemaType::String, Value::String(_))
        | (SchemaType::Bytes, Value::Bytes(_)) => write_scalar(out, value),
        (SchemaType::Array, Value::Array(items)) => {
            let element = schema.value_schema.as_deref();
            write_list(out, items, |out, item| {
                write_connect(out, element, item, options)
            })?;
        }
        (SchemaType::Map, Value::Map(map)) => {
            let keys = schema.key_schema.as_deref();
            let values = schema.value_schema.as_deref();
            let as_object = keys.is_some_and(|keys| keys.kind == SchemaType::String);
            write_pairs(out, map.iter(), as_object, (keys, values), options)?;
        }
        (SchemaType::Struct, Value::Struct(record)) => {
            // A struct within itself has the fields of the one around it.
            let schema = match schema.recursive && record.schema.name == schema.name {
                true => &*record.schema,
                false => schema,
            };
            if *record.schema != *schema {
                return Err(RecordError::data("Mismatching schema."));
            }
            out.push(b'{');
            for (index, field) in schema.fields.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_str(out, &field.name);
                out.push(b':');
                let value = &record.values[index];
                write_connect(out, Some(&field.schema), value, options)?;
            }
            out.push(b'}');
        }
        (SchemaType::Bytes, other) => {
            return Err(RecordError::data(format!(
                "Invalid type for bytes type: class {}",
                other.java_class()
            )));
        }
        (kind, other) => {
            return Err(RecordError::data(format!(
                "Invalid type for {}: class {}",
                kind.java_name(),
                other.java_class()
            )));
        }
    }
    Ok(())
}

/// Writes a value of a logical type, told by the schema's name alone; false if it is none.
fn write_logical(
    out: &mut Vec<u8>,
    schema: &Schema,
    value: &Value,
    options: ConnectJson,
) -> Result<bool, RecordError> {
    let wrong = |logical: &str, expected: &str| {
        Err(RecordError::data(format!(
            "Invalid type for {logical}, expected {expected} but was class {}",
            value.java_class()
        )))
    };
    match (schema.name.as_deref(), value) {
        (Some(DECIMAL), Value::Decimal(decimal)) => match options.decimal_format {
            DecimalFormat::Numeric => out.extend_from_slice(decimal.to_string().as_bytes()),
            DecimalFormat::Base64 => write_bytes(out, &logical::decimal_bytes(schema, decimal)?),
        },
        (Some(DECIMAL), _) => return wrong("Decimal", "BigDecimal"),
        (Some(DATE), Value::Date(millis)) => write_i64(out, logical::date_days(*millis)?.into()),
        (Some(DATE), _) => return wrong("Date", "Date"),
        (Some(TIME), Value::Date(millis)) => write_i64(out, logical::time_millis(*millis)?.into()),
        (Some(TIME), _) => return wrong("Time", "Date"),
        (Some(TIMESTAMP), Value::Date(millis)) => write_i64(out, *millis),
        (Some(TIMESTAMP), _) => return wrong("Timestamp", "Date"),
        _ => return Ok(false),
    }
    Ok(true)
}

fn write_schemaless(
    out: &mut Vec<u8>,
    value: &Value,
    options: ConnectJson,
) -> Result<(), RecordError> {
    match value {
        Value::Array(items) => {
            write_list(out, items, |out, item| write_schemaless(out, item, options))
        }
        Value::Map(map) => {
            let as_object = map.iter().all(|(key, _)| matches!(key, Value::String(_)));
            write_pairs(out, map.iter(), as_object, (None, None), options)
        }
        Value::Struct(_) => Err(RecordError::data("Mismatching schema.")),
        Value::Decimal(_) | Value::Date(_) => Err(RecordError::data(format!(
            "Java class class {} does not have corresponding schema type.",
            value.java_class()
        ))),
        scalar => {
            write_scalar(out, scalar);
            Ok(())
        }
    }
}

/// Null, a number, a boolean, a string or bytes.
fn write_scalar(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Boolean(true) => out.extend_from_slice(b"true"),
        Value::Boolean(false) => out.extend_from_slice(b"false"),
        Value::Int8(v) => write_i64(out, (*v).into()),
        Value::Int16(v) => write_i64(out, (*v).into()),
        Value::Int32(v) => write_i64(out, (*v).into()),
        Value::Int64(v) => write_i64(out, *v),
        Value::Float32(v) => write_f32(out, *v),
        Value::Float64(v) => write_f64(out, *v),
        Value::String(text) => write_text(out, text),
        Value::Bytes(bytes) => write_bytes(out, bytes),
        // The callers have dealt with the others.
        _ => out.extend_from_slice(b"null"),
    }
}

fn write_list(
    out: &mut Vec<u8>,
    items: &[Value],
    mut write: impl FnMut(&mut Vec<u8>, &Value) -> Result<(), RecordError>,
) -> Result<(), RecordError> {
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, item)?;
    }
    out.push(b']');
    Ok(())
}

/// A map as an object, or as a list of pairs where the keys are not strings.
fn write_pairs<'a>(
    out: &mut Vec<u8>,
    pairs: impl Iterator<Item = &'a (Value, Value)>,
    as_object: bool,
    (keys, values): (Option<&Schema>, Option<&Schema>),
    options: ConnectJson,
) -> Result<(), RecordError> {
    out.push(if as_object { b'{' } else { b'[' });
    for (index, (key, value)) in pairs.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        if as_object {
            match key {
                // Under optional string keys Java writes the name "null", under required ones it fails as below.
                Value::Null if keys.is_some_and(|k| k.optional && k.default.is_none()) => {
                    write_str(out, "null");
                }
                key => write_connect(out, keys, key, options)?,
            }
            out.push(b':');
            write_connect(out, values, value, options)?;
        } else {
            out.push(b'[');
            write_connect(out, keys, key, options)?;
            out.push(b',');
            write_connect(out, values, value, options)?;
            out.push(b']');
        }
    }
    out.push(if as_object { b'}' } else { b']' });
    Ok(())
}
