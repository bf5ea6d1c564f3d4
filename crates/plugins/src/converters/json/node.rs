//! A JSON document as Jackson's tree has it: numbers keep all their digits, strings may hold lone surrogates.

use indexmap::IndexMap;
use millstream_core::{Decimal, Text};
use num_bigint::BigInt;
use num_traits::{ToPrimitive, Zero};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    /// What a text without any value stands for.
    Missing,
    Null,
    Boolean(bool),
    Integer(i64),
    /// An integer beyond 64 bits.
    BigInteger(BigInt),
    Fraction(Fraction),
    String(Text),
    Array(Vec<Node>),
    /// Members as they stand; of repeated names the last counts.
    Object(Vec<(Text, Node)>),
}

impl Node {
    /// The kind's name, as messages print it.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Node::Missing => "MISSING",
            Node::Null => "NULL",
            Node::Boolean(_) => "BOOLEAN",
            Node::Integer(_) | Node::BigInteger(_) | Node::Fraction(_) => "NUMBER",
            Node::String(_) => "STRING",
            Node::Array(_) => "ARRAY",
            Node::Object(_) => "OBJECT",
        }
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self, Node::Null)
    }

    /// The member of an object; `None` for anything else too.
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        match self {
            Node::Object(members) => {
                let mut found = members.iter().rev().filter(|(key, _)| key == name);
                found.next().map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// The members of an object, each name once: at its first place, with its last value. `None` for anything else.
    pub(super) fn members(&self) -> Option<IndexMap<&Text, &Node>> {
        match self {
            Node::Object(members) => {
                Some(members.iter().map(|(name, node)| (name, node)).collect())
            }
            _ => None,
        }
    }

    /// Java's `longValue`: the low bits of the integral part, 0 for what is no number.
    pub(super) fn to_i64(&self) -> i64 {
        match self {
            Node::Integer(v) => *v,
            Node::BigInteger(v) => low_bits(v),
            Node::Fraction(fraction) => fraction.to_i64(),
            _ => 0,
        }
    }

    /// Java's `doubleValue`, 0 for what is no number.
    pub(super) fn to_f64(&self) -> f64 {
        match self {
            Node::Integer(v) => *v as f64,
            Node::BigInteger(v) => v.to_f64().unwrap_or(f64::INFINITY),
            Node::Fraction(fraction) => fraction.to_f64(),
            _ => 0.0,
        }
    }

    /// Java's `floatValue`, 0 for what is no number.
    pub(super) fn to_f32(&self) -> f32 {
        match self {
            Node::Integer(v) => *v as f32,
            Node::BigInteger(v) => v.to_f32().unwrap_or(f32::INFINITY),
            Node::Fraction(fraction) if is_zero(&fraction.text) => 0.0,
            Node::Fraction(fraction) => fraction.text.parse().unwrap_or(f32::INFINITY),
            _ => 0.0,
        }
    }

    /// The number with its own scale; `None` for what is no number.
    pub(super) fn to_decimal(&self) -> Option<Decimal> {
        let whole = |unscaled| Some(Decimal { unscaled, scale: 0 });
        match self {
            Node::Integer(v) => whole(BigInt::from(*v)),
            Node::BigInteger(v) => whole(v.clone()),
            Node::Fraction(fraction) => Some(fraction.to_decimal()),
            _ => None,
        }
    }
}

/// Java's `BigInteger.longValue`.
fn low_bits(value: &BigInt) -> i64 {
    let low = value.iter_u64_digits().next().unwrap_or(0) as i64;
    if value.sign() == num_bigint::Sign::Minus {
        low.wrapping_neg()
    } else {
        low
    }
}

/// A number with a point or an exponent, checked by the parser; Java holds a `BigDecimal`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fraction {
    text: Box<str>,
}

impl Fraction {
    /// The text is that of a JSON number whose exponent fits into 32 bits.
    pub(super) fn new(text: &str) -> Self {
        Fraction { text: text.into() }
    }

    pub(super) fn to_f64(&self) -> f64 {
        parse_f64(&self.text)
    }

    fn to_i64(&self) -> i64 {
        crate::converters::simple_header::low_bits(&self.to_decimal())
    }

    fn to_decimal(&self) -> Decimal {
        let (mantissa, exponent) = match self.text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().unwrap_or(0)),
            None => (&*self.text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        Decimal {
            unscaled: digits.parse().unwrap_or_else(|_| BigInt::zero()),
            scale: (fraction.len() as i64 - exponent) as i32,
        }
    }
}

/// The double next to a JSON number with a point or exponent, by way of a `BigDecimal`, which has no negative zero.
pub(super) fn parse_f64(text: &str) -> f64 {
    let value: f64 = text.parse().unwrap_or(f64::NAN);
    if value == 0.0 && is_zero(text) {
        return 0.0;
    }
    value
}

/// Whether a number has no digit but 0 before its exponent.
fn is_zero(text: &str) -> bool {
    let mut mantissa = text.bytes().take_while(|byte| !matches!(byte, b'e' | b'E'));
    mantissa.all(|byte| !matches!(byte, b'1'..=b'9'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Java's `DecimalNode` gave for them.
    #[test]
    fn only_what_is_rounded_to_zero_keeps_its_sign() {
        for (text, is_negative) in [("-0.0", false), ("-0e5", false), ("-1e-400", true)] {
            let node = Node::Fraction(Fraction::new(text));
            assert_eq!((node.to_f64(), node.to_f32()), (0.0, 0.0), "{text}");
            assert_eq!(node.to_f64().is_sign_negative(), is_negative, "{text}");
            assert_eq!(node.to_f32().is_sign_negative(), is_negative, "{text}");
        }
    }
}
