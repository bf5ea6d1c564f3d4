//! Offsets and ids of time zones at a place of a text.

use jiff::tz::TimeZone;

/// How an offset is written: which of minutes and seconds it has, and whether colons part them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OffsetStyle {
    minutes: Part,
    seconds: Part,
    has_colons: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Never,
    Sometimes,
    Always,
}

impl OffsetStyle {
    /// Java's `+HHmm`.
    pub(super) const HOURS_AND_SOME_MINUTES: Self = Self::new(Part::Sometimes, Part::Never, false);
    pub(super) const MINUTES: Self = Self::new(Part::Always, Part::Never, false);
    pub(super) const MINUTES_BY_COLON: Self = Self::new(Part::Always, Part::Never, true);
    /// Seconds need not be there: `+HHMMss`.
    pub(super) const SECONDS: Self = Self::new(Part::Always, Part::Sometimes, false);
    pub(super) const SECONDS_BY_COLON: Self = Self::new(Part::Always, Part::Sometimes, true);

    const fn new(minutes: Part, seconds: Part, has_colons: bool) -> Self {
        OffsetStyle {
            minutes,
            seconds,
            has_colons,
        }
    }
}

/// What a zone's id comes to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Zone {
    /// Seconds east of UTC.
    Offset(i64),
    Region(TimeZone),
}

/// Seconds east of UTC of the offset with which `text` begins, and its length in bytes. `None`: it begins with none.
pub(super) fn offset(text: &str, style: OffsetStyle, zero: &str) -> Option<(i64, usize)> {
    if text.starts_with(zero) {
        return Some((0, zero.len()));
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let mut at = 1;
    let hours = two_digits(text, &mut at, false)?;
    let mut parts = [0; 2];
    for (part, value) in [style.minutes, style.seconds].into_iter().zip(&mut parts) {
        if part == Part::Never {
            break;
        }
        match two_digits(text, &mut at, style.has_colons) {
            Some(digits) => *value = digits,
            None if part == Part::Always => return None,
            None => break,
        }
    }
    // More than a day is no offset at all, more than 18 hours none that a zone has.
    (hours <= 23).then_some((sign * (hours * 3600 + parts[0] * 60 + parts[1]), at))
}

fn two_digits(text: &str, at: &mut usize, by_colon: bool) -> Option<i64> {
    let mut rest = text.as_bytes().get(*at..)?;
    let mut length = 2;
    if by_colon {
        rest = rest.strip_prefix(b":")?;
        length += 1;
    }
    let [tens, ones, ..] = rest else { return None };
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| i64::from(byte - b'0'));
    let value = digit(tens)? * 10 + digit(ones)?;
    if value > 59 {
        return None;
    }
    *at += length;
    Some(value)
}

/// `GMT`, with an offset behind it or without.
pub(super) fn localized_offset(text: &str, is_full: bool) -> Option<(i64, usize)> {
    let rest = text.strip_prefix("GMT")?;
    let sign = match rest.as_bytes().first() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return Some((0, 3)),
    };
    let mut at = 1;
    let hours = if is_full {
        two_digits(rest, &mut at, false)?
    } else {
        let digits = rest[1..]
            .bytes()
            .take(2)
            .take_while(u8::is_ascii_digit)
            .count();
        at += digits;
        rest.get(1..at)?.parse().ok()?
    };
    let minutes = two_digits(rest, &mut at, true);
    if is_full && minutes.is_none() {
        return None;
    }
    let seconds = minutes.and_then(|_| two_digits(rest, &mut at, true));
    let total = hours * 3600 + minutes.unwrap_or(0) * 60 + seconds.unwrap_or(0);
    Some((sign * total, 3 + at))
}

/// Eighteen hours, the most that an offset may be.
pub(super) const MOST_OFFSET: i64 = 18 * 3600;

/// The zone with whose id `text` begins, and the id's length in bytes: an offset, one behind `UTC`, `GMT` or `UT`, or the
/// longest name of a region.
pub(super) fn zone(text: &str) -> Option<(Zone, usize)> {
    if text.starts_with(['+', '-']) {
        let (seconds, length) = offset(text, OffsetStyle::SECONDS_BY_COLON, "Z")?;
        return (seconds.abs() <= MOST_OFFSET).then_some((Zone::Offset(seconds), length));
    }
    if text.starts_with("GMT0") {
        return Some((Zone::Offset(0), 4));
    }
    for prefix in ["UTC", "GMT", "UT"] {
        let Some(rest) = text.strip_prefix(prefix) else {
            continue;
        };
        if rest.starts_with(['0', 'Z']) {
            return Some((Zone::Offset(0), prefix.len()));
        }
        return match offset(rest, OffsetStyle::SECONDS_BY_COLON, "0") {
            Some((seconds, length)) if seconds.abs() <= MOST_OFFSET => {
                Some((Zone::Offset(seconds), prefix.len() + length))
            }
            Some(_) => None,
            None => Some((Zone::Offset(0), prefix.len())),
        };
    }
    region(text).or_else(|| text.starts_with('Z').then_some((Zone::Offset(0), 1)))
}

/// No id of a region is longer.
const LONGEST_ID: usize = 40;

fn region(text: &str) -> Option<(Zone, usize)> {
    let is_of_id = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+-".contains(&byte);
    let longest = text
        .bytes()
        .take(LONGEST_ID)
        .take_while(|&byte| is_of_id(byte))
        .count();
    (2..=longest).rev().find_map(|length| {
        let id = &text[..length];
        // Java's list lacks these three, and knows ids in their own spelling alone.
        if matches!(id, "EST" | "MST" | "HST") {
            return None;
        }
        let zone = TimeZone::get(id).ok()?;
        (zone.iana_name() == Some(id)).then_some((Zone::Region(zone), length))
    })
}
