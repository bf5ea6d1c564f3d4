//! From a record's key or value to a BSON document, by the rules of the connector's converters: structs and
//! maps field by field, strings as lenient JSON, bytes as BSON.

use crate::command_buffer::end_document;
use crate::connect_json;
use crate::java_text::java_text;
use crate::json::{self, JsonError};
use bson::raw::RawDocument;
use bson::spec::{BinarySubtype, ElementType};
use bson::{Binary, Bson, DateTime, Decimal128, Document};
use millstream_core::batch::DOCUMENT;
use millstream_core::text::decode_utf8;
use millstream_core::{
    Decimal, Map, Payload, RawKind, RecordBatch, RecordError, Struct, Text, Value,
};
use std::str::FromStr;

/// Which half of a record, by the name that error texts use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Half {
    Key,
    Value,
}

impl Half {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Half::Key => "key",
            Half::Value => "value",
        }
    }
}

const NUMBER_FORMAT: &str = "java.lang.NumberFormatException";
const SERIALIZATION: &str = "org.bson.BsonSerializationException";

/// Documents nested deeper are refused; servers take fewer levels, and say so themselves.
const MAX_DEPTH: usize = 1000;

/// The document of one row; `None` for null.
pub(crate) fn of_row(
    batch: &RecordBatch,
    row: usize,
    half: Half,
) -> Result<Option<Document>, RecordError> {
    let payload = match half {
        Half::Key => &batch.keys,
        Half::Value => &batch.values,
    };
    match payload {
        Payload::Decoded(decoded) => of_value(&decoded.values[row], half),
        Payload::Encoded(encoded) => of_value(&encoded.value(row)?, half),
        Payload::Raw { column, kind } => {
            let Some(bytes) = column.get(row) else {
                return Ok(None);
            };
            match kind {
                RawKind::String => {
                    let text = decode_utf8(bytes);
                    of_text(&text, || text.to_string(), half).map(Some)
                }
                RawKind::Document if bytes.first() == Some(&DOCUMENT) => {
                    let mut document = vec![0; 4];
                    document.extend_from_slice(&bytes[1..]);
                    end_document(&mut document, 0);
                    of_bytes(&document, half).map(Some)
                }
                RawKind::Json | RawKind::Document => {
                    let fetched = match half {
                        Half::Key => &batch.fetched.keys,
                        Half::Value => &batch.fetched.values,
                    };
                    let original = || fetched.as_ref().and_then(|column| column.get(row));
                    of_json(bytes, original, half)
                }
                RawKind::Bytes | RawKind::Undecoded => of_bytes(bytes, half).map(Some),
            }
        }
    }
}

fn of_value(value: &Value, half: Half) -> Result<Option<Document>, RecordError> {
    let document = match value {
        Value::Null => return Ok(None),
        Value::String(text) => of_text(&readable(text), || java_text(value), half)?,
        Value::Bytes(bytes) => of_bytes(bytes, half)?,
        Value::Map(map) => of_map(map, false)?,
        Value::Struct(record) => of_struct(record)
            .map_err(|cause| not_convertible(half, &java_text(value), value.java_class(), cause))?,
        other => {
            let class = other.java_class();
            return Err(not_convertible(
                half,
                &java_text(other),
                class,
                no_converter(class),
            ));
        }
    };
    Ok(Some(document))
}

/// `shown` is the text as Java's messages have it.
fn of_text(
    text: &str,
    shown: impl FnOnce() -> String,
    half: Half,
) -> Result<Document, RecordError> {
    json::parse_document(text).map_err(|error| {
        let class = if text == "null" {
            "java.lang.String, not a null reference"
        } else {
            "java.lang.String"
        };
        not_convertible(half, &shown(), class, error.into())
    })
}

/// Schemaless JSON as its converter would have decoded it: a map with int64 and double numbers.
fn of_json<'o>(
    text: &[u8],
    original: impl FnOnce() -> Option<&'o [u8]>,
    half: Half,
) -> Result<Option<Document>, RecordError> {
    let value = connect_json::read(text, original)
        .map_err(|at| RecordError::data(format!("not JSON at byte {at}")))?;
    let class = match value {
        Bson::Null => return Ok(None),
        Bson::String(known) => {
            return of_text(&known, || connect_json::java_text(text), half).map(Some);
        }
        Bson::Document(document) => return Ok(Some(document)),
        Bson::Array(_) => "java.util.ArrayList",
        Bson::Boolean(_) => "java.lang.Boolean",
        Bson::Double(_) => "java.lang.Double",
        _ => "java.lang.Long",
    };
    let shown = connect_json::java_text(text);
    Err(not_convertible(half, &shown, class, no_converter(class)))
}

/// The first document in the bytes. It is built anew, so that repeated names and malformed text end as in the original.
fn of_bytes(bytes: &[u8], half: Half) -> Result<Document, RecordError> {
    // Java shows the array's identity, which means nothing here.
    let refuse =
        |why: String| not_convertible(half, "[B@0", "[B", RecordError::new(SERIALIZATION, why));
    let length = bytes
        .get(..4)
        .and_then(|prefix| prefix.try_into().ok())
        .map(i32::from_le_bytes)
        .and_then(|length| usize::try_from(length).ok())
        .and_then(|length| bytes.get(..length));
    let raw = length.ok_or_else(|| refuse("the document is cut short".to_owned()))?;
    let raw = RawDocument::from_bytes(raw).map_err(|error| refuse(error.to_string()))?;
    of_raw(raw, 0).map_err(refuse)
}

