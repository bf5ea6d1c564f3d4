//! Reader: Avro data as values of Connect, by a plan that was made beforehand. Bytes are anybody's: lengths and counts are
//! believed as far as there are bytes, and nesting has a bound.

mod anything;
pub(crate) mod plan;
mod scan;

use crate::data::{AvroDataSettings, DEEPEST, connect_schema_of_version};
use crate::error::{index, runtime};
use crate::model::Kind;
use crate::schema::AvroSchema;
use crate::wire::{take, take_array, take_bytes, take_int, take_items, take_long};
use bytes::Bytes;
use millstream_core::logical::{DAY_MILLIS, time_millis};
use millstream_core::text::decode_utf8;
use millstream_core::{Decimal, Map, RecordError, SchemaAndValue, SchemaRef, Struct, Text, Value};
use plan::{Branch, Node, NodeId, Plan};
use std::sync::Arc;

/// A compiled way from data to values.
#[derive(Debug)]
pub struct Reader {
    plan: Plan,
    connect: Option<SchemaRef>,
    schema: Arc<AvroSchema>,
}

impl Reader {
    /// Plans how data of the schema become values. The version is the registry's, for a schema that does not say its own.
    ///
    /// # Errors
    /// A `DataException` if Connect has no such schema. A schema of nothing but null has none either, but its data are null.
    pub fn new(
        schema: Arc<AvroSchema>,
        version: Option<i32>,
        settings: &AvroDataSettings,
    ) -> Result<Self, RecordError> {
        let connect = match schema[schema.root()].kind {
            Kind::Null => None,
            _ => connect_schema_of_version(&schema, version, settings)?,
        };
        let plan = Plan::new(connect.as_ref(), &schema, settings)?;
        Ok(Reader {
            plan,
            connect,
            schema,
        })
    }

    /// The values' schema; none for schemaless ones.
    pub fn connect_schema(&self) -> Option<&SchemaRef> {
        self.connect.as_ref()
    }

    pub fn schema(&self) -> &Arc<AvroSchema> {
        &self.schema
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Takes one datum off the front.
    ///
    /// # Errors
    /// A `DataException` where Connect takes no such value; where the bytes are no datum, the exception of Avro's library.
    pub fn take(&self, bytes: &mut &[u8]) -> Result<Value, RecordError> {
        self.plan.read_one(self.plan.root, bytes, DEEPEST)
    }

    /// Takes one datum off the front and puts its value behind those that are there; with an error it puts none.
    ///
    /// # Errors
    /// As `take`.
    pub fn take_into(&self, bytes: &mut &[u8], out: &mut Vec<Value>) -> Result<(), RecordError> {
        self.plan.read(self.plan.root, bytes, DEEPEST, out)
    }

    /// A datum with its schema. Bytes behind it do not matter.
    ///
    /// # Errors
    /// As `take`.
    pub fn decode(&self, mut bytes: &[u8]) -> Result<SchemaAndValue, RecordError> {
        let value = self.take(&mut bytes)?;
        Ok(self.with_schema(value))
    }

    /// A datum as a message of a registry's serializer has it: bytes at the root have no length before them.
    ///
    /// # Errors
    /// As `take`.
    pub fn decode_message(&self, bytes: &[u8]) -> Result<SchemaAndValue, RecordError> {
        let value = match &self.plan.nodes[self.plan.root] {
            Node::Bytes => Value::Bytes(Bytes::copy_from_slice(bytes)),
            Node::Decimal { scale, size: None } => decimal(bytes, *scale),
            _ => return self.decode(bytes),
        };
        Ok(self.with_schema(value))
    }

    fn with_schema(&self, value: Value) -> SchemaAndValue {
        SchemaAndValue {
            schema: self.connect.clone(),
            value,
        }
    }
}

impl Plan {
    /// Puts a value behind those that are there: where it is to stay, as moving it costs more than reading it. Nothing is put
    /// there with an error.
    fn read(
        &self,
        node: NodeId,
        bytes: &mut &[u8],
        depth: usize,
        out: &mut Vec<Value>,
    ) -> Result<(), RecordError> {
        match &self.nodes[node] {
            Node::Null => out.push(Value::Null),
            Node::Boolean => out.push(Value::Boolean(take_array::<1>(bytes)? == [1])),
            Node::Int8 => out.push(Value::Int8(take_int(bytes)? as i8)),
            Node::Int16 => out.push(Value::Int16(take_int(bytes)? as i16)),
            Node::Int32 => out.push(Value::Int32(take_int(bytes)?)),
            Node::Int64 => out.push(Value::Int64(take_long(bytes)?)),
            Node::Float32 => out.push(Value::Float32(f32::from_le_bytes(take_array(bytes)?))),
            Node::Float64 => out.push(Value::Float64(f64::from_le_bytes(take_array(bytes)?))),
            Node::String => out.push(Value::String(take_text(bytes)?)),
            Node::Bytes => out.push(Value::Bytes(Bytes::copy_from_slice(take_bytes(bytes)?))),
            Node::Fixed(size) => {
                out.push(Value::Bytes(Bytes::copy_from_slice(take(bytes, *size)?)));
            }
            Node::Enum(symbols) => {
                let at = take_int(bytes)?;
                let symbol = usize::try_from(at).ok().and_then(|at| symbols.get(at));
                let symbol = symbol.ok_or_else(|| index(at.into(), symbols.len()))?;
                out.push(symbol.clone());
            }
            Node::Date => out.push(Value::Date(i64::from(take_int(bytes)?) * DAY_MILLIS)),
            Node::Time => out.push(Value::Date(time(take_int(bytes)?)?)),
            Node::Timestamp => out.push(Value::Date(take_long(bytes)?)),
            Node::Decimal { scale, size } => {
                let unscaled = match size {
                    Some(size) => take(bytes, *size)?,
                    None => take_bytes(bytes)?,
                };
                out.push(decimal(unscaled, *scale));
            }
            Node::Struct { schema, fields } => {
                let depth = deeper(depth)?;
                let mut values = Vec::with_capacity(fields.len());
                for field in fields {
                    self.read(*field, bytes, depth, &mut values)?;
                }
                let schema = SchemaRef::clone(schema);
                out.push(Value::Struct(Box::new(Struct { schema, values })));
            }
            Node::Optional { null, other } => match take_branch(bytes, 2)? {
                branch if branch == *null => out.push(Value::Null),
                _ => self.read(*other, bytes, depth, out)?,
            },
            Node::Singleton(only) => {
                take_branch(bytes, 1)?;
                self.read(*only, bytes, depth, out)?;
            }
            Node::Union { schema, branches } => {
                let branch = &branches[take_branch(bytes, branches.len())?];
                out.push(self.read_branch(schema, branch, bytes, depth)?);
            }
            Node::Array(element) => out.push(self.read_array(*element, bytes, depth)?),
            Node::Map(values) => out.push(self.read_map(*values, bytes, depth)?),
            Node::Entries {
                first,
                second,
                is_key_first,
            } => {
                let entry = (*first, *second);
                out.push(self.read_entries(entry, *is_key_first, bytes, depth)?);
            }
            Node::Anything => out.push(anything::read(bytes, depth)?),
        }
        Ok(())
    }

