//! JsonConverter: JSON with or without its schema beside it.

mod base64;
mod canonical;
mod node;
mod parser;
mod read;
mod schema;

use super::{AsHeader, CONVERTER_TYPE_DOC, converter_type, with_type};
use crate::settings::checked;
use bytes::Bytes;
use canonical::{Canonical, Documents, Edited, Written};
use millstream_core::config::{Importance, Key, Kind, Validator, Width};
use millstream_core::converter::RowErrors;
use millstream_core::plugin::no_check;
use millstream_core::rejected::SERIALIZATION_EXCEPTION;
use millstream_core::{
    ByteColumn, Converter, ConverterPlugin, ConverterUse, Editor, HeaderConverter,
    HeaderConverterPlugin, PluginError, Properties, RawKind, RecordError, SchemaAndValue,
    SchemaRef, Value, config_def,
};
use millstream_java::json::{self as java_json, ConnectJson, DecimalFormat};
use node::Node;
use parser::Malformed;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

const CLASS: &str = "org.apache.kafka.connect.json.JsonConverter";

pub(crate) const PLUGIN: ConverterPlugin = ConverterPlugin {
    class: CLASS,
    config_def: JsonConverterConfig::definition,
    check: no_check,
    make: |properties, role| {
        let setting = match role {
            ConverterUse::Key => "key.converter",
            ConverterUse::Value => "value.converter",
        };
        Ok(Box::new(JsonConverter::new(properties, role, setting)?))
    },
};

pub(crate) const HEADER_PLUGIN: HeaderConverterPlugin = HeaderConverterPlugin {
    class: CLASS,
    config_def: JsonConverterConfig::definition,
    make: |properties| {
        let converter = JsonConverter::new(properties, ConverterUse::Value, "header.converter")?;
        Ok(Box::new(AsHeader(converter)) as Box<dyn HeaderConverter>)
    },
};

config_def! {
    struct JsonConverterConfig {
        _converter_type: String = converter_type(CONVERTER_TYPE_DOC),
        schemas_enable: bool = Key::new("schemas.enable", Kind::Boolean, "true")
            .importance(Importance::High)
            .doc("Include schemas within each of the serialized values and keys.")
            .group("Schemas", 0, Width::Medium, "Enable Schemas"),
        schemas_cache_size: i32 = Key::new("schemas.cache.size", Kind::Int, "1000")
            .importance(Importance::High)
            .doc("The maximum number of schemas that can be cached in this converter instance.")
            .group("Schemas", 1, Width::Medium, "Schema Cache Size"),
        schema_content: Option<String> = Key::null("schema.content", Kind::String)
            .importance(Importance::High)
            .doc(
                "When set, this is used as the schema for all messages, and the schemas within each of the message \
                 will be ignored.Otherwise, the schema will be included in the content of each message. This \
                 configuration applies only 'schemas.enable' is true, and it exclusively affects the sink connector.",
            )
            .group("Schemas", 2, Width::Medium, "Schema Content"),
        decimal_format: String = Key::new("decimal.format", Kind::String, "BASE64")
            .importance(Importance::Low)
            .doc(
                "Controls which format this converter will serialize decimals in. This value is case insensitive \
                 and can be either 'BASE64' (default) or 'NUMERIC'",
            )
            .validator(Validator::OneOfIgnoringCase(&["NUMERIC", "BASE64"]))
            .group("Serialization", 0, Width::Medium, "Decimal Format"),
        replace_null_with_default: bool = Key::new("replace.null.with.default", Kind::Boolean, "true")
            .importance(Importance::Low)
            .doc(
                "Whether to replace fields that have a default value and that are null to the default value. When \
                 set to true, the default value is used, otherwise null is used.",
            )
            .group("Serialization", 1, Width::Medium, "Replace null with default"),
    }
}

struct JsonConverter {
    /// The key that chose this converter.
    setting: &'static str,
    schemas_enable: bool,
    text: ConnectJson,
    /// The schema of every record, if the settings give one.
    fixed_schema: Option<SchemaRef>,
    schemas: SchemaCache,
    canonical: Canonical,
    edited: Edited,
    documents: Documents,
    /// The schema written last, and its text.
    written_schema: Option<(SchemaRef, Bytes)>,
}

impl JsonConverter {
    fn new(
        properties: &Properties,
        role: ConverterUse,
        setting: &'static str,
    ) -> Result<Self, PluginError> {
        let config = checked(JsonConverterConfig::parse(&with_type(properties, role)))?;
        let text = ConnectJson {
            decimal_format: if config.decimal_format.eq_ignore_ascii_case("NUMERIC") {
                DecimalFormat::Numeric
            } else {
                DecimalFormat::Base64
            },
            replace_null_with_default: config.replace_null_with_default,
        };
        Ok(JsonConverter {
            setting,
            schemas_enable: config.schemas_enable,
            text,
            fixed_schema: fixed_schema(config.schema_content.as_deref())?,
            schemas: SchemaCache::new(config.schemas_cache_size),
            canonical: Canonical::default(),
            edited: Edited::default(),
            documents: Documents::default(),
            written_schema: None,
        })
    }

