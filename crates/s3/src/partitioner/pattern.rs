//! Joda-Time's date patterns, printed. Only what folders are named by: no parsing.

use super::locale::Language;
use crate::zone::Zone;
use millstream_java::civil::CivilTime;
use std::fmt::Write;

#[derive(Clone, Debug)]
pub(super) struct Pattern {
    pieces: Vec<Piece>,
    language: Language,
}

#[derive(Clone, Debug)]
enum Piece {
    Literal(String),
    /// A letter and how often it stands there.
    Field(char, usize),
}

const LETTERS: &str = "GCYyxwedDMEaKhHkmsSzZ";

impl Pattern {
    /// The error is Joda's.
    pub(super) fn new(pattern: &str, locale: &str) -> Result<Self, String> {
        Ok(Pattern {
            pieces: parse(pattern)?,
            language: Language::of(locale),
        })
    }

    /// Whether zones would have to be named in a language other than English.
    pub(super) fn names_zones_abroad(&self) -> bool {
        let names_zones = |piece: &Piece| matches!(piece, Piece::Field('z', _));
        !self.language.has_english_zones() && self.pieces.iter().any(names_zones)
    }

    pub(super) fn push(&self, out: &mut String, instant: i64, zone: &Zone) {
        let offset = zone.offset_at(instant);
        // What cannot be counted in the zone is printed in UTC.
        let (local, offset) = match instant.checked_add(offset) {
            Some(local) => (local, offset),
            None => (instant, 0),
        };
        let moment = Moment {
            time: CivilTime::from_millis(local),
            day: local.div_euclid(DAY),
            instant,
            offset,
        };
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Field(letter, count) => self.push_field(out, *letter, *count, &moment, zone),
            }
        }
    }

    fn push_field(&self, out: &mut String, letter: char, count: usize, at: &Moment, zone: &Zone) {
        let t = &at.time;
        let year_of_era = if t.year > 0 { t.year } else { 1 - t.year };
        let half = t.hour % 12;
        let number = match letter {
            'G' => return out.push_str(self.language.era(t.year > 0)),
            'C' => year_of_era / 100,
            // Of two digits they are those of the year, before our era too.
            'Y' if count == 2 => return push_year(out, t.year, count),
            'Y' => return push_year(out, year_of_era, count),
            'y' => return push_year(out, t.year, count),
            'x' => return push_year(out, at.week().0, count),
            'w' => at.week().1,
            'e' => at.weekday() + 1,
            'D' => at.day_of_year(),
            'M' if count >= 3 => {
                return out.push_str(self.language.month(t.month, count >= 4));
            }
            'M' => t.month.into(),
            'd' => t.day.into(),
            'E' => return out.push_str(self.language.weekday(at.weekday(), count >= 4)),
            'a' => return out.push_str(self.language.half_day(t.hour >= 12)),
            'K' => half.into(),
            'h' => {
                if half == 0 {
                    12
                } else {
                    half.into()
                }
            }
            'H' => t.hour.into(),
            'k' => {
                if t.hour == 0 {
                    24
                } else {
                    t.hour.into()
                }
            }
            'm' => t.minute.into(),
            's' => t.second.into(),
            'S' => {
                let digits = format!("{:03}", t.millisecond);
                let zeros = count.saturating_sub(3);
                out.push_str(&digits[..count.min(3)]);
                return out.extend(std::iter::repeat_n('0', zeros));
            }
            'z' => return out.push_str(&zone.name(at.instant, count >= 4)),
            // Three or more: the id.
            _ if count >= 3 => return out.push_str(zone.id()),
            _ => return push_offset(out, at.offset, count == 2),
        };
        // Writing to a String cannot fail.
        let _ = write!(out, "{number:0count$}");
    }
}

const DAY: i64 = 86_400_000;

struct Moment {
    time: CivilTime,
    /// Days since the epoch, by local time.
    day: i64,
    instant: i64,
    offset: i64,
}

impl Moment {
    /// Monday is 0.
    fn weekday(&self) -> i64 {
        (self.day + 3).rem_euclid(7)
    }

    fn day_of_year(&self) -> i64 {
        self.day - super::timestamp::day_of(self.time.year, 1, 1) + 1
    }

    /// The ISO week: its year and number. It belongs to the year of its Thursday.
    fn week(&self) -> (i64, i64) {
        let thursday = self.day - self.weekday() + 3;
        let year = CivilTime::from_millis(thursday * DAY).year;
        let first = super::timestamp::day_of(year, 1, 1);
        (year, (thursday - first) / 7 + 1)
    }
}

fn push_year(out: &mut String, year: i64, count: usize) {
    let _ = if count == 2 {
        write!(out, "{:02}", year.abs() % 100)
    } else {
        let sign = if year < 0 { "-" } else { "" };
        write!(out, "{sign}{:0count$}", year.abs())
    };
}

fn push_offset(out: &mut String, offset: i64, colon: bool) {
    let minutes = offset.abs() / 60_000;
    let sign = if offset < 0 { '-' } else { '+' };
    let colon = if colon { ":" } else { "" };
    let _ = write!(out, "{sign}{:02}{colon}{:02}", minutes / 60, minutes % 60);
}

fn parse(pattern: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut is_quoted = false;
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        if c == '\'' {
            if rest.next_if_eq(&'\'').is_some() {
                literal.push('\'');
            } else {
                is_quoted = !is_quoted;
            }
        } else if !is_quoted && c.is_ascii_alphabetic() {
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            let mut count = 1;
            while rest.next_if_eq(&c).is_some() {
                count += 1;
            }
            if !LETTERS.contains(c) {
                let shown: String = std::iter::repeat_n(c, count).collect();
                return Err(format!("Illegal pattern component: {shown}"));
            }
            pieces.push(Piece::Field(c, count));
        } else {
            literal.push(c);
        }
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, zone: &str, instant: i64, expected: &str) {
        let mut out = String::new();
        let zone_of = Zone::parse(zone).expect("a zone");
        let pattern = Pattern::new(pattern, "en").expect("a pattern");
        pattern.push(&mut out, instant, &zone_of);
        assert_eq!(out, expected);
    }

    #[test]
    fn prints_as_joda_does() {
        check(
            "YYYY/yyyy/xxxx-ww-e/DDD",
            "UTC",
            1_609_459_200_000,
            "2021/2021/2020-53-5/001",
        );
        check(
            "YYYY/yyyy/xxxx-ww-e/DDD",
            "UTC",
            1_546_214_400_000,
            "2018/2018/2019-01-1/365",
        );
        check(
            "h K k H 'it''s' Z ZZ",
            "America/Los_Angeles",
            1_614_899_167_000,
            "3 3 15 15 it's -0800 -08:00",
        );
        check("SS SSSS yy G", "UTC", 1, "00 0010 70 AD");
    }
}
