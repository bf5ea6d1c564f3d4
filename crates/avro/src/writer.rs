//! Writer: values of one Connect schema as Avro data, by a plan that was made beforehand.

mod anything;
mod copies;
mod defaults;
mod plan;

use crate::data::{AvroDataSettings, DEEPEST};
use crate::error::AVRO_TYPE_EXCEPTION;
use crate::model::Kind;
use crate::schema::AvroSchema;
use crate::wire::{put_bytes, put_long};
use millstream_core::logical::{date_days, time_millis};
use millstream_core::{Decimal, Map, RecordError, SchemaRef, Value};
use plan::{Node, NodeId, OnNull, Plan, Slot};
use std::sync::Arc;

/// A compiled way from values to data.
#[derive(Debug)]
pub struct Writer {
    plan: Plan,
    schema: Arc<AvroSchema>,
}

impl Writer {
    /// Plans how values of the Connect schema (`None`: schemaless) become data of the Avro schema, which is that of
    /// `avro_schema` with the same settings, or one that has its fields in another order.
    ///
    /// # Errors
    /// If values of the one cannot be data of the other.
    pub fn new(
        connect: Option<&SchemaRef>,
        schema: Arc<AvroSchema>,
        settings: &AvroDataSettings,
    ) -> Result<Self, RecordError> {
        let mut plan = Plan::new(connect, &schema, settings)?;
        plan.write_defaults(settings);
        Ok(Writer { plan, schema })
    }

    /// The schema of what is written.
    pub fn schema(&self) -> &Arc<AvroSchema> {
        &self.schema
    }

    /// Appends a datum. After an error nothing of it is in `out`.
    ///
    /// # Errors
    /// If the value is not of the schema: a `DataException`, or an `AvroTypeException` where only Avro minds.
    pub fn encode(&self, value: &Value, out: &mut Vec<u8>) -> Result<(), RecordError> {
        let before = out.len();
        let written = self.plan.write(&self.plan.root, value, out, DEEPEST);
        written.inspect_err(|_| out.truncate(before))
    }

    /// Appends a datum as a message of a registry's serializer has it: bytes at the root have no length before them.
    ///
    /// # Errors
    /// As `encode`.
    pub fn encode_message(&self, value: &Value, out: &mut Vec<u8>) -> Result<(), RecordError> {
        if !matches!(self.schema[self.schema.root()].kind, Kind::Bytes) {
            return self.encode(value, out);
        }
        let mut datum = Vec::new();
        self.encode(value, &mut datum)?;
        out.extend_from_slice(crate::wire::take_bytes(&mut datum.as_slice())?);
        Ok(())
    }
}

impl Plan {
    fn write(
        &self,
        slot: &Slot,
        value: &Value,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), RecordError> {
        if value.is_null() {
            return match &slot.on_null {
                OnNull::Refused => Err(null()),
                OnNull::Written(bytes) => {
                    out.extend_from_slice(bytes);
                    Ok(())
                }
                OnNull::Fails(error) => Err(RecordError::clone(error)),
            };
        }
        if let Some(branch) = slot.branch {
            put_long(out, branch);
        }
        self.write_node(slot.node, value, out, depth)
    }

