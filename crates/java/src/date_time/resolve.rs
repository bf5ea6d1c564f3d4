//! From fields to a moment, as Java's `ResolverStyle.SMART` does.

use super::zone::{MOST_OFFSET, Zone};
use crate::civil::{date_of_day, first_of_month};
use jiff::civil::DateTime;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Field {
    Era,
    YearOfEra,
    Year,
    Month,
    Day,
    DayOfYear,
    /// From Monday, which is 1.
    DayOfWeek,
    Hour,
    /// From 1 to 24.
    ClockHour,
    /// From 0 to 11.
    HourOfHalf,
    /// From 1 to 12.
    ClockHourOfHalf,
    HalfOfDay,
    Minute,
    Second,
    /// Nanoseconds of the second.
    Nano,
    /// Seconds east of UTC.
    Offset,
}

/// What a text says.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    values: BTreeMap<Field, i64>,
    pub(super) zone: Option<Zone>,
}

/// The years that Java has.
const MOST_YEAR: i64 = 999_999_999;

const DAY: i64 = 86_400;

/// A time of day.
struct Time {
    seconds: i64,
    millis: i64,
}

impl Fields {
    /// What the field was before.
    pub(super) fn insert(&mut self, field: Field, value: i64) -> Option<i64> {
        self.values.insert(field, value)
    }

    fn get(&self, field: Field) -> Option<i64> {
        self.values.get(&field).copied()
    }

    /// A field whose value, if there is one, lies in a range; `None` if it does not.
    fn within(&self, field: Field, least: i64, most: i64) -> Option<Option<i64>> {
        match self.get(field) {
            Some(value) if value < least || value > most => None,
            value => Some(value),
        }
    }

    /// Epoch milliseconds.
    pub(super) fn resolve(&self) -> Option<i64> {
        let mut day = self.day()?;
        let time = self.time()?;
        let offset = self.within(Field::Offset, -MOST_OFFSET, MOST_OFFSET)?;
        if let (Some(day), Some(time)) = (&mut day, &time) {
            // Midnight at the end of a day is the next day's.
            *day += time.seconds / DAY;
        }
        let (seconds, millis) = match (day, time) {
            (Some(day), Some(time)) => {
                let local = day * DAY + time.seconds % DAY;
                let seconds = match (offset, &self.zone) {
                    (Some(offset), _) => local - offset,
                    (None, Some(Zone::Offset(offset))) => local - *offset,
                    (None, Some(Zone::Region(zone))) => {
                        let moment = zone.to_ambiguous_timestamp(civil(local)?).compatible();
                        moment.ok()?.as_second()
                    }
                    (None, None) => local,
                };
                (seconds, time.millis)
            }
            // Seconds without the rest of a time or date are no date.
            (_, None) if self.get(Field::Second).is_some() => return None,
            (Some(day), None) => (day * DAY, 0),
            (None, _) => return None,
        };
        seconds.checked_mul(1000)?.checked_add(millis)
    }

    fn year(&self) -> Option<Option<i64>> {
        let year = self.get(Field::Year);
        let era = self.get(Field::Era);
        let of_era = self.within(Field::YearOfEra, 1, MOST_YEAR)?;
        let Some(of_era) = of_era else {
            return Some(year);
        };
        let found = match era {
            Some(0) => 1 - of_era,
            Some(_) => of_era,
            None if year.is_some_and(|year| year <= 0) => 1 - of_era,
            None => of_era,
        };
        match year {
            Some(year) if year != found => None,
            _ => Some(Some(found)),
        }
    }

    /// Days since 1970-01-01. The outer `None`: what the text says is no date.
    fn day(&self) -> Option<Option<i64>> {
        let year = self.year()?;
        if year.is_some_and(|year| year.abs() > MOST_YEAR) {
            return None;
        }
        let month = self.within(Field::Month, 1, 12)?;
        let of_month = self.within(Field::Day, 1, 31)?;
        let of_year = self.within(Field::DayOfYear, 1, 366)?;
        let week_day = self.within(Field::DayOfWeek, 1, 7)?;
        let day = match (year, month, of_month, of_year) {
            (Some(year), Some(month), Some(day), _) => {
                first_of_month(year, month) + day.min(days_of_month(year, month)) - 1
            }
            (Some(year), _, _, Some(day)) => {
                let days = first_of_month(year + 1, 1) - first_of_month(year, 1);
                if day > days {
                    return None;
                }
                first_of_month(year, 1) + day - 1
            }
            _ => return Some(None),
        };
        let (_, its_month, its_day) = date_of_day(day);
        let says = |said: Option<i64>, is: i64| said.is_none_or(|said| said == is);
        // A day of the month that was cut has been used up; everything else has to fit.
        let fits = says(week_day, (day + 3).rem_euclid(7) + 1)
            && (of_month.is_none() || month.is_some() || says(of_month, i64::from(its_day)))
            && says(month, i64::from(its_month))
            && says(of_year, day - first_of_month(year.unwrap_or(0), 1) + 1);
        fits.then_some(Some(day))
    }

    /// The outer `None`: what the text says is no time.
    fn time(&self) -> Option<Option<Time>> {
        let half = self.within(Field::HalfOfDay, 0, 1)?;
        let of_half = self.within(Field::HourOfHalf, 0, 11)?;
        let clock_of_half = self
            .within(Field::ClockHourOfHalf, 1, 12)?
            .map(|hour| hour % 12);
        let clock = self.within(Field::ClockHour, 1, 24)?.map(|hour| hour % 24);
        let hour = self.within(Field::Hour, 0, 24)?;
        let minute = self.within(Field::Minute, 0, 59)?;
        let second = self.within(Field::Second, 0, 59)?;
        let nano = self.within(Field::Nano, 0, 999_999_999)?;
        let of_half = one_of(of_half, clock_of_half)?;
        let by_half = half.zip(of_half).map(|(half, hour)| half * 12 + hour);
        let Some(hour) = one_of(one_of(hour, clock)?, by_half)? else {
            return Some(None);
        };
        // A finer field than the one that is lacking cannot be placed.
        let is_placed = (minute.is_some() || (second.is_none() && nano.is_none()))
            && (second.is_some() || nano.is_none() || minute.is_none());
        let (minute, second, nano) = (minute.unwrap_or(0), second.unwrap_or(0), nano.unwrap_or(0));
        if hour == 24 && (minute, second, nano) != (0, 0, 0) {
            return None;
        }
        Some(is_placed.then_some(Time {
            seconds: hour * 3600 + minute * 60 + second,
            millis: nano / 1_000_000,
        }))
    }
}

/// Two ways to say the same; `None` if they differ.
fn one_of(a: Option<i64>, b: Option<i64>) -> Option<Option<i64>> {
    match (a, b) {
        (Some(a), Some(b)) if a != b => None,
        (a, b) => Some(a.or(b)),
    }
}

fn days_of_month(year: i64, month: i64) -> i64 {
    let next = if month == 12 {
        (year + 1, 1)
    } else {
        (year, month + 1)
    };
    first_of_month(next.0, next.1) - first_of_month(year, month)
}

/// A local time from seconds since 1970-01-01; jiff has fewer years than Java.
fn civil(local: i64) -> Option<DateTime> {
    let (year, month, day) = date_of_day(local.div_euclid(DAY));
    let of_day = local.rem_euclid(DAY);
    DateTime::new(
        i16::try_from(year).ok()?,
        month as i8,
        day as i8,
        (of_day / 3600) as i8,
        (of_day / 60 % 60) as i8,
        (of_day % 60) as i8,
        0,
    )
    .ok()
}
