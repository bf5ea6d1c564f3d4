//! Texts to numbers as Java's `parseLong` and `parseDouble` read them.

/// The value of a decimal digit of any script, as `Character.digit` gives it.
pub fn digit_value(c: char) -> Option<u8> {
    if c.is_ascii_digit() {
        return Some(c as u8 - b'0');
    }
    // The zeros of Unicode's decimal digits of the scripts in common use; nine more follow each.
    const ZEROS: [u32; 19] = [
        0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xE50,
        0xED0, 0xF20, 0x1040, 0x17E0, 0x1810, 0xFF10,
    ];
    let code = c as u32;
    ZEROS
        .iter()
        .find(|&&zero| (zero..zero + 10).contains(&code))
        .map(|zero| (code - zero) as u8)
}

/// `Long.parseLong`: a sign and decimal digits of any script, nothing else.
pub fn parse_i64(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value: i64 = 0;
    for c in digits.chars() {
        // Counted downwards, for there is one more negative number.
        value = value
            .checked_mul(10)?
            .checked_sub(i64::from(digit_value(c)?))?;
    }
    if negative {
        Some(value)
    } else {
        value.checked_neg()
    }
}

/// `Double.parseDouble`.
pub fn parse_f64(text: &str) -> Option<f64> {
    match Float::read(text)? {
        Float::Decimal(text) => text.parse().ok(),
        Float::Exact(value) => Some(value),
    }
}

/// `Float.parseFloat`.
pub fn parse_f32(text: &str) -> Option<f32> {
    match Float::read(text)? {
        Float::Decimal(text) => text.parse().ok(),
        Float::Exact(value) => Some(value as f32),
    }
}

enum Float<'a> {
    /// Sign, digits, point and exponent.
    Decimal(&'a str),
    Exact(f64),
}

impl<'a> Float<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let text = text.trim_matches(|c| c <= ' ');
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
        match unsigned {
            "NaN" => return Some(Float::Exact(f64::NAN)),
            "Infinity" => return Some(Float::Exact(sign * f64::INFINITY)),
            _ => {}
        }
        if let Some(hex) = unsigned.strip_prefix("0x").or(unsigned.strip_prefix("0X")) {
            return hexadecimal(hex).map(|value| Float::Exact(sign * value));
        }
        let text = text.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(text);
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent)),
            None => (unsigned, None),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let exponent_ok = exponent.is_none_or(|exponent| {
            let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            !exponent.is_empty() && digits(exponent)
        });
        let mantissa_ok =
            digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty());
        (mantissa_ok && exponent_ok).then_some(Float::Decimal(text))
    }
}

/// `1.8p3` behind the `0x`: the exponent is a must.
fn hexadecimal(text: &str) -> Option<f64> {
    let text = text.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(text);
    let (mantissa, exponent) = text.split_once(['p', 'P'])?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value = 0.0;
    for c in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(c.to_digit(16)?);
    }
    let exponent: i32 = exponent.parse().ok()?;
    Some(value * 2f64.powi(exponent.saturating_sub(4 * fraction.len() as i32)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_java_reads() {
        for (text, value) in [
            ("12", Some(12)),
            ("+7", Some(7)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("\u{661}\u{662}", Some(12)),
            ("", None),
            ("-", None),
            (" 1", None),
        ] {
            assert_eq!(parse_i64(text), value, "{text}");
        }
        for (text, value) in [
            ("1e3", Some(1000.0)),
            (" 1 ", Some(1.0)),
            ("1f", Some(1.0)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            ("0x1.8p3", Some(12.0)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("inf", None),
            ("", None),
            (".", None),
            ("1e", None),
            ("1e400", Some(f64::INFINITY)),
        ] {
            assert_eq!(parse_f64(text), value, "{text}");
        }
        assert!(parse_f64("NaN").unwrap().is_nan());
    }
}
