//! Lenient parsing: fields roll over, text behind the pattern is ignored.

use super::calendar::{day_of_date, week_start};
use super::{MONTHS, Piece, SimpleDateFormat, WEEKDAYS, zone};
use crate::parse::digit_value;
use millstream_core::logical::DAY_MILLIS;

/// What has been read so far; what was not is that of 1970-01-01 at midnight.
#[derive(Default)]
struct Fields {
    century_start: i64,
    before_christ: bool,
    year: Option<i64>,
    week_year: Option<i64>,
    /// From 0.
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    week: Option<i64>,
    /// Sunday is 0.
    weekday: Option<i64>,
    hour: Option<i64>,
    half_day_hour: Option<i64>,
    afternoon: bool,
    minute: i64,
    second: i64,
    millisecond: i64,
    offset_millis: i64,
}

impl SimpleDateFormat {
    /// The instant of a text, `None` if it does not match.
    pub fn parse(&self, text: &str) -> Option<i64> {
        let mut fields = Fields {
            century_start: self.century_start,
            ..Fields::default()
        };
        let mut rest = text;
        for (index, piece) in self.pieces.iter().enumerate() {
            match piece {
                Piece::Literal(literal) => rest = rest.strip_prefix(literal.as_str())?,
                Piece::Field { letter, count } => {
                    let abutting = match self.pieces.get(index + 1) {
                        Some(Piece::Field { letter, count }) => match letter {
                            b'M' | b'L' => *count <= 2,
                            letter => !matches!(letter, b'E' | b'a' | b'G' | b'z' | b'Z' | b'X'),
                        },
                        _ => false,
                    };
                    rest = fields.read(rest, *letter, *count, abutting)?;
                }
            }
        }
        Some(fields.millis())
    }
}

impl Fields {
    /// Reads one field and returns the text behind it.
    fn read<'a>(
        &mut self,
        text: &'a str,
        letter: u8,
        count: usize,
        abutting: bool,
    ) -> Option<&'a str> {
        let field = text;
        let text = text.trim_start_matches([' ', '\t']);
        match letter {
            b'M' | b'L' if count >= 3 => {
                let (month, rest) = name(text, &MONTHS)?;
                self.month = Some(month);
                return Some(rest);
            }
            b'E' => {
                let (weekday, rest) = name(text, &WEEKDAYS)?;
                self.weekday = Some(weekday);
                return Some(rest);
            }
            b'a' => {
                let (half, rest) = name_of(text, &["AM", "PM"])?;
                self.afternoon = half == 1;
                return Some(rest);
            }
            b'G' => {
                let (era, rest) = name_of(text, &["BC", "AD"])?;
                self.before_christ = era == 0;
                return Some(rest);
            }
            b'z' | b'Z' | b'X' => {
                let (offset, rest) = match letter {
                    b'X' => zone::iso(text, count),
                    _ => zone::general(text),
                }?;
                self.offset_millis = offset;
                return Some(rest);
            }
            _ => {}
        }
        // Before another field a number has so many characters at most, blanks in front of it counted; they must be there.
        let limit = if abutting {
            let (last, c) = field.char_indices().nth(count - 1)?;
            (last + c.len_utf8()).saturating_sub(field.len() - text.len())
        } else {
            text.len()
        };
        let (value, length) = number(text.get(..limit)?)?;
        let digits = text[..length].chars().filter(|c| *c != '-').count();
        match letter {
            b'y' if count <= 2 && digits == 2 && value >= 0 => {
                self.year = Some(in_century(self.century_start, value))
            }
            b'y' => self.year = Some(value),
            b'Y' => self.week_year = Some(value),
            b'M' | b'L' => self.month = Some(value - 1),
            b'd' => self.day = Some(value),
            b'D' => self.day_of_year = Some(value),
            b'w' => self.week = Some(value),
            b'u' => self.weekday = Some(value.rem_euclid(7)),
            b'H' => self.hour = Some(value),
            b'k' => self.hour = Some(if value == 24 { 0 } else { value }),
            b'K' => self.half_day_hour = Some(value),
            b'h' => self.half_day_hour = Some(if value == 12 { 0 } else { value }),
            b'm' => self.minute = value,
            b's' => self.second = value,
            b'S' => self.millisecond = value,
            // Weeks and weekdays within a month decide nothing beside the other fields.
            _ => {}
        }
        Some(&text[length..])
    }

    fn millis(&self) -> i64 {
        let hour = match (self.hour, self.half_day_hour) {
            (Some(hour), _) => hour,
            (None, Some(hour)) => hour + if self.afternoon { 12 } else { 0 },
            (None, None) => {
                if self.afternoon {
                    12
                } else {
                    0
                }
            }
        };
        let year = match self.year {
            Some(year) if self.before_christ => 1 - year,
            Some(year) => year,
            None => 1970,
        };
        let of_day = hour
            .wrapping_mul(3_600_000)
            .wrapping_add(self.minute.wrapping_mul(60_000))
            .wrapping_add(self.second.wrapping_mul(1000))
            .wrapping_add(self.millisecond);
        // Days that the time makes count when Java chooses the calendar.
        let (more, of_day) = (of_day.div_euclid(DAY_MILLIS), of_day.rem_euclid(DAY_MILLIS));
        let day = if let (Some(day_of_year), None) = (self.day_of_year, self.day) {
            day_of_date(year, 0, day_of_year + more)
        } else if let (Some(week), None) = (self.week, self.day) {
            let first = week_start(day_of_date(self.week_year.unwrap_or(year), 0, 1));
            first + (week - 1) * 7 + self.weekday.unwrap_or(0) + more
        } else {
            let year = self.year.or(self.week_year).map_or(1970, |_| year);
            let (month, day) = (self.month.unwrap_or(0), self.day.unwrap_or(1));
            day_of_date(year, month, day + more)
        };
        day.wrapping_mul(DAY_MILLIS)
            .wrapping_add(of_day)
            .wrapping_sub(self.offset_millis)
    }
}

