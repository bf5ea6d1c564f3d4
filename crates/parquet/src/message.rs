//! The message type: what parquet-avro 1.15.2's `AvroSchemaConverter` makes of an Avro schema.

use millstream_avro::{AvroSchema, AvroType, Kind, TypeId};
use millstream_core::RecordError;
use parquet::basic::{ConvertedType, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::errors::ParquetError;
use parquet::schema::types::{Type, TypePtr};
use serde_json::Value as Json;
use std::sync::Arc;

/// A schema that Parquet cannot have: the S3 sink makes a dead letter of such a record.
pub const INVALID_SCHEMA_EXCEPTION: &str = "org.apache.parquet.schema.InvalidSchemaException";
const ILLEGAL_ARGUMENT: &str = "java.lang.IllegalArgumentException";
const UNSUPPORTED_OPERATION: &str = "java.lang.UnsupportedOperationException";

/// How lists are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lists {
    /// `repeated … array`, whose elements cannot be null.
    TwoLevel,
    /// `repeated group list { … element }`.
    ThreeLevel,
}

/// The message type of a record's schema.
///
/// # Errors
/// If the schema is no record, contains itself, or has a group without fields.
pub(crate) fn message(avro: &AvroSchema, lists: Lists) -> Result<TypePtr, RecordError> {
    let root = &avro[avro.root()];
    let Kind::Record(record) = &root.kind else {
        return Err(RecordError::new(
            ILLEGAL_ARGUMENT,
            "Avro schema must be a record.",
        ));
    };
    let mut builder = Builder {
        avro,
        lists,
        enclosing: vec![avro.root()],
    };
    let fields = builder.fields(avro.root())?;
    let name = record.name.full();
    if fields.is_empty() {
        return Err(empty_group(&format!("message {name}")));
    }
    let message = Type::group_type_builder(&name).with_fields(fields);
    message.build().map(Arc::new).map_err(invalid)
}

struct Builder<'a> {
    avro: &'a AvroSchema,
    lists: Lists,
    /// Records on the way to the field that is looked at.
    enclosing: Vec<TypeId>,
}

impl Builder<'_> {
    fn fields(&mut self, record: TypeId) -> Result<Vec<TypePtr>, RecordError> {
        let avro = self.avro;
        let Kind::Record(record) = &avro[record].kind else {
            return Ok(Vec::new());
        };
        let fields = record.fields.iter();
        fields
            .map(|field| self.field(&field.name, field.schema, Repetition::REQUIRED))
            .collect()
    }

    fn field(
        &mut self,
        name: &str,
        id: TypeId,
        repetition: Repetition,
    ) -> Result<TypePtr, RecordError> {
        let avro = self.avro;
        let of = &avro[id];
        let group = |fields: Vec<TypePtr>| {
            Type::group_type_builder(name)
                .with_repetition(repetition)
                .with_fields(fields)
        };
        let built = match &of.kind {
            Kind::Union(branches) => return self.union(name, branches, repetition),
            Kind::Record(_) => group(self.record(name, id, repetition)?).build(),
            Kind::Array(element) => {
                let inner = match self.lists {
                    Lists::TwoLevel => self.field("array", *element, Repetition::REPEATED)?,
                    Lists::ThreeLevel => {
                        let element = self.field("element", *element, Repetition::REQUIRED)?;
                        let list = Type::group_type_builder("list")
                            .with_repetition(Repetition::REPEATED)
                            .with_fields(vec![element]);
                        list.build().map(Arc::new).map_err(invalid)?
                    }
                };
                group(vec![inner])
                    .with_logical_type(Some(LogicalType::List))
                    .build()
            }
            Kind::Map(values) => {
                let values = self.field("value", *values, Repetition::REQUIRED)?;
                let key = text("key", Repetition::REQUIRED, LogicalType::String)?;
                // The old annotation alone, as parquet-mr writes it.
                let entries = Type::group_type_builder("key_value")
                    .with_repetition(Repetition::REPEATED)
                    .with_converted_type(ConvertedType::MAP_KEY_VALUE)
                    .with_fields(vec![key, values]);
                let entries = entries.build().map(Arc::new).map_err(invalid)?;
                group(vec![entries])
                    .with_logical_type(Some(LogicalType::Map))
                    .build()
            }
            Kind::String => return text(name, repetition, LogicalType::String),
            Kind::Enum(_) => return text(name, repetition, LogicalType::Enum),
            Kind::Null => {
                let message = "Cannot convert Avro type null";
                return Err(RecordError::new(UNSUPPORTED_OPERATION, message));
            }
            Kind::Fixed(fixed) if fixed.size == 0 => {
                let message = format!("Invalid FIXED_LEN_BYTE_ARRAY length: 0, of {name}");
                return Err(RecordError::new(INVALID_SCHEMA_EXCEPTION, message));
            }
            Kind::Boolean
            | Kind::Int
            | Kind::Long
            | Kind::Float
            | Kind::Double
            | Kind::Bytes
            | Kind::Fixed(_) => primitive(name, of, repetition),
        };
        built.map(Arc::new).map_err(invalid)
    }

    fn record(
        &mut self,
        name: &str,
        id: TypeId,
        repetition: Repetition,
    ) -> Result<Vec<TypePtr>, RecordError> {
        if self.enclosing.contains(&id) {
            let name = self.avro[id].full_name();
            return Err(RecordError::new(
                INVALID_SCHEMA_EXCEPTION,
                format!("Cannot write a schema in which {name} contains itself"),
            ));
        }
        self.enclosing.push(id);
        let fields = self.fields(id)?;
        self.enclosing.pop();
        if fields.is_empty() {
            let repetition = repetition.to_string().to_ascii_lowercase();
            return Err(empty_group(&format!("{repetition} group {name}")));
        }
        Ok(fields)
    }

    /// Null and one type are an optional field, anything else a group of optional members of which one is set.
    fn union(
        &mut self,
        name: &str,
        branches: &[TypeId],
        repetition: Repetition,
    ) -> Result<TypePtr, RecordError> {
        let avro = self.avro;
        let is_null = |id: &TypeId| avro[*id].kind == Kind::Null;
        let has_null = branches.iter().any(is_null);
        let repetition = match repetition {
            Repetition::REQUIRED if has_null => Repetition::OPTIONAL,
            other => other,
        };
        let others: Vec<TypeId> = branches.iter().copied().filter(|id| !is_null(id)).collect();
        match others[..] {
            [] => Err(RecordError::new(
                UNSUPPORTED_OPERATION,
                "Cannot convert Avro union of only nulls",
            )),
            [one] if has_null => self.field(name, one, repetition),
            _ => {
                let members = others.iter().enumerate().map(|(index, id)| {
                    self.field(&format!("member{index}"), *id, Repetition::OPTIONAL)
                });
                let group = Type::group_type_builder(name)
                    .with_repetition(repetition)
                    .with_fields(members.collect::<Result<_, _>>()?);
                group.build().map(Arc::new).map_err(invalid)
            }
        }
    }
}

