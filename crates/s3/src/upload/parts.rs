//! What passes between the task and an object's job: parts one way, the end the other.

use crate::intent::Intent;
use crate::store::{StoreError, Tags};
use bytes::Bytes;
use millstream_core::{BytePermit, TopicPartition};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct JobId(pub(super) u64);

#[cfg(test)]
impl JobId {
    pub(crate) fn of_test(number: u64) -> Self {
        JobId(number)
    }
}

/// An object: what it is called and whose it is.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) key: Arc<str>,
    /// The partition that its records come from.
    pub(crate) owner: TopicPartition,
    /// Becomes true when nobody wants the object any more.
    pub(crate) cancelled: watch::Receiver<bool>,
}

impl Object {
    pub(super) fn is_cancelled(&self) -> bool {
        *self.cancelled.borrow()
    }
}

/// How a job ended.
pub(crate) struct Ended {
    pub(crate) job: JobId,
    pub(crate) owner: TopicPartition,
    pub(crate) key: Arc<str>,
    pub(crate) result: Result<End, StoreError>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Stored,
    /// The task dropped the object before it was complete.
    Dropped,
    /// Another object has the name; this offset is the first one whose name is free.
    Clash {
        free: i64,
    },
}

/// Names of objects by the offset of their first record.
pub(crate) type Names = Arc<BTreeMap<i64, String>>;

/// What comes with an object's last part.
#[derive(Debug, Default)]
pub(crate) struct Closing {
    pub(crate) tags: Option<Tags>,
    /// The offset of the object's first record.
    pub(crate) start: i64,
    /// Names that objects would have had which began with later records.
    pub(crate) names: Names,
    /// What the ledger has to say before the object is there.
    pub(crate) intent: Option<Arc<Intent>>,
}

/// A part of an object.
pub(super) struct Piece {
    pub(super) body: Bytes,
    /// With the last part.
    pub(super) closing: Option<Closing>,
    /// Held while the bytes are in memory; parts of a large record share it, as they share their buffer.
    pub(super) permit: Arc<BytePermit>,
}
