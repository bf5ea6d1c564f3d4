//! Java's `java.time.format.DateTimeFormatter`, as far as texts are read with it: a pattern and a language, strict about the
//! text (`parseStrict`) and smart about dates (30 February is the last day of that month). Letters of which Java knows more
//! than is known here are refused when the pattern is compiled.
//!
//! Source: the classes `DateTimeFormatterBuilder` and `Parsed` of OpenJDK 17; the tests are its answers.

mod names;
mod pattern;
mod read;
mod resolve;
mod zone;

use names::Names;
use pattern::Element;
pub use pattern::PatternError;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct DateTimePattern {
    elements: Vec<Element>,
    names: Option<&'static Names>,
}

impl DateTimePattern {
    /// `language` is a BCP 47 tag; an empty one is Java's neutral locale.
    ///
    /// # Errors
    /// The pattern is none, or not supported: a letter, or a language whose names it needs.
    pub fn compile(pattern: &str, language: &str) -> Result<Self, PatternError> {
        let elements = pattern::compile(pattern)?;
        let names = Names::of(language);
        if names.is_none() && pattern::has_names(&elements) {
            return Err(PatternError::Unsupported(format!(
                "the pattern has names of months or days, and those of the language {language} are not known here; known \
                 are {}",
                Names::KNOWN
            )));
        }
        Ok(DateTimePattern { elements, names })
    }

    /// Epoch milliseconds of a text: of its moment if it has a time zone, else in UTC; a date alone is its first moment.
    /// `None` if it does not have this pattern, or is no date.
    pub fn parse_millis(&self, text: &str) -> Option<i64> {
        read::read(&self.elements, self.names, text)?.resolve()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DEFAULT: &str = "yyyy-MM-dd[['T'][ ]][HH:mm:ss[[.][SSSSSS][SSS]][ ]VV[ ]'['VV']'][HH:mm:ss[[.][SSSSSS][SSS]][ ]X][HH:mm:ss[[.][SSSSSS][SSS]]]";

    /// Answers of OpenJDK 17.0.15: pattern, language, text, milliseconds or `FAIL`.
    const ANSWERS: &str = include_str!("date_time/answers.txt");

    #[test]
    fn texts_are_read_as_by_java() {
        let mut wrong = Vec::new();
        for line in ANSWERS.lines() {
            let parts: Vec<&str> = line.split('|').collect();
            let [pattern, language, text, expected] = parts[..] else {
                panic!("{line}");
            };
            let pattern = if pattern == "DEFAULT" {
                DEFAULT
            } else {
                pattern
            };
            let compiled = match DateTimePattern::compile(pattern, language) {
                Ok(compiled) => compiled,
                Err(why) => {
                    if !expected
                        .strip_prefix("BAD ")
                        .is_some_and(|bad| why == PatternError::Invalid(bad.to_owned()))
                    {
                        wrong.push(format!("{line}: {why}"));
                    }
                    continue;
                }
            };
            let found = compiled
                .parse_millis(text)
                .map_or("FAIL".to_owned(), |millis| millis.to_string());
            if found != expected {
                wrong.push(format!("{line}: {found}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn what_is_not_known_here_is_refused() {
        let why = |pattern: &str, language: &str| {
            DateTimePattern::compile(pattern, language)
                .expect_err("refused")
                .to_string()
        };
        for letter in ["z", "YYYY", "QQQ", "ww", "MMMMM", "B"] {
            assert!(why(letter, "").contains("not supported"), "{letter}");
        }
        assert!(why("dd MMM yyyy", "pl").contains("language pl"));
        // Without names any language will do.
        assert!(DateTimePattern::compile(DEFAULT, "no_SUCH tag").is_ok());
    }

    proptest! {
        #[test]
        fn no_pattern_and_no_text_is_too_odd(pattern in "[yMdHhmsSaEGXxZVO'\\[\\]:. pT-]{0,24}", text in "\\PC{0,40}") {
            if let Ok(pattern) = DateTimePattern::compile(&pattern, "en") {
                let _ = pattern.parse_millis(&text);
            }
        }

        #[test]
        fn dates_come_back(year in 1i64..9999, month in 1u32..=12, day in 1u32..=28, second in 0u32..86_400) {
            let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
            let text = format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}");
            let compiled = DateTimePattern::compile(DEFAULT, "").expect("the default");
            let millis = compiled.parse_millis(&text).expect("a date");
            let time = crate::civil::CivilTime::from_millis(millis);
            prop_assert_eq!(
                (time.year, time.month, time.day, time.hour, time.minute, time.second),
                (year, month, day, hour, minute, second)
            );
        }
    }
}
