//! Values of AMQP 0.9.1 as bytes: texts and bytes as they are, all else as JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use lapin::types::{AMQPValue, DecimalValue, FieldTable};
use serde_json::{Map, Number, Value};

/// AMQP 0.9.1 counts seconds.
pub(super) fn millis(seconds: u64) -> i64 {
    i64::try_from(seconds).map_or(i64::MAX, |seconds| seconds.saturating_mul(1000))
}

pub(super) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(super) fn whole_number(value: &AMQPValue) -> Option<u64> {
    json(value).as_u64()
}

/// The value of a header: texts and bytes as they are, all else as its JSON.
pub(super) fn bytes(value: &AMQPValue) -> Bytes {
    match value {
        AMQPValue::LongString(text) => Bytes::copy_from_slice(text.as_bytes()),
        AMQPValue::ByteArray(bytes) => Bytes::copy_from_slice(bytes.as_slice()),
        AMQPValue::ShortString(text) => Bytes::copy_from_slice(text.as_str().as_bytes()),
        AMQPValue::DecimalValue(value) => Bytes::from(decimal(*value)),
        AMQPValue::Void => Bytes::new(),
        value => Bytes::from(json(value).to_string()),
    }
}

/// Numbers that JSON lacks are text, bytes that are no text base64, times milliseconds since the epoch.
fn json(value: &AMQPValue) -> Value {
    let real = |value: f64| {
        Number::from_f64(value).map_or_else(|| value.to_string().into(), Value::Number)
    };
    match value {
        AMQPValue::Boolean(value) => (*value).into(),
        AMQPValue::ShortShortInt(value) => (*value).into(),
        AMQPValue::ShortShortUInt(value) => (*value).into(),
        AMQPValue::ShortInt(value) => (*value).into(),
        AMQPValue::ShortUInt(value) => (*value).into(),
        AMQPValue::LongInt(value) => (*value).into(),
        AMQPValue::LongUInt(value) => (*value).into(),
        AMQPValue::LongLongInt(value) => (*value).into(),
        // As its own shortest digits, and not as those of the double nearest to it.
        AMQPValue::Float(value) => real(value.to_string().parse().unwrap_or(f64::from(*value))),
        AMQPValue::Double(value) => real(*value),
        AMQPValue::DecimalValue(value) => decimal(*value).into(),
        AMQPValue::ShortString(text) => text.as_str().into(),
        AMQPValue::LongString(text) => match std::str::from_utf8(text.as_bytes()) {
            Ok(text) => text.into(),
            Err(_) => STANDARD.encode(text.as_bytes()).into(),
        },
        AMQPValue::FieldArray(values) => values.as_slice().iter().map(json).collect(),
        AMQPValue::Timestamp(seconds) => millis(*seconds).into(),
        AMQPValue::FieldTable(table) => Value::Object(object(table)),
        AMQPValue::ByteArray(bytes) => STANDARD.encode(bytes.as_slice()).into(),
        AMQPValue::Void => Value::Null,
    }
}

fn object(table: &FieldTable) -> Map<String, Value> {
    let entries = table.into_iter();
    entries
        .map(|(name, value)| (name.to_string(), json(value)))
        .collect()
}

/// Senders write negative numbers as two's complement.
fn decimal(value: DecimalValue) -> String {
    let signed = value.value.cast_signed();
    let sign = if signed < 0 { "-" } else { "" };
    let scale = usize::from(value.scale);
    let digits = format!("{:0>1$}", signed.unsigned_abs(), scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let point = if scale > 0 { "." } else { "" };
    format!("{sign}{whole}{point}{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapin::types::{FieldArray, LongString};

    fn text(text: &str) -> AMQPValue {
        AMQPValue::LongString(LongString::from(text))
    }

    #[test]
    fn header_values_are_text_and_nested_ones_json() {
        let mut inner = FieldTable::default();
        inner.insert("at".into(), AMQPValue::Timestamp(5));
        inner.insert("raw".into(), AMQPValue::ByteArray(vec![0xFF, 0].into()));
        inner.insert("no".into(), AMQPValue::Void);
        let list = vec![
            AMQPValue::Boolean(true),
            AMQPValue::Double(f64::NAN),
            text("x"),
        ];
        let cases = [
            (AMQPValue::Boolean(false), "false"),
            (AMQPValue::ShortShortInt(-8), "-8"),
            (AMQPValue::LongUInt(u32::MAX), "4294967295"),
            (AMQPValue::LongLongInt(i64::MIN), "-9223372036854775808"),
            (AMQPValue::Float(0.1), "0.1"),
            (AMQPValue::Double(1e300), "1e+300"),
            (decimal_of(2, 12345), "123.45"),
            (decimal_of(3, 5), "0.005"),
            (decimal_of(0, (-7i32).cast_unsigned()), "-7"),
            (AMQPValue::Timestamp(1_700_000_000), "1700000000000"),
            (AMQPValue::Void, ""),
            (
                AMQPValue::FieldTable(inner),
                r#"{"at":5000,"no":null,"raw":"/wA="}"#,
            ),
            (
                AMQPValue::FieldArray(FieldArray::from(list)),
                r#"[true,"NaN","x"]"#,
            ),
        ];
        for (value, expected) in cases {
            assert_eq!(lossy(&bytes(&value)), expected, "{value:?}");
        }
        // Not text, and kept.
        let raw = AMQPValue::LongString(LongString::from(vec![0xFF, 0xFE]));
        assert_eq!(bytes(&raw), Bytes::from_static(&[0xFF, 0xFE]));
    }

    fn decimal_of(scale: u8, value: u32) -> AMQPValue {
        AMQPValue::DecimalValue(DecimalValue { scale, value })
    }
}
