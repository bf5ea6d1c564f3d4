//! Converters, one file each, and what they share.

pub(crate) mod boolean;
pub(crate) mod byte_array;
pub(crate) mod json;
pub(crate) mod numbers;
pub(crate) mod simple_header;
pub(crate) mod string;

use bytes::Bytes;
use millstream_core::config::{Importance, Key, Kind, Validator};
use millstream_core::{
    Converter, ConverterUse, Header, HeaderConverter, Properties, RecordError, SchemaAndValue,
    config_def,
};

const CONVERTER_TYPE_DOC: &str = "How this converter will be used.";

/// The key that the worker sets on every converter.
fn converter_type(doc: &'static str) -> Key {
    Key::required("converter.type", Kind::String)
        .importance(Importance::Low)
        .doc(doc)
        .validator(Validator::OneOf(&["key", "value", "header"]))
}

/// The settings with the converter's role, which is the caller's word and not the user's.
fn with_type(properties: &Properties, role: ConverterUse) -> Properties {
    let mut all = properties.clone();
    let role = match role {
        ConverterUse::Key => "key",
        ConverterUse::Value => "value",
    };
    all.insert("converter.type", role);
    all
}

config_def! {
    /// The settings of a converter that has none of its own.
    struct BareConfig {
        _converter_type: String = converter_type(CONVERTER_TYPE_DOC),
    }
}

/// A converter at work on headers.
struct AsHeader<C>(C);

impl<C: Converter> HeaderConverter for AsHeader<C> {
    fn class_name(&self) -> &'static str {
        self.0.class_name()
    }

    fn never_fails(&self) -> bool {
        self.0.never_fails()
    }

    fn decode(
        &mut self,
        topic: &str,
        _header: &str,
        bytes: Option<&[u8]>,
    ) -> Result<SchemaAndValue, RecordError> {
        self.0.decode(topic, bytes)
    }

    fn encode(&mut self, topic: &str, header: &Header) -> Result<Option<Bytes>, RecordError> {
        self.0.encode(topic, header.schema.as_ref(), &header.value)
    }
}
