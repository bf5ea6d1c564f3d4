//! Values and schemas of the recordings' format: every value carries its Connect type.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use indexmap::IndexMap;
use millstream_core::{
    Decimal, Field, Map, Schema, SchemaAndValue, SchemaRef, SchemaType, Struct, Text, Value,
};
use num_bigint::BigInt;
use serde_json::Value as Json;
use std::sync::Arc;

/// A schema; `null` is schemaless.
///
/// # Panics
/// If the text is not of the format.
pub fn schema(json: &Json) -> Option<SchemaRef> {
    if json.is_null() {
        return None;
    }
    let kind = match text(&json["type"]) {
        "int8" => SchemaType::Int8,
        "int16" => SchemaType::Int16,
        "int32" => SchemaType::Int32,
        "int64" => SchemaType::Int64,
        "float" | "float32" => SchemaType::Float32,
        "double" | "float64" => SchemaType::Float64,
        "boolean" => SchemaType::Boolean,
        "string" => SchemaType::String,
        "bytes" => SchemaType::Bytes,
        "array" => SchemaType::Array,
        "map" => SchemaType::Map,
        "struct" => SchemaType::Struct,
        other => panic!("unknown schema type {other}"),
    };
    let mut schema = Schema::of(kind);
    schema.optional = json["optional"].as_bool().unwrap_or(false);
    schema.name = json["name"].as_str().map(str::to_owned);
    schema.version = json["version"].as_i64().map(|v| v as i32);
    schema.doc = json["doc"].as_str().map(str::to_owned);
    schema.parameters = json["parameters"].as_object().map(|pairs| {
        pairs
            .iter()
            .map(|(k, v)| (k.clone(), text(v).to_owned()))
            .collect::<IndexMap<_, _>>()
    });
    schema.fields = json["fields"].as_array().map_or_else(Vec::new, |fields| {
        fields
            .iter()
            .map(|field| Field {
                name: text(&field["field"]).to_owned(),
                schema: self::schema(&field["schema"]).expect("a field has a schema"),
            })
            .collect()
    });
    schema.recursive = json["recursive"].as_bool().unwrap_or(false);
    schema.key_schema = self::schema(&json["keys"]);
    schema.value_schema = self::schema(&json["values"]);
    if !json["default"].is_null() {
        let own = Arc::new(schema.clone());
        schema.default = Some(value(&json["default"], Some(&own)));
    }
    Some(Arc::new(schema))
}

/// A value; a struct takes its own schema if the case gives one, else that of its place.
///
/// # Panics
/// If the text is not of the format, or a struct has no schema.
pub fn value(json: &Json, place: Option<&SchemaRef>) -> Value {
    value_inside(json, place, None)
}

/// `outer` is the struct that encloses the value.
fn value_inside(json: &Json, place: Option<&SchemaRef>, outer: Option<&SchemaRef>) -> Value {
    let Some((tag, inner)) = json.as_object().and_then(|o| o.iter().next()) else {
        assert!(json.is_null(), "{json} is not a value");
        return Value::Null;
    };
    let integer = || {
        inner
            .as_i64()
            .or_else(|| text(inner).parse().ok())
            .expect("an integer")
    };
    match tag.as_str() {
        "boolean" => Value::Boolean(inner.as_bool().expect("a boolean")),
        "int8" => Value::Int8(integer() as i8),
        "int16" => Value::Int16(integer() as i16),
        "int32" => Value::Int32(integer() as i32),
        "int64" => Value::Int64(integer()),
        "float32" => Value::Float32(match text(inner) {
            "NaN" => f32::NAN,
            "Infinity" => f32::INFINITY,
            "-Infinity" => f32::NEG_INFINITY,
            plain => plain.parse().expect("a number"),
        }),
        "float64" => Value::Float64(float(inner)),
        "string" => Value::String(Text::from(text(inner))),
        "bytes" => Value::Bytes(bytes_of(inner)),
        "decimal" => Value::Decimal(Decimal {
            unscaled: text(&inner["unscaled"])
                .parse::<BigInt>()
                .expect("an integer"),
            scale: inner["scale"].as_i64().expect("a scale") as i32,
        }),
        "date" => Value::Date(integer() * 86_400_000),
        "time" | "timestamp" => Value::Date(integer()),
        "array" => {
            let element = place.and_then(|s| s.value_schema.as_ref());
            Value::Array(
                inner
                    .as_array()
                    .expect("a list")
                    .iter()
                    .map(|v| value_inside(v, element, outer))
                    .collect(),
            )
        }
        "map" => {
            let keys = place.and_then(|s| s.key_schema.as_ref());
            let values = place.and_then(|s| s.value_schema.as_ref());
            let pairs = inner.as_array().expect("pairs");
            Value::Map(Map::linked(pairs.iter().map(|p| {
                (
                    value_inside(&p[0], keys, outer),
                    value_inside(&p[1], values, outer),
                )
            })))
        }
        "struct" => {
            let place = place.filter(|place| !place.recursive).or(outer);
            let schema = self::schema(&json["schema"])
                .or_else(|| place.cloned())
                .expect("a struct has a schema");
            let mut record = Struct::new(schema.clone());
            for (name, v) in inner.as_object().expect("fields") {
                let index = schema.field_index(name).expect("a field of the schema");
                let place = Some(&schema.fields[index].schema);
                record.values[index] = value_inside(v, place, Some(&schema));
            }
            Value::Struct(Box::new(record))
        }
        other => panic!("unknown value tag {other}"),
    }
}

/// `{"schema":S,"value":tv}`.
pub fn schema_and_value(json: &Json) -> SchemaAndValue {
    let schema = schema(&json["schema"]);
    let value = value(&json["value"], schema.as_ref());
    SchemaAndValue { schema, value }
}

/// Whether two values with their schemas are the same: maps as sets of pairs, everything else in order.
pub fn records_equal(actual: &SchemaAndValue, expected: &SchemaAndValue) -> bool {
    actual == expected
}

/// Base64 text as bytes.
///
/// # Panics
/// If it is not base64.
pub fn bytes_of(json: &Json) -> Bytes {
    Bytes::from(STANDARD.decode(text(json)).expect("base64"))
}

fn text(json: &Json) -> &str {
    json.as_str()
        .unwrap_or_else(|| panic!("{json} is not a string"))
}

/// A floating-point number as Java prints it.
fn float(json: &Json) -> f64 {
    match text(json) {
        "NaN" => f64::NAN,
        "Infinity" => f64::INFINITY,
        "-Infinity" => f64::NEG_INFINITY,
        plain => plain.parse().expect("a number"),
    }
}
