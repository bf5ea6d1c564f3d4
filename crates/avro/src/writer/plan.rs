//! The plan of a writer: Connect schema and Avro schema walked together, once.

use super::null;
use crate::data::{AvroDataSettings, DEEPEST, KEY_FIELD, VALUE_FIELD, is_union};
use crate::error::schema_parse;
use crate::model::{Kind, TypeId};
use crate::schema::AvroSchema;
use crate::wire::put_long;
use indexmap::IndexSet;
use millstream_core::logical::decimal_scale;
use millstream_core::schema::{DATE, DECIMAL, TIME, TIMESTAMP};
use millstream_core::{RecordError, SchemaRef, SchemaType, Value};

pub(super) type NodeId = usize;

#[derive(Debug)]
pub(super) struct Plan {
    pub(super) nodes: Vec<Node>,
    pub(super) root: Slot,
}

/// A place for a value.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) node: NodeId,
    pub(super) on_null: OnNull,
    /// Of the union that the place is, where the value's type stands in it.
    pub(super) branch: Option<i64>,
}

#[derive(Debug)]
pub(super) enum OnNull {
    Refused,
    /// The null's branch, or the default.
    Written(Vec<u8>),
    /// The default is none.
    Fails(Box<RecordError>),
}

#[derive(Debug)]
pub(super) enum Node {
    Boolean,
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    String,
    Bytes,
    Date,
    Time,
    Timestamp,
    Decimal {
        scale: i32,
        size: Option<usize>,
    },
    Enum(IndexSet<String>),
    Fixed(usize),
    Array(Slot),
    Map(Slot),
    /// A map as an array of records; for each of their fields whether it is the key.
    Entries {
        fields: Vec<(bool, Slot)>,
    },
    Struct(StructNode),
    Union(UnionNode),
    Anything,
    /// Not planned yet: a record that is met within itself.
    Open,
}

#[derive(Debug)]
pub(super) struct StructNode {
    pub(super) schema: SchemaRef,
    /// In Avro's order, with their places in the struct.
    pub(super) fields: Vec<(usize, Slot)>,
}

#[derive(Debug)]
pub(super) struct UnionNode {
    pub(super) schema: SchemaRef,
    pub(super) branches: Vec<Slot>,
    pub(super) null: Option<i64>,
    pub(super) ignores_defaults: bool,
}

impl Node {
    /// The error for a value of another type.
    pub(super) fn refuse(&self, value: &Value) -> RecordError {
        let class = value.java_class();
        let logical = |name: &str, expected: &str| {
            RecordError::data(format!(
                "Invalid type for {name}, expected {expected} but was class {class}"
            ))
        };
        let kind = match self {
            Node::Decimal { .. } => return logical("Decimal", "BigDecimal"),
            Node::Date => return logical("Date", "Date"),
            Node::Time => return logical("Time", "Date"),
            Node::Timestamp => return logical("Timestamp", "Date"),
            Node::Boolean => SchemaType::Boolean,
            Node::Int8 => SchemaType::Int8,
            Node::Int16 => SchemaType::Int16,
            Node::Int32 => SchemaType::Int32,
            Node::Int64 => SchemaType::Int64,
            Node::Float32 => SchemaType::Float32,
            Node::Float64 => SchemaType::Float64,
            Node::String | Node::Enum(_) => SchemaType::String,
            Node::Bytes | Node::Fixed(_) => SchemaType::Bytes,
            Node::Array(_) => SchemaType::Array,
            Node::Map(_) | Node::Entries { .. } => SchemaType::Map,
            Node::Struct(_) | Node::Union(_) | Node::Anything | Node::Open => SchemaType::Struct,
        };
        RecordError::data(format!(
            "Invalid type for {}: class {class}",
            kind.java_name()
        ))
    }
}

impl Plan {
    pub(super) fn new(
        connect: Option<&SchemaRef>,
        avro: &AvroSchema,
        settings: &AvroDataSettings,
    ) -> Result<Self, RecordError> {
        let mut planner = Planner {
            avro,
            settings,
            nodes: Vec::new(),
            open: Vec::new(),
            depth: 0,
        };
        let root = match connect {
            Some(schema) => planner.slot(schema, avro.root())?,
            None => Slot {
                node: planner.add(Node::Anything),
                on_null: OnNull::Refused,
                branch: None,
            },
        };
        Ok(Plan {
            nodes: planner.nodes,
            root,
        })
    }
}

