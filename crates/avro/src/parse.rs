//! Schema texts, read as Java 1.11 reads them: names of the enclosing namespace first, then those of none.

use crate::error::{runtime, schema_parse};
use crate::model::{AvroField, AvroType, Enum, Fixed, Kind, Order, Properties, Record, TypeId};
use crate::names::{self, Name};
use crate::schema::AvroSchema;
use millstream_core::RecordError;
use serde_json::{Map, Value as Json};
use std::collections::HashMap;
use std::sync::Arc;

/// Longer texts than this no registry takes.
const LONGEST_TEXT: usize = 16 * 1024 * 1024;

/// What is no property of a type: Avro's own attributes.
const RESERVED: [&str; 10] = [
    "doc",
    "fields",
    "items",
    "name",
    "namespace",
    "size",
    "symbols",
    "values",
    "type",
    "aliases",
];
const RESERVED_IN_FIELDS: [&str; 6] = ["default", "doc", "name", "order", "type", "aliases"];

impl AvroSchema {
    /// Reads a schema's text. Nesting is bounded by the JSON parser (128 levels).
    ///
    /// # Errors
    /// If the text is no schema; the message names the type or the field.
    pub fn parse(text: &str) -> Result<Arc<AvroSchema>, RecordError> {
        AvroSchema::parse_with(text, &[])
    }

    /// Reads a text that uses types of other texts, each of which may use those before it.
    ///
    /// # Errors
    /// As `parse`.
    pub fn parse_with(text: &str, references: &[&str]) -> Result<Arc<AvroSchema>, RecordError> {
        let mut parser = Parser::default();
        for reference in references {
            parser.parse(reference)?;
        }
        let root = parser.parse(text)?;
        AvroSchema::new(parser.types, root)
    }
}

#[derive(Default)]
struct Parser {
    types: Vec<AvroType>,
    /// By full name.
    known: HashMap<String, TypeId>,
    space: Option<String>,
}

impl Parser {
    fn parse(&mut self, text: &str) -> Result<TypeId, RecordError> {
        if text.len() > LONGEST_TEXT {
            return Err(schema_parse(format!(
                "the schema is {} bytes long, and {LONGEST_TEXT} are the most",
                text.len()
            )));
        }
        let tree = serde_json::from_str(text)
            .map_err(|error| schema_parse(format!("the schema is no JSON: {error}")))?;
        self.space = None;
        self.read(&tree)
    }

    fn read(&mut self, tree: &Json) -> Result<TypeId, RecordError> {
        match tree {
            Json::String(name) => self
                .find(name)?
                .ok_or_else(|| schema_parse(format!("Undefined name: \"{name}\""))),
            Json::Object(attributes) => self.read_object(attributes),
            Json::Array(branches) => self.read_union(branches),
            other => Err(schema_parse(format!("Schema not yet supported: {other}"))),
        }
    }

    fn add(&mut self, kind: Kind, properties: Properties) -> TypeId {
        self.types.push(AvroType { kind, properties });
        TypeId(self.types.len() - 1)
    }

    /// A primitive type, or a named one: of the enclosing namespace, else of none.
    fn find(&mut self, name: &str) -> Result<Option<TypeId>, RecordError> {
        if let Some(kind) = primitive(name) {
            return Ok(Some(self.add(kind, Properties::new())));
        }
        let name = Name::new(name, self.space.as_deref())?;
        let own = self.known.get(&name.full());
        Ok(own.or_else(|| self.known.get(&name.name)).copied())
    }

    fn read_object(&mut self, attributes: &Map<String, Json>) -> Result<TypeId, RecordError> {
        let Some(word) = attributes.get("type").and_then(Json::as_str) else {
            return Err(schema_parse("No type: a type's \"type\" has to be a name"));
        };
        let properties = properties(attributes, &RESERVED);
        match word {
            "record" | "error" => self.read_record(attributes, word == "error", properties),
            "enum" => self.read_enum(attributes, properties),
            "fixed" => self.read_fixed(attributes, properties),
            "array" | "map" => {
                let key = if word == "array" { "items" } else { "values" };
                let Some(inner) = attributes.get(key) else {
                    return Err(schema_parse(match word {
                        "array" => "Array has no items type",
                        _ => "Map has no values type",
                    }));
                };
                let inner = self.read(inner)?;
                let kind = if word == "array" {
                    Kind::Array(inner)
                } else {
                    Kind::Map(inner)
                };
                Ok(self.add(kind, properties))
            }
            _ => match primitive(word) {
                Some(kind) => Ok(self.add(kind, properties)),
                None => self
                    .find(word)?
                    .ok_or_else(|| schema_parse(format!("Type not supported: {word}"))),
            },
        }
    }

