//! TimestampConverter: timestamps between texts, unix time and Connect's logical types.

use super::{
    Derived, Part, add_field, changes_in_copy, copy_basics, field_value, key_and_value,
    require_map, require_struct, rewrite,
};
use crate::settings::{checked, replace_null_with_default};
use millstream_core::config::{Importance, Key, Kind, Validator};
use millstream_core::converter::RowErrors;
use millstream_core::logical::DAY_MILLIS;
use millstream_core::rejected::CONNECT_EXCEPTION;
use millstream_core::schema::{DATE, TIME, TIMESTAMP};
use millstream_core::{
    Edit, Needs, Origin, PluginError, Properties, RecordBatch, RecordError, RowMask, Schema,
    SchemaAndValue, SchemaType, Struct, Transform, Value, config_def,
};
use millstream_java::date::SimpleDateFormat;
use std::sync::Arc;

key_and_value!(
    TimestampConverter,
    TimestampConverterConfig,
    "org.apache.kafka.connect.transforms.TimestampConverter"
);

const PURPOSE: &str = "converting timestamp formats";

config_def! {
    struct TimestampConverterConfig {
        field: String = Key::new("field", Kind::String, "")
            .importance(Importance::High)
            .doc("The field containing the timestamp, or empty if the entire value is a timestamp"),
        target_type: String = Key::required("target.type", Kind::String)
            .importance(Importance::High)
            .doc("The desired timestamp representation: string, unix, Date, Time, or Timestamp")
            .validator(Validator::OneOf(&["string", "unix", "Date", "Time", "Timestamp"])),
        format: String = Key::new("format", Kind::String, "").doc(
            "A SimpleDateFormat-compatible format for the timestamp. Used to generate the output when type=string or \
             used to parse the input if the input is a string.",
        ),
        unix_precision: String = Key::new("unix.precision", Kind::String, "milliseconds")
            .importance(Importance::Low)
            .doc(
                "The desired Unix precision for the timestamp: seconds, milliseconds, microseconds, or nanoseconds. \
                 Used to generate the output when type=unix or used to parse the input if the input is a Long.Note: \
                 This SMT will cause precision loss during conversions from, and to, values with sub-millisecond \
                 components.",
            )
            .validator(Validator::OneOf(&["nanoseconds", "microseconds", "milliseconds", "seconds"])),
        replace_null_with_default: bool = replace_null_with_default(),
    }
}

/// The forms a timestamp may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    String,
    Unix,
    Date,
    Time,
    Timestamp,
}

impl Form {
    fn by_name(name: &str) -> Option<Self> {
        Some(match name {
            "string" => Form::String,
            "unix" => Form::Unix,
            "Date" => Form::Date,
            "Time" => Form::Time,
            "Timestamp" => Form::Timestamp,
            _ => return None,
        })
    }

    fn of_schema(schema: &Schema) -> Result<Self, RecordError> {
        Ok(match (schema.name.as_deref(), schema.kind) {
            (Some(TIMESTAMP), _) => Form::Timestamp,
            (Some(DATE), _) => Form::Date,
            (Some(TIME), _) => Form::Time,
            (_, SchemaType::String) => Form::String,
            (_, SchemaType::Int64) => Form::Unix,
            (name, kind) => {
                let name = name.map(|name| format!("{name}:")).unwrap_or_default();
                return Err(RecordError::new(
                    CONNECT_EXCEPTION,
                    format!(
                        "Schema Schema{{{name}{}}} does not correspond to a known timestamp type format",
                        kind.java_name()
                    ),
                ));
            }
        })
    }

    fn of_value(value: &Value) -> Result<Self, RecordError> {
        Ok(match value {
            Value::Date(_) => Form::Timestamp,
            Value::Int64(_) => Form::Unix,
            Value::String(_) => Form::String,
            other => {
                return Err(RecordError::data(format!(
                    "TimestampConverter does not support class {} objects as timestamps",
                    other.java_class()
                )));
            }
        })
    }

    fn schema(self, optional: bool) -> Schema {
        let (kind, name) = match self {
            Form::String => (SchemaType::String, None),
            Form::Unix => (SchemaType::Int64, None),
            Form::Date => (SchemaType::Int32, Some(DATE)),
            Form::Time => (SchemaType::Int32, Some(TIME)),
            Form::Timestamp => (SchemaType::Int64, Some(TIMESTAMP)),
        };
        Schema {
            optional,
            name: name.map(str::to_owned),
            version: name.map(|_| 1),
            ..Schema::of(kind)
        }
    }
}

