//! Avro types that are something else to Connect than what they look like.

use super::{AvroDataSettings, INTERNAL_TYPE, MAP_ENTRY, NAMESPACE};
use crate::model::{Kind, Record, TypeId};
use crate::schema::AvroSchema;

/// The one type of a union that is none to Connect, and whether there may be null instead.
pub(crate) fn only_branch(
    avro: &AvroSchema,
    branches: &[TypeId],
    settings: &AvroDataSettings,
) -> Option<(TypeId, bool)> {
    let is_null = |id: &TypeId| matches!(avro[*id].kind, Kind::Null);
    match branches {
        [only] if settings.flatten_singleton_unions => Some((*only, false)),
        [null, other] | [other, null] if is_null(null) && !is_null(other) => Some((*other, true)),
        _ => None,
    }
}

/// The record of a map's pairs, if the elements are such.
pub(crate) fn entry_of(avro: &AvroSchema, items: TypeId) -> Option<&Record> {
    let of = &avro[items];
    let Kind::Record(record) = &of.kind else {
        return None;
    };
    let is_own =
        record.name.namespace.as_deref() == Some(NAMESPACE) && record.name.name == MAP_ENTRY;
    (is_own || of.text(INTERNAL_TYPE) == Some(MAP_ENTRY)).then_some(record)
}
