//! The parser of Connect's `Values`: tokens, then literals, lists and maps, dates, numbers; else the text is a string.

use super::number::{parse_decimal, smallest};
use millstream_core::logical::DAY_MILLIS;
use millstream_core::schema::{DATE, TIME, TIMESTAMP};
use millstream_core::{Map, Schema, SchemaAndValue, SchemaRef, SchemaType, Value};
use millstream_java::date::SimpleDateFormat;
use millstream_java::parse::digit_value;
use std::sync::{Arc, LazyLock};

/// Deeper lists and maps are text; Java would overflow its stack.
const MAX_DEPTH: usize = 200;

/// Infers a text's value.
pub(super) fn parse(text: &str) -> SchemaAndValue {
    if text.is_empty() {
        return string(text);
    }
    let mut parser = Parser {
        text,
        at: 0,
        next: None,
        depth: 0,
    };
    match parser.value(false) {
        Ok(Some(value)) => value,
        Ok(None) => SchemaAndValue::NULL,
        Err(NotParsable) => string(text),
    }
}

fn string(text: &str) -> SchemaAndValue {
    of(SchemaType::String, Value::from(text))
}

fn of(kind: SchemaType, value: Value) -> SchemaAndValue {
    SchemaAndValue {
        schema: Some(Arc::new(Schema::of(kind))),
        value,
    }
}

/// A nested value that is none: what holds it is text.
struct NotParsable;

/// `None` is null.
type Parsed = Result<Option<SchemaAndValue>, NotParsable>;

