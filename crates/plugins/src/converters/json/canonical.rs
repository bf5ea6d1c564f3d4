//! Schemaless JSON text to the text that Java would write for the values it reads from it: keys in the order of a
//! `HashMap`, numbers by `Double.toString`, no blanks. Objects and lists are rewritten span by span; what asks for more
//! care goes through the parser, `Value` and the plain writer, which say what is right.

mod number;
mod quotes;
mod shape;

use super::node::parse_f64;
use super::parser::{self, Malformed};
use super::read::infer;
use millstream_core::{RecordError, Value};
use millstream_java::json as java_json;
use number::Number;
use quotes::{BEYOND_BMP, Quotes};
use shape::Shape;

/// Objects with more members take the slow way.
const MAX_FIELDS: usize = 64;

/// Longer names take the slow way too.
const MAX_NAME: usize = 1000;

/// The shapes that a topic's objects alternate between.
const MAX_SHAPES: usize = 16;

/// Deeper nesting takes the slow way.
const MAX_DEPTH: usize = 8;

/// Rewrites records and remembers the shapes of the last ones.
#[derive(Default)]
pub(super) struct Canonical {
    quotes: Quotes,
    /// The next of the quotes' pairs.
    pair: usize,
    /// The members of the objects that are being read, those of inner ones behind those of outer ones.
    fields: Vec<FieldSpan>,
    /// The texts of objects and lists within an object, by the object's depth.
    nested: [Vec<u8>; MAX_DEPTH],
    shapes: Vec<Shape>,
    /// The shape that matched last, by depth.
    last: [usize; MAX_DEPTH],
    /// The shape to be replaced next.
    oldest: usize,
}

/// What a record's bytes stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    Null,
    /// The text has been appended.
    Text,
}

