//! Objects that are written with a chain's edits made: what no edit touches is copied, and where each member goes is found out
//! once for all objects with the same names. Whatever is not of the simple kind is left to values.

use super::super::node::parse_f64;
use super::super::parser;
use super::super::read::infer;
use super::field::{FieldSpan, Form, Run};
use super::names::{Names, Place};
use super::tries::Tries;
use super::{Canonical, Members, Opened, skip_blanks};
use millstream_core::edit::{Editor, Layout, Place as Source, Step};
use millstream_core::{ByteColumn, Value};
use millstream_java::json as java_json;

/// Members in all layouts together; with more of them objects are too unlike for this to be of use.
const MAX_MEMBERS: usize = 16 * 1024;

/// Rewrites records and remembers their layouts.
#[derive(Default)]
pub(in super::super) struct Edited {
    canonical: Canonical,
    layouts: Vec<Prepared>,
    /// The number of a place's layout, from 1 on; 0 for one that is not known.
    by_place: Vec<u16>,
    members: usize,
    /// What the steps have made for the record.
    made: Vec<Value>,
    /// A topic whose columns have to become values is tried ever more rarely.
    tries: Tries,
}

/// A layout with its names as they are written.
struct Prepared {
    steps: Vec<Step>,
    members: Vec<Member>,
}

struct Member {
    source: Source,
    /// With its quotes, the comma before it and the colon behind; `None` where it is copied with its value.
    name: Option<Vec<u8>>,
}

impl Edited {
    /// The text of a column's rows. `None` if one of them has to become a value.
    pub(in super::super) fn column(
        &mut self,
        column: &ByteColumn,
        editor: &mut dyn Editor,
    ) -> Option<ByteColumn> {
        if !self.tries.is_due() {
            return None;
        }
        let texts = self.try_column(column, editor);
        let is_full = self.canonical.names.is_full() || self.members > MAX_MEMBERS;
        if texts.is_none() && is_full {
            *self = Edited {
                tries: self.tries,
                ..Edited::default()
            };
        }
        self.tries.ended(texts.is_some());
        texts
    }

    fn try_column(&mut self, column: &ByteColumn, editor: &mut dyn Editor) -> Option<ByteColumn> {
        let keeps_null = editor.keeps_null();
        let mut out = Vec::new();
        let mut rows = Vec::with_capacity(column.len());
        for (row, record) in column.iter().enumerate() {
            let start = out.len();
            match record {
                Some(record) => self.write(&mut out, record, row, editor)?,
                None if keeps_null => {}
                None => return None,
            }
            rows.push(record.map(|_| (start, out.len() - start)));
            // As much room as the others take, mostly.
            if start == 0 && out.len() > start {
                let rest = column.iter().skip(row + 1).flatten();
                let grown = out.len().saturating_sub(record.map_or(0, <[u8]>::len));
                let bytes: usize = rest.map(|record| record.len() + grown).sum();
                out.reserve(bytes + bytes / 16 + 64);
            }
        }
        let mut texts = ByteColumn::with_capacity(rows.len());
        let buffer = texts.add_buffer(out.into());
        for row in rows {
            texts.push_place(buffer, row);
        }
        Some(texts)
    }

    /// Appends the record's text. After `None` a part of it may be there.
    fn write(
        &mut self,
        out: &mut Vec<u8>,
        record: &[u8],
        row: usize,
        editor: &mut dyn Editor,
    ) -> Option<()> {
        // Places are kept in 32 bits.
        u32::try_from(record.len()).ok()?;
        let start = skip_blanks(record, 0);
        let first = skip_blanks(record, start + 1);
        if record.get(start) != Some(&b'{') || record.get(first) == Some(&b'}') {
            return None;
        }
        let opened = Opened {
            at: start,
            lead: start,
            names: Place::ROOT,
            depth: 0,
        };
        let canonical = &mut self.canonical;
        canonical.fields.clear();
        canonical.nested[0].clear();
        canonical.non_ascii = false;
        let Members { end, place, .. } = canonical.members(record, opened, first)?;
        if canonical.non_ascii {
            simdutf8::basic::from_utf8(&record[start..end]).ok()?;
        }
        let layout = match self.by_place.get(Names::number(place)) {
            Some(known @ 1..) => usize::from(known - 1),
            _ => self.learn(place, record, editor)?,
        };
        let layout = &self.layouts[layout];
        let (fields, nested) = (&self.canonical.fields, &self.canonical.nested[0]);
        self.made.clear();
        for step in &layout.steps {
            let read;
            let old = match step.old {
                None => &Value::Null,
                Some(Source::Step(made)) => &self.made[made],
                Some(Source::Member(member)) => {
                    read = value_of(&fields[member], record)?;
                    &read
                }
            };
            let made = editor.value(row, *step, old)?;
            self.made.push(made);
        }
        let mut run = Run::new(record, start, start + 1);
        for (number, member) in layout.members.iter().enumerate() {
            if let Some(name) = &member.name {
                run.end(out);
                out.extend_from_slice(&name[usize::from(number == 0)..]);
            }
            match (member.source, &member.name) {
                (Source::Step(made), _) => java_json::write_value(out, &self.made[made]).ok()?,
                (Source::Member(field), Some(_)) => fields[field].write_value(out, record, nested),
                (Source::Member(field), None) => {
                    run.member(out, (number > 0).then_some(b','), &fields[field], nested);
                }
            }
        }
        run.end(out);
        out.push(b'}');
        Some(())
    }

    /// The number of the layout of objects that end at this place.
    fn learn(&mut self, place: Place, record: &[u8], editor: &dyn Editor) -> Option<usize> {
        let fields = self.canonical.fields.iter();
        let names: Vec<&str> = fields
            .map(|field| field.name(record))
            .collect::<Option<_>>()?;
        let Layout { steps, members } = editor.layout(&names)?;
        self.members += names.len() + steps.len() + members.len();
        if self.members > MAX_MEMBERS {
            return None;
        }
        let members = members.into_iter().map(|(name, source)| {
            let is_its_own = matches!(source, Source::Member(at) if names[at] == name);
            let written = || {
                let mut written = vec![b','];
                java_json::write_str(&mut written, &name);
                written.push(b':');
                written
            };
            Member {
                source,
                name: (!is_its_own).then(written),
            }
        });
        let members = members.collect();
        self.layouts.push(Prepared { steps, members });
        let number = Names::number(place);
        if self.by_place.len() <= number {
            self.by_place.resize(number + 1, 0);
        }
        self.by_place[number] = u16::try_from(self.layouts.len()).ok()?;
        Some(self.layouts.len() - 1)
    }
}

/// What a member stands for. `None` for an object or a list, whose order is not that in which its text was read.
fn value_of(field: &FieldSpan, record: &[u8]) -> Option<Value> {
    let text = field.scalar(record)?;
    let copied = || matches!(field.form, Form::Joined | Form::Apart);
    match text {
        // Whether it is UTF-8 has been looked at for the whole record.
        [b'"', content @ .., b'"'] if !content.contains(&b'\\') => {
            std::str::from_utf8(content).ok().map(Value::from)
        }
        [b'-' | b'0'..=b'9', ..] if copied() => {
            let digits = std::str::from_utf8(text).ok()?;
            Some(match digits.parse() {
                Ok(whole) => Value::Int64(whole),
                Err(_) => Value::Float64(parse_f64(digits)),
            })
        }
        _ => Some(infer(parser::parse(text).ok()??)),
    }
}
