//! Java's `GregorianCalendar` in UTC: Julian dates before the reform, weeks that begin on Sunday and count from the first.

use crate::civil::{date_of_day, first_of_month, month_and_day};
use millstream_core::logical::DAY_MILLIS;

/// 15 October 1582, counted from 1970-01-01.
const REFORM_DAY: i64 = -141_427;

/// An instant as its fields.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// Astronomical: 0 is 1 BC.
    pub(super) year: i64,
    pub(super) month: u32,
    pub(super) day: u32,
    pub(super) hour: u32,
    pub(super) minute: u32,
    pub(super) second: u32,
    pub(super) millisecond: u32,
    epoch_day: i64,
}

impl Moment {
    pub(super) fn from_millis(millis: i64) -> Self {
        let epoch_day = millis.div_euclid(DAY_MILLIS);
        let of_day = millis.rem_euclid(DAY_MILLIS) as u32;
        let (year, month, day) = if epoch_day >= REFORM_DAY {
            date_of_day(epoch_day)
        } else {
            julian_date(epoch_day)
        };
        Moment {
            year,
            month,
            day,
            hour: of_day / 3_600_000,
            minute: of_day / 60_000 % 60,
            second: of_day / 1000 % 60,
            millisecond: of_day % 1000,
            epoch_day,
        }
    }

    pub(super) fn year_of_era(&self) -> i64 {
        if self.year > 0 {
            self.year
        } else {
            1 - self.year
        }
    }

    /// Sunday is 0.
    pub(super) fn weekday(&self) -> i64 {
        weekday(self.epoch_day)
    }

    pub(super) fn day_of_year(&self) -> i64 {
        self.epoch_day - day_of_date(self.year, 0, 1) + 1
    }

    /// The first week holds the first of January.
    pub(super) fn week_year(&self) -> i64 {
        if self.epoch_day >= week_start(day_of_date(self.year + 1, 0, 1)) {
            self.year + 1
        } else {
            self.year
        }
    }

    pub(super) fn week_of_year(&self) -> i64 {
        let first = week_start(day_of_date(self.week_year(), 0, 1));
        (self.epoch_day - first) / 7 + 1
    }

    pub(super) fn week_of_month(&self) -> i64 {
        let first = week_start(self.epoch_day - i64::from(self.day) + 1);
        (self.epoch_day - first) / 7 + 1
    }
}

fn weekday(epoch_day: i64) -> i64 {
    (epoch_day + 4).rem_euclid(7)
}

/// The Sunday on or before the day.
pub(super) fn week_start(epoch_day: i64) -> i64 {
    epoch_day - weekday(epoch_day)
}

/// The day of a date whose month (from 0) and day may lie outside their ranges.
pub(super) fn day_of_date(year: i64, month: i64, day: i64) -> i64 {
    let (in_year, month) = (year + month.div_euclid(12), month.rem_euclid(12));
    let gregorian = first_of_month(in_year, month + 1) + day - 1;
    let julian = julian_day(in_year, month) + day - 1;
    // As Java decides, by the year as given.
    match year {
        1583.. if gregorian >= REFORM_DAY => gregorian,
        ..=1581 if julian < REFORM_DAY => julian,
        ..=1581 => julian,
        _ if gregorian >= REFORM_DAY => gregorian,
        _ => julian,
    }
}

/// The first of a month (from 0) in the Julian calendar.
fn julian_day(year: i64, month: i64) -> i64 {
    // Years that begin in March; the first one is 719,470 days before 1970-01-01.
    let shifted = if month < 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 10) % 12) + 2) / 5;
    365 * shifted + shifted.div_euclid(4) + of_year - 719_470
}

fn julian_date(epoch_day: i64) -> (i64, u32, u32) {
    let shifted = epoch_day + 719_470;
    let era = shifted.div_euclid(1461);
    let of_era = shifted.rem_euclid(1461);
    let year_of_era = (of_era - of_era / 1460) / 365;
    let of_year = of_era - 365 * year_of_era;
    let (month, day) = month_and_day(of_year);
    let year = year_of_era + era * 4 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn dates_and_days_agree(day in -1_500_000i64..1_500_000) {
            let m = Moment::from_millis(day * DAY_MILLIS);
            prop_assert_eq!(day_of_date(m.year, i64::from(m.month) - 1, m.day.into()), day);
        }
    }
}
