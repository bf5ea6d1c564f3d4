//! The mapping between Connect's schemas and Avro's, after Confluent's AvroData (of the Schema Registry, 7.7 and 8.3).

mod annotations;
mod anything;
mod attributes;
mod default_from_avro;
mod defaults;
mod scrub;
mod shape;
mod to_avro;
mod to_connect;

pub(crate) use scrub::scrub;
pub(crate) use shape::{entry_of, only_branch};
pub use to_avro::avro_schema;
pub use to_connect::{connect_schema, connect_schema_of_version};

use crate::names::Name;
use millstream_core::{Schema, SchemaType};

/// AvroData's settings, under the converter's names for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AvroDataSettings {
    /// `enhanced.avro.schema.support`: enums stay enums, and unions tell their branches by full names.
    pub enhanced_schema_support: bool,
    /// `connect.meta.data`: `connect.…` properties are written, docs and parameters read.
    pub connect_meta_data: bool,
    /// `scrub.invalid.names`.
    pub scrub_invalid_names: bool,
    /// `generalized.sum.type.support`.
    pub generalized_sum_type_support: bool,
    /// `ignore.default.for.nullables`: a null stays null where there is a default.
    pub ignore_default_for_nullables: bool,
    /// `allow.optional.map.keys`.
    pub allow_optional_map_keys: bool,
    /// `flatten.singleton.unions`.
    pub flatten_singleton_unions: bool,
    /// `discard.type.doc.default`.
    pub discard_type_doc_default: bool,
}

impl Default for AvroDataSettings {
    /// The converter's; the S3 sink differs in `enhanced_schema_support`.
    fn default() -> Self {
        AvroDataSettings {
            enhanced_schema_support: false,
            connect_meta_data: true,
            scrub_invalid_names: false,
            generalized_sum_type_support: false,
            ignore_default_for_nullables: false,
            allow_optional_map_keys: false,
            flatten_singleton_unions: true,
            discard_type_doc_default: false,
        }
    }
}

/// Values are nested no deeper than this, nor are Connect's schemas: each level of either is a call on the stack.
pub(crate) const DEEPEST: usize = 64;

pub(crate) const NAMESPACE: &str = "io.confluent.connect.avro";
pub(crate) const DEFAULT_NAME: &str = "ConnectDefault";
pub(crate) const DEFAULT_FULL_NAME: &str = "io.confluent.connect.avro.ConnectDefault";
pub(crate) const MAP_ENTRY: &str = "MapEntry";
pub(crate) const KEY_FIELD: &str = "key";
pub(crate) const VALUE_FIELD: &str = "value";
pub(crate) const UNION: &str = "io.confluent.connect.avro.Union";
pub(crate) const ENUM: &str = "io.confluent.connect.avro.Enum";
pub(crate) const GENERALIZED_UNION: &str = "org.apache.kafka.connect.data.Union";
pub(crate) const GENERALIZED_ENUM: &str = "org.apache.kafka.connect.data.Enum";
pub(crate) const GENERALIZED_UNION_PREFIX: &str = "connect_union_";
pub(crate) const FIXED_SIZE: &str = "connect.fixed.size";
pub(crate) const DECIMAL_PRECISION: &str = "connect.decimal.precision";
/// Of a decimal whose precision nobody told.
pub(crate) const UNKNOWN_PRECISION: i64 = 64;

const CONNECT_NAME: &str = "connect.name";
const CONNECT_DOC: &str = "connect.doc";
const CONNECT_VERSION: &str = "connect.version";
const CONNECT_DEFAULT: &str = "connect.default";
const CONNECT_PARAMETERS: &str = "connect.parameters";
const CONNECT_TYPE: &str = "connect.type";
const INTERNAL_TYPE: &str = "connect.internal.type";
const CONNECT_RECORD_DOC: &str = "connect.record.doc";
const CONNECT_ENUM_DOC: &str = "connect.enum.doc";
const RECORD_DOC: &str = "io.confluent.connect.avro.record.doc";
const FIELD_DOC: &str = "io.confluent.connect.avro.field.doc.";
const ENUM_DOC: &str = "io.confluent.connect.avro.enum.doc.";
const ENUM_DEFAULT: &str = "io.confluent.connect.avro.enum.default.";
/// Marks a default that is the field's in Avro and not the type's.
const FIELD_DEFAULT: &str = "io.confluent.connect.avro.field.default";
/// Parameters that begin with this are properties too.
const AVRO_PREFIX: &str = "avro";
const LOGICAL_TYPE: &str = "logicalType";

impl AvroDataSettings {
    /// The name of the parameter that makes an enum of a string.
    pub(crate) fn enum_parameter(&self) -> &'static str {
        match self.generalized_sum_type_support {
            true => GENERALIZED_ENUM,
            false => ENUM,
        }
    }

    /// Whether a map's keys are those of an Avro map.
    pub(crate) fn has_text_keys(&self, map: &Schema) -> bool {
        map.key_schema.as_ref().is_some_and(|keys| {
            keys.kind == SchemaType::String && (!keys.optional || self.allow_optional_map_keys)
        })
    }

    /// A field's or type's name as Avro gets it.
    pub(crate) fn name(&self, name: &str) -> String {
        match self.scrub_invalid_names {
            true => scrub(name),
            false => name.to_owned(),
        }
    }

    /// Splits a full name at its last dot, each part scrubbed if that is asked for.
    pub(crate) fn split_name(&self, full: &str) -> (Option<String>, String) {
        let parts = full.trim_end_matches('.').split('.');
        let mut parts: Vec<String> = parts.map(|part| self.name(part)).collect();
        let name = parts.pop().unwrap_or_default();
        match parts.is_empty() {
            true => (None, name),
            false => (Some(parts.join(".")), name),
        }
    }

    /// The field of a union's struct that a branch of this name goes to; `position` is what the generalized form counts.
    pub(crate) fn branch_field(&self, name: Option<&Name>, word: &str, position: usize) -> String {
        if self.generalized_sum_type_support {
            return format!("{GENERALIZED_UNION_PREFIX}field_{position}");
        }
        match name {
            Some(name) if self.enhanced_schema_support => name.full(),
            Some(name) => self.name(&name.name),
            None => word.to_owned(),
        }
    }
}

/// A parameter of a schema.
pub(crate) fn parameter<'a>(schema: &'a Schema, key: &str) -> Option<&'a str> {
    let parameters = schema.parameters.as_ref()?;
    parameters.get(key).map(String::as_str)
}

/// Whether a struct stands for a union, in either of the two forms that Confluent's converters give it.
pub fn is_union(schema: &Schema) -> bool {
    schema.is_logical(UNION) || parameter(schema, GENERALIZED_UNION).is_some()
}

pub(crate) fn is_enum(schema: &Schema) -> bool {
    schema.kind == SchemaType::String
        && [ENUM, GENERALIZED_ENUM]
            .iter()
            .any(|key| parameter(schema, key).is_some())
}

/// The size of a fixed, as the schema tells it.
pub(crate) fn fixed_size(schema: &Schema) -> Option<&str> {
    match schema.kind == SchemaType::Bytes && schema.name.is_some() {
        true => parameter(schema, FIXED_SIZE),
        false => None,
    }
}

/// Whether the schema has a logical type's name; Confluent's mapper looks at no case.
pub(crate) fn is_named(schema: &Schema, name: &str) -> bool {
    schema
        .name
        .as_deref()
        .is_some_and(|own| own.eq_ignore_ascii_case(name))
}
