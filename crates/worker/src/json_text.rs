//! JSON bodies as Jackson reads them into Connect's requests: scalars become strings with the text they were
//! written with, anything else is an error.

use crate::cluster::TargetState;
use indexmap::IndexMap;
use millstream_core::Properties;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A body that is not what was expected. Clients look at the status alone; the text is close to Jackson's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct JsonError(String);

impl JsonError {
    pub(crate) fn unrecognized(field: &str, class: &str) -> Self {
        JsonError(format!(
            "Unrecognized field \"{field}\" (class {class}), not marked as ignorable"
        ))
    }
}

impl JsonError {
    /// With a sentence of ours behind the library's.
    pub(crate) fn followed_by(self, sentence: &str) -> Self {
        JsonError(format!("{}; {sentence}", self.0))
    }
}

impl From<&serde_json::Error> for JsonError {
    fn from(error: &serde_json::Error) -> Self {
        JsonError(error.to_string())
    }
}

/// The body of a create request; each field may be missing.
#[derive(Clone, Debug, Default)]
pub struct CreateRequest {
    pub name: Option<String>,
    pub config: Option<Properties>,
    pub initial_state: Option<TargetState>,
}

/// What becomes of a field that a request does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownFields {
    Ignored,
    Refused,
}

/// A map of strings; `None` for an empty body and for `null`.
pub fn string_map(body: &[u8]) -> Result<Option<Properties>, JsonError> {
    let map = "java.util.LinkedHashMap<java.lang.String,java.lang.String>";
    object(body, map)?.map(to_properties).transpose()
}

/// A list of maps of strings.
pub(crate) fn string_maps(body: &[u8]) -> Result<Vec<Properties>, JsonError> {
    const LIST: &str = "java.util.ArrayList<java.util.Map<java.lang.String,java.lang.String>>";
    let text = decoded(body)?;
    let body = text.trim_ascii();
    let refused = |what: &str| {
        JsonError(format!(
            "Cannot deserialize value of type `{LIST}` from {what}"
        ))
    };
    match body.first() {
        None => Err(JsonError(
            "No content to map due to end-of-input".to_owned(),
        )),
        Some(b'[') => {
            let maps = serde_json::from_slice::<Vec<Fields>>(body);
            let maps = maps.map_err(|error| JsonError::from(&error))?;
            maps.into_iter().map(to_properties).collect()
        }
        Some(b'{') => Err(refused("Object value (token `JsonToken.START_OBJECT`)")),
        Some(_) => Err(refused("a value that is no list")),
    }
}

/// A create request; `None` for an empty body and for `null`.
pub fn create_request(
    body: &[u8],
    unknown: UnknownFields,
) -> Result<Option<CreateRequest>, JsonError> {
    const CLASS: &str = "org.apache.kafka.connect.runtime.rest.entities.CreateConnectorRequest";
    let Some(fields) = object(body, CLASS)? else {
        return Ok(None);
    };
    let mut request = CreateRequest::default();
    for (field, value) in fields {
        match field.as_str() {
            "name" => request.name = value.map(|v| scalar(&v)).transpose()?,
            "config" => {
                let config = value.map(|v| string_map(v.get().as_bytes())).transpose()?;
                request.config = config.flatten();
            }
            "initial_state" => {
                request.initial_state = value.map(|v| initial_state(&v)).transpose()?
            }
            _ if unknown == UnknownFields::Refused => {
                return Err(JsonError::unrecognized(&field, CLASS));
            }
            _ => {}
        }
    }
    Ok(Some(request))
}

/// The fields of an object in order, each as it was written; of a repeated field the last counts.
#[derive(Debug, Default)]
pub(crate) struct Fields(IndexMap<String, Option<Box<RawValue>>>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;

        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Fields::default();
                while let Some((name, value)) = map.next_entry()? {
                    fields.0.insert(name, value);
                }
                Ok(fields)
            }
        }

        deserializer.deserialize_map(FieldsVisitor)
    }
}

