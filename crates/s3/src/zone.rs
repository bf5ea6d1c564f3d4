//! Time zones by the ids that Joda-Time knows, with what bucketing needs of them, at every instant that a timestamp can
//! tell.

pub(crate) mod offset;

use jiff::Timestamp;
use jiff::tz::TimeZone;

const DAY: i64 = 86_400_000;

/// After so many days the calendar, weekdays included, begins anew, and with it whatever rules say of it.
const CYCLE: i64 = 146_097 * DAY;

/// The last instant that the library is asked for; there is a whole year behind it in which it finds the next change.
const LAST: i64 = 253_402_207_200_000 - 2 * 366 * DAY;
const FIRST: i64 = -377_705_023_201_000;

/// The zones of Joda-Time 2.13: in each line the names that some share (short and long, then short and long in summer),
/// a tab, and their ids, each with the others that stand for it.
static ZONES: &str = include_str!("zone/zones.txt");

/// Zones whose winter the database describes as a time that is put back, and Joda their summer as one put forward.
const WINTER_IS_STANDARD: [&str; 4] = [
    "Africa/Casablanca",
    "Africa/El_Aaiun",
    "Africa/Windhoek",
    "Europe/Dublin",
];

#[derive(Clone, Debug)]
pub(crate) struct Zone {
    /// As Joda prints it, which may be another than it was asked for.
    id: String,
    rules: Rules,
    names: Option<Names>,
}

#[derive(Clone, Debug)]
enum Rules {
    /// Milliseconds ahead of UTC, at all times.
    Fixed(i64),
    Named(TimeZone),
}

