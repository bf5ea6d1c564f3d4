//! Calendar dates and times of an instant in UTC.

use millstream_core::logical::DAY_MILLIS;

/// An instant as its parts, in the proleptic Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CivilTime {
    pub year: i64,
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
    pub hour: u32,
    pub minute: u32,
    pub second: u32,
    pub millisecond: u32,
}

impl CivilTime {
    pub fn from_millis(millis: i64) -> Self {
        let (year, month, day) = date_of_day(millis.div_euclid(DAY_MILLIS));
        let of_day = millis.rem_euclid(DAY_MILLIS) as u32;
        CivilTime {
            year,
            month,
            day,
            hour: of_day / 3_600_000,
            minute: of_day / 60_000 % 60,
            second: of_day / 1000 % 60,
            millisecond: of_day % 1000,
        }
    }

    /// `2023-11-14T22:13:20.123+00:00`, as Jackson prints dates.
    pub fn iso_with_zone(&self) -> String {
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}+00:00",
            self.year, self.month, self.day, self.hour, self.minute, self.second, self.millisecond
        )
    }
}

pub(crate) const SHORT_MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// `java.util.Date.toString` in UTC.
pub fn java_date(millis: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let time = CivilTime::from_millis(millis);
    let weekday = millis.div_euclid(DAY_MILLIS).rem_euclid(7);
    format!(
        "{} {} {:02} {:02}:{:02}:{:02} UTC {}",
        DAYS[weekday as usize],
        SHORT_MONTHS[time.month as usize - 1],
        time.day,
        time.hour,
        time.minute,
        time.second,
        time.year
    )
}

/// A moment as Java's `Instant` prints it, from epoch milliseconds.
pub fn instant_text(millis: i64) -> String {
    let t = CivilTime::from_millis(millis);
    let (date, time) = (
        format!("{:04}-{:02}-{:02}", t.year, t.month, t.day),
        format!("{:02}:{:02}:{:02}", t.hour, t.minute, t.second),
    );
    if t.millisecond == 0 {
        return format!("{date}T{time}Z");
    }
    format!("{date}T{time}.{:03}Z", t.millisecond)
}

/// The day, counted from 1970-01-01, on which a month (from 1) begins.
pub(crate) fn first_of_month(year: i64, month: i64) -> i64 {
    // Years that begin with March, so that the leap day is their last one.
    let (year, of_march) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (153 * of_march + 2) / 5 - 719_468
}

/// Year, month and day of a day counted from 1970-01-01.
pub fn date_of_day(day: i64) -> (i64, u32, u32) {
    // Eras of 400 years begin on the first of March, so that the leap day ends a year.
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let (month, day) = month_and_day(of_year);
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// Month and day of a day of a year that begins on the first of March, which is day 0. Five months from March have 153
/// days, and so have the next five.
pub(crate) fn month_and_day(of_year: i64) -> (u32, u32) {
    let months = (5 * of_year + 2) / 153;
    let day = of_year - (153 * months + 2) / 5 + 1;
    let month = (months + 2) % 12 + 1;
    (month as u32, day as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_calendar() {
        assert_eq!(date_of_day(0), (1970, 1, 1));
        assert_eq!(date_of_day(-1), (1969, 12, 31));
        assert_eq!(date_of_day(11_016), (2000, 2, 29));
        assert_eq!(date_of_day(19_675), (2023, 11, 14));
        assert_eq!(
            CivilTime::from_millis(-1).iso_with_zone(),
            "1969-12-31T23:59:59.999+00:00"
        );
    }
}
