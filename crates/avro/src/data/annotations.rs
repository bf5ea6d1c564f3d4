//! What is written beside an Avro type: what Connect knows of it and Avro has no word for, and its logical type.

use super::{
    AVRO_PREFIX, AvroDataSettings, CONNECT_DEFAULT, CONNECT_DOC, CONNECT_NAME, CONNECT_PARAMETERS,
    CONNECT_TYPE, CONNECT_VERSION, DECIMAL_PRECISION, FIELD_DEFAULT, LOGICAL_TYPE,
    UNKNOWN_PRECISION, defaults, is_named, parameter,
};
use crate::model::{AvroType, Kind};
use millstream_core::logical::decimal_scale;
use millstream_core::schema::{DATE, DECIMAL, TIME, TIMESTAMP};
use millstream_core::{RecordError, Schema, SchemaType};
use serde_json::{Map, Value as Json};

/// Adds what Avro has no word for, and the logical type.
pub(super) fn annotate(
    avro: &mut AvroType,
    schema: &Schema,
    settings: &AvroDataSettings,
) -> Result<(), RecordError> {
    let default = match &schema.default {
        Some(default) if settings.connect_meta_data => {
            let is_field_s =
                !settings.discard_type_doc_default && parameter(schema, FIELD_DEFAULT).is_some();
            (!is_field_s)
                .then(|| defaults::to_json(schema, default, settings))
                .transpose()?
        }
        _ => None,
    };
    let logical = logical_type(schema, &avro.kind)?;
    let properties = &mut avro.properties;
    let mut set = |key: &str, value: Option<Json>| {
        if let Some(value) = value {
            properties.insert(key.to_owned(), value);
        }
    };
    if settings.connect_meta_data {
        set(CONNECT_DOC, schema.doc.as_deref().map(Json::from));
        set(CONNECT_VERSION, schema.version.map(Json::from));
        set(CONNECT_PARAMETERS, parameters(schema, settings));
        set(CONNECT_DEFAULT, default);
        set(CONNECT_NAME, schema.name.as_deref().map(Json::from));
        let connect_type = match schema.kind {
            SchemaType::Int8 => Some("int8".into()),
            SchemaType::Int16 => Some("int16".into()),
            _ => None,
        };
        set(CONNECT_TYPE, connect_type);
    }
    set(LOGICAL_TYPE, logical.map(Json::from));
    for (key, value) in schema.parameters.iter().flatten() {
        if key.starts_with(AVRO_PREFIX) {
            set(key, Some(value.as_str().into()));
        }
    }
    Ok(())
}

fn parameters(schema: &Schema, settings: &AvroDataSettings) -> Option<Json> {
    let own = schema.parameters.as_ref()?.iter();
    let shown = own.filter(|(key, _)| settings.discard_type_doc_default || *key != FIELD_DEFAULT);
    let shown: Map<String, Json> = shown
        .map(|(key, value)| (key.clone(), value.as_str().into()))
        .collect();
    (!shown.is_empty()).then_some(Json::Object(shown))
}

pub(super) fn precision(schema: &Schema) -> Result<i64, RecordError> {
    parameter(schema, DECIMAL_PRECISION).map_or(Ok(UNKNOWN_PRECISION), number)
}

pub(super) fn number<T: std::str::FromStr>(digits: &str) -> Result<T, RecordError> {
    digits.parse().map_err(|_| {
        let message = format!("For input string: \"{digits}\"");
        RecordError::new("java.lang.NumberFormatException", message)
    })
}

/// The Avro name of a Connect logical type. A decimal that Avro does not know as one (its scale is negative or above its
/// precision) gets the name all the same.
fn logical_type(schema: &Schema, kind: &Kind) -> Result<Option<&'static str>, RecordError> {
    let refuse = |message: String| {
        Err(RecordError::new(
            "java.lang.IllegalArgumentException",
            message,
        ))
    };
    let expected = if is_named(schema, DECIMAL) {
        let (scale, precision) = (i64::from(decimal_scale(schema)?), precision(schema)?);
        if (0..=precision).contains(&scale) {
            if precision == 0 {
                return refuse("Invalid decimal precision: 0 (must be positive)".to_owned());
            }
            if let Kind::Fixed(fixed) = kind {
                let most = digits_in(fixed.size);
                if precision > most {
                    return refuse(format!(
                        "fixed({}) cannot store {precision} digits (max {most})",
                        fixed.size
                    ));
                }
            }
        }
        return match kind {
            Kind::Bytes | Kind::Fixed(_) => Ok(Some("decimal")),
            _ => refuse("Logical type decimal must be backed by fixed or bytes".to_owned()),
        };
    } else if is_named(schema, TIME) {
        ("time-millis", "int")
    } else if is_named(schema, TIMESTAMP) {
        ("timestamp-millis", "long")
    } else if is_named(schema, DATE) {
        ("date", "int")
    } else {
        return Ok(None);
    };
    let (name, backing) = expected;
    match (kind, backing) {
        (Kind::Int, "int") | (Kind::Long, "long") => Ok(Some(name)),
        _ => refuse(format!("Logical type {name} must be backed by {backing}")),
    }
}

/// Decimal digits that always fit a two's complement of so many bytes.
fn digits_in(size: usize) -> i64 {
    let bits = (8 * size).saturating_sub(1);
    (bits as f64 * std::f64::consts::LOG10_2).floor() as i64
}
