//! A value as a plain Jackson object mapper writes it, without regard to any schema.

use super::{write_bytes, write_f32, write_f64, write_i64, write_str, write_text};
use crate::civil::CivilTime;
use crate::number::{f32_text, f64_text};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use millstream_core::rejected::RecordError;
use millstream_core::value::Value;

/// Writes a value. A struct cannot be written, nor a null key; part of the text may be in `out` then.
pub fn write_value(out: &mut Vec<u8>, value: &Value) -> Result<(), RecordError> {
    write(out, value).map_err(Failure::into_error)
}

/// What could not be written, and the way to it from the inside out.
struct Failure {
    message: String,
    class: &'static str,
    chain: Vec<String>,
}

impl Failure {
    fn through(mut self, step: String) -> Self {
        self.chain.push(step);
        self
    }

    fn into_error(mut self) -> RecordError {
        if !self.chain.is_empty() {
            self.chain.reverse();
            self.message += &format!(" (through reference chain: {})", self.chain.join("->"));
        }
        RecordError::new(self.class, self.message)
    }
}

fn write(out: &mut Vec<u8>, value: &Value) -> Result<(), Failure> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Boolean(true) => out.extend_from_slice(b"true"),
        Value::Boolean(false) => out.extend_from_slice(b"false"),
        Value::Int8(v) => write_i64(out, (*v).into()),
        Value::Int16(v) => write_i64(out, (*v).into()),
        Value::Int32(v) => write_i64(out, (*v).into()),
        Value::Int64(v) | Value::Date(v) => write_i64(out, *v),
        Value::Float32(v) => write_f32(out, *v),
        Value::Float64(v) => write_f64(out, *v),
        Value::String(text) => write_text(out, text),
        Value::Bytes(bytes) => write_bytes(out, bytes),
        Value::Decimal(decimal) => out.extend_from_slice(decimal.to_string().as_bytes()),
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(out, item)
                    .map_err(|e| e.through(format!("{}[{index}]", value.java_class())))?;
            }
            out.push(b']');
        }
        Value::Map(map) => {
            out.push(b'{');
            for (index, (key, item)) in map.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                let step = || format!("{}[\"{key}\"]", value.java_class());
                write_key(out, key).map_err(|e| e.through(step()))?;
                out.push(b':');
                write(out, item).map_err(|e| e.through(step()))?;
            }
            out.push(b'}');
        }
        Value::Struct(_) => {
            return Err(Failure {
                message: "No serializer found for class org.apache.kafka.connect.data.Struct and no properties \
                    discovered to create BeanSerializer (to avoid exception, disable \
                    SerializationFeature.FAIL_ON_EMPTY_BEANS)"
                    .to_owned(),
                class: "com.fasterxml.jackson.databind.exc.InvalidDefinitionException",
                chain: Vec::new(),
            });
        }
    }
    Ok(())
}

/// A key by its string form.
fn write_key(out: &mut Vec<u8>, key: &Value) -> Result<(), Failure> {
    match key {
        Value::String(text) => write_text(out, text),
        Value::Null => {
            return Err(Failure {
                message:
                    "Null key for a Map not allowed in JSON (use a converting NullKeySerializer?)"
                        .to_owned(),
                class: "com.fasterxml.jackson.databind.JsonMappingException",
                chain: Vec::new(),
            });
        }
        Value::Float32(v) => write_str(out, &f32_text(*v)),
        Value::Float64(v) => write_str(out, &f64_text(*v)),
        Value::Bytes(bytes) => write_str(out, &STANDARD.encode(bytes)),
        Value::Date(millis) => write_str(out, &CivilTime::from_millis(*millis).iso_with_zone()),
        other => write_str(out, &other.to_string()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use millstream_core::decimal::Decimal;
    use millstream_core::map::Map;
    use millstream_core::schema::{Schema, SchemaType};
    use millstream_core::value::Struct;
    use std::sync::Arc;

    fn check(value: Value, text: &str) {
        let mut out = Vec::new();
        write_value(&mut out, &value).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }

    #[test]
    fn writes_values_without_their_schemas() {
        let map = Map::linked([
            (Value::from("id"), Value::Int64(1)),
            (Value::from("name"), Value::Float64(1e20)),
            (Value::Date(1_700_000_000_123), Value::Float64(f64::NAN)),
            (Value::Int32(5), Value::Bytes(Bytes::from_static(&[0xFF]))),
        ]);
        check(
            Value::Map(map),
            "{\"id\":1,\"name\":1.0E20,\"2023-11-14T22:13:20.123+00:00\":\"NaN\",\"5\":\"/w==\"}",
        );
        let decimal = Decimal {
            unscaled: 1.into(),
            scale: -3,
        };
        check(
            Value::Array(vec![Value::Decimal(decimal), Value::Null, Value::Date(5)]),
            "[1E+3,null,5]",
        );
    }

    #[test]
    fn tells_where_a_struct_stood() {
        let schema = Arc::new(Schema::of(SchemaType::Struct));
        let inner = Value::Array(vec![Value::Struct(Box::new(Struct::new(schema)))]);
        let map = Value::Map(Map::hashed([(Value::from("a"), inner)]));
        let error = write_value(&mut Vec::new(), &map).unwrap_err();
        assert!(
            error.message.ends_with(
                "(through reference chain: java.util.HashMap[\"a\"]->java.util.ArrayList[0])"
            ),
            "{error}"
        );
    }
}
