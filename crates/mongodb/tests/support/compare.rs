//! Documents as canonical extended JSON, compared with recordings in which generated values are marked.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bson::{Bson, Document};
use serde_json::{Map, Value as Json, json};
use std::collections::HashMap;

/// Canonical extended JSON, field order kept.
pub(crate) fn canonical(value: &Bson) -> Json {
    match value {
        Bson::Double(v) => json!({"$numberDouble": v.to_string()}),
        Bson::String(v) => json!(v),
        Bson::Array(items) => Json::Array(items.iter().map(canonical).collect()),
        Bson::Document(document) => canonical_document(document),
        Bson::Boolean(v) => json!(v),
        Bson::Null => Json::Null,
        Bson::RegularExpression(v) => {
            json!({"$regularExpression": {"pattern": v.pattern.as_str(), "options": v.options.as_str()}})
        }
        Bson::JavaScriptCode(v) => json!({"$code": v}),
        Bson::JavaScriptCodeWithScope(v) => {
            json!({"$code": v.code, "$scope": canonical_document(&v.scope)})
        }
        Bson::Int32(v) => json!({"$numberInt": v.to_string()}),
        Bson::Int64(v) => json!({"$numberLong": v.to_string()}),
        Bson::Timestamp(v) => json!({"$timestamp": {"t": v.time, "i": v.increment}}),
        Bson::Binary(v) => json!({"$binary": {"base64": STANDARD.encode(&v.bytes),
            "subType": format!("{:02x}", u8::from(v.subtype))}}),
        Bson::ObjectId(v) => json!({"$oid": v.to_hex()}),
        Bson::DateTime(v) => json!({"$date": {"$numberLong": v.timestamp_millis().to_string()}}),
        Bson::Symbol(v) => json!({"$symbol": v}),
        Bson::Decimal128(v) => json!({"$numberDecimal": v.to_string()}),
        Bson::Undefined => json!({"$undefined": true}),
        Bson::MaxKey => json!({"$maxKey": 1}),
        Bson::MinKey => json!({"$minKey": 1}),
        Bson::DbPointer(_) => json!({"$dbPointer": {}}),
    }
}

pub(crate) fn canonical_document(document: &Document) -> Json {
    let members: Map<String, Json> = document
        .iter()
        .map(|(name, value)| (name.clone(), canonical(value)))
        .collect();
    Json::Object(members)
}

/// Compares with a recording; equal marks must stand for equal values.
#[derive(Clone, Default)]
pub(crate) struct Comparison {
    generated: HashMap<String, Json>,
}

impl Comparison {
    pub(crate) fn same(&mut self, actual: &Json, expected: &Json) -> bool {
        match (actual, expected) {
            (_, Json::Object(mark)) if mark.contains_key("$generated") => {
                let mark = mark["$generated"].as_str().unwrap();
                is_of_kind(actual, mark)
                    && self
                        .generated
                        .entry(mark.to_owned())
                        .or_insert(actual.clone())
                        == actual
            }
            (Json::Object(a), Json::Object(b)) => {
                if let (Some(a), Some(b)) = (number(a), number(b)) {
                    return a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
                }
                a.len() == b.len()
                    && a.iter()
                        .zip(b)
                        .all(|((n, x), (m, y))| n == m && self.same(x, y))
            }
            (Json::Array(a), Json::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(x, y)| self.same(x, y))
            }
            _ => actual == expected,
        }
    }
}

fn number(object: &Map<String, Json>) -> Option<f64> {
    match object.get("$numberDouble")?.as_str()? {
        "NaN" => Some(f64::NAN),
        "Infinity" | "inf" => Some(f64::INFINITY),
        "-Infinity" | "-inf" => Some(f64::NEG_INFINITY),
        plain => plain.parse().ok(),
    }
}

fn is_of_kind(actual: &Json, mark: &str) -> bool {
    match mark.split('#').next().unwrap() {
        "objectId" => actual.get("$oid").is_some(),
        "uuidString" => actual.as_str().is_some_and(|text| text.len() == 36),
        "uuidBinary" => actual["$binary"]["subType"] == "04",
        "now" => actual.get("$date").is_some(),
        other => panic!("unknown mark {other}"),
    }
}
