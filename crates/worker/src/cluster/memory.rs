//! Stores of a worker that has no peers: what is written is read back at once, and nothing outlives the process.

use super::{
    ConfigEvent, ConfigRecord, ConfigStore, Position, StatusEvent, StatusRecord, StatusStore,
};
use async_trait::async_trait;
use millstream_core::{OffsetError, OffsetStore, SourceMap};
use std::collections::VecDeque;
use std::future::pending;
use std::sync::{Mutex, PoisonError};

/// Waits for the queue's next item; the owner refills it between two calls, never during one.
pub(super) async fn next<T>(queue: &mut VecDeque<T>) -> T {
    match queue.pop_front() {
        Some(item) => item,
        None => pending().await,
    }
}

#[derive(Debug, Default)]
pub struct MemoryConfigStore {
    /// After the last record that was written.
    end: i64,
    events: VecDeque<ConfigEvent>,
}

#[async_trait]
impl ConfigStore for MemoryConfigStore {
    fn write(&mut self, number: u64, records: Vec<ConfigRecord>) {
        for record in records {
            self.end += 1;
            let position = Position(self.end);
            self.events
                .push_back(ConfigEvent::Record { position, record });
        }
        let outcome = Ok(());
        self.events
            .push_back(ConfigEvent::Written { number, outcome });
    }

    fn read_to_end(&mut self, number: u64) {
        let outcome = Ok(Position(self.end));
        self.events.push_back(ConfigEvent::End { number, outcome });
    }

    async fn next(&mut self) -> ConfigEvent {
        next(&mut self.events).await
    }
}

#[derive(Debug)]
pub struct MemoryStatusStore(VecDeque<StatusEvent>);

impl Default for MemoryStatusStore {
    fn default() -> Self {
        MemoryStatusStore(VecDeque::from([StatusEvent::End]))
    }
}

#[async_trait]
impl StatusStore for MemoryStatusStore {
    fn write(&mut self, record: StatusRecord) {
        self.0.push_back(StatusEvent::Record(record));
    }

    fn flush(&mut self, number: u64) {
        self.0.push_back(StatusEvent::Flushed { number });
    }

    async fn next(&mut self) -> StatusEvent {
        next(&mut self.0).await
    }
}

/// Offsets of sources that are gone with the process.
#[derive(Debug, Default)]
pub struct MemoryOffsets(Mutex<Vec<(String, SourceMap, SourceMap)>>);

#[async_trait]
impl OffsetStore for MemoryOffsets {
    async fn read(&self, connector: &str) -> Result<Vec<(SourceMap, SourceMap)>, OffsetError> {
        let stored = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = stored.iter().filter(|(name, ..)| name == connector);
        Ok(own
            .map(|(_, partition, offset)| (partition.clone(), offset.clone()))
            .collect())
    }

    async fn write(
        &self,
        connector: &str,
        offsets: &[(SourceMap, Option<SourceMap>)],
    ) -> Result<(), OffsetError> {
        let mut stored = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (partition, offset) in offsets {
            stored.retain(|(name, known, _)| name != connector || known != partition);
            if let Some(offset) = offset {
                stored.push((connector.to_owned(), partition.clone(), offset.clone()));
            }
        }
        Ok(())
    }
}
