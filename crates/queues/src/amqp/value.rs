//! Bodies and values of AMQP 1.0 as bytes: text and binary as they are, all else as JSON.

use super::sections::decoded;
use crate::hex::hex;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use fe2o3_amqp::types::messaging::{Body, MessageId};
use fe2o3_amqp::types::primitives::{Uuid, Value};
use millstream_core::{Text, Value as Typed};
use serde_json::{Map, Number, Value as Json};

/// The bytes of a body, `None` for null, and what it was if they are JSON that stands for it.
pub(crate) fn body(body: Body<Value>) -> (Option<Bytes>, Option<&'static str>) {
    match body {
        Body::Empty => (None, None),
        Body::Data(sections) => {
            let sections = sections.into_inner().into_iter();
            let mut sections = sections.map(|section| section.0.into_vec());
            let first = sections.next().unwrap_or_default();
            // Nearly always there is one, which is not copied.
            let joined = sections.fold(first, |mut joined, section| {
                joined.extend(section);
                joined
            });
            (Some(Bytes::from(joined)), None)
        }
        Body::Value(value) => match value.0 {
            Value::Null => (None, None),
            Value::Binary(bytes) => (Some(Bytes::from(bytes.into_vec())), None),
            Value::String(text) => (Some(Bytes::from(text)), None),
            Value::Symbol(symbol) => (Some(Bytes::from(symbol.0)), None),
            value => (
                Some(Bytes::from(json(&value).to_string())),
                Some(kind(&value)),
            ),
        },
        Body::Sequence(sections) => {
            let values = sections.iter().flat_map(|section| section.0.iter());
            let list: Json = values.map(json).collect();
            (Some(Bytes::from(list.to_string())), Some("sequence"))
        }
    }
}

/// The body that these bytes are the sections of, as RabbitMQ hands values of AMQP 1.0 to readers of its older protocol;
/// `None` if they are no such sections.
pub(crate) fn encoded(sections: &[u8]) -> Option<(Option<Bytes>, Option<&'static str>)> {
    let message = decoded(sections).ok()?;
    Some(body(message.body))
}

/// The text that RabbitMQ gives an id to readers of its other protocol, so that it stays the same over both.
pub(super) fn id_text(id: &MessageId) -> String {
    match id {
        MessageId::Ulong(number) => number.to_string(),
        MessageId::Uuid(id) => format!("urn:uuid:{}", uuid(id)),
        MessageId::Binary(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        MessageId::String(text) => text.clone(),
    }
}

/// A value of a property or an annotation as a header's.
pub(super) fn text(value: &Value) -> Bytes {
    match value {
        Value::Null => Bytes::new(),
        Value::Binary(bytes) => Bytes::copy_from_slice(bytes),
        Value::String(text) => Bytes::copy_from_slice(text.as_bytes()),
        Value::Symbol(symbol) => Bytes::copy_from_slice(symbol.0.as_bytes()),
        value => match json(value) {
            Json::String(text) => Bytes::from(text),
            value => Bytes::from(value.to_string()),
        },
    }
}

/// A value of a property with its type. Unsigned numbers have the next wider signed one, and those that none has are their
/// digits; what is nested is JSON.
pub(super) fn typed(value: &Value) -> Typed {
    let as_text = |value: &Value| {
        let bytes = text(value);
        Typed::String(Text::from(&*String::from_utf8_lossy(&bytes)))
    };
    match value {
        Value::Null => Typed::Null,
        Value::Bool(value) => Typed::Boolean(*value),
        Value::Byte(value) => Typed::Int8(*value),
        Value::Short(value) => Typed::Int16(*value),
        Value::Ubyte(value) => Typed::Int16((*value).into()),
        Value::Int(value) => Typed::Int32(*value),
        Value::Ushort(value) => Typed::Int32((*value).into()),
        Value::Long(value) => Typed::Int64(*value),
        Value::Uint(value) => Typed::Int64((*value).into()),
        Value::Timestamp(value) => Typed::Int64(value.milliseconds()),
        Value::Ulong(number) => {
            i64::try_from(*number).map_or_else(|_| as_text(value), Typed::Int64)
        }
        Value::Float(value) => Typed::Float32(value.into_inner()),
        Value::Double(value) => Typed::Float64(value.into_inner()),
        Value::Binary(bytes) => Typed::Bytes(Bytes::copy_from_slice(bytes)),
        Value::String(_)
        | Value::Symbol(_)
        | Value::Char(_)
        | Value::Uuid(_)
        | Value::Decimal32(_)
        | Value::Decimal64(_)
        | Value::Decimal128(_)
        | Value::Described(_)
        | Value::List(_)
        | Value::Map(_)
        | Value::Array(_) => as_text(value),
    }
}

/// The name of a value's type.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Described(_) => "described",
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Ubyte(_) => "ubyte",
        Value::Ushort(_) => "ushort",
        Value::Uint(_) => "uint",
        Value::Ulong(_) => "ulong",
        Value::Byte(_) => "byte",
        Value::Short(_) => "short",
        Value::Int(_) => "int",
        Value::Long(_) => "long",
        Value::Float(_) => "float",
        Value::Double(_) => "double",
        Value::Decimal32(_) => "decimal32",
        Value::Decimal64(_) => "decimal64",
        Value::Decimal128(_) => "decimal128",
        Value::Char(_) => "char",
        Value::Timestamp(_) => "timestamp",
        Value::Uuid(_) => "uuid",
        Value::Binary(_) => "binary",
        Value::String(_) => "string",
        Value::Symbol(_) => "symbol",
        Value::List(_) => "list",
        Value::Map(_) => "map",
        Value::Array(_) => "array",
    }
}