/// English names, short and long.
#[derive(Clone, Copy, Debug)]
struct Names {
    standard: [&'static str; 2],
    summer: [&'static str; 2],
}

impl Zone {
    /// Reads an id; the error is Joda's text.
    pub(crate) fn parse(id: &str) -> Result<Self, String> {
        let Some((wanted, names)) = look_up(id) else {
            return match offset_part(id) {
                Some(text) => Zone::fixed(text),
                None => Err(unknown(id)),
            };
        };
        let zone = jiff::tz::db().get(wanted).map_err(|_| unknown(id))?;
        Ok(Zone {
            id: wanted.to_owned(),
            rules: Rules::Named(zone),
            names,
        })
    }

    fn fixed(text: &str) -> Result<Self, String> {
        match offset::parse(text.as_bytes(), 0) {
            Ok((0, end)) if end == text.len() => Zone::parse("UTC"),
            Ok((millis, end)) if end == text.len() => Ok(Zone {
                id: offset::text(millis),
                rules: Rules::Fixed(millis),
                names: None,
            }),
            Ok((_, at)) | Err(at) => Err(offset::malformed(text, at)),
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Milliseconds that local time is ahead of UTC at an instant.
    pub(crate) fn offset_at(&self, millis: i64) -> i64 {
        match &self.rules {
            Rules::Fixed(offset) => *offset,
            Rules::Named(zone) => i64::from(zone.to_offset(within_range(millis)).seconds()) * 1000,
        }
    }

    /// The zone's name at an instant, short or long, in English; where it has none, its offset or id.
    pub(crate) fn name(&self, millis: i64, long: bool) -> String {
        let zone = match &self.rules {
            Rules::Fixed(_) => return self.id.clone(),
            Rules::Named(zone) => zone,
        };
        let Some(names) = self.names else {
            return offset::text(self.offset_at(millis));
        };
        let info = zone.to_offset_info(within_range(millis));
        let is_summer = if WINTER_IS_STANDARD.contains(&self.id.as_str()) {
            info.offset().seconds() > 0 && !info.dst().is_dst()
        } else {
            info.dst().is_dst()
        };
        let names = if is_summer {
            names.summer
        } else {
            names.standard
        };
        names[usize::from(long)].to_owned()
    }

    /// The first change after an instant.
    fn next_transition(&self, millis: i64) -> Option<i64> {
        let Rules::Named(zone) = &self.rules else {
            return None;
        };
        let instant = within_range(millis);
        let moved = millis.max(FIRST) - instant.as_millisecond();
        let next = zone.following(instant).next()?.timestamp();
        next.as_millisecond().checked_add(moved)
    }

    /// Local time, told as if it were UTC; `None` where that is more than can be counted.
    pub(crate) fn utc_to_local(&self, millis: i64) -> Option<i64> {
        millis.checked_add(self.offset_at(millis))
    }

    /// A local time, given as if it were UTC, back to UTC: leniently, as Joda does.
    pub(crate) fn local_to_utc(&self, local: i64) -> Option<i64> {
        let first = self.offset_at(local);
        let guess = local.wrapping_sub(first);
        let second = self.offset_at(guess);
        // In the gap of a western zone the first guess is right: local time moves forward.
        let in_gap = first != second
            && first < 0
            && self.next_transition(guess) != self.next_transition(local.wrapping_sub(second));
        local.checked_sub(if in_gap { first } else { second })
    }
}

/// An instant of the library's range at which zones do the same. Beyond it only rules are left, which the calendar repeats;
/// before it nothing ever changed.
fn within_range(millis: i64) -> Timestamp {
    let millis = if millis > LAST {
        LAST - CYCLE + (millis - LAST) % CYCLE
    } else {
        millis.max(FIRST)
    };
    Timestamp::from_millisecond(millis).unwrap_or_default()
}

fn unknown(id: &str) -> String {
    format!("The datetime zone id '{id}' is not recognised")
}

/// The offset of an id that is one, or one after a prefix.
fn offset_part(id: &str) -> Option<&str> {
    ["UTC", "GMT", "UT", ""].iter().find_map(|prefix| {
        let rest = id.strip_prefix(prefix)?;
        rest.starts_with(['+', '-']).then_some(rest)
    })
}

/// The id under which a zone is known, and its names.
fn look_up(id: &str) -> Option<(&'static str, Option<Names>)> {
    if id.is_empty() || id.contains(['\t', ' ', '=', '|']) {
        return None;
    }
    // Joda takes these by themselves.
    let id = if matches!(id, "UT" | "Z") { "UTC" } else { id };
    ZONES.lines().find_map(|line| {
        let (names, ids) = line.split_once('\t')?;
        let known = ids
            .split(' ')
            .find(|aliases| aliases.split('=').any(|known| known == id))?;
        let known = known.split('=').next()?;
        let names: Vec<&str> = names.split('|').collect();
        let names = match names[..] {
            [short, long, summer_short, summer_long] => Some(Names {
                standard: [short, long],
                summer: [summer_short, summer_long],
            }),
            _ => None,
        };
        Some((known, names))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_ids_as_joda_does() {
        for (id, known) in [
            ("UTC", "UTC"),
            ("Z", "UTC"),
            ("America/Los_Angeles", "America/Los_Angeles"),
            ("MET", "CET"),
            ("EST", "America/Panama"),
            ("GMT", "Etc/GMT"),
            ("Etc/GMT+5", "Etc/GMT+5"),
            ("+05:30", "+05:30"),
            ("-08:00", "-08:00"),
            ("UTC-03:00", "-03:00"),
            ("GMT+0530", "+05:30"),
            ("+00:00", "UTC"),
        ] {
            let zone = Zone::parse(id);
            assert_eq!(zone.as_ref().map(Zone::id), Ok(known), "{id}");
        }
        for id in ["PST", "utc", "LLL", "posix/UTC", "Factory", "UTC ", "", " "] {
            assert_eq!(
                Zone::parse(id).err(),
                Some(format!("The datetime zone id '{id}' is not recognised"))
            );
        }
        for (id, said) in [
            ("GMT+5", "Invalid format: \"+5\" is malformed at \"5\""),
            ("+", "Invalid format: \"+\""),
            (
                "+05:30x",
                "Invalid format: \"+05:30x\" is malformed at \"x\"",
            ),
        ] {
            assert_eq!(Zone::parse(id).err().as_deref(), Some(said));
        }
    }

    /// Each id that Joda knows is one of the database's.
    #[test]
    fn has_rules_for_every_zone() {
        for line in ZONES.lines() {
            let (_, ids) = line.split_once('\t').expect("names and ids");
            for id in ids.split([' ', '=']) {
                assert!(Zone::parse(id).is_ok(), "{id}");
            }
        }
    }

    #[test]
    fn goes_forward_in_a_gap() {
        // 2018-11-04 00:00 does not exist in Sao Paulo.
        let zone = Zone::parse("America/Sao_Paulo").expect("the zone exists");
        let midnight = 1_541_289_600_000;
        let utc = zone.local_to_utc(midnight).expect("an instant");
        assert_eq!(utc + zone.offset_at(utc), midnight + 3_600_000);
    }
}