fn text(name: &str, repetition: Repetition, logical: LogicalType) -> Result<TypePtr, RecordError> {
    Type::primitive_type_builder(name, Physical::BYTE_ARRAY)
        .with_repetition(repetition)
        .with_logical_type(Some(logical))
        .build()
        .map(Arc::new)
        .map_err(invalid)
}

fn primitive(name: &str, of: &AvroType, repetition: Repetition) -> Result<Type, ParquetError> {
    let (physical, length) = match &of.kind {
        Kind::Boolean => (Physical::BOOLEAN, None),
        Kind::Int => (Physical::INT32, None),
        Kind::Long => (Physical::INT64, None),
        Kind::Float => (Physical::FLOAT, None),
        Kind::Double => (Physical::DOUBLE, None),
        Kind::Fixed(fixed) => (Physical::FIXED_LEN_BYTE_ARRAY, Some(fixed.size)),
        _ => (Physical::BYTE_ARRAY, None),
    };
    let mut builder = Type::primitive_type_builder(name, physical).with_repetition(repetition);
    if let Some(length) = length {
        builder = builder.with_length(i32::try_from(length).unwrap_or(i32::MAX));
    }
    let logical = logical_type(of);
    if let Some(LogicalType::Decimal(decimal)) = &logical {
        builder = builder
            .with_precision(decimal.precision)
            .with_scale(decimal.scale);
    }
    builder.with_logical_type(logical).build()
}

/// What a type's `logicalType` becomes, if it is one that goes with its kind.
fn logical_type(of: &AvroType) -> Option<LogicalType> {
    Some(match (&of.kind, of.text("logicalType")?) {
        (Kind::Bytes | Kind::Fixed(_), "decimal") => {
            let (precision, scale) = decimal(of)?;
            LogicalType::decimal(scale, precision)
        }
        (Kind::Int, "date") => LogicalType::Date,
        (Kind::Int, "time-millis") => LogicalType::time(true, TimeUnit::MILLIS),
        (Kind::Long, "time-micros") => LogicalType::time(true, TimeUnit::MICROS),
        (Kind::Long, "timestamp-millis") => LogicalType::timestamp(true, TimeUnit::MILLIS),
        (Kind::Long, "timestamp-micros") => LogicalType::timestamp(true, TimeUnit::MICROS),
        (Kind::Long, "local-timestamp-millis") => LogicalType::timestamp(false, TimeUnit::MILLIS),
        (Kind::Long, "local-timestamp-micros") => LogicalType::timestamp(false, TimeUnit::MICROS),
        _ => return None,
    })
}

