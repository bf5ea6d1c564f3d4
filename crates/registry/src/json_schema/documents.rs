//! A schema's document with those that it refers to, and how a `$ref` is followed in them.

use crate::registry::Fetched;
use millstream_core::RecordError;
use millstream_core::rejected::SERIALIZATION_EXCEPTION;
use serde_json::Value as Json;

/// What names of references are relative to.
const BASE: &str = "json-schema:///";

/// The schema comes first.
pub(super) struct Documents {
    documents: Vec<(String, Json)>,
}

/// A place in a document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) document: usize,
    pub(super) node: &'a Json,
}

impl Place<'_> {
    /// The same place, whatever way led there.
    pub(super) fn is(&self, other: &Place<'_>) -> bool {
        std::ptr::eq(self.node, other.node)
    }
}

fn invalid(message: String) -> RecordError {
    RecordError::new(SERIALIZATION_EXCEPTION, message)
}

impl Documents {
    pub(super) fn parse(schema: &Fetched) -> Result<Self, RecordError> {
        let own = ("", schema.schema.text.as_str());
        let references = schema
            .references
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()));
        let documents = std::iter::once(own).chain(references).map(|(name, text)| {
            let document = serde_json::from_str(text).map_err(|error| {
                invalid(format!("the JSON Schema {name} is malformed: {error}"))
            })?;
            Ok((name.to_owned(), document))
        });
        Ok(Documents {
            documents: documents.collect::<Result<_, RecordError>>()?,
        })
    }

    pub(super) fn root(&self) -> Place<'_> {
        Place {
            document: 0,
            node: &self.documents[0].1,
        }
    }

    pub(super) fn title(&self) -> Option<String> {
        Some(self.root().node.get("title")?.as_str()?.to_owned())
    }

    /// What a reference leads to: a pointer into its own document, or another document by its name or `$id`.
    pub(super) fn follow(
        &self,
        from: Place<'_>,
        reference: &str,
    ) -> Result<Place<'_>, RecordError> {
        let (name, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let document = match name {
            "" => Some(from.document),
            name => self.find(name),
        };
        let found = document.and_then(|document| {
            let root = &self.documents[document].1;
            let node = match fragment {
                "" => Some(root),
                pointer if pointer.starts_with('/') => root.pointer(pointer),
                anchor => anchored(root, anchor),
            };
            Some(Place {
                document,
                node: node?,
            })
        });
        found.ok_or_else(|| {
            invalid(format!(
                "the JSON Schema refers to {reference}, which is not there"
            ))
        })
    }

    fn find(&self, name: &str) -> Option<usize> {
        let by = |fits: &dyn Fn(&str, &Json) -> bool| {
            self.documents
                .iter()
                .position(|(known, document)| fits(known, document))
        };
        by(&|known, _| known == name)
            .or_else(|| by(&|_, document| id(document) == Some(name)))
            // Relative to an `$id`: the last part tells.
            .or_else(|| {
                by(&|known, document| {
                    let last = |text: &str| text.rsplit('/').next() == name.rsplit('/').next();
                    (!known.is_empty() && last(known)) || id(document).is_some_and(last)
                })
            })
    }

    /// What says whether a value fits the schema.
    pub(super) fn validator(&self) -> Result<jsonschema::Validator, RecordError> {
        let invalid = |error: &dyn std::fmt::Display| {
            invalid(format!("the JSON Schema cannot validate: {error}"))
        };
        let mut registry = jsonschema::Registry::new();
        for (name, document) in &self.documents[1..] {
            let uri = match name.contains("://") {
                true => name.clone(),
                false => format!("{BASE}{name}"),
            };
            registry = registry
                .add(uri, document)
                .map_err(|error| invalid(&error))?;
        }
        let registry = registry.prepare().map_err(|error| invalid(&error))?;
        let validator = jsonschema::options()
            .with_base_uri(BASE)
            .with_registry(&registry)
            .build(self.root().node);
        validator.map_err(|error| invalid(&error.masked()))
    }
}

fn id(document: &Json) -> Option<&str> {
    let id = document.get("$id").or_else(|| document.get("id"));
    Some(id?.as_str()?.trim_end_matches('#'))
}

/// A subschema that has this anchor or `$id`. Documents are nested no deeper than their parser allows.
fn anchored<'a>(node: &'a Json, anchor: &str) -> Option<&'a Json> {
    match node {
        Json::Object(members) => {
            let is_named = |key: &str| {
                let value = members.get(key).and_then(Json::as_str);
                value.is_some_and(|value| value.trim_start_matches('#') == anchor)
            };
            if is_named("$anchor") || is_named("$id") {
                return Some(node);
            }
            members.values().find_map(|member| anchored(member, anchor))
        }
        Json::Array(items) => items.iter().find_map(|item| anchored(item, anchor)),
        _ => None,
    }
}
