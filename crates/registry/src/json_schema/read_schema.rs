//! From a JSON Schema to Connect's. The document is walked as it is; what stands beside an `allOf`, a `oneOf` or a type counts
//! as one more part of an `allOf`.

use super::Options;
use super::documents::{Documents, Place};
use super::parts::{Part, Properties, at, is_null, no_schema, part_that_counts, parts};
use super::read_value;
use super::union::{
    CONNECT_INDEX, CONNECT_PARAMETERS, CONNECT_TYPE, CONNECT_VERSION, DEEPEST_SCHEMA,
    GENERALIZED_UNION, KEY, NULL_MARKER, ONE_OF, VALUE, enum_parameter,
};
use indexmap::IndexMap;
use millstream_core::{Field, RecordError, Schema, SchemaRef, SchemaType};
use serde_json::{Map, Value as Json};
use std::sync::Arc;

/// The Connect schema of a document; the version is the registry's, for one that does not say its own.
///
/// # Errors
/// What Connect has no schema for.
pub(super) fn read(
    documents: &Documents,
    version: Option<i32>,
    options: &Options,
) -> Result<SchemaRef, RecordError> {
    let mut walk = Walk {
        documents,
        options,
        open: Vec::new(),
        unions: 0,
        places: 0,
        depth: 0,
    };
    walk.schema(documents.root(), version, false)
}

struct Walk<'a> {
    documents: &'a Documents,
    options: &'a Options,
    /// The objects that enclose the place at hand, with their names.
    open: Vec<(Place<'a>, Option<String>)>,
    /// Unions so far: their generalized form is numbered.
    unions: usize,
    /// Places so far: what several refer to is walked for each of them.
    places: usize,
    depth: usize,
}

/// More than any schema with sense has.
const MOST_PLACES: usize = 100_000;

fn data(message: impl Into<String>) -> RecordError {
    RecordError::data(message)
}

impl<'a> Walk<'a> {
    fn schema(
        &mut self,
        place: Place<'a>,
        version: Option<i32>,
        is_optional: bool,
    ) -> Result<SchemaRef, RecordError> {
        self.count()?;
        if self.depth >= DEEPEST_SCHEMA {
            return Err(data(format!(
                "the JSON Schema is nested more than {DEEPEST_SCHEMA} levels deep"
            )));
        }
        self.depth += 1;
        let schema = self.place(place, version, is_optional);
        self.depth -= 1;
        schema
    }

    fn place(
        &mut self,
        place: Place<'a>,
        version: Option<i32>,
        is_optional: bool,
    ) -> Result<SchemaRef, RecordError> {
        let Json::Object(members) = place.node else {
            return Err(data(
                "the JSON Schema has a place that allows anything, for which Connect has no schema",
            ));
        };
        if let Some(reference) = members.get("$ref").and_then(Json::as_str) {
            return self.reference(place, reference, version, is_optional);
        }
        let parts = parts(members);
        if parts.len() > 1 {
            return self.all_of(place, &parts, version, is_optional);
        }
        let mut schema = match parts.first() {
            Some(Part::OneOf(subschemas)) => {
                let null = subschemas.iter().filter(|sub| is_null(sub)).count();
                match &subschemas[..] {
                    [only] if self.options.flatten_singletons => {
                        return self.schema(at(place, only), None, false);
                    }
                    [first, second] if null == 1 => {
                        let other = if is_null(first) { second } else { first };
                        return self.schema(at(place, other), version, true);
                    }
                    subschemas => self.union(place, subschemas)?,
                }
            }
            Some(Part::Types(types)) => {
                let own: Vec<&str> = types
                    .iter()
                    .copied()
                    .filter(|name| *name != "null")
                    .collect();
                match &own[..] {
                    [only] => {
                        let mut schema = self.typed(place, members, only)?;
                        schema.optional |= own.len() < types.len();
                        schema
                    }
                    _ => {
                        return Err(data(
                            "the JSON Schema has a list of several types, for which Connect has no schema",
                        ));
                    }
                }
            }
            Some(Part::Enum(values)) => self.symbols(values),
            Some(Part::Const(value)) => self.symbols(std::slice::from_ref(*value)),
            Some(Part::Type(name)) => self.typed(place, members, name)?,
            Some(Part::Sub(sub)) => return self.schema(at(place, sub), version, is_optional),
            None => {
                return Err(data(
                    "the JSON Schema has a place that allows anything, for which Connect has no schema",
                ));
            }
        };
        self.describe(&mut schema, members, version)?;
        schema.optional |= is_optional;
        Ok(Arc::new(schema))
    }

    fn count(&mut self) -> Result<(), RecordError> {
        self.places += 1;
        match self.places > MOST_PLACES {
            true => Err(data(format!(
                "the JSON Schema has more than {MOST_PLACES} places"
            ))),
            false => Ok(()),
        }
    }

