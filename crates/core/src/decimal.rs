//! Decimal: an arbitrary-precision decimal number with Java's `BigDecimal` text form.

use num_bigint::BigInt;
use std::fmt;

/// `unscaled × 10^-scale`. Two decimals are equal only if their scales are, as in Java.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    pub unscaled: BigInt,
    pub scale: i32,
}

impl Decimal {
    /// The unscaled value in big-endian two's complement: Connect's form on the wire.
    pub fn unscaled_bytes(&self) -> Vec<u8> {
        self.unscaled.to_signed_bytes_be()
    }

    /// Java's `longValue`: without the fraction, and of what is left the lowest 64 bits.
    pub fn to_long(&self) -> i64 {
        // Beyond this nothing of the number is left, or no bit of the lowest 64 is set.
        const MOST: u32 = 10_000;
        let shift = BigInt::from(10).pow(self.scale.unsigned_abs().min(MOST));
        let whole = if self.scale >= 0 {
            &self.unscaled / shift
        } else {
            &self.unscaled * shift
        };
        let mut lowest = [if whole.sign() == num_bigint::Sign::Minus {
            0xff
        } else {
            0
        }; 8];
        for (to, from) in lowest.iter_mut().zip(whole.to_signed_bytes_le()) {
            *to = from;
        }
        i64::from_le_bytes(lowest)
    }

    pub fn from_unscaled_bytes(bytes: &[u8], scale: i32) -> Self {
        Decimal {
            unscaled: BigInt::from_signed_bytes_be(bytes),
            scale,
        }
    }
}

/// Java's `BigDecimal.toString`: plain while the scale is not negative and the adjusted exponent is at least −6.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let negative = self.unscaled.sign() == num_bigint::Sign::Minus;
        let digits = self.unscaled.magnitude().to_string();
        if negative {
            f.write_str("-")?;
        }
        if self.scale == 0 {
            return f.write_str(&digits);
        }
        let adjusted = digits.len() as i64 - 1 - i64::from(self.scale);
        if self.scale > 0 && adjusted >= -6 {
            let point = digits.len() as i64 - i64::from(self.scale);
            return if point > 0 {
                let (whole, fraction) = digits.split_at(point as usize);
                write!(f, "{whole}.{fraction}")
            } else {
                write!(f, "0.{}{digits}", "0".repeat(point.unsigned_abs() as usize))
            };
        }
        let (first, rest) = digits.split_at(1);
        f.write_str(first)?;
        if !rest.is_empty() {
            write!(f, ".{rest}")?;
        }
        if adjusted != 0 {
            write!(f, "E{adjusted:+}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn becomes_a_long_as_java_s_does() {
        let long = |unscaled: i64, scale| {
            let unscaled = BigInt::from(unscaled);
            Decimal { unscaled, scale }.to_long()
        };
        assert_eq!(long(129, 1), 12);
        assert_eq!(long(-129, 1), -12);
        assert_eq!(long(12, -3), 12_000);
        assert_eq!(long(i64::MAX, 0), i64::MAX);
        assert_eq!(long(i64::MIN, 0), i64::MIN);
        assert_eq!(long(1, -64), 0);
        assert_eq!(long(5, i32::MAX), 0);
        assert_eq!(long(-1, -19), 8_446_744_073_709_551_616);
    }

    #[test]
    fn prints_as_big_decimal_does() {
        let check = |unscaled: i64, scale, text: &str| {
            let decimal = Decimal {
                unscaled: BigInt::from(unscaled),
                scale,
            };
            assert_eq!(decimal.to_string(), text);
        };
        check(12340, 3, "12.340");
        check(1, -3, "1E+3");
        check(1000, 10, "1.000E-7");
        check(-5, 2, "-0.05");
        check(0, 0, "0");
        check(0, 2, "0.00");
        check(123, 3, "0.123");
    }
}
