//! Schemaless JSON text to the text that Java would write for the values it reads from it: keys in the order of a
//! `HashMap`, numbers by `Double.toString`, no blanks. What is written like that already stays where it is, the rest is copied span by
//! span; what asks for more care goes through the parser, `Value` and the plain writer, which say what is right.

mod documents;
mod edited;
mod escapes;
mod field;
mod kept;
mod names;
mod number;
mod strings;
mod tries;

use super::parser::{self, Malformed};
use super::read::infer;
pub(super) use documents::Documents;
pub(super) use edited::Edited;
use field::{FieldSpan, Form, Run, push_run, write_scalar};
use millstream_core::{RecordError, Value};
use millstream_java::json as java_json;
use names::{Names, Place};
use strings::StringSpan;

/// Objects with more members take the slow way; their places are bytes.
const MAX_FIELDS: usize = 256;

/// Deeper nesting takes the slow way.
const MAX_DEPTH: usize = 8;

/// Rewrites records and remembers the names of the last ones.
#[derive(Default)]
pub(super) struct Canonical {
    names: Names,
    /// The members of the objects that are being read, those of inner ones behind those of outer ones.
    fields: Vec<FieldSpan>,
    /// The texts of objects and lists within an object that may not be copied, by the object's depth.
    nested: [Vec<u8>; MAX_DEPTH],
    /// The last record was written as Java writes it, so that the next one may be, too.
    kept: bool,
    /// A string of the record holds bytes that are not ASCII.
    non_ascii: bool,
}

/// What a record's bytes stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    Null,
    /// It has been appended.
    Anew,
    /// The text is a part of the record, and nothing has been appended.
    Part {
        start: usize,
        end: usize,
    },
}

/// An object or a list that has been read.
#[derive(Clone, Copy)]
struct Done {
    /// Behind the closing bracket.
    end: usize,
    /// It has been appended, and what was to be copied before it. Else its text may be copied, too.
    written: bool,
}

/// The members of an object that have been read.
#[derive(Clone, Copy)]
struct Members {
    /// The first one's number among those that are being read.
    first: usize,
    /// Behind the closing bracket.
    end: usize,
    /// That of the last one.
    place: Place,
    /// All is as it is to be written, but for the order.
    clean: bool,
}

/// An object or a list that is to be read.
#[derive(Clone, Copy)]
struct Opened {
    /// The bracket.
    at: usize,
    /// The text from here to the bracket is to be copied before anything is appended.
    lead: usize,
    /// Where the tree of names begins for the object, or for those in the list.
    names: Place,
    depth: usize,
}

/// What of a list has not been appended yet and may be copied.
struct Lead {
    from: usize,
    /// Something has been appended.
    written: bool,
}

impl Lead {
    /// Appends what goes up to `to`, and goes on at `next`.
    fn cut(&mut self, out: &mut Vec<u8>, record: &[u8], to: usize, next: usize) {
        push_run(out, record, self.from, to);
        self.from = next;
        self.written = true;
    }

    /// Leaves out what lies between the two places, if anything does.
    #[inline]
    fn skip(&mut self, out: &mut Vec<u8>, record: &[u8], to: usize, next: usize) {
        if next > to {
            self.cut(out, record, to, next);
        }
    }
}

