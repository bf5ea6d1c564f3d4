//! An object's members as places in the record, and how they are written.

use super::super::node::parse_f64;
use super::escapes::unescape;
use millstream_java::json as java_json;

/// Where a member lies in the record, the quotes of its name included.
#[derive(Clone, Copy)]
pub(super) struct FieldSpan {
    pub(super) start: u32,
    pub(super) name_end: u32,
    /// In the record, or in the side text of the object's depth.
    pub(super) value_start: u32,
    /// Behind the part that is to be copied.
    pub(super) value_end: u32,
    pub(super) form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Name, colon and value lie side by side and are canonical.
    Joined,
    /// The value is canonical, there are blanks around the colon.
    Apart,
    /// A string that is to be written anew.
    String,
    /// An integer of up to 18 digits that is to be printed anew.
    Integer,
    /// A number with a point or an exponent that is to be printed anew.
    Fraction,
    /// An object or a list, already written to the side.
    Nested,
}

impl FieldSpan {
    pub(super) fn quoted_name<'a>(&self, record: &'a [u8]) -> &'a [u8] {
        &record[self.start as usize..self.name_end as usize]
    }

    /// The name, which has no escapes. `None` if it is not UTF-8.
    pub(super) fn name<'a>(&self, record: &'a [u8]) -> Option<&'a str> {
        let quoted = self.quoted_name(record);
        std::str::from_utf8(&quoted[1..quoted.len() - 1]).ok()
    }

    /// Writes the value alone.
    #[inline]
    pub(super) fn write_value(&self, out: &mut Vec<u8>, record: &[u8], nested: &[u8]) {
        let value = self.value_start as usize..self.value_end as usize;
        if self.form == Form::Nested {
            out.extend_from_slice(&nested[value]);
        } else {
            write_scalar(out, &record[value], self.form);
        }
    }

    /// The value's text, if it is neither an object nor a list.
    pub(super) fn scalar<'a>(&self, record: &'a [u8]) -> Option<&'a [u8]> {
        let text = record.get(self.value_start as usize..self.value_end as usize)?;
        let is_scalar = self.form != Form::Nested && !matches!(text.first()?, b'{' | b'[');
        is_scalar.then_some(text)
    }
}

/// Text of the record that is to be copied once it is known how far it goes.
pub(super) struct Run<'a> {
    record: &'a [u8],
    from: usize,
    to: usize,
}

impl<'a> Run<'a> {
    pub(super) fn new(record: &'a [u8], from: usize, to: usize) -> Self {
        Run { record, from, to }
    }

    /// Goes on with `from..to` behind `gap`, which stands in the record, too, where nothing else lies between.
    #[inline]
    fn go_on(&mut self, out: &mut Vec<u8>, gap: Option<u8>, from: usize, to: usize) {
        if self.to + usize::from(gap.is_some()) != from {
            self.flush(out);
            out.extend(gap);
            self.from = from;
        }
        self.to = to;
    }

    #[inline]
    pub(super) fn flush(&self, out: &mut Vec<u8>) {
        push_run(out, self.record, self.from, self.to);
    }

    /// Writes what goes before, and nothing is left to be copied.
    #[inline]
    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        self.flush(out);
        // Nothing follows a place behind the record's end.
        self.from = self.record.len();
        self.to = self.from;
    }

    /// Writes a member behind `gap`: nothing, or the comma behind the member before it.
    #[inline]
    pub(super) fn member(
        &mut self,
        out: &mut Vec<u8>,
        gap: Option<u8>,
        field: &FieldSpan,
        nested: &[u8],
    ) {
        let value = field.value_start as usize..field.value_end as usize;
        let start = field.start as usize;
        if field.form == Form::Joined {
            return self.go_on(out, gap, start, value.end);
        }
        self.go_on(out, gap, start, field.name_end as usize);
        if field.form == Form::Apart {
            return self.go_on(out, Some(b':'), value.start, value.end);
        }
        self.end(out);
        out.push(b':');
        field.write_value(out, self.record, nested);
    }
}

/// Writes a string with its quotes, or a number, anew where its form says so.
pub(super) fn write_scalar(out: &mut Vec<u8>, text: &[u8], form: Form) {
    let digits = || std::str::from_utf8(text).expect("a number is ASCII");
    match form {
        Form::String => {
            let mut content = Vec::with_capacity(text.len());
            unescape(&mut content, &text[1..text.len() - 1]).expect("its escapes have been read");
            java_json::write_string(out, &content);
        }
        Form::Integer => java_json::write_i64(out, digits().parse().expect("18 digits fit")),
        Form::Fraction => java_json::write_f64(out, parse_f64(digits())),
        Form::Joined | Form::Apart | Form::Nested => out.extend_from_slice(text),
    }
}

/// Copies `from..to`, which mostly is short.
#[inline]
pub(super) fn push_run(out: &mut Vec<u8>, bytes: &[u8], from: usize, to: usize) {
    java_json::push_run::<32>(out, bytes, from, to);
}
