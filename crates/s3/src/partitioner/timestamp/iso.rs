//! Timestamps written as text: milliseconds, or what Joda-Time's generic ISO parser takes. Text without an offset is UTC.

use millstream_core::RecordError;

type Parsed<T> = Result<T, Failure>;

enum Failure {
    /// Where the text stops making sense.
    At(usize),
    OutOfRange {
        value: i64,
        field: &'static str,
        low: i64,
        high: i64,
    },
}

const DAY: i64 = 86_400_000;

/// Milliseconds since the epoch.
pub(super) fn parse(text: &str) -> Result<i64, RecordError> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = (1..=19).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if is_number && let Ok(millis) = text.parse() {
        return Ok(millis);
    }
    let mut scanner = Scanner {
        text: text.as_bytes(),
        at: 0,
    };
    scanner.instant().map_err(|failure| {
        let message = match failure {
            Failure::At(0) => format!("Invalid format: \"{text}\""),
            Failure::At(at) if at >= text.len() => {
                format!("Invalid format: \"{text}\" is too short")
            }
            Failure::At(at) => {
                let rest = text.get(at..).unwrap_or("");
                format!("Invalid format: \"{text}\" is malformed at \"{rest}\"")
            }
            Failure::OutOfRange { value, field, low, high } => format!(
                "Cannot parse \"{text}\": Value {value} for {field} must be in the range [{low},{high}]"
            ),
        };
        RecordError::new("java.lang.IllegalArgumentException", message)
    })
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

fn in_range(value: i64, field: &'static str, low: i64, high: i64) -> Parsed<i64> {
    if (low..=high).contains(&value) {
        Ok(value)
    } else {
        Err(Failure::OutOfRange {
            value,
            field,
            low,
            high,
        })
    }
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn instant(&mut self) -> Parsed<i64> {
        let mut millis = 0;
        let has_date = self.peek() != Some(b'T');
        if has_date {
            millis = self.date()? * DAY;
        }
        if self.takes(b'T') {
            if self.peek().is_some_and(|b| b.is_ascii_digit()) {
                millis += self.time()?;
            } else if !has_date {
                return Err(Failure::At(self.at));
            }
            millis -= self.offset()?;
        }
        if self.at < self.text.len() {
            return Err(Failure::At(self.at));
        }
        Ok(millis)
    }

    fn date(&mut self) -> Parsed<i64> {
        let year = self.year()?;
        if !self.takes(b'-') {
            return Ok(day_of(year, 1, 1));
        }
        if self.takes(b'W') {
            return self.week_of(year);
        }
        let start = self.at;
        let number = self.number(3)?;
        if self.at - start == 3 {
            let day = in_range(
                number,
                "dayOfYear",
                1,
                if is_leap(year) { 366 } else { 365 },
            )?;
            return Ok(day_of(year, 1, 1) + day - 1);
        }
        let month = in_range(number, "monthOfYear", 1, 12)?;
        if !self.takes(b'-') {
            return Ok(day_of(year, month, 1));
        }
        let days = match month {
            2 => 28 + i64::from(is_leap(year)),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let day = in_range(self.number(2)?, "dayOfMonth", 1, days)?;
        Ok(day_of(year, month, day))
    }

    fn week_of(&mut self, year: i64) -> Parsed<i64> {
        let week = in_range(self.number(2)?, "weekOfWeekyear", 1, 53)?;
        let mut weekday = 1;
        if self.takes(b'-') {
            weekday = in_range(self.number(1)?, "dayOfWeek", 1, 7)?;
        }
        // The first week has the year's fourth of January.
        let fourth = day_of(year, 1, 4);
        let monday = fourth - (fourth + 3).rem_euclid(7);
        Ok(monday + (week - 1) * 7 + weekday - 1)
    }

    fn time(&mut self) -> Parsed<i64> {
        let mut unit = 3_600_000;
        let mut millis = in_range(self.number(2)?, "hourOfDay", 0, 23)? * unit;
        for (field, next) in [("minuteOfHour", 60_000), ("secondOfMinute", 1000)] {
            if !self.takes(b':') {
                break;
            }
            unit = next;
            millis += in_range(self.number(2)?, field, 0, 59)? * unit;
        }
        if self.takes(b'.') || self.takes(b',') {
            millis += self.fraction_of(unit)?;
        }
        Ok(millis)
    }

    /// A decimal fraction of a unit, cut to milliseconds.
    fn fraction_of(&mut self, unit: i64) -> Parsed<i64> {
        let start = self.at;
        let (mut value, mut scale) = (0i64, 1i64);
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            self.at += 1;
            // Nine digits tell more than a millisecond of an hour.
            if scale < 1_000_000_000 {
                value = value * 10 + i64::from(digit - b'0');
                scale *= 10;
            }
        }
        if self.at == start {
            return Err(Failure::At(self.at));
        }
        Ok(value * unit / scale)
    }

    /// Milliseconds ahead of UTC; none is UTC.
    fn offset(&mut self) -> Parsed<i64> {
        if self.takes(b'Z') || self.at == self.text.len() {
            return Ok(0);
        }
        let sign = match self.peek() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return Err(Failure::At(self.at)),
        };
        self.at += 1;
        let mut millis = self.two_digits()? * 3_600_000;
        let has_colon = self.takes(b':');
        if has_colon || self.at < self.text.len() {
            millis += self.two_digits()? * 60_000;
        }
        Ok(sign * millis)
    }

    fn year(&mut self) -> Parsed<i64> {
        let start = self.at;
        let is_negative = self.takes(b'-');
        if !is_negative {
            self.takes(b'+');
        }
        let year = self.number(9).map_err(|_| Failure::At(start))?;
        Ok(if is_negative { -year } else { year })
    }

    fn two_digits(&mut self) -> Parsed<i64> {
        let start = self.at;
        let number = self.number(2)?;
        if self.at - start == 2 {
            Ok(number)
        } else {
            Err(Failure::At(start))
        }
    }

    /// At least one digit and at most `most`.
    fn number(&mut self, most: usize) -> Parsed<i64> {
        let start = self.at;
        let mut value = 0;
        while self.at - start < most
            && let Some(digit) = self.peek().filter(u8::is_ascii_digit)
        {
            value = value * 10 + i64::from(digit - b'0');
            self.at += 1;
        }
        if self.at == start {
            Err(Failure::At(start))
        } else {
            Ok(value)
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn takes(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
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

    proptest! {
        #[test]
        fn never_panics(text in "[0-9TWZ:+., -]{0,32}|\\PC{0,12}") {
            let _ = parse(&text);
        }
    }
}
