//! ProtobufConverter: messages whose `.proto` text is a schema of the registry.

mod files;
mod names;
mod read_schema;
mod read_value;
mod taken;
mod well_known;
mod write_schema;
mod write_value;

use crate::client::{SchemaText, SchemaType};
use crate::config::{definition, flag};
use crate::format::{Datum, Failure, Format, Messages, incompatible};
use crate::plugin::{check, make};
use crate::registry::Fetched;
use millstream_core::config::{Importance, Key, Kind};
use millstream_core::rejected::SERIALIZATION_EXCEPTION;
use millstream_core::{
    ConverterPlugin, Decoded, RecordError, SchemaAndValue, SchemaRef, Value, config_def,
};
use prost_reflect::{DynamicMessage, FileDescriptor, MessageDescriptor};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

const CLASS: &str = "io.confluent.connect.protobuf.ProtobufConverter";

pub(crate) const PLUGIN: ConverterPlugin = ConverterPlugin {
    class: CLASS,
    config_def: || definition(ProtobufConfig::keys()),
    check,
    make: |properties, role| {
        make(
            properties,
            role,
            ProtobufConfig::parse(properties),
            |config| Protobuf {
                options: Options::new(config),
            },
        )
    },
};

config_def! {
    struct ProtobufConfig {
        enhanced: bool = flag("enhanced.protobuf.schema.support", "false")
            .doc("Whether schemas are named by full names, package and all."),
        scrub: bool = flag("scrub.invalid.names", "false")
            .doc("Whether characters that Protobuf does not allow in names are replaced."),
        int_for_enums: bool = flag("int.for.enums", "false")
            .doc("Whether enums are read as numbers."),
        optional_for_nullables: bool = flag("optional.for.nullables", "false")
            .doc("Whether only fields that are marked `optional` are optional, and optional fields are written so."),
        optional_for_proto2: bool = flag("optional.for.proto2", "true")
            .doc("Whether `optional` of proto2 counts."),
        wrapper_for_nullables: bool = flag("wrapper.for.nullables", "false")
            .doc("Whether optional fields of simple types are wrappers (`google.protobuf.StringValue` and so on)."),
        wrapper_for_raw_primitives: bool = flag("wrapper.for.raw.primitives", "true")
            .doc("Whether a message that is a wrapper is read as what it wraps."),
        struct_for_nulls: bool = flag("generate.struct.for.nulls", "false")
            .doc("Whether a message that is not there is read as one of defaults."),
        index_for_unions: bool = flag("generate.index.for.unions", "true")
            .doc("Whether the field of a `oneof` has its number behind its name."),
        flatten_unions: bool = flag("flatten.unions", "false")
            .doc("Whether the fields of a `oneof` are read as fields of its message."),
        generalized: bool = flag("generalized.sum.type.support", "false")
            .doc("Whether unions and enums are read in a form that other schema languages share."),
        ignore_default: bool = flag("ignore.default.for.nullables", "false")
            .doc("Whether a null is left out where its optional schema has a default."),
        _cache_size: i32 = Key::new("schemas.cache.config", Kind::Int, "1000")
            .importance(Importance::Low)
            .doc("Not used: `max.schemas.per.subject` says how many schemas are kept."),
    }
}

/// The converter's settings, as the mapping uses them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    enhanced: bool,
    scrub: bool,
    int_for_enums: bool,
    optional_for_nullables: bool,
    optional_for_proto2: bool,
    wrapper_for_nullables: bool,
    wrapper_for_raw_primitives: bool,
    struct_for_nulls: bool,
    index_for_unions: bool,
    flatten_unions: bool,
    generalized: bool,
    ignore_default: bool,
}

impl Options {
    fn new(config: ProtobufConfig) -> Self {
        Options {
            enhanced: config.enhanced,
            scrub: config.scrub,
            int_for_enums: config.int_for_enums,
            optional_for_nullables: config.optional_for_nullables,
            optional_for_proto2: config.optional_for_proto2,
            wrapper_for_nullables: config.wrapper_for_nullables,
            wrapper_for_raw_primitives: config.wrapper_for_raw_primitives,
            struct_for_nulls: config.struct_for_nulls,
            index_for_unions: config.index_for_unions,
            flatten_unions: config.flatten_unions,
            generalized: config.generalized,
            ignore_default: config.ignore_default,
        }
    }
}

pub(crate) struct Protobuf {
    options: Options,
}

/// A file, and its messages by their indexes as records come that have them: no more than the file has messages.
pub(crate) struct ProtobufReader {
    file: FileDescriptor,
    version: Option<i32>,
    messages: Mutex<HashMap<Vec<i32>, Arc<MessageReader>>>,
}

struct MessageReader {
    descriptor: MessageDescriptor,
    schema: SchemaRef,
}

pub(crate) struct ProtobufWriter {
    connect: SchemaRef,
    message: MessageDescriptor,
    indexes: Vec<i32>,
    text: SchemaText,
}

