//! The tokens of the lenient reader, by the rules of the Java driver's scanner.

use super::{JsonError, Result};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    BeginArray,
    BeginObject,
    EndArray,
    EndObject,
    LeftParen,
    RightParen,
    Colon,
    Comma,
    Int32(i32),
    Int64(i64),
    Double(f64),
    String,
    Unquoted,
    Regex,
    EndOfFile,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::BeginArray => "BEGIN_ARRAY",
            Kind::BeginObject => "BEGIN_OBJECT",
            Kind::EndArray => "END_ARRAY",
            Kind::EndObject => "END_OBJECT",
            Kind::LeftParen => "LEFT_PAREN",
            Kind::RightParen => "RIGHT_PAREN",
            Kind::Colon => "COLON",
            Kind::Comma => "COMMA",
            Kind::Int32(_) => "INT32",
            Kind::Int64(_) => "INT64",
            Kind::Double(_) => "DOUBLE",
            Kind::String => "STRING",
            Kind::Unquoted => "UNQUOTED_STRING",
            Kind::Regex => "REGULAR_EXPRESSION",
            Kind::EndOfFile => "END_OF_FILE",
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// The string, the word or the token as written.
    pub(super) text: String,
}

pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Scanner { text, at: 0 }
    }

    /// Where the scanner stands, to come back to with `reset`.
    pub(super) fn mark(&self) -> usize {
        self.at
    }

    pub(super) fn reset(&mut self, mark: usize) {
        self.at = mark;
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn read(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    pub(super) fn next(&mut self) -> Result<Token> {
        while self.peek().is_some_and(is_whitespace) {
            self.read();
        }
        let start = self.at;
        let Some(first) = self.read() else {
            return Ok(Token {
                kind: Kind::EndOfFile,
                text: "<eof>".to_owned(),
            });
        };
        let kind = match first {
            '{' => Kind::BeginObject,
            '}' => Kind::EndObject,
            '[' => Kind::BeginArray,
            ']' => Kind::EndArray,
            '(' => Kind::LeftParen,
            ')' => Kind::RightParen,
            ':' => Kind::Colon,
            ',' => Kind::Comma,
            '"' | '\'' => {
                let text = self.string(first)?;
                return Ok(Token {
                    kind: Kind::String,
                    text,
                });
            }
            '/' => self.regex()?,
            '-' | '0'..='9' => self.number(first, start)?,
            '$' | '_' => self.word(),
            letter if letter.is_alphabetic() => self.word(),
            other => {
                let position = self.text[..self.at].encode_utf16().count();
                return Err(JsonError::parse(format!(
                    "Invalid JSON input. Position: {position}. Character: '{other}'."
                )));
            }
        };
        Ok(Token {
            kind,
            text: self.text[start..self.at].to_owned(),
        })
    }

    fn word(&mut self) -> Kind {
        while self
            .peek()
            .is_some_and(|c| c == '$' || c == '_' || c.is_alphanumeric())
        {
            self.read();
        }
        Kind::Unquoted
    }

    fn string(&mut self, quote: char) -> Result<String> {
        let mut units: Option<Vec<u16>> = None;
        let mut text = String::new();
        loop {
            let Some(next) = self.read() else {
                return Err(JsonError::parse("End of file in JSON string."));
            };
            let unescaped = match next {
                '\\' => self.escape()?,
                end if end == quote => break,
                other => Escaped::Char(other),
            };
            // Surrogates come as two escapes; they are put together at the end.
            match (unescaped, &mut units) {
                (Escaped::Char(c), None) => text.push(c),
                (Escaped::Char(c), Some(units)) => {
                    units.extend_from_slice(c.encode_utf16(&mut [0; 2]))
                }
                (Escaped::Unit(unit), None) => match char::from_u32(u32::from(unit)) {
                    Some(c) => text.push(c),
                    None => {
                        let mut all: Vec<u16> = text.encode_utf16().collect();
                        all.push(unit);
                        units = Some(all);
                    }
                },
                (Escaped::Unit(unit), Some(units)) => units.push(unit),
            }
        }
        Ok(units.map_or(text, |units| String::from_utf16_lossy(&units)))
    }

    fn escape(&mut self) -> Result<Escaped> {
        let Some(kind) = self.read() else {
            return Err(JsonError::parse("End of file in JSON string."));
        };
        Ok(Escaped::Char(match kind {
            '\'' | '"' | '\\' | '/' => kind,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let mut digits = String::new();
                for _ in 0..4 {
                    digits.extend(self.read());
                }
                return u16::from_str_radix(&digits, 16)
                    .map(Escaped::Unit)
                    .map_err(|_| JsonError::number_format(&digits));
            }
            other => {
                return Err(JsonError::parse(format!(
                    "Invalid escape sequence in JSON string '\\{other}'."
                )));
            }
        }))
    }

    fn regex(&mut self) -> Result<Kind> {
        let invalid = |scanner: &Self, start: usize| {
            JsonError::parse(format!(
                "Invalid JSON regular expression. Position: {}.",
                scanner.text[start..scanner.at].len()
            ))
        };
        let start = self.at;
        loop {
            match self.read() {
                Some('\\') => {
                    self.read();
                }
                Some('/') => break,
                Some(_) => {}
                None => return Err(invalid(self, start)),
            }
        }
        while self
            .peek()
            .is_some_and(|c| matches!(c, 'i' | 'm' | 'x' | 's'))
        {
            self.read();
        }
        if self.ends_value() {
            Ok(Kind::Regex)
        } else {
            Err(invalid(self, start))
        }
    }

    fn number(&mut self, first: char, start: usize) -> Result<Kind> {
        let invalid = || JsonError::parse("Invalid JSON number");
        let mut is_double = false;
        if first == '-' {
            if self.peek() == Some('I') {
                let rest = &self.text[self.at..];
                if !rest.starts_with("Infinity") {
                    return Err(invalid());
                }
                self.at += "Infinity".len();
                return if self.ends_value() {
                    Ok(Kind::Double(f64::NEG_INFINITY))
                } else {
                    Err(invalid())
                };
            }
            if self.digits() == 0 {
                return Err(invalid());
            }
        } else {
            self.digits();
        }
        if self.peek() == Some('.') {
            self.read();
            is_double = true;
            if self.digits() == 0 {
                return Err(invalid());
            }
        }
        if matches!(self.peek(), Some('e' | 'E')) {
            self.read();
            is_double = true;
            if matches!(self.peek(), Some('+' | '-')) {
                self.read();
            }
            if self.digits() == 0 {
                return Err(invalid());
            }
        }
        if !self.ends_value() {
            return Err(invalid());
        }
        let text = &self.text[start..self.at];
        if is_double {
            return text.parse().map(Kind::Double).map_err(|_| invalid());
        }
        let value: i64 = text.parse().map_err(|_| JsonError::number_format(text))?;
        Ok(i32::try_from(value).map_or(Kind::Int64(value), Kind::Int32))
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.read();
        }
        self.at - start
    }

    fn ends_value(&self) -> bool {
        self.peek()
            .is_none_or(|c| matches!(c, ',' | '}' | ']' | ')') || is_whitespace(c))
    }
}

enum Escaped {
    Char(char),
    Unit(u16),
}

/// Java's `Character.isWhitespace`: no no-break spaces, but the file and group separators.
fn is_whitespace(c: char) -> bool {
    matches!(c, '\u{1c}'..='\u{1f}')
        || (c.is_whitespace() && !matches!(c, '\u{a0}' | '\u{2007}' | '\u{202f}' | '\u{85}'))
}
