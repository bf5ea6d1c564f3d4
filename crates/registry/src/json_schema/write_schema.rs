//! From Connect's schema to a JSON Schema, with what Connect alone knows in properties of its own.

use super::Options;
use super::union::{
    CONNECT_INDEX, CONNECT_PARAMETERS, CONNECT_TYPE, CONNECT_VERSION, DEEPEST, ENUM,
    GENERALIZED_ENUM, KEY, NAMESPACE, NULL_MARKER, VALUE, enum_parameter, has_parameter,
    has_text_keys, is_union,
};
use super::write_value;
use millstream_core::schema::DECIMAL;
use millstream_core::{RecordError, Schema, SchemaRef, SchemaType};
use millstream_java::json::DecimalFormat;
use serde_json::{Map, Value as Json, json};

/// The document.
///
/// # Errors
/// A `DataException` for what JSON Schema cannot say.
pub(super) fn write(schema: &SchemaRef, options: &Options) -> Result<Json, RecordError> {
    place(schema, None, schema.optional, options, 0)
}

/// A schema at its place; one that `is_optional` there may also be null.
fn place(
    schema: &Schema,
    index: Option<usize>,
    is_optional: bool,
    options: &Options,
    depth: usize,
) -> Result<Json, RecordError> {
    if depth > DEEPEST {
        return Err(RecordError::data(format!(
            "the schema is nested more than {DEEPEST} levels deep"
        )));
    }
    let mut document = match is_union(schema) {
        true => union(schema, is_optional, options, depth)?,
        false => {
            let own = described(schema, options, depth)?;
            match is_optional {
                true => {
                    let either = json!([{"type": "null"}, own]);
                    Map::from_iter([("oneOf".to_owned(), either)])
                }
                false => own,
            }
        }
    };
    if let Some(index) = index {
        document.insert(CONNECT_INDEX.to_owned(), index.into());
    }
    Ok(Json::Object(document))
}

fn union(
    schema: &Schema,
    is_optional: bool,
    options: &Options,
    depth: usize,
) -> Result<Map<String, Json>, RecordError> {
    let mut branches = Vec::new();
    if is_optional {
        branches.push(json!({"type": "null"}));
    }
    for (index, field) in schema.fields.iter().enumerate() {
        branches.push(place(
            &field.schema,
            Some(index),
            false,
            options,
            depth + 1,
        )?);
    }
    Ok(Map::from_iter([(
        "oneOf".to_owned(),
        Json::Array(branches),
    )]))
}

fn described(
    schema: &Schema,
    options: &Options,
    depth: usize,
) -> Result<Map<String, Json>, RecordError> {
    let mut document = typed(schema, options, depth)?;
    let mut put = |key: &str, value: Json| document.insert(key.to_owned(), value);
    if let Some(name) = &schema.name {
        put("title", name.as_str().into());
    }
    if let Some(doc) = &schema.doc {
        put("description", doc.as_str().into());
    }
    if let Some(default) = &schema.default {
        let mut text = Vec::new();
        write_value::write(&mut text, schema, default, options)?;
        let default = serde_json::from_slice(&text);
        put(
            "default",
            default.map_err(|_| RecordError::data("Invalid default value"))?,
        );
    }
    if let Some(version) = schema.version {
        put(CONNECT_VERSION, version.into());
    }
    let parameters = schema.parameters.iter().flatten();
    let parameters = parameters.filter(|(key, _)| !key.starts_with(NAMESPACE));
    let parameters: Map<String, Json> = parameters
        .map(|(key, value)| (key.clone(), value.as_str().into()))
        .collect();
    if !parameters.is_empty() {
        put(CONNECT_PARAMETERS, Json::Object(parameters));
    }
    Ok(document)
}

fn typed(
    schema: &Schema,
    options: &Options,
    depth: usize,
) -> Result<Map<String, Json>, RecordError> {
    let inner = |inner: &Option<SchemaRef>, index| match inner {
        Some(inner) => place(inner, index, inner.optional, options, depth + 1),
        None => Err(RecordError::data(
            "a list or map has no schema of what is in it",
        )),
    };
    let is_enum = has_parameter(schema, ENUM) || has_parameter(schema, GENERALIZED_ENUM);
    let document = match schema.kind {
        SchemaType::Int8 => json!({"type": "integer", CONNECT_TYPE: "int8"}),
        SchemaType::Int16 => json!({"type": "integer", CONNECT_TYPE: "int16"}),
        SchemaType::Int32 => json!({"type": "integer", CONNECT_TYPE: "int32"}),
        SchemaType::Int64 => json!({"type": "integer", CONNECT_TYPE: "int64"}),
        SchemaType::Float32 => json!({"type": "number", CONNECT_TYPE: "float32"}),
        SchemaType::Float64 => json!({"type": "number", CONNECT_TYPE: "float64"}),
        SchemaType::Boolean => json!({"type": "boolean"}),
        SchemaType::String if is_enum => json!({"enum": symbols(schema, options)}),
        SchemaType::String => json!({"type": "string"}),
        SchemaType::Bytes => {
            let is_number =
                schema.is_logical(DECIMAL) && options.decimal_format == DecimalFormat::Numeric;
            let kind = if is_number { "number" } else { "string" };
            json!({"type": kind, CONNECT_TYPE: "bytes"})
        }
        SchemaType::Array => json!({"type": "array", "items": inner(&schema.value_schema, None)?}),
        SchemaType::Map if has_text_keys(schema) => json!({
            "type": "object",
            "additionalProperties": inner(&schema.value_schema, None)?,
            CONNECT_TYPE: "map",
        }),
        SchemaType::Map => {
            let entry = json!({
                KEY: inner(&schema.key_schema, Some(0))?,
                VALUE: inner(&schema.value_schema, Some(1))?,
            });
            json!({
                "type": "array",
                "items": {"type": "object", "properties": entry},
                CONNECT_TYPE: "map",
            })
        }
        SchemaType::Struct if schema.recursive => {
            return Err(RecordError::data(format!(
                "the schema {} refers to itself, which is not written as JSON Schema",
                schema.name.as_deref().unwrap_or_default()
            )));
        }
        SchemaType::Struct => {
            let mut properties = Map::new();
            for (index, field) in schema.fields.iter().enumerate() {
                let is_optional = field.schema.optional;
                let property = place(&field.schema, Some(index), is_optional, options, depth + 1)?;
                properties.insert(field.name.clone(), property);
            }
            let mut document = json!({"type": "object", "properties": properties});
            if !options.allows_additional_properties {
                document["additionalProperties"] = false.into();
            }
            document
        }
    };
    match document {
        Json::Object(document) => Ok(document),
        _ => Ok(Map::new()),
    }
}

fn symbols(schema: &Schema, options: &Options) -> Vec<Json> {
    let prefix = format!("{}.", enum_parameter(options));
    let parameters = schema.parameters.iter().flatten();
    let symbols = parameters.filter_map(|(key, _)| key.strip_prefix(&prefix));
    symbols
        .map(|symbol| match symbol {
            NULL_MARKER => Json::Null,
            symbol => symbol.into(),
        })
        .collect()
}
