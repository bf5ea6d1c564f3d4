//! A pattern's letters as what is read one after the other.

use super::names::Style;
use super::resolve::Field;
use super::zone::OffsetStyle;

/// What is read at one place of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Element {
    Literal(char),
    Number(Number),
    /// Digits of a second's fraction; that of a run of numbers whose length is known ends where it ends.
    Fraction {
        width: usize,
    },
    /// `Field::Month`, `Field::DayOfWeek`, `Field::HalfOfDay` or `Field::Era`.
    Name {
        field: Field,
        style: Style,
    },
    /// `zero` is what stands for no offset.
    Offset {
        style: OffsetStyle,
        zero: &'static str,
    },
    /// `GMT+1`, or `GMT+01:00`.
    LocalizedOffset {
        is_full: bool,
    },
    ZoneId,
    Optional(Vec<Element>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Number {
    pub(super) field: Field,
    pub(super) least: usize,
    pub(super) most: usize,
    pub(super) signs: Signs,
    /// Digits of the numbers of fixed width that follow at once, which this one must leave.
    pub(super) left_for_next: usize,
}

/// A pattern that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Java's reason.
    #[error("{0}")]
    Invalid(String),
    /// Java takes it.
    #[error("{0}")]
    Unsupported(String),
}

/// Java's `SignStyle`s, and the two digits that stand for a year from 2000 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signs {
    /// A minus is one.
    Normal,
    NotNegative,
    /// A plus is where there are more digits than there must be.
    ExceedsPad,
    TwoDigitYear,
}

/// Whether names of a language are among what is read.
pub(super) fn has_names(elements: &[Element]) -> bool {
    elements.iter().any(|element| match element {
        Element::Name { field, .. } => *field != Field::Era,
        Element::Optional(inner) => has_names(inner),
        _ => false,
    })
}

/// A section under way: what it has, and the number of the run that is being written at its end.
#[derive(Default)]
struct Section {
    elements: Vec<Element>,
    run: Option<usize>,
}

impl Section {
    fn push(&mut self, element: Element) {
        self.elements.push(element);
        self.run = None;
    }

    /// Digits of fixed width take theirs from the number that begins the run.
    fn push_digits(&mut self, element: Element, fixed: Option<usize>) {
        match (self.run, fixed) {
            (Some(first), Some(width)) => {
                if let Some(Element::Number(number)) = self.elements.get_mut(first) {
                    number.left_for_next += width;
                }
                self.elements.push(element);
            }
            _ => {
                self.run = Some(self.elements.len());
                self.elements.push(element);
            }
        }
    }

    fn number(&mut self, field: Field, least: usize, most: usize, signs: Signs) {
        let is_fixed = least == most && matches!(signs, Signs::NotNegative | Signs::TwoDigitYear);
        let number = Number {
            field,
            least,
            most,
            signs,
            left_for_next: 0,
        };
        self.push_digits(Element::Number(number), is_fixed.then_some(most));
    }
}

/// Digits that a number may have where the pattern does not say.
const MOST: usize = 19;

/// Sections within sections; a pattern is a setting, and this is more than anyone writes.
const MOST_SECTIONS: usize = 64;

pub(super) fn compile(pattern: &str) -> Result<Vec<Element>, PatternError> {
    let mut sections = vec![Section::default()];
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        let depth = sections.len();
        let Some(section) = sections.last_mut() else {
            break;
        };
        match c {
            'a'..='z' | 'A'..='Z' => {
                let mut count = 1;
                while chars.next_if_eq(&c).is_some() {
                    count += 1;
                }
                letters(section, c, count)?;
            }
            '\'' => {
                let mut is_empty = true;
                loop {
                    let next = chars.next();
                    let c = match next {
                        None => {
                            return invalid(format!(
                                "Pattern ends with an incomplete string literal: {pattern}"
                            ));
                        }
                        // Two in a row are one, and so is a literal without anything in it.
                        Some('\'') if chars.next_if_eq(&'\'').is_none() => break,
                        Some(c) => c,
                    };
                    is_empty = false;
                    section.push(Element::Literal(c));
                }
                if is_empty {
                    section.push(Element::Literal('\''));
                }
            }
            '[' if depth > MOST_SECTIONS => {
                return unsupported(format!(
                    "more than {MOST_SECTIONS} sections within each other"
                ));
            }
            '[' => {
                section.run = None;
                sections.push(Section::default());
            }
            ']' => {
                let inner = sections.pop().unwrap_or_default();
                let Some(outer) = sections.last_mut() else {
                    return invalid("Pattern invalid as it contains ] without previous [");
                };
                outer.push(Element::Optional(inner.elements));
            }
            '{' | '}' | '#' => {
                return invalid(format!("Pattern includes reserved character: '{c}'"));
            }
            other => section.push(Element::Literal(other)),
        }
    }
    // What is left open is closed at the end.
    while sections.len() > 1 {
        let inner = sections.pop().unwrap_or_default();
        if let Some(outer) = sections.last_mut() {
            outer.push(Element::Optional(inner.elements));
        }
    }
    Ok(sections.pop().unwrap_or_default().elements)
}