/// A number as Java's `DecimalFormat` reads an integer (digits of any script, an exponent, `NaN`), and how much of the
/// text it takes. Java keeps the low 32 bits, or the bounds of what is beyond 64.
fn number(text: &str) -> Option<(i64, usize)> {
    if text.starts_with("NaN") {
        return Some((0, 3));
    }
    let negative = text.starts_with('-');
    let start = usize::from(negative);
    let (whole, mut end) = digits(text, start)?;
    let mut value = whole;
    if let Some(exponent) = text[end..].strip_prefix('E')
        && !exponent.starts_with('-')
        && let Some((exponent, after)) = digits(text, end + 1)
    {
        let power = u32::try_from(exponent).ok();
        let power = power.and_then(|exponent| 10i64.checked_pow(exponent));
        value = match (value, power) {
            (0, _) => 0,
            (_, Some(power)) => value.saturating_mul(power),
            (_, None) => i64::MAX,
        };
        end = after;
    }
    let value = match value {
        i64::MAX if negative => i64::from(i32::MIN),
        i64::MAX => i64::from(i32::MAX),
        _ => i64::from(if negative { -value } else { value } as i32),
    };
    Some((value, end))
}

/// The digits from here on, `i64::MAX` where they are too many, and where they end.
fn digits(text: &str, start: usize) -> Option<(i64, usize)> {
    let mut value: i64 = 0;
    let mut end = start;
    for c in text.get(start..)?.chars() {
        let Some(digit) = digit_value(c) else {
            break;
        };
        value = value.saturating_mul(10).saturating_add(digit.into());
        end += c.len_utf8();
    }
    (end > start).then_some((value, end))
}

/// A full name or its first three letters, in any case.
fn name<'a>(text: &'a str, names: &[&str]) -> Option<(i64, &'a str)> {
    name_of(text, names).or_else(|| {
        let short: Vec<&str> = names.iter().map(|name| &name[..3]).collect();
        name_of(text, &short)
    })
}

fn name_of<'a>(text: &'a str, names: &[&str]) -> Option<(i64, &'a str)> {
    names.iter().enumerate().find_map(|(index, name)| {
        let head = text.get(..name.len())?;
        head.eq_ignore_ascii_case(name)
            .then(|| (index as i64, &text[name.len()..]))
    })
}

/// The year that two digits stand for within a hundred years.
fn in_century(century_start: i64, two_digits: i64) -> i64 {
    let year = century_start - century_start.rem_euclid(100) + two_digits;
    if year < century_start {
        year + 100
    } else {
        year
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Java's own class gave for them.
    #[test]
    fn reads_numbers_as_decimal_format_does() {
        let check = |pattern: &str, text: &str, millis: Option<i64>| {
            let format = SimpleDateFormat::compile(pattern).unwrap();
            assert_eq!(format.parse(text), millis, "{text}");
        };
        let day = DAY_MILLIS;
        // Two characters each: `-0` is month 0, `2-` is day 2.
        check("yyyyMMdd", "2024-060 10:11", Some(19_751 * day));
        check("yyyyMMdd", "2024-13-45 1:2", Some(1_698_969_600_000));
        check("yyyyMMdd", "-0", None);
        check("S", "\u{663}", Some(3));
        check("S", "NaN", Some(0));
        check("S", "1E3", Some(1000));
        check("S", "99999999999999999999", Some(i32::MAX.into()));
        check("S", "4294967297", Some(1));
        // So many hours back, 1 January 1970 is taken for one of the Julian calendar.
        check("HH", "20240229123000123", Some(-6_580_422_651_600_000));
    }
}
