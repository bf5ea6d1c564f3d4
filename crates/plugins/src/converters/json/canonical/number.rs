//! Numbers whose text may be copied, told from those that must be printed anew.

use super::{Form, Span};
use wide::u8x16;

const LANES: usize = 16;

/// Longer numbers take the slow way, which knows Jackson's limits.
const MAX_NUMBER: usize = 64;

/// Scans a number. Texts that are their own `Double.toString` or `Long.toString` are known by their form alone:
/// up to 18 digits, or a fraction of up to 15 digits between 10^-3 and 10^7.
#[inline(always)]
pub(super) fn scan(record: &[u8], start: usize) -> Option<Span> {
    match plain_end(record, start) {
        Some(end) => Some(Span::new(start, end, Form::Joined)),
        None => scan_any(record, start),
    }
}

/// The end of a number that is its own text, as most are. How many digits there are is hard to foresee, so that sixteen
/// bytes are looked at together. `None` if that does not tell.
#[inline(always)]
fn plain_end(record: &[u8], start: usize) -> Option<usize> {
    let negative = record.get(start) == Some(&b'-');
    let at = start + usize::from(negative);
    let ahead = record.get(at..)?;
    let values = u8x16::new(*ahead.first_chunk()?) - u8x16::splat(b'0');
    let others = values.max(u8x16::splat(10)).simd_eq(values).to_bitmask();
    let whole = others.trailing_zeros() as usize;
    // Without the first.
    let others = others & others.wrapping_sub(1);
    let leading_zero = ahead.first() == Some(&b'0');
    let (len, is_plain) = if ahead.get(whole) == Some(&b'.') {
        let len = others.trailing_zeros() as usize;
        let is_plain = (1..=7).contains(&whole)
            && len > whole + 1
            // It is at least 0.1, or at least 1.
            && !(leading_zero && (whole > 1 || ahead.get(2) == Some(&b'0')))
            && (ahead.get(len - 1) != Some(&b'0') || len == whole + 2);
        (len, is_plain)
    } else {
        let is_plain = whole > 0 && !(leading_zero && (whole > 1 || negative));
        (whole, is_plain)
    };
    let follows_exponent = matches!(ahead.get(len), Some(b'e' | b'E'));
    (is_plain && len < LANES && !follows_exponent).then_some(at + len)
}

#[inline(never)]
fn scan_any(record: &[u8], start: usize) -> Option<Span> {
    let negative = record[start] == b'-';
    let whole_start = start + usize::from(negative);
    let whole_end = skip_digits(record, whole_start);
    let whole = whole_end - whole_start;
    let leading_zero = record.get(whole_start) == Some(&b'0');
    let zeros_first = leading_zero && whole > 1;
    if whole == 0 {
        return None;
    }
    let mut end = whole_end;
    let mut copy_end = whole_end;
    let mut plain = true;
    if record.get(whole_end) == Some(&b'.') {
        let fraction_start = whole_end + 1;
        end = skip_digits(record, fraction_start);
        copy_end = end;
        if end == fraction_start {
            return None;
        }
        while copy_end > fraction_start + 1 && record[copy_end - 1] == b'0' {
            copy_end -= 1;
        }
        let fraction = &record[fraction_start..copy_end];
        let is_zero = leading_zero && fraction == b"0" && !negative;
        let large_enough = !leading_zero || fraction.iter().take(3).any(|&digit| digit != b'0');
        plain =
            !zeros_first && whole <= 7 && whole + fraction.len() <= 15 && (large_enough || is_zero);
    }
    let form = if matches!(record.get(end), Some(b'e' | b'E')) {
        let sign = matches!(record.get(end + 1), Some(b'+' | b'-'));
        let exponent_start = end + 1 + usize::from(sign);
        end = skip_digits(record, exponent_start);
        // Nine digits are within Java's limits.
        if !(1..=9).contains(&(end - exponent_start)) {
            return None;
        }
        Form::Fraction
    } else if end == whole_end {
        if whole > 18 {
            return None;
        }
        match zeros_first || (negative && leading_zero) {
            true => Form::Integer,
            false => Form::Joined,
        }
    } else if plain {
        Form::Joined
    } else {
        Form::Fraction
    };
    if form == Form::Fraction {
        copy_end = end;
        if end - start > MAX_NUMBER {
            return None;
        }
    }
    Some(Span {
        start,
        copy_end,
        end,
        form,
    })
}

/// The place behind a run of digits.
#[inline]
fn skip_digits(record: &[u8], at: usize) -> usize {
    let ahead = record.get(at..).unwrap_or_default();
    let others = ahead.iter().position(|byte| !byte.is_ascii_digit());
    at + others.unwrap_or(ahead.len())
}