/// Precision and scale of a decimal; none where they cannot be, which Avro takes for no decimal at all.
fn decimal(of: &AvroType) -> Option<(i32, i32)> {
    let number = |property: &str| of.properties.get(property).and_then(Json::as_i64);
    let precision = i32::try_from(number("precision")?).ok()?;
    let scale = i32::try_from(number("scale").unwrap_or(0)).ok()?;
    let most = match &of.kind {
        // Digits that every number of so many bytes has room for.
        Kind::Fixed(fixed) => (2f64.log10() * (8.0 * fixed.size as f64 - 1.0)).floor() as i32,
        _ => i32::MAX,
    };
    ((1..=most).contains(&precision) && (0..=precision).contains(&scale))
        .then_some((precision, scale))
}

fn empty_group(group: &str) -> RecordError {
    let newline = if group.starts_with("message ") {
        "\n"
    } else {
        ""
    };
    RecordError::new(
        INVALID_SCHEMA_EXCEPTION,
        format!("Cannot write a schema with an empty group: {group} {{\n}}{newline}"),
    )
}

fn invalid(error: ParquetError) -> RecordError {
    RecordError::new(INVALID_SCHEMA_EXCEPTION, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::schema::parser::parse_message_type;

    fn record(fields: &str) -> Result<TypePtr, RecordError> {
        let text =
            format!(r#"{{"type":"record","name":"r","namespace":"a.b","fields":[{fields}]}}"#);
        message(&AvroSchema::parse(&text).unwrap(), Lists::TwoLevel)
    }

    #[test]
    fn types_become_those_of_parquet_avro() {
        for (of, expected) in [
            (r#""int""#, "required int32 f;"),
            (r#"["null","long"]"#, "optional int64 f;"),
            (r#""bytes""#, "required binary f;"),
            (r#"["string","null"]"#, "optional binary f (STRING);"),
            (
                r#"["null","int","string"]"#,
                "optional group f { optional int32 member0; optional binary member1 (STRING); }",
            ),
            (r#"["int"]"#, "required group f { optional int32 member0; }"),
            (
                r#"{"type":"array","items":["int","string"]}"#,
                "required group f (LIST) { repeated group array { optional int32 member0; optional binary member1 (STRING); } }",
            ),
            (
                r#"{"type":"map","values":["null","double"]}"#,
                "required group f (MAP) { repeated group key_value (MAP_KEY_VALUE) { required binary key (STRING); optional double value; } }",
            ),
            (
                r#"["null",{"type":"array","items":{"type":"array","items":"float"}}]"#,
                "optional group f (LIST) { repeated group array (LIST) { repeated float array; } }",
            ),
            (
                r#"{"type":"bytes","logicalType":"decimal","precision":64,"scale":2}"#,
                "required binary f (DECIMAL(64,2));",
            ),
            (
                r#"{"type":"fixed","name":"F","size":2,"logicalType":"decimal","precision":4,"scale":2}"#,
                "required fixed_len_byte_array(2) f (DECIMAL(4,2));",
            ),
            // More digits than there is room for: Avro then sees no decimal.
            (
                r#"{"type":"fixed","name":"F","size":2,"logicalType":"decimal","precision":5}"#,
                "required fixed_len_byte_array(2) f;",
            ),
            (
                r#"{"type":"enum","name":"E","symbols":["A"]}"#,
                "required binary f (ENUM);",
            ),
            (
                r#"{"type":"int","logicalType":"date"}"#,
                "required int32 f (DATE);",
            ),
            (
                r#"{"type":"int","logicalType":"time-millis"}"#,
                "required int32 f (TIME(MILLIS,true));",
            ),
            (
                r#"{"type":"long","logicalType":"timestamp-millis"}"#,
                "required int64 f (TIMESTAMP(MILLIS,true));",
            ),
        ] {
            let actual = record(&format!(r#"{{"name":"f","type":{of}}}"#)).unwrap();
            let fields = parse_message_type(&format!("message r {{ {expected} }}")).unwrap();
            assert_eq!(actual.name(), "a.b.r");
            assert_eq!(actual.get_fields(), fields.get_fields(), "{of}");
        }
    }

    #[test]
    fn what_parquet_cannot_have_is_told_with_its_place() {
        for (fields, message) in [
            (
                "",
                "Cannot write a schema with an empty group: message a.b.r {\n}\n",
            ),
            (
                r#"{"name":"f","type":["null",{"type":"record","name":"E","fields":[]}]}"#,
                "Cannot write a schema with an empty group: optional group f {\n}",
            ),
            (
                r#"{"name":"f","type":["null","r"]}"#,
                "Cannot write a schema in which a.b.r contains itself",
            ),
        ] {
            let error = record(fields).unwrap_err();
            assert_eq!(
                (error.class, &*error.message),
                (INVALID_SCHEMA_EXCEPTION, message)
            );
        }
        let root = AvroSchema::parse(r#"["null","int"]"#).unwrap();
        let error = message(&root, Lists::TwoLevel).unwrap_err();
        assert_eq!(error.message, "Avro schema must be a record.");
    }
}