struct Planner<'a> {
    avro: &'a AvroSchema,
    settings: &'a AvroDataSettings,
    nodes: Vec<Node>,
    /// The structs that enclose the place, by name.
    open: Vec<(&'a str, NodeId)>,
    depth: usize,
}

impl<'a> Planner<'a> {
    fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn slot(&mut self, schema: &'a SchemaRef, id: TypeId) -> Result<Slot, RecordError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(schema_parse(format!(
                "the schema is nested more than {DEEPEST} levels deep"
            )));
        }
        let slot = self.planned(schema, id);
        self.depth -= 1;
        slot
    }

    fn planned(&mut self, schema: &'a SchemaRef, id: TypeId) -> Result<Slot, RecordError> {
        let avro = &self.avro[id];
        let Kind::Union(branches) = &avro.kind else {
            let node = self.node(schema, id)?;
            return Ok(Slot {
                node,
                on_null: OnNull::Refused,
                branch: None,
            });
        };
        let null = branches
            .iter()
            .position(|branch| matches!(self.avro[*branch].kind, Kind::Null));
        let written = |branch: usize| {
            let mut bytes = Vec::new();
            put_long(&mut bytes, branch as i64);
            bytes
        };
        let on_null = match null {
            Some(branch) if schema.optional => OnNull::Written(written(branch)),
            _ => OnNull::Refused,
        };
        if is_union(schema) && schema.kind == SchemaType::Struct {
            let node = self.union(schema, branches, null)?;
            return Ok(Slot {
                node,
                on_null,
                branch: None,
            });
        }
        let mut others = branches
            .iter()
            .enumerate()
            .filter(|(at, _)| Some(*at) != null);
        let mut first_error = None;
        let open = self.open.len();
        let fitting = others.find_map(|(at, branch)| match self.node(schema, *branch) {
            Ok(node) => Some((at, node)),
            Err(error) => {
                self.open.truncate(open);
                first_error.get_or_insert(error);
                None
            }
        });
        let Some((branch, node)) = fitting else {
            return Err(first_error.unwrap_or_else(null_only));
        };
        Ok(Slot {
            node,
            on_null,
            branch: Some(branch as i64),
        })
    }

    fn union(
        &mut self,
        schema: &'a SchemaRef,
        branches: &[TypeId],
        null: Option<usize>,
    ) -> Result<NodeId, RecordError> {
        let others = branches
            .iter()
            .enumerate()
            .filter(|(at, _)| Some(*at) != null);
        let others: Vec<_> = others.collect();
        if others.len() != schema.fields.len() {
            return Err(schema_parse(format!(
                "a union of {} types cannot hold what one of {} can",
                others.len(),
                schema.fields.len()
            )));
        }
        let mut slots = Vec::with_capacity(others.len());
        for (field, (at, branch)) in schema.fields.iter().zip(others) {
            slots.push(Slot {
                node: self.node(&field.schema, *branch)?,
                on_null: OnNull::Refused,
                branch: Some(at as i64),
            });
        }
        Ok(self.add(Node::Union(UnionNode {
            schema: SchemaRef::clone(schema),
            branches: slots,
            null: null.filter(|_| schema.optional).map(|at| at as i64),
            ignores_defaults: self.settings.ignore_default_for_nullables,
        })))
    }

    /// The node of a schema whose Avro type is no union.
    fn node(&mut self, schema: &'a SchemaRef, id: TypeId) -> Result<NodeId, RecordError> {
        let kind = &self.avro[id].kind;
        if schema.recursive {
            let name = schema.name.as_deref().unwrap_or_default();
            let known = self.open.iter().rev().find(|(open, _)| *open == name);
            return known
                .map(|(_, node)| *node)
                .ok_or_else(|| mismatch(schema, kind));
        }
        let node = match (schema.name.as_deref(), schema.kind, kind) {
            (Some(DECIMAL), SchemaType::Bytes, Kind::Bytes) => Node::Decimal {
                scale: decimal_scale(schema)?,
                size: None,
            },
            (Some(DECIMAL), SchemaType::Bytes, Kind::Fixed(fixed)) => Node::Decimal {
                scale: decimal_scale(schema)?,
                size: Some(fixed.size),
            },
            (Some(DATE), SchemaType::Int32, Kind::Int) => Node::Date,
            (Some(TIME), SchemaType::Int32, Kind::Int) => Node::Time,
            (Some(TIMESTAMP), SchemaType::Int64, Kind::Long) => Node::Timestamp,
            (_, SchemaType::Boolean, Kind::Boolean) => Node::Boolean,
            (_, SchemaType::Int8, Kind::Int) => Node::Int8,
            (_, SchemaType::Int16, Kind::Int) => Node::Int16,
            (_, SchemaType::Int32, Kind::Int) => Node::Int32,
            (_, SchemaType::Int64, Kind::Long) => Node::Int64,
            (_, SchemaType::Float32, Kind::Float) => Node::Float32,
            (_, SchemaType::Float64, Kind::Double) => Node::Float64,
            (_, SchemaType::String, Kind::String) => Node::String,
            (_, SchemaType::String, Kind::Enum(of)) => {
                Node::Enum(of.symbols.iter().cloned().collect())
            }
            (_, SchemaType::Bytes, Kind::Bytes) => Node::Bytes,
            (_, SchemaType::Bytes, Kind::Fixed(fixed)) => Node::Fixed(fixed.size),
            (_, SchemaType::Array, Kind::Array(items)) => {
                let element = schema.value_schema.as_ref().ok_or_else(null)?;
                Node::Array(self.slot(element, *items)?)
            }
            (_, SchemaType::Map, Kind::Map(values)) => {
                let element = schema.value_schema.as_ref().ok_or_else(null)?;
                Node::Map(self.slot(element, *values)?)
            }
            (_, SchemaType::Map, Kind::Array(items)) => self.entries(schema, *items)?,
            (_, SchemaType::Struct, Kind::Record(_)) => return self.structure(schema, id),
            (_, _, kind) => return Err(mismatch(schema, kind)),
        };
        Ok(self.add(node))
    }

    fn entries(&mut self, schema: &'a SchemaRef, items: TypeId) -> Result<Node, RecordError> {
        let avro = self.avro;
        let Kind::Record(record) = &avro[items].kind else {
            return Err(mismatch(schema, &avro[items].kind));
        };
        let mut fields = Vec::with_capacity(2);
        for field in &record.fields {
            let of = match field.name.as_str() {
                KEY_FIELD => &schema.key_schema,
                VALUE_FIELD => &schema.value_schema,
                _ => return Err(mismatch(schema, &avro[items].kind)),
            };
            let of = of.as_ref().ok_or_else(null)?;
            fields.push((field.name == KEY_FIELD, self.slot(of, field.schema)?));
        }
        Ok(Node::Entries { fields })
    }

    fn structure(&mut self, schema: &'a SchemaRef, id: TypeId) -> Result<NodeId, RecordError> {
        let avro = self.avro;
        let Kind::Record(record) = &avro[id].kind else {
            return Err(mismatch(schema, &avro[id].kind));
        };
        let node = self.add(Node::Open);
        self.open
            .push((schema.name.as_deref().unwrap_or_default(), node));
        let names: Vec<String> = schema
            .fields
            .iter()
            .map(|field| self.settings.name(&field.name))
            .collect();
        if let Some(unknown) = names.iter().find(|name| record.field(name).is_none()) {
            return Err(differs(&record.name.full(), unknown));
        }
        let by_name: std::collections::HashMap<&str, usize> = names
            .iter()
            .enumerate()
            .map(|(index, name)| (name.as_str(), index))
            .collect();
        let mut fields = Vec::with_capacity(record.fields.len());
        for field in &record.fields {
            let index = by_name.get(field.name.as_str());
            let index = *index.ok_or_else(|| differs(&record.name.full(), &field.name))?;
            fields.push((
                index,
                self.slot(&schema.fields[index].schema, field.schema)?,
            ));
        }
        self.open.pop();
        self.nodes[node] = Node::Struct(StructNode {
            schema: SchemaRef::clone(schema),
            fields,
        });
        Ok(node)
    }
}

/// Avro knows one type of a name: where elements, values or optional fields have two structs of one, the second is taken
/// for the first.
fn differs(record: &str, field: &str) -> RecordError {
    schema_parse(format!(
        "Can't redefine: {record} (one struct of this name has a field `{field}`, and another has none)"
    ))
}

fn mismatch(schema: &SchemaRef, kind: &Kind) -> RecordError {
    schema_parse(format!(
        "a value of type {} cannot be written as {}",
        schema.kind.java_name(),
        kind.word()
    ))
}

fn null_only() -> RecordError {
    schema_parse("a value cannot be written as a union of nothing but null")
}
