//! Java's `SimpleDateFormat` in UTC with English names: formatting and lenient parsing, on the Gregorian calendar
//! with the Julian one before 15 October 1582.

mod calendar;
mod parse;
mod zone;

use calendar::Moment;
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
pub(crate) const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct SimpleDateFormat {
    pieces: Vec<Piece>,
    /// Where the hundred years begin that two digits stand for: 80 years before the pattern was compiled.
    century_start: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Field { letter: u8, count: usize },
}

impl SimpleDateFormat {
    /// The error is Java's text.
    pub fn compile(pattern: &str) -> Result<Self, String> {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut chars = pattern.chars().peekable();
        let literal = |pieces: &mut Vec<Piece>, c: char| match pieces.last_mut() {
            Some(Piece::Literal(text)) => text.push(c),
            _ => pieces.push(Piece::Literal(c.to_string())),
        };
        let mut quoted = false;
        while let Some(c) = chars.next() {
            if c == '\'' {
                if chars.next_if_eq(&'\'').is_some() {
                    literal(&mut pieces, '\'');
                } else {
                    quoted = !quoted;
                }
            } else if quoted || !c.is_ascii_alphabetic() {
                literal(&mut pieces, c);
            } else if !"GyMdkHmsSEDFwWahKzZYuXL".contains(c) {
                return Err(format!("Illegal pattern character '{c}'"));
            } else {
                let mut count = 1;
                while chars.next_if_eq(&c).is_some() {
                    count += 1;
                }
                if c == 'X' && count > 3 {
                    return Err(format!("invalid ISO 8601 format: length={count}"));
                }
                pieces.push(Piece::Field {
                    letter: c as u8,
                    count,
                });
            }
        }
        if quoted {
            return Err("Unterminated quote".to_owned());
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let seconds = now.map_or(0, |since| since.as_secs() as i64);
        Ok(SimpleDateFormat {
            pieces,
            century_start: Moment::from_millis(seconds * 1000).year - 80,
        })
    }

    pub fn format(&self, millis: i64) -> String {
        let moment = Moment::from_millis(millis);
        // Room for most patterns.
        let mut text = String::with_capacity(32);
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Field { letter, count } => {
                    format_field(&mut text, &moment, *letter, *count);
                }
            }
        }
        text
    }
}

/// `java.util.Date.toString` in UTC.
pub fn date_string(millis: i64) -> String {
    let m = Moment::from_millis(millis);
    format!(
        "{} {} {:02} {:02}:{:02}:{:02} UTC {}",
        &WEEKDAYS[m.weekday() as usize][..3],
        &MONTHS[m.month as usize - 1][..3],
        m.day,
        m.hour,
        m.minute,
        m.second,
        m.year_of_era()
    )
}

/// A number with zeros in front, up to this width.
fn push_number(text: &mut String, value: i64, width: usize) {
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(value.unsigned_abs());
    let sign = if value < 0 { "-" } else { "" };
    text.push_str(sign);
    for _ in sign.len() + digits.len()..width {
        text.push('0');
    }
    text.push_str(digits);
}

