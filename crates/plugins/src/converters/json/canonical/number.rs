//! Numbers whose text may be copied, told from those that must be printed anew.

use super::Form;

/// Longer numbers take the slow way, which knows Jackson's limits.
const MAX_NUMBER: usize = 64;

/// A number's place and what is to be done with its text.
pub(super) struct Number {
    pub(super) end: usize,
    /// Without the zeros that Java would not print.
    pub(super) copy_end: usize,
    /// `None` if the text may be copied.
    pub(super) form: Option<Form>,
}

impl Number {
    /// Scans a number. Texts that are their own `Double.toString` or `Long.toString` are known by their form alone:
    /// up to 18 digits, or a fraction of up to 15 digits between 10^-3 and 10^7.
    #[inline]
    pub(super) fn scan(record: &[u8], start: usize) -> Option<Number> {
        let digits = |mut at: usize| {
            while matches!(record.get(at), Some(b'0'..=b'9')) {
                at += 1;
            }
            at
        };
        let negative = record[start] == b'-';
        let whole_start = start + usize::from(negative);
        let whole_end = digits(whole_start);
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
            end = digits(fraction_start);
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
            plain = !zeros_first
                && whole <= 7
                && whole + (copy_end - fraction_start) <= 15
                && large_enough;
        }
        if matches!(record.get(end), Some(b'e' | b'E')) {
            plain = false;
            let sign = matches!(record.get(end + 1), Some(b'+' | b'-'));
            let exponent_start = end + 1 + usize::from(sign);
            end = digits(exponent_start);
            // Nine digits are within Java's limits.
            if !(1..=9).contains(&(end - exponent_start)) {
                return None;
            }
        } else if end == whole_end {
            if whole > 18 {
                return None;
            }
            let rewrite = zeros_first || (negative && leading_zero);
            return Some(Number {
                end,
                copy_end,
                form: rewrite.then_some(Form::Integer),
            });
        }
        if plain {
            return Some(Number {
                end,
                copy_end,
                form: None,
            });
        }
        (end - start <= MAX_NUMBER).then_some(Number {
            end,
            copy_end: end,
            form: Some(Form::Fraction),
        })
    }
}
