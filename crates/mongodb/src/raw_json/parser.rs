//! From a text to the elements of a document, for what is plain JSON. It takes no memory of its own: what it writes, and the
//! names that it compares, lie in buffers of whoever asks.

use crate::command_buffer::{end_document, push_decimal, push_string};
use crate::connect_json::{may_be_infinity, short_escape};
use std::ops::Range;

/// Deeper documents are rare and go the long way.
const MAX_DEPTH: usize = 64;

/// Names of one document that are compared for repeats; beyond, the long way is no slower.
const MAX_NAMES: usize = 64;

/// Where a name stands in the text: begin and end.
pub(super) type Name = (usize, usize);

/// What is to be known of the elements that were written.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Where `_id` is.
    pub(super) id: Option<Range<usize>>,
    /// Whether there is a field that a write strategy would set.
    pub(super) is_stamped: bool,
}

/// Writes the elements of the object that the text begins with. `None`: not plain.
pub(super) fn read_elements(
    text: &str,
    narrow: bool,
    out: &mut Vec<u8>,
    names: &mut Vec<Name>,
) -> Option<Found> {
    names.clear();
    let mut parser = Parser {
        bytes: text.as_bytes(),
        at: 0,
        narrow,
        names,
        found: Found::default(),
    };
    parser.skip_blanks();
    parser.expect(b'{')?;
    parser.members(out, 0)?;
    // A converter's text is the whole value; the lenient reader does not look at what follows.
    parser.skip_blanks();
    (narrow || parser.at == parser.bytes.len()).then_some(parser.found)
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Whether a whole number takes the smaller type it fits.
    narrow: bool,
    /// Those of the objects that are open.
    names: &'a mut Vec<Name>,
    found: Found,
}

