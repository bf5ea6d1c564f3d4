//! Schema compatibility: whether a record may join a file that was begun with another schema, and in which form.

use crate::schemas::same_schema;
use millstream_core::{Field, Map, RecordError, Schema, SchemaRef, SchemaType, Struct, Value};
use std::collections::HashSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compatibility {
    None,
    Backward,
    Forward,
    Full,
}

pub(crate) const PROJECTOR_EXCEPTION: &str =
    "org.apache.kafka.connect.errors.SchemaProjectorException";

impl Compatibility {
    /// Any other text is NONE, as in the original.
    pub(crate) fn new(name: &str) -> Self {
        match name {
            "BACKWARD" => Compatibility::Backward,
            "FORWARD" => Compatibility::Forward,
            "FULL" => Compatibility::Full,
            _ => Compatibility::None,
        }
    }

    /// Whether files may hold records of other schemas, brought into theirs.
    pub(crate) fn projects(self) -> bool {
        self != Compatibility::None
    }

    fn name(self) -> &'static str {
        match self {
            Compatibility::None => "NONE",
            Compatibility::Backward => "BACKWARD",
            Compatibility::Forward => "FORWARD",
            Compatibility::Full => "FULL",
        }
    }

    /// Whether a record of one schema fits a file of another.
    pub(crate) fn fits(
        self,
        file: Option<&SchemaRef>,
        record: Option<&SchemaRef>,
    ) -> Result<bool, RecordError> {
        let (file, record) = match (file, record) {
            (Some(file), Some(record)) => (file, record),
            (None, None) => return Ok(true),
            _ => return Ok(false),
        };
        if same_schema(file, record) {
            return Ok(true);
        }
        if self == Compatibility::None {
            return Ok(false);
        }
        let (Some(file_version), Some(version)) = (file.version, record.version) else {
            return Err(RecordError::new(
                PROJECTOR_EXCEPTION,
                format!("Schema version required for {} compatibility", self.name()),
            ));
        };
        let versions_fit = match self {
            Compatibility::Forward => version >= file_version,
            _ => version <= file_version,
        };
        Ok(versions_fit && projects(record, file))
    }
}

/// Whether values of one schema can be brought into the other.
fn projects(from: &Schema, to: &Schema) -> bool {
    let kinds_fit = from.kind == to.kind || widens(from.kind, to.kind);
    let is_optional_fit = !from.optional || to.optional || to.default.is_some();
    if !kinds_fit || from.name != to.name || !is_optional_fit || !parameters_fit(from, to) {
        return false;
    }
    let nested = |from: &Option<SchemaRef>, to: &Option<SchemaRef>| match (from, to) {
        (Some(from), Some(to)) => projects(from, to),
        _ => true,
    };
    nested(&from.key_schema, &to.key_schema)
        && nested(&from.value_schema, &to.value_schema)
        && to.fields.iter().all(|field| field_fits(from, field))
}

fn field_fits(from: &Schema, to: &Field) -> bool {
    match from.field_index(&to.name) {
        Some(index) => projects(&from.fields[index].schema, &to.schema),
        None => to.schema.optional || to.schema.default.is_some(),
    }
}

/// The order in which numbers widen.
const WIDENING: [SchemaType; 6] = [
    SchemaType::Int8,
    SchemaType::Int16,
    SchemaType::Int32,
    SchemaType::Int64,
    SchemaType::Float32,
    SchemaType::Float64,
];

fn widens(from: SchemaType, to: SchemaType) -> bool {
    let rank = |kind| WIDENING.iter().position(|&known| known == kind);
    matches!((rank(from), rank(to)), (Some(from), Some(to)) if from < to)
}

const ENUMS: [&str; 2] = [
    "io.confluent.connect.avro.Enum",
    "org.apache.kafka.connect.data.Enum",
];

fn parameters_fit(from: &Schema, to: &Schema) -> bool {
    let of = |schema: &Schema| -> HashSet<(String, String)> {
        let parameters = schema.parameters.iter().flatten();
        parameters
            .filter(|(key, _)| !is_documentation(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    };
    let (from, to) = (of(from), of(to));
    let is_enum =
        |set: &HashSet<(String, String)>| set.iter().any(|(key, _)| ENUMS.contains(&key.as_str()));
    if is_enum(&from) && is_enum(&to) {
        return from.is_subset(&to);
    }
    from == to
}

fn is_documentation(key: &str) -> bool {
    matches!(
        key,
        "connect.record.doc" | "connect.record.aliases" | "connect.record.namespace"
    ) || key.starts_with("io.confluent.connect.avro.field.doc.")
}

/// A value brought into the schema of its file.
pub(crate) fn project(value: &Value, to: &SchemaRef) -> Value {
    match value {
        Value::Null => match &to.default {
            Some(default) if !to.optional => default.clone(),
            _ => Value::Null,
        },
        Value::Struct(record) => {
            let mut projected = Struct::new(SchemaRef::clone(to));
            for (index, field) in to.fields.iter().enumerate() {
                projected.values[index] = match record.schema.field_index(&field.name) {
                    Some(from) => project(&record.values[from], &field.schema),
                    None => project(&Value::Null, &field.schema),
                };
            }
            Value::Struct(Box::new(projected))
        }
        Value::Array(items) => match &to.value_schema {
            Some(element) => Value::Array(items.iter().map(|v| project(v, element)).collect()),
            None => value.clone(),
        },
        Value::Map(map) => match (&to.key_schema, &to.value_schema) {
            (Some(keys), Some(values)) => Value::Map(Map::hashed(
                map.iter()
                    .map(|(k, v)| (project(k, keys), project(v, values))),
            )),
            _ => value.clone(),
        },
        number => widen(number, to.kind),
    }
}

fn widen(value: &Value, to: SchemaType) -> Value {
    let integer = match value {
        Value::Int8(v) => i64::from(*v),
        Value::Int16(v) => i64::from(*v),
        Value::Int32(v) => i64::from(*v),
        Value::Int64(v) => *v,
        Value::Float32(v) if to == SchemaType::Float64 => return Value::Float64((*v).into()),
        other => return other.clone(),
    };
    match to {
        SchemaType::Int16 => Value::Int16(integer as i16),
        SchemaType::Int32 => Value::Int32(integer as i32),
        SchemaType::Int64 => Value::Int64(integer),
        SchemaType::Float32 => Value::Float32(integer as f32),
        SchemaType::Float64 => Value::Float64(integer as f64),
        _ => value.clone(),
    }
}
