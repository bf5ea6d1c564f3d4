//! Numbers whose text may be copied, told from those that must be printed anew.

use super::{Form, Scalar};

/// Longer numbers take the slow way, which knows Jackson's limits.
const MAX_NUMBER: usize = 64;

/// Scans a number. Texts that are their own `Double.toString` or `Long.toString` are known by their form alone:
/// up to 18 digits, or a fraction of up to 15 digits between 10^-3 and 10^7.
#[inline]
pub(super) fn scan(record: &[u8], start: usize) -> Option<Scalar> {
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
    if record.get(end) == Some(&b'.') {
        let fraction_start = end + 1;
        end = skip_digits(record, fraction_start);
        if end == fraction_start {
            return None;
        }
        copy_end = end;
        while copy_end > fraction_start + 1 && record[copy_end - 1] == b'0' {
            copy_end -= 1;
        }
        let large_enough = !leading_zero
            || record[fraction_start..copy_end]
                .iter()
                .take(3)
                .any(|&digit| digit != b'0');
        plain =
            !zeros_first && whole <= 7 && whole + (copy_end - fraction_start) <= 15 && large_enough;
    }
    if matches!(record.get(end), Some(b'e' | b'E')) {
        plain = false;
        let sign = matches!(record.get(end + 1), Some(b'+' | b'-'));
        let exponent_start = end + 1 + usize::from(sign);
        end = skip_digits(record, exponent_start);
        // Nine digits are within Java's limits.
        if !(1..=9).contains(&(end - exponent_start)) {
            return None;
        }
    } else if end == whole_end {
        if whole > 18 {
            return None;
        }
        let rewrite = zeros_first || (negative && leading_zero);
        return Some(Scalar {
            end,
            copy_end,
            form: rewrite.then_some(Form::Integer),
        });
    }
    if plain {
        return Some(Scalar {
            end,
            copy_end,
            form: None,
        });
    }
    (end - start <= MAX_NUMBER).then_some(Scalar {
        end,
        copy_end: end,
        form: Some(Form::Fraction),
    })
}

/// The place behind a run of digits, eight bytes looked at together: how many digits there are is hard to foresee.
#[inline]
fn skip_digits(record: &[u8], mut at: usize) -> usize {
    const EACH: u64 = 0x0101_0101_0101_0101;
    while let Some(chunk) = record.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        // Digits become 0 to 9; whatever is more reaches a byte's highest bit, or has it.
        let values = u64::from_le_bytes(*chunk) ^ (EACH * u64::from(b'0'));
        let others = (((values & (EACH * 0x7F)) + EACH * 0x76) | values) & (EACH * 0x80);
        if others != 0 {
            return at + others.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while matches!(record.get(at), Some(b'0'..=b'9')) {
        at += 1;
    }
    at
}
