//! From values to a message. Fields are found by name, so that the message may be another version of what the schema says.

use super::Options;
use super::names::{DEEPEST, is_union, scrub};
use super::read_schema::wrapped;
use super::read_value::civil;
use super::well_known;
use bytes::Bytes;
use millstream_core::logical::{DAY_MILLIS, date_days};
use millstream_core::{RecordError, Schema, SchemaType, Struct, Value};
use prost_reflect::prost::Message;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage,
    Value as Proto,
};
use std::collections::HashMap;

/// The message of a struct.
///
/// # Errors
/// A `DataException`, which names fields and types and never what is written.
pub(super) fn write(
    descriptor: &MessageDescriptor,
    schema: &Schema,
    value: &Value,
    options: &Options,
) -> Result<DynamicMessage, RecordError> {
    match value {
        Value::Struct(record) if schema.kind == SchemaType::Struct => {
            message(descriptor, record, options, 0)
        }
        other => Err(mismatch(schema, other)),
    }
}

/// Appends the message's bytes.
pub(super) fn encode(message: &DynamicMessage, out: &mut Vec<u8>) {
    // A vector grows as it has to.
    let _ = message.encode(out);
}

fn mismatch(schema: &Schema, value: &Value) -> RecordError {
    RecordError::data(format!(
        "Invalid type for {}: class {}",
        schema.kind.java_name(),
        value.java_class()
    ))
}

fn message(
    descriptor: &MessageDescriptor,
    record: &Struct,
    options: &Options,
    depth: usize,
) -> Result<DynamicMessage, RecordError> {
    if depth > DEEPEST {
        return Err(RecordError::data(format!(
            "the value is nested more than {DEEPEST} levels deep"
        )));
    }
    let mut message = DynamicMessage::new(descriptor.clone());
    for (index, field) in record.schema.fields.iter().enumerate() {
        let value = match options.ignore_default {
            true => &record.values[index],
            false => record.get_at(index),
        };
        if is_union(&field.schema) {
            if let Value::Struct(union) = value {
                let set = union.values.iter().position(|value| !value.is_null());
                if let Some(set) = set {
                    let branch = &union.schema.fields[set];
                    put(
                        &mut message,
                        &branch.name,
                        &branch.schema,
                        &union.values[set],
                        options,
                        depth,
                    )?;
                }
            }
            continue;
        }
        put(
            &mut message,
            &field.name,
            &field.schema,
            value,
            options,
            depth,
        )?;
    }
    Ok(message)
}

fn put(
    message: &mut DynamicMessage,
    name: &str,
    schema: &Schema,
    value: &Value,
    options: &Options,
    depth: usize,
) -> Result<(), RecordError> {
    if value.is_null() {
        return Ok(());
    }
    let name = scrub(name, options);
    let field = message.descriptor().get_field_by_name(&name);
    let field = field.ok_or_else(|| {
        RecordError::data(format!(
            "the message {} has no field {name}",
            message.descriptor().name()
        ))
    })?;
    let converted = field_value(&field, schema, value, options, depth)?;
    message.try_set_field(&field, converted).map_err(|_| {
        RecordError::data(format!(
            "Invalid type for field {name}: class {}",
            value.java_class()
        ))
    })
}

fn field_value(
    field: &FieldDescriptor,
    schema: &Schema,
    value: &Value,
    options: &Options,
    depth: usize,
) -> Result<Proto, RecordError> {
    let inner = |inner: &Option<millstream_core::SchemaRef>| {
        inner
            .clone()
            .ok_or_else(|| RecordError::data("a list or map has no schema of what is in it"))
    };
    match value {
        Value::Array(items) if field.is_list() => {
            let element = inner(&schema.value_schema)?;
            let items = items
                .iter()
                .map(|item| one(&field.kind(), &element, item, options, depth));
            Ok(Proto::List(items.collect::<Result<_, _>>()?))
        }
        Value::Map(map) if field.is_map() => {
            let values = inner(&schema.value_schema)?;
            let Kind::Message(entry) = field.kind() else {
                return Err(mismatch(schema, value));
            };
            let kind = entry.map_entry_value_field().kind();
            let mut entries = HashMap::with_capacity(map.len());
            for (key, value) in map.iter() {
                entries.insert(map_key(key)?, one(&kind, &values, value, options, depth)?);
            }
            Ok(Proto::Map(entries))
        }
        value => one(&field.kind(), schema, value, options, depth),
    }
}

fn map_key(key: &Value) -> Result<MapKey, RecordError> {
    Ok(match key {
        Value::Boolean(key) => MapKey::Bool(*key),
        Value::Int8(key) => MapKey::I32((*key).into()),
        Value::Int16(key) => MapKey::I32((*key).into()),
        Value::Int32(key) => MapKey::I32(*key),
        Value::Int64(key) => MapKey::I64(*key),
        Value::String(key) => MapKey::String(key.to_string()),
        other => {
            let class = other.java_class();
            return Err(RecordError::data(format!(
                "Invalid type for the key of a map: class {class}"
            )));
        }
    })
}

