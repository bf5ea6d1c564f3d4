//! Timestamps written as text: milliseconds, or what Joda-Time's generic ISO parser takes. Text without an offset is UTC.
//!
//! Joda takes of each alternative the one that reads furthest, and looks at the values when the whole text is read; what it
//! says of a wrong text follows from that.

use crate::zone::offset;
use millstream_core::RecordError;

const DAY: i64 = 86_400_000;

/// The place up to which a text could be read; an error is the place where it stops making sense.
type Read = Result<usize, usize>;

/// A number that a text holds, for a field of a date or a time.
#[derive(Clone, Copy, Debug)]
struct Part {
    field: Field,
    value: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Year,
    Weekyear,
    Month,
    Week,
    DayOfYear,
    DayOfMonth,
    DayOfWeek,
    Hour,
    Minute,
    Second,
    /// A fraction of one of those, in milliseconds.
    Fraction,
    /// Milliseconds ahead of UTC.
    Offset,
}

/// A value that its field does not take.
struct OutOfRange {
    value: i64,
    field: &'static str,
    low: i64,
    high: i64,
}

/// Milliseconds since the epoch.
pub(super) fn parse(text: &str) -> Result<i64, RecordError> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = (1..=19).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if is_number && let Ok(millis) = text.parse() {
        return Ok(millis);
    }
    if let Some(millis) = usual(text.as_bytes()) {
        return Ok(millis);
    }
    read(text)
}

/// The usual form, `2015-04-02T01:00:30.123Z` with or without fraction and zone, read at a glance.
fn usual(text: &[u8]) -> Option<i64> {
    let number = |from: usize, to: usize| {
        let digits = text.get(from..to)?;
        digits.iter().try_fold(0, |number, digit| {
            digit
                .is_ascii_digit()
                .then(|| number * 10 + i64::from(digit - b'0'))
        })
    };
    let has = |at: usize, byte: u8| text.get(at) == Some(&byte);
    let is_separated =
        has(4, b'-') && has(7, b'-') && has(10, b'T') && has(13, b':') && has(16, b':');
    if !is_separated {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let (fraction, end) = if has(19, b'.') {
        (number(20, 23)?, 23)
    } else {
        (0, 19)
    };
    let is_whole = end == text.len() || (has(end, b'Z') && end + 1 == text.len());
    // Days that not every month has are left to the long way.
    let is_plain = (1..=12).contains(&month) && (1..=28).contains(&day);
    (is_whole && is_plain && hour < 24 && minute < 60 && second < 60).then(|| {
        day_of(year, month, day) * DAY + ((hour * 60 + minute) * 60 + second) * 1000 + fraction
    })
}

/// Every form.
fn read(text: &str) -> Result<i64, RecordError> {
    let mut scanner = Scanner {
        text: text.as_bytes(),
        parts: Vec::new(),
    };
    let message = match scanner.date_time(0) {
        Ok(end) if end == text.len() => match millis_of(&scanner.parts) {
            Ok(millis) => return Ok(millis),
            Err(OutOfRange {
                value,
                field,
                low,
                high,
            }) => format!(
                "Cannot parse \"{text}\": Value {value} for {field} must be in the range [{low},{high}]"
            ),
        },
        Ok(at) | Err(at) => offset::malformed(text, at),
    };
    Err(RecordError::new(
        "java.lang.IllegalArgumentException",
        message,
    ))
}

/// The day, counted from the epoch, of a date of the proleptic Gregorian calendar.
pub(in crate::partitioner) fn day_of(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March here, so that the leap day ends them.
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn in_range(value: i64, field: &'static str, low: i64, high: i64) -> Result<i64, OutOfRange> {
    if (low..=high).contains(&value) {
        Ok(value)
    } else {
        Err(OutOfRange {
            value,
            field,
            low,
            high,
        })
    }
}

/// The years that a count of milliseconds can tell.
const FIRST_YEAR: i64 = -292_275_055;
const LAST_YEAR: i64 = 292_278_994;

fn millis_of(parts: &[Part]) -> Result<i64, OutOfRange> {
    let (mut day, mut year, mut month, mut monday, mut millis) = (0, 1970, 1, 0, 0);
    for Part { field, value } in parts.iter().copied() {
        match field {
            Field::Year => {
                year = in_range(value, "year", FIRST_YEAR, LAST_YEAR)?;
                day = day_of(year, 1, 1);
            }
            Field::Weekyear => {
                year = in_range(value, "weekyear", FIRST_YEAR, LAST_YEAR)?;
                monday = first_monday(year);
                day = monday;
            }
            Field::Month => {
                month = in_range(value, "monthOfYear", 1, 12)?;
                day = day_of(year, month, 1);
            }
            Field::Week => {
                let weeks = (first_monday(year + 1) - monday) / 7;
                day = monday + 7 * (in_range(value, "weekOfWeekyear", 1, weeks)? - 1);
            }
            Field::DayOfYear => {
                let days = 365 + i64::from(is_leap(year));
                day += in_range(value, "dayOfYear", 1, days)? - 1;
            }
            Field::DayOfMonth => {
                let days = match month {
                    2 => 28 + i64::from(is_leap(year)),
                    4 | 6 | 9 | 11 => 30,
                    _ => 31,
                };
                day += in_range(value, "dayOfMonth", 1, days)? - 1;
            }
            Field::DayOfWeek => day += in_range(value, "dayOfWeek", 1, 7)? - 1,
            Field::Hour => millis += in_range(value, "hourOfDay", 0, 23)? * 3_600_000,
            Field::Minute => millis += in_range(value, "minuteOfHour", 0, 59)? * 60_000,
            Field::Second => millis += in_range(value, "secondOfMinute", 0, 59)? * 1000,
            Field::Fraction => millis += value,
            Field::Offset => millis -= value,
        }
    }
    // The first year and the last can be told in part only.
    let counted = day
        .checked_mul(DAY)
        .and_then(|begin| begin.checked_add(millis));
    counted.ok_or(OutOfRange {
        value: year,
        field: "year",
        low: FIRST_YEAR + 1,
        high: LAST_YEAR - 1,
    })
}

/// The day that a year's first week begins with: the one that has the fourth of January.
fn first_monday(year: i64) -> i64 {
    let fourth = day_of(year, 1, 4);
    fourth - (fourth + 3).rem_euclid(7)
}

struct Scanner<'a> {
    text: &'a [u8],
    parts: Vec<Part>,
}

type Rule<'a> = fn(&mut Scanner<'a>, usize) -> Read;

