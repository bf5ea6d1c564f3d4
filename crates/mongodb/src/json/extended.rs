//! Extended JSON, versions 1 and 2: objects whose first name begins with `$` and stands for a type.

use super::scanner::{Kind, Token};
use super::{JsonError, Reader, Result, time};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bson::oid::ObjectId;
use bson::raw::CString;
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, Decimal128, JavaScriptCodeWithScope, Regex, Timestamp, Uuid};
use std::str::FromStr;

impl Reader<'_> {
    /// The value that an object beginning with this name stands for; `None` for a plain document, with the
    /// scanner where it was.
    pub(super) fn extended(&mut self, name: &Token) -> Result<Option<Bson>> {
        let mark = self.scanner.mark();
        let value = match name.text.as_str() {
            "$binary" | "$type" => return self.binary(&name.text, mark),
            "$regex" | "$options" => {
                let legacy = self.legacy_regex(&name.text);
                return Ok(self.or_document(legacy, mark));
            }
            "$uuid" => uuid(&self.wrapped_string()?)?,
            "$code" => return self.code().map(Some),
            "$date" => self.date()?,
            "$oid" => object_id(&self.wrapped_string()?)?,
            "$regularExpression" => self.regular_expression()?,
            "$symbol" => Bson::Symbol(self.wrapped_string()?),
            "$timestamp" => self.timestamp()?,
            "$numberLong" => Bson::Int64(self.wrapped_number("java.lang.Long")?),
            "$numberInt" => Bson::Int32(self.wrapped_number("java.lang.Integer")?),
            "$numberDouble" => Bson::Double(double(&self.wrapped_string()?)?),
            "$numberDecimal" => decimal(&self.wrapped_string()?)?,
            "$minKey" | "$maxKey" => {
                self.verify(Kind::Colon)?;
                self.verify(Kind::Int32(1))?;
                self.verify(Kind::EndObject)?;
                if name.text == "$minKey" {
                    Bson::MinKey
                } else {
                    Bson::MaxKey
                }
            }
            "$undefined" => {
                self.verify(Kind::Colon)?;
                self.verify_text("true")?;
                self.verify(Kind::EndObject)?;
                Bson::Undefined
            }
            _ => return Ok(None),
        };
        Ok(Some(value))
    }

    /// A form that turned out to be none is read again as a document.
    fn or_document(&mut self, value: Result<Bson>, mark: usize) -> Option<Bson> {
        if value.is_err() {
            self.pushed = None;
            self.scanner.reset(mark);
        }
        value.ok()
    }

    fn binary(&mut self, first: &str, mark: usize) -> Result<Option<Bson>> {
        if first == "$binary" {
            self.verify(Kind::Colon)?;
            if self.next()?.kind == Kind::BeginObject {
                return self.nested_binary().map(Some);
            }
            self.scanner.reset(mark);
        }
        let legacy = self.legacy_binary(first);
        Ok(self.or_document(legacy, mark))
    }

    fn nested_binary(&mut self) -> Result<Bson> {
        let (mut data, mut subtype) = (None, None);
        for part in 0..2 {
            if part == 1 {
                self.verify(Kind::Comma)?;
            }
            let name = self.next()?;
            self.verify(Kind::Colon)?;
            match name.text.as_str() {
                "base64" => data = Some(self.base64()?),
                "subType" => subtype = Some(self.subtype()?),
                other => {
                    return Err(JsonError::parse(format!(
                        "Unexpected key for $binary: {other}"
                    )));
                }
            }
        }
        self.verify(Kind::EndObject)?;
        self.verify(Kind::EndObject)?;
        match (data, subtype) {
            (Some(data), Some(subtype)) => Ok(binary(subtype, data)),
            _ => Err(JsonError::parse("$binary names a key twice")),
        }
    }

    fn legacy_binary(&mut self, first: &str) -> Result<Bson> {
        self.verify(Kind::Colon)?;
        let (data, subtype) = if first == "$binary" {
            let data = self.base64()?;
            self.second("$type")?;
            (data, self.subtype()?)
        } else {
            let subtype = self.subtype()?;
            self.second("$binary")?;
            (self.base64()?, subtype)
        };
        self.verify(Kind::EndObject)?;
        Ok(binary(subtype, data))
    }

    fn legacy_regex(&mut self, first: &str) -> Result<Bson> {
        self.verify(Kind::Colon)?;
        let one = self.string()?;
        self.second(if first == "$regex" {
            "$options"
        } else {
            "$regex"
        })?;
        let other = self.string()?;
        self.verify(Kind::EndObject)?;
        if first == "$regex" {
            regex(&one, &other)
        } else {
            regex(&other, &one)
        }
    }

    fn second(&mut self, name: &str) -> Result<()> {
        self.verify(Kind::Comma)?;
        self.verify_text(name)?;
        self.verify(Kind::Colon)
    }

    fn base64(&mut self) -> Result<Vec<u8>> {
        let text = self.string()?;
        STANDARD.decode(&text).map_err(|error| {
            JsonError::new("java.lang.IllegalArgumentException", error.to_string())
        })
    }

    fn subtype(&mut self) -> Result<u8> {
        let token = self.next()?;
        match token.kind {
            Kind::Int32(number) => Ok(number as u8),
            Kind::String => u8::from_str_radix(&token.text, 16)
                .map_err(|_| JsonError::number_format(&token.text)),
            _ => Err(JsonError::parse(format!(
                "JSON reader expected a string or number but found '{}'.",
                token.text
            ))),
        }
    }

    fn code(&mut self) -> Result<Bson> {
        self.verify(Kind::Colon)?;
        let code = self.string()?;
        let next = self.next()?;
        if next.kind == Kind::EndObject {
            return Ok(Bson::JavaScriptCode(code));
        }
        expect(Kind::Comma, &next)?;
        self.verify_text("$scope")?;
        self.verify(Kind::Colon)?;
        self.verify(Kind::BeginObject)?;
        let scope = self.members()?;
        self.verify(Kind::EndObject)?;
        Ok(Bson::JavaScriptCodeWithScope(JavaScriptCodeWithScope {
            code,
            scope,
        }))
    }

    fn date(&mut self) -> Result<Bson> {
        self.verify(Kind::Colon)?;
        let token = self.next()?;
        let millis = match token.kind {
            Kind::BeginObject => {
                self.verify_text("$numberLong")?;
                self.wrapped_number("java.lang.Long")?
            }
            Kind::Int32(millis) => i64::from(millis),
            Kind::Int64(millis) => millis,
            Kind::String => time::parse(&token.text).ok_or_else(|| bad_date(&token.text))?,
            _ => {
                return Err(JsonError::parse(format!(
                    "JSON reader expected an integer or string but found '{}'.",
                    token.text
                )));
            }
        };
        self.verify(Kind::EndObject)?;
        Ok(Bson::DateTime(DateTime::from_millis(millis)))
    }

    fn regular_expression(&mut self) -> Result<Bson> {
        self.verify(Kind::Colon)?;
        self.verify(Kind::BeginObject)?;
        let (mut pattern, mut options) = (String::new(), String::new());
        let mut next = self.next()?;
        while next.kind != Kind::EndObject {
            if next.kind == Kind::Comma {
                next = self.next()?;
            }
            self.verify(Kind::Colon)?;
            match next.text.as_str() {
                "pattern" => pattern = self.string()?,
                "options" => options = self.string()?,
                other => {
                    return Err(JsonError::parse(format!(
                        "Expected 't' and 'i' fields in $regularExpression but found {other}"
                    )));
                }
            }
            next = self.next()?;
        }
        self.verify(Kind::EndObject)?;
        regex(&pattern, &options)
    }

    fn timestamp(&mut self) -> Result<Bson> {
        self.verify(Kind::Colon)?;
        self.verify(Kind::BeginObject)?;
        let (mut time, mut increment) = (0, 0);
        for part in 0..2 {
            if part == 1 {
                self.verify(Kind::Comma)?;
            }
            let name = self.next()?;
            self.verify(Kind::Colon)?;
            let token = self.next()?;
            let number = match token.kind {
                Kind::Int32(number) => number as u32,
                Kind::Int64(number) => number as u32,
                _ => {
                    return Err(JsonError::parse(format!(
                        "JSON reader expected an integer but found '{}'.",
                        token.text
                    )));
                }
            };
            match name.text.as_str() {
                "t" => time = number,
                "i" => increment = number,
                other => {
                    return Err(JsonError::parse(format!(
                        "Expected 't' and 'i' fields in $timestamp document but found {other}"
                    )));
                }
            }
        }
        self.verify(Kind::EndObject)?;
        self.verify(Kind::EndObject)?;
        Ok(Bson::Timestamp(Timestamp { time, increment }))
    }

    /// `: "text" }`.
    fn wrapped_string(&mut self) -> Result<String> {
        self.verify(Kind::Colon)?;
        let text = self.string()?;
        self.verify(Kind::EndObject)?;
        Ok(text)
    }

    fn wrapped_number<T: FromStr>(&mut self, class: &str) -> Result<T> {
        let text = self.wrapped_string()?;
        text.parse().map_err(|_| {
            JsonError::parse(format!(
                "Exception converting value '{text}' to type {class}"
            ))
        })
    }

    pub(super) fn string(&mut self) -> Result<String> {
        let token = self.next()?;
        match token.kind {
            Kind::String => Ok(token.text),
            _ => Err(JsonError::parse(format!(
                "JSON reader expected a string but found '{}'.",
                token.text
            ))),
        }
    }

    pub(super) fn verify(&mut self, kind: Kind) -> Result<()> {
        let token = self.next()?;
        expect(kind, &token)
    }

    pub(super) fn verify_text(&mut self, text: &str) -> Result<()> {
        let token = self.next()?;
        if matches!(token.kind, Kind::String | Kind::Unquoted) && token.text == text {
            return Ok(());
        }
        Err(JsonError::parse(format!(
            "JSON reader expected '{text}' but found '{}'.",
            token.text
        )))
    }

    /// A literal `/pattern/options`, as scanned.
    pub(super) fn regex(&mut self, literal: &str) -> Result<Bson> {
        let end = literal.rfind('/').unwrap_or(0);
        regex(
            literal.get(1..end).unwrap_or(""),
            literal.get(end + 1..).unwrap_or(""),
        )
    }
}

