//! AvroConverter: the mapping is `millstream-avro`'s; here are its settings and what its messages are called.

mod compatible;

use crate::client::{SchemaText, SchemaType};
use crate::config::{definition, flag};
use crate::format::{Datum, Failure, Format, Messages, Scanned};
use crate::plugin::{check, make};
use crate::registry::Fetched;
use millstream_avro::{AvroDataSettings, AvroSchema, Kind, Reader, Writer};
use millstream_core::config::{Importance, Key, Kind as KeyKind};
use millstream_core::rejected::{CONNECT_EXCEPTION, DATA_EXCEPTION, SCHEMA_BUILDER_EXCEPTION};
use millstream_core::{
    ConverterPlugin, Decoded, Encoding, RecordError, SchemaRef, Value, config_def,
};
use std::sync::Arc;

const CLASS: &str = "io.confluent.connect.avro.AvroConverter";

pub(crate) const PLUGIN: ConverterPlugin = ConverterPlugin {
    class: CLASS,
    config_def: || definition(AvroConfig::keys()),
    check,
    make: |properties, role| make(properties, role, AvroConfig::parse(properties), Avro::new),
};

config_def! {
    struct AvroConfig {
        enhanced_schema_support: bool = flag("enhanced.avro.schema.support", "false")
            .doc("Whether enums are written as enums, and branches of unions are told by their full names."),
        connect_meta_data: bool = flag("connect.meta.data", "true")
            .doc("Whether names, versions, docs, parameters and defaults of Connect's schemas are kept in Avro's."),
        scrub_invalid_names: bool = flag("scrub.invalid.names", "false")
            .doc("Whether characters that Avro does not allow in names are replaced."),
        _cache_size: i32 = Key::new("schemas.cache.config", KeyKind::Int, "1000")
            .importance(Importance::Low)
            .doc("Not used: `max.schemas.per.subject` says how many schemas are kept."),
        generalized_sum_type_support: bool = flag("generalized.sum.type.support", "false")
            .doc("Whether unions and enums are read in a form that other schema languages share."),
        ignore_default_for_nullables: bool = flag("ignore.default.for.nullables", "false")
            .doc("Whether a null is written as null where its optional schema has a default."),
        allow_optional_map_keys: bool = flag("allow.optional.map.keys", "false")
            .doc("Whether a map whose keys are optional strings is written as a map of Avro's."),
        flatten_singleton_unions: bool = flag("flatten.singleton.unions", "true")
            .doc("Whether a union of one type is read as that type."),
        discard_type_doc_default: bool = flag("discard.type.doc.default", "false")
            .doc("Whether docs and defaults of types are left out where those of their fields count."),
    }
}

pub(crate) struct Avro {
    settings: AvroDataSettings,
}

/// A writer, and what is registered for it.
pub(crate) struct AvroWriter {
    writer: Writer,
    connect: Option<SchemaRef>,
    text: SchemaText,
    /// Whether a null is a record without a value, and no datum.
    is_null_nothing: bool,
}

impl Avro {
    fn new(config: AvroConfig) -> Self {
        Avro {
            settings: AvroDataSettings {
                enhanced_schema_support: config.enhanced_schema_support,
                connect_meta_data: config.connect_meta_data,
                scrub_invalid_names: config.scrub_invalid_names,
                generalized_sum_type_support: config.generalized_sum_type_support,
                ignore_default_for_nullables: config.ignore_default_for_nullables,
                allow_optional_map_keys: config.allow_optional_map_keys,
                flatten_singleton_unions: config.flatten_singleton_unions,
                discard_type_doc_default: config.discard_type_doc_default,
            },
        }
    }

    fn writer_of(
        &self,
        connect: Option<&SchemaRef>,
        schema: Arc<AvroSchema>,
    ) -> Result<AvroWriter, Failure> {
        let text = SchemaText {
            kind: SchemaType::Avro.name().to_owned(),
            text: schema.text().to_owned(),
            references: Vec::new(),
        };
        let writer = Writer::new(connect, schema, &self.settings).map_err(Failure::Mapping)?;
        let is_null_nothing = connect.is_some_and(|schema| {
            schema.optional
                && (schema.default.is_none() || self.settings.ignore_default_for_nullables)
        });
        Ok(AvroWriter {
            writer,
            connect: connect.cloned(),
            text,
            is_null_nothing,
        })
    }
}

