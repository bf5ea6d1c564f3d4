//! FieldPartitioner: folders by the values of fields, `name=value` for each.

use super::failure::{PARTITION_EXCEPTION, cannot_encode};
use crate::config::PARTITION_SCHEMALESS;
use millstream_core::{Map, Payload, RecordBatch, RecordError, SchemaType, Struct, Value};
use std::fmt::Write;

#[derive(Clone, Debug)]
pub(super) struct FieldPartitioner {
    /// The setting that names the fields.
    key: &'static str,
    /// The names as configured, each with its path.
    fields: Vec<(String, Vec<String>)>,
    delim: String,
    /// Whether values without a schema have fields, too.
    takes_schemaless: bool,
}

impl FieldPartitioner {
    pub(super) fn new(
        key: &'static str,
        names: &[String],
        delim: &str,
        takes_schemaless: bool,
    ) -> Self {
        let fields = names.iter().map(|name| (name.clone(), path_of(name)));
        FieldPartitioner {
            key,
            fields: fields.collect(),
            delim: delim.to_owned(),
            takes_schemaless,
        }
    }

    /// The original's words, and what to do about it.
    fn needs_schema(&self) -> RecordError {
        let names: Vec<&str> = self.fields.iter().map(|(name, _)| name.as_str()).collect();
        cannot_encode().caused_by(RecordError::new(
            PARTITION_EXCEPTION,
            format!(
                "{}={} needs values that are structs with a schema; this one is none \
                 (value.converter.schemas.enable=false? {PARTITION_SCHEMALESS}=true takes objects without)",
                self.key,
                names.join(",")
            ),
        ))
    }

    pub(super) fn push(
        &self,
        folder: &mut String,
        batch: &RecordBatch,
        row: usize,
    ) -> Result<(), RecordError> {
        let Payload::Decoded(decoded) = &batch.values else {
            return Err(self.needs_schema());
        };
        let value = &decoded.values[row];
        let is_taken = match value {
            Value::Struct(_) => true,
            Value::Map(_) => self.takes_schemaless,
            _ => false,
        };
        if !is_taken {
            return Err(self.needs_schema());
        }
        for (index, (name, path)) in self.fields.iter().enumerate() {
            if index > 0 {
                folder.push_str(&self.delim);
            }
            folder.push_str(name);
            folder.push('=');
            let found = match value {
                Value::Struct(record) => find(record, path)?,
                Value::Map(map) => find_in_map(map, path),
                _ => None,
            };
            match found {
                Some((kind, value)) => push_value(folder, kind, value)?,
                None => folder.push_str("null"),
            }
        }
        Ok(())
    }
}

/// The names on the way to a field. Java's split drops what is empty at the end.
pub(super) fn path_of(name: &str) -> Vec<String> {
    let path = name.trim_end_matches('.').split('.');
    path.map(str::to_owned).collect()
}

/// The value at the end of a path with its declared type; `None` if it or anything on the way is null.
fn find<'a>(
    record: &'a Struct,
    path: &[String],
) -> Result<Option<(SchemaType, &'a Value)>, RecordError> {
    let mut record = record;
    for (level, name) in path.iter().enumerate() {
        let is_leaf = level + 1 == path.len();
        let Some(index) = record.schema.field_index(name) else {
            let whole = path.join(".");
            return Err(RecordError::data(if is_leaf {
                format!("Field '{whole}' is not present in the schema.")
            } else {
                format!("field '{whole}' is not present in the schema: there is no '{name}'")
            }));
        };
        let value = record.get_at(index);
        match value {
            Value::Null => return Ok(None),
            _ if is_leaf => return Ok(Some((record.schema.fields[index].schema.kind, value))),
            Value::Struct(inner) => record = inner,
            _ => return Err(cannot_encode()),
        }
    }
    Ok(None)
}

/// The same in a value without a schema, whose types are its own. What is not there counts as null.
fn find_in_map<'a>(map: &'a Map, path: &[String]) -> Option<(SchemaType, &'a Value)> {
    let (leaf, way) = path.split_last()?;
    let mut map = map;
    for name in way {
        match map.get_str(name)? {
            Value::Map(inner) => map = inner,
            _ => return None,
        }
    }
    let value = map.get_str(leaf)?;
    let kind = match value {
        Value::Null => return None,
        Value::Int8(_) | Value::Int16(_) | Value::Int32(_) | Value::Int64(_) => SchemaType::Int64,
        Value::String(_) => SchemaType::String,
        Value::Boolean(_) => SchemaType::Boolean,
        // None of those that name folders.
        _ => SchemaType::Struct,
    };
    Some((kind, value))
}

fn push_value(folder: &mut String, kind: SchemaType, value: &Value) -> Result<(), RecordError> {
    match (kind, value) {
        (SchemaType::Int8 | SchemaType::Int16 | SchemaType::Int32 | SchemaType::Int64, value) => {
            match value {
                Value::Int8(_) | Value::Int16(_) | Value::Int32(_) | Value::Int64(_) => {
                    // Writing to a String cannot fail.
                    let _ = write!(folder, "{value}");
                    Ok(())
                }
                _ => Err(no_number(value)),
            }
        }
        (SchemaType::String, Value::String(text)) => {
            folder.push_str(&text.to_java_utf8());
            Ok(())
        }
        (SchemaType::Boolean, Value::Boolean(truth)) => {
            folder.push_str(if *truth { "true" } else { "false" });
            Ok(())
        }
        _ => Err(cannot_encode()),
    }
}

/// What a JVM says of a value that is taken for a number.
pub(super) fn no_number(value: &Value) -> RecordError {
    let class = value.java_class();
    RecordError::new(
        "java.lang.ClassCastException",
        format!(
            "class {class} cannot be cast to class java.lang.Number ({class} and java.lang.Number are in module \
             java.base of loader 'bootstrap')"
        ),
    )
}
