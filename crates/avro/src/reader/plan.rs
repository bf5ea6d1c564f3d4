//! The plan of a reader: Avro schema and the Connect schema that was made of it walked together, once.

use crate::data::{AvroDataSettings, KEY_FIELD, entry_of, fixed_size, is_enum, only_branch};
use crate::model::{Kind, TypeId};
use crate::schema::AvroSchema;
use millstream_core::logical::decimal_scale;
use millstream_core::schema::{DATE, DECIMAL, TIME, TIMESTAMP};
use millstream_core::{RecordError, Schema, SchemaRef, SchemaType, Value};

pub(crate) type NodeId = usize;

#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) nodes: Vec<Node>,
    pub(crate) root: NodeId,
}

#[derive(Debug)]
pub(crate) enum Node {
    Null,
    Boolean,
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    String,
    Bytes,
    Fixed(usize),
    /// The symbols as values.
    Enum(Vec<Value>),
    Date,
    Time,
    Timestamp,
    Decimal {
        scale: i32,
        size: Option<usize>,
    },
    Struct {
        schema: SchemaRef,
        fields: Vec<NodeId>,
    },
    /// A union of null and one type; which branch the null is.
    Optional {
        null: usize,
        other: NodeId,
    },
    Singleton(NodeId),
    Union {
        schema: SchemaRef,
        branches: Vec<Branch>,
    },
    Array(NodeId),
    Map(NodeId),
    /// A map as an array of records.
    Entries {
        first: NodeId,
        second: NodeId,
        is_key_first: bool,
    },
    Anything,
}

#[derive(Debug)]
pub(crate) enum Branch {
    Null,
    /// The struct's field that the branch's value goes to.
    Field {
        index: usize,
        node: NodeId,
    },
    /// The original finds no field for such a value.
    Refused {
        node: NodeId,
        error: Box<RecordError>,
    },
}

impl Plan {
    /// `connect` is none for schemaless values and for data that are always null.
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
        };
        let root = match (connect, &avro[avro.root()].kind) {
            (Some(schema), _) => planner.node(schema, avro.root())?,
            (None, Kind::Null) => planner.add(Node::Null),
            (None, _) => planner.add(Node::Anything),
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
    /// The records that enclose the place.
    open: Vec<(TypeId, NodeId)>,
}