fn of_raw(raw: &RawDocument, depth: usize) -> Result<Document, String> {
    if depth > MAX_DEPTH {
        return Err(format!("nested deeper than {MAX_DEPTH} levels"));
    }
    let mut document = Document::new();
    for element in raw.iter_elements() {
        let element = element.map_err(|error| error.to_string())?;
        let value = match element.element_type() {
            ElementType::EmbeddedDocument | ElementType::Array => {
                let value = element.value().map_err(|error| error.to_string())?;
                match (value.as_document(), value.as_array()) {
                    (Some(inner), _) => Bson::Document(of_raw(inner, depth + 1)?),
                    (None, Some(items)) => {
                        let items = RawDocument::from_bytes(items.as_bytes())
                            .map_err(|error| error.to_string())?;
                        let items = of_raw(items, depth + 1)?;
                        Bson::Array(items.into_iter().map(|(_, item)| item).collect())
                    }
                    (None, None) => Bson::Null,
                }
            }
            _ => {
                let value = element
                    .value_utf8_lossy()
                    .map_err(|error| error.to_string())?;
                Bson::try_from(value).map_err(|error| error.to_string())?
            }
        };
        document.insert(element.key().as_str(), value);
    }
    Ok(document)
}

fn of_struct(record: &Struct) -> Result<Document, RecordError> {
    record
        .schema
        .fields
        .iter()
        .enumerate()
        .map(|(index, field)| Ok((field.name.clone(), bson_of(record.get_at(index), true)?)))
        .collect()
}

/// A map below a struct takes string keys only; one that stands alone fails in the driver's codec instead.
fn of_map(map: &Map, in_struct: bool) -> Result<Document, RecordError> {
    map.iter()
        .map(|(name, value)| {
            let name = match name {
                Value::String(text) => readable(text),
                Value::Null if !in_struct => {
                    return Err(RecordError::new("java.lang.IllegalArgumentException", "name can not be null"));
                }
                other if !in_struct => {
                    let class = other.java_class();
                    return Err(RecordError::new(
                        "java.lang.ClassCastException",
                        format!(
                            "class {class} cannot be cast to class java.lang.String ({class} and java.lang.String \
                             are in module java.base of loader 'bootstrap')"
                        ),
                    ));
                }
                other => {
                    return Err(RecordError::data(format!(
                        "unexpected key type {}: only string keys can become field names",
                        other.java_class()
                    )));
                }
            };
            Ok((name, bson_of(value, in_struct)?))
        })
        .collect()
}

fn bson_of(value: &Value, in_struct: bool) -> Result<Bson, RecordError> {
    Ok(match value {
        Value::Null => Bson::Null,
        Value::Boolean(v) => Bson::Boolean(*v),
        Value::Int8(v) => Bson::Int32(i32::from(*v)),
        Value::Int16(v) => Bson::Int32(i32::from(*v)),
        Value::Int32(v) => Bson::Int32(*v),
        Value::Int64(v) => Bson::Int64(*v),
        Value::Float32(v) => Bson::Double(f64::from(*v)),
        Value::Float64(v) => Bson::Double(*v),
        Value::String(text) => Bson::String(readable(text)),
        Value::Bytes(bytes) => Bson::Binary(Binary {
            subtype: BinarySubtype::Generic,
            bytes: bytes.to_vec(),
        }),
        Value::Decimal(decimal) => Bson::Decimal128(decimal128(decimal)?),
        Value::Date(millis) => Bson::DateTime(DateTime::from_millis(*millis)),
        Value::Array(items) => Bson::Array(
            items
                .iter()
                .map(|item| bson_of(item, in_struct))
                .collect::<Result<_, _>>()?,
        ),
        Value::Map(map) => Bson::Document(of_map(map, in_struct)?),
        Value::Struct(record) if in_struct => Bson::Document(of_struct(record)?),
        Value::Struct(_) => {
            return Err(RecordError::new(
                "org.bson.codecs.configuration.CodecConfigurationException",
                "Can't find a codec for CodecCacheKey{clazz=class org.apache.kafka.connect.data.Struct, types=null}.",
            ));
        }
    })
}

/// BSON's decimal has 34 digits; zeros beyond them may go, other digits may not.
fn decimal128(decimal: &Decimal) -> Result<Decimal128, RecordError> {
    let text = decimal.to_string();
    Decimal128::from_str(&text).map_err(|_| {
        const INEXACT: &str = "Conversion to Decimal128 would require inexact rounding";
        RecordError::new(NUMBER_FORMAT, INEXACT).with_java_message(format!("{INEXACT} of {text}"))
    })
}

/// A lone surrogate has no form in BSON; it becomes the replacement character.
fn readable(text: &Text) -> String {
    text.as_str().map_or_else(
        || String::from_utf16_lossy(&text.utf16().collect::<Vec<_>>()),
        str::to_owned,
    )
}

impl From<JsonError> for RecordError {
    fn from(error: JsonError) -> Self {
        RecordError::new(error.class, error.summary).with_java_message(error.message)
    }
}

fn no_converter(class: &str) -> RecordError {
    RecordError::data(format!(
        "No converter present due to unexpected object type: {class}"
    ))
}

fn not_convertible(half: Half, shown: &str, class: &str, cause: RecordError) -> RecordError {
    let half = half.name();
    RecordError::data(format!(
        "Could not convert {half} ({class}) into a BsonDocument."
    ))
    .with_java_message(format!(
        "Could not convert {half} '{shown}' ({class}) into a BsonDocument."
    ))
    .caused_by(cause)
}
