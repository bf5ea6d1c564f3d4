//! Names that the mapping shares, and what a union of JSON Schema is in Connect: a struct of which one field is set.

use super::Options;
use millstream_core::{Schema, SchemaType};

pub(super) const CONNECT_TYPE: &str = "connect.type";
pub(super) const CONNECT_VERSION: &str = "connect.version";
pub(super) const CONNECT_PARAMETERS: &str = "connect.parameters";
pub(super) const CONNECT_INDEX: &str = "connect.index";
pub(super) const NAMESPACE: &str = "io.confluent.connect.json";
pub(super) const ONE_OF: &str = "io.confluent.connect.json.OneOf";
pub(super) const ENUM: &str = "io.confluent.connect.json.Enum";
pub(super) const GENERALIZED_UNION: &str = "org.apache.kafka.connect.data.Union";
pub(super) const GENERALIZED_ENUM: &str = "org.apache.kafka.connect.data.Enum";
/// The symbol of an enum that stands for null.
pub(super) const NULL_MARKER: &str = "<NULL>";
pub(super) const KEY: &str = "key";
pub(super) const VALUE: &str = "value";

/// Values are nested no deeper than this: each level is a call on the stack.
pub(super) const DEEPEST: usize = 200;

/// Nor are schemas, references among them, whose levels take more of the stack.
pub(super) const DEEPEST_SCHEMA: usize = 64;

pub(super) fn is_union(schema: &Schema) -> bool {
    schema.is_logical(ONE_OF) || has_parameter(schema, GENERALIZED_UNION)
}

pub(super) fn has_parameter(schema: &Schema, key: &str) -> bool {
    schema
        .parameters
        .as_ref()
        .is_some_and(|parameters| parameters.contains_key(key))
}

/// The parameter that makes an enum of a string.
pub(super) fn enum_parameter(options: &Options) -> &'static str {
    match options.generalized {
        true => GENERALIZED_ENUM,
        false => ENUM,
    }
}

/// Whether a map's keys are those of a JSON object.
pub(super) fn has_text_keys(schema: &Schema) -> bool {
    schema
        .key_schema
        .as_ref()
        .is_some_and(|keys| keys.kind == SchemaType::String && !keys.optional)
}

/// Whether values of one schema can be read as the other: the same types, and nothing required that is not written.
pub(super) fn is_readable(reader: &Schema, writer: &Schema) -> bool {
    if reader.kind != writer.kind || (writer.optional && !reader.optional) {
        return false;
    }
    let is_inner_readable = |reader: &Option<_>, writer: &Option<_>| match (reader, writer) {
        (Some(reader), Some(writer)) => {
            let (reader, writer): (&std::sync::Arc<Schema>, &std::sync::Arc<Schema>) =
                (reader, writer);
            is_readable(reader, writer)
        }
        (reader, writer) => reader.is_none() && writer.is_none(),
    };
    let are_fields_readable = reader.fields.iter().all(|field| {
        match writer.fields.iter().find(|other| other.name == field.name) {
            Some(other) => is_readable(&field.schema, &other.schema),
            None => field.schema.optional || field.schema.default.is_some(),
        }
    });
    are_fields_readable
        && is_inner_readable(&reader.key_schema, &writer.key_schema)
        && is_inner_readable(&reader.value_schema, &writer.value_schema)
}
