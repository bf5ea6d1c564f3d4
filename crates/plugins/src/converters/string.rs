//! StringConverter: text in a character set, UTF-8 unless told otherwise.

mod charset;

use super::{AsHeader, CONVERTER_TYPE_DOC, converter_type, with_type};
use crate::settings::checked;
use bytes::Bytes;
use charset::Charset;
use millstream_core::config::{Importance, Key, Kind, Width};
use millstream_core::plugin::no_check;
use millstream_core::text::decode_utf8;
use millstream_core::{
    Converter, ConverterPlugin, ConverterUse, HeaderConverterPlugin, PluginError, Properties,
    RawKind, RecordError, Schema, SchemaAndValue, SchemaRef, SchemaType, Text, Value, config_def,
};
use millstream_java::string::java_string;
use std::sync::Arc;

const CLASS: &str = "org.apache.kafka.connect.storage.StringConverter";

pub(crate) const PLUGIN: ConverterPlugin = ConverterPlugin {
    class: CLASS,
    config_def: StringConverterConfig::definition,
    check: no_check,
    make: |properties, role| Ok(Box::new(StringConverter::new(properties, role)?)),
};

pub(crate) const HEADER_PLUGIN: HeaderConverterPlugin = HeaderConverterPlugin {
    class: CLASS,
    config_def: StringConverterConfig::definition,
    make: |properties| {
        let converter = StringConverter::new(properties, ConverterUse::Value)?;
        Ok(Box::new(AsHeader(converter)))
    },
};

config_def! {
    struct StringConverterConfig {
        _converter_type: String = converter_type(CONVERTER_TYPE_DOC),
        encoding: String = {
            let mut key = Key::new("converter.encoding", Kind::String, "UTF-8")
                .importance(Importance::High)
                .doc("The name of the Java character set to use for encoding strings as byte arrays.");
            key.width = Width::Medium;
            key.display_name = "Encoding".into();
            key
        },
    }
}

struct StringConverter {
    charset: Charset,
    schema: SchemaRef,
}

impl StringConverter {
    fn new(properties: &Properties, role: ConverterUse) -> Result<Self, PluginError> {
        let config = checked(StringConverterConfig::parse(&with_type(properties, role)))?;
        let charset = Charset::by_name(&config.encoding);
        let charset = charset.ok_or_else(|| PluginError {
            class: millstream_core::rejected::SERIALIZATION_EXCEPTION,
            message: format!("Unsupported encoding {}", config.encoding),
        })?;
        Ok(StringConverter {
            charset,
            schema: Arc::new(Schema::optional(SchemaType::String)),
        })
    }
}

impl Converter for StringConverter {
    fn class_name(&self) -> &'static str {
        CLASS
    }

    fn writes_raw(&self, kind: RawKind) -> bool {
        self.raw_kinds().contains(&kind)
    }

    fn raw_kinds(&self) -> &'static [RawKind] {
        match self.charset == Charset::Utf8 {
            true => &[RawKind::String],
            false => &[],
        }
    }

    fn never_fails(&self) -> bool {
        true
    }

    fn decode(
        &mut self,
        _topic: &str,
        bytes: Option<&[u8]>,
    ) -> Result<SchemaAndValue, RecordError> {
        let text = |bytes| match self.charset {
            Charset::Utf8 => decode_utf8(bytes).into_owned(),
            other => other.decode(bytes),
        };
        Ok(SchemaAndValue {
            schema: Some(self.schema.clone()),
            value: bytes.map_or(Value::Null, |bytes| Value::String(Text::from(text(bytes)))),
        })
    }

    fn encode(
        &mut self,
        _topic: &str,
        _schema: Option<&SchemaRef>,
        value: &Value,
    ) -> Result<Option<Bytes>, RecordError> {
        Ok(match value {
            Value::Null => None,
            Value::String(text) if self.charset == Charset::Utf8 => {
                Some(Bytes::copy_from_slice(text.to_java_utf8().as_bytes()))
            }
            Value::String(text) => Some(self.charset.encode(&text.to_java_utf8()).into()),
            other => Some(self.charset.encode(&java_string(other)).into()),
        })
    }
}