impl Fields {
    pub(crate) fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.get(name)?.as_deref()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl IntoIterator for Fields {
    type Item = (String, Option<Box<RawValue>>);
    type IntoIter = indexmap::map::IntoIter<String, Option<Box<RawValue>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// The fields of an object, each as it was written.
pub(crate) fn object(body: &[u8], class: &str) -> Result<Option<Fields>, JsonError> {
    let text = decoded(body)?;
    let body = text.trim_ascii();
    if body.is_empty() || body == b"null" {
        return Ok(None);
    }
    let fields = serde_json::from_slice::<Fields>(body);
    fields.map(Some).map_err(|error| match body.first() {
        Some(b'{') => JsonError::from(&error),
        Some(b'[') => JsonError(format!(
            "Cannot deserialize value of type `{class}` from Array value (token `JsonToken.START_ARRAY`)"
        )),
        _ => JsonError(format!(
            "Cannot construct instance of `{class}` (although at least one Creator exists)"
        )),
    })
}

/// The text without a mark at its beginning; UTF-16 is known by its mark or by the zeros beside its first letter.
pub(crate) fn decoded(body: &[u8]) -> Result<Cow<'_, [u8]>, JsonError> {
    let (units, is_big) = match body {
        [0xef, 0xbb, 0xbf, text @ ..] => return Ok(Cow::Borrowed(text)),
        [0xfe, 0xff, text @ ..] => (text, true),
        [0xff, 0xfe, text @ ..] => (text, false),
        [0, letter, ..] if *letter != 0 => (body, true),
        [letter, 0, ..] if *letter != 0 => (body, false),
        _ => return Ok(Cow::Borrowed(body)),
    };
    let units = units.chunks(2).map(|pair| match *pair {
        [first, second] if is_big => u16::from_be_bytes([first, second]),
        [first, second] => u16::from_le_bytes([first, second]),
        // Half a unit is no character.
        _ => 0xdc00,
    });
    let text: Result<String, _> = char::decode_utf16(units).collect();
    let text = text.map_err(|_| JsonError("Invalid UTF-16".to_owned()))?;
    Ok(Cow::Owned(text.into_bytes()))
}

fn to_properties(fields: Fields) -> Result<Properties, JsonError> {
    let mut properties = Properties::new();
    for (key, value) in fields {
        match value {
            Some(value) => properties.insert(key, scalar(&value)?),
            None => properties.insert_null(key),
        }
    }
    Ok(properties)
}

/// A string's content, or a number or boolean as it was written.
pub(crate) fn scalar(value: &RawValue) -> Result<String, JsonError> {
    let text = value.get();
    match text.as_bytes().first() {
        Some(b'"') => serde_json::from_str(text).map_err(|error| JsonError::from(&error)),
        Some(b'{') => Err(JsonError(
            "Cannot deserialize value of type `java.lang.String` from Object value (token `JsonToken.START_OBJECT`)".to_owned(),
        )),
        Some(b'[') => Err(JsonError(
            "Cannot deserialize value of type `java.lang.String` from Array value (token `JsonToken.START_ARRAY`)".to_owned(),
        )),
        _ => Ok(text.to_owned()),
    }
}

pub(crate) fn initial_state(value: &RawValue) -> Result<TargetState, JsonError> {
    const ENUM: &str =
        "org.apache.kafka.connect.runtime.rest.entities.CreateConnectorRequest.InitialState";
    let text = scalar(value)?.to_uppercase();
    match text.as_str() {
        "RUNNING" => Ok(TargetState::Started),
        "PAUSED" => Ok(TargetState::Paused),
        "STOPPED" => Ok(TargetState::Stopped),
        _ => Err(JsonError(format!(
            "Cannot construct instance of `{}`, problem: No enum constant {ENUM}.{text}",
            ENUM.replace(".InitialState", "$InitialState")
        ))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keeps_the_text_of_numbers() {
        let map = string_map(
            br#"{"a":5,"b":1.0,"c":1e+30,"d":12345678901234567890,"e":true,"f":null,"g":"\u00e9"}"#,
        );
        let map = map.unwrap().unwrap();
        let values: Vec<_> = map.entries().map(|(_, value)| value).collect();
        assert_eq!(
            values,
            [
                Some("5"),
                Some("1.0"),
                Some("1e+30"),
                Some("12345678901234567890"),
                Some("true"),
                None,
                Some("é")
            ]
        );
        assert_eq!(string_map(b" null ").unwrap(), None);
        assert_eq!(string_map(b"").unwrap(), None);
        for bad in [
            "{bad",
            "[]",
            "\"x\"",
            "{\"a\":{}}",
            "{\"a\":[1]}",
            "{\"a\":\"b\"",
            "5",
        ] {
            assert!(string_map(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn report_c21_reads_a_mark_at_the_beginning_and_utf_16() {
        let text = "{\"a\":\"é😀\"}";
        let le: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let be: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for body in [
            text.as_bytes().to_vec(),
            [b"\xef\xbb\xbf", text.as_bytes()].concat(),
            [b"\xff\xfe", &*le].concat(),
            [b"\xfe\xff", &*be].concat(),
            le.clone(),
            be.clone(),
        ] {
            let map = string_map(&body).unwrap().unwrap();
            assert_eq!(map.get("a"), Some("é😀"), "{body:?}");
        }
        assert!(string_map(&le[..le.len() - 1]).is_err());
    }
}
