//! A text against a pattern: from left to right, without a second try but for sections that need not be there.

use super::names::{Names, Style};
use super::pattern::{Element, Number, Signs};
use super::resolve::{Field, Fields};
use super::zone::{localized_offset, offset, zone};

/// What the text says; `None` if it does not have the pattern to its end.
pub(super) fn read(
    elements: &[Element],
    names: Option<&'static Names>,
    text: &str,
) -> Option<Fields> {
    let mut reader = Reader {
        text,
        at: 0,
        fields: Fields::default(),
        names,
    };
    reader.all(elements)?;
    (reader.at == text.len()).then_some(reader.fields)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    fields: Fields,
    names: Option<&'static Names>,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn all(&mut self, elements: &[Element]) -> Option<()> {
        for element in elements {
            self.one(element)?;
        }
        Some(())
    }

    fn one(&mut self, element: &Element) -> Option<()> {
        let rest = self.rest();
        match element {
            Element::Literal(c) => {
                if !rest.starts_with(*c) {
                    return None;
                }
                self.at += c.len_utf8();
            }
            Element::Number(number) => self.number(number)?,
            Element::Fraction { width } => {
                let digits = rest.get(..*width)?;
                if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return None;
                }
                let scale = 10i64.pow(9 - *width as u32);
                self.set(Field::Nano, digits.parse::<i64>().ok()? * scale)?;
                self.at += width;
            }
            Element::Name { field, style } => self.name(*field, *style)?,
            Element::Offset { style, zero } => {
                let (seconds, length) = offset(rest, *style, zero)?;
                self.set(Field::Offset, seconds)?;
                self.at += length;
            }
            Element::LocalizedOffset { is_full } => {
                let (seconds, length) = localized_offset(rest, *is_full)?;
                self.set(Field::Offset, seconds)?;
                self.at += length;
            }
            Element::ZoneId => {
                let (zone, length) = zone(rest)?;
                self.fields.zone = Some(zone);
                self.at += length;
            }
            Element::Optional(inner) => {
                let before = (self.at, self.fields.clone());
                if self.all(inner).is_none() {
                    (self.at, self.fields) = before;
                }
            }
        }
        Some(())
    }

    /// A field may be said twice, but only in the same way.
    fn set(&mut self, field: Field, value: i64) -> Option<()> {
        match self.fields.insert(field, value) {
            Some(before) if before != value => None,
            _ => Some(()),
        }
    }

    fn name(&mut self, field: Field, style: Style) -> Option<()> {
        let names: &[&str] = match (field, self.names) {
            (Field::Era, _) => &["BC", "AD"],
            (Field::Month, Some(names)) => names.months(style),
            (Field::DayOfWeek, Some(names)) => names.days(style),
            (_, Some(names)) => names.halves(),
            (_, None) => &[],
        };
        let rest = self.rest();
        let found = names
            .iter()
            .enumerate()
            .filter(|(_, name)| rest.starts_with(**name));
        let (index, name) = found.max_by_key(|(_, name)| name.len())?;
        let first = i64::from(matches!(field, Field::Month | Field::DayOfWeek));
        self.set(field, index as i64 + first)?;
        self.at += name.len();
        Some(())
    }

    fn number(&mut self, number: &Number) -> Option<()> {
        let rest = self.rest().as_bytes();
        let sign = rest
            .first()
            .filter(|byte| matches!(byte, b'+' | b'-'))
            .copied();
        let is_taken = match (sign, number.signs) {
            (None, _) => true,
            (Some(b'-'), Signs::Normal) | (Some(_), Signs::ExceedsPad) => true,
            (Some(_), _) => false,
        };
        if !is_taken {
            return None;
        }
        let signed = usize::from(sign.is_some());
        let digits = &rest[signed..];
        let there = digits
            .iter()
            .take(number.most + number.left_for_next)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if there < number.least {
            return None;
        }
        // What follows at once has its width, and this has what is left.
        let taken = match number.left_for_next {
            0 => there,
            left => there.min(number.least.max(there.saturating_sub(left))),
        };
        let mut value: i64 = std::str::from_utf8(&digits[..taken]).ok()?.parse().ok()?;
        let is_wide = taken > number.least;
        match (number.signs, sign) {
            (_, Some(b'-')) if value == 0 => return None,
            (_, Some(b'-')) => value = -value,
            (Signs::ExceedsPad, Some(_)) if !is_wide => return None,
            (Signs::ExceedsPad, None) if is_wide => return None,
            (Signs::TwoDigitYear, _) => value += 2000,
            _ => {}
        }
        self.set(number.field, value)?;
        self.at += signed + taken;
        Some(())
    }
}