fn serialization(message: impl Into<String>) -> Failure {
    Failure::Serializer(RecordError::new(SERIALIZATION_EXCEPTION, message))
}

impl ProtobufReader {
    fn message(&self, indexes: &[i32], options: &Options) -> Result<Arc<MessageReader>, Failure> {
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(message) = messages.get(indexes) {
            return Ok(Arc::clone(message));
        }
        let descriptor = files::message(&self.file, indexes).ok_or_else(|| {
            serialization(format!(
                "the schema has no message at the indexes {indexes:?}"
            ))
        })?;
        let schema = read_schema::read(&descriptor, self.version, options);
        let message = Arc::new(MessageReader {
            schema: schema.map_err(Failure::Mapping)?,
            descriptor,
        });
        messages.insert(indexes.to_vec(), Arc::clone(&message));
        Ok(message)
    }
}

impl Format for Protobuf {
    type Reader = ProtobufReader;
    type Writer = ProtobufWriter;

    const TYPE: SchemaType = SchemaType::Protobuf;
    const MESSAGES: Messages = Messages {
        class: CLASS,
        name: "Protobuf",
        has_indexes: true,
        not_read: |topic| format!("Failed to deserialize data for topic {topic} to Protobuf:"),
        not_written: |topic| format!("Failed to serialize Protobuf data from topic {topic}:"),
    };

    fn reader(&self, schema: &Fetched, version: Option<i32>) -> Result<ProtobufReader, Failure> {
        Ok(ProtobufReader {
            file: files::compile(schema).map_err(Failure::Serializer)?,
            version,
            messages: Mutex::default(),
        })
    }

    fn record_name(&self, schema: &Fetched) -> Option<String> {
        let file = files::compile(schema).ok()?;
        Some(files::message(&file, &[0])?.full_name().to_owned())
    }

    fn read(
        &self,
        reader: &ProtobufReader,
        datum: Datum<'_>,
        out: &mut Decoded,
    ) -> Result<bool, Failure> {
        let message = reader.message(datum.indexes, &self.options)?;
        let decoded = DynamicMessage::decode(message.descriptor.clone(), datum.payload);
        // The library's text may tell names of fields, and nothing that a record holds.
        let decoded = decoded.map_err(|error| serialization(error.to_string()))?;
        let value = read_value::read(&message.schema, &decoded, &self.options);
        out.push(SchemaAndValue {
            schema: Some(message.schema.clone()),
            value: value.map_err(Failure::Mapping)?,
        });
        Ok(false)
    }

    fn writer(&self, schema: Option<&SchemaRef>) -> Result<ProtobufWriter, Failure> {
        let connect = schema.cloned().ok_or_else(|| {
            serialization("a value without a schema has no Protobuf schema either; give it one by a transform")
        })?;
        let text = write_schema::write(&connect, &self.options).map_err(Failure::Mapping)?;
        let text = SchemaText {
            kind: SchemaType::Protobuf.name().to_owned(),
            text,
            references: Vec::new(),
        };
        let fetched = Fetched {
            schema: text.clone(),
            references: Vec::new(),
        };
        // What Protobuf does not take (names, numbers) its own compiler says.
        let file = files::compile(&fetched).map_err(Failure::Mapping)?;
        let message = files::message(&file, &[0]);
        let message = message.ok_or_else(|| serialization("the schema has no message"))?;
        Ok(ProtobufWriter {
            connect,
            message,
            indexes: vec![0],
            text,
        })
    }

    fn writer_by(
        &self,
        writer: &ProtobufWriter,
        target: &Fetched,
        is_strict: bool,
    ) -> Result<ProtobufWriter, Failure> {
        let file = files::compile(target).map_err(Failure::Serializer)?;
        let wanted = writer.message.full_name();
        let found = files::find(&file, wanted);
        let (indexes, message) = match (found, files::message(&file, &[0])) {
            (Some(found), _) => found,
            (None, Some(first)) if !is_strict => (vec![0], first),
            _ => return Err(incompatible(SchemaType::Protobuf)),
        };
        if is_strict && !files::can_read(&message, &writer.message) {
            return Err(incompatible(SchemaType::Protobuf));
        }
        Ok(ProtobufWriter {
            connect: writer.connect.clone(),
            message,
            indexes,
            text: target.schema.clone(),
        })
    }

    fn text<'a>(&self, writer: &'a ProtobufWriter) -> &'a SchemaText {
        &writer.text
    }

    fn written_name(&self, writer: &ProtobufWriter) -> Option<String> {
        Some(writer.message.full_name().to_owned())
    }

    fn indexes<'a>(&self, writer: &'a ProtobufWriter) -> &'a [i32] {
        &writer.indexes
    }

    fn write(
        &self,
        writer: &ProtobufWriter,
        value: &Value,
        out: &mut Vec<u8>,
    ) -> Result<bool, Failure> {
        if value.is_null() {
            return Ok(false);
        }
        let message = write_value::write(&writer.message, &writer.connect, value, &self.options);
        write_value::encode(&message.map_err(Failure::Mapping)?, out);
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
