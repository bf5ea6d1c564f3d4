//! What a schema is made of: its types, each once, which name each other by their places.

use crate::names::Name;
use indexmap::IndexMap;
use serde_json::Value as Json;

/// Attributes that Avro itself does not know, in the order in which they were set.
pub type Properties = IndexMap<String, Json>;

/// A type's place in its schema. Named types that are used again are one type, so recursive schemas are finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeId(pub(crate) usize);

#[derive(Clone, Debug, PartialEq)]
pub struct AvroType {
    pub kind: Kind,
    pub properties: Properties,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Array(TypeId),
    /// The type of the values; keys are strings.
    Map(TypeId),
    Union(Vec<TypeId>),
    Record(Record),
    Enum(Enum),
    Fixed(Fixed),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub name: Name,
    pub doc: Option<String>,
    pub aliases: Vec<Name>,
    /// Declared as `error`, the record of a protocol.
    pub is_error: bool,
    pub fields: Vec<AvroField>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct AvroField {
    pub name: String,
    pub schema: TypeId,
    pub doc: Option<String>,
    pub default: Option<Json>,
    pub order: Order,
    pub aliases: Vec<String>,
    pub properties: Properties,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    #[default]
    Ascending,
    Descending,
    Ignore,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Enum {
    pub name: Name,
    pub doc: Option<String>,
    pub aliases: Vec<Name>,
    pub symbols: Vec<String>,
    pub default: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Fixed {
    pub name: Name,
    pub doc: Option<String>,
    pub aliases: Vec<Name>,
    /// In bytes.
    pub size: usize,
}

impl AvroType {
    pub(crate) fn of(kind: Kind) -> Self {
        AvroType {
            kind,
            properties: Properties::new(),
        }
    }

    /// A property whose value is text.
    pub fn text(&self, property: &str) -> Option<&str> {
        self.properties.get(property).and_then(Json::as_str)
    }

    /// The name of a record, an enum or a fixed.
    pub fn name(&self) -> Option<&Name> {
        match &self.kind {
            Kind::Record(record) => Some(&record.name),
            Kind::Enum(of) => Some(&of.name),
            Kind::Fixed(fixed) => Some(&fixed.name),
            _ => None,
        }
    }

    /// The type's word in a schema's text.
    pub fn word(&self) -> &'static str {
        self.kind.word()
    }

    /// What tells the type from its neighbours in a union: the full name, or the word.
    pub fn full_name(&self) -> String {
        match self.name() {
            Some(name) => name.full(),
            None => self.word().to_owned(),
        }
    }
}

impl Kind {
    /// The type's word in a schema's text.
    pub fn word(&self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::Boolean => "boolean",
            Kind::Int => "int",
            Kind::Long => "long",
            Kind::Float => "float",
            Kind::Double => "double",
            Kind::Bytes => "bytes",
            Kind::String => "string",
            Kind::Array(_) => "array",
            Kind::Map(_) => "map",
            Kind::Union(_) => "union",
            Kind::Record(_) => "record",
            Kind::Enum(_) => "enum",
            Kind::Fixed(_) => "fixed",
        }
    }
}

impl Record {
    pub fn field(&self, name: &str) -> Option<&AvroField> {
        self.fields.iter().find(|field| field.name == name)
    }
}
