//! The converters of single numbers, big-endian: Short, Integer, Long, Float and Double.

use super::{AsHeader, BareConfig};
use bytes::Bytes;
use millstream_core::plugin::no_check;
use millstream_core::rejected::SERIALIZATION_EXCEPTION;
use millstream_core::{
    Converter, ConverterPlugin, HeaderConverterPlugin, RecordError, Schema, SchemaAndValue,
    SchemaRef, SchemaType, Value,
};
use std::sync::Arc;

/// What tells the five apart.
struct Number {
    class: &'static str,
    /// As messages name it.
    noun: &'static str,
    /// The Java deserializer's name in messages.
    deserializer: &'static str,
    width: usize,
    kind: SchemaType,
    read: fn(&[u8]) -> Option<Value>,
    write: fn(&Value) -> Option<Bytes>,
}

macro_rules! number {
    ($name:ident, $plugin:ident, $header:ident, $class:literal, $noun:literal, $deserializer:literal, $variant:ident, $type:ty) => {
        static $name: Number = Number {
            class: concat!("org.apache.kafka.connect.converters.", $class),
            noun: $noun,
            deserializer: $deserializer,
            width: size_of::<$type>(),
            kind: SchemaType::$variant,
            read: |bytes| {
                let bytes = bytes.try_into().ok()?;
                Some(Value::$variant(<$type>::from_be_bytes(bytes)))
            },
            write: |value| match value {
                Value::$variant(v) => Some(Bytes::copy_from_slice(&v.to_be_bytes())),
                _ => None,
            },
        };
        pub(crate) const $plugin: ConverterPlugin = ConverterPlugin {
            class: concat!("org.apache.kafka.connect.converters.", $class),
            config_def: BareConfig::definition,
            check: no_check,
            make: |_, _| Ok(Box::new(NumberConverter::new(&$name))),
        };
        pub(crate) const $header: HeaderConverterPlugin = HeaderConverterPlugin {
            class: concat!("org.apache.kafka.connect.converters.", $class),
            config_def: BareConfig::definition,
            make: |_| Ok(Box::new(AsHeader(NumberConverter::new(&$name)))),
        };
    };
}

number!(
    SHORT,
    SHORT_PLUGIN,
    SHORT_HEADER,
    "ShortConverter",
    "short",
    "ShortDeserializer",
    Int16,
    i16
);
number!(
    INTEGER,
    INTEGER_PLUGIN,
    INTEGER_HEADER,
    "IntegerConverter",
    "integer",
    "IntegerDeserializer",
    Int32,
    i32
);
number!(
    LONG,
    LONG_PLUGIN,
    LONG_HEADER,
    "LongConverter",
    "long",
    "LongDeserializer",
    Int64,
    i64
);
number!(
    FLOAT,
    FLOAT_PLUGIN,
    FLOAT_HEADER,
    "FloatConverter",
    "float",
    "Deserializer",
    Float32,
    f32
);
number!(
    DOUBLE,
    DOUBLE_PLUGIN,
    DOUBLE_HEADER,
    "DoubleConverter",
    "double",
    "Deserializer",
    Float64,
    f64
);

struct NumberConverter {
    number: &'static Number,
    schema: SchemaRef,
}

impl NumberConverter {
    fn new(number: &'static Number) -> Self {
        NumberConverter {
            number,
            schema: Arc::new(Schema::optional(number.kind)),
        }
    }
}

impl Converter for NumberConverter {
    fn class_name(&self) -> &'static str {
        self.number.class
    }

    fn decode(
        &mut self,
        _topic: &str,
        bytes: Option<&[u8]>,
    ) -> Result<SchemaAndValue, RecordError> {
        let number = self.number;
        let value = match bytes {
            None => Value::Null,
            Some(bytes) => (number.read)(bytes).ok_or_else(|| {
                RecordError::data(format!("Failed to deserialize {}: ", number.noun)).caused_by(
                    RecordError::new(
                        SERIALIZATION_EXCEPTION,
                        format!(
                            "Size of data received by {} is not {}",
                            number.deserializer, number.width
                        ),
                    ),
                )
            })?,
        };
        Ok(SchemaAndValue {
            schema: Some(self.schema.clone()),
            value,
        })
    }

    fn encode(
        &mut self,
        _topic: &str,
        _schema: Option<&SchemaRef>,
        value: &Value,
    ) -> Result<Option<Bytes>, RecordError> {
        if value.is_null() {
            return Ok(None);
        }
        (self.number.write)(value).map(Some).ok_or_else(|| {
            RecordError::data(format!(
                "Failed to serialize to {} (was class {}): ",
                self.number.noun,
                value.java_class()
            ))
        })
    }
}
