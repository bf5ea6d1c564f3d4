//! Times and durations as flags give them.

use jiff::civil::DateTime;
use jiff::fmt::friendly::SpanParser;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};

/// Milliseconds since 1970 of `2026-12-01T10:00:00.000`, with or without a zone (then UTC, as in Kafka's scripts), or of
/// a number, which are the milliseconds themselves.
///
/// # Errors
/// What to write instead.
pub fn parse_time(text: &str) -> Result<i64, String> {
    if let Ok(millis) = text.parse::<i64>() {
        return Ok(millis);
    }
    let with_zone = text.parse::<Timestamp>();
    let without = || {
        let civil = text.parse::<DateTime>().ok()?;
        TimeZone::UTC.to_timestamp(civil).ok()
    };
    let at = with_zone.ok().or_else(without).ok_or_else(|| {
        format!("{text} is no time: write 2026-12-01T10:00:00.000, with Z or +01:00 behind it unless it is UTC, or milliseconds since 1970")
    })?;
    Ok(at.as_millisecond())
}

/// Milliseconds of an ISO 8601 duration (`P7D`, `PT1H30M`) or of numbers with units (`5m`, `1h 30m`); a day has 24 hours.
///
/// # Errors
/// What to write instead.
pub fn parse_duration(text: &str) -> Result<i64, String> {
    let wrong = || format!("{text} is no duration: write PT1H30M, P7D, or 90m");
    let is_iso = text.trim_start_matches('-').starts_with(['P', 'p']);
    let span: Span = if is_iso {
        text.parse().map_err(|_| wrong())?
    } else {
        SpanParser::new().parse_span(text).map_err(|_| wrong())?
    };
    let has_months = span.get_years() != 0 || span.get_months() != 0;
    let days = i64::from(span.get_weeks()) * 7 + i64::from(span.get_days());
    let (Ok(rest), false) = (SignedDuration::try_from(span.weeks(0).days(0)), has_months) else {
        return Err(wrong());
    };
    let day = 24 * 60 * 60 * 1000;
    let rest = i64::try_from(rest.as_millis()).map_err(|_| wrong())?;
    days.checked_mul(day)
        .and_then(|days| days.checked_add(rest))
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_as_kafkas_scripts_take_them() {
        for (text, expected) in [
            ("1970-01-01T00:00:01.500", 1500),
            ("1970-01-01T00:00:01.500Z", 1500),
            ("1970-01-01T01:00:01.500+01:00", 1500),
            ("1970-01-02", 86_400_000),
            ("1733047200000", 1_733_047_200_000),
        ] {
            assert_eq!(parse_time(text), Ok(expected), "{text}");
        }
        for wrong in ["", "yesterday", "10:00", "2026-13-01T00:00:00"] {
            assert!(parse_time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_are_iso_or_with_units() {
        for (text, expected) in [
            ("PT1H30M", 5_400_000),
            ("P7D", 604_800_000),
            ("P0DT0H0M10S", 10_000),
            ("5m", 300_000),
            ("500ms", 500),
            ("1h 30m", 5_400_000),
        ] {
            assert_eq!(parse_duration(text), Ok(expected), "{text}");
        }
        for wrong in ["", "P1M", "10", "soon"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused(text in "[-+PpTZtDHMS0-9:. a-z]{0,24}") {
            let _ = parse_time(&text);
            let _ = parse_duration(&text);
        }
    }
}
