//! Schemaless JSON objects straight to elements of BSON (bsonspec.org), in the order in which Java's map has their members. What asks for
//! more care is left to the text that `Canonical` writes.

use super::escapes::unescape;
use super::names::{Names, Place};
use super::strings::StringSpan;
use super::tries::Tries;
use super::{Form, MAX_DEPTH, MAX_FIELDS, number, skip_blanks, word_end};
use crate::converters::json::node::parse_f64;
use millstream_core::batch::DOCUMENT;
use millstream_java::json::push_run;

/// The types of elements.
mod element {
    pub(super) const DOUBLE: u8 = 0x01;
    pub(super) const STRING: u8 = 0x02;
    pub(super) const DOCUMENT: u8 = 0x03;
    pub(super) const ARRAY: u8 = 0x04;
    pub(super) const BOOLEAN: u8 = 0x08;
    pub(super) const NULL: u8 = 0x0A;
    pub(super) const INT64: u8 = 0x12;
}

/// Writes records and remembers the names of the last ones.
#[derive(Default)]
pub(in super::super) struct Documents {
    names: Names,
    /// Where the elements of the objects begin and end that are being read, those of inner ones behind those of outer ones.
    elements: Vec<(usize, usize)>,
    /// An object's elements as they were read, while they are put in order.
    read: Vec<u8>,
    /// A string of the record holds bytes that are not ASCII.
    non_ascii: bool,
    /// A topic of records that have to be text is tried ever more rarely.
    tries: Tries,
}

impl Documents {
    /// Appends a row of `RawKind::Document` with the record's elements. `None`, and nothing, if it is to be text.
    pub(in super::super) fn write(&mut self, out: &mut Vec<u8>, record: &[u8]) -> Option<()> {
        if !self.tries.is_due() {
            return None;
        }
        let start = out.len();
        let written = self.try_write(out, record);
        if written.is_none() {
            out.truncate(start);
        }
        self.tries.ended(written.is_some());
        written
    }

    fn try_write(&mut self, out: &mut Vec<u8>, record: &[u8]) -> Option<()> {
        // No string is longer than BSON can say.
        i32::try_from(record.len()).ok()?;
        self.names.begin();
        self.elements.clear();
        self.non_ascii = false;
        let open = skip_blanks(record, 0);
        if record.get(open) != Some(&b'{') {
            return None;
        }
        out.push(DOCUMENT);
        let end = self.object(out, record, open, Place::ROOT, 0)?;
        if self.non_ascii {
            simdutf8::basic::from_utf8(&record[open..end]).ok()?;
        }
        Some(())
    }

    /// Appends the elements of the object whose bracket is at `open`, and says where it ends.
    fn object(
        &mut self,
        out: &mut Vec<u8>,
        record: &[u8],
        open: usize,
        names: Place,
        depth: usize,
    ) -> Option<usize> {
        let mut at = skip_blanks(record, open + 1);
        if record.get(at) == Some(&b'}') {
            return Some(at + 1);
        }
        let first = self.elements.len();
        let mut place = names;
        loop {
            let (name_end, behind_colon) = self.names.member(record, at, &mut place)?;
            let begins_with = record[at + 1];
            if begins_with == b'$' || (begins_with == b'_' && depth == 0) {
                return None;
            }
            // The name with its quotes, in whose places its type and its end belong.
            let start = out.len();
            push_run::<32>(out, record, at, name_end);
            *out.last_mut()? = 0;
            let (kind, end) = self.value(out, record, behind_colon, place, depth)?;
            out[start] = kind;
            if self.elements.len() - first == MAX_FIELDS {
                return None;
            }
            self.elements.push((start, out.len()));
            at = skip_blanks(record, end);
            match *record.get(at)? {
                b',' => at = skip_blanks(record, at + 1),
                b'}' => break,
                _ => return None,
            }
        }
        self.put_in_order(out, place, first)?;
        Some(at + 1)
    }

    /// Puts the elements from number `first` on, those of an object that ends at `place`, into Java's order.
    #[inline]
    fn put_in_order(&mut self, out: &mut Vec<u8>, place: Place, first: usize) -> Option<()> {
        let elements = &self.elements[first..];
        let names = elements.iter().map(|&(start, end)| {
            let mut parts = out[start + 1..end].split(|byte| *byte == 0);
            std::str::from_utf8(parts.next()?).ok()
        });
        let order = self.names.order(place, names)?;
        if !order.kept {
            let from = elements.first()?.0;
            self.read.clear();
            self.read.extend_from_slice(&out[from..]);
            out.truncate(from);
            for &place in &order.places {
                let (start, end) = elements.get(usize::from(place))?;
                push_run::<32>(out, &self.read, start - from, end - from);
            }
        }
        self.elements.truncate(first);
        Some(())
    }