fn invalid<T>(why: impl Into<String>) -> Result<T, PatternError> {
    Err(PatternError::Invalid(why.into()))
}

fn unsupported<T>(why: impl Into<String>) -> Result<T, PatternError> {
    Err(PatternError::Unsupported(why.into()))
}

fn letters(section: &mut Section, letter: char, count: usize) -> Result<(), PatternError> {
    let too_many = || invalid(format!("Too many pattern letters: {letter}"));
    let not_known = || {
        let hint = match letter {
            'z' | 'v' => ": a zone is read by VV, X, Z or O",
            'p' => ": numbers may have a width of their own",
            _ => "",
        };
        let letters = String::from(letter).repeat(count.min(5));
        unsupported(format!(
            "the pattern letters {letters} are not supported{hint}"
        ))
    };
    let name = |field, style| Element::Name { field, style };
    match letter {
        'y' | 'u' => {
            let field = if letter == 'y' {
                Field::YearOfEra
            } else {
                Field::Year
            };
            match count {
                2 => section.number(field, 2, 2, Signs::TwoDigitYear),
                1 | 3 => section.number(field, count, MOST, Signs::Normal),
                4..=MOST => section.number(field, count, MOST, Signs::ExceedsPad),
                _ => return too_many(),
            }
        }
        'M' | 'L' => match count {
            1 => section.number(Field::Month, 1, MOST, Signs::Normal),
            2 => section.number(Field::Month, 2, 2, Signs::NotNegative),
            3 if letter == 'L' => section.push(name(Field::Month, Style::Lone)),
            3 => section.push(name(Field::Month, Style::Short)),
            4 => section.push(name(Field::Month, Style::Full)),
            5 => return not_known(),
            _ => return too_many(),
        },
        'd' | 'H' | 'h' | 'K' | 'k' | 'm' | 's' => {
            let field = match letter {
                'd' => Field::Day,
                'H' => Field::Hour,
                'h' => Field::ClockHourOfHalf,
                'K' => Field::HourOfHalf,
                'k' => Field::ClockHour,
                'm' => Field::Minute,
                _ => Field::Second,
            };
            match count {
                1 => section.number(field, 1, MOST, Signs::Normal),
                2 => section.number(field, 2, 2, Signs::NotNegative),
                _ => return too_many(),
            }
        }
        'D' => match count {
            1 => section.number(Field::DayOfYear, 1, MOST, Signs::Normal),
            2 | 3 => section.number(Field::DayOfYear, count, 3, Signs::NotNegative),
            _ => return too_many(),
        },
        'S' if count > 9 => {
            return invalid(format!(
                "Minimum width must be from 0 to 9 inclusive but was {count}"
            ));
        }
        'S' => section.push_digits(Element::Fraction { width: count }, Some(count)),
        'E' => match count {
            1..=3 => section.push(name(Field::DayOfWeek, Style::Short)),
            4 => section.push(name(Field::DayOfWeek, Style::Full)),
            5 => return not_known(),
            _ => return too_many(),
        },
        'a' if count > 1 => return too_many(),
        'a' => section.push(name(Field::HalfOfDay, Style::Short)),
        'G' => match count {
            1..=3 => section.push(name(Field::Era, Style::Short)),
            4 | 5 => return not_known(),
            _ => return too_many(),
        },
        'V' if count != 2 => return invalid("Pattern letter count must be 2: V"),
        'V' => section.push(Element::ZoneId),
        'O' => match count {
            1 | 4 => section.push(Element::LocalizedOffset {
                is_full: count == 4,
            }),
            _ => return invalid("Pattern letter count must be 1 or 4: O"),
        },
        'X' | 'x' => {
            let style = match count {
                1 => OffsetStyle::HOURS_AND_SOME_MINUTES,
                2 => OffsetStyle::MINUTES,
                3 => OffsetStyle::MINUTES_BY_COLON,
                4 => OffsetStyle::SECONDS,
                5 => OffsetStyle::SECONDS_BY_COLON,
                _ => return too_many(),
            };
            let zero = match (letter, count) {
                ('X', _) => "Z",
                (_, 1) => "+00",
                (_, 2 | 4) => "+0000",
                _ => "+00:00",
            };
            section.push(Element::Offset { style, zero });
        }
        'Z' => match count {
            1..=3 => section.push(Element::Offset {
                style: OffsetStyle::MINUTES,
                zero: "+0000",
            }),
            4 => section.push(Element::LocalizedOffset { is_full: true }),
            5 => section.push(Element::Offset {
                style: OffsetStyle::SECONDS_BY_COLON,
                zero: "Z",
            }),
            _ => return too_many(),
        },
        'z' if count > 4 => return too_many(),
        'e' | 'c' if count > 5 => return too_many(),
        'p' | 'z' | 'v' | 'Q' | 'q' | 'Y' | 'w' | 'W' | 'e' | 'c' | 'F' | 'g' | 'A' | 'n' | 'N'
        | 'B' => return not_known(),
        other => return invalid(format!("Unknown pattern letter: {other}")),
    }
    Ok(())
}