impl<'a> Scanner<'a> {
    fn date_time(&mut self, at: usize) -> Read {
        self.best(at, &[Self::time_alone, Self::date_and_time])
    }

    fn time_alone(&mut self, at: usize) -> Read {
        let at = self.literal(at, b"T")?;
        let at = self.time(at)?;
        self.optional(at, Self::offset)
    }

    fn date_and_time(&mut self, at: usize) -> Read {
        let at = self.best(
            at,
            &[Self::year_month_day, Self::week_date, Self::day_of_year],
        )?;
        self.optional(at, |scanner, at| {
            let at = scanner.literal(at, b"T")?;
            let at = scanner.optional(at, Self::time)?;
            scanner.optional(at, Self::offset)
        })
    }

    fn year_month_day(&mut self, at: usize) -> Read {
        let at = self.signed(at, Field::Year)?;
        self.optional(at, |scanner, at| {
            let at = scanner.literal(at, b"-")?;
            let at = scanner.number(at, 2, Field::Month)?;
            scanner.optional(at, |scanner, at| {
                let at = scanner.literal(at, b"-")?;
                scanner.number(at, 2, Field::DayOfMonth)
            })
        })
    }

    fn week_date(&mut self, at: usize) -> Read {
        let at = self.signed(at, Field::Weekyear)?;
        let at = self.literal(at, b"-W")?;
        let at = self.number(at, 2, Field::Week)?;
        self.optional(at, |scanner, at| {
            let at = scanner.literal(at, b"-")?;
            scanner.number(at, 1, Field::DayOfWeek)
        })
    }

    fn day_of_year(&mut self, at: usize) -> Read {
        let at = self.signed(at, Field::Year)?;
        let at = self.literal(at, b"-")?;
        self.number(at, 3, Field::DayOfYear)
    }

    fn time(&mut self, at: usize) -> Read {
        let at = self.number(at, 2, Field::Hour)?;
        self.optional(at, |scanner, at| {
            scanner.best(
                at,
                &[Self::minutes, |scanner, at| scanner.fraction(at, 3_600_000)],
            )
        })
    }

    fn minutes(&mut self, at: usize) -> Read {
        let at = self.literal(at, b":")?;
        let at = self.number(at, 2, Field::Minute)?;
        self.optional(at, |scanner, at| {
            scanner.best(
                at,
                &[Self::seconds, |scanner, at| scanner.fraction(at, 60_000)],
            )
        })
    }

    fn seconds(&mut self, at: usize) -> Read {
        let at = self.literal(at, b":")?;
        let at = self.number(at, 2, Field::Second)?;
        self.optional(at, |scanner, at| scanner.fraction(at, 1000))
    }

    /// A decimal fraction of a unit, of which nine digits are read and whole milliseconds count.
    fn fraction(&mut self, at: usize, unit: i64) -> Read {
        if !matches!(self.text.get(at), Some(b'.' | b',')) {
            return Err(at);
        }
        let (mut end, mut value, mut rest) = (at + 1, 0, unit * 10);
        while end - at <= 9
            && let Some(digit) = self.text.get(end).filter(|byte| byte.is_ascii_digit())
        {
            // As Joda: each digit's share is cut by itself.
            let share = rest / 10;
            value += i64::from(digit - b'0') * share;
            rest = share;
            end += 1;
        }
        if end == at + 1 {
            return Err(end);
        }
        self.push(Field::Fraction, value / 10);
        Ok(end)
    }

    fn offset(&mut self, at: usize) -> Read {
        if let Ok(end) = self.literal(at, b"Z") {
            return Ok(end);
        }
        let (millis, end) = offset::parse(self.text, at)?;
        self.push(Field::Offset, millis);
        Ok(end)
    }

