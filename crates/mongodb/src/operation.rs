//! One operation, ready for the wire, and how large it may be.

use crate::command_buffer::CommandKind;
use crate::processor::IdOrigin;

/// One operation, ready for the wire.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) kind: StatementKind,
    /// The document to insert, or the whole statement.
    pub(crate) bytes: Vec<u8>,
    pub(crate) id: IdOrigin,
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
