//! The field of times of a time series collection, made a date where it is a number or a text.

use bson::{Bson, DateTime, Document};
use millstream_java::date_time::DateTimePattern;

#[derive(Clone, Debug)]
pub(crate) struct TimeField {
    pub(crate) name: String,
    pub(crate) pattern: DateTimePattern,
}

impl TimeField {
    /// A number is milliseconds, without its fraction; a text is read by the pattern. What is no date stays as it is, for
    /// the server to refuse.
    pub(crate) fn convert(&self, document: &mut Document) {
        let Some(value) = document.get_mut(&self.name) else {
            return;
        };
        let millis = match value {
            Bson::Int32(millis) => Some(i64::from(*millis)),
            Bson::Int64(millis) => Some(*millis),
            // Java's cast, too, cuts, and ends at the largest number.
            Bson::Double(millis) => Some(*millis as i64),
            Bson::Decimal128(millis) => whole(&millis.to_string()),
            Bson::String(text) => self.pattern.parse_millis(text),
            _ => None,
        };
        if let Some(millis) = millis {
            *value = Bson::DateTime(DateTime::from_millis(millis));
        }
    }
}

/// The whole part of a decimal in any of its forms, as Java's `longValue` has it; `None` if it has none.
fn whole(text: &str) -> Option<i64> {
    let (mantissa, exponent) = match text.split_once(['E', 'e']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (sign, digits) = match mantissa.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, mantissa),
    };
    let (before, after) = digits.split_once('.').unwrap_or((digits, ""));
    let all = [before, after].concat();
    if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let point = i64::try_from(before.len()).ok()? + i64::from(exponent);
    let digit = |place: i64| {
        let place = usize::try_from(place).ok()?;
        Some(
            all.as_bytes()
                .get(place)
                .map_or(0, |byte| i64::from(byte - b'0')),
        )
    };
    let first = all.bytes().position(|byte| byte != b'0');
    let Some(first) = first.and_then(|first| i64::try_from(first).ok()) else {
        return Some(0);
    };
    let mut value: i64 = 0;
    for place in first..point {
        value = value.checked_mul(10)?.checked_add(sign * digit(place)?)?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::{Decimal128, doc};
    use std::str::FromStr;

    fn converted(value: impl Into<Bson>) -> Bson {
        let pattern = "yyyy-MM-dd";
        let field = TimeField {
            name: "t".to_owned(),
            pattern: DateTimePattern::compile(pattern, "").expect("a pattern"),
        };
        let mut document = doc! {"t": value.into()};
        field.convert(&mut document);
        document.remove("t").expect("the field")
    }

    fn decimal(text: &str) -> Bson {
        Bson::Decimal128(Decimal128::from_str(text).expect("a decimal"))
    }

    #[test]
    fn numbers_and_texts_become_dates() {
        let date = |millis| Bson::DateTime(DateTime::from_millis(millis));
        for (value, millis) in [
            (Bson::Int32(5), 5),
            (Bson::Int64(-5), -5),
            (Bson::Double(1500.9), 1500),
            (Bson::Double(-1500.9), -1500),
            (Bson::from("1970-01-02"), 86_400_000),
            (decimal("1500.9"), 1500),
            (decimal("-1500.9"), -1500),
            (decimal("15E2"), 1500),
            (decimal("0.0001"), 0),
            (decimal("0E+6000"), 0),
        ] {
            assert_eq!(converted(value.clone()), date(millis), "{value}");
        }
        for value in [
            Bson::from("soon"),
            Bson::Null,
            Bson::Boolean(true),
            decimal("1E+6000"),
        ] {
            assert_eq!(converted(value.clone()), value);
        }
    }
}
