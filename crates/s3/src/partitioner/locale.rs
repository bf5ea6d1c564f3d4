//! Names of months, days and eras, as Java's CLDR data has them for a few languages.

pub(super) struct Language {
    months: [&'static str; 12],
    short_months: [&'static str; 12],
    /// From Monday.
    days: [&'static str; 7],
    short_days: [&'static str; 7],
    half_days: [&'static str; 2],
    eras: [&'static str; 2],
}

impl std::fmt::Debug for Language {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.months[0])
    }
}

/// Languages that Java has names for and this table has not.
const OTHERS: &str = " ar bg bn ca cs da el es et fa fi he hi hr hu id is it iw in ko lt lv ms nb nl nn no pl pt ro ru \
    sk sl sr sv th tr uk ur vi zh ";

impl Language {
    /// The original takes the whole text as a language: `en-US` is none, and has the root's names.
    /// `None` where Java knows names that are not here.
    pub(super) fn of(locale: &str) -> Option<&'static Language> {
        let language = locale.to_ascii_lowercase();
        match language.as_str() {
            "en" => Some(&ENGLISH),
            "de" => Some(&GERMAN),
            "fr" => Some(&FRENCH),
            "ja" => Some(&JAPANESE),
            other if OTHERS.contains(&format!(" {other} ")) => None,
            _ => Some(&ROOT),
        }
    }

    pub(super) fn root() -> &'static Language {
        &ROOT
    }

    pub(super) fn month(&self, month: u32, long: bool) -> &'static str {
        let names = if long {
            &self.months
        } else {
            &self.short_months
        };
        names[month as usize - 1]
    }

    /// Monday is 0.
    pub(super) fn weekday(&self, day: i64, long: bool) -> &'static str {
        let names = if long { &self.days } else { &self.short_days };
        names[day as usize]
    }

    pub(super) fn half_day(&self, is_second: bool) -> &'static str {
        self.half_days[usize::from(is_second)]
    }

    pub(super) fn era(&self, is_common: bool) -> &'static str {
        self.eras[usize::from(is_common)]
    }
}

const ENGLISH_SHORT_MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const ENGLISH_SHORT_DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const LATIN_HALF_DAYS: [&str; 2] = ["AM", "PM"];

static ROOT: Language = Language {
    months: ENGLISH_SHORT_MONTHS,
    short_months: ENGLISH_SHORT_MONTHS,
    days: ENGLISH_SHORT_DAYS,
    short_days: ENGLISH_SHORT_DAYS,
    half_days: LATIN_HALF_DAYS,
    eras: ["BCE", "CE"],
};

static ENGLISH: Language = Language {
    months: [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    short_months: ENGLISH_SHORT_MONTHS,
    days: [
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
        "Sunday",
    ],
    short_days: ENGLISH_SHORT_DAYS,
    half_days: LATIN_HALF_DAYS,
    eras: ["BC", "AD"],
};

static GERMAN: Language = Language {
    months: [
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ],
    short_months: [
        "Jan.", "Feb.", "März", "Apr.", "Mai", "Juni", "Juli", "Aug.", "Sept.", "Okt.", "Nov.",
        "Dez.",
    ],
    days: [
        "Montag",
        "Dienstag",
        "Mittwoch",
        "Donnerstag",
        "Freitag",
        "Samstag",
        "Sonntag",
    ],
    short_days: ["Mo.", "Di.", "Mi.", "Do.", "Fr.", "Sa.", "So."],
    half_days: LATIN_HALF_DAYS,
    eras: ["v. Chr.", "n. Chr."],
};

static FRENCH: Language = Language {
    months: [
        "janvier",
        "février",
        "mars",
        "avril",
        "mai",
        "juin",
        "juillet",
        "août",
        "septembre",
        "octobre",
        "novembre",
        "décembre",
    ],
    short_months: [
        "janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.",
        "déc.",
    ],
    days: [
        "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche",
    ],
    short_days: ["lun.", "mar.", "mer.", "jeu.", "ven.", "sam.", "dim."],
    half_days: LATIN_HALF_DAYS,
    eras: ["av. J.-C.", "ap. J.-C."],
};

const JAPANESE_MONTHS: [&str; 12] = [
    "1月", "2月", "3月", "4月", "5月", "6月", "7月", "8月", "9月", "10月", "11月", "12月",
];

static JAPANESE: Language = Language {
    months: JAPANESE_MONTHS,
    short_months: JAPANESE_MONTHS,
    days: [
        "月曜日",
        "火曜日",
        "水曜日",
        "木曜日",
        "金曜日",
        "土曜日",
        "日曜日",
    ],
    short_days: ["月", "火", "水", "木", "金", "土", "日"],
    half_days: ["午前", "午後"],
    eras: ["紀元前", "西暦"],
};