    /// Why a record was not read. Where it does not even begin like JSON, the setting is more to blame than the record.
    fn malformed(&self, Malformed(mut why): Malformed, topic: &str, bytes: &[u8]) -> RecordError {
        if !looks_like_json(bytes) {
            why += &format!(
                "; it does not look like JSON: is {}={CLASS} right for topic {topic}?",
                self.setting
            );
        }
        RecordError::data(
            "Converting byte[] to Kafka Connect data failed due to serialization error: ",
        )
        .caused_by(RecordError::new(SERIALIZATION_EXCEPTION, why))
    }

    /// Appends a record in the form of this kind, unless it stands in the record.
    #[inline]
    fn write_raw(
        &mut self,
        out: &mut Vec<u8>,
        record: &[u8],
        kind: RawKind,
    ) -> Result<Written, Malformed> {
        if kind == RawKind::Document && self.documents.write(out, record).is_some() {
            return Ok(Written::Anew);
        }
        self.canonical.write(out, record)
    }

    /// A record with its schema beside it, or with the one from the settings.
    fn read_with_schema(&mut self, node: Option<Node>) -> Result<SchemaAndValue, RecordError> {
        let replace = self.text.replace_null_with_default;
        if let Some(schema) = &self.fixed_schema {
            // An empty text is no null for Java, but a node of a type of its own.
            let node = node.unwrap_or(Node::Missing);
            let value = read::coerce(schema, Some(&node), replace)?;
            return Ok(SchemaAndValue {
                schema: Some(schema.clone()),
                value,
            });
        }
        let Some((schema, payload)) = node.and_then(envelope) else {
            return Err(RecordError::data(
                "JsonConverter with schemas.enable requires \"schema\" and \"payload\" fields and may not contain \
                 additional fields. If you are trying to deserialize plain JSON data, set schemas.enable=false in \
                 your converter configuration.",
            ));
        };
        match self.schemas.read(schema)? {
            Some(schema) => {
                let value = read::coerce(&schema, Some(&payload), replace)?;
                Ok(SchemaAndValue {
                    schema: Some(schema),
                    value,
                })
            }
            None => Ok(SchemaAndValue {
                schema: None,
                value: read::infer(payload),
            }),
        }
    }

    fn write_schema(
        &mut self,
        out: &mut Vec<u8>,
        schema: Option<&SchemaRef>,
    ) -> Result<(), RecordError> {
        let Some(schema) = schema else {
            out.extend_from_slice(b"null");
            return Ok(());
        };
        let known = self.written_schema.as_ref();
        if let Some((_, text)) = known.filter(|(known, _)| Arc::ptr_eq(known, schema)) {
            out.extend_from_slice(text);
            return Ok(());
        }
        let start = out.len();
        schema::write_schema(out, schema, None, self.text)?;
        self.written_schema = Some((schema.clone(), Bytes::copy_from_slice(&out[start..])));
        Ok(())
    }
}

fn fixed_schema(content: Option<&str>) -> Result<Option<SchemaRef>, PluginError> {
    let Some(content) = content.filter(|content| !content.is_empty()) else {
        return Ok(None);
    };
    let refused = |message: String| PluginError {
        class: millstream_core::rejected::DATA_EXCEPTION,
        message,
    };
    match parser::parse(content.as_bytes()) {
        Ok(Some(node)) => schema::read_schema(&node).map_err(|error| refused(error.message)),
        Ok(None) => Ok(None),
        Err(Malformed(_)) => Err(refused(
            "Failed to parse schema in converter config due to serialization error: ".to_owned(),
        )),
    }
}

/// The parts of `{"schema":…,"payload":…}`, if there are exactly these.
fn envelope(node: Node) -> Option<(Node, Node)> {
    let Node::Object(members) = node else {
        return None;
    };
    let names: HashSet<_> = members.iter().map(|(name, _)| name).collect();
    if names.len() != 2 {
        return None;
    }
    let (mut schema, mut payload) = (None, None);
    for (name, value) in members {
        if name == *"schema" {
            schema = Some(value);
        } else if name == *"payload" {
            payload = Some(value);
        }
    }
    Some((schema?, payload?))
}

/// Schemas by their JSON, the one used last in front, so that equal schemas are one.
struct SchemaCache {
    known: VecDeque<(Node, SchemaRef)>,
    capacity: usize,
}

impl SchemaCache {
    /// A topic alternates between a few schemas; looking through more would cost more than reading one anew.
    const MOST: usize = 64;

