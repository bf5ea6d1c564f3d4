//! Names of months, days and halves of a day in some languages, as OpenJDK 17 has them (CLDR 39).

use crate::civil::SHORT_MONTHS;
use crate::date::MONTHS;

/// The names of one language.
#[derive(Debug)]
pub(super) struct Names {
    months: [&'static str; 12],
    full_months: [&'static str; 12],
    /// Where they are not part of a date; the full ones are the same in these languages.
    lone_months: Option<[&'static str; 12]>,
    /// From Monday.
    days: [&'static str; 7],
    full_days: [&'static str; 7],
    halves: [&'static str; 2],
}

/// Which list of names a pattern wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Short,
    Full,
    /// Short, and not part of a date.
    Lone,
}

impl Names {
    pub(super) const KNOWN: &'static str = "en, fr, de, es, it, pt and nl";

    /// The names for a language tag; those of a country that has its own are not known.
    pub(super) fn of(tag: &str) -> Option<&'static Names> {
        // A tag ends where extensions begin, and Java takes one that is none for the neutral language.
        let mut parts = tag.split('-').take_while(|part| part.len() > 1);
        let language = parts.next().unwrap_or("").to_ascii_lowercase();
        let country = parts.next().unwrap_or("").to_ascii_uppercase();
        let (names, countries): (&Names, &[&str]) = match language.as_str() {
            "" | "und" => (&NEUTRAL, &[]),
            "en" => (&ENGLISH, &["US"]),
            "fr" => (&FRENCH, &["FR", "BE", "CH", "LU", "MC"]),
            "de" => (&GERMAN, &["DE", "CH", "BE", "LU", "LI"]),
            "es" => (&SPANISH, &["ES"]),
            "it" => (&ITALIAN, &["IT", "CH", "SM", "VA"]),
            "pt" => (&PORTUGUESE, &["BR"]),
            "nl" => (&DUTCH, &["NL", "BE"]),
            _ => return None,
        };
        (country.is_empty() || countries.contains(&country.as_str())).then_some(names)
    }

    pub(super) fn months(&self, style: Style) -> &[&'static str] {
        match style {
            Style::Short => &self.months,
            Style::Full => &self.full_months,
            Style::Lone => self.lone_months.as_ref().unwrap_or(&self.months),
        }
    }

    pub(super) fn days(&self, style: Style) -> &[&'static str] {
        match style {
            Style::Full => &self.full_days,
            Style::Short | Style::Lone => &self.days,
        }
    }

    pub(super) fn halves(&self) -> &[&'static str] {
        &self.halves
    }
}

/// It has short names alone.
static NEUTRAL: Names = Names {
    months: SHORT_MONTHS,
    full_months: SHORT_MONTHS,
    lone_months: None,
    days: ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
    full_days: ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
    halves: ["AM", "PM"],
};

static ENGLISH: Names = Names {
    months: SHORT_MONTHS,
    full_months: MONTHS,
    lone_months: None,
    days: ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
    full_days: [
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
        "Sunday",
    ],
    halves: ["AM", "PM"],
};

static FRENCH: Names = Names {
    months: [
        "janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.",
        "déc.",
    ],
    full_months: [
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
    lone_months: None,
    days: ["lun.", "mar.", "mer.", "jeu.", "ven.", "sam.", "dim."],
    full_days: [
        "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche",
    ],
    halves: ["AM", "PM"],
};

static GERMAN: Names = Names {
    months: [
        "Jan.", "Feb.", "März", "Apr.", "Mai", "Juni", "Juli", "Aug.", "Sept.", "Okt.", "Nov.",
        "Dez.",
    ],
    full_months: [
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
    lone_months: Some([
        "Jan", "Feb", "Mär", "Apr", "Mai", "Jun", "Jul", "Aug", "Sep", "Okt", "Nov", "Dez",
    ]),
    days: ["Mo.", "Di.", "Mi.", "Do.", "Fr.", "Sa.", "So."],
    full_days: [
        "Montag",
        "Dienstag",
        "Mittwoch",
        "Donnerstag",
        "Freitag",
        "Samstag",
        "Sonntag",
    ],
    halves: ["AM", "PM"],
};

static SPANISH: Names = Names {
    months: [
        "ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sept", "oct", "nov", "dic",
    ],
    full_months: [
        "enero",
        "febrero",
        "marzo",
        "abril",
        "mayo",
        "junio",
        "julio",
        "agosto",
        "septiembre",
        "octubre",
        "noviembre",
        "diciembre",
    ],
    lone_months: None,
    days: ["lun", "mar", "mié", "jue", "vie", "sáb", "dom"],
    full_days: [
        "lunes",
        "martes",
        "miércoles",
        "jueves",
        "viernes",
        "sábado",
        "domingo",
    ],
    halves: ["a.\u{a0}m.", "p.\u{a0}m."],
};

static ITALIAN: Names = Names {
    months: [
        "gen", "feb", "mar", "apr", "mag", "giu", "lug", "ago", "set", "ott", "nov", "dic",
    ],
    full_months: [
        "gennaio",
        "febbraio",
        "marzo",
        "aprile",
        "maggio",
        "giugno",
        "luglio",
        "agosto",
        "settembre",
        "ottobre",
        "novembre",
        "dicembre",
    ],
    lone_months: None,
    days: ["lun", "mar", "mer", "gio", "ven", "sab", "dom"],
    full_days: [
        "lunedì",
        "martedì",
        "mercoledì",
        "giovedì",
        "venerdì",
        "sabato",
        "domenica",
    ],
    halves: ["AM", "PM"],
};

static PORTUGUESE: Names = Names {
    months: [
        "jan.", "fev.", "mar.", "abr.", "mai.", "jun.", "jul.", "ago.", "set.", "out.", "nov.",
        "dez.",
    ],
    full_months: [
        "janeiro",
        "fevereiro",
        "março",
        "abril",
        "maio",
        "junho",
        "julho",
        "agosto",
        "setembro",
        "outubro",
        "novembro",
        "dezembro",
    ],
    lone_months: None,
    days: ["seg.", "ter.", "qua.", "qui.", "sex.", "sáb.", "dom."],
    full_days: [
        "segunda-feira",
        "terça-feira",
        "quarta-feira",
        "quinta-feira",
        "sexta-feira",
        "sábado",
        "domingo",
    ],
    halves: ["AM", "PM"],
};

static DUTCH: Names = Names {
    months: [
        "jan.", "feb.", "mrt.", "apr.", "mei", "jun.", "jul.", "aug.", "sep.", "okt.", "nov.",
        "dec.",
    ],
    full_months: [
        "januari",
        "februari",
        "maart",
        "april",
        "mei",
        "juni",
        "juli",
        "augustus",
        "september",
        "oktober",
        "november",
        "december",
    ],
    lone_months: None,
    days: ["ma", "di", "wo", "do", "vr", "za", "zo"],
    full_days: [
        "maandag",
        "dinsdag",
        "woensdag",
        "donderdag",
        "vrijdag",
        "zaterdag",
        "zondag",
    ],
    halves: ["a.m.", "p.m."],
};
