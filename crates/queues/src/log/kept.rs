//! KeptOffset: how far a log has been read for one connector, in the store where offsets of sources are kept.

use millstream_core::source_map::Plain;
use millstream_core::{OffsetError, OffsetStore, SourceMap};
use std::sync::Arc;

/// The names under which they are stored.
const QUEUE: &str = "queue";
pub(crate) const OFFSET: &str = "offset";

/// The place of one log's offset.
#[derive(Clone)]
pub struct KeptOffset {
    store: Arc<dyn OffsetStore>,
    connector: Arc<str>,
    queue: String,
}

impl KeptOffset {
    pub fn new(store: Arc<dyn OffsetStore>, connector: Arc<str>, queue: &str) -> Self {
        KeptOffset {
            store,
            connector,
            queue: queue.to_owned(),
        }
    }

    /// The partition of the source that a log is.
    pub(crate) fn partition(queue: &str) -> SourceMap {
        SourceMap::from_iter([(QUEUE, queue.to_owned())])
    }

    /// The offset of the next message to read, if one is kept.
    ///
    /// # Errors
    /// The store is out of reach.
    pub(crate) async fn read(&self) -> Result<Option<i64>, OffsetError> {
        let stored = self.store.read(&self.connector).await?;
        let partition = KeptOffset::partition(&self.queue);
        let found = stored.into_iter().find(|(known, _)| *known == partition);
        Ok(found.and_then(|(_, offset)| match offset.get(OFFSET) {
            Some(Plain::Integer(offset)) => Some(*offset),
            _ => None,
        }))
    }

    /// Keeps it, and returns once it is safe. What is kept never moves back: a task that is on its way out, and that others have
    /// overtaken, changes nothing, and is told how far they are. Two that write at the same moment may still undo each other.
    ///
    /// # Errors
    /// It may or may not have been kept.
    pub(crate) async fn write(&self, next: i64) -> Result<Option<i64>, OffsetError> {
        let kept = self.read().await?;
        if let Some(further) = kept.filter(|kept| *kept > next) {
            return Ok(Some(further));
        }
        if kept != Some(next) {
            self.store(Some(next)).await?;
        }
        Ok(None)
    }

    /// Keeps nothing any more: the next to write may be any.
    ///
    /// # Errors
    /// It may still be kept.
    pub(crate) async fn forget(&self) -> Result<(), OffsetError> {
        self.store(None).await
    }

    async fn store(&self, next: Option<i64>) -> Result<(), OffsetError> {
        let partition = KeptOffset::partition(&self.queue);
        let offset = next.map(|next| SourceMap::from_iter([(OFFSET, next)]));
        self.store
            .write(&self.connector, &[(partition, offset)])
            .await
    }
}
