//! What a type's properties and its place say about the Connect schema that is made of it.

use super::{
    AVRO_PREFIX, AvroDataSettings, CONNECT_DEFAULT, CONNECT_DOC, CONNECT_NAME, CONNECT_PARAMETERS,
    CONNECT_RECORD_DOC, CONNECT_VERSION, DEFAULT_FULL_NAME, FIELD_DEFAULT, default_from_avro,
};
use crate::json;
use crate::model::{AvroType, Kind, TypeId};
use crate::names::Name;
use crate::schema::AvroSchema;
use millstream_core::schema::DECIMAL;
use millstream_core::{RecordError, Schema};
use serde_json::Value as Json;

/// The doc of the type, or of its place where that counts.
pub(super) fn set_doc(
    schema: &mut Schema,
    avro: &AvroType,
    place: Option<&str>,
    settings: &AvroDataSettings,
) {
    let own = match &avro.kind {
        Kind::Record(record) => record.doc.as_deref(),
        Kind::Enum(of) => of.doc.as_deref(),
        Kind::Fixed(fixed) => fixed.doc.as_deref(),
        _ => None,
    };
    let connect = avro.text(CONNECT_DOC);
    if !settings.discard_type_doc_default {
        schema.doc = connect
            .filter(|_| settings.connect_meta_data)
            .map(str::to_owned);
        return;
    }
    schema.doc = place.or(own).or(connect).map(str::to_owned);
    if let Some(own) = own.filter(|_| settings.connect_meta_data) {
        set_parameter(schema, CONNECT_RECORD_DOC, own);
    }
}

pub(super) fn set_parameters(
    schema: &mut Schema,
    avro: &AvroType,
    settings: &AvroDataSettings,
) -> Result<(), RecordError> {
    let stored = avro.properties.get(CONNECT_PARAMETERS);
    if let Some(stored) = stored.filter(|_| settings.connect_meta_data) {
        let Json::Object(stored) = stored else {
            return Err(RecordError::data(format!(
                "Expected JSON object for schema parameters but found: {stored}"
            )));
        };
        for (key, value) in stored {
            let Json::String(value) = value else {
                return Err(RecordError::data(format!(
                    "Expected schema parameter values to be strings but found: {value}"
                )));
            };
            set_parameter(schema, key, value);
        }
    }
    for (key, value) in &avro.properties {
        if key.starts_with(AVRO_PREFIX) {
            set_parameter(schema, key, text_of(value));
        }
    }
    Ok(())
}

/// The default of the place, or of the type.
pub(super) fn set_default(
    schema: &mut Schema,
    (avro, id): (&AvroSchema, TypeId),
    of_field: Option<&Json>,
    settings: &AvroDataSettings,
) {
    let own = avro[id].properties.get(CONNECT_DEFAULT);
    if of_field.is_some()
        && own.is_none()
        && !settings.discard_type_doc_default
        && settings.connect_meta_data
    {
        set_parameter(schema, FIELD_DEFAULT, "true");
    }
    let Some(default) = of_field.or(own) else {
        return;
    };
    // Java leaves out a default that does not fit, and says so in its log.
    schema.default = default_from_avro::value(avro, id, default, schema, settings)
        .filter(|value| !value.is_null());
}

pub(super) fn set_version(
    schema: &mut Schema,
    avro: &AvroType,
    registered: Option<i32>,
) -> Result<(), RecordError> {
    let version = match avro.properties.get(CONNECT_VERSION) {
        Some(Json::Number(number)) => Some(number.as_f64().unwrap_or_default() as i32),
        Some(other) => {
            let message = format!("Invalid Connect version found: {other}");
            return Err(RecordError::data(message));
        }
        None => registered,
    };
    match (schema.version, version.filter(|version| *version >= 0)) {
        (Some(own), Some(version)) if own != version => Err(RecordError::data(format!(
            "Mismatched versions: version already added to SchemaBuilder ({own}) differs from version in source schema ({version})"
        ))),
        (own, version) => {
            schema.version = own.or(version);
            Ok(())
        }
    }
}

pub(super) fn set_name(schema: &mut Schema, avro: &AvroType) -> Result<(), RecordError> {
    let name = match avro.properties.get(CONNECT_NAME) {
        Some(Json::String(name)) => Some(name.clone()),
        Some(other) => return Err(RecordError::data(format!("Invalid schema name: {other}"))),
        // A decimal on fixed is a decimal.
        None if matches!(avro.kind, Kind::Fixed(_)) && schema.is_logical(DECIMAL) => None,
        None => avro.name().map(Name::full),
    };
    let Some(name) = name.filter(|name| !name.starts_with(DEFAULT_FULL_NAME)) else {
        return Ok(());
    };
    match &schema.name {
        Some(own) if *own != name => Err(RecordError::data(format!(
            "Mismatched names: name already added to SchemaBuilder ({own}) differs from name in source schema ({name})"
        ))),
        _ => {
            schema.name = Some(name);
            Ok(())
        }
    }
}

pub(super) fn set_parameter(schema: &mut Schema, key: &str, value: impl Into<String>) {
    let parameters = schema.parameters.get_or_insert_default();
    parameters.insert(key.to_owned(), value.into());
}

fn text_of(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => {
            let mut text = Vec::new();
            json::write(&mut text, other);
            String::from_utf8_lossy(&text).into_owned()
        }
    }
}
