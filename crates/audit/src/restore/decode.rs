//! What an object's record was in Kafka. The converter has decided how it was written: a string is in quotes, bytes are in base64,
//! JSON stands as it is (with its fields in the order and its numbers in the form that the sink gave them).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// How a record stands in an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Raw,
    /// JSON as it is; `null` is a record without a value.
    Json,
    /// A JSON string: its text.
    String,
    /// A JSON string: the bytes that it is the base64 of.
    Base64,
}

impl Encoding {
    pub const ALL: [(&'static str, Encoding); 4] = [
        ("raw", Encoding::Raw),
        ("json", Encoding::Json),
        ("string", Encoding::String),
        ("base64", Encoding::Base64),
    ];

    /// Of what a converter has made, in objects of JSON or of bytes. `None` for one whose bytes are not known.
    pub fn of(converter: &str, is_json: bool) -> Option<Self> {
        if !is_json {
            return Some(Encoding::Raw);
        }
        match converter.rsplit('.').next().unwrap_or_default() {
            "StringConverter" => Some(Encoding::String),
            "JsonConverter" => Some(Encoding::Json),
            "ByteArrayConverter" => Some(Encoding::Base64),
            _ => None,
        }
    }

    /// The bytes that Kafka had; `None` is a null.
    ///
    /// # Errors
    /// If the record is not written so.
    pub fn decode(self, record: Vec<u8>) -> Result<Option<Vec<u8>>, NotDecoded> {
        let string = |record: &[u8]| {
            serde_json::from_slice::<Option<String>>(record).map_err(|_| NotDecoded::NoString)
        };
        match self {
            Encoding::Raw => Ok(Some(record)),
            Encoding::Json if record == b"null" => Ok(None),
            Encoding::Json => Ok(Some(record)),
            Encoding::String => Ok(string(&record)?.map(String::into_bytes)),
            Encoding::Base64 => match string(&record)? {
                Some(text) => STANDARD
                    .decode(text)
                    .map(Some)
                    .map_err(|_| NotDecoded::NoBase64),
                None => Ok(None),
            },
        }
    }
}

/// Why a record cannot be brought back. Its content is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDecoded {
    #[error("it is no JSON string: was it written by another converter?")]
    NoString,
    #[error("it is no base64")]
    NoBase64,
    #[error("it holds no headers as the sink writes them")]
    NoHeaders,
    #[error("it has no such field with a time or a number")]
    NoField,
    #[error(
        "it is no object with key, value, headers and timestamp: was it written without millstream.s3.envelope?"
    )]
    NoEnvelope,
}

#[derive(Deserialize)]
struct HeadersLine {
    headers: Vec<HeaderText>,
}

#[derive(Deserialize)]
struct HeaderText {
    key: String,
    value: Option<String>,
}

/// The headers of a line of a headers object: keys, and values as texts.
///
/// # Errors
/// If it is something else.
pub fn headers(line: &[u8]) -> Result<Vec<(String, Option<String>)>, NotDecoded> {
    let line: HeadersLine = serde_json::from_slice(line).map_err(|_| NotDecoded::NoHeaders)?;
    Ok(line
        .headers
        .into_iter()
        .map(|header| (header.key, header.value))
        .collect())
}

/// A record that stands whole on a line.
#[derive(Debug)]
pub struct Envelope {
    /// As JSON; for an [`Encoding`] to decode.
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    pub headers: Vec<(String, Option<String>)>,
    /// Epoch milliseconds.
    pub timestamp: Option<i64>,
}

#[derive(Deserialize)]
struct EnvelopeLine<'a> {
    #[serde(borrow)]
    key: &'a RawValue,
    #[serde(borrow)]
    value: &'a RawValue,
    headers: Vec<HeaderText>,
    timestamp: Option<i64>,
}

impl Envelope {
    /// # Errors
    /// If it is something else.
    pub fn parse(line: &[u8]) -> Result<Self, NotDecoded> {
        let line: EnvelopeLine<'_> =
            serde_json::from_slice(line).map_err(|_| NotDecoded::NoEnvelope)?;
        let headers = line.headers.into_iter();
        Ok(Envelope {
            key: line.key.get().as_bytes().to_vec(),
            value: line.value.get().as_bytes().to_vec(),
            headers: headers.map(|header| (header.key, header.value)).collect(),
            timestamp: line.timestamp,
        })
    }
}

