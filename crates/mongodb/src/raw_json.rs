//! Plain JSON straight to BSON, without a tree: what most records are. Anything out of the ordinary (lenient
//! forms, `$` names, repeated names, huge numbers) is left to the reader in `json.rs`; what this writes is
//! byte for byte what that way would have written.

use crate::connect_json::may_be_infinity;
use crate::document_id::IdStrategy;
use crate::operation::{MAX_DOCUMENT, Statement, StatementKind};
use crate::processor::{IdOrigin, Processor};
use crate::record::message_id;
use crate::write_model::WriteStrategy;
use bson::oid::ObjectId;
use millstream_core::{Payload, RawKind, RecordBatch};
use std::ops::Range;

/// Deeper documents are rare and go the long way.
const MAX_DEPTH: usize = 64;

/// Names of one document that are compared for repeats; beyond, the long way is no slower.
const MAX_NAMES: usize = 64;

/// More than what stands around a document in its statement.
const AROUND: usize = 64;

/// What the fast way needs to know of a topic's settings; `None` if they ask for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawPath {
    is_insert: bool,
    ids: RawIds,
    overwrite: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RawIds {
    BsonOid,
    KafkaMetaData,
    /// The message has one, or the record goes the long way.
    Message,
    /// The record has one, or the long way says what is wrong.
    InValue,
}

impl RawPath {
    /// For records that all go to one collection.
    pub(crate) fn of(processors: &[Processor], write: &WriteStrategy) -> Option<Self> {
        let [
            Processor::DocumentIdAdder {
                strategy,
                overwrite,
            },
        ] = processors
        else {
            return None;
        };
        Some(RawPath {
            is_insert: match write {
                WriteStrategy::InsertOneDefault => true,
                WriteStrategy::ReplaceOneDefault => false,
                _ => return None,
            },
            ids: match strategy {
                IdStrategy::BsonOid => RawIds::BsonOid,
                IdStrategy::KafkaMetaData => RawIds::KafkaMetaData,
                IdStrategy::Message => RawIds::Message,
                IdStrategy::ProvidedInValue => RawIds::InValue,
                _ => return None,
            },
            overwrite: *overwrite,
        })
    }

    /// The row's statement, if its value is plain. `scratch` is memory to work in.
    pub(crate) fn statement(
        self,
        batch: &RecordBatch,
        row: usize,
        scratch: &mut Vec<u8>,
    ) -> Option<Statement> {
        let Payload::Raw { column, kind } = &batch.values else {
            return None;
        };
        let narrow = match kind {
            RawKind::String => true,
            RawKind::Json => false,
            RawKind::Bytes | RawKind::Undecoded => return None,
        };
        let text = std::str::from_utf8(column.get(row)?).ok()?;
        scratch.clear();
        let own_id = write_elements(text, narrow, scratch)?;
        let (id_element, id) = match own_id {
            Some(_) if self.overwrite => return None,
            Some(range) => (range, IdOrigin::Record),
            None => {
                let start = scratch.len();
                let origin = self.push_id(batch, row, scratch)?;
                (start..scratch.len(), origin)
            }
        };
        // What may be too large is measured on the long way.
        if scratch.len() + id_element.len() + AROUND > MAX_DOCUMENT {
            return None;
        }
        Some(Statement {
            kind: if self.is_insert {
                StatementKind::Insert
            } else {
                StatementKind::Replace
            },
            bytes: if self.is_insert {
                insert(scratch, id_element)
            } else {
                replace(scratch, id_element)
            },
            id,
        })
    }

    fn push_id(self, batch: &RecordBatch, row: usize, out: &mut Vec<u8>) -> Option<IdOrigin> {
        match self.ids {
            RawIds::InValue => None,
            RawIds::BsonOid => {
                out.extend_from_slice(b"\x07_id\0");
                out.extend_from_slice(&ObjectId::new().bytes());
                Some(IdOrigin::Fresh)
            }
            RawIds::Message => {
                let id = message_id(batch, row)?;
                out.extend_from_slice(b"\x02_id\0");
                push_string(out, id.as_bytes());
                Some(IdOrigin::Offset)
            }
            RawIds::KafkaMetaData => {
                let (topic, partition) = (batch.destination.topic(row), batch.origin.partition);
                let id = format!("{topic}#{partition}#{}", batch.offsets[row]);
                out.extend_from_slice(b"\x02_id\0");
                push_string(out, id.as_bytes());
                Some(IdOrigin::Offset)
            }
        }
    }
}

