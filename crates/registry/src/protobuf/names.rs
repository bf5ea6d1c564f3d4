//! Names that the mapping shares.

use super::Options;
use millstream_core::Schema;

pub(super) const ENUM: &str = "io.confluent.connect.protobuf.Enum";
pub(super) const UNION: &str = "io.confluent.connect.protobuf.Union";
pub(super) const UNION_PREFIX: &str = "io.confluent.connect.protobuf.Union.";
/// The parameter with a field's number.
pub(super) const TAG: &str = "io.confluent.connect.protobuf.Tag";
/// The parameter with a field's type, where it is not the usual one.
pub(super) const TYPE: &str = "io.confluent.connect.protobuf.Type";
/// Marks what a wrapper in a `oneof` has become.
pub(super) const WRAPPER: &str = "io.confluent.connect.protobuf.Wrapper";
pub(super) const GENERALIZED_UNION: &str = "org.apache.kafka.connect.data.Union";
pub(super) const GENERALIZED_ENUM: &str = "org.apache.kafka.connect.data.Enum";
pub(super) const CONNECT_TYPE: &str = "connect.type";
pub(super) const CONNECT_PRECISION: &str = "connect.decimal.precision";
pub(super) const PRECISION: &str = "precision";
pub(super) const SCALE: &str = "scale";
pub(super) const DEFAULT_NAME: &str = "ConnectDefault";

/// Messages are nested no deeper than this, as Protobuf's own parsers have it.
pub(super) const DEEPEST: usize = 100;

pub(super) fn parameter<'a>(schema: &'a Schema, key: &str) -> Option<&'a str> {
    schema.parameters.as_ref()?.get(key).map(String::as_str)
}

pub(super) fn is_union(schema: &Schema) -> bool {
    schema
        .name
        .as_deref()
        .is_some_and(|name| name.starts_with(UNION))
        || parameter(schema, GENERALIZED_UNION).is_some()
}

pub(super) fn enum_parameter(options: &Options) -> &'static str {
    match options.generalized {
        true => GENERALIZED_ENUM,
        false => ENUM,
    }
}

/// A name that Protobuf takes, if that is asked for: what it does not allow becomes an underscore, and a first character that
/// is no letter gets an `x` before it.
pub(super) fn scrub(name: &str, options: &Options) -> String {
    if !options.scrub || name.is_empty() {
        return name.to_owned();
    }
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let scrubbed: String = name.chars().map(allowed).collect();
    match scrubbed.starts_with(|c: char| c.is_ascii_alphabetic()) {
        true => scrubbed,
        false => format!("x{scrubbed}"),
    }
}