fn format_field(text: &mut String, m: &Moment, letter: u8, count: usize) {
    let name = |names: &[&'static str], index: usize| {
        if count >= 4 {
            names[index]
        } else {
            &names[index][..3]
        }
    };
    let mut number = |value: i64| push_number(text, value, count);
    match letter {
        b'y' if count == 2 => number(m.year_of_era().rem_euclid(100)),
        b'y' => number(m.year_of_era()),
        b'Y' if count == 2 => number(m.week_year().rem_euclid(100)),
        b'Y' => number(m.week_year()),
        b'M' | b'L' if count >= 3 => text.push_str(name(&MONTHS, m.month as usize - 1)),
        b'M' | b'L' => number(m.month.into()),
        b'd' => number(m.day.into()),
        b'D' => number(m.day_of_year()),
        b'F' => number((i64::from(m.day) - 1) / 7 + 1),
        b'w' => number(m.week_of_year()),
        b'W' => number(m.week_of_month()),
        b'u' => number((m.weekday() + 6) % 7 + 1),
        b'H' => number(m.hour.into()),
        b'k' => number(if m.hour == 0 { 24 } else { m.hour.into() }),
        b'K' => number((m.hour % 12).into()),
        b'h' => number(((m.hour + 11) % 12 + 1).into()),
        b'm' => number(m.minute.into()),
        b's' => number(m.second.into()),
        b'S' => number(m.millisecond.into()),
        b'E' => text.push_str(name(&WEEKDAYS, m.weekday() as usize)),
        b'a' => text.push_str(if m.hour < 12 { "AM" } else { "PM" }),
        b'G' => text.push_str(if m.year > 0 { "AD" } else { "BC" }),
        b'z' if count >= 4 => text.push_str("Coordinated Universal Time"),
        b'z' => text.push_str("UTC"),
        b'Z' => text.push_str("+0000"),
        _ => text.push('Z'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, millis: i64, text: &str) {
        let format = SimpleDateFormat::compile(pattern).unwrap();
        assert_eq!(format.format(millis), text);
    }

    #[test]
    fn formats_as_java_does() {
        check(
            "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'",
            1_566_570_894_346,
            "2019-08-23T14:34:54.346Z",
        );
        check("YYYY-'W'ww", 1_483_425_001_864, "2017-W01");
        check(
            "yyyy MM dd HH mm ss SSS z",
            86_401_234,
            "1970 01 02 00 00 01 234 UTC",
        );
        check(
            "EEE, d MMM yy h:mm a ''X",
            1_566_570_894_346,
            "Fri, 23 Aug 19 2:34 PM 'Z",
        );
        check("EEEE MMMM D u G", 0, "Thursday January 1 4 AD");
        check("yyyy-MM-dd", -12_219_292_800_000, "1582-10-15");
        check("yyyy-MM-dd", -12_219_292_800_001, "1582-10-04");
        assert_eq!(
            SimpleDateFormat::compile("bad").unwrap_err(),
            "Illegal pattern character 'b'"
        );
    }

    /// Java's format would go on in Los Angeles' time, so that a text depended on what was read before it.
    #[test]
    fn report_f12_what_was_read_changes_nothing_about_what_is_written() {
        let format = SimpleDateFormat::compile("yyyy-MM-dd HH:mm z").unwrap();
        let read = format.parse("2024-02-29 12:30 PST").unwrap();
        assert_eq!(format.format(read), "2024-02-29 20:30 UTC");
        assert_eq!(format.format(0), "1970-01-01 00:00 UTC");
    }

    #[test]
    fn parses_leniently() {
        let check = |pattern: &str, text: &str, millis: Option<i64>| {
            let format = SimpleDateFormat::compile(pattern).unwrap();
            assert_eq!(format.parse(text), millis, "{text}");
        };
        let day = 86_400_000;
        check("yyyy-MM-dd", "2019-08-23", Some(18_131 * day));
        check("yyyy-MM-dd", "2019-13-45", Some(18_306 * day));
        check("yyyy-MM-dd", "0000-00-00", Some(-719_562 * day));
        check("yyyy-MM-dd", "1582-10-10", Some(-141_422 * day));
        check("yyyy-MM-dd", "12-34-56-7", Some(-714_088 * day));
        check("yyyy-MM-dd", "2019-08-2x", Some(18_110 * day));
        check("yyyy-MM-dd", "x", None);
        check("HH:mm:ss.SSS'Z'", "25:61:61.999Z", Some(93_721_999));
        check(
            "yyyy MM dd HH mm ss SSS z",
            "1970 01 02 00 00 01 234 UTC",
            Some(86_401_234),
        );
        check("yyyyMMdd", "20190823", Some(18_131 * day));
        check(
            "d MMM yyyy h:mm a",
            "23 aug 2019 2:34 pm",
            Some(18_131 * day + 14 * 3_600_000 + 34 * 60_000),
        );
        check(
            "yyyy-MM-dd'T'HH:mm:ssX",
            "1970-01-01T01:00:00+01:00",
            Some(0),
        );
    }
}
