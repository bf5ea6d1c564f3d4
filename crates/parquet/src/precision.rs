//! The precision of decimals whose schema does not tell it. Connect's decimals have none; the original then says 64 digits,
//! which Spark, polars and pyiceberg refuse and DuckDB takes for a floating-point number.

use millstream_core::schema::DECIMAL;
use millstream_core::{Field, Schema, SchemaRef};
use std::sync::Arc;

/// The original's.
pub const DEFAULT_PRECISION: u32 = 64;

const PRECISION: &str = "connect.decimal.precision";

/// Whether a decimal's schema tells it.
pub(crate) fn has_precision(schema: &Schema) -> bool {
    let parameters = schema.parameters.as_ref();
    parameters.is_some_and(|all| all.contains_key(PRECISION))
}

/// The schema, with this precision as a parameter of each decimal that has none.
pub(crate) fn with_precision(schema: &SchemaRef, precision: u32) -> SchemaRef {
    let inner =
        |schema: &Option<SchemaRef>| schema.as_ref().map(|of| with_precision(of, precision));
    let mut own = Schema {
        key_schema: inner(&schema.key_schema),
        value_schema: inner(&schema.value_schema),
        fields: Vec::new(),
        ..Schema::clone(schema)
    };
    own.fields.extend(schema.fields.iter().map(|field| Field {
        name: field.name.clone(),
        schema: with_precision(&field.schema, precision),
    }));
    if own.is_logical(DECIMAL) {
        let parameters = own.parameters.get_or_insert_default();
        let precision = || precision.to_string();
        parameters
            .entry(PRECISION.to_owned())
            .or_insert_with(precision);
    }
    Arc::new(own)
}