    /// One value by itself.
    fn read_one(
        &self,
        node: NodeId,
        bytes: &mut &[u8],
        depth: usize,
    ) -> Result<Value, RecordError> {
        let mut one = Vec::with_capacity(1);
        self.read(node, bytes, depth, &mut one)?;
        Ok(one.pop().unwrap_or(Value::Null))
    }

    // These stand apart from `read`, whose frame on the stack is that of every level.
    #[inline(never)]
    fn read_branch(
        &self,
        schema: &SchemaRef,
        branch: &Branch,
        bytes: &mut &[u8],
        depth: usize,
    ) -> Result<Value, RecordError> {
        match branch {
            Branch::Null => Ok(Value::Null),
            Branch::Refused { node, error } => {
                self.read_one(*node, bytes, deeper(depth)?)?;
                Err(RecordError::clone(error))
            }
            Branch::Field { index, node } => {
                let value = self.read_one(*node, bytes, deeper(depth)?)?;
                let mut record = Struct::new(SchemaRef::clone(schema));
                record.values[*index] = value;
                Ok(Value::Struct(Box::new(record)))
            }
        }
    }

    #[inline(never)]
    fn read_array(
        &self,
        element: NodeId,
        bytes: &mut &[u8],
        depth: usize,
    ) -> Result<Value, RecordError> {
        let depth = deeper(depth)?;
        let mut items = Vec::new();
        take_items(bytes, |bytes| self.read(element, bytes, depth, &mut items))?;
        Ok(Value::Array(items))
    }

    #[inline(never)]
    fn read_map(
        &self,
        values: NodeId,
        bytes: &mut &[u8],
        depth: usize,
    ) -> Result<Value, RecordError> {
        let depth = deeper(depth)?;
        let mut pairs = Vec::new();
        take_items(bytes, |bytes| {
            let key = Value::String(take_text(bytes)?);
            pairs.push((key, self.read_one(values, bytes, depth)?));
            Ok(())
        })?;
        Ok(Value::Map(Map::hashed_with_capacity(pairs.len(), pairs)))
    }

    #[inline(never)]
    fn read_entries(
        &self,
        (first, second): (NodeId, NodeId),
        is_key_first: bool,
        bytes: &mut &[u8],
        depth: usize,
    ) -> Result<Value, RecordError> {
        let depth = deeper(depth)?;
        let mut pairs = Vec::new();
        take_items(bytes, |bytes| {
            let first = self.read_one(first, bytes, depth)?;
            let second = self.read_one(second, bytes, depth)?;
            pairs.push(if is_key_first {
                (first, second)
            } else {
                (second, first)
            });
            Ok(())
        })?;
        Ok(Value::Map(Map::hashed_with_capacity(pairs.len(), pairs)))
    }
}

fn take_branch(bytes: &mut &[u8], branches: usize) -> Result<usize, RecordError> {
    let at = take_int(bytes)?;
    let branch = usize::try_from(at).ok().filter(|at| *at < branches);
    branch.ok_or_else(|| index(at.into(), branches))
}

fn take_text(bytes: &mut &[u8]) -> Result<Text, RecordError> {
    Ok(Text::from(decode_utf8(take_bytes(bytes)?).into_owned()))
}

fn decimal(unscaled: &[u8], scale: i32) -> Value {
    Value::Decimal(Decimal::from_unscaled_bytes(unscaled, scale))
}

fn time(millis: i32) -> Result<i64, RecordError> {
    let millis = i64::from(millis);
    match time_millis(millis) {
        Ok(_) => Ok(millis),
        Err(_) => Err(RecordError::data(
            "Time values must use number of milliseconds greater than 0 and less than 86400000",
        )),
    }
}

fn deeper(depth: usize) -> Result<usize, RecordError> {
    let too_deep = || {
        runtime(format!(
            "the datum is nested more than {DEEPEST} levels deep"
        ))
    };
    depth.checked_sub(1).ok_or_else(too_deep)
}
