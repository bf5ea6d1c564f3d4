//! Sums of decimals, digit by digit.

use bson::{Bson, Decimal128};
use std::str::FromStr;

/// The sum, where at least one is a decimal, neither is a double, and 34 digits hold it.
pub(super) fn sum(a: &Bson, b: &Bson) -> Option<Bson> {
    let is_decimal = |value: &Bson| matches!(value, Bson::Decimal128(_));
    if !is_decimal(a) && !is_decimal(b) {
        return None;
    }
    let ((a, a_exponent), (b, b_exponent)) = (parts(a)?, parts(b)?);
    let exponent = a_exponent.min(b_exponent);
    let scaled = |digits: i128, from: i32| {
        let shift = u32::try_from(from.checked_sub(exponent)?).ok()?;
        digits.checked_mul(10_i128.checked_pow(shift)?)
    };
    let sum = scaled(a, a_exponent)?.checked_add(scaled(b, b_exponent)?)?;
    let sum = Decimal128::from_str(&format!("{sum}E{exponent}")).ok()?;
    Some(Bson::Decimal128(sum))
}

/// Digits and exponent.
fn parts(value: &Bson) -> Option<(i128, i32)> {
    let text = match value {
        Bson::Int32(v) => return Some((i128::from(*v), 0)),
        Bson::Int64(v) => return Some((i128::from(*v), 0)),
        Bson::Decimal128(v) => v.to_string(),
        _ => return None,
    };
    let (digits, exponent) = text.split_once('E').unwrap_or((&text, "0"));
    let (before, behind) = digits.split_once('.').unwrap_or((digits, ""));
    let exponent = exponent.parse::<i32>().ok()?;
    let places = i32::try_from(behind.len()).ok()?;
    Some((format!("{before}{behind}").parse().ok()?, exponent - places))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn decimals_are_added_exactly() {
        let decimal = |text: &str| Bson::Decimal128(Decimal128::from_str(text).unwrap());
        let check = |a: Bson, b: Bson, expected: Option<Bson>| assert_eq!(sum(&a, &b), expected);
        check(decimal("0.10"), decimal("0.2"), Some(decimal("0.30")));
        check(
            decimal("-1E-3"),
            Bson::Int64(i64::MAX),
            Some(decimal("9223372036854775806.999")),
        );
        check(Bson::Int32(1), decimal("1E+3"), Some(decimal("1001")));
        check(Bson::Int32(1), Bson::Int64(2), None);
        check(decimal("1"), Bson::Double(0.5), None);
        check(decimal("NaN"), Bson::Int32(1), None);
    }
}