struct Parser<'a> {
    text: &'a str,
    at: usize,
    /// A token that was looked at and not taken.
    next: Option<&'a str>,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn value(&mut self, embedded: bool) -> Parsed {
        if !self.has_next() {
            return Ok(None);
        }
        if embedded && self.takes("\"") {
            return Ok(Some(self.quoted()));
        }
        for (word, value) in [("null", None), ("true", Some(true)), ("false", Some(false))] {
            if self.takes_alone(word, embedded) {
                return Ok(value.map(|v| of(SchemaType::Boolean, Value::Boolean(v))));
            }
        }
        let start = self.mark();
        if self.depth < MAX_DEPTH {
            self.depth += 1;
            let nested = if self.takes("[") {
                Some(self.array())
            } else if self.takes("{") {
                Some(self.map())
            } else {
                None
            };
            self.depth -= 1;
            match nested {
                Some(Ok(value)) => return Ok(Some(value)),
                Some(Err(NotParsable)) => self.rewind(start),
                None => {}
            }
        }
        let token = self.take();
        let trimmed = java_trim(token);
        if trimmed.is_empty() {
            return Ok(Some(string(token)));
        }
        self.scalar(trimmed, embedded)
    }

    fn scalar(&mut self, token: &str, embedded: bool) -> Parsed {
        let digit_first = token.chars().next().and_then(digit_value).is_some();
        if digit_first && let Some(value) = self.date_over_tokens(token) {
            return Ok(Some(value));
        }
        if (digit_first || token.starts_with(['+', '-']))
            && let Some(decimal) = parse_decimal(token)
        {
            return Ok(Some(smallest(decimal)));
        }
        if embedded {
            return Err(NotParsable);
        }
        Ok(Some(string(self.text)))
    }

    /// The rest of a text in quotes: a date, or the text with its backslashes.
    fn quoted(&mut self) -> SchemaAndValue {
        let mut content = String::new();
        while self.has_next() && !self.takes("\"") {
            content.push_str(self.take());
        }
        date(&content).unwrap_or_else(|| string(&content))
    }

    fn array(&mut self) -> Result<SchemaAndValue, NotParsable> {
        let mut items = Vec::new();
        let mut merged = Merged::default();
        while self.has_next() {
            if self.takes("]") {
                let element = merged.schema();
                let items = items
                    .into_iter()
                    .map(|item| aligned(item, element.as_ref()));
                let mut schema = Schema::of(SchemaType::Array);
                let items = items.collect::<Result<_, _>>()?;
                schema.value_schema = element;
                return Ok(SchemaAndValue {
                    schema: Some(Arc::new(schema)),
                    value: Value::Array(items),
                });
            }
            if self.takes(",") {
                return Err(NotParsable);
            }
            let item = self.value(true)?;
            merged.add(item.as_ref());
            items.push(item.map_or(Value::Null, |item| item.value));
            let position = self.mark();
            if self.takes("]") {
                self.rewind(position);
            } else if !self.takes(",") {
                return Err(NotParsable);
            }
        }
        Err(NotParsable)
    }

    fn map(&mut self) -> Result<SchemaAndValue, NotParsable> {
        let mut pairs = Vec::new();
        let (mut keys, mut values) = (Merged::default(), Merged::default());
        while self.has_next() {
            if self.takes("}") {
                let key_schema = keys.schema();
                // Without a type for the keys Java does not tell one for the values.
                let value_schema = key_schema.as_ref().and_then(|_| values.schema());
                let mut aligned_pairs = Vec::with_capacity(pairs.len());
                for (key, value) in pairs {
                    aligned_pairs.push((
                        aligned(key, key_schema.as_ref())?,
                        aligned(value, value_schema.as_ref())?,
                    ));
                }
                let mut schema = Schema::of(SchemaType::Map);
                schema.key_schema = key_schema;
                schema.value_schema = value_schema;
                return Ok(SchemaAndValue {
                    schema: Some(Arc::new(schema)),
                    value: Value::Map(Map::linked(aligned_pairs)),
                });
            }
            if self.takes(",") {
                return Err(NotParsable);
            }
            let Some(key) = self.value(true)? else {
                return Err(NotParsable);
            };
            if !self.takes(":") {
                return Err(NotParsable);
            }
            // Java reads a missing value as the next token and fails on it.
            let value = self.value(true)?;
            self.takes(",");
            keys.add(Some(&key));
            values.add(value.as_ref());
            pairs.push((key.value, value.map_or(Value::Null, |value| value.value)));
        }
        Err(NotParsable)
    }

    /// A time holds colons, which part tokens: first five tokens together, then the one alone.
    fn date_over_tokens(&mut self, token: &str) -> Option<SchemaAndValue> {
        let position = self.mark();
        let start = position;
        let mut complete = true;
        for _ in 0..4 {
            if !self.has_next() {
                complete = false;
                break;
            }
            self.take();
        }
        if complete && let Some(value) = date(&format!("{token}{}", &self.text[start..self.at])) {
            return Some(value);
        }
        self.rewind(position);
        date(token)
    }

    fn mark(&self) -> usize {
        self.at - self.next.map_or(0, str::len)
    }

    fn rewind(&mut self, position: usize) {
        self.at = position;
        self.next = None;
    }

    fn has_next(&self) -> bool {
        self.next.is_some() || self.at < self.text.len()
    }

    fn take(&mut self) -> &'a str {
        match self.next.take() {
            Some(token) => token,
            None => self.token(),
        }
    }

    /// Takes the next token if it is this one; blank tokens before it are dropped either way.
    fn takes(&mut self, expected: &str) -> bool {
        if !self.has_next() {
            return false;
        }
        let mut next = match self.next {
            Some(token) => token,
            None => self.token(),
        };
        while java_trim(next).is_empty() && self.at < self.text.len() {
            next = self.token();
        }
        let found = java_trim(next) == expected;
        self.next = (!found).then_some(next);
        found
    }

    /// Takes a word which, at the top level, must be all that is left.
    fn takes_alone(&mut self, word: &str, embedded: bool) -> bool {
        let start = self.mark();
        if self.takes(word) && (embedded || !self.has_next()) {
            return true;
        }
        // Blanks that were passed over, too.
        self.rewind(start);
        false
    }

    fn token(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let mut escaped = false;
        for (offset, c) in rest.char_indices() {
            match c {
                '\\' => {
                    escaped = !escaped;
                    continue;
                }
                ':' | ',' | '{' | '}' | '[' | ']' | '"' if !escaped => {
                    let end = offset.max(1);
                    self.at += end;
                    return &rest[..end];
                }
                _ => escaped = false,
            }
        }
        self.at = self.text.len();
        rest
    }
}

/// Java's `String.trim`.
fn java_trim(text: &str) -> &str {
    text.trim_matches(|c| c <= ' ')
}

/// A date, a time or both, told apart by the text's length. Parsing is lenient.
fn date(text: &str) -> Option<SchemaAndValue> {
    static FORMATS: LazyLock<[(usize, &str, SchemaType, SimpleDateFormat); 3]> =
        LazyLock::new(|| {
            let compiled =
                |pattern| SimpleDateFormat::compile(pattern).expect("the pattern is one of Java's");
            [
                (10, DATE, SchemaType::Int32, compiled("yyyy-MM-dd")),
                (13, TIME, SchemaType::Int32, compiled("HH:mm:ss.SSS'Z'")),
                (
                    24,
                    TIMESTAMP,
                    SchemaType::Int64,
                    compiled("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'"),
                ),
            ]
        });
    let text = text.replace("\\:", ":");
    let length = text.encode_utf16().count();
    let (_, name, kind, format) = FORMATS.iter().find(|(known, ..)| *known == length)?;
    let millis = format.parse(&text)?;
    let mut schema = Schema::of(*kind);
    schema.name = Some((*name).to_owned());
    schema.version = Some(1);
    Some(SchemaAndValue {
        schema: Some(Arc::new(schema)),
        value: Value::Date(millis),
    })
}

/// The type that the elements of a list have in common.
#[derive(Default)]
struct Merged {
    common: Option<SchemaRef>,
    incompatible: bool,
}

