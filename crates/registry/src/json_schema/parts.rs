//! What one place of a JSON Schema says, taken apart: everything beside an `allOf` counts as one more part of it.

use super::documents::Place;
use indexmap::IndexMap;
use millstream_core::RecordError;
use serde_json::{Map, Value as Json};

pub(super) fn at<'a>(place: Place<'a>, node: &'a Json) -> Place<'a> {
    Place {
        document: place.document,
        node,
    }
}

pub(super) fn is_null(schema: &Json) -> bool {
    schema.get("type").and_then(Json::as_str) == Some("null")
}

pub(super) fn no_schema() -> RecordError {
    RecordError::data("the JSON Schema has an allOf for which Connect has no schema")
}

/// A union goes before types. Enums of numbers are numbers, and a constant is what its type says.
pub(super) fn part_that_counts<'p, 'a>(parts: &'p [Part<'a>]) -> Result<&'p Part<'a>, RecordError> {
    let find = |fits: fn(&Part<'a>) -> bool| parts.iter().find(|part| fits(part));
    let number = find(|part| matches!(part.type_name(), Some("integer" | "number")));
    let string = find(|part| part.type_name() == Some("string"));
    let symbols = find(Part::is_enum).filter(|_| string.is_some() || number.is_none());
    let chosen = find(Part::is_union).or(symbols).or(number).or(string);
    let chosen = chosen.or_else(|| find(Part::is_reference)).or(match parts {
        [only] => Some(only),
        _ => None,
    });
    chosen.ok_or_else(no_schema)
}

/// What a schema says of its values, one thing each.
#[derive(Clone, Debug)]
pub(super) enum Part<'a> {
    Type(&'a str),
    Types(Vec<&'a str>),
    Enum(&'a [Json]),
    Const(&'a Json),
    OneOf(&'a [Json]),
    /// A schema of its own, of an `allOf`.
    Sub(&'a Json),
}

impl<'a> Part<'a> {
    fn is_union(&self) -> bool {
        match self {
            Part::OneOf(_) => true,
            Part::Sub(sub) => ["oneOf", "anyOf"].iter().any(|key| sub.get(*key).is_some()),
            _ => false,
        }
    }

    fn is_enum(&self) -> bool {
        match self {
            Part::Enum(_) => true,
            Part::Sub(sub) => sub.get("enum").is_some(),
            _ => false,
        }
    }

    fn is_reference(&self) -> bool {
        matches!(self, Part::Sub(sub) if sub.get("$ref").is_some())
    }

    fn type_name(&self) -> Option<&'a str> {
        match self {
            Part::Type(name) => Some(name),
            Part::Sub(sub) => sub.get("type")?.as_str(),
            _ => None,
        }
    }
}

pub(super) fn parts(members: &Map<String, Json>) -> Vec<Part<'_>> {
    let list = |key: &str| match members.get(key) {
        Some(Json::Array(items)) => Some(items.as_slice()),
        _ => None,
    };
    let mut parts = Vec::new();
    parts.extend(list("allOf").into_iter().flatten().map(Part::Sub));
    parts.extend(list("oneOf").or_else(|| list("anyOf")).map(Part::OneOf));
    parts.extend(list("enum").map(Part::Enum));
    parts.extend(members.get("const").map(Part::Const));
    match members.get("type") {
        Some(Json::String(name)) => parts.push(Part::Type(name)),
        Some(Json::Array(names)) => {
            parts.push(Part::Types(names.iter().filter_map(Json::as_str).collect()));
        }
        _ => {
            // What a keyword is about tells the type.
            let has = |keys: &[&str]| keys.iter().any(|key| members.contains_key(*key));
            if has(&[
                "properties",
                "required",
                "additionalProperties",
                "patternProperties",
            ]) {
                parts.push(Part::Type("object"));
            } else if has(&["items"]) {
                parts.push(Part::Type("array"));
            } else if has(&["minimum", "maximum", "multipleOf"]) {
                parts.push(Part::Type("number"));
            } else if has(&["pattern", "minLength", "maxLength", "format"]) {
                parts.push(Part::Type("string"));
            }
        }
    }
    parts
}

/// The properties of an object, in the order in which they were found.
#[derive(Default)]
pub(super) struct Properties<'a> {
    pub(super) found: IndexMap<String, Property<'a>>,
}

pub(super) struct Property<'a> {
    pub(super) place: Place<'a>,
    pub(super) is_required: bool,
}

impl<'a> Properties<'a> {
    pub(super) fn add(&mut self, place: Place<'a>, members: &'a Map<String, Json>) {
        let required = members.get("required").and_then(Json::as_array);
        let Some(Json::Object(properties)) = members.get("properties") else {
            return;
        };
        for (name, node) in properties {
            let is_required = required.is_some_and(|names| names.iter().any(|one| one == name));
            let property = Property {
                place: at(place, node),
                is_required,
            };
            self.found.insert(name.clone(), property);
        }
    }
}
