//! The schemas of rows, and rows brought into the schema of their file.

use crate::compatibility::project;
use crate::settings::Settings;
use millstream_core::{
    ByteColumn, Decoded, Payload, RawKind, RecordBatch, Schema, SchemaAndValue, SchemaRef,
    SchemaType,
};
use std::ops::Range;
use std::sync::{Arc, LazyLock};

/// The values of rows in the schema of their file; nothing where schemas never differ inside one.
pub(super) fn projection(
    settings: &Settings,
    batch: &RecordBatch,
    rows: Range<usize>,
    to: &SchemaRef,
) -> Option<Payload> {
    let Payload::Decoded(decoded) = &batch.values else {
        return None;
    };
    if !settings.rotation.compatibility.projects() {
        return None;
    }
    let mut projected = Decoded::with_capacity(ByteColumn::new());
    for value in &decoded.values[rows] {
        projected.push(SchemaAndValue {
            schema: Some(SchemaRef::clone(to)),
            value: project(value, to),
        });
    }
    Some(Payload::Decoded(projected))
}

/// Whether two rows share a schema object, which is nearly always so where schemas are equal.
pub(super) fn same_object(a: Option<&SchemaRef>, b: Option<&SchemaRef>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (None, None) => true,
        _ => false,
    }
}

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
            RawKind::Json => None,
        },
        Payload::Decoded(decoded) => decoded.schemas[row].as_ref(),
    }
}
