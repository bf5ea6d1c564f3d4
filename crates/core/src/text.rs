//! Text: a Java string. It is UTF-8 except that JSON escapes may smuggle in lone surrogates,
//! which Java keeps and a Rust `String` cannot; those are held in WTF-8 (three bytes each).

use std::borrow::Cow;
use std::fmt;

/// An immutable string of UTF-16 code units, stored as UTF-8 wherever that is possible.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text(Repr);

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Repr {
    Utf8(String),
    /// Holds at least one lone surrogate, so it never equals a `Utf8`.
    Wtf8(Vec<u8>),
}

impl Text {
    /// Builds a text from UTF-16 code units, keeping lone surrogates.
    pub fn from_utf16(units: &[u16]) -> Self {
        match String::from_utf16(units) {
            Ok(text) => Text(Repr::Utf8(text)),
            Err(_) => {
                let mut bytes = Vec::with_capacity(units.len() * 3);
                for decoded in char::decode_utf16(units.iter().copied()) {
                    match decoded {
                        Ok(c) => {
                            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                        }
                        Err(lone) => {
                            let unit = lone.unpaired_surrogate();
                            bytes.extend_from_slice(&[
                                0xE0 | (unit >> 12) as u8,
                                0x80 | ((unit >> 6) & 0x3F) as u8,
                                0x80 | (unit & 0x3F) as u8,
                            ]);
                        }
                    }
                }
                Text(Repr::Wtf8(bytes))
            }
        }
    }

    /// The text as UTF-8, unless it holds a lone surrogate.
    pub fn as_str(&self) -> Option<&str> {
        match &self.0 {
            Repr::Utf8(text) => Some(text),
            Repr::Wtf8(_) => None,
        }
    }

    /// The text as UTF-8, each lone surrogate as `?`, which is what Java's encoder writes.
    pub fn to_java_utf8(&self) -> Cow<'_, str> {
        match &self.0 {
            Repr::Utf8(text) => Cow::Borrowed(text),
            Repr::Wtf8(_) => {
                let units: Vec<u16> = self.utf16().collect();
                Cow::Owned(
                    char::decode_utf16(units)
                        .map(|decoded| decoded.unwrap_or('?'))
                        .collect(),
                )
            }
        }
    }

    /// The UTF-16 code units, as Java's `charAt` gives them.
    pub fn utf16(&self) -> impl Iterator<Item = u16> + '_ {
        let (utf8, wtf8) = match &self.0 {
            Repr::Utf8(text) => (Some(text.encode_utf16()), None),
            Repr::Wtf8(bytes) => (
                None,
                Some(Wtf8Units {
                    bytes,
                    pending: None,
                }),
            ),
        };
        utf8.into_iter().flatten().chain(wtf8.into_iter().flatten())
    }

    /// Java's `String.hashCode`.
    pub fn java_hash(&self) -> i32 {
        match &self.0 {
            Repr::Utf8(text) if text.is_ascii() => text.bytes().fold(0i32, |hash, byte| {
                hash.wrapping_mul(31).wrapping_add(i32::from(byte))
            }),
            Repr::Utf8(_) | Repr::Wtf8(_) => self.utf16().fold(0i32, |hash, unit| {
                hash.wrapping_mul(31).wrapping_add(i32::from(unit))
            }),
        }
    }

    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Repr::Utf8(text) => text.is_empty(),
            Repr::Wtf8(bytes) => bytes.is_empty(),
        }
    }
}

/// Whether bytes are text as they are.
pub fn is_utf8(bytes: &[u8]) -> bool {
    simdutf8::basic::from_utf8(bytes).is_ok()
}

/// Bytes as text, by the rule of Java's UTF-8 decoder: what is malformed becomes U+FFFD as in Rust,
/// except that the three bytes of an encoded surrogate become one of them.
pub fn decode_utf8(bytes: &[u8]) -> Cow<'_, str> {
    match simdutf8::basic::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(String::from_utf8_lossy(&without_surrogates(bytes)).into_owned()),
    }
}

/// Replaces each encoded surrogate, whole or cut short, by one byte that is never part of UTF-8.
fn without_surrogates(bytes: &[u8]) -> Vec<u8> {
    let mut cleaned = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, after)) = rest.split_first() {
        if first == 0xED
            && after
                .first()
                .is_some_and(|byte| *byte >= 0xA0 && *byte <= 0xBF)
        {
            let third = after.get(1).is_some_and(|byte| byte & 0xC0 == 0x80);
            cleaned.push(0xFF);
            rest = &after[if third { 2 } else { 1 }..];
        } else {
            cleaned.push(first);
            rest = after;
        }
    }
    cleaned
}

/// Decodes WTF-8 that this module wrote itself, so it need not validate.
struct Wtf8Units<'a> {
    bytes: &'a [u8],
    pending: Option<u16>,
}

impl Iterator for Wtf8Units<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        if let Some(low) = self.pending.take() {
            return Some(low);
        }
        let bit = |i: usize| u32::from(self.bytes.get(i).copied().unwrap_or(0) & 0x3F);
        let first = *self.bytes.first()?;
        let (len, code) = match first {
            0..=0x7F => (1, u32::from(first)),
            0x80..=0xDF => (2, (u32::from(first & 0x1F) << 6) | bit(1)),
            0xE0..=0xEF => (3, (u32::from(first & 0x0F) << 12) | (bit(1) << 6) | bit(2)),
            0xF0..=0xFF => (
                4,
                (u32::from(first & 0x07) << 18) | (bit(1) << 12) | (bit(2) << 6) | bit(3),
            ),
        };
        self.bytes = self.bytes.get(len..).unwrap_or(&[]);
        if code < 0x1_0000 {
            Some(code as u16)
        } else {
            let offset = code - 0x1_0000;
            self.pending = Some(0xDC00 | (offset & 0x3FF) as u16);
            Some(0xD800 | (offset >> 10) as u16)
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Text(Repr::Utf8(text.to_owned()))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Text(Repr::Utf8(text))
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == Some(other)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_java_utf8())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_java_utf8())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_lone_surrogates_and_hashes_like_java() {
        let lone = Text::from_utf16(&[0x61, 0xD800, 0x62]);
        assert_eq!(lone.as_str(), None);
        assert_eq!(lone.to_java_utf8(), "a?b");
        assert_eq!(lone.utf16().collect::<Vec<_>>(), [0x61, 0xD800, 0x62]);
        assert_eq!(Text::from("Aa").java_hash(), Text::from("BB").java_hash());
        assert_eq!(Text::from("timestamp").java_hash(), 55126294);
        assert_eq!(Text::from("é😀").utf16().count(), 3);
    }

    #[test]
    fn replaces_malformed_bytes_as_java_does() {
        let check = |bytes: &[u8], text: &str| assert_eq!(decode_utf8(bytes), text);
        check("aé中😀".as_bytes(), "aé中😀");
        check(&[0xED, 0xA0, 0x80, b'x'], "\u{fffd}x");
        check(&[0xED, 0xA0, b'x'], "\u{fffd}x");
        check(&[0xE4, 0xB8, b'x'], "\u{fffd}x");
        check(&[0xC0, 0x80], "\u{fffd}\u{fffd}");
        check(&[0xF0, 0x9F, 0x98], "\u{fffd}");
        check(&[0xE4, 0xED, 0xB0, 0x80], "\u{fffd}\u{fffd}");
    }
}
