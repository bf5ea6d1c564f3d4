//! The text in which JsonConverter hands over a record without a schema, to the BSON that its values stand for: whole
//! numbers are int64, all others doubles. The text is Java's own, with its two losses: a number beyond a double's range
//! stands there as the string `Infinity`, which the record's own text tells from a real string, and half a surrogate
//! pair as an escape, which has no form in BSON.

use crate::java_text::json_value_text;
use crate::json::Open;
use bson::{Bson, Document};

/// Jackson's bound, which the converter keeps to.
const MAX_DEPTH: usize = 1000;

/// The value of a converter's text. `original` gives the record as it was fetched. An error is a place in the text.
pub(crate) fn read<'o>(
    text: &[u8],
    original: impl FnOnce() -> Option<&'o [u8]>,
) -> Result<Bson, usize> {
    let mut reader = Reader::new(text);
    let mut value = reader.value().ok_or(reader.at)?;
    if reader.saw_infinity
        && let Some(original) = original()
        && let Some(known) = Reader::new(original).value()
    {
        restore_infinities(&mut value, &known);
    }
    Ok(value)
}

/// Java's `String.valueOf` of the value, for messages: half a surrogate pair is a question mark there.
pub(crate) fn java_text(text: &[u8]) -> String {
    let text = without_halves(text);
    match Reader::new(&text).value() {
        Some(value) => json_value_text(&value),
        None => String::from_utf8_lossy(&text).into_owned(),
    }
}

/// The text with a question mark for each escape of half a surrogate pair.
fn without_halves(text: &[u8]) -> Vec<u8> {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
    };
    let mut whole = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let (length, is_half) = match (unit(at), unit(at + 6)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => (12, false),
            (Some(0xD800..=0xDFFF), _) => (6, true),
            _ if text[at] == b'\\' => (2, false),
            _ => (1, false),
        };
        let end = (at + length).min(text.len());
        if is_half {
            whole.push(b'?');
        } else {
            whole.extend_from_slice(&text[at..end]);
        }
        at = end;
    }
    whole
}

/// Whether a string may be a number that Java had no other form for.
pub(crate) fn may_be_infinity(text: &[u8]) -> bool {
    matches!(text, b"Infinity" | b"-Infinity")
}

