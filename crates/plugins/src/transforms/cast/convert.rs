//! One value to another type by Java's conversions: integers wrap, floats saturate, texts must fit.

use crate::converters::simple_header::{low_bits, to_f32, to_f64};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use millstream_core::logical;
use millstream_core::schema::{DATE, TIME, TIMESTAMP};
use millstream_core::{RecordError, Schema, SchemaType, Value};
use millstream_java::header_text::date_text;
use millstream_java::parse::{parse_f32, parse_f64, parse_i64};
use millstream_java::string::java_string;

/// Casts a value; a null stays null.
pub(super) fn cast(
    schema: Option<&Schema>,
    value: &Value,
    kind: SchemaType,
) -> Result<Value, RecordError> {
    if value.is_null() {
        return Ok(Value::Null);
    }
    check_source(schema, value)?;
    if kind == SchemaType::String {
        return Ok(Value::from(text(value)));
    }
    let encoded;
    let value = match schema.and_then(|schema| schema.name.as_deref()) {
        Some(name) => {
            encoded = encode_logical(name, value)?;
            &encoded
        }
        None => value,
    };
    let out_of_range = || {
        const OUT_OF_RANGE: &str = "was out of range for requested data type";
        let class = value.java_class();
        RecordError::data(format!("Value of class {class} {OUT_OF_RANGE}"))
            .with_java_message(format!("Value ({}) {OUT_OF_RANGE}", java_string(value)))
    };
    match kind {
        SchemaType::Int8 => match integer(value, i8::MIN.into(), i8::MAX.into()) {
            Integer::Value(v) => Ok(Value::Int8(v as i8)),
            Integer::OutOfRange => Err(out_of_range()),
            Integer::NoNumber => Err(unexpected(value)),
        },
        SchemaType::Int16 => match integer(value, i16::MIN.into(), i16::MAX.into()) {
            Integer::Value(v) => Ok(Value::Int16(v as i16)),
            Integer::OutOfRange => Err(out_of_range()),
            Integer::NoNumber => Err(unexpected(value)),
        },
        SchemaType::Int32 => match integer(value, i32::MIN.into(), i32::MAX.into()) {
            Integer::Value(v) => Ok(Value::Int32(v as i32)),
            Integer::OutOfRange => Err(out_of_range()),
            Integer::NoNumber => Err(unexpected(value)),
        },
        SchemaType::Int64 => match integer(value, i64::MIN, i64::MAX) {
            Integer::Value(v) => Ok(Value::Int64(v)),
            Integer::OutOfRange => Err(out_of_range()),
            Integer::NoNumber => Err(unexpected(value)),
        },
        SchemaType::Float32 => match value {
            Value::Float32(v) => Ok(Value::Float32(*v)),
            Value::Decimal(decimal) => Ok(Value::Float32(to_f32(decimal))),
            Value::String(text) => parse_f32(&text.to_java_utf8())
                .map(Value::Float32)
                .ok_or_else(out_of_range),
            // A long goes to a float in one rounding.
            other => match (whole(other), float(other)) {
                (Some(v), _) => Ok(Value::Float32(v as f32)),
                (None, Some(v)) => Ok(Value::Float32(v as f32)),
                (None, None) => Err(unexpected(value)),
            },
        },
        SchemaType::Float64 => match value {
            Value::String(text) => parse_f64(&text.to_java_utf8())
                .map(Value::Float64)
                .ok_or_else(out_of_range),
            other => float(other)
                .map(Value::Float64)
                .ok_or_else(|| unexpected(value)),
        },
        SchemaType::Boolean => match value {
            Value::Boolean(v) => Ok(Value::Boolean(*v)),
            Value::String(text) => {
                let text = text.to_java_utf8();
                Ok(Value::Boolean(text.eq_ignore_ascii_case("true")))
            }
            other => match integer(other, i64::MIN, i64::MAX) {
                Integer::Value(v) => Ok(Value::Boolean(v != 0)),
                _ => Err(unexpected(value)),
            },
        },
        other => Err(RecordError::data(format!(
            "{} is not supported in the Cast transformation.",
            other.java_name()
        ))),
    }
}

/// The type of a value, by its schema or else by itself, must be one that can be cast.
fn check_source(schema: Option<&Schema>, value: &Value) -> Result<(), RecordError> {
    let nested = match (schema.map(|schema| schema.kind), value) {
        (Some(SchemaType::Array), _) | (None, Value::Array(_)) => "ARRAY",
        (Some(SchemaType::Map), _) | (None, Value::Map(_)) => "MAP",
        (Some(SchemaType::Struct), _) | (None, Value::Struct(_)) => "STRUCT",
        (None, Value::Decimal(_) | Value::Date(_)) => {
            return Err(RecordError::data(format!(
                "Cast transformation was passed a value of type class {} which is not supported by Connect's data API",
                value.java_class()
            )));
        }
        _ => return Ok(()),
    };
    Err(RecordError::data(format!(
        "Cast transformation does not support casting from {nested}; supported types are [INT8, INT16, INT32, INT64, \
         FLOAT32, FLOAT64, BOOLEAN, STRING, BYTES]"
    )))
}

fn unexpected(value: &Value) -> RecordError {
    RecordError::data(format!(
        "Unexpected type in Cast transformation: class {}",
        value.java_class()
    ))
}

/// Dates and times as the integers that stand for them.
fn encode_logical(name: &str, value: &Value) -> Result<Value, RecordError> {
    Ok(match (name, value) {
        (DATE, Value::Date(millis)) => Value::Int32(logical::date_days(*millis)?),
        (TIME, Value::Date(millis)) => Value::Int32(logical::time_millis(*millis)?),
        (TIMESTAMP, Value::Date(millis)) => Value::Int64(*millis),
        _ => value.clone(),
    })
}

enum Integer {
    /// To be cut to the type's low bits.
    Value(i64),
    /// A text that is no integer of the type.
    OutOfRange,
    NoNumber,
}

/// The integer of a value for a type with these bounds.
fn integer(value: &Value, low: i64, high: i64) -> Integer {
    // Java goes from a float to a byte or a short by way of an int, which saturates.
    let saturated = |v: f64| {
        if high == i64::MAX {
            v as i64
        } else {
            i64::from(v as i32)
        }
    };
    match value {
        Value::Boolean(v) => Integer::Value((*v).into()),
        Value::Float32(v) => Integer::Value(saturated((*v).into())),
        Value::Float64(v) => Integer::Value(saturated(*v)),
        Value::Decimal(decimal) => Integer::Value(low_bits(decimal)),
        Value::String(text) => match parse_i64(&text.to_java_utf8()) {
            Some(v) if (low..=high).contains(&v) => Integer::Value(v),
            _ => Integer::OutOfRange,
        },
        other => whole(other).map_or(Integer::NoNumber, Integer::Value),
    }
}

fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Int8(v) => Some((*v).into()),
        Value::Int16(v) => Some((*v).into()),
        Value::Int32(v) => Some((*v).into()),
        Value::Int64(v) => Some(*v),
        _ => None,
    }
}

fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Boolean(v) => Some(f64::from(u8::from(*v))),
        Value::Float32(v) => Some((*v).into()),
        Value::Float64(v) => Some(*v),
        Value::Decimal(decimal) => Some(to_f64(decimal)),
        other => whole(other).map(|v| v as f64),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Date(millis) => date_text(*millis),
        Value::Bytes(bytes) => STANDARD.encode(bytes),
        other => java_string(other),
    }
}
