//! Numbers as Java prints them: `Double.toString` and its kin of Java 19 and later, which give the shortest digits.

use std::fmt::Write;

/// `Double.toString`: plain from 10^-3 up to 10^7, else `d.d…E±n`; always a digit after the point.
pub fn push_f64(out: &mut Vec<u8>, value: f64) {
    let magnitude = value.abs();
    if push_special(out, value) {
        return;
    }
    let mut buffer = zmij::Buffer::new();
    let shortest = buffer.format_finite(value);
    if (1e-3..1e7).contains(&magnitude) {
        out.extend_from_slice(shortest.as_bytes());
    } else if magnitude < 1e-300 {
        // Java wants two digits even where one would tell the number; see `push_two_digits`.
        push_tiny(out, shortest, format_args!("{value:.1e}"));
    } else {
        push_scientific(out, shortest);
    }
}

/// `Float.toString`.
pub fn push_f32(out: &mut Vec<u8>, value: f32) {
    let magnitude = value.abs();
    if push_special(out, f64::from(value)) {
        return;
    }
    let mut buffer = zmij::Buffer::new();
    let shortest = buffer.format_finite(value);
    if (1e-3..1e7).contains(&magnitude) {
        out.extend_from_slice(shortest.as_bytes());
    } else if magnitude < 1e-36 {
        push_tiny(out, shortest, format_args!("{value:.1e}"));
    } else {
        push_scientific(out, shortest);
    }
}

/// `Long.toString`.
pub fn push_i64(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

pub fn f64_text(value: f64) -> String {
    text(|out| push_f64(out, value))
}

pub fn f32_text(value: f32) -> String {
    text(|out| push_f32(out, value))
}

fn text(push: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::with_capacity(24);
    push(&mut out);
    String::from_utf8(out).expect("numbers are ASCII")
}

/// Zeros, infinities and NaN.
fn push_special(out: &mut Vec<u8>, value: f64) -> bool {
    let text: &[u8] = if value == 0.0 {
        if value.is_sign_negative() {
            b"-0.0"
        } else {
            b"0.0"
        }
    } else if value.is_nan() {
        b"NaN"
    } else if value == f64::INFINITY {
        b"Infinity"
    } else if value == f64::NEG_INFINITY {
        b"-Infinity"
    } else {
        return false;
    };
    out.extend_from_slice(text);
    true
}

/// Lays out digits of whatever notation as `d.d…E±n`.
fn push_scientific(out: &mut Vec<u8>, shortest: &str) {
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((shortest, "0"));
    let mut exponent: i32 = exponent.parse().expect("an exponent is an integer");
    let (negative, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    exponent += whole.len() as i32 - 1;
    let all = [whole, fraction].concat();
    let digits = all.trim_start_matches('0');
    exponent -= (all.len() - digits.len()) as i32;
    let digits = digits.trim_end_matches('0');
    if negative {
        out.push(b'-');
    }
    let (first, rest) = digits.split_at(1);
    out.extend_from_slice(first.as_bytes());
    out.push(b'.');
    out.extend_from_slice(if rest.is_empty() {
        b"0"
    } else {
        rest.as_bytes()
    });
    out.push(b'E');
    push_i64(out, exponent.into());
}

/// Where the shortest form has one digit, Java takes the closest form of two digits: 4.9E-324, not 5.0E-324.
/// The two can differ only at the very smallest numbers.
fn push_tiny(out: &mut Vec<u8>, shortest: &str, two_digits: std::fmt::Arguments<'_>) {
    let mantissa = shortest.split('e').next().unwrap_or_default();
    let digits = mantissa.bytes().filter(u8::is_ascii_digit);
    if digits.filter(|&digit| digit != b'0').count() == 1 {
        let mut text = String::new();
        write!(text, "{two_digits}").expect("a String takes everything");
        push_scientific(out, &text);
    } else {
        push_scientific(out, shortest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_doubles_as_java_does() {
        let check = |value: f64, text: &str| assert_eq!(f64_text(value), text);
        check(1.0, "1.0");
        check(-0.0, "-0.0");
        check(0.001, "0.001");
        check(0.00099, "9.9E-4");
        check(9_999_999.0, "9999999.0");
        check(1e7, "1.0E7");
        check(123_456_789.0, "1.23456789E8");
        check(2e23, "2.0E23");
        check(-1.5e-10, "-1.5E-10");
        check(f64::from_bits(1), "4.9E-324");
        check(f64::from_bits(2), "9.9E-324");
        check(f64::from_bits(3), "1.5E-323");
        check(f64::MAX, "1.7976931348623157E308");
        check(f64::MIN_POSITIVE, "2.2250738585072014E-308");
        check(f64::NAN, "NaN");
        check(f64::NEG_INFINITY, "-Infinity");
        check(1e16, "1.0E16");
        check(1e20, "1.0E20");
        check(0.30000000000000004, "0.30000000000000004");
    }

    #[test]
    fn prints_floats_as_java_does() {
        let check = |value: f32, text: &str| assert_eq!(f32_text(value), text);
        check(12.2, "12.2");
        check(f32::from_bits(1), "1.4E-45");
        check(1.234_567_9e8, "1.2345679E8");
        check(16_777_216.0, "1.6777216E7");
        check(f32::MAX, "3.4028235E38");
        check(1e10, "1.0E10");
        check(1e-4, "1.0E-4");
    }
}