fn parse(schema: &Fetched) -> Result<Arc<AvroSchema>, Failure> {
    let references: Vec<&str> = schema
        .references
        .iter()
        .map(|(_, text)| text.as_str())
        .collect();
    AvroSchema::parse_with(&schema.schema.text, &references).map_err(Failure::Serializer)
}

/// The full name of what has one.
fn name(schema: &AvroSchema) -> Option<String> {
    schema[schema.root()].name().map(|name| name.full())
}

/// Connect's exceptions come from the mapping, all others from Avro's own library.
fn failure(error: RecordError) -> Failure {
    match error.class {
        DATA_EXCEPTION | SCHEMA_BUILDER_EXCEPTION | CONNECT_EXCEPTION => Failure::Mapping(error),
        _ => Failure::Serializer(error),
    }
}

impl Format for Avro {
    type Reader = Reader;
    type Writer = AvroWriter;

    const TYPE: SchemaType = SchemaType::Avro;
    const MESSAGES: Messages = Messages {
        class: CLASS,
        name: "Avro",
        has_indexes: false,
        not_read: |topic| format!("Failed to deserialize data for topic {topic} to Avro:"),
        not_written: |topic| format!("Failed to serialize Avro data from topic {topic}:"),
    };

    fn reader(&self, schema: &Fetched, version: Option<i32>) -> Result<Reader, Failure> {
        Reader::new(parse(schema)?, version, &self.settings).map_err(Failure::Mapping)
    }

    fn record_name(&self, schema: &Fetched) -> Option<String> {
        name(&*parse(schema).ok()?)
    }

    fn read(&self, reader: &Reader, datum: Datum<'_>, out: &mut Decoded) -> Result<bool, Failure> {
        let schema = reader.schema();
        if matches!(schema[schema.root()].kind, Kind::Bytes) {
            out.push(reader.decode_message(datum.payload).map_err(failure)?);
            return Ok(false);
        }
        let mut rest = datum.payload;
        let taken = reader.take_into(&mut rest, &mut out.values);
        taken.map_err(failure)?;
        out.schemas.push(reader.connect_schema().cloned());
        Ok(!rest.is_empty())
    }

    fn encoding(reader: &Arc<Reader>) -> Option<Arc<dyn Encoding>> {
        let encoding = Arc::clone(reader) as Arc<dyn Encoding>;
        reader.scans().then_some(encoding)
    }

    fn scan(&self, reader: &Reader, datum: Datum<'_>) -> Result<Scanned, Failure> {
        let mut rest = datum.payload;
        let is_canonical = reader.scan(&mut rest).map_err(failure)?;
        Ok(Scanned {
            len: datum.payload.len() - rest.len(),
            is_canonical,
        })
    }

    fn writer(&self, schema: Option<&SchemaRef>) -> Result<AvroWriter, Failure> {
        let avro = millstream_avro::avro_schema(schema, &self.settings);
        self.writer_of(schema, avro.map_err(Failure::Mapping)?)
    }

    fn writer_by(
        &self,
        writer: &AvroWriter,
        target: &Fetched,
        is_strict: bool,
    ) -> Result<AvroWriter, Failure> {
        let schema = parse(target)?;
        if is_strict && !compatible::can_read(&schema, writer.writer.schema()) {
            return Err(crate::format::incompatible(SchemaType::Avro));
        }
        self.writer_of(writer.connect.as_ref(), schema)
    }

    fn text<'a>(&self, writer: &'a AvroWriter) -> &'a SchemaText {
        &writer.text
    }

    fn written_name(&self, writer: &AvroWriter) -> Option<String> {
        name(writer.writer.schema())
    }

    fn indexes<'a>(&self, _: &'a AvroWriter) -> &'a [i32] {
        &[]
    }

    fn write(
        &self,
        writer: &AvroWriter,
        value: &Value,
        out: &mut Vec<u8>,
    ) -> Result<bool, Failure> {
        if value.is_null() && writer.is_null_nothing {
            return Ok(false);
        }
        writer.writer.encode_message(value, out).map_err(failure)?;
        Ok(true)
    }
}