impl Planner<'_> {
    fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn node(&mut self, schema: &SchemaRef, id: TypeId) -> Result<NodeId, RecordError> {
        if let Some((_, node)) = self.open.iter().find(|(open, _)| *open == id) {
            return Ok(*node);
        }
        let avro = self.avro;
        let of = &avro[id];
        let node = match (schema.name.as_deref(), &of.kind) {
            (Some(DATE), Kind::Int) => Node::Date,
            (Some(TIME), Kind::Int) => Node::Time,
            (Some(TIMESTAMP), Kind::Long) => Node::Timestamp,
            (Some(DECIMAL), Kind::Bytes) => Node::Decimal {
                scale: decimal_scale(schema)?,
                size: None,
            },
            (Some(DECIMAL), Kind::Fixed(fixed)) => Node::Decimal {
                scale: decimal_scale(schema)?,
                size: Some(fixed.size),
            },
            (_, Kind::Null) => Node::Null,
            (_, Kind::Boolean) => Node::Boolean,
            (_, Kind::Int) => match schema.kind {
                SchemaType::Int8 => Node::Int8,
                SchemaType::Int16 => Node::Int16,
                _ => Node::Int32,
            },
            (_, Kind::Long) => Node::Int64,
            (_, Kind::Float) => Node::Float32,
            (_, Kind::Double) => Node::Float64,
            (_, Kind::String) => Node::String,
            (_, Kind::Bytes) => Node::Bytes,
            (_, Kind::Fixed(fixed)) => Node::Fixed(fixed.size),
            (_, Kind::Enum(of)) => {
                let symbols = of.symbols.iter().map(|symbol| Value::from(symbol.as_str()));
                Node::Enum(symbols.collect())
            }
            (_, Kind::Array(items)) => match entry_of(avro, *items) {
                Some(entry) => {
                    let [first, second] = entry.fields.as_slice() else {
                        return Err(no_schema());
                    };
                    let is_key_first = first.name == KEY_FIELD;
                    let (key, value) = (inner(&schema.key_schema)?, inner(&schema.value_schema)?);
                    let of = if is_key_first {
                        [key, value]
                    } else {
                        [value, key]
                    };
                    Node::Entries {
                        first: self.node(of[0], first.schema)?,
                        second: self.node(of[1], second.schema)?,
                        is_key_first,
                    }
                }
                None => Node::Array(self.node(inner(&schema.value_schema)?, *items)?),
            },
            (_, Kind::Map(values)) => Node::Map(self.node(inner(&schema.value_schema)?, *values)?),
            (_, Kind::Record(record)) => {
                // Its place is there before its fields are, for those that refer to it.
                let node = self.add(Node::Null);
                self.open.push((id, node));
                let mut fields = Vec::with_capacity(record.fields.len());
                for (field, of) in record.fields.iter().zip(&schema.fields) {
                    fields.push(self.node(&of.schema, field.schema)?);
                }
                self.open.pop();
                self.nodes[node] = Node::Struct {
                    schema: SchemaRef::clone(schema),
                    fields,
                };
                return Ok(node);
            }
            (_, Kind::Union(branches)) => match only_branch(avro, branches, self.settings) {
                Some((only, true)) => Node::Optional {
                    null: usize::from(branches[0] == only),
                    other: self.node(schema, only)?,
                },
                Some((only, false)) => Node::Singleton(self.node(schema, only)?),
                None => self.union(schema, branches)?,
            },
        };
        Ok(self.add(node))
    }

    fn union(&mut self, schema: &SchemaRef, branches: &[TypeId]) -> Result<Node, RecordError> {
        let mut planned = Vec::with_capacity(branches.len());
        let mut fields = schema.fields.iter().enumerate();
        for branch in branches {
            if matches!(self.avro[*branch].kind, Kind::Null) {
                planned.push(Branch::Null);
                continue;
            }
            let (own, field) = fields.next().ok_or_else(no_schema)?;
            let node = self.node(&field.schema, *branch)?;
            planned.push(match self.field_of(schema, own, *branch) {
                Ok(index) => Branch::Field { index, node },
                Err(error) => Branch::Refused {
                    node,
                    error: Box::new(error),
                },
            });
        }
        Ok(Node::Union {
            schema: SchemaRef::clone(schema),
            branches: planned,
        })
    }

    /// The field that the original puts a branch's value into: it looks for the first whose type is the value's class.
    fn field_of(&self, schema: &Schema, own: usize, branch: TypeId) -> Result<usize, RecordError> {
        let kind = &self.avro[branch].kind;
        let takes = |at: usize, of: &Schema| match (of.kind, kind) {
            // A fixed is bytes as well.
            (SchemaType::Bytes, Kind::Bytes | Kind::Fixed(_)) => {
                at == own || fixed_size(of).is_none()
            }
            (SchemaType::String, Kind::String) => !is_enum(of),
            // Its two small integers are no Avro types.
            (SchemaType::Int8 | SchemaType::Int16, _) => false,
            _ => at == own,
        };
        let mut fields = schema.fields.iter().enumerate();
        let found = fields.find(|(at, field)| takes(*at, &field.schema));
        let Some((found, field)) = found else {
            return Err(RecordError::data(
                "Did not find matching union field for data",
            ));
        };
        if !self.settings.generalized_sum_type_support {
            return Ok(found);
        }
        // The fields' numbers count the null, and those that are looked for do not.
        let name = self.settings.branch_field(None, "", found);
        let Some(index) = schema.field_index(&name) else {
            let message = format!("{name} is not a valid field name");
            return Err(RecordError::data(message));
        };
        let place = &schema.fields[index].schema;
        match place.kind == field.schema.kind {
            true => Ok(index),
            false => Err(RecordError::data(format!(
                "Invalid Java object for schema with type {}: class {} for field: \"{name}\"",
                place.kind.java_name(),
                class_of(field.schema.kind),
            ))),
        }
    }
}

/// The Java class of values of a kind, as Avro's library has them.
fn class_of(kind: SchemaType) -> &'static str {
    match kind {
        SchemaType::Int8 => "java.lang.Byte",
        SchemaType::Int16 => "java.lang.Short",
        SchemaType::Int32 => "java.lang.Integer",
        SchemaType::Int64 => "java.lang.Long",
        SchemaType::Float32 => "java.lang.Float",
        SchemaType::Float64 => "java.lang.Double",
        SchemaType::Boolean => "java.lang.Boolean",
        SchemaType::String => "java.lang.String",
        SchemaType::Bytes => "java.nio.HeapByteBuffer",
        SchemaType::Array => "java.util.ArrayList",
        SchemaType::Map => "java.util.HashMap",
        SchemaType::Struct => "org.apache.kafka.connect.data.Struct",
    }
}

fn inner(schema: &Option<SchemaRef>) -> Result<&SchemaRef, RecordError> {
    schema.as_ref().ok_or_else(no_schema)
}

fn no_schema() -> RecordError {
    RecordError::data("the Connect schema is not that of the Avro schema")
}
