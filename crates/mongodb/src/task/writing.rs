//! Writes under way: how many there may be, what they wait for, and which of them keep an order.

use super::{COPIES, Ended, MongoTask};
use crate::hash_path::HashChunk;
use crate::lane::{self, Group, Lane};
use crate::told::TICK;
use millstream_core::{BytePermit, SinkError, TopicPartition};
use std::sync::Arc;
use tokio::time::Instant;

/// What a write waited for.
enum Awaited {
    Ended(Box<Result<Ended, tokio::task::JoinError>>),
    Memory(BytePermit),
}

impl MongoTask {
    /// Sends the groups of a batch: those that need no order side by side, the others as one chain.
    pub(super) async fn write(
        &mut self,
        groups: Vec<Group>,
        origin: &TopicPartition,
        number: u64,
    ) -> Result<(), SinkError> {
        let mut chain = Vec::new();
        for group in groups {
            if group.needs_order() {
                chain.push(group);
            } else {
                self.start_alone(group, number).await?;
            }
        }
        self.start_chain(chain, origin, number).await
    }

    pub(super) async fn start_alone(&mut self, group: Group, number: u64) -> Result<(), SinkError> {
        let needed = group.bulk.statements.memory() + (COPIES - 1) * group.bytes();
        let permit = self.make_room(needed, true).await?;
        self.note_writes(number, 1);
        let (store, policy) = (Arc::clone(&self.parts.store), self.parts.policy);
        self.writing.spawn(async move {
            let _permit = permit;
            Ended::Writes {
                written: vec![group.write(&store, policy).await],
                batch: number,
                lane: None,
            }
        });
        Ok(())
    }

    pub(super) async fn start_chain(
        &mut self,
        groups: Vec<Group>,
        origin: &TopicPartition,
        number: u64,
    ) -> Result<(), SinkError> {
        if groups.is_empty() {
            return Ok(());
        }
        // One of them is on its way at a time.
        let bytes: usize = groups
            .iter()
            .map(|group| group.bulk.statements.memory())
            .sum();
        let largest = groups.iter().map(Group::bytes).max().unwrap_or(0);
        let needed = bytes + (COPIES - 1) * largest;
        let is_first = self.lane(origin).is_none_or(Lane::is_idle);
        let permit = self.make_room(needed, is_first).await?;
        self.note_writes(number, groups.len());
        let Some(partition) = self.partitions.get_mut(origin) else {
            return Ok(());
        };
        let lane = Some((origin.clone(), partition.opening));
        self.waiting += usize::from(!partition.lane.is_idle());
        let turn = partition.lane.join();
        let (store, policy) = (Arc::clone(&self.parts.store), self.parts.policy);
        self.writing.spawn(async move {
            let _permit = permit;
            Ended::Writes {
                written: lane::run(groups, turn, &store, policy).await,
                batch: number,
                lane,
            }
        });
        Ok(())
    }

    pub(super) fn send_chunk(&mut self, chunk: HashChunk, permit: Option<BytePermit>) {
        let (store, policy) = (Arc::clone(&self.parts.store), self.parts.policy);
        self.writing.spawn(async move {
            let _permit = permit;
            let outcome = chunk.write.run(&store, policy).await;
            Ended::Chunk(Box::new((outcome, chunk)))
        });
    }

    pub(super) fn lane(&self, origin: &TopicPartition) -> Option<&Lane> {
        self.partitions.get(origin).map(|partition| &partition.lane)
    }

    /// Notes writes that carry rows of a batch.
    pub(super) fn note_writes(&mut self, number: u64, writes: usize) {
        if let Some(pending) = self.pending.get_mut(&number) {
            pending.open += writes;
        }
    }

    /// Writes on their way, or about to be.
    pub(super) fn running(&self) -> usize {
        self.writing.len().saturating_sub(self.waiting)
    }

    /// Waits until another write may begin that takes so much memory, and gives it; one behind another of its partition
    /// takes over that one's place. While the store is degraded, or once the batch has waited for as long as one may, it
    /// begins at once, and uncounted: a batch is taken as a whole, and the next one is refused.
    pub(super) async fn make_room(
        &mut self,
        bytes: usize,
        needs_place: bool,
    ) -> Result<Option<BytePermit>, SinkError> {
        loop {
            let is_free = !needs_place || self.running() < self.parts.in_flight;
            if is_free && let Some(permit) = self.memory.try_acquire(bytes) {
                return Ok(Some(permit));
            }
            if self.parts.store.degraded().is_some() || Instant::now() >= self.put_until {
                return Ok(None);
            }
            match tokio::time::timeout(TICK, self.join_any(bytes, is_free)).await {
                Ok(Awaited::Ended(ended)) => self.settle(*ended)?,
                Ok(Awaited::Memory(permit)) => return Ok(Some(permit)),
                Err(_) => {}
            }
        }
    }

    /// Waits for a write to end or, if that alone is lacking, for memory, which others may give back.
    async fn join_any(&mut self, bytes: usize, lacks_memory: bool) -> Awaited {
        tokio::select! {
            Some(ended) = self.writing.join_next(), if !self.writing.is_empty() => Awaited::Ended(Box::new(ended)),
            permit = self.memory.acquire(bytes), if lacks_memory => Awaited::Memory(permit),
        }
    }

    /// Waits until one batch of the partition at most is still to be written, and no write is under way that found no room.
    /// While the store is degraded the next batch is refused instead, and so it is where this takes long: the group is
    /// to hear of this member.
    pub(super) async fn let_writes_catch_up(
        &mut self,
        origin: &TopicPartition,
    ) -> Result<(), SinkError> {
        loop {
            let degraded = self.parts.store.degraded();
            let most = match degraded {
                Some(_) => self.parts.in_flight - 1,
                // The one more is a small command that was due.
                None => self.parts.in_flight + 1,
            };
            if self.running() <= most && !self.lane(origin).is_some_and(Lane::is_full) {
                return Ok(());
            }
            if let Some(degraded) = degraded {
                return Err(degraded.into());
            }
            if Instant::now() >= self.put_until {
                let what = "backpressure: writes are slower than records arrive; the document store is slow, or rate.limiting.timeout \
                            holds them back";
                return Err(SinkError::retriable(what, TICK));
            }
            let joined = tokio::time::timeout(TICK, self.writing.join_next()).await;
            if let Ok(Some(ended)) = joined {
                self.settle(ended)?;
            }
        }
    }
}
