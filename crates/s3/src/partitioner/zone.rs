//! Time zones by the ids that Joda-Time knows, with what bucketing needs of them.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

#[derive(Clone, Debug)]
pub(crate) struct Zone(TimeZone);

impl Zone {
    /// Reads an id; the error is Joda's text.
    pub(crate) fn parse(id: &str) -> Result<Self, String> {
        if let Some(rest) = id.strip_prefix(['+', '-']) {
            return fixed_offset(rest)
                .map(|seconds| {
                    if id.starts_with('-') {
                        -seconds
                    } else {
                        seconds
                    }
                })
                .and_then(|seconds| Offset::from_seconds(seconds).ok())
                .map(|offset| Zone(TimeZone::fixed(offset)))
                .ok_or_else(|| format!("Invalid format: \"{rest}\""));
        }
        // Unlike Joda's, the database's own look-up does not tell cases apart.
        jiff::tz::db()
            .get(id)
            .ok()
            .filter(|zone| zone.iana_name() == Some(id))
            .map(Zone)
            .ok_or_else(|| format!("The datetime zone id '{id}' is not recognised"))
    }

    /// Milliseconds that local time is ahead of UTC at an instant.
    pub(crate) fn offset_at(&self, millis: i64) -> i64 {
        let Ok(instant) = Timestamp::from_millisecond(millis) else {
            return 0;
        };
        i64::from(self.0.to_offset(instant).seconds()) * 1000
    }

    /// The zone's name at an instant, short or long, in English; the short one where the long one is not known.
    pub(crate) fn name(&self, millis: i64, long: bool) -> String {
        let Ok(instant) = Timestamp::from_millisecond(millis) else {
            return String::new();
        };
        let info = self.0.to_offset_info(instant);
        let short = info.abbreviation();
        let known = LONG_NAMES.iter().find(|(name, _)| long && *name == short);
        known.map_or(short, |(_, name)| name).to_owned()
    }

    /// The first change of the offset after an instant.
    pub(crate) fn next_transition(&self, millis: i64) -> Option<i64> {
        let instant = Timestamp::from_millisecond(millis).ok()?;
        self.0
            .following(instant)
            .next()
            .map(|transition| transition.timestamp().as_millisecond())
    }

    /// A local time, given as if it were UTC, back to UTC: leniently, as Joda does.
    pub(crate) fn local_to_utc(&self, local: i64) -> i64 {
        let first = self.offset_at(local);
        let second = self.offset_at(local - first);
        // In the gap of a western zone the first guess is right: local time moves forward.
        let in_gap = first != second
            && first < 0
            && self.next_transition(local - first) != self.next_transition(local - second);
        local - if in_gap { first } else { second }
    }
}

const LONG_NAMES: [(&str, &str); 12] = [
    ("CDT", "Central Daylight Time"),
    ("CEST", "Central European Summer Time"),
    ("CET", "Central European Standard Time"),
    ("CST", "Central Standard Time"),
    ("EDT", "Eastern Daylight Time"),
    ("EST", "Eastern Standard Time"),
    ("GMT", "Greenwich Mean Time"),
    ("MDT", "Mountain Daylight Time"),
    ("MST", "Mountain Standard Time"),
    ("PDT", "Pacific Daylight Time"),
    ("PST", "Pacific Standard Time"),
    ("UTC", "Coordinated Universal Time"),
];

/// `hh`, `hh:mm` or `hh:mm:ss`, or the same without colons, in seconds.
fn fixed_offset(text: &str) -> Option<i32> {
    let digits: String = text.chars().filter(|c| *c != ':').collect();
    if !matches!(digits.len(), 2 | 4 | 6) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let part = |at: usize| digits.get(at..at + 2).and_then(|d| d.parse::<i32>().ok());
    let (hours, minutes, seconds) = (part(0)?, part(2).unwrap_or(0), part(4).unwrap_or(0));
    (hours < 24 && minutes < 60 && seconds < 60).then_some(hours * 3600 + minutes * 60 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_ids_as_joda_does() {
        for id in [
            "UTC",
            "America/Los_Angeles",
            "CET",
            "EST",
            "Etc/GMT+5",
            "+05:30",
            "-08:00",
        ] {
            assert!(Zone::parse(id).is_ok(), "{id}");
        }
        for id in ["PST", "utc", "LLL"] {
            assert_eq!(
                Zone::parse(id).err(),
                Some(format!("The datetime zone id '{id}' is not recognised"))
            );
        }
    }

    #[test]
    fn goes_forward_in_a_gap() {
        // 2018-11-04 00:00 does not exist in Sao Paulo.
        let zone = Zone::parse("America/Sao_Paulo").expect("the zone exists");
        let midnight = 1_541_289_600_000;
        let utc = zone.local_to_utc(midnight);
        assert_eq!(utc + zone.offset_at(utc), midnight + 3_600_000);
    }
}