/// Puts infinite numbers in the places where the record has numbers.
fn restore_infinities(value: &mut Bson, known: &Bson) {
    match (value, known) {
        (Bson::Document(value), Bson::Document(known)) => {
            for (name, value) in value.iter_mut() {
                if let Some(known) = known.get(name) {
                    restore_infinities(value, known);
                }
            }
        }
        (Bson::Array(value), Bson::Array(known)) => {
            for (value, known) in value.iter_mut().zip(known) {
                restore_infinities(value, known);
            }
        }
        (value @ Bson::String(_), Bson::Double(number)) => *value = Bson::Double(*number),
        _ => {}
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    saw_infinity: bool,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        Reader {
            bytes,
            at: 0,
            saw_infinity: false,
        }
    }

    fn skip_blanks(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// The next byte that is no blank, which it steps over.
    fn next(&mut self) -> Option<u8> {
        self.skip_blanks();
        let next = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(next)
    }

    /// A value. What is open lies on a list, not on the stack: a record decides how deep it is nested.
    fn value(&mut self) -> Option<Bson> {
        let mut open = Vec::new();
        loop {
            let mut done = match self.next()? {
                b'{' => {
                    open.push(Open::Document(Document::new(), String::new()));
                    None
                }
                b'[' => {
                    open.push(Open::Array(Vec::new()));
                    None
                }
                b'"' => {
                    let text = self.string()?;
                    self.saw_infinity |= may_be_infinity(text.as_bytes());
                    Some(Bson::String(text))
                }
                b't' => Some(self.literal(b"rue", Bson::Boolean(true))?),
                b'f' => Some(self.literal(b"alse", Bson::Boolean(false))?),
                b'n' => Some(self.literal(b"ull", Bson::Null)?),
                _ => {
                    self.at -= 1;
                    Some(self.number()?)
                }
            };
            if open.len() > MAX_DEPTH {
                return None;
            }
            let mut is_first = done.is_none();
            loop {
                if let Some(value) = done.take() {
                    match open.last_mut() {
                        None => return Some(value),
                        Some(around) => around.take(value),
                    }
                    is_first = false;
                }
                let next = self.next()?;
                let is_end = match open.last()? {
                    Open::Array(_) => next == b']',
                    Open::Document(..) => next == b'}',
                };
                if is_end {
                    done = open.pop().map(Open::close);
                    continue;
                }
                if !is_first && next != b',' {
                    return None;
                }
                if let Open::Document(_, name) = open.last_mut()? {
                    let quote = if is_first { next } else { self.next()? };
                    if quote != b'"' {
                        return None;
                    }
                    *name = self.string()?;
                    if self.next()? != b':' {
                        return None;
                    }
                } else if is_first {
                    self.at -= 1;
                }
                break;
            }
        }
    }

    fn literal(&mut self, rest: &[u8], value: Bson) -> Option<Bson> {
        let end = self.at + rest.len();
        (self.bytes.get(self.at..end)? == rest).then(|| {
            self.at = end;
            value
        })
    }

    fn number(&mut self) -> Option<Bson> {
        let rest = &self.bytes[self.at..];
        let length = rest
            .iter()
            .position(|byte| !matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
            .unwrap_or(rest.len());
        let text = std::str::from_utf8(&rest[..length]).ok()?;
        let number = match text.parse::<i64>() {
            Ok(whole) if text != "-0" => Bson::Int64(whole),
            Ok(_) => Bson::Int64(0),
            Err(_) => Bson::Double(text.parse().ok()?),
        };
        self.at += length;
        Some(number)
    }

    /// A string whose quote has been read. Half a surrogate pair becomes the replacement character.
    fn string(&mut self) -> Option<String> {
        let mut text = Vec::new();
        loop {
            let rest = &self.bytes[self.at..];
            let run = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
            text.extend_from_slice(&rest[..run]);
            self.at += run + 1;
            if rest[run] == b'"' {
                break;
            }
            let escape = *self.bytes.get(self.at)?;
            self.at += 1;
            if escape == b'u' {
                let character = self.escaped_character()?;
                text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            } else {
                text.push(short_escape(escape)?);
            }
        }
        Some(match String::from_utf8(text) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        })
    }

    fn escaped_character(&mut self) -> Option<char> {
        let first = self.unit()?;
        if !(0xD800..=0xDBFF).contains(&first) {
            return Some(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let start = self.at;
        if self.bytes.get(start..start + 2) == Some(b"\\u") {
            self.at += 2;
            let second = self.unit()?;
            if (0xDC00..=0xDFFF).contains(&second) {
                return char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00));
            }
            self.at = start;
        }
        Some(char::REPLACEMENT_CHARACTER)
    }

    fn unit(&mut self) -> Option<u32> {
        let digits = self.bytes.get(self.at..self.at + 4)?;
        let digits = std::str::from_utf8(digits).ok()?;
        self.at += 4;
        u32::from_str_radix(digits, 16).ok()
    }
}

/// What the letter behind a backslash stands for; `None` if it is no short escape.
pub(crate) fn short_escape(letter: u8) -> Option<u8> {
    Some(match letter {
        b'"' | b'\\' | b'/' => letter,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use bson::{bson, doc};

    fn check(text: &str, original: &str, expected: impl Into<Bson>) {
        let value = read(text.as_bytes(), || Some(original.as_bytes())).unwrap();
        assert_eq!(value, expected.into(), "{text}");
    }

    #[test]
    fn a_message_has_the_value_as_java_prints_it() {
        let text = br#"[-3973.407,{"a":1.23456789E7,"s":["x\"",0.5],"t":null},true,"\ud83dhalf\ud83d","\uD83E\uDD80","\\ud83d"]"#;
        assert_eq!(
            java_text(text),
            r#"[-3973.407, {a=1.23456789E7, s=[x", 0.5], t=null}, true, ?half?, 🦀, \ud83d]"#
        );
        assert_eq!(java_text(br#""half \ud83d""#), "half ?");
        assert_eq!(java_text(br#""cut \u12"#), r#""cut \u12"#);
    }

    #[test]
    fn report_b5_reads_what_java_reads() {
        check(
            r#"{"a":1,"b":[1.5E10,null,true,"x"],"c":{}}"#,
            "",
            doc! {"a": 1i64, "b": [1.5e10, null, true, "x"], "c": {}},
        );
        check(
            r#"{"comment":"nice \ud83d","e":"\ud83d\ude00","f":"\ude00x"}"#,
            "",
            doc! {"comment": "nice \u{fffd}", "e": "😀", "f": "\u{fffd}x"},
        );
        check(
            r#"{"a":"Infinity","b":["-Infinity","Infinity"],"c":"Infinity"}"#,
            r#"{"c":"Infinity","b":[-1e400, 1E999],"a":1e400}"#,
            doc! {"a": f64::INFINITY, "b": [f64::NEG_INFINITY, f64::INFINITY], "c": "Infinity"},
        );
        check("[]", "", bson!([]));
        let deep = format!("{}1{}", r#"{"a":"#.repeat(900), "}".repeat(900));
        assert!(read(deep.as_bytes(), || None).is_ok());
        let deeper = "[".repeat(100_000);
        assert!(read(deeper.as_bytes(), || None).is_err());
        for bad in [
            "",
            "{",
            "{1:2}",
            "{\"a\" 1}",
            "[1 2]",
            "tru",
            "\"a",
            "\"\\x\"",
            "-",
            "\"\\u12\"",
        ] {
            assert!(read(bad.as_bytes(), || None).is_err(), "{bad}");
        }
    }
}
