//! Timestamp extractors: by which time a record is filed.

mod iso;

pub(super) use iso::day_of;

use super::failure::{PARTITION_EXCEPTION, cannot_encode};
use super::field;
use crate::config::{self, S3Config};
use crate::start_error::StartError;
use millstream_core::batch::NO_TIMESTAMP;
use millstream_core::rejected::CONNECT_EXCEPTION;
use millstream_core::{Map, Payload, RecordBatch, RecordError, SchemaType, Struct, Value};

#[derive(Clone, Debug)]
pub(super) enum Extractor {
    /// The time of the put: a whole batch shares a folder.
    Wallclock,
    /// Kafka's own timestamp.
    Record,
    /// A field of the value.
    RecordField { name: String, path: Vec<String> },
}

const OUTER_CLASS: &str = "io.confluent.connect.storage.partitioner.TimeBasedPartitioner";

impl Extractor {
    pub(super) fn new(config: &S3Config) -> Result<Self, StartError> {
        let name = config.timestamp_extractor.as_str();
        let short = name
            .strip_prefix(OUTER_CLASS)
            .and_then(|class| class.strip_prefix('$'))
            .and_then(|class| class.strip_suffix("TimestampExtractor"))
            .unwrap_or(name);
        match short {
            "Wallclock" => Ok(Extractor::Wallclock),
            "Record" => Ok(Extractor::Record),
            "RecordField" => Ok(Extractor::RecordField {
                name: config.timestamp_field.clone(),
                path: field::path_of(&config.timestamp_field),
            }),
            _ if config::class_exists(name) => Err(StartError::new(
                CONNECT_EXCEPTION,
                format!("Class {name} does not implement TimestampExtractor"),
            )),
            _ => {
                let cause = RecordError::new("java.lang.ClassNotFoundException", name);
                Err(
                    StartError::from(format!("Invalid timestamp extractor: {name}"))
                        .caused_by(cause),
                )
            }
        }
    }

    pub(super) fn java_class(&self) -> String {
        let name = match self {
            Extractor::Wallclock => "Wallclock",
            Extractor::Record => "Record",
            Extractor::RecordField { .. } => "RecordField",
        };
        format!("{OUTER_CLASS}${name}TimestampExtractor")
    }

    pub(super) fn extract(
        &self,
        batch: &RecordBatch,
        row: usize,
        now: i64,
    ) -> Result<Option<i64>, RecordError> {
        match self {
            Extractor::Wallclock => Ok(Some(now)),
            Extractor::Record => Ok(of_record(batch, row)),
            Extractor::RecordField { name, path } => {
                let Payload::Decoded(decoded) = &batch.values else {
                    return Err(cannot_encode());
                };
                of_value(&decoded.values[row], name, path).map(Some)
            }
        }
    }
}

pub(super) fn of_record(batch: &RecordBatch, row: usize) -> Option<i64> {
    let timestamp = batch.timestamps[row];
    (timestamp != NO_TIMESTAMP).then_some(timestamp)
}

fn of_value(value: &Value, name: &str, path: &[String]) -> Result<i64, RecordError> {
    match value {
        Value::Struct(_) | Value::Map(_) if name.is_empty() => Err(RecordError::new(
            CONNECT_EXCEPTION,
            "The field to extract cannot be null or empty.",
        )),
        Value::Struct(record) => match find_in_struct(record, path) {
            Some((kind, value)) => of_field(kind, value, name),
            None => Err(missing(name)),
        },
        Value::Map(map) => of_map_value(find_in_map(map, path), name),
        _ => Err(cannot_encode()),
    }
}

/// The value at the end of a path with its declared type; `None` if there is no such field, or nothing in it.
fn find_in_struct<'a>(record: &'a Struct, path: &[String]) -> Option<(SchemaType, &'a Value)> {
    let (leaf, way) = path.split_last()?;
    let mut record = record;
    for name in way {
        match record.get(name)? {
            Value::Struct(inner) => record = inner,
            _ => return None,
        }
    }
    let index = record.schema.field_index(leaf)?;
    match record.get_at(index) {
        Value::Null => None,
        value => Some((record.schema.fields[index].schema.kind, value)),
    }
}

