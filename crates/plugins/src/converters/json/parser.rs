//! Reads the first JSON value of a record by Jackson's rules: what follows is ignored, leading zeros are accepted,
//! a byte order mark and the wider encodings are recognised. Of malformed UTF-8 Jackson refuses encoded surrogates and
//! wrong continuations, but reads overlong forms and what lies beyond Unicode.

use super::node::{Fraction, Node};
use millstream_core::Text;
use std::borrow::Cow;

/// Jackson's bounds.
pub(super) const MAX_DEPTH: usize = 1000;
const MAX_NUMBER: usize = 1000;
const MAX_NAME: usize = 50_000;

/// What is wrong with a text; it names a place, never the content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) String);

/// The first value; `None` where there is nothing but white space.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<Node>, Malformed> {
    let utf8 = as_utf8(bytes)?;
    let mut parser = Parser {
        bytes: &utf8,
        at: 0,
        depth: 0,
    };
    parser.skip_white_space();
    if parser.at == utf8.len() {
        return Ok(None);
    }
    let node = parser.value()?;
    if matches!(
        node,
        Node::Integer(_) | Node::BigInteger(_) | Node::Fraction(_)
    ) && !matches!(parser.peek(), None | Some(b' ' | b'\t' | b'\r' | b'\n'))
    {
        return parser.fail("white space must follow a number");
    }
    Ok(Some(node))
}

/// Finds the encoding as Jackson does, from a byte order mark or from where zeros stand.
fn as_utf8(bytes: &[u8]) -> Result<Cow<'_, [u8]>, Malformed> {
    let unit = |wide: &[u8], big: bool| match (*wide.first_chunk::<2>().unwrap_or(&[0; 2]), big) {
        (pair, true) => u16::from_be_bytes(pair),
        (pair, false) => u16::from_le_bytes(pair),
    };
    let utf16 = |from: usize, big: bool| {
        let units: Vec<u16> = bytes[from..]
            .chunks(2)
            .map(|pair| unit(pair, big))
            .collect();
        Ok(Cow::Owned(String::from_utf16_lossy(&units).into_bytes()))
    };
    let utf32 = |from: usize, big: bool| {
        let mut text = String::new();
        for quad in bytes[from..].chunks(4) {
            let quad = *quad
                .first_chunk::<4>()
                .ok_or_else(|| Malformed("the text ends inside a character".to_owned()))?;
            let code = if big {
                u32::from_be_bytes(quad)
            } else {
                u32::from_le_bytes(quad)
            };
            let c = char::from_u32(code)
                .ok_or_else(|| Malformed("a character is outside of Unicode".to_owned()))?;
            text.push(c);
        }
        Ok(Cow::Owned(text.into_bytes()))
    };
    match bytes {
        [0, 0, 0xFE, 0xFF, ..] => utf32(4, true),
        [0xFF, 0xFE, 0, 0, ..] => utf32(4, false),
        [0xFE, 0xFF, _, _, ..] => utf16(2, true),
        [0xFF, 0xFE, _, _, ..] => utf16(2, false),
        [0xEF, 0xBB, 0xBF, _, ..] => Ok(Cow::Borrowed(&bytes[3..])),
        [0, 0, 0, _, ..] => utf32(0, true),
        [_, 0, 0, 0, ..] => utf32(0, false),
        [0, _, ..] => utf16(0, true),
        [_, 0, ..] => utf16(0, false),
        _ => Ok(Cow::Borrowed(bytes)),
    }
}