    fn read_union(&mut self, branches: &[Json]) -> Result<TypeId, RecordError> {
        let branches = branches.iter().map(|branch| self.read(branch));
        let branches = branches.collect::<Result<Vec<_>, _>>()?;
        check_union(&self.types, &branches)?;
        Ok(self.add(Kind::Union(branches), Properties::new()))
    }

    fn read_record(
        &mut self,
        attributes: &Map<String, Json>,
        is_error: bool,
        properties: Properties,
    ) -> Result<TypeId, RecordError> {
        let (name, outside) = self.enter(attributes)?;
        let full = name.full();
        let record = Record {
            aliases: aliases(attributes, &name)?,
            doc: text(attributes, "doc"),
            name,
            is_error,
            fields: Vec::new(),
        };
        let id = self.define(&full, Kind::Record(record), properties)?;
        let Some(Json::Array(declared)) = attributes.get("fields") else {
            return Err(schema_parse(format!("Record has no fields: {full}")));
        };
        let mut fields: Vec<AvroField> = Vec::with_capacity(declared.len());
        for field in declared {
            let field = self.read_field(field, &full)?;
            if fields.iter().any(|known| known.name == field.name) {
                return Err(runtime(format!(
                    "Duplicate field {} in record {full}",
                    field.name
                )));
            }
            fields.push(field);
        }
        if let Kind::Record(record) = &mut self.types[id.0].kind {
            record.fields = fields;
        }
        self.space = outside;
        Ok(id)
    }

    fn read_field(&mut self, field: &Json, record: &str) -> Result<AvroField, RecordError> {
        let attributes = field
            .as_object()
            .ok_or_else(|| schema_parse(format!("a field of {record} is no object")))?;
        let name = required(attributes, "name", "No field name", record)?;
        names::check(&name)?;
        let Some(tree) = attributes.get("type") else {
            return Err(schema_parse(format!("No field type: {name} of {record}")));
        };
        let schema = match tree {
            Json::String(word) => self.find(word)?.ok_or_else(|| {
                schema_parse(format!(
                    "{word} is not a defined name. The type of the \"{name}\" field must be a defined name or a {{\"type\": ...}} expression."
                ))
            })?,
            tree => self.read(tree)?,
        };
        let is_float = matches!(self.types[schema.0].kind, Kind::Float | Kind::Double);
        let default = match attributes.get("default") {
            Some(Json::String(digits)) if is_float => Some(
                digits
                    .parse::<f64>()
                    .map_or_else(|_| digits.as_str().into(), Json::from),
            ),
            other => other.cloned(),
        };
        let order = match text(attributes, "order")
            .as_deref()
            .map(str::to_ascii_lowercase)
        {
            Some(order) if order == "descending" => Order::Descending,
            Some(order) if order == "ignore" => Order::Ignore,
            _ => Order::Ascending,
        };
        Ok(AvroField {
            schema,
            doc: text(attributes, "doc"),
            default,
            order,
            aliases: texts(attributes, "aliases"),
            properties: self::properties(attributes, &RESERVED_IN_FIELDS),
            name,
        })
    }

    fn read_enum(
        &mut self,
        attributes: &Map<String, Json>,
        mut properties: Properties,
    ) -> Result<TypeId, RecordError> {
        let (name, outside) = self.enter(attributes)?;
        let full = name.full();
        if !matches!(attributes.get("symbols"), Some(Json::Array(_))) {
            return Err(schema_parse(format!("Enum has no symbols: {full}")));
        }
        let symbols = texts(attributes, "symbols");
        properties.shift_remove("default");
        let of = Enum {
            aliases: aliases(attributes, &name)?,
            doc: text(attributes, "doc"),
            default: text(attributes, "default"),
            symbols,
            name,
        };
        check_enum(&of)?;
        let id = self.define(&full, Kind::Enum(of), properties)?;
        self.space = outside;
        Ok(id)
    }