impl<'a> Parser<'a> {
    fn skip_blanks(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.bytes.get(self.at) == Some(&byte)).then(|| self.at += 1)
    }

    /// The members of an object whose brace is read, as elements.
    fn members(&mut self, out: &mut Vec<u8>, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        let first = self.names.len();
        let mut marks = 0;
        self.skip_blanks();
        if self.expect(b'}').is_some() {
            return Some(());
        }
        loop {
            self.skip_blanks();
            let name = self.plain_name(first, &mut marks)?;
            self.skip_blanks();
            self.expect(b':')?;
            self.skip_blanks();
            let start = out.len();
            out.push(0);
            out.extend_from_slice(name);
            out.push(0);
            out[start] = self.value(out, depth)?;
            if depth == 0 {
                match name {
                    b"_id" => self.found.id = Some(start..out.len()),
                    b"_modifiedTS" => self.found.is_stamped = true,
                    _ => {}
                }
            }
            self.skip_blanks();
            match self.bytes.get(self.at)? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    self.names.truncate(first);
                    return Some(());
                }
                _ => return None,
            }
        }
    }

    /// A name in double quotes without escapes, NUL or a leading `$`, and none of the object's names so far, which stand
    /// from `first` on. `marks` has a bit for each of them: where a name's own is not set, it need not be compared.
    fn plain_name(&mut self, first: usize, marks: &mut u64) -> Option<&'a [u8]> {
        self.expect(b'"')?;
        let start = self.at;
        let length = plain_run::<true>(&self.bytes[start..])?;
        let end = start + length;
        let name = &self.bytes[start..end];
        if self.bytes[end] != b'"' || name.first() == Some(&b'$') {
            return None;
        }
        self.at = end + 1;
        let known = &self.names[first..];
        let mark = mark_of(name);
        let repeats = |&(from, to): &Name| self.bytes[from..to] == *name;
        if known.len() == MAX_NAMES || (*marks & mark != 0 && known.iter().any(repeats)) {
            return None;
        }
        *marks |= mark;
        self.names.push((start, end));
        Some(name)
    }

    /// Writes a value and returns its type.
    fn value(&mut self, out: &mut Vec<u8>, depth: usize) -> Option<u8> {
        match self.bytes.get(self.at)? {
            b'"' => {
                self.at += 1;
                let start = out.len();
                push_string(out, |out| self.string(out))?;
                // Behind its length: an infinite number, as a converter writes it, or not.
                if !self.narrow && may_be_infinity(&out[start + 4..out.len() - 1]) {
                    return None;
                }
                Some(0x02)
            }
            b'{' => {
                self.at += 1;
                let start = out.len();
                out.extend_from_slice(&[0; 4]);
                self.members(out, depth + 1)?;
                end_document(out, start);
                Some(0x03)
            }
            b'[' => {
                self.at += 1;
                let start = out.len();
                out.extend_from_slice(&[0; 4]);
                self.items(out, depth + 1)?;
                end_document(out, start);
                Some(0x04)
            }
            b't' => self.literal(b"true").map(|()| out.push(1)).map(|()| 0x08),
            b'f' => self.literal(b"false").map(|()| out.push(0)).map(|()| 0x08),
            b'n' => self.literal(b"null").map(|()| 0x0A),
            _ => self.number(out),
        }
    }

    fn items(&mut self, out: &mut Vec<u8>, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.skip_blanks();
        if self.expect(b']').is_some() {
            return Some(());
        }
        for index in 0u32.. {
            self.skip_blanks();
            let start = out.len();
            out.push(0);
            push_decimal(out, index.into());
            out.push(0);
            out[start] = self.value(out, depth)?;
            self.skip_blanks();
            match self.bytes.get(self.at)? {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
        }
        None
    }

    /// A literal, and what must follow one.
    fn literal(&mut self, text: &[u8]) -> Option<()> {
        let end = self.at + text.len();
        if self.bytes.get(self.at..end)? != text || !ends_value(self.bytes.get(end)) {
            return None;
        }
        self.at = end;
        Some(())
    }

    /// The content of a string whose quote is read.
    fn string(&mut self, out: &mut Vec<u8>) -> Option<()> {
        loop {
            let run = plain_run::<false>(&self.bytes[self.at..])?;
            out.extend_from_slice(&self.bytes[self.at..self.at + run]);
            self.at += run + 1;
            if self.bytes[self.at - 1] == b'"' {
                return Some(());
            }
            let escape = *self.bytes.get(self.at)?;
            self.at += 1;
            match escape {
                b'u' => self.unicode(out)?,
                _ => out.push(short_escape(escape)?),
            }
        }
    }

    /// Four digits, or twice four for a pair of surrogates; a lone one is for the long way.
    fn unicode(&mut self, out: &mut Vec<u8>) -> Option<()> {
        let first = self.unit()?;
        let code = match first {
            0xD800..=0xDBFF => {
                self.expect(b'\\')?;
                self.expect(b'u')?;
                let second = self
                    .unit()
                    .filter(|unit| (0xDC00..=0xDFFF).contains(unit))?;
                0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00)
            }
            other => other,
        };
        let character = char::from_u32(code)?;
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        Some(())
    }

    fn unit(&mut self) -> Option<u32> {
        let digits = self.bytes.get(self.at..self.at + 4)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        self.at += 4;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    }

    fn number(&mut self, out: &mut Vec<u8>) -> Option<u8> {
        let start = self.at;
        let is_negative = self.expect(b'-').is_some();
        let whole = self.digits(Some(0))??;
        if matches!(self.bytes.get(self.at), Some(b'.' | b'e' | b'E')) {
            let magnitude = self.fraction(whole)?;
            if !ends_value(self.bytes.get(self.at)) {
                return None;
            }
            let number = match magnitude {
                Some(magnitude) if is_negative => -magnitude,
                Some(magnitude) => magnitude,
                None => std::str::from_utf8(&self.bytes[start..self.at])
                    .ok()?
                    .parse()
                    .ok()?,
            };
            out.extend_from_slice(&number.to_le_bytes());
            return Some(0x01);
        }
        if !ends_value(self.bytes.get(self.at)) {
            return None;
        }
        let number = if is_negative {
            0i64.checked_sub_unsigned(whole)?
        } else {
            i64::try_from(whole).ok()?
        };
        match i32::try_from(number) {
            Ok(small) if self.narrow => {
                out.extend_from_slice(&small.to_le_bytes());
                Some(0x10)
            }
            _ => {
                out.extend_from_slice(&number.to_le_bytes());
                Some(0x12)
            }
        }
    }

    /// What follows the whole part of a double. Gives its magnitude where one division of two numbers that doubles hold
    /// exactly is all there is to it: that is rounded once, as it has to be.
    fn fraction(&mut self, whole: u64) -> Option<Option<f64>> {
        let mut digits = Some(whole);
        let mut places = 0;
        if self.expect(b'.').is_some() {
            let start = self.at;
            digits = self.digits(digits)?;
            places = self.at - start;
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.bytes.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits(None)?;
            return Some(None);
        }
        let exact = digits.filter(|&digits| digits <= MAX_EXACT);
        Some(exact.and_then(|digits| Some(digits as f64 / POWERS_OF_TEN.get(places)?)))
    }

    /// One digit at least, behind those of a number so far; that is `None` from where it is too large.
    fn digits(&mut self, mut number: Option<u64>) -> Option<Option<u64>> {
        let start = self.at;
        while let Some(digit) = self.bytes.get(self.at).filter(|byte| byte.is_ascii_digit()) {
            number = number
                .and_then(|number| number.checked_mul(10))
                .and_then(|number| number.checked_add(u64::from(digit - b'0')));
            self.at += 1;
        }
        (self.at > start).then_some(number)
    }
}

/// Up to here a double holds every whole number.
const MAX_EXACT: u64 = 1 << 53;

/// Those that a double holds exactly.
const POWERS_OF_TEN: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// A bit that names with another length or other ends mostly do not have.
fn mark_of(name: &[u8]) -> u64 {
    let ends = match name {
        [] => 0,
        [first, .., last] => first ^ last.rotate_left(3),
        [only] => *only,
    };
    1 << ((usize::from(ends) ^ (name.len() * 7)) % 64)
}

/// How far it is to the next quote or backslash, or, with `NUL`, to a zero; eight bytes at a time.
fn plain_run<const NUL: bool>(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(eight) = bytes[at..].first_chunk() {
        let eight = u64::from_le_bytes(*eight);
        let mut ends = zeros(eight ^ every(b'"')) | zeros(eight ^ every(b'\\'));
        if NUL {
            ends |= zeros(eight);
        }
        if ends != 0 {
            return Some(at + ends.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let is_end = |&byte: &u8| matches!(byte, b'"' | b'\\') || (NUL && byte == 0);
    bytes[at..].iter().position(is_end).map(|rest| at + rest)
}

/// The highest bit of each zero byte; behind the first of them others may have it, too.
fn zeros(eight: u64) -> u64 {
    eight.wrapping_sub(every(1)) & !eight & every(0x80)
}

const fn every(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

fn ends_value(next: Option<&u8>) -> bool {
    matches!(
        next,
        Some(b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t')
    )
}