impl Canonical {
    /// Appends the record's text.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, record: &[u8]) -> Result<Written, Malformed> {
        let start = out.len();
        if self.write_spans(out, record.trim_ascii_end()).is_some() {
            return Ok(Written::Text);
        }
        out.truncate(start);
        write_slowly(out, record)
    }

    /// `None` if the record is not of the simple kind; `out` may hold a part of it then.
    fn write_spans(&mut self, out: &mut Vec<u8>, record: &[u8]) -> Option<()> {
        self.quotes.find(record)?;
        self.pair = 0;
        self.fields.clear();
        out.reserve(record.len() + 64);
        let start = skip_blanks(record, 0);
        match record.get(start)? {
            b'{' => self.object(out, record, start + 1, 0),
            b'[' => self.array(out, record, start + 1, 0),
            _ => None,
        }?;
        Some(())
    }

    /// Appends an object whose bracket has been read, and says where it ends.
    fn object(
        &mut self,
        out: &mut Vec<u8>,
        record: &[u8],
        start: usize,
        depth: usize,
    ) -> Option<usize> {
        let mut at = skip_blanks(record, start);
        if record.get(at) == Some(&b'}') {
            out.extend_from_slice(b"{}");
            return Some(at + 1);
        }
        let first = self.fields.len();
        self.nested.get_mut(depth)?.clear();
        loop {
            let name = self.string(record, at)?;
            let name_start = at;
            if name.rewrite || name.end - at > MAX_NAME || self.fields.len() - first == MAX_FIELDS {
                return None;
            }
            // The order is that of the names without escapes.
            if self.quotes.careful && record[at..name.end].contains(&b'\\') {
                return None;
            }
            let colon = skip_blanks(record, name.end);
            if record.get(colon) != Some(&b':') {
                return None;
            }
            let value_start = skip_blanks(record, colon + 1);
            let joined = value_start == name.end + 1;
            let mut field = FieldSpan {
                name_start: name_start as u32,
                name_end: name.end as u32,
                value_start: value_start as u32,
                value_end: 0,
                form: if joined { Form::Joined } else { Form::Apart },
            };
            at = self.value(record, &mut field, depth)?;
            self.fields.push(field);
            at = skip_blanks(record, at);
            match *record.get(at)? {
                b',' => at = skip_blanks(record, at + 1),
                b'}' => break,
                _ => return None,
            }
        }
        let shape = self.shape(record, first, depth)?;
        out.push(b'{');
        for (index, &place) in self.shapes[shape].order.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            self.fields[first + usize::from(place)].write(out, record, &self.nested[depth]);
        }
        out.push(b'}');
        self.fields.truncate(first);
        Some(at + 1)
    }

    /// Completes the span of a member's value, and says where it ends in the record.
    #[inline]
    fn value(&mut self, record: &[u8], field: &mut FieldSpan, depth: usize) -> Option<usize> {
        let start = field.value_start as usize;
        let end = match *record.get(start)? {
            b'"' => {
                let string = self.string(record, start)?;
                if string.rewrite {
                    field.form = Form::String;
                }
                string.end
            }
            b'-' | b'0'..=b'9' => {
                let number = Number::scan(record, start)?;
                field.form = number.form.unwrap_or(field.form);
                field.value_end = number.copy_end as u32;
                return Some(number.end);
            }
            b'{' | b'[' => return self.nested_value(record, field, depth),
            _ => start + word_at(record, start)?.len(),
        };
        field.value_end = end as u32;
        Some(end)
    }

    /// Writes an object or a list to the side, for its place among the members is not known yet.
    fn nested_value(
        &mut self,
        record: &[u8],
        field: &mut FieldSpan,
        depth: usize,
    ) -> Option<usize> {
        let start = field.value_start as usize;
        let mut side = std::mem::take(self.nested.get_mut(depth)?);
        field.form = Form::Nested;
        field.value_start = side.len() as u32;
        let end = if record[start] == b'{' {
            self.object(&mut side, record, start + 1, depth + 1)
        } else {
            self.array(&mut side, record, start + 1, depth)
        };
        field.value_end = side.len() as u32;
        self.nested[depth] = side;
        end
    }

    /// Appends a list whose bracket has been read, and says where it ends. A list's objects lie one level deeper.
    fn array(
        &mut self,
        out: &mut Vec<u8>,
        record: &[u8],
        start: usize,
        depth: usize,
    ) -> Option<usize> {
        if depth >= MAX_DEPTH {
            return None;
        }
        out.push(b'[');
        let mut at = skip_blanks(record, start);
        if record.get(at) == Some(&b']') {
            out.push(b']');
            return Some(at + 1);
        }
        loop {
            at = match *record.get(at)? {
                b'"' => {
                    let string = self.string(record, at)?;
                    write_string(out, &record[at..string.end], string.rewrite)?;
                    string.end
                }
                b'-' | b'0'..=b'9' => {
                    let number = Number::scan(record, at)?;
                    write_number(out, &record[at..number.copy_end], number.form);
                    number.end
                }
                b'{' => self.object(out, record, at + 1, depth + 1)?,
                b'[' => self.array(out, record, at + 1, depth + 1)?,
                _ => {
                    let word = word_at(record, at)?;
                    out.extend_from_slice(word);
                    at + word.len()
                }
            };
            at = skip_blanks(record, at);
            match *record.get(at)? {
                b',' => {
                    out.push(b',');
                    at = skip_blanks(record, at + 1);
                }
                b']' => {
                    out.push(b']');
                    return Some(at + 1);
                }
                _ => return None,
            }
        }
    }

    /// The string that opens here.
    #[inline]
    fn string(&mut self, record: &[u8], at: usize) -> Option<StringSpan> {
        let &[open, close] = self.quotes.pairs().get(self.pair)?;
        self.pair += 1;
        if open as usize != at {
            return None;
        }
        let end = close as usize + 1;
        let rewrite = self.quotes.careful && self.must_rewrite(&record[at + 1..end - 1])?;
        Some(StringSpan { end, rewrite })
    }

    /// Whether a string holds characters that Java escapes; `None` if it must go the slow way.
    fn must_rewrite(&self, content: &[u8]) -> Option<bool> {
        if self.quotes.breaks && content.iter().any(|byte| *byte < b' ') {
            return None;
        }
        let rewrite = self.quotes.beyond && content.iter().any(|byte| *byte >= BEYOND_BMP);
        // An escape would be escaped again.
        if rewrite && self.quotes.escapes && content.contains(&b'\\') {
            return None;
        }
        Some(rewrite)
    }

    /// The number of the shape that the fields from `first` on have.
    #[inline]
    fn shape(&mut self, record: &[u8], first: usize, depth: usize) -> Option<usize> {
        let fields = &self.fields[first..];
        let last = self.last[depth];
        if let Some(shape) = self.shapes.get(last)
            && shape.matches(record, fields)
        {
            return Some(last);
        }
        let known = self
            .shapes
            .iter()
            .position(|shape| shape.matches(record, fields));
        let place = match known {
            Some(place) => place,
            None => {
                let shape = Shape::new(record, fields)?;
                if self.shapes.len() < MAX_SHAPES {
                    self.shapes.push(shape);
                    self.shapes.len() - 1
                } else {
                    let place = self.oldest;
                    self.shapes[place] = shape;
                    self.oldest = (place + 1) % MAX_SHAPES;
                    place
                }
            }
        };
        self.last[depth] = place;
        Some(place)
    }
}

