//! Operations, ready for the wire: one, those of a bulk write in one buffer, and how large they may be.

use crate::command_buffer::{CommandKind, push_element};
use crate::processor::IdOrigin;

/// One operation, ready for the wire.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) kind: StatementKind,
    /// The document to insert, or the whole statement.
    pub(crate) bytes: Vec<u8>,
    pub(crate) id: IdOrigin,
}

/// The same, where its bytes lie in somebody's buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StatementRef<'a> {
    pub(crate) kind: StatementKind,
    pub(crate) bytes: &'a [u8],
    pub(crate) id: IdOrigin,
}

impl Statement {
    pub(crate) fn borrowed(&self) -> StatementRef<'_> {
        StatementRef {
            kind: self.kind,
            bytes: &self.bytes,
            id: self.id,
        }
    }
}

/// The operations of one bulk write. They lie in one buffer, as the elements of a command's array: a command that carries all
/// of them takes them over with one copy, and no record has memory of its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Statements {
    elements: Vec<u8>,
    places: Vec<Place>,
}

/// Where an operation lies among the elements.
#[derive(Clone, Copy, Debug)]
struct Place {
    kind: StatementKind,
    id: IdOrigin,
    start: u32,
    end: u32,
}

impl Statements {
    pub(crate) fn push(&mut self, statement: StatementRef<'_>) {
        push_element(&mut self.elements, self.places.len());
        let start = self.elements.len();
        self.elements.extend_from_slice(statement.bytes);
        self.places.push(Place {
            kind: statement.kind,
            id: statement.id,
            start: start as u32,
            end: self.elements.len() as u32,
        });
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub(crate) fn get(&self, index: usize) -> StatementRef<'_> {
        let place = self.places[index];
        StatementRef {
            kind: place.kind,
            bytes: &self.elements[place.start as usize..place.end as usize],
            id: place.id,
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = StatementRef<'_>> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// All of them, as a command's array has them.
    pub(crate) fn elements(&self) -> &[u8] {
        &self.elements
    }

    /// Bytes of memory that they take.
    pub(crate) fn memory(&self) -> usize {
        self.elements.capacity() + self.places.capacity() * size_of::<Place>()
    }

    /// Lets go of all of them and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.elements.clear();
        self.places.clear();
    }
}

/// The driver's four kinds; updates and replacements share a command but never one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StatementKind {
    Insert,
    Replace,
    Update,
    Delete,
}

impl StatementKind {
    pub(crate) fn command(self) -> CommandKind {
        match self {
            StatementKind::Insert => CommandKind::Insert,
            StatementKind::Replace | StatementKind::Update => CommandKind::Update,
            StatementKind::Delete => CommandKind::Delete,
        }
    }
}

/// A server's own limit on one document.
pub(crate) const MAX_DOCUMENT: usize = 16 * 1024 * 1024;

/// A server allows 16 KiB more for what stands around a document; a part of it is the command's.
pub(crate) const MAX_STATEMENT: usize = MAX_DOCUMENT + 12 * 1024;
