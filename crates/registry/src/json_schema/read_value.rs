//! From JSON to values, by the schema. Text is taken apart level by level and numbers are read where they stand, so that no
//! digit of a decimal is lost.

use super::union::{DEEPEST, KEY, VALUE, has_text_keys, is_union};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use indexmap::IndexMap;
use millstream_core::logical::{DAY_MILLIS, decimal_scale};
use millstream_core::schema::{DATE, DECIMAL, TIME, TIMESTAMP};
use millstream_core::{Decimal, Map, RecordError, Schema, SchemaRef, SchemaType, Struct, Value};
use num_bigint::BigInt;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value as Json;
use serde_json::value::RawValue;
use std::fmt;

/// The members of an object; of several of one name the last counts.
struct Members<'a>(IndexMap<String, &'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = IndexMap<String, &'de RawValue>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = IndexMap::new();
                while let Some((key, value)) = map.next_entry()? {
                    members.insert(key, value);
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Object).map(Members)
    }
}

/// A value of a schema; `None` where there is nothing.
///
/// # Errors
/// A `DataException`, which names types and never what stands there.
pub(super) fn read(schema: &SchemaRef, raw: Option<&RawValue>) -> Result<Value, RecordError> {
    Reading { open: Vec::new() }.value(schema, raw)
}

/// A default, which stands in a document that is parsed already.
pub(super) fn read_json(schema: &Schema, json: &Json) -> Result<Value, RecordError> {
    let text = json.to_string();
    let raw: &RawValue = serde_json::from_str(&text).map_err(|_| data("Invalid default value"))?;
    read(&SchemaRef::new(schema.clone()), Some(raw))
}

fn data(message: impl Into<String>) -> RecordError {
    RecordError::data(message)
}

/// What a piece of JSON is, by its first character: it is well-formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    Null,
    Boolean(bool),
    Number,
    String,
    Array,
    Object,
}

fn node(raw: &RawValue) -> Node {
    match raw.get().as_bytes().first() {
        Some(b'n') => Node::Null,
        Some(b't') => Node::Boolean(true),
        Some(b'f') => Node::Boolean(false),
        Some(b'"') => Node::String,
        Some(b'[') => Node::Array,
        Some(b'{') => Node::Object,
        _ => Node::Number,
    }
}

impl Node {
    /// Jackson's name of it.
    fn name(self) -> &'static str {
        match self {
            Node::Null => "NULL",
            Node::Boolean(_) => "BOOLEAN",
            Node::Number => "NUMBER",
            Node::String => "STRING",
            Node::Array => "ARRAY",
            Node::Object => "OBJECT",
        }
    }
}

struct Reading {
    /// The structs that enclose the place at hand.
    open: Vec<SchemaRef>,
}

impl Reading {
    fn value(&mut self, schema: &SchemaRef, raw: Option<&RawValue>) -> Result<Value, RecordError> {
        let raw = match raw {
            Some(raw) if node(raw) != Node::Null => raw,
            raw => {
                return match &schema.default {
                    Some(default) => Ok(default.clone()),
                    None if raw.is_none() || schema.optional => Ok(Value::Null),
                    None => Err(data(format!(
                        "Invalid null value for required {} field",
                        schema.kind.java_name()
                    ))),
                };
            }
        };
        if let Some(value) = logical(schema, raw)? {
            return Ok(value);
        }
        Ok(match schema.kind {
            SchemaType::Boolean => Value::Boolean(node(raw) == Node::Boolean(true)),
            SchemaType::Int8 => Value::Int8(integer(raw) as i8),
            SchemaType::Int16 => Value::Int16(integer(raw) as i16),
            SchemaType::Int32 => Value::Int32(integer(raw) as i32),
            SchemaType::Int64 => Value::Int64(integer(raw)),
            SchemaType::Float32 => Value::Float32(float(raw) as f32),
            SchemaType::Float64 => Value::Float64(float(raw)),
            SchemaType::String => match node(raw) {
                Node::String => text(raw)?.into(),
                _ => Value::Null,
            },
            SchemaType::Bytes => match node(raw) {
                Node::String => Value::Bytes(base64(raw)?.into()),
                Node::Number => Value::Decimal(decimal(raw)?),
                _ => Value::Null,
            },
            SchemaType::Array => {
                let items: Vec<&RawValue> = match node(raw) {
                    Node::Array => parse(raw)?,
                    _ => Vec::new(),
                };
                let element = inner(&schema.value_schema)?;
                let items = items
                    .into_iter()
                    .map(|item| self.value(element, Some(item)));
                Value::Array(items.collect::<Result<_, _>>()?)
            }
            SchemaType::Map => self.map(schema, raw)?,
            SchemaType::Struct if schema.recursive => {
                let enclosing = self.open.iter().rev().find(|open| open.name == schema.name);
                let enclosing = enclosing.cloned();
                let enclosing = enclosing.ok_or_else(|| data("the schema refers to nothing"))?;
                self.structure(&enclosing, raw)?
            }
            SchemaType::Struct if is_union(schema) => self.union(schema, raw)?,
            SchemaType::Struct => self.structure(schema, raw)?,
        })
    }