/// A number that stands in a field of a record's own JSON, such as a transform has put there; dots lead into fields of fields.
///
/// # Errors
/// If there is none.
pub fn millis_of(record: &[u8], field: &str) -> Result<i64, NotDecoded> {
    let value: Value = serde_json::from_slice(record).map_err(|_| NotDecoded::NoField)?;
    let mut found = &value;
    if let Some(whole) = value.get(field) {
        found = whole;
    } else {
        for name in field.split('.') {
            found = found.get(name).ok_or(NotDecoded::NoField)?;
        }
    }
    match found {
        Value::Number(number) => number.as_i64().ok_or(NotDecoded::NoField),
        Value::String(text) => text.parse().map_err(|_| NotDecoded::NoField),
        _ => Err(NotDecoded::NoField),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_envelope_gives_all_that_a_record_had() {
        let line = br#"{"key":"k","value":{"a":[1.50]},"headers":[{"key":"h","value":"1"},{"key":"h","value":null}],"timestamp":7}"#;
        let found = Envelope::parse(line).unwrap();
        assert_eq!(
            (&*found.key, &*found.value),
            (&b"\"k\""[..], &b"{\"a\":[1.50]}"[..])
        );
        let header = |value: Option<&str>| ("h".to_owned(), value.map(str::to_owned));
        assert_eq!(found.headers, [header(Some("1")), header(None)]);
        assert_eq!(found.timestamp, Some(7));
        let nothing = br#"{"key":null,"value":null,"headers":[],"timestamp":null}"#;
        let found = Envelope::parse(nothing).unwrap();
        assert_eq!(Encoding::Json.decode(found.value), Ok(None));
        assert_eq!(found.timestamp, None);
        for line in ["{}", "1", "{\"key\":1,\"value\":2}", ""] {
            let error = Envelope::parse(line.as_bytes()).unwrap_err();
            assert_eq!(error, NotDecoded::NoEnvelope, "{line}");
        }
    }

    #[test]
    fn records_are_what_their_converter_made_of_them() {
        let decode = |encoding: Encoding, text: &str| encoding.decode(text.as_bytes().to_vec());
        for (encoding, text, expected) in [
            (
                Encoding::String,
                r#""a\"\uD83D\uDE00""#,
                Ok(Some("a\"😀".as_bytes().to_vec())),
            ),
            (Encoding::String, "null", Ok(None)),
            (Encoding::String, "{}", Err(NotDecoded::NoString)),
            (
                Encoding::Json,
                r#"{"a":1}"#,
                Ok(Some(b"{\"a\":1}".to_vec())),
            ),
            (Encoding::Json, "null", Ok(None)),
            (Encoding::Base64, r#""AAE=""#, Ok(Some(vec![0, 1]))),
            (Encoding::Base64, r#""?""#, Err(NotDecoded::NoBase64)),
            (Encoding::Raw, "null", Ok(Some(b"null".to_vec()))),
        ] {
            assert_eq!(decode(encoding, text), expected, "{encoding:?} {text}");
        }
        assert_eq!(
            Encoding::of("org.apache.kafka.connect.json.JsonConverter", true),
            Some(Encoding::Json)
        );
        assert_eq!(
            Encoding::of("org.apache.kafka.connect.json.JsonConverter", false),
            Some(Encoding::Raw)
        );
        assert_eq!(
            Encoding::of("io.confluent.connect.avro.AvroConverter", true),
            None
        );
    }

    #[test]
    fn headers_and_fields_are_found() {
        let line = br#"{"headers":[{"key":"a","value":"1"},{"key":"a","value":"2"}]}"#;
        let expected = [
            ("a".to_owned(), Some("1".to_owned())),
            ("a".to_owned(), Some("2".to_owned())),
        ];
        assert_eq!(headers(line).unwrap(), expected);
        assert_eq!(headers(b"[]"), Err(NotDecoded::NoHeaders));
        let record = br#"{"ts":5,"a":{"b":"7"},"a.c":9}"#;
        for (field, expected) in [
            ("ts", Ok(5)),
            ("a.b", Ok(7)),
            ("a.c", Ok(9)),
            ("x", Err(NotDecoded::NoField)),
            ("a", Err(NotDecoded::NoField)),
        ] {
            assert_eq!(millis_of(record, field), expected, "{field}");
        }
    }
}
