//! A cluster of one: what is written is read back at once, and everything is this worker's.

use super::{
    Assignment, ConfigRecord, ConfigStore, Inventory, Membership, StatusRecord, StatusStore,
    StoreError,
};
use crate::task::TaskId;
use async_trait::async_trait;
use std::collections::VecDeque;
use std::future::pending;

/// Waits for the queue's next item; the owner refills it between two calls, never during one.
async fn next<T>(queue: &mut VecDeque<T>) -> T {
    match queue.pop_front() {
        Some(item) => item,
        None => pending().await,
    }
}

#[derive(Debug, Default)]
pub struct MemoryConfigStore(VecDeque<ConfigRecord>);

#[async_trait]
impl ConfigStore for MemoryConfigStore {
    async fn write(&mut self, records: Vec<ConfigRecord>) -> Result<(), StoreError> {
        self.0.extend(records);
        Ok(())
    }

    async fn next(&mut self) -> ConfigRecord {
        next(&mut self.0).await
    }
}

#[derive(Debug, Default)]
pub struct MemoryStatusStore(VecDeque<StatusRecord>);

#[async_trait]
impl StatusStore for MemoryStatusStore {
    async fn write(&mut self, record: StatusRecord) -> Result<(), StoreError> {
        self.0.push_back(record);
        Ok(())
    }

    async fn next(&mut self) -> StatusRecord {
        next(&mut self.0).await
    }
}

/// The membership of a worker that has no peers.
#[derive(Debug, Default)]
pub struct AloneInCluster(Option<Assignment>);

#[async_trait]
impl Membership for AloneInCluster {
    fn rejoin(&mut self, inventory: Inventory) {
        self.0 = Some(Assignment {
            generation: 0,
            is_leader: true,
            tasks: inventory
                .iter()
                .flat_map(|(name, tasks)| (0..*tasks).map(|task| TaskId::new(name.clone(), task)))
                .collect(),
            connectors: inventory.into_keys().collect(),
        });
    }

    async fn next(&mut self) -> Assignment {
        match self.0.take() {
            Some(assignment) => assignment,
            None => pending().await,
        }
    }
}
