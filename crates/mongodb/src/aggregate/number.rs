//! Number: what is summed and compared, as a whole number of units of 10⁻¹⁵. Adding such numbers is exact, so that neither
//! the order of records nor where batches are cut changes a sum, as it would with doubles.

use bson::{Bson, Decimal128};
use std::str::FromStr;

/// Places behind the point. More than a double tells of most values, and with the largest whole number before the point
/// still within the 34 digits of a Decimal128.
const PLACES: u32 = 15;

const UNIT: i128 = 10_i128.pow(PLACES);

/// Digits that a Decimal128 holds.
const DIGITS: u32 = 34;

/// What is added to an Int64 at most: some eight million times so much is one still.
const MOST_WHOLE: i128 = 1 << 40;

/// How many numbers may be added before the sum is looked at again: each has a size of 2⁶³ at most.
pub(crate) const MOST_ADDENDS: usize = 10_000;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Number {
    /// First, so that numbers compare by their size.
    units: i128,
    /// Places behind the point that are shown: as many as the value needs, of a sum as its longest addend does.
    places: u32,
}

impl Number {
    /// The number in a value; `None` where it is none, or too large to be added exactly.
    pub(crate) fn read(value: &Bson) -> Option<Number> {
        match value {
            Bson::Int32(v) => Some(Number::whole(i64::from(*v))),
            Bson::Int64(v) => Some(Number::whole(*v)),
            // The shortest text that means this double, which for a price is the price.
            Bson::Double(v) if v.is_finite() => Number::parse(&format!("{v:e}")),
            Bson::Decimal128(v) => Number::parse(&v.to_string()),
            _ => None,
        }
    }

    fn whole(value: i64) -> Number {
        Number {
            units: i128::from(value) * UNIT,
            places: 0,
        }
    }

