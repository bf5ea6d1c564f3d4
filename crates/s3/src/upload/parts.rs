//! What passes between the task and an object's job: parts one way, the end the other.

use super::buffers::PartBuffers;
use crate::compress::Making;
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

/// The bytes of a part.
pub(crate) enum Body {
    Ready(Bytes),
    /// The last part of an object that is being compressed.
    Making {
        made: Making,
        at_most: usize,
        buffers: PartBuffers,
    },
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Body::Ready(bytes)
    }
}

impl Body {
    /// Bytes that are being compressed: so many at most, whose memory is one of these buffers then.
    pub(crate) fn making(made: Making, at_most: usize, buffers: &PartBuffers) -> Self {
        let buffers = buffers.clone();
        Body::Making {
            made,
            at_most,
            buffers,
        }
    }

    /// How many bytes it has, or will have at most.
    pub(super) fn len(&self) -> usize {
        match self {
            Body::Ready(bytes) => bytes.len(),
            Body::Making { at_most, .. } => *at_most,
        }
    }

    /// Whether it is counted as what it may become, and not as what it is.
    pub(super) fn may_be_less(&self) -> bool {
        matches!(self, Body::Making { .. })
    }

    /// Waits for what is being compressed.
    pub(super) async fn ready(self) -> Result<Bytes, StoreError> {
        match self {
            Body::Ready(bytes) => Ok(bytes),
            Body::Making { made, buffers, .. } => match made.await {
                Ok(Ok(bytes)) => Ok(buffers.lend(bytes)),
                Ok(Err(error)) => Err(StoreError::permanent(error.to_string())),
                Err(_) => Err(StoreError::permanent("the object has not been compressed")),
            },
        }
    }
}

/// A part of an object.
pub(super) struct Piece {
    pub(super) body: Body,
    /// With the last part.
    pub(super) closing: Option<Closing>,
    /// Held while the bytes are in memory; parts of a large record share it, as they share their buffer.
    pub(super) permit: Arc<BytePermit>,
}
