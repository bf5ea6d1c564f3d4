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
    project_inside(value, to, None)
}

/// The structs around a value, from the inside out.
struct Around<'a> {
    schema: &'a SchemaRef,
    outer: Option<&'a Around<'a>>,
}

/// The struct that a schema stands for which refers to one around it.
fn resolved<'a>(to: &'a SchemaRef, around: Option<&'a Around<'a>>) -> &'a SchemaRef {
    let mut place = around;
    while let Some(Around { schema, outer }) = place.filter(|_| to.recursive) {
        if schema.name == to.name {
            return schema;
        }
        place = *outer;
    }
    to
}

fn project_inside(value: &Value, to: &SchemaRef, around: Option<&Around<'_>>) -> Value {
    match value {
        Value::Null => match &to.default {
            Some(default) if !to.optional => default.clone(),
            _ => Value::Null,
        },
        Value::Struct(record) => {
            let schema = resolved(to, around);
            let around = Some(&Around {
                schema,
                outer: around,
            });
            let mut projected = Struct::new(SchemaRef::clone(schema));
            for (index, field) in schema.fields.iter().enumerate() {
                projected.values[index] = match record.schema.field_index(&field.name) {
                    Some(from) => project_inside(&record.values[from], &field.schema, around),
                    None => project_inside(&Value::Null, &field.schema, around),
                };
            }
            Value::Struct(Box::new(projected))
        }
        Value::Array(items) => match &to.value_schema {
            Some(element) => {
                let items = items.iter();
                Value::Array(items.map(|v| project_inside(v, element, around)).collect())
            }
            None => value.clone(),
        },
        Value::Map(map) => match (&to.key_schema, &to.value_schema) {
            (Some(keys), Some(values)) => Value::Map(Map::hashed(map.iter().map(|(k, v)| {
                let key = project_inside(k, keys, around);
                (key, project_inside(v, values, around))
            }))),
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn of(kind: SchemaType) -> Schema {
        Schema::of(kind)
    }

    fn with(schema: Schema, parameters: &[(&str, &str)]) -> Schema {
        let parameters = parameters
            .iter()
            .map(|(key, value)| ((*key).into(), (*value).into()));
        Schema {
            parameters: Some(parameters.collect()),
            ..schema
        }
    }

    fn enumeration(symbols: &[&str]) -> Schema {
        let symbols: Vec<String> = symbols
            .iter()
            .map(|s| format!("{}.{s}", ENUMS[0]))
            .collect();
        let mut parameters = vec![(ENUMS[0], "E")];
        parameters.extend(symbols.iter().map(|symbol| (symbol.as_str(), "x")));
        with(of(SchemaType::String), &parameters)
    }

    fn structure(name: &str, version: i32, fields: Vec<(&str, Schema)>) -> SchemaRef {
        let fields = fields.into_iter().map(|(name, schema)| Field {
            name: name.to_owned(),
            schema: Arc::new(schema),
        });
        Arc::new(Schema {
            name: Some(name.to_owned()),
            version: Some(version),
            fields: fields.collect(),
            ..of(SchemaType::Struct)
        })
    }

    fn defaulted(schema: Schema, default: Value) -> Schema {
        Schema {
            default: Some(default),
            ..schema
        }
    }

    /// A record of version 1 joins a file of version 2.
    #[test]
    fn what_a_record_may_lack_and_what_it_may_not() {
        let int = || of(SchemaType::Int32);
        let nested = |schema: Schema| Schema::clone(&structure("In", 1, vec![("b", schema)]));
        let optional = Schema::optional;
        let cases: Vec<(&str, Option<Schema>, Option<Schema>, bool)> = vec![
            (
                "an enum's symbol more",
                Some(enumeration(&["A", "B"])),
                Some(enumeration(&["A"])),
                false,
            ),
            (
                "an enum's symbol less",
                Some(enumeration(&["A"])),
                Some(enumeration(&["A", "B"])),
                true,
            ),
            (
                "another doc",
                Some(Schema {
                    doc: Some("d".to_owned()),
                    ..int()
                }),
                Some(int()),
                true,
            ),
            (
                "another doc of a record",
                Some(with(int(), &[("connect.record.doc", "d")])),
                Some(int()),
                true,
            ),
            (
                "another parameter",
                Some(with(int(), &[("p", "q")])),
                Some(int()),
                false,
            ),
            (
                "a number that widens",
                Some(int()),
                Some(of(SchemaType::Int64)),
                true,
            ),
            (
                "a number that narrows",
                Some(of(SchemaType::Int64)),
                Some(int()),
                false,
            ),
            (
                "another type inside",
                Some(nested(of(SchemaType::String))),
                Some(nested(int())),
                false,
            ),
            (
                "optional inside, required there",
                Some(nested(optional(SchemaType::Int32))),
                Some(nested(int())),
                false,
            ),
            ("a required field less", None, Some(int()), false),
            (
                "an optional field less",
                None,
                Some(optional(SchemaType::Int32)),
                true,
            ),
            (
                "a field with a default less",
                None,
                Some(defaulted(int(), Value::Int32(7))),
                true,
            ),
            ("a field more", Some(int()), None, true),
        ];
        for (what, record, file, fits) in cases {
            let field = |schema: Option<Schema>| schema.map(|schema| ("f", schema));
            let record = structure("R", 1, field(record).into_iter().collect());
            let file = structure("R", 2, field(file).into_iter().collect());
            let backward = Compatibility::Backward.fits(Some(&file), Some(&record));
            assert_eq!(backward, Ok(fits), "{what}");
            assert_eq!(
                Compatibility::Full.fits(Some(&file), Some(&record)),
                Ok(fits),
                "{what}"
            );
            // A file of a later version takes no record of an earlier one there.
            assert_eq!(
                Compatibility::Forward.fits(Some(&file), Some(&record)),
                Ok(false),
                "{what}"
            );
            assert_eq!(
                Compatibility::None.fits(Some(&file), Some(&record)),
                Ok(false),
                "{what}"
            );
        }
    }

    #[test]
    fn values_are_brought_into_the_schema_of_their_file() {
        let record = structure(
            "R",
            1,
            vec![
                ("gone", of(SchemaType::String)),
                ("n", of(SchemaType::Int8)),
            ],
        );
        let file = structure(
            "R",
            2,
            vec![
                ("n", of(SchemaType::Int64)),
                ("o", Schema::optional(SchemaType::String)),
                ("d", defaulted(of(SchemaType::Int32), Value::Int32(7))),
            ],
        );
        let value = Value::Struct(Box::new(Struct {
            schema: record,
            values: vec![Value::from("x"), Value::Int8(-5)],
        }));
        let Value::Struct(projected) = project(&value, &file) else {
            panic!("a struct");
        };
        assert!(Arc::ptr_eq(&projected.schema, &file));
        assert_eq!(
            projected.values,
            [Value::Int64(-5), Value::Null, Value::Int32(7)]
        );
    }

    #[test]
    fn structs_within_themselves_keep_their_fields() {
        let node = |version, kind| {
            let within = Schema {
                recursive: true,
                name: Some("Node".to_owned()),
                ..Schema::optional(SchemaType::Struct)
            };
            structure("Node", version, vec![("v", of(kind)), ("next", within)])
        };
        let (from, to) = (node(1, SchemaType::Int32), node(2, SchemaType::Int64));
        assert_eq!(
            Compatibility::Backward.fits(Some(&to), Some(&from)),
            Ok(true)
        );
        let list = |schema: &SchemaRef, make: fn(i32) -> Value| {
            (0..3).fold(Value::Null, |rest, v| {
                Value::Struct(Box::new(Struct {
                    schema: SchemaRef::clone(schema),
                    values: vec![make(v), rest],
                }))
            })
        };
        let projected = project(&list(&from, Value::Int32), &to);
        assert_eq!(projected, list(&to, |v| Value::Int64(v.into())));
    }
}
