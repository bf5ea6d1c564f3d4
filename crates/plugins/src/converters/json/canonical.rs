//! Schemaless JSON text to the text that Java would write for the values it reads from it: keys in the order of a
//! `HashMap`, numbers by `Double.toString`, no blanks. Flat objects without escapes are rewritten span by span;
//! everything else goes through the parser, `Value` and the plain writer, which say what is right.

use super::parser::{self, Malformed};
use super::read::infer;
use crate::converters::json::node::parse_f64;
use millstream_core::{Map, RecordError, Value, java_json};
use wide::u8x16;

const LANES: usize = 16;

/// Objects with more members take the slow way.
const MAX_FIELDS: usize = 32;

/// Two quotes around each name and each string.
const MAX_QUOTES: usize = 4 * MAX_FIELDS;

/// Longer numbers take the slow way, which knows Jackson's limits.
const MAX_NUMBER: usize = 64;

/// Longer names take the slow way too.
const MAX_NAME: usize = 1000;

/// The shapes that a topic's records alternate between.
const MAX_SHAPES: usize = 8;

/// The byte from which on characters lie beyond U+FFFF.
const BEYOND_BMP: u8 = 0xF0;

/// Rewrites records and remembers the shapes of the last ones.
#[derive(Default)]
pub(super) struct Canonical {
    quotes: Quotes,
    fields: Vec<FieldSpan>,
    shapes: Vec<Shape>,
    /// The shape that matched last.
    last: usize,
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
        if self
            .write_flat_object(out, record.trim_ascii_end())
            .is_some()
        {
            return Ok(Written::Text);
        }
        out.truncate(start);
        write_slowly(out, record)
    }

    /// `None` if the record is not of the simple kind; `out` may hold a part of it then.
    fn write_flat_object(&mut self, out: &mut Vec<u8>, record: &[u8]) -> Option<()> {
        self.quotes.find(record)?;
        split(record, self.quotes.found(), &mut self.fields)?;
        let shape = self.shape(record)?;
        out.reserve(record.len() + 2 * LANES);
        out.push(b'{');
        for (index, &place) in self.shapes[shape].order.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            self.fields[usize::from(place)].write(out, record);
        }
        out.push(b'}');
        Some(())
    }

    /// The number of the shape that the fields have.
    fn shape(&mut self, record: &[u8]) -> Option<usize> {
        let fields = &self.fields;
        let matches =
            |shape: &Shape| {
                shape.names.len() == fields.len()
                    && shape.names.iter().zip(fields).all(|(name, field)| {
                        name.stands_at(record, field.name_start, field.name_end)
                    })
            };
        if self.shapes.get(self.last).is_some_and(matches) {
            return Some(self.last);
        }
        if let Some(known) = self.shapes.iter().position(matches) {
            self.last = known;
            return Some(known);
        }
        let shape = Shape::new(record, fields)?;
        if self.shapes.len() < MAX_SHAPES {
            self.last = self.shapes.len();
            self.shapes.push(shape);
        } else {
            self.last = self.oldest;
            self.shapes[self.oldest] = shape;
            self.oldest = (self.oldest + 1) % MAX_SHAPES;
        }
        Some(self.last)
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

/// The places of a record's quotes.
struct Quotes {
    places: [u32; MAX_QUOTES],
    count: usize,
}

impl Default for Quotes {
    fn default() -> Self {
        Quotes {
            places: [0; MAX_QUOTES],
            count: 0,
        }
    }
}

impl Quotes {
    fn found(&self) -> &[u32] {
        &self.places[..self.count]
    }

    /// `None` where a byte asks for the slow way: a control character, a backslash, malformed UTF-8, a character
    /// beyond U+FFFF, too many quotes.
    #[inline]
    fn find(&mut self, record: &[u8]) -> Option<()> {
        let mut count = 0;
        let mut special = u8x16::ZERO;
        let mut highest = u8x16::ZERO;
        let mut base = 0;
        let (chunks, rest) = record.as_chunks::<LANES>();
        let mut look = |chunk: &[u8; LANES]| {
            let lanes = u8x16::new(*chunk);
            special |=
                lanes.min(u8x16::splat(0x1F)).simd_eq(lanes) | lanes.simd_eq(u8x16::splat(b'\\'));
            highest = highest.max(lanes);
            let mut mask = lanes.simd_eq(u8x16::splat(b'"')).to_bitmask();
            while mask != 0 {
                *self.places.get_mut(count)? = base + mask.trailing_zeros();
                count += 1;
                mask &= mask - 1;
            }
            base += LANES as u32;
            Some(())
        };
        for chunk in chunks {
            look(chunk)?;
        }
        if !rest.is_empty() {
            let mut padded = [b' '; LANES];
            padded[..rest.len()].copy_from_slice(rest);
            look(&padded)?;
        }
        self.count = count;
        let beyond = highest.max(u8x16::splat(BEYOND_BMP)).simd_eq(highest);
        if (special | beyond).to_bitmask() != 0 {
            return None;
        }
        let ascii = highest.to_bitmask() == 0;
        (ascii || simdutf8::basic::from_utf8(record).is_ok()).then_some(())
    }
}

/// Where a member lies in the record, its quotes included.
#[derive(Clone, Copy)]
struct FieldSpan {
    name_start: u32,
    name_end: u32,
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
    /// An integer of up to 18 digits that is to be printed anew.
    Integer,
    /// A number with a point or an exponent that is to be printed anew.
    Fraction,
}

impl FieldSpan {
    #[inline]
    fn write(&self, out: &mut Vec<u8>, record: &[u8]) {
        let value = self.value_start as usize..self.value_end as usize;
        if self.form == Form::Joined {
            push_run(out, record, self.name_start as usize, value.end);
            return;
        }
        out.extend_from_slice(&record[self.name_start as usize..self.name_end as usize]);
        out.push(b':');
        if self.form == Form::Apart {
            out.extend_from_slice(&record[value]);
            return;
        }
        let text = std::str::from_utf8(&record[value]).expect("a number is ASCII");
        if self.form == Form::Fraction {
            java_json::write_f64(out, parse_f64(text));
        } else {
            java_json::write_i64(out, text.parse().expect("18 digits fit"));
        }
    }
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

/// Splits a flat object into its members; `None` if it is anything else.
#[inline]
fn split(record: &[u8], quotes: &[u32], fields: &mut Vec<FieldSpan>) -> Option<()> {
    fields.clear();
    let mut at = skip_blanks(record, 0);
    if record.get(at) != Some(&b'{') {
        return None;
    }
    at = skip_blanks(record, at + 1);
    if record.get(at) == Some(&b'}') {
        return Some(());
    }
    let mut quotes = quotes.as_chunks::<2>().0.iter();
    loop {
        let &[open, close] = quotes.next()?;
        if open as usize != at || fields.len() == MAX_FIELDS {
            return None;
        }
        let name_end = close as usize + 1;
        if name_end - at > MAX_NAME {
            return None;
        }
        let colon = skip_blanks(record, name_end);
        if record.get(colon) != Some(&b':') {
            return None;
        }
        let value_start = skip_blanks(record, colon + 1);
        let joined = value_start == name_end + 1;
        let mut form = if joined { Form::Joined } else { Form::Apart };
        let value_end;
        match *record.get(value_start)? {
            b'"' => {
                let &[_, close] = quotes.next()?;
                value_end = close as usize + 1;
                at = value_end;
            }
            b'-' | b'0'..=b'9' => {
                let number = Number::scan(record, value_start)?;
                at = number.end;
                value_end = number.copy_end;
                form = number.form.unwrap_or(form);
            }
            first => {
                let word: &[u8] = match first {
                    b't' => b"true",
                    b'f' => b"false",
                    b'n' => b"null",
                    _ => return None,
                };
                if !record[value_start..].starts_with(word) {
                    return None;
                }
                value_end = value_start + word.len();
                at = value_end;
            }
        }
        fields.push(FieldSpan {
            name_start: open,
            name_end: name_end as u32,
            value_start: value_start as u32,
            value_end: value_end as u32,
            form,
        });
        at = skip_blanks(record, at);
        match *record.get(at)? {
            b',' => at = skip_blanks(record, at + 1),
            b'}' => return Some(()),
            _ => return None,
        }
    }
}

/// The place of the next byte that is no blank. Other white space has been ruled out.
#[inline]
fn skip_blanks(record: &[u8], mut at: usize) -> usize {
    while record.get(at) == Some(&b' ') {
        at += 1;
    }
    at
}

struct Number {
    end: usize,
    /// Without the zeros that Java would not print.
    copy_end: usize,
    /// `None` if the text may be copied.
    form: Option<Form>,
}

impl Number {
    /// Scans a number. Texts that are their own `Double.toString` or `Long.toString` are known by their form alone:
    /// up to 18 digits, or a fraction of up to 15 digits between 10^-3 and 10^7.
    #[inline]
    fn scan(record: &[u8], start: usize) -> Option<Number> {
        let digits = |mut at: usize| {
            while matches!(record.get(at), Some(b'0'..=b'9')) {
                at += 1;
            }
            at
        };
        let negative = record[start] == b'-';
        let whole_start = start + usize::from(negative);
        let whole_end = digits(whole_start);
        let whole = whole_end - whole_start;
        let leading_zero = record.get(whole_start) == Some(&b'0');
        let zeros_first = leading_zero && whole > 1;
        if whole == 0 {
            return None;
        }
        let mut end = whole_end;
        let mut copy_end = whole_end;
        let mut plain = true;
        if record.get(end) == Some(&b'.') {
            let fraction_start = end + 1;
            end = digits(fraction_start);
            if end == fraction_start {
                return None;
            }
            copy_end = end;
            while copy_end > fraction_start + 1 && record[copy_end - 1] == b'0' {
                copy_end -= 1;
            }
            let large_enough = !leading_zero
                || record[fraction_start..copy_end]
                    .iter()
                    .take(3)
                    .any(|&digit| digit != b'0');
            plain = !zeros_first
                && whole <= 7
                && whole + (copy_end - fraction_start) <= 15
                && large_enough;
        }
        if matches!(record.get(end), Some(b'e' | b'E')) {
            plain = false;
            let sign = matches!(record.get(end + 1), Some(b'+' | b'-'));
            let exponent_start = end + 1 + usize::from(sign);
            end = digits(exponent_start);
            // Nine digits are within Java's limits.
            if !(1..=9).contains(&(end - exponent_start)) {
                return None;
            }
        } else if end == whole_end {
            if whole > 18 {
                return None;
            }
            let rewrite = zeros_first || (negative && leading_zero);
            return Some(Number {
                end,
                copy_end,
                form: rewrite.then_some(Form::Integer),
            });
        }
        if plain {
            return Some(Number {
                end,
                copy_end,
                form: None,
            });
        }
        (end - start <= MAX_NUMBER).then_some(Number {
            end,
            copy_end: end,
            form: Some(Form::Fraction),
        })
    }
}

/// The names of a record's members and the order in which Java's map yields them.
struct Shape {
    names: Vec<Name>,
    order: Vec<u8>,
}

impl Shape {
    /// `None` if a name stands twice.
    fn new(record: &[u8], fields: &[FieldSpan]) -> Option<Self> {
        let mut names = Vec::with_capacity(fields.len());
        let mut pairs = Vec::with_capacity(fields.len());
        for (place, field) in fields.iter().enumerate() {
            let quoted = &record[field.name_start as usize..field.name_end as usize];
            let name = std::str::from_utf8(&quoted[1..quoted.len() - 1]).ok()?;
            names.push(Name::new(quoted));
            pairs.push((Value::from(name), Value::Int64(place as i64)));
        }
        let map = Map::hashed(pairs);
        if map.len() < fields.len() {
            return None;
        }
        let order = map.iter().map(|(_, place)| match place {
            Value::Int64(place) => *place as u8,
            _ => 0,
        });
        Some(Shape {
            order: order.collect(),
            names,
        })
    }
}

/// A name with its quotes, laid out for a quick comparison.
struct Name {
    quoted: Box<[u8]>,
    /// Its first sixteen bytes, zeros behind.
    head: u128,
    /// Ones where `head` has bytes of the name.
    mask: u128,
}

impl Name {
    fn new(quoted: &[u8]) -> Self {
        let mut head = [0; LANES];
        let len = quoted.len().min(LANES);
        head[..len].copy_from_slice(&quoted[..len]);
        Name {
            quoted: quoted.into(),
            head: u128::from_le_bytes(head),
            mask: u128::MAX >> (8 * (LANES - len)),
        }
    }

    #[inline]
    fn stands_at(&self, record: &[u8], start: u32, end: u32) -> bool {
        let (start, end) = (start as usize, end as usize);
        if end - start != self.quoted.len() {
            return false;
        }
        match record[start..].first_chunk::<LANES>() {
            Some(head) if self.quoted.len() <= LANES => {
                u128::from_le_bytes(*head) & self.mask == self.head
            }
            _ => record[start..end] == *self.quoted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fast(canonical: &mut Canonical, record: &[u8]) -> Option<String> {
        let mut out = Vec::new();
        canonical.write_flat_object(&mut out, record)?;
        Some(String::from_utf8(out).unwrap())
    }

    /// Whatever the fast way writes must be what the slow way writes.
    fn check(canonical: &mut Canonical, record: &[u8]) {
        if let Some(text) = fast(canonical, record) {
            let mut slow = Vec::new();
            assert_eq!(write_slowly(&mut slow, record), Ok(Written::Text));
            assert_eq!(text, String::from_utf8(slow).unwrap());
        }
    }

    #[test]
    fn reorders_and_prints_as_java_does() {
        let check = |record: &str, text: &str| {
            assert_eq!(
                fast(&mut Canonical::default(), record.as_bytes()).as_deref(),
                Some(text)
            );
        };
        check(r#"{"id":1,"name":"é"}"#, r#"{"name":"é","id":1}"#);
        check(r#" { "a" : 1.50 , "b" : true } x"#, r#"{"a":1.5,"b":true}"#);
        check(
            r#"{"a":-0,"b":007,"c":1e2,"d":-0.0}"#,
            r#"{"a":0,"b":7,"c":100.0,"d":0.0}"#,
        );
        check(
            r#"{"a":0.0001,"b":12345678.5,"c":null}"#,
            r#"{"a":1.0E-4,"b":1.23456785E7,"c":null}"#,
        );
        check("{}", "{}");
    }

    #[test]
    fn leaves_the_rest_to_the_slow_way() {
        for record in [
            r#"{"a":"\n"}"#,
            r#"{"a":{}}"#,
            r#"{"a":1,"a":2}"#,
            "[1]",
            "",
            r#"{"a":1"#,
            r#"{"a":1,}"#,
            r#"{"a":12345678901234567890}"#,
            r#"{"a":"😀"}"#,
            r#"{"a" 1}"#,
            r#"{"a":1.}"#,
            r#"{"a":tru}"#,
        ] {
            assert_eq!(
                fast(&mut Canonical::default(), record.as_bytes()),
                None,
                "{record}"
            );
        }
    }

    #[test]
    fn keeps_shapes_apart() {
        let mut canonical = Canonical::default();
        for round in 0..3 {
            for width in 1..20 {
                let members: Vec<String> =
                    (0..width).map(|i| format!("\"k{i}\":{round}")).collect();
                check(
                    &mut canonical,
                    format!("{{{}}}", members.join(",")).as_bytes(),
                );
            }
        }
    }

    fn number() -> impl Strategy<Value = String> {
        prop_oneof![
            "-?[0-9]{1,20}",
            "-?[0-9]{1,9}\\.[0-9]{1,17}",
            "-?[0-9]{1,3}(\\.[0-9]{1,5})?[eE][+-]?[0-9]{1,3}",
            any::<f64>()
                .prop_filter("finite", |v| v.is_finite())
                .prop_map(|v| format!("{v:?}")),
        ]
    }

    fn member() -> impl Strategy<Value = String> {
        let value = prop_oneof![
            number(),
            "\"[ -!#-\\[\\]-~é中]{0,20}\"",
            Just("true".to_owned()),
            Just("null".to_owned()),
            Just("[1]".to_owned()),
        ];
        ("[a-c]{1,3}|[a-zé]{1,20}", " ?: ?", value)
            .prop_map(|(name, colon, value)| format!("\"{name}\"{colon}{value}"))
    }

    proptest! {
        #[test]
        fn writes_objects_as_the_slow_way_does(
            records in proptest::collection::vec(proptest::collection::vec(member(), 0..8), 1..6)
        ) {
            let mut canonical = Canonical::default();
            for members in records {
                check(&mut canonical, format!("{{{}}}", members.join(",")).as_bytes());
            }
        }

        #[test]
        fn takes_any_bytes(record in proptest::collection::vec(any::<u8>(), 0..60)) {
            check(&mut Canonical::default(), &record);
        }

        #[test]
        fn takes_near_json(record in "\\{?[\\[\\]{}\",:0-9eE.+\\-tfn\\\\ é]{0,40}") {
            check(&mut Canonical::default(), record.as_bytes());
        }
    }
}
