//! From values to JSON, by the schema: as JsonConverter's payload, but for unions and the entries of maps.

use super::Options;
use super::union::{DEEPEST, KEY, VALUE, has_text_keys, is_union};
use millstream_core::logical::{date_days, decimal_bytes, time_millis};
use millstream_core::schema::{DATE, DECIMAL, TIME, TIMESTAMP};
use millstream_core::{Map, RecordError, Schema, SchemaType, Struct, Value};
use millstream_java::json::{
    DecimalFormat, write_bytes, write_f32, write_f64, write_i64, write_str, write_text,
};

/// Appends a value; `false` if it is a null that is required, for which nothing is written.
///
/// # Errors
/// A `DataException`, which names types and never what is written.
pub(super) fn write(
    out: &mut Vec<u8>,
    schema: &Schema,
    value: &Value,
    options: &Options,
) -> Result<bool, RecordError> {
    write_at(out, schema, value, options, 0)
}

fn write_at(
    out: &mut Vec<u8>,
    schema: &Schema,
    value: &Value,
    options: &Options,
    depth: usize,
) -> Result<bool, RecordError> {
    if depth > DEEPEST {
        return Err(RecordError::data(format!(
            "the value is nested more than {DEEPEST} levels deep"
        )));
    }
    if value.is_null() {
        return match &schema.default {
            Some(default) if !options.ignore_default && !default.is_null() => {
                write_at(out, schema, default, options, depth + 1)
            }
            _ if schema.optional => {
                out.extend_from_slice(b"null");
                Ok(true)
            }
            _ => Ok(false),
        };
    }
    if logical(out, schema, value, options)? {
        return Ok(true);
    }
    match (schema.kind, value) {
        (SchemaType::Boolean, Value::Boolean(true)) => out.extend_from_slice(b"true"),
        (SchemaType::Boolean, Value::Boolean(false)) => out.extend_from_slice(b"false"),
        (SchemaType::Int8, Value::Int8(number)) => write_i64(out, (*number).into()),
        (SchemaType::Int16, Value::Int16(number)) => write_i64(out, (*number).into()),
        (SchemaType::Int32, Value::Int32(number)) => write_i64(out, (*number).into()),
        (SchemaType::Int64, Value::Int64(number)) => write_i64(out, *number),
        (SchemaType::Float32, Value::Float32(number)) => write_f32(out, *number),
        (SchemaType::Float64, Value::Float64(number)) => write_f64(out, *number),
        (SchemaType::String, Value::String(text)) => write_text(out, text),
        (SchemaType::Bytes, Value::Bytes(bytes)) => write_bytes(out, bytes),
        (SchemaType::Bytes, Value::Decimal(decimal)) => {
            out.extend_from_slice(decimal.to_string().as_bytes());
        }
        (SchemaType::Array, Value::Array(items)) => {
            let Some(element) = &schema.value_schema else {
                return Err(mismatch(schema, value));
            };
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                separate(out, index);
                write_or_null(out, element, item, options, depth)?;
            }
            out.push(b']');
        }
        (SchemaType::Map, Value::Map(map)) => write_map(out, schema, map, options, depth)?,
        (SchemaType::Struct, Value::Struct(record)) if is_union(schema) => {
            let branch = record.values.iter().position(|value| !value.is_null());
            return match branch {
                Some(branch) => {
                    let field = &schema.fields[branch].schema;
                    write_at(out, field, &record.values[branch], options, depth + 1)
                }
                None => write_at(out, schema, &Value::Null, options, depth + 1),
            };
        }
        (SchemaType::Struct, Value::Struct(record)) => {
            if *record.schema != *schema {
                return Err(RecordError::data("Mismatching schema."));
            }
            write_struct(out, record, options, depth)?;
        }
        _ => return Err(mismatch(schema, value)),
    }
    Ok(true)
}

fn mismatch(schema: &Schema, value: &Value) -> RecordError {
    RecordError::data(format!(
        "Invalid type for {}: class {}",
        schema.kind.java_name(),
        value.java_class()
    ))
}

fn separate(out: &mut Vec<u8>, index: usize) {
    if index > 0 {
        out.push(b',');
    }
}

/// In lists and maps what is nothing is null.
fn write_or_null(
    out: &mut Vec<u8>,
    schema: &Schema,
    value: &Value,
    options: &Options,
    depth: usize,
) -> Result<(), RecordError> {
    if !write_at(out, schema, value, options, depth + 1)? {
        out.extend_from_slice(b"null");
    }
    Ok(())
}

/// A field that is null and required is left out.
fn write_struct(
    out: &mut Vec<u8>,
    record: &Struct,
    options: &Options,
    depth: usize,
) -> Result<(), RecordError> {
    out.push(b'{');
    let mut written = 0;
    for (index, field) in record.schema.fields.iter().enumerate() {
        let before = out.len();
        separate(out, written);
        write_str(out, &field.name);
        out.push(b':');
        match write_at(
            out,
            &field.schema,
            &record.values[index],
            options,
            depth + 1,
        )? {
            true => written += 1,
            false => out.truncate(before),
        }
    }
    out.push(b'}');
    Ok(())
}

fn write_map(
    out: &mut Vec<u8>,
    schema: &Schema,
    map: &Map,
    options: &Options,
    depth: usize,
) -> Result<(), RecordError> {
    let (Some(keys), Some(values)) = (&schema.key_schema, &schema.value_schema) else {
        return Err(RecordError::data("a map has no schema of what is in it"));
    };
    let is_object = has_text_keys(schema);
    out.push(if is_object { b'{' } else { b'[' });
    for (index, (key, value)) in map.iter().enumerate() {
        separate(out, index);
        match (is_object, key) {
            (true, Value::String(key)) => write_text(out, key),
            (true, key) => return Err(mismatch(keys, key)),
            (false, key) => {
                out.push(b'{');
                write_str(out, KEY);
                out.push(b':');
                write_or_null(out, keys, key, options, depth)?;
                out.push(b',');
                write_str(out, VALUE);
            }
        }
        out.push(b':');
        write_or_null(out, values, value, options, depth)?;
        if !is_object {
            out.push(b'}');
        }
    }
    out.push(if is_object { b'}' } else { b']' });
    Ok(())
}

/// Writes a value of a logical type; `false` for any other.
fn logical(
    out: &mut Vec<u8>,
    schema: &Schema,
    value: &Value,
    options: &Options,
) -> Result<bool, RecordError> {
    let wrong = |of: &str, expected: &str| {
        Err(RecordError::data(format!(
            "Invalid type for {of}, expected {expected} but was class {}",
            value.java_class()
        )))
    };
    match (schema.name.as_deref(), value) {
        (Some(DECIMAL), Value::Decimal(decimal)) => match options.decimal_format {
            DecimalFormat::Numeric => out.extend_from_slice(decimal.to_string().as_bytes()),
            DecimalFormat::Base64 => write_bytes(out, &decimal_bytes(schema, decimal)?),
        },
        (Some(DECIMAL), _) => return wrong("Decimal", "BigDecimal"),
        (Some(DATE), Value::Date(millis)) => write_i64(out, date_days(*millis)?.into()),
        (Some(DATE), _) => return wrong("Date", "Date"),
        (Some(TIME), Value::Date(millis)) => write_i64(out, time_millis(*millis)?.into()),
        (Some(TIME), _) => return wrong("Time", "Date"),
        (Some(TIMESTAMP), Value::Date(millis)) => write_i64(out, *millis),
        (Some(TIMESTAMP), _) => return wrong("Timestamp", "Date"),
        _ => return Ok(false),
    }
    Ok(true)
}
