//! Names of months, days and eras in every language that Java 17 has them for: CLDR's, as Joda-Time prints them.

/// In each line the codes of languages, and their names behind bars: months, short months, days from Monday, short days,
/// half days, eras.
static LANGUAGES: &str = include_str!("locales.txt");

/// What Java prints in a language that it has no names for: short ones, even where long ones are asked for.
const ROOT: &str = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|\
    Mon|Tue|Wed|Thu|Fri|Sat|Sun|Mon|Tue|Wed|Thu|Fri|Sat|Sun|AM|PM|BCE|CE";

const SHORT_MONTHS: usize = 12;
const DAYS: usize = 24;
const SHORT_DAYS: usize = 31;
const HALF_DAYS: usize = 38;
const ERAS: usize = 40;
const NAMES: usize = 42;

#[derive(Clone, Debug)]
pub(super) struct Language {
    names: [&'static str; NAMES],
    has_english_zones: bool,
}

impl Language {
    /// The original takes the whole text as a language: `en-US` is none, and has the root's names.
    pub(super) fn of(locale: &str) -> Language {
        let language = locale.to_ascii_lowercase();
        let known = LANGUAGES.lines().find_map(|line| {
            let (codes, names) = line.split_once('|')?;
            codes
                .split(' ')
                .any(|code| code == language)
                .then_some(names)
        });
        let mut names = [""; NAMES];
        for (slot, name) in names.iter_mut().zip(known.unwrap_or(ROOT).split('|')) {
            *slot = name;
        }
        Language {
            names,
            has_english_zones: known.is_none() || language == "en",
        }
    }

    /// Whether time zones have their English names.
    pub(super) fn has_english_zones(&self) -> bool {
        self.has_english_zones
    }

    pub(super) fn month(&self, month: u32, long: bool) -> &'static str {
        let first = if long { 0 } else { SHORT_MONTHS };
        self.names[first + month as usize - 1]
    }

    /// Monday is 0.
    pub(super) fn weekday(&self, day: i64, long: bool) -> &'static str {
        let first = if long { DAYS } else { SHORT_DAYS };
        self.names[first + day as usize]
    }

    pub(super) fn half_day(&self, is_second: bool) -> &'static str {
        self.names[HALF_DAYS + usize::from(is_second)]
    }

    pub(super) fn era(&self, is_common: bool) -> &'static str {
        self.names[ERAS + usize::from(is_common)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_a7_every_language_of_java_has_its_names() {
        for line in LANGUAGES.lines() {
            assert_eq!(line.split('|').count(), 1 + NAMES, "{line}");
        }
        for (locale, november, tuesday) in [
            ("ru", "ноября", "вторник"),
            ("en", "November", "Tuesday"),
            ("DE", "November", "Dienstag"),
            ("fr", "novembre", "mardi"),
            ("ja", "11月", "火曜日"),
            ("iw", "נובמבר", "יום שלישי"),
            ("he", "נובמבר", "יום שלישי"),
            ("zh", "十一月", "星期二"),
            ("en-US", "Nov", "Tue"),
            ("de_DE", "Nov", "Tue"),
            ("", "Nov", "Tue"),
        ] {
            let language = Language::of(locale);
            assert_eq!(language.month(11, true), november, "{locale}");
            assert_eq!(language.weekday(1, true), tuesday, "{locale}");
        }
        let russian = Language::of("ru");
        assert_eq!(russian.month(5, false), "мая");
        assert_eq!(
            (russian.half_day(false), russian.era(true)),
            ("AM", "н. э.")
        );
        assert!(Language::of("xx-YY").has_english_zones());
        assert!(!russian.has_english_zones());
    }
}
