//! Rows: Connect's values on their way into columns, by the rules of Confluent's AvroData; and data, which hold the same.

mod data;

use crate::column::{Column, Values};
use crate::plan::{Decimal, Kind, Node};
use millstream_core::logical::{date_days, decimal_bytes, time_millis};
use millstream_core::value::Struct;
use millstream_core::{RecordError, SchemaRef, Value};
use std::sync::Arc;

/// Rows that are not encoded yet.
pub(crate) struct Rows {
    pub(crate) columns: Vec<Column>,
    pub(crate) len: usize,
    /// What the values take as they are, in bytes.
    pub(crate) bytes: usize,
    /// A root's schema that was found to be the plan's.
    known: Option<SchemaRef>,
}

impl Rows {
    pub(crate) fn new(fields: &[Node]) -> Self {
        Rows {
            columns: fields.iter().map(Column::new).collect(),
            len: 0,
            bytes: 0,
            known: None,
        }
    }

    /// Pushes a row; nothing is left of one that cannot be.
    pub(crate) fn push(
        &mut self,
        schema: &SchemaRef,
        fields: &[Node],
        row: &Value,
    ) -> Result<(), RecordError> {
        let Value::Struct(record) = row else {
            return Err(match row {
                Value::Null => null(),
                other => wrong_type("STRUCT", other),
            });
        };
        check_schema(&mut self.known, schema, record)?;
        self.all_or_none(|columns| push_fields(columns, fields, record))
    }

    /// Pushes a row of one field.
    pub(crate) fn push_field(&mut self, field: &Node, value: &Value) -> Result<(), RecordError> {
        self.all_or_none(|columns| match columns {
            [column] => push(column, field, value),
            _ => Ok(0),
        })
    }

    /// Pushes a row that is a datum of the layout's Avro schema.
    pub(crate) fn push_datum(
        &mut self,
        fields: &[Node],
        mut datum: &[u8],
    ) -> Result<(), RecordError> {
        self.all_or_none(|columns| data::push_fields(columns, fields, &mut datum))
    }

    fn all_or_none(
        &mut self,
        push: impl FnOnce(&mut [Column]) -> Result<usize, RecordError>,
    ) -> Result<(), RecordError> {
        match push(&mut self.columns) {
            Ok(bytes) => {
                self.len += 1;
                self.bytes += bytes;
                Ok(())
            }
            Err(error) => {
                self.take_back_to(self.len);
                Err(error)
            }
        }
    }

    /// Takes the last row back, of this many bytes before it.
    pub(crate) fn take_back(&mut self, bytes: usize) {
        self.len -= 1;
        self.bytes = bytes;
        self.take_back_to(self.len);
    }

    fn take_back_to(&mut self, len: usize) {
        for column in &mut self.columns {
            column.truncate(len);
        }
    }

    /// Memory that they hold, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.columns.iter().map(Column::memory).sum()
    }
}

/// The fields of a record, with their defaults where they are null. All these return how many bytes were pushed.
fn push_fields(
    columns: &mut [Column],
    fields: &[Node],
    record: &Struct,
) -> Result<usize, RecordError> {
    let mut bytes = 0;
    for (index, (column, field)) in columns.iter_mut().zip(fields).enumerate() {
        bytes += push(column, field, record.get_at(index))?;
    }
    Ok(bytes)
}