    /// A decimal text, with an exponent or without. What is behind the last place is rounded, half to even.
    fn parse(text: &str) -> Option<Number> {
        let (digits, exponent) = match text.split_once(['e', 'E']) {
            Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (before, behind) = digits.split_once('.').unwrap_or((digits, ""));
        let mantissa: i128 = format!("{before}{behind}").parse().ok()?;
        let shift = exponent
            .checked_sub(i32::try_from(behind.len()).ok()?)?
            .checked_add(PLACES as i32)?;
        let scale = |shift: i32| 10_i128.checked_pow(shift.unsigned_abs());
        let units = match scale(shift) {
            _ if mantissa == 0 => 0,
            Some(scale) if shift >= 0 => mantissa.checked_mul(scale)?,
            Some(scale) => divide(mantissa, scale),
            None if shift >= 0 => return None,
            None => 0,
        };
        let most = i128::from(i64::MAX) * UNIT;
        if units.abs() > most {
            return None;
        }
        let mut places = PLACES;
        while places > 0 && units % 10_i128.pow(PLACES - places + 1) == 0 {
            places -= 1;
        }
        Some(Number { units, places })
    }

    /// Adds; no more than `MOST_ADDENDS` may come together.
    pub(crate) fn add(self, other: Number) -> Number {
        Number {
            units: self.units.saturating_add(other.units),
            places: self.places.max(other.places),
        }
    }

    /// As a server adds and compares it: an Int64 where it is whole and fits, else a Decimal128.
    pub(crate) fn to_bson(self) -> Bson {
        if self.places == 0
            && let Ok(whole) = i64::try_from(self.units / UNIT)
        {
            return Bson::Int64(whole);
        }
        self.to_decimal()
    }

    /// As a server adds it. Not every server tells where a sum is beyond an Int64: what is large is a Decimal128, which
    /// makes the sum one.
    pub(crate) fn to_addend(self) -> Bson {
        match self.units.abs() < MOST_WHOLE * UNIT {
            true => self.to_bson(),
            false => self.to_decimal(),
        }
    }

    pub(crate) fn to_decimal(self) -> Bson {
        let mut places = self.places;
        let mut mantissa = self.units / 10_i128.pow(PLACES - places);
        // Only a sum beyond 10¹⁹ with places to its end is as long.
        while mantissa.abs() >= 10_i128.pow(DIGITS) && places > 0 {
            mantissa = divide(mantissa, 10);
            places -= 1;
        }
        let text = format!("{mantissa}E-{places}");
        Decimal128::from_str(&text).map_or(Bson::Null, Bson::Decimal128)
    }
}

/// Rounds half to even.
fn divide(value: i128, by: i128) -> i128 {
    let (whole, rest) = (value / by, (value % by).abs());
    let is_up = rest > by - rest || (rest == by - rest && whole % 2 != 0);
    whole + if is_up { value.signum() } else { 0 }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn decimal(text: &str) -> Bson {
        Bson::Decimal128(Decimal128::from_str(text).unwrap())
    }

    fn check(value: Bson, shown: &str) {
        let read = Number::read(&value).map_or(Bson::Null, Number::to_bson);
        assert_eq!(read.to_string(), shown, "{value}");
    }

    #[test]
    fn numbers_are_whole_or_decimals_of_fifteen_places() {
        check(Bson::Int32(-7), "-7");
        check(Bson::Int64(i64::MAX), "9223372036854775807");
        check(Bson::Double(5.0), "5");
        check(Bson::Double(1e18), "1000000000000000000");
        check(Bson::Double(19.99), "19.99");
        check(Bson::Double(-0.1), "-0.1");
        check(Bson::Double(0.1 + 0.2), "0.3");
        check(Bson::Double(1e-15), "1E-15");
        check(Bson::Double(5e-16), "0");
        check(Bson::Double(1.5e-15), "2E-15");
        check(Bson::Double(5e-324), "0");
        check(Bson::Double(0.0), "0");
        check(decimal("1.50"), "1.5");
        check(decimal("1E+3"), "1000");
        check(decimal("-2.5E-3"), "-0.0025");
        for no_number in [
            Bson::Double(f64::NAN),
            Bson::Double(1e19),
            Bson::Double(f64::MAX),
            decimal("1E+6000"),
            decimal("NaN"),
            decimal("Infinity"),
            Bson::String("1".into()),
            Bson::Null,
        ] {
            assert_eq!(Number::read(&no_number), None, "{no_number}");
        }
    }

    #[test]
    fn a_sum_beyond_an_int64_is_a_decimal() {
        let most = Number::read(&Bson::Int64(i64::MAX)).unwrap();
        let sum = most.add(Number::read(&Bson::Int32(1)).unwrap());
        assert_eq!(sum.to_bson(), decimal("9223372036854775808"));
        let shown = |value: i64| Number::whole(value).to_addend().to_string();
        assert_eq!(shown((1 << 40) - 1), "1099511627775");
        assert_eq!(Number::whole(1 << 40).to_addend(), decimal("1099511627776"));
        assert_eq!(
            Number::whole(-1 << 40).to_addend(),
            decimal("-1099511627776")
        );
        let cents = Number::read(&Bson::Double(0.5)).unwrap();
        assert_eq!(cents.add(cents).to_bson(), decimal("1.0"));
    }

    #[test]
    fn as_many_of_the_largest_as_may_come_together_are_added_exactly() {
        let most = Number::read(&Bson::Int64(i64::MIN + 1)).unwrap();
        let sum = (1..MOST_ADDENDS).fold(most, |sum, _| sum.add(most));
        assert_eq!(sum.units, most.units * MOST_ADDENDS as i128);
        let mut odd = sum;
        odd.places = PLACES;
        assert!(matches!(odd.to_bson(), Bson::Decimal128(_)));
    }

    proptest! {
        #[test]
        fn sums_depend_on_no_order(mut values in prop::collection::vec(-1e12f64..1e12, 1..50)) {
            let sum = |values: &[f64]| {
                values.iter().fold(Number::default(), |sum, value| {
                    sum.add(Number::read(&Bson::Double(*value)).unwrap())
                })
            };
            let forward = sum(&values);
            values.reverse();
            prop_assert_eq!(sum(&values), forward);
            values.sort_by(f64::total_cmp);
            let (low, high) = values.split_at(values.len() / 2);
            prop_assert_eq!(sum(low).add(sum(high)), forward);
        }

        #[test]
        fn numbers_compare_by_their_size(a in -1e12f64..1e12, b in -1e12f64..1e12) {
            let read = |value| Number::read(&Bson::Double(value)).unwrap();
            // Two doubles may be closer than the last place.
            prop_assert!(read(a) == read(b) || read(a).cmp(&read(b)) == a.total_cmp(&b));
        }
    }
}
