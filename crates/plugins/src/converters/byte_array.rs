//! ByteArrayConverter: bytes as they are.

use super::{AsHeader, BareConfig};
use bytes::Bytes;
use millstream_core::plugin::no_check;
use millstream_core::{
    Converter, ConverterPlugin, HeaderConverterPlugin, RawKind, RecordError, Schema,
    SchemaAndValue, SchemaRef, SchemaType, Value,
};
use std::sync::Arc;

const CLASS: &str = "org.apache.kafka.connect.converters.ByteArrayConverter";

pub(crate) const PLUGIN: ConverterPlugin = ConverterPlugin {
    class: CLASS,
    config_def: BareConfig::definition,
    check: no_check,
    make: |_, _| Ok(Box::new(ByteArrayConverter::new())),
};

pub(crate) const HEADER_PLUGIN: HeaderConverterPlugin = HeaderConverterPlugin {
    class: CLASS,
    config_def: BareConfig::definition,
    make: |_| Ok(Box::new(AsHeader(ByteArrayConverter::new()))),
};

struct ByteArrayConverter {
    schema: SchemaRef,
}

impl ByteArrayConverter {
    fn new() -> Self {
        ByteArrayConverter {
            schema: Arc::new(Schema::optional(SchemaType::Bytes)),
        }
    }
}

impl Converter for ByteArrayConverter {
    fn class_name(&self) -> &'static str {
        CLASS
    }

    fn writes_raw(&self, kind: RawKind) -> bool {
        kind == RawKind::Bytes
    }

    fn raw_kinds(&self) -> &'static [RawKind] {
        &[RawKind::Bytes]
    }

    fn never_fails(&self) -> bool {
        true
    }

    fn decode(
        &mut self,
        _topic: &str,
        bytes: Option<&[u8]>,
    ) -> Result<SchemaAndValue, RecordError> {
        Ok(SchemaAndValue {
            schema: Some(self.schema.clone()),
            value: bytes.map_or(Value::Null, |bytes| {
                Value::Bytes(Bytes::copy_from_slice(bytes))
            }),
        })
    }

    fn encode(
        &mut self,
        _topic: &str,
        schema: Option<&SchemaRef>,
        value: &Value,
    ) -> Result<Option<Bytes>, RecordError> {
        check_schema("ByteArrayConverter", SchemaType::Bytes, schema)?;
        match value {
            Value::Null => Ok(None),
            Value::Bytes(bytes) => Ok(Some(bytes.clone())),
            other => Err(incompatible("ByteArrayConverter", other)),
        }
    }
}

/// Refuses a schema of another type, even for a null.
pub(super) fn check_schema(
    converter: &str,
    kind: SchemaType,
    schema: Option<&SchemaRef>,
) -> Result<(), RecordError> {
    match schema {
        Some(schema) if schema.kind != kind => Err(RecordError::data(format!(
            "Invalid schema type for {converter}: {}",
            schema.kind.java_name()
        ))),
        _ => Ok(()),
    }
}

pub(super) fn incompatible(converter: &str, value: &Value) -> RecordError {
    RecordError::data(format!(
        "{converter} is not compatible with objects of type class {}",
        value.java_class()
    ))
}