/// Binary is base64, symbols are text, times milliseconds since the epoch; numbers that JSON lacks are text, and decimals,
/// which the library does not decode, the hexadecimal digits of their encoding.
fn json(value: &Value) -> Json {
    let real =
        |value: f64| Number::from_f64(value).map_or_else(|| value.to_string().into(), Json::Number);
    match value {
        Value::Described(described) => json(&described.value),
        Value::Null => Json::Null,
        Value::Bool(value) => (*value).into(),
        Value::Ubyte(value) => (*value).into(),
        Value::Ushort(value) => (*value).into(),
        Value::Uint(value) => (*value).into(),
        Value::Ulong(value) => (*value).into(),
        Value::Byte(value) => (*value).into(),
        Value::Short(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Long(value) => (*value).into(),
        // As its own shortest digits, and not as those of the double nearest to it.
        Value::Float(value) => {
            let value = value.into_inner();
            real(value.to_string().parse().unwrap_or(f64::from(value)))
        }
        Value::Double(value) => real(value.into_inner()),
        Value::Decimal32(value) => hex(value.as_inner()).into(),
        Value::Decimal64(value) => hex(value.as_inner()).into(),
        Value::Decimal128(value) => hex(value.as_inner()).into(),
        Value::Char(value) => value.to_string().into(),
        Value::Timestamp(value) => value.milliseconds().into(),
        Value::Uuid(value) => uuid(value).into(),
        Value::Binary(bytes) => STANDARD.encode(bytes.as_slice()).into(),
        Value::String(text) => text.as_str().into(),
        Value::Symbol(symbol) => symbol.0.as_str().into(),
        Value::List(values) => values.iter().map(json).collect(),
        Value::Array(values) => values.0.iter().map(json).collect(),
        Value::Map(entries) => {
            let mut object = Map::new();
            for (key, value) in entries.iter() {
                let key = match json(key) {
                    Json::String(key) => key,
                    key => key.to_string(),
                };
                object.insert(key, json(value));
            }
            Json::Object(object)
        }
    }
}

/// As RFC 4122 writes it.
fn uuid(uuid: &Uuid) -> String {
    let digits = hex(uuid.as_inner());
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &digits[part]);
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use fe2o3_amqp::types::messaging::{AmqpSequence, AmqpValue, Batch, Data};
    use fe2o3_amqp::types::primitives::{Array, Binary, OrderedMap, Symbol, Timestamp};

    fn value(value: Value) -> (Option<String>, Option<&'static str>) {
        shown(Body::Value(AmqpValue(value)))
    }

    fn shown(content: Body<Value>) -> (Option<String>, Option<&'static str>) {
        let (bytes, kind) = body(content);
        let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        (bytes.map(text), kind)
    }

    fn data(bytes: &[u8]) -> Data {
        Data(Binary::from(bytes.to_vec()))
    }

    #[test]
    fn text_and_bytes_are_themselves() {
        let one = Body::Data(Batch::new(vec![data(b"abc")]));
        assert_eq!(shown(one), (Some("abc".to_owned()), None));
        let three = Body::Data(Batch::new(vec![data(b"a"), data(b""), data(b"bc")]));
        assert_eq!(shown(three), (Some("abc".to_owned()), None));
        let none = Body::Data(Batch::new(Vec::new()));
        assert_eq!(shown(none), (Some(String::new()), None));
        assert_eq!(value("é".to_owned().into()), (Some("é".to_owned()), None));
        let binary = Value::Binary(Binary::from(b"x".to_vec()));
        assert_eq!(value(binary), (Some("x".to_owned()), None));
        assert_eq!(value(Value::Null), (None, None));
        assert_eq!(shown(Body::Empty), (None, None));
    }

    #[test]
    fn all_else_is_json_and_says_what_it_was() {
        let mut map = OrderedMap::new();
        map.insert(
            "raw".to_owned().into(),
            Value::Binary(Binary::from(vec![0xFF])),
        );
        map.insert(
            Value::Symbol(Symbol::from("at")),
            Value::Timestamp(Timestamp::from_milliseconds(5)),
        );
        map.insert(
            Value::Int(3),
            Value::List(vec![Value::Bool(true), Value::Null]),
        );
        let (text, kind) = value(Value::Map(map));
        assert_eq!(
            text.as_deref(),
            Some(r#"{"raw":"/w==","at":5,"3":[true,null]}"#)
        );
        assert_eq!(kind, Some("map"));
        let cases = [
            (Value::Ulong(u64::MAX), "18446744073709551615", "ulong"),
            (Value::Float(0.1f32.into()), "0.1", "float"),
            (Value::Double(f64::INFINITY.into()), "\"inf\"", "double"),
            (Value::Char('ß'), "\"ß\"", "char"),
            (
                Value::Array(Array::from(vec![Value::Int(1)])),
                "[1]",
                "array",
            ),
            (
                Value::Uuid(Uuid::from([0x12; 16])),
                "\"12121212-1212-1212-1212-121212121212\"",
                "uuid",
            ),
        ];
        for (content, text, kind) in cases {
            let expected = (Some(text.to_owned()), Some(kind));
            assert_eq!(value(content.clone()), expected, "{content:?}");
        }
        let sections = vec![
            AmqpSequence(vec![Value::Int(1), Value::Int(2)]),
            AmqpSequence(vec!["x".to_owned().into()]),
        ];
        let sequence = Body::Sequence(Batch::new(sections));
        assert_eq!(
            shown(sequence),
            (Some(r#"[1,2,"x"]"#.to_owned()), Some("sequence"))
        );
    }

    #[test]
    fn sections_are_decoded_by_themselves() {
        // A value section with the string "hi", and two sequences of one number each.
        let text = [0x00, 0x53, 0x77, 0xA1, 2, b'h', b'i'];
        assert_eq!(
            encoded(&text),
            Some((Some(Bytes::from_static(b"hi")), None))
        );
        let list = [0x00, 0x53, 0x76, 0xC0, 3, 1, 0x54, 7];
        let twice = [list, list].concat();
        assert_eq!(
            encoded(&twice),
            Some((Some(Bytes::from_static(b"[7,7]")), Some("sequence")))
        );
        assert_eq!(encoded(b"plain text"), None);
    }

    #[test]
    fn properties_keep_their_types() {
        let string = |text: &str| Typed::String(Text::from(text));
        let cases = [
            (Value::Null, Typed::Null),
            (Value::Bool(true), Typed::Boolean(true)),
            (Value::Byte(-1), Typed::Int8(-1)),
            (Value::Ubyte(255), Typed::Int16(255)),
            (Value::Ushort(65535), Typed::Int32(65535)),
            (Value::Uint(u32::MAX), Typed::Int64(4_294_967_295)),
            (Value::Ulong(7), Typed::Int64(7)),
            (Value::Ulong(u64::MAX), string("18446744073709551615")),
            (Value::Double(0.5.into()), Typed::Float64(0.5)),
            (Value::Char('ß'), string("ß")),
            ("x".to_owned().into(), string("x")),
            (Value::List(vec![Value::Int(1)]), string("[1]")),
        ];
        for (value, expected) in cases {
            assert_eq!(typed(&value), expected);
        }
    }

    #[test]
    fn ids_are_the_same_text_as_over_the_older_protocol() {
        let cases = [
            (MessageId::Ulong(7), "7"),
            (
                MessageId::Uuid(Uuid::from([0xAB; 16])),
                "urn:uuid:abababab-abab-abab-abab-abababababab",
            ),
            (MessageId::Binary(Binary::from(b"b".to_vec())), "b"),
            (MessageId::String("s".to_owned()), "s"),
        ];
        for (id, expected) in cases {
            assert_eq!(id_text(&id), expected);
        }
    }

    #[test]
    fn headers_are_bare_text() {
        assert_eq!(text(&Value::Char('x')), "x");
        assert_eq!(text(&Value::Int(-3)), "-3");
        assert_eq!(text(&Value::Null), "");
        assert_eq!(text(&Value::List(vec![Value::Int(1)])), "[1]");
    }
}