fn push(column: &mut Column, node: &Node, value: &Value) -> Result<usize, RecordError> {
    if value.is_null() {
        if !node.field.is_nullable() {
            return Err(null());
        }
        column.push_absent()?;
        return Ok(1);
    }
    let wrong = || wrong(node, value);
    let bytes = match (&node.kind, &mut column.values, value) {
        (Kind::Single(member), _, Value::Struct(record)) => {
            // Its column notes by itself whether there is a value.
            return push(
                column,
                member,
                record.values.first().unwrap_or(&Value::Null),
            );
        }
        (Kind::Boolean, Values::Boolean(to), Value::Boolean(v)) => {
            to.append(*v);
            1
        }
        (Kind::Int8, Values::Int32(to), Value::Int8(v)) => push_i32(to, i32::from(*v)),
        (Kind::Int16, Values::Int32(to), Value::Int16(v)) => push_i32(to, i32::from(*v)),
        (Kind::Int32, Values::Int32(to), Value::Int32(v)) => push_i32(to, *v),
        (Kind::Date, Values::Int32(to), Value::Date(v)) => push_i32(to, date_days(*v)?),
        (Kind::Time, Values::Int32(to), Value::Date(v)) => push_i32(to, time_millis(*v)?),
        (Kind::Int64, Values::Int64(to), Value::Int64(v))
        | (Kind::Timestamp, Values::Int64(to), Value::Date(v)) => {
            to.push(*v);
            8
        }
        (Kind::Float32, Values::Float32(to), Value::Float32(v)) => {
            to.push(*v);
            4
        }
        (Kind::Float64, Values::Float64(to), Value::Float64(v)) => {
            to.push(*v);
            8
        }
        (Kind::Text | Kind::Enum(_), Values::Bytes(to), Value::String(text)) => {
            let text = text.to_java_utf8();
            to.push(text.as_bytes())?;
            text.len() + 4
        }
        (Kind::Bytes, Values::Bytes(to), Value::Bytes(bytes)) => {
            to.push(bytes)?;
            bytes.len() + 4
        }
        (Kind::Fixed(width), Values::Fixed { bytes: to, .. }, Value::Bytes(bytes)) => {
            if bytes.len() != *width {
                return Err(fixed_size(bytes.len(), *width));
            }
            to.extend_from_slice(bytes);
            *width
        }
        (Kind::Decimal(decimal), to, Value::Decimal(v)) => {
            let bytes = decimal_bytes(&node.schema, v)?;
            check_digits(decimal, v)?;
            push_decimal(to, &bytes)?
        }
        (
            Kind::Struct(fields),
            Values::Struct {
                len,
                fields: columns,
            },
            Value::Struct(record),
        ) => {
            check_schema(&mut column.known, &node.schema, record)?;
            let bytes = push_fields(columns, fields, record)?;
            *len += 1;
            bytes
        }
        (
            Kind::Union(members),
            Values::Struct {
                len,
                fields: columns,
            },
            Value::Struct(record),
        ) => {
            check_schema(&mut column.known, &node.schema, record)?;
            let is_set = |value: &Value| !value.is_null();
            let Some(set) = record.values.iter().position(is_set) else {
                if !node.field.is_nullable() {
                    return Err(null());
                }
                column.push_absent()?;
                return Ok(1);
            };
            let mut bytes = 0;
            for (index, (column, member)) in columns.iter_mut().zip(members).enumerate() {
                if index == set {
                    bytes += push(column, member, &record.values[index])?;
                } else {
                    column.push_absent()?;
                }
            }
            *len += 1;
            bytes + members.len()
        }
        (Kind::List(element), Values::Repeated { inner, .. }, Value::Array(items)) => {
            let [to] = &mut inner[..] else {
                return Err(wrong());
            };
            let mut bytes = 4;
            for item in items {
                bytes += push(to, element, item)?;
            }
            column.end_entry()?;
            bytes
        }
        (
            Kind::Map(key, of) | Kind::Entries(key, of),
            Values::Repeated { inner, .. },
            Value::Map(map),
        ) => {
            let [keys, values] = &mut inner[..] else {
                return Err(wrong());
            };
            let mut bytes = 4;
            for (own, value) in map.iter() {
                bytes += push(keys, key, own)? + push(values, of, value)?;
            }
            column.end_entry()?;
            bytes
        }
        _ => return Err(wrong()),
    };
    column.is_there();
    Ok(bytes)
}

fn push_i32(to: &mut Vec<i32>, value: i32) -> usize {
    to.push(value);
    4
}

fn push_decimal(to: &mut Values, decimal: &[u8]) -> Result<usize, RecordError> {
    match to {
        Values::Fixed { width, bytes } => {
            let Some(missing) = width.checked_sub(decimal.len()) else {
                return Err(fixed_size(decimal.len(), *width));
            };
            let is_negative = decimal.first().is_some_and(|first| first & 0x80 != 0);
            let sign = if is_negative { 0xff } else { 0 };
            bytes.resize(bytes.len() + missing, sign);
            bytes.extend_from_slice(decimal);
            Ok(*width)
        }
        Values::Bytes(to) => {
            to.push(decimal)?;
            Ok(decimal.len() + 4)
        }
        _ => Ok(0),
    }
}

fn check_digits(decimal: &Decimal, value: &millstream_core::Decimal) -> Result<(), RecordError> {
    match &decimal.precision {
        Some(precision) if *value.unscaled.magnitude() >= precision.end => {
            let digits = precision.digits;
            Err(RecordError::data(format!(
                "a Decimal has more than the {digits} digits that its Parquet file says"
            )))
        }
        _ => Ok(()),
    }
}

/// A struct's schema must be the plan's; one that was found to be is known again.
fn check_schema(
    known: &mut Option<SchemaRef>,
    schema: &SchemaRef,
    record: &Struct,
) -> Result<(), RecordError> {
    let own = &record.schema;
    let is_same = |other: &SchemaRef| Arc::ptr_eq(own, other);
    if is_same(schema) || known.as_ref().is_some_and(is_same) {
        return Ok(());
    }
    if own != schema {
        return Err(RecordError::data("Mismatching struct schema"));
    }
    *known = Some(Arc::clone(own));
    Ok(())
}

fn null() -> RecordError {
    RecordError::data("Found null value for non-optional schema")
}

fn wrong(node: &Node, value: &Value) -> RecordError {
    let (name, expected) = match node.kind {
        Kind::Date => ("Date", "Date"),
        Kind::Time => ("Time", "Date"),
        Kind::Timestamp => ("Timestamp", "Date"),
        Kind::Decimal(_) => ("Decimal", "BigDecimal"),
        _ => return wrong_type(node.schema.kind.java_name(), value),
    };
    let class = value.java_class();
    RecordError::data(format!(
        "Invalid type for {name}, expected {expected} but was class {class}"
    ))
}

fn wrong_type(kind: &str, value: &Value) -> RecordError {
    let class = value.java_class();
    RecordError::data(format!("Invalid type for {kind}: class {class}"))
}

fn fixed_size(actual: usize, size: usize) -> RecordError {
    RecordError::data(format!(
        "Fixed Binary size {actual} does not match field type length {size}"
    ))
}
