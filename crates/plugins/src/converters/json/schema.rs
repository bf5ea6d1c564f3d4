//! Schemas as JSON: the object beside the payload, read and written.

use super::node::Node;
use super::read::coerce;
use millstream_core::rejected::SCHEMA_BUILDER_EXCEPTION;
use millstream_core::value::missing;
use millstream_core::{Field, RecordError, Schema, SchemaRef, SchemaType};
use millstream_java::json::{self as java_json, ConnectJson};
use std::sync::Arc;

/// Reads a schema object; JSON's null is "no schema".
pub(super) fn read_schema(node: &Node) -> Result<Option<SchemaRef>, RecordError> {
    if node.is_null() {
        return Ok(None);
    }
    let Some(Node::String(name)) = node.get("type") else {
        return Err(RecordError::data("Schema must contain 'type' field"));
    };
    let kind = KINDS.iter().find(|(_, text)| name == *text);
    let Some(&(kind, _)) = kind else {
        return Err(RecordError::data(format!("Unknown schema type: {name}")));
    };
    let mut schema = Schema::of(kind);
    let part = |member: &str, message: &str| match node.get(member).map(read_schema) {
        Some(Ok(Some(schema))) => Ok(Some(schema)),
        Some(Err(error)) => Err(error),
        _ => Err(RecordError::data(message)),
    };
    match kind {
        SchemaType::Array => {
            schema.value_schema = part("items", "Array schema did not specify the element type")?;
        }
        SchemaType::Map => {
            schema.key_schema = part("keys", "Map schema did not specify the key type")?;
            schema.value_schema = part("values", "Map schema did not specify the value type")?;
        }
        SchemaType::Struct => schema.fields = read_fields(node)?,
        _ => {}
    }
    schema.optional = matches!(node.get("optional"), Some(Node::Boolean(true)));
    schema.name = text_of(node.get("name"));
    if let Some(Node::Integer(version)) = node.get("version") {
        schema.version = Some(*version as i32);
    }
    schema.doc = text_of(node.get("doc"));
    if let Some(Node::Object(parameters)) = node.get("parameters") {
        let mut pairs = indexmap::IndexMap::new();
        for (key, value) in parameters {
            let Some(value) = text_of(Some(value)) else {
                return Err(RecordError::data(
                    "Schema parameters must have string values.",
                ));
            };
            pairs.insert(key.to_string(), value);
        }
        // Java's builder keeps no map without entries.
        schema.parameters = (!pairs.is_empty()).then_some(pairs);
    }
    match node.get("default") {
        None | Some(Node::Null) => {}
        Some(default) => {
            let own = Arc::new(schema.clone());
            let value = coerce(&own, Some(default), true)?;
            let why = match (kind, missing(&own, &value)) {
                // Java compares the default's schema with the unfinished one, which never agree.
                (SchemaType::Struct, _) => Some("Struct schemas do not match.".to_owned()),
                (_, Some((place, kind))) => Some(format!(
                    "Invalid value: null used for required {place}value, schema type: {}",
                    kind.java_name()
                )),
                (_, None) => None,
            };
            if let Some(why) = why {
                let refused = RecordError::new(SCHEMA_BUILDER_EXCEPTION, "Invalid default value");
                return Err(refused.caused_by(RecordError::data(why)));
            }
            schema.default = Some(value).filter(|value| !value.is_null());
        }
    }
    Ok(Some(Arc::new(schema)))
}

fn read_fields(node: &Node) -> Result<Vec<Field>, RecordError> {
    let Some(Node::Array(items)) = node.get("fields") else {
        return Err(RecordError::data(
            "Struct schema's \"fields\" argument is not an array.",
        ));
    };
    let mut fields: Vec<Field> = Vec::with_capacity(items.len());
    for item in items {
        let Some(name) = text_of(item.get("field")) else {
            return Err(RecordError::data(
                "Struct schema's field name not specified properly",
            ));
        };
        let schema = read_schema(item)?
            .ok_or_else(|| RecordError::data("Schema must contain 'type' field"))?;
        let refused = |message: String| Err(RecordError::new(SCHEMA_BUILDER_EXCEPTION, message));
        if name.is_empty() {
            return refused("fieldName cannot be null.".to_owned());
        }
        if fields.iter().any(|field| field.name == name) {
            return refused(format!(
                "Cannot create field because of field name duplication {name}"
            ));
        }
        fields.push(Field { name, schema });
    }
    Ok(fields)
}

fn text_of(node: Option<&Node>) -> Option<String> {
    match node {
        Some(Node::String(text)) => Some(text.to_string()),
        _ => None,
    }
}

const KINDS: &[(SchemaType, &str)] = &[
    (SchemaType::Int8, "int8"),
    (SchemaType::Int16, "int16"),
    (SchemaType::Int32, "int32"),
    (SchemaType::Int64, "int64"),
    (SchemaType::Float32, "float"),
    (SchemaType::Float64, "double"),
    (SchemaType::Boolean, "boolean"),
    (SchemaType::String, "string"),
    (SchemaType::Bytes, "bytes"),
    (SchemaType::Array, "array"),
    (SchemaType::Map, "map"),
    (SchemaType::Struct, "struct"),
];

/// Writes a schema object in Java's order of members; `field` is the name inside a struct.
pub(super) fn write_schema(
    out: &mut Vec<u8>,
    schema: &Schema,
    field: Option<&str>,
    options: ConnectJson,
) -> Result<(), RecordError> {
    let kind = KINDS.iter().find(|(kind, _)| *kind == schema.kind);
    let (_, name) = kind.expect("the table has every type");
    out.extend_from_slice(b"{\"type\":");
    java_json::write_str(out, name);
    match schema.kind {
        SchemaType::Array => write_part(out, "items", schema.value_schema.as_deref(), options)?,
        SchemaType::Map => {
            write_part(out, "keys", schema.key_schema.as_deref(), options)?;
            write_part(out, "values", schema.value_schema.as_deref(), options)?;
        }
        SchemaType::Struct => {
            out.extend_from_slice(b",\"fields\":[");
            for (index, field) in schema.fields.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_schema(out, &field.schema, Some(&field.name), options)?;
            }
            out.push(b']');
        }
        _ => {}
    }
    out.extend_from_slice(if schema.optional {
        b",\"optional\":true"
    } else {
        b",\"optional\":false"
    });
    let text = |out: &mut Vec<u8>, member: &str, value: &str| {
        member_name(out, member);
        java_json::write_str(out, value);
    };
    if let Some(name) = &schema.name {
        text(out, "name", name);
    }
    if let Some(version) = schema.version {
        member_name(out, "version");
        java_json::write_i64(out, version.into());
    }
    if let Some(doc) = &schema.doc {
        text(out, "doc", doc);
    }
    if let Some(parameters) = &schema.parameters {
        member_name(out, "parameters");
        out.push(b'{');
        for (index, (key, value)) in parameters.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            java_json::write_str(out, key);
            out.push(b':');
            java_json::write_str(out, value);
        }
        out.push(b'}');
    }
    if let Some(default) = &schema.default {
        member_name(out, "default");
        java_json::write_connect(out, Some(schema), default, options)?;
    }
    if let Some(field) = field {
        text(out, "field", field);
    }
    out.push(b'}');
    Ok(())
}

fn member_name(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn write_part(
    out: &mut Vec<u8>,
    name: &str,
    schema: Option<&Schema>,
    options: ConnectJson,
) -> Result<(), RecordError> {
    member_name(out, name);
    match schema {
        Some(schema) => write_schema(out, schema, None, options),
        None => {
            out.extend_from_slice(b"null");
            Ok(())
        }
    }
}
