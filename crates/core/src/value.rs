//! Value: one decoded key, value or header, as Connect's data model has it.

use crate::decimal::Decimal;
use crate::map::{Map, slot_hash};
use crate::record_error::RecordError;
use crate::schema::{Schema, SchemaRef, SchemaType};
use crate::text::Text;
use bytes::Bytes;
use std::fmt;

/// A value together with its schema; `None` means schemaless.
#[derive(Clone, Debug, PartialEq)]
pub struct SchemaAndValue {
    pub schema: Option<SchemaRef>,
    pub value: Value,
}

impl SchemaAndValue {
    pub const NULL: SchemaAndValue = SchemaAndValue {
        schema: None,
        value: Value::Null,
    };
}

/// What Java holds behind `Object`: the type is the value's own, the schema lies beside it.
#[derive(Clone, Debug)]
pub enum Value {
    Null,
    Boolean(bool),
    Int8(i8),
    Int16(i16),
    Int32(i32),
    Int64(i64),
    Float32(f32),
    Float64(f64),
    String(Text),
    Bytes(Bytes),
    /// `java.math.BigDecimal`, the logical type Decimal.
    Decimal(Decimal),
    /// `java.util.Date`, milliseconds since the epoch: the logical types Date, Time and Timestamp, told apart by the schema.
    Date(i64),
    Array(Vec<Value>),
    Map(Map),
    Struct(Box<Struct>),
}

/// A struct: one raw value for each field of its schema, `Null` where nothing was set.
#[derive(Clone, Debug, PartialEq)]
pub struct Struct {
    pub schema: SchemaRef,
    pub values: Vec<Value>,
}

impl Struct {
    pub fn new(schema: SchemaRef) -> Self {
        let values = vec![Value::Null; schema.fields.len()];
        Struct { schema, values }
    }

    /// Sets a field as Java's `put` does, which takes no null where one is required, within lists and maps neither.
    pub fn put(&mut self, index: usize, value: Value) -> Result<(), RecordError> {
        let field = &self.schema.fields[index];
        if let Some((place, kind)) = missing(&field.schema, &value) {
            return Err(RecordError::data(format!(
                "Invalid value: null used for required {place}field: \"{}\", schema type: {}",
                field.name,
                kind.java_name()
            )));
        }
        self.values[index] = value;
        Ok(())
    }

    /// The field's raw value, without its default. `None` if there is no such field.
    pub fn get_without_default(&self, field: &str) -> Option<&Value> {
        self.schema
            .field_index(field)
            .map(|index| &self.values[index])
    }

    /// The field's value, or its schema's default where it is null. `None` if there is no such field.
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.schema
            .field_index(field)
            .map(|index| self.get_at(index))
    }

    /// As `get`, by the field's position.
    pub fn get_at(&self, index: usize) -> &Value {
        match (
            &self.values[index],
            &self.schema.fields[index].schema.default,
        ) {
            (Value::Null, Some(default)) => default,
            (value, _) => value,
        }
    }
}

/// A null that is required to be something: what it is of, from the inside out, and its type. Structs have been looked at
/// when they were filled.
pub fn missing(schema: &Schema, value: &Value) -> Option<(String, SchemaType)> {
    let within = |schema: &Option<SchemaRef>, value: &Value, place: &str| {
        let (inner, kind) = missing(schema.as_deref()?, value)?;
        Some((inner + place, kind))
    };
    match value {
        Value::Null if !schema.optional => Some((String::new(), schema.kind)),
        Value::Array(items) => items
            .iter()
            .find_map(|item| within(&schema.value_schema, item, "element of array ")),
        Value::Map(map) => map.iter().find_map(|(key, value)| {
            within(&schema.key_schema, key, "key of map ")
                .or_else(|| within(&schema.value_schema, value, "value of map "))
        }),
        _ => None,
    }
}