    /// Appends a value, and says its type and where it ends.
    #[inline(always)]
    fn value(
        &mut self,
        out: &mut Vec<u8>,
        record: &[u8],
        at: usize,
        place: Place,
        depth: usize,
    ) -> Option<(u8, usize)> {
        let at = skip_blanks(record, at);
        match *record.get(at)? {
            b'"' => {
                let end = self.string(out, record, at)?;
                Some((element::STRING, end))
            }
            b'-' | b'0'..=b'9' => push_number(out, record, at),
            b'{' | b'[' => self.nested(out, record, at, place, depth),
            byte => {
                let end = word_end(record, at)?;
                if byte == b'n' {
                    return Some((element::NULL, end));
                }
                out.push(u8::from(byte == b't'));
                Some((element::BOOLEAN, end))
            }
        }
    }

    fn nested(
        &mut self,
        out: &mut Vec<u8>,
        record: &[u8],
        open: usize,
        place: Place,
        depth: usize,
    ) -> Option<(u8, usize)> {
        if depth == MAX_DEPTH {
            return None;
        }
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        let (kind, end) = if record[open] == b'{' {
            let inside = self.names.inside(place)?;
            let end = self.object(out, record, open, inside, depth + 1)?;
            (element::DOCUMENT, end)
        } else {
            let end = self.items(out, record, open, place, depth + 1)?;
            (element::ARRAY, end)
        };
        out.push(0);
        let size = (out.len() - start) as i32;
        out[start..start + 4].copy_from_slice(&size.to_le_bytes());
        Some((kind, end))
    }

    /// Appends a list's items, each with its number as its name. Their objects are those within `place`.
    fn items(
        &mut self,
        out: &mut Vec<u8>,
        record: &[u8],
        open: usize,
        place: Place,
        depth: usize,
    ) -> Option<usize> {
        let mut at = skip_blanks(record, open + 1);
        if record.get(at) == Some(&b']') {
            return Some(at + 1);
        }
        for number in 0u64.. {
            let start = out.len();
            out.push(0);
            match number {
                0..10 => out.push(b'0' + number as u8),
                _ => out.extend_from_slice(number.to_string().as_bytes()),
            }
            out.push(0);
            let (kind, end) = self.value(out, record, at, place, depth)?;
            out[start] = kind;
            at = skip_blanks(record, end);
            match *record.get(at)? {
                b',' => at += 1,
                b']' => break,
                _ => return None,
            }
        }
        Some(at + 1)
    }

    /// Appends the string whose quote opens at `open`.
    #[inline(always)]
    fn string(&mut self, out: &mut Vec<u8>, record: &[u8], open: usize) -> Option<usize> {
        let string = StringSpan::scan(record, open)?;
        self.non_ascii |= string.non_ascii;
        let (from, to) = (open + 1, string.end - 1);
        if string.escapes {
            let start = out.len();
            out.extend_from_slice(&[0; 4]);
            unescape(out, &record[from..to])?;
            out.push(0);
            let size = (out.len() - start - 4) as i32;
            out[start..start + 4].copy_from_slice(&size.to_le_bytes());
        } else {
            let size = (to - from + 1) as i32;
            out.extend_from_slice(&size.to_le_bytes());
            push_run::<32>(out, record, from, to);
            out.push(0);
        }
        Some(string.end)
    }
}

/// Appends a number, and says its type and where it ends.
#[inline(always)]
fn push_number(out: &mut Vec<u8>, record: &[u8], at: usize) -> Option<(u8, usize)> {
    let span = number::scan(record, at)?;
    let text = &record[at..span.copy_end];
    if span.form == Form::Fraction {
        let number = parse_f64(std::str::from_utf8(text).ok()?);
        out.extend_from_slice(&number.to_le_bytes());
        return Some((element::DOUBLE, span.end));
    }
    // All others are 18 digits at most, or 15 with a point among them.
    let negative = text.first() == Some(&b'-');
    let mut digits = 0;
    let mut point = None;
    for (place, byte) in text.iter().enumerate().skip(usize::from(negative)) {
        match byte {
            b'.' => point = Some(place),
            digit => digits = digits * 10 + i64::from(digit - b'0'),
        }
    }
    if negative {
        digits = -digits;
    }
    match point {
        None => {
            out.extend_from_slice(&digits.to_le_bytes());
            Some((element::INT64, span.end))
        }
        Some(point) => {
            // One division of numbers that doubles hold exactly is rounded once, as it has to be.
            let number = digits as f64 / POWERS_OF_TEN.get(text.len() - point - 1)?;
            out.extend_from_slice(&number.to_le_bytes());
            Some((element::DOUBLE, span.end))
        }
    }
}

const POWERS_OF_TEN: [f64; 16] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];

#[cfg(test)]
mod tests;
