//! The schemas of rows, and when two of them are the same.

use millstream_core::{Payload, RawKind, Schema, SchemaRef, SchemaType};
use std::sync::{Arc, LazyLock};

/// The schema that Connect gives a row.
pub(crate) fn schema_of(payload: &Payload, row: usize) -> Option<&SchemaRef> {
    static STRING: LazyLock<SchemaRef> =
        LazyLock::new(|| Arc::new(Schema::optional(SchemaType::String)));
    static BYTES: LazyLock<SchemaRef> =
        LazyLock::new(|| Arc::new(Schema::optional(SchemaType::Bytes)));
    match payload {
        Payload::Raw { kind, .. } => match kind {
            RawKind::String => Some(&STRING),
            RawKind::Bytes | RawKind::Undecoded => Some(&BYTES),
            RawKind::Json | RawKind::Document => None,
        },
        Payload::Encoded(encoded) => encoded.schema(row),
        Payload::Decoded(decoded) => decoded.schemas[row].as_ref(),
    }
}

/// Whether two rows share a schema object, which is nearly always so where schemas are equal.
pub(crate) fn same_object(a: Option<&SchemaRef>, b: Option<&SchemaRef>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (None, None) => true,
        _ => false,
    }
}

pub(crate) fn same_schema(a: &SchemaRef, b: &SchemaRef) -> bool {
    Arc::ptr_eq(a, b) || a == b
}
