//! From a message to values, field by field in the order of its schema.

use super::Options;
use super::names::DEEPEST;
use super::read_schema::{fields, has_optional_keyword, logical, real_oneof, real_oneofs, wrapped};
use super::well_known;
use millstream_core::logical::DAY_MILLIS;
use millstream_core::{Decimal, Map, RecordError, SchemaRef, SchemaType, Struct, Value};
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage,
    Value as Proto,
};

/// The value of a message whose schema this is.
///
/// # Errors
/// A `DataException` for what Connect has no value for.
pub(super) fn read(
    schema: &SchemaRef,
    message: &DynamicMessage,
    options: &Options,
) -> Result<Value, RecordError> {
    if schema.kind != SchemaType::Struct {
        return unwrapped(schema.kind, message);
    }
    Reading {
        options,
        open: Vec::new(),
    }
    .structure(schema, message)
}

struct Reading<'a> {
    options: &'a Options,
    /// The messages that enclose the place at hand, with their schemas.
    open: Vec<(MessageDescriptor, SchemaRef)>,
}

impl Reading<'_> {
    fn structure(
        &mut self,
        schema: &SchemaRef,
        message: &DynamicMessage,
    ) -> Result<Value, RecordError> {
        let descriptor = message.descriptor();
        let schema = match schema.recursive {
            true => {
                let enclosing = self.open.iter().rev().find(|(open, _)| *open == descriptor);
                let enclosing = enclosing.map(|(_, schema)| schema.clone());
                enclosing.ok_or_else(|| RecordError::data("the schema refers to nothing"))?
            }
            false => schema.clone(),
        };
        if self.open.len() >= DEEPEST {
            return Err(RecordError::data(format!(
                "the message is nested more than {DEEPEST} levels deep"
            )));
        }
        self.open.push((descriptor.clone(), schema.clone()));
        let values = self.values(&schema, &descriptor, message);
        self.open.pop();
        Ok(Value::Struct(Box::new(Struct {
            schema,
            values: values?,
        })))
    }

    fn values(
        &mut self,
        schema: &SchemaRef,
        descriptor: &MessageDescriptor,
        message: &DynamicMessage,
    ) -> Result<Vec<Value>, RecordError> {
        let mut values = Vec::with_capacity(schema.fields.len());
        let schema_of = |index: usize| &schema.fields[index].schema;
        for oneof in real_oneofs(descriptor) {
            let branches = oneof.fields().enumerate();
            let mut branches: Vec<(usize, FieldDescriptor)> = branches.collect();
            if self.options.flatten_unions {
                for (_, field) in branches {
                    let value = match message.has_field(&field) {
                        true => self.field(schema_of(values.len()), &field, message)?,
                        false => Value::Null,
                    };
                    values.push(value);
                }
                continue;
            }
            branches.retain(|(_, field)| message.has_field(field));
            let union = schema_of(values.len());
            values.push(match branches.pop() {
                Some((index, field)) => {
                    let mut chosen = Struct::new(union.clone());
                    let of = union.fields[index].schema.clone();
                    chosen.values[index] = self.field(&of, &field, message)?;
                    Value::Struct(Box::new(chosen))
                }
                None => Value::Null,
            });
        }
        for field in fields(descriptor).filter(|field| real_oneof(field).is_none()) {
            let is_optional = field.field_descriptor_proto().proto3_optional()
                || (self.options.optional_for_proto2 && has_optional_keyword(&field));
            let is_message = matches!(field.kind(), Kind::Message(_));
            let is_repeated = field.is_list() || field.is_map();
            let is_always_there = (!is_message || is_repeated) && !is_optional;
            let is_there =
                is_always_there || self.options.struct_for_nulls || message.has_field(&field);
            values.push(match is_there {
                true => self.field(schema_of(values.len()), &field, message)?,
                false => Value::Null,
            });
        }
        Ok(values)
    }

    fn field(
        &mut self,
        schema: &SchemaRef,
        field: &FieldDescriptor,
        message: &DynamicMessage,
    ) -> Result<Value, RecordError> {
        let inner = |inner: &Option<SchemaRef>| {
            inner
                .clone()
                .ok_or_else(|| RecordError::data("a list or map has no schema of what is in it"))
        };
        let found = message.get_field(field);
        match &*found {
            Proto::List(items) => {
                let element = inner(&schema.value_schema)?;
                let items = items.iter().map(|item| self.value(&element, field, item));
                Ok(Value::Array(items.collect::<Result<_, _>>()?))
            }
            Proto::Map(entries) => {
                let (keys, values) = (inner(&schema.key_schema)?, inner(&schema.value_schema)?);
                let Kind::Message(entry) = field.kind() else {
                    return Err(RecordError::data("a map has no entries"));
                };
                let value_field = entry.map_entry_value_field();
                // In an order that does not depend on the process.
                let mut sorted: Vec<(&MapKey, &Proto)> = entries.iter().collect();
                sorted.sort_by_key(|(key, _)| *key);
                let pairs = sorted.into_iter().map(|(key, value)| {
                    Ok((
                        key_value(keys.kind, key),
                        self.value(&values, &value_field, value)?,
                    ))
                });
                Ok(Value::Map(Map::hashed(
                    pairs.collect::<Result<Vec<_>, RecordError>>()?,
                )))
            }
            value => self.value(schema, field, value),
        }
    }

    fn value(
        &mut self,
        schema: &SchemaRef,
        field: &FieldDescriptor,
        value: &Proto,
    ) -> Result<Value, RecordError> {
        match value {
            Proto::Message(message) => {
                if logical(&message.descriptor()).is_some() {
                    return logical_value(message);
                }
                match schema.kind {
                    SchemaType::Struct => self.structure(schema, message),
                    kind => unwrapped(kind, message),
                }
            }
            Proto::EnumNumber(number) if self.options.int_for_enums => Ok(Value::Int32(*number)),
            Proto::EnumNumber(number) => {
                let kind = field.kind();
                let of = kind.as_enum();
                let known = of.and_then(|of| of.get_value(*number));
                Ok(match known {
                    Some(value) => Value::from(value.name()),
                    None => {
                        let name = of.map_or("", |of| of.name());
                        Value::from(format!("UNKNOWN_ENUM_VALUE_{name}_{number}"))
                    }
                })
            }
            scalar => scalar_value(schema.kind, scalar),
        }
    }
}