    fn structure(&mut self, schema: &SchemaRef, raw: &RawValue) -> Result<Value, RecordError> {
        if node(raw) != Node::Object {
            let found = node(raw).name();
            return Err(data(format!(
                "Structs should be encoded as JSON objects, but found {found}"
            )));
        }
        if self.open.len() >= DEEPEST {
            return Err(data(format!(
                "the JSON is nested more than {DEEPEST} levels deep"
            )));
        }
        let members: Members<'_> = parse(raw)?;
        self.open.push(schema.clone());
        let values = schema
            .fields
            .iter()
            .map(|field| self.value(&field.schema, members.0.get(&field.name).copied()));
        let values = values.collect::<Result<_, _>>();
        self.open.pop();
        Ok(Value::Struct(Box::new(Struct {
            schema: schema.clone(),
            values: values?,
        })))
    }

    /// The first branch of a simple type that fits, or the struct that shares most properties with the object.
    fn union(&mut self, schema: &SchemaRef, raw: &RawValue) -> Result<Value, RecordError> {
        let fields = &schema.fields;
        let simple = fields.iter().position(|field| fits(&field.schema, raw));
        let branch = match simple {
            Some(branch) => Some(branch),
            None => {
                let mut best = (None, 0);
                for (index, field) in fields.iter().enumerate() {
                    let shared = shared_properties(&field.schema, raw, 0)?;
                    if shared > best.1 {
                        best = (Some(index), shared);
                    }
                }
                best.0
            }
        };
        let branch = branch.ok_or_else(|| data("Did not find matching oneof field for data"))?;
        let mut union = Struct::new(schema.clone());
        union.values[branch] = self.value(&fields[branch].schema, Some(raw))?;
        Ok(Value::Struct(Box::new(union)))
    }

    fn map(&mut self, schema: &SchemaRef, raw: &RawValue) -> Result<Value, RecordError> {
        let (keys, values) = (inner(&schema.key_schema)?, inner(&schema.value_schema)?);
        let found = node(raw);
        let mut entries = Vec::new();
        if has_text_keys(schema) {
            if found != Node::Object {
                return Err(data(format!(
                    "Maps with string fields should be encoded as JSON objects, but found {}",
                    found.name()
                )));
            }
            for (key, value) in parse::<Members<'_>>(raw)?.0 {
                entries.push((key.into(), self.value(values, Some(value))?));
            }
            return Ok(Value::Map(Map::hashed(entries)));
        }
        if found != Node::Array {
            return Err(data(format!(
                "Maps with non-string fields should be encoded as JSON array of objects, but found {}",
                found.name()
            )));
        }
        for entry in parse::<Vec<&RawValue>>(raw)? {
            if node(entry) != Node::Object {
                let found = node(entry).name();
                return Err(data(format!(
                    "Found invalid map entry instead of object: {found}"
                )));
            }
            let entry: Members<'_> = parse(entry)?;
            if entry.0.len() != 2 {
                let count = entry.0.len();
                return Err(data(format!(
                    "Found invalid map entry, expected length 2 but found :{count}"
                )));
            }
            let key = self.value(keys, entry.0.get(KEY).copied())?;
            entries.push((key, self.value(values, entry.0.get(VALUE).copied())?));
        }
        Ok(Value::Map(Map::hashed(entries)))
    }
}

fn inner(schema: &Option<SchemaRef>) -> Result<&SchemaRef, RecordError> {
    schema
        .as_ref()
        .ok_or_else(|| data("a list or map has no schema of what is in it"))
}

fn parse<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, RecordError> {
    serde_json::from_str(raw.get()).map_err(|_| data("malformed JSON"))
}

fn text(raw: &RawValue) -> Result<String, RecordError> {
    parse(raw)
}

fn base64(raw: &RawValue) -> Result<Vec<u8>, RecordError> {
    STANDARD
        .decode(text(raw)?)
        .map_err(|_| data("Invalid bytes field"))
}

fn is_integral(raw: &RawValue) -> bool {
    node(raw) == Node::Number && !raw.get().contains(['.', 'e', 'E'])
}