impl Value {
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The name of the Java class that holds such a value, as error messages show it.
    pub fn java_class(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Boolean(_) => "java.lang.Boolean",
            Value::Int8(_) => "java.lang.Byte",
            Value::Int16(_) => "java.lang.Short",
            Value::Int32(_) => "java.lang.Integer",
            Value::Int64(_) => "java.lang.Long",
            Value::Float32(_) => "java.lang.Float",
            Value::Float64(_) => "java.lang.Double",
            Value::String(_) => "java.lang.String",
            Value::Bytes(_) => "[B",
            Value::Decimal(_) => "java.math.BigDecimal",
            Value::Date(_) => "java.util.Date",
            Value::Array(_) => "java.util.ArrayList",
            Value::Map(map) if map.is_linked() => "java.util.LinkedHashMap",
            Value::Map(_) => "java.util.HashMap",
            Value::Struct(_) => "org.apache.kafka.connect.data.Struct",
        }
    }

    /// Java's `hashCode`, wherever it depends on the value alone.
    pub fn java_hash(&self) -> i32 {
        let fold64 = |bits: u64| (bits ^ (bits >> 32)) as i32;
        match self {
            Value::Null => 0,
            Value::Boolean(true) => 1231,
            Value::Boolean(false) => 1237,
            Value::Int8(v) => i32::from(*v),
            Value::Int16(v) => i32::from(*v),
            Value::Int32(v) => *v,
            Value::Int64(v) | Value::Date(v) => fold64(*v as u64),
            Value::Float32(v) => float_bits(*v) as i32,
            Value::Float64(v) => fold64(double_bits(*v)),
            Value::String(text) => text.java_hash(),
            // Java hashes a byte array by identity; any stable number will do.
            Value::Bytes(bytes) => slot_hash(bytes.len() as i32) as i32,
            Value::Decimal(decimal) => {
                let (sign, words) = decimal.unscaled.to_u32_digits();
                let magnitude = words.iter().rev().fold(0i32, |hash, &word| {
                    hash.wrapping_mul(31).wrapping_add(word as i32)
                });
                let unscaled = if sign == num_bigint::Sign::Minus {
                    magnitude.wrapping_neg()
                } else {
                    magnitude
                };
                unscaled.wrapping_mul(31).wrapping_add(decimal.scale)
            }
            Value::Array(items) => items.iter().fold(1i32, |hash, item| {
                hash.wrapping_mul(31).wrapping_add(item.java_hash())
            }),
            Value::Map(map) => map.iter().fold(0i32, |sum, (k, v)| {
                sum.wrapping_add(k.java_hash() ^ v.java_hash())
            }),
            Value::Struct(record) => record.values.iter().fold(1i32, |hash, item| {
                hash.wrapping_mul(31).wrapping_add(item.java_hash())
            }),
        }
    }
}

/// Java's `floatToIntBits`: all NaNs are one.
fn float_bits(value: f32) -> u32 {
    if value.is_nan() {
        f32::NAN.to_bits()
    } else {
        value.to_bits()
    }
}

fn double_bits(value: f64) -> u64 {
    if value.is_nan() {
        f64::NAN.to_bits()
    } else {
        value.to_bits()
    }
}

/// Equal as Java's `equals` says: the same class, floats by their bits.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Boolean(a), Value::Boolean(b)) => a == b,
            (Value::Int8(a), Value::Int8(b)) => a == b,
            (Value::Int16(a), Value::Int16(b)) => a == b,
            (Value::Int32(a), Value::Int32(b)) => a == b,
            (Value::Int64(a), Value::Int64(b)) | (Value::Date(a), Value::Date(b)) => a == b,
            (Value::Float32(a), Value::Float32(b)) => float_bits(*a) == float_bits(*b),
            (Value::Float64(a), Value::Float64(b)) => double_bits(*a) == double_bits(*b),
            (Value::String(a), Value::String(b)) => a == b,
            (Value::Bytes(a), Value::Bytes(b)) => a == b,
            (Value::Decimal(a), Value::Decimal(b)) => a == b,
            (Value::Array(a), Value::Array(b)) => a == b,
            (Value::Map(a), Value::Map(b)) => a == b,
            (Value::Struct(a), Value::Struct(b)) => a == b,
            _ => false,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::String(Text::from(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::String(Text::from(text))
    }
}

/// For map keys and messages; the wire forms have their own writers.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Boolean(v) => write!(f, "{v}"),
            Value::Int8(v) => write!(f, "{v}"),
            Value::Int16(v) => write!(f, "{v}"),
            Value::Int32(v) => write!(f, "{v}"),
            Value::Int64(v) | Value::Date(v) => write!(f, "{v}"),
            Value::Float32(v) => write!(f, "{v}"),
            Value::Float64(v) => write!(f, "{v}"),
            Value::String(text) => write!(f, "{text}"),
            Value::Decimal(decimal) => write!(f, "{decimal}"),
            Value::Bytes(_) | Value::Array(_) | Value::Map(_) | Value::Struct(_) => {
                f.write_str(self.java_class())
            }
        }
    }
}