/// Where a string stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Name,
    Value,
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn fail<T>(&self, why: &str) -> Result<T, Malformed> {
        Err(Malformed(format!("{why} at byte {}", self.at)))
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_white_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Result<Node, Malformed> {
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => {
                self.at += 1;
                self.string(Place::Value).map(Node::String)
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Node::Boolean(true)),
            Some(b'f') => self.word("false", Node::Boolean(false)),
            Some(b'n') => self.word("null", Node::Null),
            Some(_) => self.fail("a value was expected"),
            None => self.fail("the text ends where a value was expected"),
        }
    }

    fn nested(
        &mut self,
        read: fn(&mut Self) -> Result<Node, Malformed>,
    ) -> Result<Node, Malformed> {
        if self.depth == MAX_DEPTH {
            return self.fail("more than 1000 levels of nesting");
        }
        self.depth += 1;
        self.at += 1;
        let node = read(self);
        self.depth -= 1;
        node
    }

    fn array(&mut self) -> Result<Node, Malformed> {
        let mut items = Vec::new();
        self.skip_white_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Node::Array(items));
        }
        loop {
            self.skip_white_space();
            items.push(self.value()?);
            if self.ends(b']')? {
                return Ok(Node::Array(items));
            }
        }
    }

    fn object(&mut self) -> Result<Node, Malformed> {
        self.skip_white_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Node::Object(Vec::new()));
        }
        // Few objects have more; growing costs more than the room.
        let mut members = Vec::with_capacity(8);
        loop {
            self.skip_white_space();
            if self.peek() != Some(b'"') {
                return self.fail("a field name in quotes was expected");
            }
            self.at += 1;
            let start = self.at;
            let name = self.string(Place::Name)?;
            if self.at - start > MAX_NAME {
                return self.fail("a field name is longer than 50000 characters");
            }
            self.skip_white_space();
            if self.peek() != Some(b':') {
                return self.fail("a colon was expected");
            }
            self.at += 1;
            self.skip_white_space();
            members.push((name, self.value()?));
            if self.ends(b'}')? {
                return Ok(Node::Object(members));
            }
        }
    }

    /// Reads a comma, or the closing bracket.
    fn ends(&mut self, close: u8) -> Result<bool, Malformed> {
        self.skip_white_space();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(false)
            }
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(true)
            }
            _ => self.fail("a comma or a closing bracket was expected"),
        }
    }

    fn word(&mut self, word: &str, node: Node) -> Result<Node, Malformed> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return self.fail("an unknown word");
        }
        self.at += word.len();
        match self.peek() {
            Some(next) if next.is_ascii_alphanumeric() || next == b'_' || next >= 0x7F => {
                self.fail("an unknown word")
            }
            _ => Ok(node),
        }
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self) -> Result<Node, Malformed> {
        let start = self.at;
        let negative = self.peek() == Some(b'-');
        if negative {
            self.at += 1;
        }
        let mut digits = self.digits();
        let mut integral = true;
        let mut exponent = 0;
        if digits == 0 {
            return self.fail("a digit was expected");
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            integral = false;
            let fraction = self.digits();
            if fraction == 0 {
                return self.fail("a digit was expected");
            }
            digits += fraction;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            integral = false;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            let exponent_start = self.at;
            let length = self.digits();
            if length == 0 {
                return self.fail("a digit was expected");
            }
            digits += length;
            exponent = text_of(&self.bytes[exponent_start..self.at])
                .parse()
                .unwrap_or(i64::MAX);
        }
        if digits > MAX_NUMBER {
            return self.fail("a number has more than 1000 digits");
        }
        // Beyond, Java's scale does not fit.
        if exponent > i64::from(i32::MAX) {
            return self.fail("an exponent is too large");
        }
        let text = text_of(&self.bytes[start..self.at]);
        if !integral {
            return Ok(Node::Fraction(Fraction::new(text)));
        }
        match text.parse::<i64>() {
            Ok(value) => Ok(Node::Integer(value)),
            Err(_) => match text.parse() {
                Ok(value) => Ok(Node::BigInteger(value)),
                Err(_) => self.fail("a digit was expected"),
            },
        }
    }

    /// The rest of a string whose opening quote has been read.
    fn string(&mut self, place: Place) -> Result<Text, Malformed> {
        let start = self.at;
        let rest = &self.bytes[start..];
        let stop = rest
            .iter()
            .position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1F));
        if let Some(end) = stop
            && rest[end] == b'"'
            && let Ok(text) = simdutf8::basic::from_utf8(&rest[..end])
        {
            self.at = start + end + 1;
            return Ok(Text::from(text));
        }
        self.string_by_units(place)
    }

    /// A string with escapes or odd bytes.
    fn string_by_units(&mut self, place: Place) -> Result<Text, Malformed> {
        let mut units: Vec<u16> = Vec::new();
        loop {
            let Some(first) = self.peek() else {
                return self.fail("the text ends inside a string");
            };
            self.at += 1;
            match first {
                b'"' => return Ok(Text::from_utf16(&units)),
                b'\\' => {
                    let unit = self.escape()?;
                    units.push(unit);
                    if place == Place::Name && (0xD800..=0xDFFF).contains(&unit) {
                        units.push(self.second_half(unit)?);
                    }
                }
                0..=0x1F => return self.fail("a control character inside a string"),
                0x20..=0x7F => units.push(first.into()),
                0xC0..=0xDF => {
                    let code = self.continuation(u32::from(first & 0x1F), 1)?;
                    units.push(code as u16);
                }
                0xE0..=0xEF => {
                    let code = self.continuation(u32::from(first & 0x0F), 2)?;
                    if (0xD800..=0xDFFF).contains(&code) {
                        return self.fail("malformed UTF-8");
                    }
                    units.push(code as u16);
                }
                0xF0..=0xF7 => {
                    let code = self.continuation(u32::from(first & 0x07), 3)?;
                    let offset = code.wrapping_sub(0x1_0000);
                    let high = (offset >> 10) as u16;
                    // They differ where the code lies outside of the pairs' range.
                    units.push(match place {
                        Place::Value => 0xD800 | high,
                        Place::Name => high.wrapping_add(0xD800),
                    });
                    units.push(0xDC00 | (offset & 0x3FF) as u16);
                }
                _ => return self.fail("malformed UTF-8"),
            }
        }
    }

    /// The other half of a pair whose first half was an escape: in a name it must be there.
    fn second_half(&mut self, first: u16) -> Result<u16, Malformed> {
        if first <= 0xDBFF && self.peek() == Some(b'\\') {
            self.at += 1;
            let second = self.escape()?;
            if (0xDC00..=0xDFFF).contains(&second) {
                return Ok(second);
            }
        }
        self.fail("a field name holds half of a surrogate pair")
    }

    fn continuation(&mut self, mut code: u32, count: usize) -> Result<u32, Malformed> {
        for _ in 0..count {
            match self.peek() {
                Some(byte) if byte & 0xC0 == 0x80 => {
                    code = code << 6 | u32::from(byte & 0x3F);
                    self.at += 1;
                }
                _ => return self.fail("malformed UTF-8"),
            }
        }
        Ok(code)
    }

    fn escape(&mut self) -> Result<u16, Malformed> {
        let Some(byte) = self.peek() else {
            return self.fail("the text ends inside a string");
        };
        self.at += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' => byte.into(),
            b'b' => 0x08,
            b't' => 0x09,
            b'n' => 0x0A,
            b'f' => 0x0C,
            b'r' => 0x0D,
            b'u' => {
                let mut unit = 0;
                for _ in 0..4 {
                    let digit = self.peek().and_then(|byte| (byte as char).to_digit(16));
                    let Some(digit) = digit else {
                        return self.fail("four hexadecimal digits were expected");
                    };
                    unit = unit << 4 | digit as u16;
                    self.at += 1;
                }
                unit
            }
            _ => return self.fail("an unknown escape"),
        })
    }
}

/// Text of which every byte has been seen to be ASCII.
fn text_of(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("digits are ASCII")
}

#[cfg(test)]
mod tests;