fn unwrapped(kind: SchemaType, message: &DynamicMessage) -> Result<Value, RecordError> {
    let is_wrapper = wrapped(&message.descriptor()).is_some();
    let value = message.get_field_by_number(1).filter(|_| is_wrapper);
    match value {
        Some(value) => scalar_value(kind, &value),
        None => Err(RecordError::data(format!(
            "Invalid type for {}: a message",
            kind.java_name()
        ))),
    }
}

fn scalar_value(kind: SchemaType, value: &Proto) -> Result<Value, RecordError> {
    Ok(match (kind, value) {
        (SchemaType::Boolean, Proto::Bool(value)) => Value::Boolean(*value),
        (SchemaType::Int8, Proto::I32(value)) => Value::Int8(*value as i8),
        (SchemaType::Int16, Proto::I32(value)) => Value::Int16(*value as i16),
        (SchemaType::Int32, Proto::I32(value)) => Value::Int32(*value),
        (SchemaType::Int64, Proto::I64(value)) => Value::Int64(*value),
        (SchemaType::Int64, Proto::U32(value)) => Value::Int64((*value).into()),
        // Java has no type for it: the bits stay.
        (SchemaType::Int64, Proto::U64(value)) => Value::Int64(*value as i64),
        (SchemaType::Float32, Proto::F32(value)) => Value::Float32(*value),
        (SchemaType::Float64, Proto::F64(value)) => Value::Float64(*value),
        (SchemaType::String, Proto::String(text)) => Value::from(text.as_str()),
        (SchemaType::Bytes, Proto::Bytes(bytes)) => Value::Bytes(bytes.clone()),
        (kind, _) => {
            return Err(RecordError::data(format!(
                "Invalid type for {}",
                kind.java_name()
            )));
        }
    })
}

