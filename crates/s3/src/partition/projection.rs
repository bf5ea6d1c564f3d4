//! Rows brought into the schema of their file.

use crate::compatibility::{Compatibility, project};
use millstream_core::{ByteColumn, Decoded, Payload, RecordBatch, SchemaAndValue, SchemaRef};
use std::ops::Range;

/// The values of rows in the schema of their file; nothing where schemas never differ inside one.
pub(super) fn projection(
    compatibility: Compatibility,
    batch: &RecordBatch,
    rows: Range<usize>,
    to: &SchemaRef,
) -> Option<Payload> {
    let Payload::Decoded(decoded) = &batch.values else {
        return None;
    };
    if !compatibility.projects() {
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
