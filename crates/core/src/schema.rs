//! Schema: the type of a key or value, with Connect's attributes.

use crate::value::Value;
use indexmap::IndexMap;
use std::sync::Arc;

pub type SchemaRef = Arc<Schema>;

pub const DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";
pub const DATE: &str = "org.apache.kafka.connect.data.Date";
pub const TIME: &str = "org.apache.kafka.connect.data.Time";
pub const TIMESTAMP: &str = "org.apache.kafka.connect.data.Timestamp";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SchemaType {
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    Boolean,
    String,
    Bytes,
    Array,
    Map,
    Struct,
}

impl SchemaType {
    /// The constant's name in Java, as messages print it.
    pub fn java_name(self) -> &'static str {
        match self {
            SchemaType::Int8 => "INT8",
            SchemaType::Int16 => "INT16",
            SchemaType::Int32 => "INT32",
            SchemaType::Int64 => "INT64",
            SchemaType::Float32 => "FLOAT32",
            SchemaType::Float64 => "FLOAT64",
            SchemaType::Boolean => "BOOLEAN",
            SchemaType::String => "STRING",
            SchemaType::Bytes => "BYTES",
            SchemaType::Array => "ARRAY",
            SchemaType::Map => "MAP",
            SchemaType::Struct => "STRUCT",
        }
    }
}

/// A schema; equal to another if every attribute and nested schema is.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    pub kind: SchemaType,
    pub optional: bool,
    pub name: Option<String>,
    pub version: Option<i32>,
    pub doc: Option<String>,
    pub parameters: Option<IndexMap<String, String>>,
    pub default: Option<Value>,
    /// Of a struct; empty otherwise.
    pub fields: Vec<Field>,
    /// Of a map.
    pub key_schema: Option<SchemaRef>,
    /// The values of a map or the elements of an array.
    pub value_schema: Option<SchemaRef>,
    /// Stands for the struct of its name that encloses it, and repeats none of its fields: how a schema refers to itself.
    /// A value of such a place carries the enclosing struct's schema.
    pub recursive: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    pub name: String,
    pub schema: SchemaRef,
}

impl Schema {
    /// A required schema without attributes.
    pub fn of(kind: SchemaType) -> Self {
        Schema {
            kind,
            optional: false,
            name: None,
            version: None,
            doc: None,
            parameters: None,
            default: None,
            fields: Vec::new(),
            key_schema: None,
            value_schema: None,
            recursive: false,
        }
    }

    pub fn optional(kind: SchemaType) -> Self {
        Schema {
            optional: true,
            ..Schema::of(kind)
        }
    }

    pub fn field_index(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }

    /// Whether the schema carries this logical type's name.
    pub fn is_logical(&self, name: &str) -> bool {
        self.name.as_deref() == Some(name)
    }
}
