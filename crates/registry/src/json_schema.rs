//! JsonSchemaConverter: JSON whose schema is a JSON Schema of the registry.

mod documents;
mod parts;
mod read_schema;
mod read_value;
mod union;
mod write_schema;
mod write_value;

use crate::client::{SchemaText, SchemaType};
use crate::config::{definition, flag};
use crate::format::{Datum, Failure, Format, Messages, incompatible};
use crate::plugin::{check, make};
use crate::registry::Fetched;
use documents::Documents;
use millstream_core::config::{Importance, Key, Kind, Validator};
use millstream_core::rejected::SERIALIZATION_EXCEPTION;
use millstream_core::{
    ConverterPlugin, Decoded, RecordError, SchemaAndValue, SchemaRef, Value, config_def,
};
use millstream_java::json::DecimalFormat;
use serde_json::value::RawValue;

const CLASS: &str = "io.confluent.connect.json.JsonSchemaConverter";

pub(crate) const PLUGIN: ConverterPlugin = ConverterPlugin {
    class: CLASS,
    config_def: || definition(JsonSchemaConfig::keys()),
    check,
    make: |properties, role| {
        make(
            properties,
            role,
            JsonSchemaConfig::parse(properties),
            JsonSchema::new,
        )
    },
};

config_def! {
    struct JsonSchemaConfig {
        additional_properties: bool = flag("object.additional.properties", "true")
            .doc("Whether schemas that are written allow properties that they do not name."),
        optional_for_nonrequired: bool = flag("use.optional.for.nonrequired", "false")
            .doc("Whether a property that is not required is read as an optional field."),
        decimal_format: String = Key::new("decimal.format", Kind::String, "BASE64")
            .importance(Importance::Low)
            .validator(Validator::OneOfIgnoringCase(&["NUMERIC", "BASE64"]))
            .doc("How decimals are written: `BASE64` or `NUMERIC`."),
        fail_invalid: bool = flag("json.fail.invalid.schema", "false")
            .doc("Whether what is read and written is validated against its schema."),
        _one_of_for_nullables: bool = flag("json.oneof.for.nullables", "true")
            .doc("Not used: it is about classes of Java's."),
        _cache_size: i32 = Key::new("schemas.cache.config", Kind::Int, "1000")
            .importance(Importance::Low)
            .doc("Not used: `max.schemas.per.subject` says how many schemas are kept."),
        generalized: bool = flag("generalized.sum.type.support", "false")
            .doc("Whether unions and enums are read in a form that other schema languages share."),
        ignore_default: bool = flag("ignore.default.for.nullables", "false")
            .doc("Whether a null is written as null where its optional schema has a default."),
        flatten_singletons: bool = flag("flatten.singleton.unions", "true")
            .doc("Whether a union of one type is read as that type."),
    }
}

/// The converter's settings, as the mapping uses them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    allows_additional_properties: bool,
    optional_for_nonrequired: bool,
    decimal_format: DecimalFormat,
    generalized: bool,
    ignore_default: bool,
    flatten_singletons: bool,
}

pub(crate) struct JsonSchema {
    options: Options,
    validates: bool,
}

impl JsonSchema {
    fn new(config: JsonSchemaConfig) -> Self {
        JsonSchema {
            options: Options {
                allows_additional_properties: config.additional_properties,
                optional_for_nonrequired: config.optional_for_nonrequired,
                decimal_format: match config.decimal_format.eq_ignore_ascii_case("NUMERIC") {
                    true => DecimalFormat::Numeric,
                    false => DecimalFormat::Base64,
                },
                generalized: config.generalized,
                ignore_default: config.ignore_default,
                flatten_singletons: config.flatten_singletons,
            },
            validates: config.fail_invalid,
        }
    }
}

pub(crate) struct JsonReader {
    schema: SchemaRef,
    validator: Option<jsonschema::Validator>,
}

pub(crate) struct JsonWriter {
    connect: SchemaRef,
    text: SchemaText,
    title: Option<String>,
    validator: Option<jsonschema::Validator>,
}

fn serialization(message: impl Into<String>) -> Failure {
    Failure::Serializer(RecordError::new(SERIALIZATION_EXCEPTION, message))
}

/// A value that its schema does not allow; what it holds is not told.
fn validate(validator: &jsonschema::Validator, text: &[u8]) -> Result<(), Failure> {
    let value = serde_json::from_slice(text).map_err(malformed)?;
    match validator.iter_errors(&value).next() {
        None => Ok(()),
        Some(error) => Err(serialization(format!(
            "the JSON does not fit its schema at {:?} (keyword {})",
            error.instance_path().as_str(),
            error.schema_path().as_str()
        ))),
    }
}