/// The lowest 64 bits of a number; what is none is zero.
fn integer(raw: &RawValue) -> i64 {
    if node(raw) != Node::Number {
        return 0;
    }
    match (raw.get().parse::<i64>(), is_integral(raw)) {
        (Ok(number), _) => number,
        (Err(_), true) => decimal(raw).map_or(0, |decimal| decimal.to_long()),
        (Err(_), false) => float(raw) as i64,
    }
}

fn float(raw: &RawValue) -> f64 {
    match node(raw) {
        Node::Number => raw.get().parse().unwrap_or(0.0),
        _ => 0.0,
    }
}

/// More digits, or a larger exponent, no decimal of use has; Jackson's limit.
const MOST_DIGITS: usize = 1_000;

/// A number as it is written, with its own scale.
fn decimal(raw: &RawValue) -> Result<Decimal, RecordError> {
    let (mantissa, exponent) = match raw.get().split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()),
        None => (raw.get(), Some(0)),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let unscaled = Some(format!("{whole}{fraction}")).filter(|digits| digits.len() <= MOST_DIGITS);
    let unscaled = unscaled.and_then(|digits| digits.parse::<BigInt>().ok());
    let scale = exponent.and_then(|exponent| (fraction.len() as i32).checked_sub(exponent));
    match (unscaled, scale) {
        (Some(unscaled), Some(scale)) => Ok(Decimal { unscaled, scale }),
        _ => Err(data("Invalid bytes for Decimal field")),
    }
}

/// A value of a logical type; `None` for any other.
fn logical(schema: &Schema, raw: &RawValue) -> Result<Option<Value>, RecordError> {
    let name = schema.name.as_deref();
    let wrong = |of: &str, wanted: &str| {
        Err(data(format!(
            "Invalid type for {of}, underlying representation should be {wanted} but was {}",
            node(raw).name()
        )))
    };
    // Java asks whether the number is one of 32 bits.
    let int = is_integral(raw)
        .then(|| raw.get().parse::<i32>().ok())
        .flatten();
    match name {
        Some(DECIMAL) => match node(raw) {
            Node::Number => Ok(Some(Value::Decimal(decimal(raw)?))),
            Node::String => {
                let bytes = base64(raw).map_err(|_| data("Invalid bytes for Decimal field"))?;
                let scale = decimal_scale(schema)?;
                Ok(Some(Value::Decimal(Decimal::from_unscaled_bytes(
                    &bytes, scale,
                ))))
            }
            _ => wrong("Decimal", "numeric or bytes"),
        },
        Some(DATE) => match int {
            Some(days) => Ok(Some(Value::Date(i64::from(days) * DAY_MILLIS))),
            None => wrong("Date", "integer"),
        },
        Some(TIME) => match int {
            Some(millis) if (0..=DAY_MILLIS).contains(&millis.into()) => {
                Ok(Some(Value::Date(millis.into())))
            }
            Some(_) => Err(data(
                "Time values must use number of milliseconds greater than 0 and less than 86400000",
            )),
            None => wrong("Time", "integer"),
        },
        Some(TIMESTAMP) => match is_integral(raw) {
            true => Ok(Some(Value::Date(integer(raw)))),
            false => wrong("Timestamp", "integral"),
        },
        _ => Ok(None),
    }
}

/// Whether a branch of a simple type takes the JSON.
fn fits(schema: &Schema, raw: &RawValue) -> bool {
    let found = node(raw);
    match schema.kind {
        SchemaType::Int8 | SchemaType::Int16 | SchemaType::Int32 | SchemaType::Int64 => {
            is_integral(raw)
        }
        SchemaType::Float32 | SchemaType::Float64 => found == Node::Number,
        SchemaType::Boolean => matches!(found, Node::Boolean(_)),
        SchemaType::String => found == Node::String,
        // Text is never taken for bytes.
        SchemaType::Bytes => found == Node::Number && !is_integral(raw),
        SchemaType::Array => found == Node::Array,
        SchemaType::Map => matches!(found, Node::Object | Node::Array),
        SchemaType::Struct => false,
    }
}

/// How many properties a struct and an object have in common, at all levels.
fn shared_properties(schema: &Schema, raw: &RawValue, depth: usize) -> Result<usize, RecordError> {
    if schema.kind != SchemaType::Struct || node(raw) != Node::Object || depth > DEEPEST {
        return Ok(0);
    }
    let members: Members<'_> = parse(raw)?;
    let mut shared = 0;
    for field in &schema.fields {
        if let Some(member) = members.0.get(&field.name) {
            shared += 1 + shared_properties(&field.schema, member, depth + 1)?;
        }
    }
    Ok(shared)
}