    /// In either case of letters.
    fn literal(&self, at: usize, literal: &[u8]) -> Read {
        match self.text.get(at..at + literal.len()) {
            Some(found) if found.eq_ignore_ascii_case(literal) => Ok(at + literal.len()),
            _ => Err(at),
        }
    }

    /// Up to nine digits with or without a sign.
    fn signed(&mut self, at: usize, field: Field) -> Read {
        let sign = self.text.get(at).copied();
        let is_signed = matches!(sign, Some(b'+' | b'-'))
            && self.text.get(at + 1).is_some_and(u8::is_ascii_digit);
        let end = self
            .number(at + usize::from(is_signed), 9, field)
            .map_err(|_| at)?;
        if let (Some(b'-'), Some(part)) = (sign, self.parts.last_mut()) {
            part.value = -part.value;
        }
        Ok(end)
    }

    /// At least one digit and at most `most`.
    fn number(&mut self, at: usize, most: usize, field: Field) -> Read {
        let rest = self.text.get(at..).unwrap_or_default();
        let digits = rest
            .iter()
            .take(most)
            .take_while(|byte| byte.is_ascii_digit());
        let (mut count, mut value) = (0, 0);
        for digit in digits {
            value = value * 10 + i64::from(digit - b'0');
            count += 1;
        }
        if count == 0 {
            return Err(at);
        }
        self.push(field, value);
        Ok(at + count)
    }

    fn push(&mut self, field: Field, value: i64) {
        self.parts.push(Part { field, value });
    }

    fn optional(&mut self, at: usize, rule: Rule<'a>) -> Read {
        let before = self.parts.len();
        Ok(rule(self, at).unwrap_or_else(|_| {
            self.parts.truncate(before);
            at
        }))
    }

    /// The alternative that reads furthest; where none fits, the place where the best one stops.
    fn best(&mut self, at: usize, rules: &[Rule<'a>]) -> Read {
        let before = self.parts.len();
        let mut best: Option<(usize, Vec<Part>)> = None;
        let mut stops = at;
        for rule in rules {
            match rule(self, at) {
                Ok(end) if best.as_ref().is_none_or(|(so_far, _)| end > *so_far) => {
                    best = Some((end, self.parts.split_off(before)));
                }
                Ok(_) => {}
                Err(stop) => stops = stops.max(stop),
            }
            self.parts.truncate(before);
        }
        let (end, parts) = best.ok_or(stops)?;
        self.parts.extend(parts);
        Ok(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, millis: i64) {
        assert_eq!(parse(text).ok(), Some(millis), "{text}");
    }

    fn check_error(text: &str, message: &str) {
        assert_eq!(
            parse(text).err().map(|e| e.message).as_deref(),
            Some(message)
        );
    }

    #[test]
    fn reads_what_joda_reads() {
        let day = 1_427_932_800_000;
        check("2015-04-02", day);
        check("2015-W14-4", day);
        check("2015-092", day);
        check("02015-4-2", day);
        check("2015-04-02T", day);
        check("2015-04-02T01:00:30,5Z", day + 3_630_500);
        check("2015-04-02T01:00:30+02:00", day + 3_630_000 - 7_200_000);
        check("2015-04-02T01:00:30-0800", day + 3_630_000 + 28_800_000);
        check("T10:00", 36_000_000);
        check("2015", 2015);
        check("-9223372036854775808", i64::MIN);
        check_error("yesterday", "Invalid format: \"yesterday\"");
        check_error(
            "12345678901234567890",
            "Invalid format: \"12345678901234567890\" is malformed at \"01234567890\"",
        );
        check_error(
            "2015-02-30",
            "Cannot parse \"2015-02-30\": Value 30 for dayOfMonth must be in the range [1,28]",
        );
    }

    /// What the original said to 700 random texts, right and nearly right ones.
    #[test]
    fn report_f17_reads_every_text_as_the_original_does() {
        let recorded = include_str!("../../../tests/data/times.tsv");
        let mut wrong = Vec::new();
        for line in recorded.lines() {
            let (text, expected) = line.split_once('\t').expect("two columns");
            let said = match parse(text) {
                Ok(millis) => millis.to_string(),
                Err(error) => format!("!{}", error.message),
            };
            if said != expected {
                wrong.push(format!("{line}, but {said}"));
            }
        }
        assert!(
            wrong.is_empty(),
            "{} differ:\n{}",
            wrong.len(),
            wrong.join("\n")
        );
    }

    proptest! {
        /// The short way and the long one lead to the same.
        #[test]
        fn the_usual_form_is_read_as_any_other(
            text in "(19|20)[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,4})?(Z|\\+01)?"
        ) {
            if let Some(millis) = usual(text.as_bytes()) {
                prop_assert_eq!(read(&text).ok(), Some(millis));
            }
        }

        #[test]
        fn never_panics(text in "[0-9TWZ:+., -]{0,32}|\\PC{0,12}") {
            let _ = parse(&text);
        }
    }
}
