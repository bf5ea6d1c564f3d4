//! Cursors: what is left of a result after its first batch. They are bounded in number and hold no
//! database resource: a scan goes on after the last key it showed.

use super::filter::Filter;
use bson::{Document, RawDocumentBuf};
use std::collections::{BTreeMap, VecDeque};

/// The oldest cursor goes when one more is opened; clients of a demo leave few behind.
const MAX_CURSORS: usize = 256;

pub(super) enum Rest {
    Scan(Box<Scan>),
    Ready(VecDeque<RawDocumentBuf>),
}

/// Goes on through the collection in order of `_id`.
pub(super) struct Scan {
    pub(super) filter: Filter,
    pub(super) projection: Option<Document>,
    pub(super) last: Vec<u8>,
    pub(super) backwards: bool,
    pub(super) left: usize,
}

pub(super) struct Cursor {
    pub(super) db: String,
    pub(super) collection: String,
    pub(super) rest: Rest,
}

#[derive(Default)]
pub(super) struct Cursors {
    open: BTreeMap<i64, Cursor>,
    last: i64,
}

impl Cursors {
    pub(super) fn add(&mut self, cursor: Cursor) -> i64 {
        if self.open.len() == MAX_CURSORS {
            self.open.pop_first();
        }
        self.last += 1;
        self.open.insert(self.last, cursor);
        self.last
    }

    pub(super) fn put_back(&mut self, id: i64, cursor: Cursor) {
        self.open.insert(id, cursor);
    }

    pub(super) fn take(&mut self, id: i64) -> Option<Cursor> {
        self.open.remove(&id)
    }
}