/// Units of unix time in a millisecond, or milliseconds in a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Precision {
    Coarser(i64),
    Finer(i64),
}

impl Precision {
    /// Saturates at the ends of 64 bits and cuts towards zero, as Java's `TimeUnit` does.
    fn to_millis(self, unix: i64) -> i64 {
        match self {
            Precision::Coarser(millis) => unix.saturating_mul(millis),
            Precision::Finer(units) => unix / units,
        }
    }

    fn to_unix(self, millis: i64) -> i64 {
        match self {
            Precision::Coarser(unit) => millis / unit,
            Precision::Finer(units) => millis.saturating_mul(units),
        }
    }
}

struct TimestampConverter {
    part: Part,
    /// Empty for the whole value.
    field: String,
    target: Form,
    /// The pattern beside it.
    format: Option<(SimpleDateFormat, String)>,
    precision: Precision,
    replace_null_with_default: bool,
    schemas: Derived,
}

impl TimestampConverter {
    fn new(properties: &Properties, part: Part) -> Result<Self, PluginError> {
        let config = checked(TimestampConverterConfig::parse(properties))?;
        let target = Form::by_name(&config.target_type);
        let target = target.ok_or_else(|| PluginError::config("target.type is unknown"))?;
        let blank = config.format.trim().is_empty();
        if target == Form::String && blank {
            return Err(PluginError::config(
                "TimestampConverter requires format option to be specified when using string timestamps",
            ));
        }
        let format = if blank {
            None
        } else {
            let compiled = SimpleDateFormat::compile(&config.format).map_err(|why| {
                PluginError::config(format!(
                    "Invalid value java.lang.IllegalArgumentException: {why} for configuration TimestampConverter \
                     requires a SimpleDateFormat-compatible pattern for string timestamps: {}",
                    config.format
                ))
            })?;
            Some((compiled, config.format))
        };
        Ok(TimestampConverter {
            part,
            field: config.field,
            target,
            format,
            precision: match config.unix_precision.as_str() {
                "seconds" => Precision::Coarser(1000),
                "microseconds" => Precision::Finer(1000),
                "nanoseconds" => Precision::Finer(1_000_000),
                _ => Precision::Coarser(1),
            },
            replace_null_with_default: config.replace_null_with_default,
            schemas: Derived::default(),
        })
    }

    fn convert(&self, value: &Value, source: Form) -> Result<Value, RecordError> {
        if value.is_null() {
            return Ok(Value::Null);
        }
        let wrong = |expected: &str, class: &str| {
            RecordError::data(format!("Expected {expected}, but found class {class}"))
        };
        let millis = match (source, value) {
            (Form::String, Value::String(text)) => {
                let text = text.to_java_utf8();
                let Some((format, pattern)) = &self.format else {
                    return Err(RecordError::new(
                        "java.lang.NullPointerException",
                        "there is no format to read a string timestamp by",
                    ));
                };
                format.parse(&text).ok_or_else(|| {
                    let does_not_match = format!("does not match pattern ({pattern})");
                    RecordError::data(format!("Could not parse timestamp: value {does_not_match}"))
                        .with_java_message(format!(
                            "Could not parse timestamp: value ({text}) {does_not_match}"
                        ))
                        .caused_by(
                            RecordError::new("java.text.ParseException", "Unparseable date")
                                .with_java_message(format!("Unparseable date: \"{text}\"")),
                        )
                })?
            }
            (Form::Unix, Value::Int64(unix)) => self.precision.to_millis(*unix),
            (Form::Date | Form::Time | Form::Timestamp, Value::Date(millis)) => *millis,
            (Form::String, other) => {
                return Err(wrong("string timestamp to be a String", other.java_class()));
            }
            (Form::Unix, other) => {
                return Err(wrong("Unix timestamp to be a Long", other.java_class()));
            }
            (_, other) => {
                let what = format!("{source:?} to be a java.util.Date");
                return Err(wrong(&what, other.java_class()));
            }
        };
        Ok(match self.target {
            Form::String => match &self.format {
                Some((format, _)) => Value::from(format.format(millis)),
                None => Value::Null,
            },
            Form::Unix => Value::Int64(self.precision.to_unix(millis)),
            Form::Date => Value::Date(millis - millis.rem_euclid(DAY_MILLIS)),
            Form::Time => Value::Date(millis.rem_euclid(DAY_MILLIS)),
            Form::Timestamp => Value::Date(millis),
        })
    }