fn expect(kind: Kind, token: &Token) -> Result<()> {
    if token.kind == kind {
        return Ok(());
    }
    Err(JsonError::parse(format!(
        "JSON reader expected token type '{}' but found '{}'.",
        kind.name(),
        token.text
    )))
}

pub(super) fn binary(subtype: u8, bytes: Vec<u8>) -> Bson {
    Bson::Binary(Binary {
        subtype: BinarySubtype::from(subtype),
        bytes,
    })
}

pub(super) fn regex(pattern: &str, options: &str) -> Result<Bson> {
    let part = |text: &str| {
        CString::try_from(text).map_err(|error| {
            JsonError::new("org.bson.BsonSerializationException", error.to_string())
        })
    };
    let mut letters: Vec<char> = options.chars().collect();
    letters.sort_unstable();
    Ok(Bson::RegularExpression(Regex {
        pattern: part(pattern)?,
        options: part(&letters.into_iter().collect::<String>())?,
    }))
}

pub(super) fn object_id(text: &str) -> Result<Bson> {
    ObjectId::parse_str(text).map(Bson::ObjectId).map_err(|_| {
        JsonError::new(
            "java.lang.IllegalArgumentException",
            format!("invalid hexadecimal representation of an ObjectId: [{text}]"),
        )
    })
}

pub(super) fn uuid(text: &str) -> Result<Bson> {
    Uuid::parse_str(text)
        .map(|uuid| binary(4, uuid.bytes().to_vec()))
        .map_err(|_| {
            JsonError::parse(format!(
                "Exception converting value '{text}' to type java.util.UUID"
            ))
        })
}

pub(super) fn decimal(text: &str) -> Result<Bson> {
    Decimal128::from_str(text)
        .map(Bson::Decimal128)
        .map_err(|_| {
            JsonError::parse(format!(
                "Exception converting value '{text}' to type org.bson.types.Decimal128"
            ))
        })
}

pub(super) fn bad_date(text: &str) -> JsonError {
    JsonError::parse(format!("Failed to parse string as a date: {text}"))
}

/// Java's `Double.parseDouble`, as far as JSON needs it.
fn double(text: &str) -> Result<f64> {
    match text.trim() {
        "NaN" => Ok(f64::NAN),
        "Infinity" => Ok(f64::INFINITY),
        "-Infinity" => Ok(f64::NEG_INFINITY),
        plain => plain.parse().map_err(|_| {
            JsonError::parse(format!(
                "Exception converting value '{text}' to type java.lang.Double"
            ))
        }),
    }
}