    fn read_fixed(
        &mut self,
        attributes: &Map<String, Json>,
        properties: Properties,
    ) -> Result<TypeId, RecordError> {
        let (name, outside) = self.enter(attributes)?;
        let full = name.full();
        let size = attributes.get("size").and_then(Json::as_i64);
        let size = size.and_then(|size| usize::try_from(size).ok());
        let size = size.filter(|size| i32::try_from(*size).is_ok());
        let fixed = Fixed {
            aliases: aliases(attributes, &name)?,
            doc: text(attributes, "doc"),
            size: size.ok_or_else(|| schema_parse(format!("Invalid or no size: {full}")))?,
            name,
        };
        let id = self.define(&full, Kind::Fixed(fixed), properties)?;
        self.space = outside;
        Ok(id)
    }

    /// The name of a type, whose namespace is that of what it is made of. Returns the namespace to go back to.
    fn enter(
        &mut self,
        attributes: &Map<String, Json>,
    ) -> Result<(Name, Option<String>), RecordError> {
        let name = required(attributes, "name", "No name in schema", "a type")?;
        let own = text(attributes, "namespace");
        let name = Name::new(&name, own.as_deref().or(self.space.as_deref()))?;
        let outside = self.space.clone();
        // Java stays in the namespace it is in where a type has none.
        if name.namespace.is_some() {
            self.space.clone_from(&name.namespace);
        }
        Ok((name, outside))
    }

    fn define(
        &mut self,
        full: &str,
        kind: Kind,
        properties: Properties,
    ) -> Result<TypeId, RecordError> {
        let id = self.add(kind, properties);
        match self.known.insert(full.to_owned(), id) {
            None => Ok(id),
            Some(_) => Err(schema_parse(format!("Can't redefine: {full}"))),
        }
    }
}

/// A union's branches differ by their names and are no unions themselves.
pub(crate) fn check_union(types: &[AvroType], branches: &[TypeId]) -> Result<(), RecordError> {
    let mut seen = Vec::with_capacity(branches.len());
    for branch in branches {
        let of = &types[branch.0];
        if matches!(of.kind, Kind::Union(_)) {
            return Err(runtime("Nested union: a union's branch is a union"));
        }
        let name = of.full_name();
        if seen.contains(&name) {
            return Err(runtime(format!("Duplicate in union:{name}")));
        }
        seen.push(name);
    }
    Ok(())
}

/// Symbols are names, each once, and the default is one of them.
pub(crate) fn check_enum(of: &Enum) -> Result<(), RecordError> {
    for (index, symbol) in of.symbols.iter().enumerate() {
        names::check(symbol)?;
        if of.symbols[..index].contains(symbol) {
            return Err(schema_parse(format!("Duplicate enum symbol: {symbol}")));
        }
    }
    match &of.default {
        Some(default) if !of.symbols.contains(default) => Err(schema_parse(format!(
            "The Enum Default: {default} is not in the enum symbol set: [{}]",
            of.symbols.join(", ")
        ))),
        _ => Ok(()),
    }
}

fn primitive(word: &str) -> Option<Kind> {
    Some(match word {
        "null" => Kind::Null,
        "boolean" => Kind::Boolean,
        "int" => Kind::Int,
        "long" => Kind::Long,
        "float" => Kind::Float,
        "double" => Kind::Double,
        "bytes" => Kind::Bytes,
        "string" => Kind::String,
        _ => return None,
    })
}

fn properties(attributes: &Map<String, Json>, reserved: &[&str]) -> Properties {
    let own = attributes
        .iter()
        .filter(|(key, _)| !reserved.contains(&key.as_str()));
    own.map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn text(attributes: &Map<String, Json>, key: &str) -> Option<String> {
    attributes
        .get(key)
        .and_then(Json::as_str)
        .map(str::to_owned)
}

fn texts(attributes: &Map<String, Json>, key: &str) -> Vec<String> {
    let items = attributes
        .get(key)
        .and_then(Json::as_array)
        .into_iter()
        .flatten();
    items.filter_map(Json::as_str).map(str::to_owned).collect()
}

fn aliases(attributes: &Map<String, Json>, name: &Name) -> Result<Vec<Name>, RecordError> {
    let aliases = texts(attributes, "aliases").into_iter();
    aliases
        .map(|alias| Name::new(&alias, name.namespace.as_deref()))
        .collect()
}

fn required(
    attributes: &Map<String, Json>,
    key: &str,
    missing: &str,
    of: &str,
) -> Result<String, RecordError> {
    text(attributes, key).ok_or_else(|| schema_parse(format!("{missing}: {of} has none")))
}