fn key_value(kind: SchemaType, key: &MapKey) -> Value {
    match (kind, key) {
        (_, MapKey::Bool(key)) => Value::Boolean(*key),
        (SchemaType::Int8, MapKey::I32(key)) => Value::Int8(*key as i8),
        (SchemaType::Int16, MapKey::I32(key)) => Value::Int16(*key as i16),
        (_, MapKey::I32(key)) => Value::Int32(*key),
        (_, MapKey::I64(key)) => Value::Int64(*key),
        (_, MapKey::U32(key)) => Value::Int64((*key).into()),
        (_, MapKey::U64(key)) => Value::Int64(*key as i64),
        (_, MapKey::String(key)) => Value::from(key.as_str()),
    }
}

/// A number of a message of a logical type; what is not there is zero.
fn number(message: &DynamicMessage, name: &str) -> i64 {
    let value = message.get_field_by_name(name);
    match value.as_deref() {
        Some(Proto::I32(value)) => (*value).into(),
        Some(Proto::I64(value)) => *value,
        Some(Proto::U32(value)) => (*value).into(),
        _ => 0,
    }
}

fn logical_value(message: &DynamicMessage) -> Result<Value, RecordError> {
    let of = |name| number(message, name);
    let descriptor = message.descriptor();
    match descriptor.full_name() {
        well_known::DECIMAL => {
            let bytes = message.get_field_by_name("value");
            let bytes = bytes.as_ref().and_then(|bytes| bytes.as_bytes());
            let bytes = bytes.map(|bytes| bytes.to_vec()).unwrap_or_default();
            Ok(Value::Decimal(Decimal::from_unscaled_bytes(
                &bytes,
                of("scale") as i32,
            )))
        }
        well_known::DATE => {
            let days = days(of("year"), of("month"), of("day"));
            let days =
                days.ok_or_else(|| RecordError::data("Invalid Date: there is no such day"))?;
            Ok(Value::Date(days * DAY_MILLIS))
        }
        well_known::TIME => {
            let (hours, minutes) = (of("hours"), of("minutes"));
            let (seconds, nanos) = (of("seconds"), of("nanos"));
            let is_time = (0..24).contains(&hours)
                && (0..60).contains(&minutes)
                && (0..60).contains(&seconds)
                && (0..1_000_000_000).contains(&nanos);
            if !is_time {
                return Err(RecordError::data(
                    "Invalid TimeOfDay: there is no such time",
                ));
            }
            Ok(Value::Date(
                ((hours * 60 + minutes) * 60 + seconds) * 1_000 + nanos / 1_000_000,
            ))
        }
        _ => {
            let millis = of("seconds").checked_mul(1_000);
            let millis =
                millis.and_then(|millis| millis.checked_add(of("nanos").div_euclid(1_000_000)));
            millis
                .map(Value::Date)
                .ok_or_else(|| RecordError::data("Invalid Timestamp: it is too far away"))
        }
    }
}

/// Days since the epoch of a day of the Gregorian calendar; `None` if there is no such day.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=9_999).contains(&year) || !(1..=length).contains(&day) {
        return None;
    }
    // Years begin in March, so that the leap day is the last.
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let leap_days = year / 4 - year / 100 + year / 400;
    // 0000-03-01 is 719,468 days before the epoch.
    Some(year * 365 + leap_days + day_of_year - 719_468)
}

/// Year, month and day of days since the epoch: `days` the other way.
pub(super) fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn days_come_back(day in -719_162i64..2_932_896) {
            let (year, month, of_month) = civil(day);
            prop_assert_eq!(days(year, month, of_month), Some(day));
        }
    }

    #[test]
    fn knows_the_calendar() {
        assert_eq!(days(1970, 1, 1), Some(0));
        assert_eq!(days(2000, 2, 29), Some(11_016));
        for bad in [
            (1900, 2, 29),
            (2023, 13, 1),
            (2023, 4, 31),
            (0, 1, 1),
            (2023, 1, 0),
        ] {
            assert_eq!(days(bad.0, bad.1, bad.2), None, "{bad:?}");
        }
    }
}