    fn write_node(
        &self,
        node: NodeId,
        value: &Value,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), RecordError> {
        match (&self.nodes[node], value) {
            (Node::Boolean, Value::Boolean(v)) => out.push((*v).into()),
            (Node::Int8, Value::Int8(v)) => put_long(out, (*v).into()),
            (Node::Int16, Value::Int16(v)) => put_long(out, (*v).into()),
            (Node::Int32, Value::Int32(v)) => put_long(out, (*v).into()),
            (Node::Int64, Value::Int64(v)) => put_long(out, *v),
            (Node::Float32, Value::Float32(v)) => out.extend_from_slice(&v.to_le_bytes()),
            (Node::Float64, Value::Float64(v)) => out.extend_from_slice(&v.to_le_bytes()),
            (Node::String, Value::String(text)) => match text.as_str() {
                Some(text) => put_bytes(out, text.as_bytes()),
                None => put_bytes(out, text.to_java_utf8().as_bytes()),
            },
            (Node::Bytes, Value::Bytes(bytes)) => put_bytes(out, bytes),
            (Node::Struct(of), Value::Struct(record)) => {
                if !Arc::ptr_eq(&record.schema, &of.schema) && *record.schema != *of.schema {
                    return Err(RecordError::data("Mismatching struct schema"));
                }
                let depth = deeper(depth)?;
                for (index, slot) in &of.fields {
                    self.write(slot, &record.values[*index], out, depth)?;
                }
            }
            (Node::Array(element), Value::Array(items)) => {
                let depth = deeper(depth)?;
                if !items.is_empty() {
                    put_long(out, items.len() as i64);
                    for item in items {
                        self.write(element, item, out, depth)?;
                    }
                }
                out.push(0);
            }
            (Node::Map(values), Value::Map(map)) => {
                self.write_map(values, map, out, deeper(depth)?)?;
            }
            (Node::Entries { fields }, Value::Map(map)) => {
                let depth = deeper(depth)?;
                if !map.is_empty() {
                    put_long(out, map.len() as i64);
                    for (key, value) in map.iter() {
                        for (is_key, slot) in fields {
                            self.write(slot, if *is_key { key } else { value }, out, depth)?;
                        }
                    }
                }
                out.push(0);
            }
            (Node::Union(of), Value::Struct(record)) => {
                if !Arc::ptr_eq(&record.schema, &of.schema) && *record.schema != *of.schema {
                    return Err(RecordError::data("Mismatching struct schema"));
                }
                let depth = deeper(depth)?;
                let value = |index: usize| match of.ignores_defaults {
                    true => &record.values[index],
                    false => record.get_at(index),
                };
                let set = (0..record.values.len()).find(|index| !value(*index).is_null());
                match set {
                    Some(index) => self.write(&of.branches[index], value(index), out, depth)?,
                    None => match of.null {
                        Some(branch) => put_long(out, branch),
                        None => return Err(null()),
                    },
                }
            }
            (Node::Date, Value::Date(millis)) => put_long(out, date_days(*millis)?.into()),
            (Node::Time, Value::Date(millis)) => put_long(out, time_millis(*millis)?.into()),
            (Node::Timestamp, Value::Date(millis)) => put_long(out, *millis),
            (Node::Decimal { scale, size }, Value::Decimal(decimal)) => {
                write_decimal(*scale, *size, decimal, out)?;
            }
            (Node::Enum(symbols), Value::String(text)) => {
                let symbol = text.as_str().and_then(|text| symbols.get_index_of(text));
                put_long(out, symbol.ok_or_else(|| no_symbol(symbols, value))? as i64);
            }
            (Node::Fixed(size), Value::Bytes(bytes)) => {
                if bytes.len() != *size {
                    return Err(RecordError::data(format!(
                        "{} bytes are no value of a fixed of {size}",
                        bytes.len()
                    )));
                }
                out.extend_from_slice(bytes);
            }
            (Node::Anything, value) => anything::write(value, out, depth)?,
            (node, other) => return Err(node.refuse(other)),
        }
        Ok(())
    }

    /// The pairs in the order of a Java hash map that is filled with them, which is what the original writes.
    fn write_map(
        &self,
        values: &Slot,
        map: &Map,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), RecordError> {
        if map.is_empty() {
            out.push(0);
            return Ok(());
        }
        put_long(out, map.len() as i64);
        for (key, value) in in_hash_order(map) {
            let Value::String(text) = key else {
                return Err(RecordError::data("Invalid type for MAP: a key is no text"));
            };
            put_bytes(out, text.to_java_utf8().as_bytes());
            self.write(values, value, out, depth)?;
        }
        out.push(0);
        Ok(())
    }
}

fn in_hash_order(map: &Map) -> Vec<&(Value, Value)> {
    let pairs: Vec<&(Value, Value)> = map.iter().collect();
    if pairs.len() < 2 {
        return pairs;
    }
    let numbered = pairs.iter().enumerate();
    let hashed = Map::hashed(numbered.map(|(at, (key, _))| (key.clone(), Value::Int64(at as i64))));
    let order = hashed.iter().filter_map(|(_, at)| match at {
        Value::Int64(at) => pairs.get(*at as usize).copied(),
        _ => None,
    });
    order.collect()
}

/// The unscaled value; where it has a fixed size, widened to it.
fn write_decimal(
    scale: i32,
    size: Option<usize>,
    decimal: &Decimal,
    out: &mut Vec<u8>,
) -> Result<(), RecordError> {
    if decimal.scale != scale {
        return Err(RecordError::data(format!(
            "Decimal value has mismatching scale for given Decimal schema. Schema has scale {scale}, value has scale {}.",
            decimal.scale
        )));
    }
    let unscaled = decimal.unscaled_bytes();
    let Some(size) = size else {
        put_bytes(out, &unscaled);
        return Ok(());
    };
    let Some(missing) = size.checked_sub(unscaled.len()) else {
        return Err(RecordError::data(format!(
            "Unscaled value byte array length {} is greater than fixed size {size}",
            unscaled.len()
        )));
    };
    let is_negative = unscaled.first().is_some_and(|first| *first >= 0x80);
    out.extend(std::iter::repeat_n(
        if is_negative { 0xff } else { 0 },
        missing,
    ));
    out.extend_from_slice(&unscaled);
    Ok(())
}

fn deeper(depth: usize) -> Result<usize, RecordError> {
    let too_deep = || {
        RecordError::data(format!(
            "the value is nested more than {DEEPEST} levels deep"
        ))
    };
    depth.checked_sub(1).ok_or_else(too_deep)
}

fn null() -> RecordError {
    RecordError::data("Found null value for non-optional schema")
}

fn no_symbol(symbols: &indexmap::IndexSet<String>, value: &Value) -> RecordError {
    let known: Vec<&str> = symbols.iter().map(String::as_str).collect();
    let known = known.join(", ");
    RecordError::new(
        AVRO_TYPE_EXCEPTION,
        format!("a value is not in the enum symbol set: [{known}]"),
    )
    .with_java_message(format!(
        "enum value '{value}' is not in the enum symbol set: [{known}]"
    ))
}
