//! The headers of a record as a line of JSON; their values are texts, as `Values.convertToString` makes them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use millstream_core::logical::DAY_MILLIS;
use millstream_core::value::Struct;
use millstream_core::{Field, Header, RecordError, Schema, SchemaRef, SchemaType, Text, Value};
use millstream_java::civil::CivilTime;
use millstream_java::json::{write_str, write_text};
use millstream_java::number::{f32_text, f64_text};
use std::borrow::Cow;
use std::fmt::Write;
use std::sync::{Arc, LazyLock};

/// Whether all have a value.
pub(super) fn check(headers: &[Header]) -> Result<(), RecordError> {
    match headers.iter().any(|header| header.value == Value::Null) {
        true => Err(null_value()),
        false => Ok(()),
    }
}

fn null_value() -> RecordError {
    RecordError::data("Invalid value: null used for required field: \"value\", schema type: STRING")
}

/// The schema of a record's headers: an array of structs of two texts.
pub(super) fn array_schema() -> SchemaRef {
    static ARRAY: LazyLock<SchemaRef> = LazyLock::new(|| {
        Arc::new(Schema {
            value_schema: Some(Arc::clone(&HEADER)),
            ..Schema::of(SchemaType::Array)
        })
    });
    Arc::clone(&ARRAY)
}

static HEADER: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name: &str| Field {
        name: name.to_owned(),
        schema: Arc::new(Schema::of(SchemaType::String)),
    };
    Arc::new(Schema {
        fields: vec![text("key"), text("value")],
        ..Schema::of(SchemaType::Struct)
    })
});

/// The headers as such an array.
pub(super) fn as_array(headers: &[Header]) -> Result<Value, RecordError> {
    let structs = headers.iter().map(|header| {
        let values = vec![
            Value::from(header.key.as_str()),
            Value::from(&*text(header)?),
        ];
        let schema = Arc::clone(&HEADER);
        Ok(Value::Struct(Box::new(Struct { schema, values })))
    });
    structs.collect::<Result<_, _>>().map(Value::Array)
}

/// A header's value as text.
pub(super) fn text(header: &Header) -> Result<Cow<'_, str>, RecordError> {
    match &header.value {
        Value::Null => Err(null_value()),
        Value::String(text) => Ok(text.to_java_utf8()),
        other => Ok(Cow::Owned(plain(other))),
    }
}

/// `{"headers":[{"key":…,"value":…},…]}`: order and repeats are kept.
pub(super) fn encode_json(headers: &[Header], out: &mut Vec<u8>) -> Result<(), RecordError> {
    out.extend_from_slice(b"{\"headers\":");
    write_array(headers, out, Nulls::Refused)?;
    out.extend_from_slice(b"}\n");
    Ok(())
}

/// What becomes of headers without a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Nulls {
    Taken,
    Refused,
}

/// `[{"key":…,"value":…},…]`. After an error part of it is in `out`.
pub(super) fn write_array(
    headers: &[Header],
    out: &mut Vec<u8>,
    nulls: Nulls,
) -> Result<(), RecordError> {
    out.push(b'[');
    for (index, header) in headers.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"key\":");
        write_str(out, &header.key);
        out.extend_from_slice(b",\"value\":");
        match &header.value {
            Value::Null if nulls == Nulls::Refused => return Err(null_value()),
            Value::Null => out.extend_from_slice(b"null"),
            Value::String(text) => write_text(out, text),
            other => write_str(out, &plain(other)),
        }
        out.push(b'}');
    }
    out.push(b']');
    Ok(())
}

/// A value that is no text, at the top.
fn plain(value: &Value) -> String {
    let mut text = String::new();
    push(&mut text, value);
    text
}

/// A value inside another: texts are quoted there.
fn push(out: &mut String, value: &Value) {
    match value {
        Value::String(text) => push_quoted(out, text),
        Value::Float32(v) => out.push_str(&f32_text(*v)),
        Value::Float64(v) => out.push_str(&f64_text(*v)),
        Value::Bytes(bytes) => out.push_str(&STANDARD.encode(bytes)),
        Value::Date(millis) => push_date(out, *millis),
        Value::Array(items) => push_joined(out, ('[', ']'), items, push),
        Value::Map(map) => push_joined(out, ('{', '}'), map.iter(), |out, (key, value)| {
            push(out, key);
            out.push(':');
            push(out, value);
        }),
        Value::Struct(record) => {
            let fields = record.schema.fields.iter().enumerate();
            push_joined(out, ('{', '}'), fields, |out, (index, field)| {
                push_quoted(out, &Text::from(field.name.as_str()));
                out.push(':');
                push(out, record.get_at(index));
            });
        }
        other => {
            // Writing to a String cannot fail.
            let _ = write!(out, "{other}");
        }
    }
}

fn push_joined<T>(
    out: &mut String,
    (open, close): (char, char),
    items: impl IntoIterator<Item = T>,
    push: impl Fn(&mut String, T),
) {
    out.push(open);
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        push(out, item);
    }
    out.push(close);
}

fn push_quoted(out: &mut String, text: &Text) {
    out.push('"');
    for c in text.to_java_utf8().chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

/// A time within the first day, a whole day, or an instant, as the number of milliseconds tells.
fn push_date(out: &mut String, millis: i64) {
    let t = CivilTime::from_millis(millis);
    let time = format!(
        "{:02}:{:02}:{:02}.{:03}Z",
        t.hour, t.minute, t.second, t.millisecond
    );
    let day = format!("{:04}-{:02}-{:02}", t.year, t.month, t.day);
    let _ = if (0..DAY_MILLIS).contains(&millis) {
        write!(out, "{time}")
    } else if millis % DAY_MILLIS == 0 {
        write!(out, "{day}")
    } else {
        write!(out, "{day}T{time}")
    };
}
