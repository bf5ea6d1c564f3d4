//! Numbers as `BigDecimal` reads them, in the smallest type that Connect finds for them.

use millstream_core::schema::DECIMAL;
use millstream_core::{Decimal, Schema, SchemaAndValue, SchemaType, Value};
use millstream_java::parse::digit_value;
use num_bigint::BigInt;
use num_traits::{ToPrimitive, Zero};
use std::sync::Arc;

/// Exponents beyond this would need more memory than a header is worth.
const MAX_SCALE: i64 = 100_000;

/// `new BigDecimal(text)`: a sign, digits of any script, a point, an exponent; no blanks.
pub(crate) fn parse_decimal(text: &str) -> Option<Decimal> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], exponent(&text[at + 1..])?),
        None => (text, 0),
    };
    let (negative, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let mut digits = String::with_capacity(mantissa.len() + 1);
    if negative {
        digits.push('-');
    }
    let mut fraction: Option<i64> = None;
    let mut count = 0;
    for c in mantissa.chars() {
        if c == '.' && fraction.is_none() {
            fraction = Some(0);
            continue;
        }
        digits.push(char::from(b'0' + digit_value(c)?));
        count += 1;
        fraction = fraction.map(|n| n + 1);
    }
    if count == 0 {
        return None;
    }
    Some(Decimal {
        unscaled: digits.parse().ok()?,
        scale: i32::try_from(fraction.unwrap_or(0) - exponent).ok()?,
    })
}

fn exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || digits.len() > 10 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// The smallest of Connect's types: integers first, then floats that need not be exact, else Decimal.
pub(super) fn smallest(decimal: Decimal) -> SchemaAndValue {
    let of = |kind, value| SchemaAndValue {
        schema: Some(Arc::new(Schema::of(kind))),
        value,
    };
    if let Some(v) = integral(&decimal).and_then(|integral| integral.to_i64()) {
        return if let Ok(v) = i8::try_from(v) {
            of(SchemaType::Int8, Value::Int8(v))
        } else if let Ok(v) = i16::try_from(v) {
            of(SchemaType::Int16, Value::Int16(v))
        } else if let Ok(v) = i32::try_from(v) {
            of(SchemaType::Int32, Value::Int32(v))
        } else {
            of(SchemaType::Int64, Value::Int64(v))
        };
    }
    let float = to_f32(&decimal);
    let double = to_f64(&decimal);
    if float.is_finite() && decimal.scale != 0 {
        of(SchemaType::Float32, Value::Float32(float))
    } else if double.is_finite() && decimal.scale != 0 {
        of(SchemaType::Float64, Value::Float64(double))
    } else {
        let mut schema = Schema::of(SchemaType::Bytes);
        schema.name = Some(DECIMAL.to_owned());
        schema.version = Some(1);
        let scale = ("scale".to_owned(), decimal.scale.to_string());
        schema.parameters = Some([scale].into_iter().collect());
        SchemaAndValue {
            schema: Some(Arc::new(schema)),
            value: Value::Decimal(decimal),
        }
    }
}

/// The number if it has no fraction.
fn integral(decimal: &Decimal) -> Option<BigInt> {
    let scale = i64::from(decimal.scale);
    if decimal.unscaled.is_zero() {
        return Some(BigInt::zero());
    }
    if scale <= 0 {
        // Beyond 64 bits at any rate.
        return (scale >= -MAX_SCALE.min(19))
            .then(|| &decimal.unscaled * BigInt::from(10).pow(scale.unsigned_abs() as u32));
    }
    let digits = decimal.unscaled.magnitude().to_string();
    let zeros = digits.len() - digits.trim_end_matches('0').len();
    (scale <= zeros as i64).then(|| &decimal.unscaled / BigInt::from(10).pow(scale as u32))
}

/// `BigDecimal.longValue`: the low bits of the integral part.
pub(crate) fn low_bits(decimal: &Decimal) -> i64 {
    let digits = decimal.unscaled.magnitude().to_string().len() as i64;
    let scale = i64::from(decimal.scale);
    // Less than one, or a multiple of 2^64.
    if scale >= digits || scale <= -64 {
        return 0;
    }
    let power = BigInt::from(10).pow(scale.unsigned_abs() as u32);
    let integral = if scale >= 0 {
        &decimal.unscaled / power
    } else {
        &decimal.unscaled * power
    };
    let low = integral.iter_u64_digits().next().unwrap_or(0) as i64;
    if integral.sign() == num_bigint::Sign::Minus {
        low.wrapping_neg()
    } else {
        low
    }
}

/// `BigDecimal.doubleValue`.
pub(crate) fn to_f64(decimal: &Decimal) -> f64 {
    let text = format!("{}e{}", decimal.unscaled, -i64::from(decimal.scale));
    text.parse().unwrap_or(f64::NAN)
}

/// `BigDecimal.floatValue`.
pub(crate) fn to_f32(decimal: &Decimal) -> f32 {
    let text = format!("{}e{}", decimal.unscaled, -i64::from(decimal.scale));
    text.parse().unwrap_or(f32::NAN)
}