    fn reference(
        &mut self,
        from: Place<'a>,
        reference: &str,
        version: Option<i32>,
        is_optional: bool,
    ) -> Result<SchemaRef, RecordError> {
        let place = self.documents.follow(from, reference)?;
        let enclosing = self.open.iter().find(|(open, _)| open.is(&place));
        let Some((_, name)) = enclosing else {
            return self.schema(place, version, is_optional);
        };
        let name = name.clone().ok_or_else(|| {
            data(format!("the JSON Schema refers to what encloses it ({reference}), which needs a title for that"))
        })?;
        Ok(Arc::new(Schema {
            name: Some(name),
            optional: is_optional,
            recursive: true,
            ..Schema::of(SchemaType::Struct)
        }))
    }

    fn typed(
        &mut self,
        place: Place<'a>,
        members: &'a Map<String, Json>,
        name: &str,
    ) -> Result<Schema, RecordError> {
        let connect_type = members.get(CONNECT_TYPE).and_then(Json::as_str);
        let kind = match (name, connect_type) {
            ("boolean", _) => SchemaType::Boolean,
            ("string", Some("bytes")) => SchemaType::Bytes,
            ("string", _) => SchemaType::String,
            ("integer", None) => SchemaType::Int64,
            ("number", None) => SchemaType::Float64,
            ("integer" | "number", Some(of)) => match of {
                "int8" => SchemaType::Int8,
                "int16" => SchemaType::Int16,
                "int32" => SchemaType::Int32,
                "int64" => SchemaType::Int64,
                "float32" => SchemaType::Float32,
                "float64" => SchemaType::Float64,
                "bytes" => SchemaType::Bytes,
                other => return Err(data(format!("Unsupported type {other}"))),
            },
            ("array", of) => return self.array(place, members, of == Some("map")),
            ("object", Some("map")) => {
                let values = members.get("additionalProperties");
                let values =
                    values.ok_or_else(|| data("Map schema did not specify the value type"))?;
                return Ok(Schema {
                    key_schema: Some(Arc::new(Schema::of(SchemaType::String))),
                    value_schema: Some(self.schema(at(place, values), None, false)?),
                    ..Schema::of(SchemaType::Map)
                });
            }
            ("object", _) => return self.object(place, members),
            (other, _) => return Err(data(format!("Unsupported schema type {other}"))),
        };
        Ok(Schema::of(kind))
    }

    fn array(
        &mut self,
        place: Place<'a>,
        members: &'a Map<String, Json>,
        is_map: bool,
    ) -> Result<Schema, RecordError> {
        let items = members.get("items").filter(|items| items.is_object());
        let items = items.ok_or_else(|| data("Array schema did not specify the items type"))?;
        let entry = items.get("properties").filter(|_| is_map);
        if let (Some(keys), Some(values)) = (
            entry.and_then(|entry| entry.get(KEY)),
            entry.and_then(|entry| entry.get(VALUE)),
        ) {
            return Ok(Schema {
                key_schema: Some(self.schema(at(place, keys), None, false)?),
                value_schema: Some(self.schema(at(place, values), None, false)?),
                ..Schema::of(SchemaType::Map)
            });
        }
        Ok(Schema {
            value_schema: Some(self.schema(at(place, items), None, false)?),
            ..Schema::of(SchemaType::Array)
        })
    }

    fn object(
        &mut self,
        place: Place<'a>,
        members: &'a Map<String, Json>,
    ) -> Result<Schema, RecordError> {
        let title = members
            .get("title")
            .and_then(Json::as_str)
            .map(str::to_owned);
        let mut properties = Properties::default();
        properties.add(place, members);
        self.open.push((place, title));
        let fields = self.fields(properties);
        self.open.pop();
        Ok(Schema {
            fields: fields?,
            ..Schema::of(SchemaType::Struct)
        })
    }

    /// By `connect.index`, else in the document's order.
    fn fields(&mut self, properties: Properties<'a>) -> Result<Vec<Field>, RecordError> {
        let mut sorted: Vec<_> = properties.found.into_iter().enumerate().collect();
        sorted.sort_by_key(|(place, (_, property))| {
            let index = property
                .place
                .node
                .get(CONNECT_INDEX)
                .and_then(Json::as_i64);
            index.unwrap_or(*place as i64)
        });
        let fields = sorted.into_iter().map(|(_, (name, property))| {
            let is_optional = self.options.optional_for_nonrequired && !property.is_required;
            Ok(Field {
                schema: self.schema(property.place, None, is_optional)?,
                name: name.clone(),
            })
        });
        fields.collect()
    }