/// The way for whatever JSON there is.
pub(super) fn write_slowly(out: &mut Vec<u8>, record: &[u8]) -> Result<Written, Malformed> {
    let value = parser::parse(record)?.map_or(Value::Null, infer);
    if value.is_null() {
        return Ok(Written::Null);
    }
    java_json::write_value(out, &value)
        .map_err(|error: RecordError| Malformed(error.message))
        .map(|()| Written::Text)
}

#[derive(Clone, Copy)]
struct StringSpan {
    /// Behind the closing quote.
    end: usize,
    /// Whether it holds characters that Java escapes.
    rewrite: bool,
}

/// Where a member lies in the record, its quotes included.
#[derive(Clone, Copy)]
struct FieldSpan {
    name_start: u32,
    name_end: u32,
    /// In the record, or in the side text of the object's depth.
    value_start: u32,
    /// Behind the part that is to be copied.
    value_end: u32,
    form: Form,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Name, colon and value lie side by side and are canonical.
    Joined,
    /// The value is canonical, there are blanks around the colon.
    Apart,
    /// A string without escapes that is to be written anew.
    String,
    /// An integer of up to 18 digits that is to be printed anew.
    Integer,
    /// A number with a point or an exponent that is to be printed anew.
    Fraction,
    /// An object or a list, already written to the side.
    Nested,
}

impl FieldSpan {
    #[inline]
    fn write(&self, out: &mut Vec<u8>, record: &[u8], nested: &[u8]) {
        let value = self.value_start as usize..self.value_end as usize;
        if self.form == Form::Joined {
            push_run(out, record, self.name_start as usize, value.end);
            return;
        }
        push_run(
            out,
            record,
            self.name_start as usize,
            self.name_end as usize,
        );
        out.push(b':');
        match self.form {
            Form::Joined | Form::Apart => push_run(out, record, value.start, value.end),
            Form::Nested => out.extend_from_slice(&nested[value]),
            Form::String => {
                let content = &record[value.start + 1..value.end - 1];
                java_json::write_string(out, content);
            }
            Form::Integer | Form::Fraction => write_number(out, &record[value], Some(self.form)),
        }
    }
}

/// Appends a string with its quotes.
fn write_string(out: &mut Vec<u8>, quoted: &[u8], rewrite: bool) -> Option<()> {
    if rewrite {
        java_json::write_string(out, quoted.get(1..quoted.len() - 1)?);
    } else {
        out.extend_from_slice(quoted);
    }
    Some(())
}

/// Appends a number, printed anew if its form says so.
fn write_number(out: &mut Vec<u8>, digits: &[u8], form: Option<Form>) {
    let text = || std::str::from_utf8(digits).expect("a number is ASCII");
    match form {
        Some(Form::Fraction) => java_json::write_f64(out, parse_f64(text())),
        Some(Form::Integer) => {
            java_json::write_i64(out, text().parse().expect("18 digits fit"));
        }
        _ => out.extend_from_slice(digits),
    }
}

/// `true`, `false` or `null`. What follows is looked at by the caller, who expects punctuation there.
#[inline]
fn word_at(record: &[u8], at: usize) -> Option<&'static [u8]> {
    let word: &[u8] = match record[at] {
        b't' => b"true",
        b'f' => b"false",
        b'n' => b"null",
        _ => return None,
    };
    record[at..].starts_with(word).then_some(word)
}

/// Copies `from..to`; a short run as a block of fixed length whose surplus is dropped again, see `java_json::string`.
#[inline]
fn push_run(out: &mut Vec<u8>, bytes: &[u8], from: usize, to: usize) {
    const BLOCK: usize = 32;
    let len = to - from;
    match bytes[from..].first_chunk::<BLOCK>() {
        Some(block) if len <= BLOCK => {
            let end = out.len() + len;
            out.extend_from_slice(block);
            out.truncate(end);
        }
        _ => out.extend_from_slice(&bytes[from..to]),
    }
}

/// The place of the next byte that is no white space. Control characters that are none have been ruled out.
#[inline]
fn skip_blanks(record: &[u8], mut at: usize) -> usize {
    while record.get(at).is_some_and(|byte| *byte <= b' ') {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests;