impl Canonical {
    /// Appends the record's text, unless it stands in the record.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, record: &[u8]) -> Result<Written, Malformed> {
        let start = out.len();
        if let Some(written) = self.write_spans(out, record) {
            return Ok(written);
        }
        out.truncate(start);
        write_slowly(out, record)
    }

    /// `None` if the record is not of the simple kind; `out` may hold a part of it then.
    fn write_spans(&mut self, out: &mut Vec<u8>, record: &[u8]) -> Option<Written> {
        // Places are kept in 32 bits.
        u32::try_from(record.len()).ok()?;
        self.names.begin();
        let start = skip_blanks(record, 0);
        if self.kept
            && let Some(end) = kept::scan(&self.names, record, start)
        {
            return Some(Written::Part { start, end });
        }
        out.reserve(record.len() + 64);
        self.fields.clear();
        self.non_ascii = false;
        let opened = Opened {
            at: start,
            lead: start,
            names: Place::ROOT,
            depth: 0,
        };
        let done = self.container(out, record, opened)?;
        self.kept = !done.written;
        let text = &record[start..done.end];
        if self.non_ascii {
            simdutf8::basic::from_utf8(text).ok()?;
        }
        Some(match done.written {
            true => Written::Anew,
            false => Written::Part {
                start,
                end: done.end,
            },
        })
    }

    #[inline]
    fn container(&mut self, out: &mut Vec<u8>, record: &[u8], opened: Opened) -> Option<Done> {
        match record.get(opened.at)? {
            b'{' => self.object(out, record, opened),
            b'[' => self.array(out, record, opened),
            _ => None,
        }
    }

    fn object(&mut self, out: &mut Vec<u8>, record: &[u8], opened: Opened) -> Option<Done> {
        let at = skip_blanks(record, opened.at + 1);
        let is_joined = at == opened.at + 1;
        if record.get(at) == Some(&b'}') {
            if !is_joined {
                push_run(out, record, opened.lead, opened.at + 1);
                out.push(b'}');
            }
            return Some(Done {
                end: at + 1,
                written: !is_joined,
            });
        }
        let Members {
            first,
            end,
            place,
            clean,
        } = self.members(record, opened, at)?;
        let fields = &self.fields[first..];
        let names = fields.iter().map(|field| field.name(record));
        let order = self.names.order(place, names)?;
        let written = !(clean && is_joined && order.kept);
        if written {
            let mut run = Run::new(record, opened.lead, opened.at + 1);
            let mut gap = None;
            for &place in &order.places {
                let field = fields.get(usize::from(place))?;
                run.member(out, gap, field, &self.nested[opened.depth]);
                gap = Some(b',');
            }
            run.flush(out);
            out.push(b'}');
        }
        self.fields.truncate(first);
        Some(Done { end, written })
    }

    /// Reads the members of an object that has some, from the first one's name on.
    #[inline(always)]
    fn members(&mut self, record: &[u8], opened: Opened, mut at: usize) -> Option<Members> {
        let mut clean = true;
        let first = self.fields.len();
        self.nested.get_mut(opened.depth)?.clear();
        let mut place = opened.names;
        loop {
            let (name_end, value_start) = self.name(record, at, &mut place)?;
            let value = self.value(record, value_start, place, opened.depth)?;
            let form = match value.form {
                Form::Joined if value_start != name_end + 1 => Form::Apart,
                form => form,
            };
            let end = value.end;
            clean &= form == Form::Joined && value.copy_end == end;
            if self.fields.len() - first == MAX_FIELDS {
                return None;
            }
            // Made of numbers at hand: read as a whole right after it was written in parts, it would have to wait for them.
            self.fields.push(FieldSpan {
                start: at as u32,
                name_end: name_end as u32,
                value_start: value.start as u32,
                value_end: value.copy_end as u32,
                form,
            });
            let stop = skip_blanks(record, end);
            at = stop + 1;
            match *record.get(stop)? {
                b',' => at = skip_blanks(record, at),
                b'}' => {
                    clean &= stop == end;
                    break;
                }
                _ => return None,
            }
            clean &= at == end + 1;
        }
        Some(Members {
            first,
            end: at,
            place,
            clean,
        })
    }

    /// Where the member's name ends and where its value begins. `place` is what comes before it, and then the member.
    #[inline(always)]
    fn name(&mut self, record: &[u8], at: usize, place: &mut Place) -> Option<(usize, usize)> {
        let (name_end, behind_colon) = self.names.member(record, at, place)?;
        Some((name_end, skip_blanks(record, behind_colon)))
    }

    /// Reads a member's value.
    #[inline(always)]
    fn value(&mut self, record: &[u8], start: usize, place: Place, depth: usize) -> Option<Span> {
        let byte = *record.get(start)?;
        if matches!(byte, b'{' | b'[') {
            return self.nested_value(record, start, place, depth);
        }
        self.scalar(record, start, byte)
    }

    /// Reads an object or a list that is a member's value. If it may not be copied it is written to the side, for its place
    /// among the members is not known yet.
    fn nested_value(
        &mut self,
        record: &[u8],
        start: usize,
        place: Place,
        depth: usize,
    ) -> Option<Span> {
        let opened = Opened {
            at: start,
            lead: start,
            names: self.names.inside(place)?,
            // A list's objects lie one level deeper.
            depth: depth + usize::from(record[start] == b'{'),
        };
        let mut side = std::mem::take(self.nested.get_mut(depth)?);
        let side_start = side.len();
        let done = self.container(&mut side, record, opened);
        let side_end = side.len();
        self.nested[depth] = side;
        let Done { end, written } = done?;
        if written {
            return Some(Span {
                start: side_start,
                copy_end: side_end,
                end,
                form: Form::Nested,
            });
        }
        Some(Span::new(start, end, Form::Joined))
    }

    fn array(&mut self, out: &mut Vec<u8>, record: &[u8], opened: Opened) -> Option<Done> {
        if opened.depth >= MAX_DEPTH {
            return None;
        }
        let mut lead = Lead {
            from: opened.lead,
            written: false,
        };
        let mut at = skip_blanks(record, opened.at + 1);
        lead.skip(out, record, opened.at + 1, at);
        if record.get(at) != Some(&b']') {
            loop {
                let end = self.item(out, record, Opened { at, ..opened }, &mut lead)?;
                let stop = skip_blanks(record, end);
                lead.skip(out, record, end, stop);
                at = stop;
                match *record.get(stop)? {
                    b',' => at = skip_blanks(record, stop + 1),
                    b']' => break,
                    _ => return None,
                }
                lead.skip(out, record, stop + 1, at);
            }
        }
        if lead.written {
            push_run(out, record, lead.from, at + 1);
        }
        Some(Done {
            end: at + 1,
            written: lead.written,
        })
    }

    /// Reads one of a list's items and says where it ends.
    #[inline]
    fn item(
        &mut self,
        out: &mut Vec<u8>,
        record: &[u8],
        place: Opened,
        lead: &mut Lead,
    ) -> Option<usize> {
        let byte = *record.get(place.at)?;
        if matches!(byte, b'{' | b'[') {
            let inner = Opened {
                lead: lead.from,
                depth: place.depth + 1,
                ..place
            };
            let done = self.container(out, record, inner)?;
            if done.written {
                lead.from = done.end;
                lead.written = true;
            }
            return Some(done.end);
        }
        let scalar = self.scalar(record, place.at, byte)?;
        let (end, copy_end) = (scalar.end, scalar.copy_end);
        if scalar.form == Form::Joined {
            lead.skip(out, record, copy_end, end);
        } else {
            lead.cut(out, record, place.at, end);
            write_scalar(out, &record[place.at..copy_end], scalar.form);
        }
        Some(end)
    }

    /// Reads a string, a number or a word whose first byte is given.
    #[inline(always)]
    fn scalar(&mut self, record: &[u8], at: usize, byte: u8) -> Option<Span> {
        match byte {
            b'"' => {
                let string = StringSpan::scan(record, at)?;
                self.non_ascii |= string.non_ascii;
                let form = match string.must_rewrite(record, at) {
                    true => Form::String,
                    false => Form::Joined,
                };
                Some(Span::new(at, string.end, form))
            }
            b'-' | b'0'..=b'9' => number::scan(record, at),
            _ => word_end(record, at).map(|end| Span::new(at, end, Form::Joined)),
        }
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
        .map(|()| Written::Anew)
}

/// The place of a value, and what is to be done with its text.
#[derive(Clone, Copy)]
struct Span {
    start: usize,
    /// Without the zeros that Java would not print.
    copy_end: usize,
    /// Behind it in the record.
    end: usize,
    /// `Joined` if the text may be copied.
    form: Form,
}

impl Span {
    #[inline]
    fn new(start: usize, end: usize, form: Form) -> Self {
        Span {
            start,
            copy_end: end,
            end,
            form,
        }
    }
}

/// The end of `true`, `false` or `null`. What follows is looked at by the caller, who expects punctuation there.
#[inline]
fn word_end(record: &[u8], at: usize) -> Option<usize> {
    let word: &[u8] = match record[at] {
        b't' => b"true",
        b'f' => b"false",
        b'n' => b"null",
        _ => return None,
    };
    record[at..].starts_with(word).then_some(at + word.len())
}

/// The place of the next byte that is no white space.
#[inline]
fn skip_blanks(record: &[u8], mut at: usize) -> usize {
    while matches!(record.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests;