fn malformed(error: serde_json::Error) -> Failure {
    serialization(format!(
        "malformed JSON at line {}, column {}",
        error.line(),
        error.column()
    ))
}

impl Format for JsonSchema {
    type Reader = JsonReader;
    type Writer = JsonWriter;

    const TYPE: SchemaType = SchemaType::Json;
    const MESSAGES: Messages = Messages {
        class: CLASS,
        name: "JSON",
        has_indexes: false,
        not_read: |topic| {
            format!(
                "Converting byte[] to Kafka Connect data failed due to serialization error of topic {topic}: "
            )
        },
        not_written: |topic| {
            format!(
                "Converting Kafka Connect data to byte[] failed due to serialization error of topic {topic}: "
            )
        },
    };

    fn reader(&self, schema: &Fetched, version: Option<i32>) -> Result<JsonReader, Failure> {
        let documents = Documents::parse(schema).map_err(Failure::Serializer)?;
        let connect = read_schema::read(&documents, version, &self.options);
        Ok(JsonReader {
            schema: connect.map_err(Failure::Mapping)?,
            validator: match self.validates {
                true => Some(documents.validator().map_err(Failure::Serializer)?),
                false => None,
            },
        })
    }

    fn record_name(&self, schema: &Fetched) -> Option<String> {
        Documents::parse(schema).ok()?.title()
    }

    fn read(
        &self,
        reader: &JsonReader,
        datum: Datum<'_>,
        out: &mut Decoded,
    ) -> Result<bool, Failure> {
        let raw: &RawValue = serde_json::from_slice(datum.payload).map_err(malformed)?;
        if let Some(validator) = &reader.validator {
            validate(validator, datum.payload)?;
        }
        let value = read_value::read(&reader.schema, Some(raw)).map_err(Failure::Mapping)?;
        let schema = Some(reader.schema.clone());
        out.push(SchemaAndValue { schema, value });
        Ok(false)
    }

    fn writer(&self, schema: Option<&SchemaRef>) -> Result<JsonWriter, Failure> {
        let connect = schema.cloned().ok_or_else(|| {
            serialization("a value without a schema has no JSON Schema either; give it one by a transform, or write it with JsonConverter")
        })?;
        let document = write_schema::write(&connect, &self.options).map_err(Failure::Mapping)?;
        let text = SchemaText {
            kind: SchemaType::Json.name().to_owned(),
            text: document.to_string(),
            references: Vec::new(),
        };
        let title = document["title"].as_str().map(str::to_owned);
        let validator = match self.validates {
            true => {
                let fetched = Fetched {
                    schema: text.clone(),
                    references: Vec::new(),
                };
                let documents = Documents::parse(&fetched).map_err(Failure::Serializer)?;
                Some(documents.validator().map_err(Failure::Serializer)?)
            }
            false => None,
        };
        Ok(JsonWriter {
            connect,
            text,
            title,
            validator,
        })
    }

    /// The text is the same whatever the schema; a strict one has to be read as the schema that is written.
    fn writer_by(
        &self,
        writer: &JsonWriter,
        target: &Fetched,
        is_strict: bool,
    ) -> Result<JsonWriter, Failure> {
        let documents = Documents::parse(target).map_err(Failure::Serializer)?;
        if is_strict {
            let read = read_schema::read(&documents, None, &self.options);
            let is_read = read.is_ok_and(|read| union::is_readable(&read, &writer.connect));
            if !is_read {
                return Err(incompatible(SchemaType::Json));
            }
        }
        Ok(JsonWriter {
            connect: writer.connect.clone(),
            text: target.schema.clone(),
            title: documents.title(),
            validator: match self.validates {
                true => Some(documents.validator().map_err(Failure::Serializer)?),
                false => None,
            },
        })
    }

    fn text<'a>(&self, writer: &'a JsonWriter) -> &'a SchemaText {
        &writer.text
    }

    fn written_name(&self, writer: &JsonWriter) -> Option<String> {
        writer.title.clone()
    }

    fn indexes<'a>(&self, _: &'a JsonWriter) -> &'a [i32] {
        &[]
    }

    fn write(
        &self,
        writer: &JsonWriter,
        value: &Value,
        out: &mut Vec<u8>,
    ) -> Result<bool, Failure> {
        let has_datum = write_value::write(out, &writer.connect, value, &self.options);
        let has_datum = has_datum.map_err(Failure::Mapping)?;
        if let Some(validator) = writer.validator.as_ref().filter(|_| has_datum) {
            validate(validator, out)?;
        }
        Ok(has_datum)
    }
}

#[cfg(test)]
mod tests;