fn of_field(kind: SchemaType, value: &Value, name: &str) -> Result<i64, RecordError> {
    match (kind, value) {
        (SchemaType::Int32, Value::Int32(v)) => Ok(i64::from(*v)),
        (SchemaType::Int64, Value::Int64(v) | Value::Date(v)) => Ok(*v),
        // Dates and times of day, which the original takes for numbers.
        (SchemaType::Int32, Value::Date(_)) => Err(field::no_number(value)),
        (SchemaType::String, Value::String(text)) => iso::parse(&text.to_java_utf8()),
        _ => Err(cannot_extract(name)),
    }
}

fn find_in_map<'a>(map: &'a Map, path: &[String]) -> Option<&'a Value> {
    let (leaf, way) = path.split_last()?;
    let mut map = map;
    for name in way {
        match map.get_str(name)? {
            Value::Map(inner) => map = inner,
            _ => return None,
        }
    }
    map.get_str(leaf)
}

fn of_map_value(value: Option<&Value>, name: &str) -> Result<i64, RecordError> {
    match value {
        None | Some(Value::Null) => Err(missing(name)),
        Some(Value::Int8(v)) => Ok((*v).into()),
        Some(Value::Int16(v)) => Ok((*v).into()),
        Some(Value::Int32(v)) => Ok((*v).into()),
        Some(Value::Int64(v) | Value::Date(v)) => Ok(*v),
        // Java's narrowing, like this one, cuts the fraction and stops at the ends.
        Some(Value::Float32(v)) => Ok(*v as i64),
        Some(Value::Float64(v)) => Ok(*v as i64),
        Some(Value::Decimal(v)) => Ok(v.to_long()),
        Some(Value::String(text)) => iso::parse(&text.to_java_utf8()),
        Some(_) => Err(cannot_extract(name)),
    }
}

fn missing(name: &str) -> RecordError {
    RecordError::data(format!("The field '{name}' does not exist."))
}

fn cannot_extract(name: &str) -> RecordError {
    RecordError::new(
        PARTITION_EXCEPTION,
        format!("Error extracting timestamp from record field: {name}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_core::{Field, Schema};
    use std::sync::Arc;

    fn said(kind: SchemaType, value: Value, path: &str) -> Result<i64, String> {
        let mut schema = Schema::optional(SchemaType::Struct);
        schema.fields.push(Field {
            name: "ts".into(),
            schema: Arc::new(Schema::optional(kind)),
        });
        let mut record = Struct::new(Arc::new(schema));
        record.values[0] = value;
        let value = Value::Struct(Box::new(record));
        of_value(&value, path, &field::path_of(path)).map_err(|error| error.message)
    }

    /// The original's answers to the same questions.
    #[test]
    fn report_f17_fields_say_what_the_original_says() {
        let cast = "class java.util.Date cannot be cast to class java.lang.Number (java.util.Date and java.lang.Number \
                    are in module java.base of loader 'bootstrap')";
        let one = || Value::Int64(1);
        for (kind, value, path, answer) in [
            (SchemaType::Int64, one(), "ts", Ok(1)),
            (SchemaType::Int64, one(), "ts.", Ok(1)),
            (SchemaType::Int64, Value::Date(1000), "ts", Ok(1000)),
            (SchemaType::Int32, Value::Date(1000), "ts", Err(cast)),
            (
                SchemaType::Int64,
                one(),
                "x",
                Err("The field 'x' does not exist."),
            ),
            (
                SchemaType::Int64,
                one(),
                "x.y",
                Err("The field 'x.y' does not exist."),
            ),
            (
                SchemaType::Int64,
                one(),
                "ts.y",
                Err("The field 'ts.y' does not exist."),
            ),
            (
                SchemaType::Int64,
                Value::Null,
                "ts",
                Err("The field 'ts' does not exist."),
            ),
            (
                SchemaType::Int64,
                one(),
                "",
                Err("The field to extract cannot be null or empty."),
            ),
            (
                SchemaType::Boolean,
                Value::Boolean(true),
                "ts",
                Err("Error extracting timestamp from record field: ts"),
            ),
        ] {
            let answer = answer.map_err(str::to_owned);
            assert_eq!(said(kind, value, path), answer, "{kind:?} {path}");
        }
    }
}