    fn new(capacity: i32) -> Self {
        SchemaCache {
            known: VecDeque::new(),
            capacity: usize::try_from(capacity).unwrap_or(0).min(Self::MOST),
        }
    }

    fn read(&mut self, node: Node) -> Result<Option<SchemaRef>, RecordError> {
        if let Some(place) = self.known.iter().position(|(known, _)| *known == node) {
            self.known.swap(0, place);
            return Ok(Some(self.known[0].1.clone()));
        }
        let schema = schema::read_schema(&node)?;
        if let Some(schema) = &schema
            && self.capacity > 0
        {
            self.known.truncate(self.capacity - 1);
            self.known.push_front((node, schema.clone()));
        }
        Ok(schema)
    }
}

/// Where a row's text begins, and its length.
enum Place {
    Null,
    /// In what was written anew.
    Out(usize, usize),
    /// In the record itself, whose bytes are not copied.
    Record(usize, usize),
}

/// Whether the bytes begin as a JSON value does.
fn looks_like_json(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii_start();
    match text.first() {
        Some(b'{' | b'[' | b'"' | b'-' | b'0'..=b'9') => true,
        Some(_) => [&b"true"[..], b"false", b"null"]
            .iter()
            .any(|word| text.starts_with(word)),
        None => false,
    }
}

impl Converter for JsonConverter {
    fn class_name(&self) -> &'static str {
        CLASS
    }

    fn raw_kinds(&self) -> &'static [RawKind] {
        match self.schemas_enable {
            true => &[],
            false => &[RawKind::Json, RawKind::Document],
        }
    }

    fn to_raw(
        &mut self,
        topic: &str,
        column: &ByteColumn,
        kind: RawKind,
        errors: &mut RowErrors,
    ) -> ByteColumn {
        let mut out = Vec::new();
        let mut rows = Vec::with_capacity(column.len());
        let mut stays = false;
        for (row, record) in column.iter().enumerate() {
            let start = out.len();
            let written = match record {
                Some(record) => self.write_raw(&mut out, record, kind),
                None => Ok(Written::Null),
            };
            rows.push(match written {
                Ok(Written::Anew) => Place::Out(start, out.len() - start),
                Ok(Written::Part { start, end }) => {
                    stays = true;
                    Place::Record(start, end - start)
                }
                Ok(Written::Null) => Place::Null,
                Err(error) => {
                    out.truncate(start);
                    let error = self.malformed(error, topic, record.unwrap_or_default());
                    errors.push((row, error));
                    Place::Null
                }
            });
            // Where one is written anew, all are: as much room as that takes, mostly.
            if start == 0 && out.len() > start {
                let rest = column.iter().skip(row + 1).flatten();
                let grown = out.len().saturating_sub(record.map_or(0, <[u8]>::len));
                let bytes: usize = rest.map(|record| record.len() + grown).sum();
                out.reserve(bytes + bytes / 16 + 64);
            }
        }
        let mut texts = match stays {
            true => column.sharing_buffers(rows.len()),
            false => ByteColumn::with_capacity(rows.len()),
        };
        let buffer = texts.add_buffer(out.into());
        for (row, place) in rows.into_iter().enumerate() {
            match place {
                Place::Null => texts.push_null(),
                Place::Out(start, len) => texts.push_span(buffer, start, len),
                Place::Record(start, len) => texts.push_part(column, row, start, len),
            }
        }
        texts
    }

    fn to_raw_edited(
        &mut self,
        column: &ByteColumn,
        editor: &mut dyn Editor,
    ) -> Option<ByteColumn> {
        self.edited.column(column, editor)
    }

    fn decode(&mut self, topic: &str, bytes: Option<&[u8]>) -> Result<SchemaAndValue, RecordError> {
        let Some(bytes) = bytes else {
            return Ok(SchemaAndValue::NULL);
        };
        let node = parser::parse(bytes).map_err(|error| self.malformed(error, topic, bytes))?;
        if self.schemas_enable {
            return self.read_with_schema(node);
        }
        Ok(SchemaAndValue {
            schema: None,
            value: node.map_or(Value::Null, read::infer),
        })
    }

    fn encode(
        &mut self,
        _topic: &str,
        schema: Option<&SchemaRef>,
        value: &Value,
    ) -> Result<Option<Bytes>, RecordError> {
        if schema.is_none() && value.is_null() {
            return Ok(None);
        }
        let mut out = Vec::new();
        let plain = schema.map(|schema| &**schema);
        if self.schemas_enable {
            out.extend_from_slice(b"{\"schema\":");
            self.write_schema(&mut out, schema)?;
            out.extend_from_slice(b",\"payload\":");
            java_json::write_connect(&mut out, plain, value, self.text)?;
            out.push(b'}');
        } else {
            java_json::write_connect(&mut out, plain, value, self.text)?;
        }
        Ok(Some(out.into()))
    }
}

#[cfg(test)]
mod tests;
