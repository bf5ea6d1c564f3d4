//! Transforms, one file each, and what they share: the part of the record they work on, rows one by one,
//! and the rules of structs.

pub(crate) mod cast;
pub(crate) mod drop_headers;
pub(crate) mod extract_field;
pub(crate) mod filter;
pub(crate) mod flatten;
pub(crate) mod hash;
pub(crate) mod header_from;
pub(crate) mod hoist_field;
pub(crate) mod insert_field;
pub(crate) mod insert_header;
pub(crate) mod mask_field;
pub(crate) mod regex_router;
pub(crate) mod replace_field;
pub(crate) mod set_schema_metadata;
pub(crate) mod timestamp_converter;
pub(crate) mod timestamp_router;
pub(crate) mod value_to_key;

use millstream_core::converter::RowErrors;
use millstream_core::rejected::{CONNECT_EXCEPTION, SCHEMA_BUILDER_EXCEPTION};
use millstream_core::{
    Destination, Edit, Field, Header, Headers, Map, Missing, Needs, Payload, RecordBatch,
    RecordError, RowMask, Schema, SchemaAndValue, SchemaRef, SchemaType, Struct, Value,
};
use std::collections::VecDeque;
use std::sync::Arc;

/// The part of the record that `X$Key` and `X$Value` work on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Key,
    Value,
}

impl Part {
    fn needs(self) -> Needs {
        Needs {
            key: self == Part::Key,
            value: self == Part::Value,
            headers: false,
        }
    }

    fn of(self, batch: &mut RecordBatch) -> &mut Payload {
        match self {
            Part::Key => &mut batch.keys,
            Part::Value => &mut batch.values,
        }
    }

    /// The one of two names that belongs to the part.
    fn pick(self, key: &'static str, value: &'static str) -> &'static str {
        match self {
            Part::Key => key,
            Part::Value => value,
        }
    }
}

/// The two plugins of a transform: `KEY` and `VALUE`.
macro_rules! key_and_value {
    ($type:ident, $config:ident, $class:literal) => {
        pub(crate) const KEY: millstream_core::TransformPlugin = millstream_core::TransformPlugin {
            class: concat!($class, "$Key"),
            config_def: $config::definition,
            make: |properties| {
                Ok(Box::new($type::new(
                    properties,
                    crate::transforms::Part::Key,
                )?))
            },
        };
        pub(crate) const VALUE: millstream_core::TransformPlugin =
            millstream_core::TransformPlugin {
                class: concat!($class, "$Value"),
                config_def: $config::definition,
                make: |properties| {
                    Ok(Box::new($type::new(
                        properties,
                        crate::transforms::Part::Value,
                    )?))
                },
            };
    };
}
use key_and_value;

/// Gives each row that the mask names to `change`, which takes it and returns what is to stand there.
/// A row that fails is noted; what it held is gone but for its bytes as fetched.
fn rewrite(
    payload: &mut Payload,
    mask: &RowMask,
    errors: &mut RowErrors,
    mut change: impl FnMut(usize, SchemaAndValue) -> Result<SchemaAndValue, RecordError>,
) {
    let Some(decoded) = payload.decoded_mut() else {
        let undecoded = || RecordError::new(CONNECT_EXCEPTION, "the column was not decoded");
        errors.extend(mask.rows().map(|row| (row, undecoded())));
        return;
    };
    for row in mask.rows() {
        let taken = SchemaAndValue {
            schema: decoded.schemas[row].take(),
            value: std::mem::replace(&mut decoded.values[row], Value::Null),
        };
        match change(row, taken) {
            Ok(changed) => decoded.set(row, changed),
            Err(error) => errors.push((row, error)),
        }
    }
}

/// Gives the rows that the mask names the topics that `route` says; one look is enough where all rows go the same way.
fn route(
    batch: &mut RecordBatch,
    mask: &RowMask,
    errors: &mut RowErrors,
    mut route: impl FnMut(&RecordBatch, usize, &Arc<str>) -> Result<Arc<str>, RecordError>,
) {
    let mut first: Option<Arc<str>> = None;
    // Filled from the first row on that goes another way.
    let mut topics: Vec<Arc<str>> = Vec::new();
    for row in 0..batch.len() {
        let from = batch.destination.topic(row);
        let routed = mask.get(row).then(|| route(batch, row, from));
        let to = match routed {
            Some(Ok(to)) => to,
            Some(Err(error)) => {
                errors.push((row, error));
                from.clone()
            }
            None => from.clone(),
        };
        match &first {
            None => first = Some(to),
            Some(first) if topics.is_empty() && *first == to => {}
            Some(first) => {
                if topics.is_empty() {
                    topics.reserve(batch.len());
                    topics.resize(row, first.clone());
                }
                topics.push(to);
            }
        }
    }
    match first {
        Some(first) if topics.is_empty() => batch.destination = Destination::Uniform(first),
        Some(_) => batch.destination = Destination::PerRow(topics),
        None => {}
    }
}