impl Merged {
    fn add(&mut self, item: Option<&SchemaAndValue>) {
        let Some(new) = item.and_then(|item| item.schema.as_ref()) else {
            return;
        };
        if self.incompatible {
            return;
        }
        self.common = match &self.common {
            None => Some(new.clone()),
            // Of two schemas of one type the latter counts, whatever they hold.
            Some(old) if old.kind == new.kind => Some(new.clone()),
            Some(old) => match (width(old.kind), width(new.kind)) {
                (Some(a), Some(b)) => Some(if a > b { old.clone() } else { new.clone() }),
                _ => None,
            },
        };
        self.incompatible = self.common.is_none();
    }

    fn schema(&self) -> Option<SchemaRef> {
        self.common.clone()
    }
}

/// The order in which numbers widen.
fn width(kind: SchemaType) -> Option<u8> {
    Some(match kind {
        SchemaType::Int8 => 0,
        SchemaType::Int16 => 1,
        SchemaType::Int32 => 2,
        SchemaType::Int64 => 3,
        SchemaType::Float32 => 4,
        SchemaType::Float64 => 5,
        _ => return None,
    })
}

/// A value in the common type. A null does not fit a type, which is required.
fn aligned(value: Value, schema: Option<&SchemaRef>) -> Result<Value, NotParsable> {
    let Some(schema) = schema else {
        return Ok(value);
    };
    let (whole, real) = match &value {
        Value::Null => return Err(NotParsable),
        // A date is no number, and a number stands for days or milliseconds where dates are.
        Value::Date(_) if schema.name.is_none() => return Err(NotParsable),
        Value::Int8(v) => (i64::from(*v), f64::from(*v)),
        Value::Int16(v) => (i64::from(*v), f64::from(*v)),
        Value::Int32(v) => (i64::from(*v), f64::from(*v)),
        Value::Int64(v) => (*v, *v as f64),
        Value::Float32(v) => (0, f64::from(*v)),
        _ => return Ok(value),
    };
    Ok(match (schema.kind, schema.name.as_deref()) {
        (SchemaType::Int16, _) => Value::Int16(whole as i16),
        (SchemaType::Int32, Some(DATE)) => Value::Date(i64::from(whole as i32) * DAY_MILLIS),
        (SchemaType::Int32, Some(_)) => match i64::from(whole as i32) {
            time @ 0..=DAY_MILLIS => Value::Date(time),
            _ => return Err(NotParsable),
        },
        (SchemaType::Int32, None) => Value::Int32(whole as i32),
        (SchemaType::Int64, Some(_)) => Value::Date(whole),
        (SchemaType::Int64, None) => Value::Int64(whole),
        (SchemaType::Float32, _) if !matches!(value, Value::Float32(_)) => {
            Value::Float32(real as f32)
        }
        (SchemaType::Float64, _) => Value::Float64(real),
        _ => value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What Java's own class gave for them.
    #[test]
    fn blanks_before_what_is_no_list_are_all_that_is_read() {
        for (text, read) in [(" [x", " "), (" {", " "), ("[x", "[x"), (" x[", " x[")] {
            assert_eq!(parse(text).value, Value::from(read), "{text}");
        }
    }

    /// What Java's own class gave for them.
    #[test]
    fn dates_and_numbers_in_one_list_become_dates_or_the_list_is_text() {
        let day = DAY_MILLIS;
        let list = |text: &str| match parse(text) {
            SchemaAndValue {
                schema: Some(schema),
                value: Value::Array(items),
            } => Some((schema.value_schema.as_ref()?.name.clone()?, items)),
            _ => None,
        };
        let dates = |name: &str, millis: &[i64]| {
            let items = millis.iter().map(|millis| Value::Date(*millis));
            Some((name.to_owned(), items.collect::<Vec<_>>()))
        };
        assert_eq!(list("[1970-01-03,3]"), dates(DATE, &[2 * day, 3 * day]));
        assert_eq!(
            list("[70000,1970-01-03]"),
            dates(DATE, &[70_000 * day, 2 * day])
        );
        assert_eq!(
            list("[7,\"00:00:00.001Z\"]"),
            dates(TIME, &[7, 1]),
            "milliseconds of a day"
        );
        assert_eq!(
            list("[5000000000,\"1970-01-01T00:00:00.001Z\"]"),
            dates(TIMESTAMP, &[5_000_000_000, 1])
        );
        for text in [
            "[1970-01-03,70000]",
            "[1970-01-03,5000000000]",
            "[1970-01-03,1.5]",
            "[-1,\"00:00:00.001Z\"]",
            "[90000000,\"00:00:00.001Z\"]",
        ] {
            assert_eq!(parse(text).value, Value::from(text));
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "[\\[\\]{}\",:0-9eE.+\\-truefalsn\\\\ Té😀]{0,40}") {
            parse(&text);
        }
    }
}
