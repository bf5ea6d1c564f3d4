//! The specification of casts: `field:type` items, or one type for the whole.

use millstream_core::config::Parsed;
use millstream_core::config::validator::invalid;
use millstream_core::{Map, SchemaType, Value};

pub(super) enum Casts {
    Whole(SchemaType),
    /// In the order of Java's hash map.
    Fields(Vec<(String, SchemaType)>),
}

impl Casts {
    /// The error is Java's text, quirks included.
    pub(super) fn parse(items: &[String]) -> Result<Self, String> {
        let mut whole = None;
        let mut fields: Vec<(String, SchemaType)> = Vec::new();
        for item in items {
            // As Java's `split`, which drops empty parts at the end.
            let parts: Vec<&str> = item.trim_end_matches(':').split(':').collect();
            match parts[..] {
                [kind] => whole = Some(cast_type(kind)?),
                [field, kind] => {
                    let kind = cast_type(kind)?;
                    let field = field.trim().to_owned();
                    fields.retain(|(known, _)| *known != field);
                    fields.push((field, kind));
                }
                _ => {
                    let value = Parsed::List(items.to_vec());
                    let why = format!("Invalid rename mapping: {item}");
                    return Err(invalid("renames", Some(&value), &why));
                }
            }
        }
        match whole {
            Some(_) if items.len() > 1 => Err(
                "Cast transformations that specify a type to cast the entire value to may only specify a single \
                 cast in their spec"
                    .to_owned(),
            ),
            Some(kind) => Ok(Casts::Whole(kind)),
            None => Ok(Casts::Fields(in_java_order(fields))),
        }
    }

    /// The type a field is to get.
    pub(super) fn of(&self, name: &str) -> Option<SchemaType> {
        match self {
            Casts::Whole(_) => None,
            Casts::Fields(fields) => {
                let found = fields.iter().find(|(field, _)| field == name);
                found.map(|(_, kind)| *kind)
            }
        }
    }
}

fn in_java_order(fields: Vec<(String, SchemaType)>) -> Vec<(String, SchemaType)> {
    let places = fields.iter().enumerate();
    let places =
        places.map(|(place, (name, _))| (Value::from(name.as_str()), Value::Int64(place as i64)));
    let map = Map::hashed(places);
    let order = map.iter().filter_map(|(_, place)| match place {
        Value::Int64(place) => Some(fields[*place as usize].clone()),
        _ => None,
    });
    order.collect()
}

fn cast_type(text: &str) -> Result<SchemaType, String> {
    let text = text.trim();
    let upper = text.to_uppercase();
    let kind = match upper.as_str() {
        "INT8" => SchemaType::Int8,
        "INT16" => SchemaType::Int16,
        "INT32" => SchemaType::Int32,
        "INT64" => SchemaType::Int64,
        "FLOAT32" => SchemaType::Float32,
        "FLOAT64" => SchemaType::Float64,
        "BOOLEAN" => SchemaType::Boolean,
        "STRING" => SchemaType::String,
        "BYTES" | "ARRAY" | "MAP" | "STRUCT" => {
            return Err(format!(
                "Cast transformation does not support casting to {upper}; supported types are [INT8, INT16, INT32, \
                 INT64, FLOAT32, FLOAT64, BOOLEAN, STRING]"
            ));
        }
        _ => {
            return Err(format!(
                "Invalid value java.lang.IllegalArgumentException: No enum constant \
                 org.apache.kafka.connect.data.Schema.Type.{upper} for configuration Invalid type found in casting \
                 spec: {text}"
            ));
        }
    };
    Ok(kind)
}

/// The check of the key `spec`.
pub(super) fn check_spec(_name: &str, value: Option<&Parsed>) -> Result<(), String> {
    match value {
        Some(Parsed::List(items)) if !items.is_empty() => Casts::parse(items).map(|_| ()),
        _ => Err("Must specify at least one field to cast.".to_owned()),
    }
}