/// Sends all rows of a batch to the topic that `route` says, if all come from one and it has an answer for all at once.
fn route_all(
    batch: &mut RecordBatch,
    mask: &RowMask,
    route: impl FnOnce(&RecordBatch, &Arc<str>) -> Option<Arc<str>>,
) -> bool {
    let Destination::Uniform(topic) = &batch.destination else {
        return false;
    };
    if batch.is_empty() || !mask.is_all() {
        return false;
    }
    let to = route(batch, topic);
    let is_routed = to.is_some();
    if let Some(to) = to {
        batch.destination = Destination::Uniform(to);
    }
    is_routed
}

/// The headers of every row, made where there were none. `None` if they were not decoded.
fn headers_of(batch: &mut RecordBatch) -> Option<&mut Vec<Vec<Header>>> {
    if matches!(batch.headers, Headers::None) {
        batch.headers = Headers::Decoded {
            rows: vec![Vec::new(); batch.len()],
            raw: None,
        };
    }
    match &mut batch.headers {
        Headers::Decoded { rows, .. } => Some(rows),
        Headers::None | Headers::Raw(_) => None,
    }
}

fn undecoded_headers(mask: &RowMask, errors: &mut RowErrors) {
    let error = || RecordError::new(CONNECT_EXCEPTION, "the headers were not decoded");
    errors.extend(mask.rows().map(|row| (row, error())));
}

/// The edits that change these fields in a copy of the map, be they there or not. The copy is the first edit.
fn changes_in_copy<'a>(names: impl IntoIterator<Item = &'a String>) -> Vec<Edit> {
    let changes = names.into_iter().map(|name| Edit::Change {
        name: name.clone(),
        missing: Missing::Added,
    });
    std::iter::once(Edit::Copy).chain(changes).collect()
}

/// The map that a schemaless value must be.
fn require_map(value: Value, purpose: &str) -> Result<Map, RecordError> {
    match value {
        Value::Map(map) => Ok(map),
        other => Err(RecordError::data(format!(
            "Only Map objects supported in absence of schema for [{purpose}], found: {}",
            other.java_class()
        ))),
    }
}

/// The struct that a value with a schema must be.
fn require_struct(value: Value, purpose: &str) -> Result<Box<Struct>, RecordError> {
    match value {
        Value::Struct(record) => Ok(record),
        other => Err(RecordError::data(format!(
            "Only Struct objects supported for [{purpose}], found: {}",
            other.java_class()
        ))),
    }
}

/// A required struct schema with the other's name, version, doc and parameters, and no fields yet.
fn copy_basics(source: &Schema) -> Schema {
    Schema {
        name: source.name.clone(),
        version: source.version,
        doc: source.doc.clone(),
        parameters: source.parameters.clone(),
        ..Schema::of(SchemaType::Struct)
    }
}

/// Adds a field as Java's schema builder does.
fn add_field(schema: &mut Schema, name: &str, field: SchemaRef) -> Result<(), RecordError> {
    let refused = |message| Err(RecordError::new(SCHEMA_BUILDER_EXCEPTION, message));
    if name.is_empty() {
        return refused("fieldName cannot be null.".to_owned());
    }
    if schema.field_index(name).is_some() {
        return refused(format!(
            "Cannot create field because of field name duplication {name}"
        ));
    }
    schema.fields.push(Field {
        name: name.to_owned(),
        schema: field,
    });
    Ok(())
}

/// A field's value, with or without its default for a null.
fn field_value(record: &Struct, index: usize, replace_null_with_default: bool) -> Value {
    if replace_null_with_default {
        record.get_at(index).clone()
    } else {
        record.values[index].clone()
    }
}

/// Derived schemas by the schema they come from, so that rows which shared a schema still do. Whatever else a derived
/// schema depends on, other than the transform's settings, is its key.
struct Derived<K = ()> {
    known: VecDeque<(SchemaRef, K, SchemaRef)>,
    capacity: usize,
}

impl<K> Default for Derived<K> {
    fn default() -> Self {
        Derived::for_steps(1)
    }
}

impl<K> Derived<K> {
    /// Java's number of entries.
    const CAPACITY: usize = 16;

    /// For a transform that derives that many schemas from one.
    fn for_steps(steps: usize) -> Self {
        Derived {
            known: VecDeque::new(),
            capacity: Self::CAPACITY * steps.max(1),
        }
    }
}

impl Derived {
    fn get(
        &mut self,
        source: &SchemaRef,
        derive: impl FnOnce(&Schema) -> Result<Schema, RecordError>,
    ) -> Result<SchemaRef, RecordError> {
        self.get_by(source, (), |source, ()| derive(source))
    }
}

impl<K: PartialEq> Derived<K> {
    fn get_by(
        &mut self,
        source: &SchemaRef,
        key: K,
        derive: impl FnOnce(&Schema, &K) -> Result<Schema, RecordError>,
    ) -> Result<SchemaRef, RecordError> {
        let known = self
            .known
            .iter()
            .find(|(from, by, _)| Arc::ptr_eq(from, source) && *by == key);
        if let Some((_, _, derived)) = known {
            return Ok(derived.clone());
        }
        let derived = Arc::new(derive(source, &key)?);
        self.known.truncate(self.capacity - 1);
        self.known
            .push_front((source.clone(), key, derived.clone()));
        Ok(derived)
    }
}

#[cfg(test)]
mod tests;