    fn convert_unknown(&self, value: &Value) -> Result<Value, RecordError> {
        if value.is_null() {
            return Ok(Value::Null);
        }
        self.convert(value, Form::of_value(value)?)
    }

    fn apply_to(&mut self, taken: SchemaAndValue) -> Result<SchemaAndValue, RecordError> {
        let Some(schema) = taken.schema else {
            let value = if taken.value.is_null() || self.field.is_empty() {
                self.convert_unknown(&taken.value)?
            } else {
                let mut map = require_map(taken.value, PURPOSE)?.copied_from();
                let converted = match map.get_str(&self.field) {
                    Some(value) => self.convert_unknown(value)?,
                    None => Value::Null,
                };
                map.put_str(&self.field, converted);
                Value::Map(map)
            };
            return Ok(SchemaAndValue {
                schema: None,
                value,
            });
        };
        if self.field.is_empty() {
            let source = Form::of_schema(&schema)?;
            let target = self.target;
            let updated = self
                .schemas
                .get(&schema, |schema| Ok(target.schema(schema.optional)))?;
            return Ok(SchemaAndValue {
                value: self.convert(&taken.value, source)?,
                schema: Some(updated),
            });
        }
        let old = match taken.value {
            Value::Null => None,
            value => Some(require_struct(value, PURPOSE)?),
        };
        let mut schemas = std::mem::take(&mut self.schemas);
        let updated = schemas.get(&schema, |schema| self.updated_schema(schema));
        self.schemas = schemas;
        let updated = updated?;
        let value = match old {
            Some(old) => Value::Struct(Box::new(
                self.convert_struct(&old, Struct::new(updated.clone()))?,
            )),
            None => Value::Null,
        };
        Ok(SchemaAndValue {
            schema: Some(updated),
            value,
        })
    }

    fn updated_schema(&self, schema: &Schema) -> Result<Schema, RecordError> {
        if schema.kind != SchemaType::Struct {
            // Java reads the fields of whatever schema a null has.
            return Err(RecordError::data("Cannot list fields on non-struct type"));
        }
        let mut updated = copy_basics(schema);
        for field in &schema.fields {
            let new = if field.name == self.field {
                Arc::new(self.target.schema(field.schema.optional))
            } else {
                field.schema.clone()
            };
            add_field(&mut updated, &field.name, new)?;
        }
        updated.optional = schema.optional;
        if let Some(Value::Struct(default)) = &schema.default {
            let empty = Struct::new(Arc::new(updated.clone()));
            let default = self.convert_struct(default, empty)?;
            updated.default = Some(Value::Struct(Box::new(default)));
        }
        Ok(updated)
    }

    fn convert_struct(&self, old: &Struct, mut record: Struct) -> Result<Struct, RecordError> {
        for (index, field) in old.schema.fields.iter().enumerate() {
            let value = field_value(old, index, self.replace_null_with_default);
            let value = if field.name == self.field {
                self.convert(&value, Form::of_schema(&field.schema)?)?
            } else {
                value
            };
            record.put(index, value)?;
        }
        Ok(record)
    }
}

impl Transform for TimestampConverter {
    fn class_name(&self) -> &str {
        self.part.pick(KEY.class, VALUE.class)
    }

    fn needs(&self) -> Needs {
        self.part.needs()
    }

    fn apply(
        &mut self,
        batch: &mut RecordBatch,
        mask: &RowMask,
        _keep: &mut RowMask,
        errors: &mut RowErrors,
    ) {
        rewrite(self.part.of(batch), mask, errors, |_, taken| {
            self.apply_to(taken)
        });
    }

    fn edits(&self) -> Option<Vec<Edit>> {
        (!self.field.is_empty()).then(|| changes_in_copy([&self.field]))
    }

    fn edit(&mut self, _edit: usize, old: &Value, _origin: &Origin<'_>) -> Option<Value> {
        self.convert_unknown(old).ok()
    }
}
