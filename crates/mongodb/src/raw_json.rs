//! Plain JSON straight to statements in BSON, without a tree: what most records are; and elements that a converter has made of it, which
//! are copied once. Anything out of the ordinary (lenient forms, `$` names, repeated names, huge numbers) is left to the reader in
//! `json.rs`; what this writes is byte for byte what that way would have written.

mod parser;

use crate::command_buffer::{end_document, push_decimal, push_name, push_string};
use crate::document_id::IdStrategy;
use crate::operation::{MAX_DOCUMENT, StatementKind, StatementRef};
use crate::processor::{IdOrigin, Processor};
use crate::record::message_id;
use crate::write_model::WriteStrategy;
use bson::oid::ObjectId;
use millstream_core::batch::DOCUMENT;
use millstream_core::{Payload, RawKind, RecordBatch};
use parser::{Found, Name, read_elements};

/// More than what stands around a document in its statement.
const AROUND: usize = 256;

/// What the fast way needs to know of a topic's settings; `None` if they ask for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawPath {
    form: Form,
    ids: RawIds,
    overwrite: bool,
}

/// The statements that can be written around a document as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Insert,
    Replace,
    Update,
    StampedUpdate,
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

/// Memory to work in, kept from row to row.
#[derive(Default)]
pub(crate) struct RawScratch {
    elements: Vec<u8>,
    /// An `_id` that the value does not have.
    id: Vec<u8>,
    statement: Vec<u8>,
    names: Vec<Name>,
}

/// A document's elements around its `_id`.
#[derive(Clone, Copy)]
struct Elements<'a> {
    before: &'a [u8],
    id: &'a [u8],
    after: &'a [u8],
}

impl Elements<'_> {
    fn push_all(self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.before);
        out.extend_from_slice(self.id);
        out.extend_from_slice(self.after);
    }

    fn push_without_id(self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.before);
        out.extend_from_slice(self.after);
    }

    fn size(self) -> usize {
        self.before.len() + self.id.len() + self.after.len()
    }
}

impl Form {
    fn of(write: WriteStrategy) -> Option<Self> {
        match write {
            WriteStrategy::InsertOneDefault => Some(Form::Insert),
            WriteStrategy::ReplaceOneDefault => Some(Form::Replace),
            WriteStrategy::UpdateOneDefault => Some(Form::Update),
            WriteStrategy::UpdateOneTimestamps => Some(Form::StampedUpdate),
            _ => None,
        }
    }

    fn kind(self) -> StatementKind {
        match self {
            Form::Insert => StatementKind::Insert,
            Form::Replace => StatementKind::Replace,
            Form::Update | Form::StampedUpdate => StatementKind::Update,
        }
    }

    /// Writes the statement of a document.
    fn write(self, elements: Elements<'_>, now: i64, out: &mut Vec<u8>) {
        if self == Form::Insert {
            // As inserts go over the wire: the id is in front.
            return push_document(out, |out| {
                out.extend_from_slice(elements.id);
                elements.push_without_id(out);
            });
        }
        push_document(out, |out| {
            push_name(out, 0x03, "q");
            push_document(out, |out| out.extend_from_slice(elements.id));
            push_name(out, 0x03, "u");
            match self {
                Form::Insert | Form::Replace => push_document(out, |out| elements.push_all(out)),
                Form::Update => push_document(out, |out| {
                    push_name(out, 0x03, "$set");
                    push_document(out, |out| elements.push_without_id(out));
                }),
                Form::StampedUpdate => push_document(out, |out| {
                    push_name(out, 0x03, "$set");
                    push_document(out, |out| {
                        elements.push_all(out);
                        push_time(out, "_modifiedTS", now);
                    });
                    push_name(out, 0x03, "$setOnInsert");
                    push_document(out, |out| push_time(out, "_insertedTS", now));
                }),
            }
            push_name(out, 0x08, "upsert");
            out.push(1);
        });
    }
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
            form: Form::of(*write)?,
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

    /// The row's statement, if its value is plain. `now` is epoch milliseconds.
    pub(crate) fn statement<'s>(
        self,
        batch: &RecordBatch,
        row: usize,
        now: i64,
        scratch: &'s mut RawScratch,
    ) -> Option<StatementRef<'s>> {
        let Payload::Raw { column, kind } = &batch.values else {
            return None;
        };
        let RawScratch {
            elements: read,
            id: made,
            statement,
            names,
        } = scratch;
        let bytes = column.get(row)?;
        let (elements, found) = match (kind, bytes) {
            // No `_id` is among them, and no stamp.
            (RawKind::Document, [DOCUMENT, elements @ ..]) => (elements, Found::default()),
            (RawKind::String | RawKind::Json | RawKind::Document, text) => {
                let text = std::str::from_utf8(text).ok()?;
                let narrow = *kind == RawKind::String;
                read.clear();
                let found = read_elements(text, narrow, read, names)?;
                (&read[..], found)
            }
            (RawKind::Bytes | RawKind::Undecoded, _) => return None,
        };
        // A stamp that is there already keeps its place.
        if found.is_stamped && self.form == Form::StampedUpdate {
            return None;
        }
        let (elements, id) = match found.id {
            Some(_) if self.overwrite => return None,
            Some(id) => {
                let elements = Elements {
                    before: &elements[..id.start],
                    id: &elements[id.clone()],
                    after: &elements[id.end..],
                };
                (elements, IdOrigin::Record)
            }
            None => {
                made.clear();
                let origin = self.push_id(batch, row, made)?;
                let elements = Elements {
                    before: elements,
                    id: made,
                    after: &[],
                };
                (elements, origin)
            }
        };
        // What may be too large is measured on the long way.
        if elements.size() + elements.id.len() + AROUND > MAX_DOCUMENT {
            return None;
        }
        statement.clear();
        self.form.write(elements, now, statement);
        Some(StatementRef {
            kind: self.form.kind(),
            bytes: statement,
            id,
        })
    }

    fn push_id(self, batch: &RecordBatch, row: usize, out: &mut Vec<u8>) -> Option<IdOrigin> {
        match self.ids {
            RawIds::InValue => None,
            RawIds::BsonOid => {
                push_name(out, 0x07, "_id");
                out.extend_from_slice(&ObjectId::new().bytes());
                Some(IdOrigin::Fresh)
            }
            RawIds::Message => {
                let id = message_id(batch, row)?;
                push_name(out, 0x02, "_id");
                push_string(out, |out| {
                    id.iter()
                        .for_each(|part| out.extend_from_slice(part.as_bytes()));
                });
                Some(IdOrigin::Offset)
            }
            RawIds::KafkaMetaData => {
                push_name(out, 0x02, "_id");
                push_string(out, |out| {
                    out.extend_from_slice(batch.destination.topic(row).as_bytes());
                    out.push(b'#');
                    push_decimal(out, i64::from(batch.origin.partition));
                    out.push(b'#');
                    push_decimal(out, batch.offsets[row]);
                });
                Some(IdOrigin::Offset)
            }
        }
    }
}

fn push_document(bytes: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = bytes.len();
    bytes.extend_from_slice(&[0; 4]);
    fill(bytes);
    end_document(bytes, start);
}

fn push_time(bytes: &mut Vec<u8>, name: &str, millis: i64) {
    push_name(bytes, 0x09, name);
    bytes.extend_from_slice(&millis.to_le_bytes());
}

#[cfg(test)]
mod tests;
