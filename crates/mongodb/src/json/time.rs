//! Dates as texts: ISO 8601 with an offset, as `ISODate` and `$date` take them.

const MILLIS_PER_DAY: i64 = 86_400_000;

/// A date, or a date with a time and an offset, as milliseconds since the epoch.
pub(super) fn parse(text: &str) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let mut parts = date.splitn(3, '-');
    let mut next = || parts.next()?.parse::<i64>().ok();
    let days = days(next()?, next()?, next()?)?;
    if rest.is_empty() {
        return Some(days * MILLIS_PER_DAY);
    }
    let rest = rest.strip_prefix('T')?;
    let zone = rest.find(['Z', '+', '-'])?;
    let (clock, zone) = rest.split_at(zone);
    Some(days * MILLIS_PER_DAY + time_of_day(clock)? - offset(zone)? * 60_000)
}

/// Year, month from 0, day, hour, minute, second, millisecond, as JavaScript counts them.
pub(super) fn from_parts(parts: &[i64]) -> Option<i64> {
    let part = |index: usize, default| parts.get(index).copied().unwrap_or(default);
    let days = days(part(0, 1970), part(1, 0).checked_add(1)?, part(2, 1))?;
    days.checked_mul(MILLIS_PER_DAY)?
        .checked_add(part(3, 0).checked_mul(3_600_000)?)?
        .checked_add(part(4, 0).checked_mul(60_000)?)?
        .checked_add(part(5, 0).checked_mul(1000)?)?
        .checked_add(part(6, 0))
}

fn time_of_day(clock: &str) -> Option<i64> {
    let mut parts = clock.split(':');
    let hours: i64 = two(parts.next()?)?;
    let minutes: i64 = two(parts.next()?)?;
    let millis = match parts.next() {
        None => 0,
        Some(seconds) => {
            let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
            if fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
            two(whole)? * 1000 + digits.parse::<i64>().ok()?
        }
    };
    (parts.next().is_none() && hours < 24 && minutes < 60)
        .then_some((hours * 60 + minutes) * 60_000 + millis)
}

/// Minutes east of Greenwich.
fn offset(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let digits: String = zone[1..].chars().filter(|&c| c != ':').collect();
    match digits.len() {
        2 => Some(sign * two(&digits)? * 60),
        4 => Some(sign * (two(&digits[..2])? * 60 + two(&digits[2..])?)),
        _ => None,
    }
}

fn two(digits: &str) -> Option<i64> {
    (digits.len() == 2).then(|| digits.parse().ok()).flatten()
}

/// Days since the epoch, by the proleptic Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(0..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    Some(
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year
            - 719_468,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(parse("1970-01-02"), Some(MILLIS_PER_DAY));
        assert_eq!(parse("2020-01-02T03:04:05.678Z"), Some(1_577_934_245_678));
        assert_eq!(parse("2020-01-02T03:04Z"), Some(1_577_934_240_000));
        assert_eq!(
            parse("2020-01-02T03:04:05.1+01:00"),
            Some(1_577_930_645_100)
        );
        assert_eq!(parse("2020-01-02T03:04"), None);
        assert_eq!(parse("soon"), None);
        assert_eq!(from_parts(&[2020, 0, 2]), Some(1_577_923_200_000));
    }
}
