//! SimpleHeaderConverter: the type of a header is inferred from its text.

mod number;
mod parser;

pub(crate) use number::{low_bits, parse_decimal, to_f32, to_f64};

use bytes::Bytes;
use millstream_core::text::decode_utf8;
use millstream_core::{
    ConfigDef, Header, HeaderConverter, HeaderConverterPlugin, RecordError, SchemaAndValue, Value,
};
use millstream_java::header_text::header_text;

const CLASS: &str = "org.apache.kafka.connect.storage.SimpleHeaderConverter";

pub(crate) const HEADER_PLUGIN: HeaderConverterPlugin = HeaderConverterPlugin {
    class: CLASS,
    config_def: || ConfigDef::new(Vec::new()),
    make: |_| Ok(Box::new(SimpleHeaderConverter)),
};

struct SimpleHeaderConverter;

/// A text's value by Connect's inference, as InsertHeader's literals too are read.
pub(crate) fn infer(text: &str) -> SchemaAndValue {
    parser::parse(text)
}

impl HeaderConverter for SimpleHeaderConverter {
    fn class_name(&self) -> &'static str {
        CLASS
    }

    fn never_fails(&self) -> bool {
        true
    }

    fn decode(
        &mut self,
        _topic: &str,
        _header: &str,
        bytes: Option<&[u8]>,
    ) -> Result<SchemaAndValue, RecordError> {
        Ok(bytes.map_or(SchemaAndValue::NULL, |bytes| infer(&decode_utf8(bytes))))
    }

    fn encode(&mut self, _topic: &str, header: &Header) -> Result<Option<Bytes>, RecordError> {
        Ok(match &header.value {
            Value::Null => None,
            value => Some(header_text(value).into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_of_null_is_null() {
        let read = SimpleHeaderConverter.decode("t", "h", Some(b"null"));
        assert_eq!(read.unwrap().value, Value::Null);
    }
}