/// One value of a field's kind.
fn one(
    kind: &Kind,
    schema: &Schema,
    value: &Value,
    options: &Options,
    depth: usize,
) -> Result<Proto, RecordError> {
    if let Kind::Message(descriptor) = kind {
        return match value {
            Value::Struct(record) => Ok(Proto::Message(message(
                descriptor,
                record,
                options,
                depth + 1,
            )?)),
            value if wrapped(descriptor).is_some() => {
                let mut wrapper = DynamicMessage::new(descriptor.clone());
                if let Some(field) = descriptor.get_field(1) {
                    let inner = one(&field.kind(), schema, value, options, depth)?;
                    wrapper
                        .try_set_field(&field, inner)
                        .map_err(|_| mismatch(schema, value))?;
                }
                Ok(Proto::Message(wrapper))
            }
            value => logical(descriptor, schema, value),
        };
    }
    Ok(match (kind, value) {
        (Kind::Enum(of), Value::String(symbol)) => {
            let known = of.get_value_by_name(&symbol.to_string());
            let known = known.ok_or_else(|| {
                RecordError::data(format!("the enum {} has no such symbol", of.name()))
            })?;
            Proto::EnumNumber(known.number())
        }
        (Kind::Enum(_), Value::Int32(number)) => Proto::EnumNumber(*number),
        (Kind::Bool, Value::Boolean(value)) => Proto::Bool(*value),
        (Kind::Float, Value::Float32(value)) => Proto::F32(*value),
        (Kind::Double, Value::Float64(value)) => Proto::F64(*value),
        (Kind::String, Value::String(text)) => Proto::String(text.to_string()),
        (Kind::Bytes, Value::Bytes(bytes)) => Proto::Bytes(bytes.clone()),
        (kind, value) => integer(kind, value).ok_or_else(|| mismatch(schema, value))?,
    })
}

fn integer(kind: &Kind, value: &Value) -> Option<Proto> {
    let number = match value {
        Value::Int8(value) => i64::from(*value),
        Value::Int16(value) => i64::from(*value),
        Value::Int32(value) => i64::from(*value),
        Value::Int64(value) => *value,
        _ => return None,
    };
    Some(match kind {
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Proto::I32(i32::try_from(number).ok()?),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Proto::I64(number),
        // The bits, as they were read.
        Kind::Uint32 | Kind::Fixed32 => Proto::U32(number as u32),
        Kind::Uint64 | Kind::Fixed64 => Proto::U64(number as u64),
        _ => return None,
    })
}

/// A value of a logical type as the message that stands for it.
fn logical(
    descriptor: &MessageDescriptor,
    schema: &Schema,
    value: &Value,
) -> Result<Proto, RecordError> {
    let wrong = |of: &str, expected: &str| {
        Err(RecordError::data(format!(
            "Invalid type for {of}, expected {expected} but was class {}",
            value.java_class()
        )))
    };
    let set = |values: &[(&str, Proto)]| {
        let mut message = DynamicMessage::new(descriptor.clone());
        for (name, value) in values {
            message
                .try_set_field_by_name(name, value.clone())
                .map_err(|_| {
                    RecordError::data(format!("{} has no field {name}", descriptor.name()))
                })?;
        }
        Ok(Proto::Message(message))
    };
    match (descriptor.full_name(), value) {
        (well_known::DECIMAL, Value::Decimal(decimal)) => {
            let precision = decimal.unscaled.magnitude().to_string().len() as u32;
            set(&[
                ("value", Proto::Bytes(Bytes::from(decimal.unscaled_bytes()))),
                ("precision", Proto::U32(precision)),
                ("scale", Proto::I32(decimal.scale)),
            ])
        }
        (well_known::DECIMAL, _) => wrong("Decimal", "BigDecimal"),
        (well_known::DATE, Value::Date(millis)) => {
            let (year, month, day) = civil(date_days(*millis)?.into());
            let parts = [("year", year), ("month", month), ("day", day)];
            set(&parts.map(|(name, part)| (name, Proto::I32(part as i32))))
        }
        (well_known::DATE, _) => wrong("Date", "Date"),
        (well_known::TIME, Value::Date(millis)) => {
            if !(0..=DAY_MILLIS).contains(millis) {
                return Err(RecordError::data(
                    "Time values must use number of millis greater than 0 and less than 86400000",
                ));
            }
            let parts = [
                ("hours", millis / 3_600_000 % 24),
                ("minutes", millis / 60_000 % 60),
                ("seconds", millis / 1_000 % 60),
                ("nanos", millis % 1_000 * 1_000_000),
            ];
            set(&parts.map(|(name, part)| (name, Proto::I32(part as i32))))
        }
        (well_known::TIME, _) => wrong("Time", "Date"),
        (well_known::TIMESTAMP, Value::Date(millis)) => set(&[
            ("seconds", Proto::I64(millis.div_euclid(1_000))),
            (
                "nanos",
                Proto::I32((millis.rem_euclid(1_000) * 1_000_000) as i32),
            ),
        ]),
        (well_known::TIMESTAMP, _) => wrong("Timestamp", "Date"),
        _ => Err(mismatch(schema, value)),
    }
}
