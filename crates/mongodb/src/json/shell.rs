//! Words outside quotes: literals, and the constructors of MongoDB's shell.

use super::extended::{bad_date, binary, decimal, object_id, regex, uuid};
use super::scanner::{Kind, Token};
use super::{JsonError, Reader, Result, no_value, time};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bson::oid::ObjectId;
use bson::{Bson, DateTime, Timestamp};

impl Reader<'_> {
    pub(super) fn word(&mut self, token: Token) -> Result<Bson> {
        Ok(match token.text.as_str() {
            "true" => Bson::Boolean(true),
            "false" => Bson::Boolean(false),
            "null" => Bson::Null,
            "undefined" => Bson::Undefined,
            "NaN" => Bson::Double(f64::NAN),
            "Infinity" => Bson::Double(f64::INFINITY),
            "new" => {
                let name = self.next()?;
                return self.constructor(&name)?.ok_or_else(|| {
                    JsonError::parse(format!(
                        "JSON reader expected a type name but found '{}'.",
                        name.text
                    ))
                });
            }
            _ => return self.constructor(&token)?.ok_or_else(|| no_value(&token)),
        })
    }

    /// `None` if the name is no constructor's.
    fn constructor(&mut self, name: &Token) -> Result<Option<Bson>> {
        if matches!(name.text.as_str(), "MinKey" | "MaxKey") {
            let next = self.next()?;
            if next.kind == Kind::LeftParen {
                self.verify(Kind::RightParen)?;
            } else {
                self.push(next);
            }
            return Ok(Some(if name.text == "MinKey" {
                Bson::MinKey
            } else {
                Bson::MaxKey
            }));
        }
        if !matches!(
            name.text.as_str(),
            "BinData"
                | "Date"
                | "HexData"
                | "ISODate"
                | "NumberInt"
                | "NumberLong"
                | "NumberDecimal"
                | "ObjectId"
                | "RegExp"
                | "Timestamp"
                | "UUID"
                | "GUID"
        ) {
            return Ok(None);
        }
        let arguments = self.arguments()?;
        self.build(&name.text, &arguments).map(Some)
    }

    fn arguments(&mut self) -> Result<Vec<Token>> {
        self.verify(Kind::LeftParen)?;
        let mut arguments = Vec::new();
        let mut next = self.next()?;
        while next.kind != Kind::RightParen {
            if !arguments.is_empty() {
                if next.kind != Kind::Comma {
                    return Err(JsonError::parse(format!(
                        "JSON reader expected token type 'RIGHT_PAREN' but found '{}'.",
                        next.text
                    )));
                }
                next = self.next()?;
            }
            match next.kind {
                Kind::String | Kind::Int32(_) | Kind::Int64(_) | Kind::Double(_) => {
                    arguments.push(next)
                }
                _ => return Err(no_value(&next)),
            }
            next = self.next()?;
        }
        Ok(arguments)
    }

    fn build(&self, name: &str, arguments: &[Token]) -> Result<Bson> {
        let wrong = || {
            JsonError::parse(format!(
                "JSON reader found arguments that {name} does not take"
            ))
        };
        Ok(match (name, arguments) {
            ("NumberInt", [one]) => Bson::Int32(
                i32::try_from(integer(one)?).map_err(|_| JsonError::number_format(&one.text))?,
            ),
            ("NumberLong", [one]) => Bson::Int64(integer(one)?),
            ("NumberDecimal", [one]) => decimal(&one.text)?,
            ("ObjectId", []) => Bson::ObjectId(ObjectId::new()),
            ("ObjectId", [one]) => object_id(&one.text)?,
            ("UUID" | "GUID", [one]) => {
                let hex: String = one
                    .text
                    .chars()
                    .filter(|c| !matches!(c, '{' | '}' | '-'))
                    .collect();
                uuid(&hex)?
            }
            ("BinData", [subtype, data]) => {
                let bytes = STANDARD.decode(&data.text).map_err(|_| wrong())?;
                binary(integer(subtype)? as u8, bytes)
            }
            ("HexData", [subtype, data]) => {
                let bytes = (0..data.text.len())
                    .step_by(2)
                    .map(|at| {
                        data.text
                            .get(at..at + 2)
                            .and_then(|pair| u8::from_str_radix(pair, 16).ok())
                    })
                    .collect::<Option<Vec<u8>>>()
                    .ok_or_else(wrong)?;
                binary(integer(subtype)? as u8, bytes)
            }
            ("RegExp", [pattern]) => regex(&pattern.text, "")?,
            ("RegExp", [pattern, options]) => regex(&pattern.text, &options.text)?,
            ("Timestamp", [time, increment]) => Bson::Timestamp(Timestamp {
                time: integer(time)? as u32,
                increment: integer(increment)? as u32,
            }),
            ("ISODate" | "Date", []) => Bson::DateTime(DateTime::now()),
            ("ISODate" | "Date", [one]) if one.kind == Kind::String => {
                let millis = time::parse(&one.text).ok_or_else(|| bad_date(&one.text))?;
                Bson::DateTime(DateTime::from_millis(millis))
            }
            ("Date", [one]) => Bson::DateTime(DateTime::from_millis(integer(one)?)),
            ("Date", parts) if parts.len() <= 7 => {
                let numbers = parts.iter().map(integer).collect::<Result<Vec<i64>>>()?;
                let millis = time::from_parts(&numbers).ok_or_else(wrong)?;
                Bson::DateTime(DateTime::from_millis(millis))
            }
            _ => return Err(wrong()),
        })
    }
}

fn integer(token: &Token) -> Result<i64> {
    match token.kind {
        Kind::Int32(number) => Ok(i64::from(number)),
        Kind::Int64(number) => Ok(number),
        _ => token
            .text
            .trim()
            .parse()
            .map_err(|_| JsonError::number_format(&token.text)),
    }
}
