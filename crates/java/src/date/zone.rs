//! Time zones in a text: `GMT+1:00`, `+0100`, `Z`, and the English names that the JVM knows. A name stands for the offset
//! that its zone has today.

use std::sync::LazyLock;

/// An offset in minutes and its names in lower case, a line each.
const NAMES: &str = include_str!("zones.txt");

static ZONES: LazyLock<Vec<(&'static str, i64)>> = LazyLock::new(|| {
    let mut zones = Vec::new();
    for line in NAMES.lines() {
        let mut parts = line.split('|');
        let minutes = parts.next().and_then(|minutes| minutes.parse().ok());
        zones.extend(parts.filter_map(|name| Some((name, minutes?))));
    }
    zones
});

/// What the letters `z` and `Z` read: the offset in milliseconds and the text behind it.
pub(super) fn general(text: &str) -> Option<(i64, &str)> {
    if text.starts_with(['+', '-']) {
        return numeric(text, 0, false);
    }
    if let Some(rest) = without_prefix(text, "gmt") {
        return if rest.starts_with(['+', '-']) {
            numeric(rest, 0, true)
        } else {
            Some((0, rest))
        };
    }
    let matching = ZONES
        .iter()
        .filter_map(|(name, minutes)| Some((without_prefix(text, name)?, *minutes)));
    let (rest, minutes) = matching.min_by_key(|(rest, _)| rest.len())?;
    Some((minutes * 60_000, rest))
}

/// What one, two or three letters `X` read: `Z`, `+01`, `+0100` or `+01:00`.
pub(super) fn iso(text: &str, count: usize) -> Option<(i64, &str)> {
    match text.strip_prefix('Z') {
        Some(rest) => Some((0, rest)),
        None => numeric(text, count, count == 3),
    }
}

/// A sign and an offset. `count` is the number of letters `X`, or 0: one has no minutes, and without a colon or for
/// any of them the hour has two digits.
fn numeric(text: &str, count: usize, colon: bool) -> Option<(i64, &str)> {
    let negative = match text.as_bytes().first()? {
        b'+' => false,
        b'-' => true,
        _ => return None,
    };
    let bytes = text.as_bytes();
    let mut at = 1;
    let digit = |at: usize| {
        let byte = bytes.get(at).filter(|byte| byte.is_ascii_digit())?;
        Some(i64::from(byte - b'0'))
    };
    let mut hours = digit(at)?;
    at += 1;
    // Java looks at the next character before it decides, so there must be one.
    bytes.get(at)?;
    match digit(at) {
        Some(second) => {
            hours = hours * 10 + second;
            at += 1;
        }
        None if count > 0 || !colon => return None,
        None => {}
    }
    let mut minutes = 0;
    if count != 1 {
        if colon {
            bytes.get(at).filter(|byte| **byte == b':')?;
            at += 1;
        }
        minutes = digit(at)? * 10 + digit(at + 1)?;
        at += 2;
    }
    if hours > 23 || minutes > 59 {
        return None;
    }
    let millis = (hours * 60 + minutes) * 60_000;
    Some((if negative { -millis } else { millis }, &text[at..]))
}

/// The text behind a prefix that is given in lower case.
fn without_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix)
        .then(|| &text[prefix.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_f12_reads_zones_as_the_jvm_does() {
        let check = |text: &str, minutes: Option<i64>| {
            let read = general(text).map(|(millis, rest)| (millis / 60_000, rest));
            assert_eq!(read, minutes.map(|minutes| (minutes, "")), "{text}");
        };
        for (text, minutes) in [
            ("PDT", -420),
            ("pst", -480),
            ("CET", 60),
            ("CEST", 120),
            ("JST", 540),
            ("IST", 120),
            ("BST", 60),
            ("MSK", 180),
            ("AEST", 600),
            ("NZST", 720),
            ("UTC", 0),
            ("GMT", 0),
            ("gmt-8:30", -510),
            ("GMT+01:00", 60),
            ("+0100", 60),
            ("Pacific Standard Time", -480),
            ("Central European Time", 60),
            ("Coordinated Universal Time", 0),
            ("Newfoundland Standard Time", -210),
        ] {
            check(text, Some(minutes));
        }
        for text in [
            "",
            "Z",
            "UT",
            "PT",
            "Pacific Time",
            "America/Los_Angeles",
            "GMT+1",
            "GMT+",
            "GMT+24:00",
            "-08",
            "+1:00",
            "Xyz",
        ] {
            check(text, None);
        }
        assert_eq!(general("WITA"), Some((540 * 60_000, "A")));
        assert_eq!(
            general("East Timor Time"),
            Some((180 * 60_000, " Timor Time"))
        );
        let hour = 3_600_000;
        assert_eq!(iso("Z", 1), Some((0, "")));
        assert_eq!(iso("-08", 1), Some((-8 * hour, "")));
        assert_eq!(iso("+01:00", 1), Some((hour, ":00")));
        assert_eq!(iso("+0100", 2), Some((hour, "")));
        assert_eq!(iso("+01:00", 3), Some((hour, "")));
        assert_eq!(iso("+1:00", 3), None);
        assert_eq!(iso("-08", 2), None);
        assert_eq!(iso("GMT", 1), None);
        assert_eq!(iso("+01:0", 3), None);
    }
}
