//! BooleanConverter: one byte, 0 or 1.

use super::byte_array::{check_schema, incompatible};
use super::{AsHeader, BareConfig};
use bytes::Bytes;
use millstream_core::plugin::no_check;
use millstream_core::rejected::SERIALIZATION_EXCEPTION;
use millstream_core::{
    Converter, ConverterPlugin, HeaderConverterPlugin, RecordError, Schema, SchemaAndValue,
    SchemaRef, SchemaType, Value,
};
use std::sync::Arc;

const CLASS: &str = "org.apache.kafka.connect.converters.BooleanConverter";

pub(crate) const PLUGIN: ConverterPlugin = ConverterPlugin {
    class: CLASS,
    config_def: BareConfig::definition,
    check: no_check,
    make: |_, _| Ok(Box::new(BooleanConverter::new())),
};

pub(crate) const HEADER_PLUGIN: HeaderConverterPlugin = HeaderConverterPlugin {
    class: CLASS,
    config_def: BareConfig::definition,
    make: |_| Ok(Box::new(AsHeader(BooleanConverter::new()))),
};

struct BooleanConverter {
    schema: SchemaRef,
}

impl BooleanConverter {
    fn new() -> Self {
        BooleanConverter {
            schema: Arc::new(Schema::optional(SchemaType::Boolean)),
        }
    }
}

impl Converter for BooleanConverter {
    fn class_name(&self) -> &'static str {
        CLASS
    }

    fn decode(
        &mut self,
        _topic: &str,
        bytes: Option<&[u8]>,
    ) -> Result<SchemaAndValue, RecordError> {
        let value = match bytes {
            None => Value::Null,
            Some([0]) => Value::Boolean(false),
            Some([1]) => Value::Boolean(true),
            Some(other) => {
                let why = match other {
                    [byte] => format!(
                        "Unexpected byte received by BooleanDeserializer: {}",
                        *byte as i8
                    ),
                    _ => "Size of data received by BooleanDeserializer is not 1".to_owned(),
                };
                return Err(RecordError::data("Failed to deserialize boolean: ")
                    .caused_by(RecordError::new(SERIALIZATION_EXCEPTION, why)));
            }
        };
        Ok(SchemaAndValue {
            schema: Some(self.schema.clone()),
            value,
        })
    }

    fn encode(
        &mut self,
        _topic: &str,
        schema: Option<&SchemaRef>,
        value: &Value,
    ) -> Result<Option<Bytes>, RecordError> {
        check_schema("BooleanConverter", SchemaType::Boolean, schema)?;
        match value {
            Value::Null => Ok(None),
            Value::Boolean(true) => Ok(Some(Bytes::from_static(&[1]))),
            Value::Boolean(false) => Ok(Some(Bytes::from_static(&[0]))),
            other => Err(incompatible("BooleanConverter", other)),
        }
    }
}