/// The document with its id in front, as inserts go over the wire.
fn insert(elements: &[u8], id: Range<usize>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(elements.len() + 5);
    push_document(&mut bytes, |bytes| {
        bytes.extend_from_slice(&elements[id.clone()]);
        bytes.extend_from_slice(&elements[..id.start]);
        bytes.extend_from_slice(&elements[id.end..]);
    });
    bytes
}

/// `{q: {_id}, u: document, upsert: true}`.
fn replace(elements: &[u8], id: Range<usize>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(elements.len() + id.len() + 48);
    push_document(&mut bytes, |bytes| {
        bytes.extend_from_slice(b"\x03q\0");
        push_document(bytes, |bytes| bytes.extend_from_slice(&elements[id]));
        bytes.extend_from_slice(b"\x03u\0");
        push_document(bytes, |bytes| bytes.extend_from_slice(elements));
        bytes.extend_from_slice(b"\x08upsert\0\x01");
    });
    bytes
}

fn push_document(bytes: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = bytes.len();
    bytes.extend_from_slice(&[0; 4]);
    fill(bytes);
    end_document(bytes, start);
}

fn end_document(bytes: &mut Vec<u8>, start: usize) {
    bytes.push(0);
    let length = (bytes.len() - start) as i32;
    bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

fn push_string(bytes: &mut Vec<u8>, text: &[u8]) {
    bytes.extend_from_slice(&(text.len() as i32 + 1).to_le_bytes());
    bytes.extend_from_slice(text);
    bytes.push(0);
}

/// Writes the elements of the object that the text begins with; tells where `_id` is. `None`: not plain.
fn write_elements(text: &str, narrow: bool, out: &mut Vec<u8>) -> Option<Option<Range<usize>>> {
    let mut parser = Parser {
        bytes: text.as_bytes(),
        at: 0,
        narrow,
        id: None,
    };
    parser.skip_blanks();
    parser.expect(b'{')?;
    parser.members(out, 0)?;
    // A converter's text is the whole value; the lenient reader does not look at what follows.
    parser.skip_blanks();
    (narrow || parser.at == parser.bytes.len()).then_some(parser.id)
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Whether a whole number takes the smaller type it fits.
    narrow: bool,
    id: Option<Range<usize>>,
}

impl<'a> Parser<'a> {
    fn skip_blanks(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.bytes.get(self.at) == Some(&byte)).then(|| self.at += 1)
    }

    /// The members of an object whose brace is read, as elements.
    fn members(&mut self, out: &mut Vec<u8>, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        let mut names: [&[u8]; MAX_NAMES] = [&[]; MAX_NAMES];
        let mut count = 0;
        self.skip_blanks();
        if self.expect(b'}').is_some() {
            return Some(());
        }
        loop {
            self.skip_blanks();
            let name = self.plain_name()?;
            if count == MAX_NAMES || names[..count].contains(&name) {
                return None;
            }
            names[count] = name;
            count += 1;
            self.skip_blanks();
            self.expect(b':')?;
            self.skip_blanks();
            let start = out.len();
            out.push(0);
            out.extend_from_slice(name);
            out.push(0);
            out[start] = self.value(out, depth)?;
            if depth == 0 && name == b"_id" {
                self.id = Some(start..out.len());
            }
            self.skip_blanks();
            match self.bytes.get(self.at)? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
        }
    }

    /// A name in double quotes without escapes, NUL or a leading `$`.
    fn plain_name(&mut self) -> Option<&'a [u8]> {
        self.expect(b'"')?;
        let bytes = self.bytes;
        let start = self.at;
        let length = bytes[start..]
            .iter()
            .position(|&byte| matches!(byte, b'"' | b'\\' | 0))?;
        self.at = start + length + 1;
        let name = &bytes[start..start + length];
        (bytes[start + length] == b'"' && name.first() != Some(&b'$')).then_some(name)
    }

    /// Writes a value and returns its type.
    fn value(&mut self, out: &mut Vec<u8>, depth: usize) -> Option<u8> {
        match self.bytes.get(self.at)? {
            b'"' => {
                self.at += 1;
                let start = out.len();
                self.string(out)?;
                // Behind its length: an infinite number, as a converter writes it, or not.
                if !self.narrow && may_be_infinity(&out[start + 4..out.len() - 1]) {
                    return None;
                }
                Some(0x02)
            }
            b'{' => {
                self.at += 1;
                let start = out.len();
                out.extend_from_slice(&[0; 4]);
                self.members(out, depth + 1)?;
                end_document(out, start);
                Some(0x03)
            }
            b'[' => {
                self.at += 1;
                let start = out.len();
                out.extend_from_slice(&[0; 4]);
                self.items(out, depth + 1)?;
                end_document(out, start);
                Some(0x04)
            }
            b't' => self.literal(b"true").map(|()| out.push(1)).map(|()| 0x08),
            b'f' => self.literal(b"false").map(|()| out.push(0)).map(|()| 0x08),
            b'n' => self.literal(b"null").map(|()| 0x0A),
            _ => self.number(out),
        }
    }

    fn items(&mut self, out: &mut Vec<u8>, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.skip_blanks();
        if self.expect(b']').is_some() {
            return Some(());
        }
        for index in 0u32.. {
            self.skip_blanks();
            let start = out.len();
            out.push(0);
            push_index(out, index);
            out.push(0);
            out[start] = self.value(out, depth)?;
            self.skip_blanks();
            match self.bytes.get(self.at)? {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
        }
        None
    }

    /// A literal, and what must follow one.
    fn literal(&mut self, text: &[u8]) -> Option<()> {
        let end = self.at + text.len();
        if self.bytes.get(self.at..end)? != text || !ends_value(self.bytes.get(end)) {
            return None;
        }
        self.at = end;
        Some(())
    }

    /// A string whose quote is read.
    fn string(&mut self, out: &mut Vec<u8>) -> Option<()> {
        let length_at = out.len();
        out.extend_from_slice(&[0; 4]);
        loop {
            let run = self.bytes[self.at..]
                .iter()
                .position(|&byte| matches!(byte, b'"' | b'\\'))?;
            out.extend_from_slice(&self.bytes[self.at..self.at + run]);
            self.at += run + 1;
            if self.bytes[self.at - 1] == b'"' {
                break;
            }
            let plain = match self.bytes.get(self.at)? {
                b'"' => b'"',
                b'\\' => b'\\',
                b'/' => b'/',
                b'b' => 8,
                b'f' => 12,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'u' => {
                    self.at += 1;
                    self.unicode(out)?;
                    continue;
                }
                _ => return None,
            };
            out.push(plain);
            self.at += 1;
        }
        out.push(0);
        let length = (out.len() - length_at - 4) as i32;
        out[length_at..length_at + 4].copy_from_slice(&length.to_le_bytes());
        Some(())
    }

    /// Four digits, or twice four for a pair of surrogates; a lone one is for the long way.
    fn unicode(&mut self, out: &mut Vec<u8>) -> Option<()> {
        let first = self.unit()?;
        let code = match first {
            0xD800..=0xDBFF => {
                self.expect(b'\\')?;
                self.expect(b'u')?;
                let second = self
                    .unit()
                    .filter(|unit| (0xDC00..=0xDFFF).contains(unit))?;
                0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00)
            }
            other => other,
        };
        let character = char::from_u32(code)?;
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        Some(())
    }

    fn unit(&mut self) -> Option<u32> {
        let digits = self.bytes.get(self.at..self.at + 4)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        self.at += 4;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    }

    fn number(&mut self, out: &mut Vec<u8>) -> Option<u8> {
        let start = self.at;
        if self.bytes.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        let mut whole = 0u64;
        let first_digit = self.at;
        while let Some(digit) = self.bytes.get(self.at).filter(|byte| byte.is_ascii_digit()) {
            whole = whole
                .checked_mul(10)?
                .checked_add(u64::from(digit - b'0'))?;
            self.at += 1;
        }
        if self.at == first_digit {
            return None;
        }
        let is_whole = !matches!(self.bytes.get(self.at), Some(b'.' | b'e' | b'E'));
        if !is_whole {
            self.fraction()?;
        }
        if !ends_value(self.bytes.get(self.at)) {
            return None;
        }
        if !is_whole {
            let text = std::str::from_utf8(&self.bytes[start..self.at]).ok()?;
            out.extend_from_slice(&text.parse::<f64>().ok()?.to_le_bytes());
            return Some(0x01);
        }
        let number = if first_digit > start {
            0i64.checked_sub_unsigned(whole)?
        } else {
            i64::try_from(whole).ok()?
        };
        match i32::try_from(number) {
            Ok(small) if self.narrow => {
                out.extend_from_slice(&small.to_le_bytes());
                Some(0x10)
            }
            _ => {
                out.extend_from_slice(&number.to_le_bytes());
                Some(0x12)
            }
        }
    }

    fn fraction(&mut self) -> Option<()> {
        if self.expect(b'.').is_some() {
            self.digits()?;
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.bytes.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }
}

fn ends_value(next: Option<&u8>) -> bool {
    matches!(
        next,
        Some(b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t')
    )
}

fn push_index(out: &mut Vec<u8>, index: u32) {
    if index < 10 {
        out.push(b'0' + index as u8);
    } else {
        out.extend_from_slice(index.to_string().as_bytes());
    }
}

#[cfg(test)]
mod tests;