    fn union(&mut self, place: Place<'a>, subschemas: &'a [Json]) -> Result<Schema, RecordError> {
        let name = match self.options.generalized {
            true => format!("connect_union_{}", self.unions),
            false => ONE_OF.to_owned(),
        };
        self.unions += 1;
        let mut schema = Schema::of(SchemaType::Struct);
        for sub in subschemas {
            if is_null(sub) {
                schema.optional = true;
                continue;
            }
            let index = schema.fields.len();
            schema.fields.push(Field {
                name: match self.options.generalized {
                    true => format!("connect_union_field_{index}"),
                    false => format!("{ONE_OF}.field.{index}"),
                },
                schema: self.schema(at(place, sub), None, true)?,
            });
        }
        if self.options.generalized {
            schema.parameters = Some(IndexMap::from([(
                GENERALIZED_UNION.to_owned(),
                name.clone(),
            )]));
        }
        schema.name = Some(name);
        Ok(schema)
    }

    /// Properties of all parts make one struct; else the part that says most counts.
    fn all_of(
        &mut self,
        place: Place<'a>,
        parts: &[Part<'a>],
        version: Option<i32>,
        is_optional: bool,
    ) -> Result<SchemaRef, RecordError> {
        let mut properties = Properties::default();
        for part in parts {
            self.collect(place, part, &mut properties, 0)?;
        }
        let Json::Object(members) = place.node else {
            return Err(no_schema());
        };
        let mut schema = if !properties.found.is_empty() {
            let title = place
                .node
                .get("title")
                .and_then(Json::as_str)
                .map(str::to_owned);
            self.open.push((place, title));
            let fields = self.fields(properties);
            self.open.pop();
            Schema {
                fields: fields?,
                ..Schema::of(SchemaType::Struct)
            }
        } else {
            match part_that_counts(parts)? {
                Part::Sub(sub) => return self.schema(at(place, sub), version, is_optional),
                Part::OneOf(subschemas) => match subschemas.iter().find(|sub| !is_null(sub)) {
                    Some(only) if subschemas.len() == 2 && subschemas.iter().any(is_null) => {
                        return self.schema(at(place, only), version, true);
                    }
                    _ => self.union(place, subschemas)?,
                },
                Part::Enum(values) => self.symbols(values),
                Part::Type(name) => self.typed(place, members, name)?,
                Part::Const(_) | Part::Types(_) => return Err(no_schema()),
            }
        };
        self.describe(&mut schema, members, version)?;
        schema.optional |= is_optional;
        Ok(Arc::new(schema))
    }

    /// The properties that a part of an `allOf` names.
    fn collect(
        &mut self,
        place: Place<'a>,
        part: &Part<'a>,
        properties: &mut Properties<'a>,
        depth: usize,
    ) -> Result<(), RecordError> {
        self.count()?;
        if depth > DEEPEST_SCHEMA {
            return Err(data(
                "the JSON Schema has an allOf that leads back to itself",
            ));
        }
        match part {
            Part::Type("object") => {
                if let Json::Object(members) = place.node {
                    properties.add(place, members);
                }
                Ok(())
            }
            Part::Sub(sub) => {
                let mut sub = at(place, sub);
                if let Some(reference) = sub.node.get("$ref").and_then(Json::as_str) {
                    sub = self.documents.follow(sub, reference)?;
                }
                let Json::Object(members) = sub.node else {
                    return Ok(());
                };
                let parts = parts(members);
                parts
                    .iter()
                    .filter(|part| matches!(part, Part::Type("object") | Part::Sub(_)))
                    .try_for_each(|part| self.collect(sub, part, properties, depth + 1))
            }
            _ => Ok(()),
        }
    }

    fn symbols(&self, values: &[Json]) -> Schema {
        let parameter = enum_parameter(self.options);
        let mut parameters = IndexMap::from([(parameter.to_owned(), String::new())]);
        for (index, value) in values.iter().enumerate() {
            let symbol = match value {
                Json::Null => NULL_MARKER.to_owned(),
                Json::String(text) => text.clone(),
                other => other.to_string(),
            };
            let told = match self.options.generalized {
                true => index.to_string(),
                false => symbol.clone(),
            };
            parameters.insert(format!("{parameter}.{symbol}"), told);
        }
        Schema {
            parameters: Some(parameters),
            ..Schema::of(SchemaType::String)
        }
    }

    /// What is written beside the type.
    fn describe(
        &self,
        schema: &mut Schema,
        members: &Map<String, Json>,
        version: Option<i32>,
    ) -> Result<(), RecordError> {
        let text = |key: &str| members.get(key).and_then(Json::as_str).map(str::to_owned);
        if schema.name.is_none() {
            schema.name = text("title");
        }
        let own = members.get(CONNECT_VERSION).and_then(Json::as_i64);
        let own = own.and_then(|version| i32::try_from(version).ok());
        schema.version = own.or(version);
        schema.doc = text("description");
        if let Some(Json::Object(found)) = members.get(CONNECT_PARAMETERS) {
            let parameters = schema.parameters.get_or_insert_default();
            for (key, value) in found {
                if let Json::String(value) = value {
                    parameters.insert(key.clone(), value.clone());
                }
            }
        }
        if let Some(default) = members.get("default").filter(|default| !default.is_null()) {
            schema.default = Some(read_value::read_json(schema, default)?);
        }
        Ok(())
    }
}
