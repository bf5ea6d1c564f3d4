//! Accumulator: for each partition the batch under way and those behind it, in order.

use crate::codec::Codec;
use crate::producer::ProducerRecord;
use crate::producer::batch::{Batch, ProducerId};
use bytes::Bytes;
use millstream_core::TopicPartition;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

type Owners = Vec<(u64, usize)>;

pub(super) struct Accumulator {
    all: HashMap<TopicPartition, Queue>,
    /// The partition that keyless records of a topic go to until its batch is sent.
    sticky: HashMap<Arc<str>, i32>,
    batch_size: usize,
    max_size: usize,
    linger: Duration,
}

#[derive(Default)]
struct Queue {
    /// The first is under way where `is_sending`.
    batches: VecDeque<Batch>,
    is_sending: bool,
    /// The identity that the sequence belongs to; kept over a change of it, so that a batch that may have
    /// been written is repeated as it was.
    producer: Option<ProducerId>,
    next_sequence: i32,
    retry_at: Option<Instant>,
}

impl Accumulator {
    pub(super) fn new(batch_size: usize, max_size: usize, linger: Duration) -> Self {
        Accumulator {
            all: HashMap::new(),
            sticky: HashMap::new(),
            batch_size,
            max_size,
            linger,
        }
    }

    pub(super) fn any_partition(&mut self, topic: &Arc<str>, count: i32) -> i32 {
        match self.sticky.get(topic) {
            Some(&partition) if partition < count => partition,
            _ => {
                let partition = rand::random_range(0..count);
                self.sticky.insert(topic.clone(), partition);
                partition
            }
        }
    }

    pub(super) fn push(
        &mut self,
        partition: TopicPartition,
        record: &ProducerRecord,
        timestamp: i64,
        owner: (u64, usize),
        now: Instant,
    ) {
        let queue = self.all.entry(partition).or_default();
        let under_way = usize::from(queue.is_sending);
        let can_grow = queue.batches.len() > under_way
            && queue
                .batches
                .back()
                .is_some_and(|batch| batch.has_room(record, self.max_size));
        if !can_grow {
            queue.batches.push_back(Batch::new(now));
        }
        if let Some(batch) = queue.batches.back_mut() {
            batch.push(record, timestamp, owner);
        }
    }

    /// Partitions whose first batch can be sent, with its size; `wake` is moved to when the next one can.
    pub(super) fn ready(
        &self,
        now: Instant,
        hurry: bool,
        wake: &mut Instant,
    ) -> Vec<(TopicPartition, usize)> {
        let mut ready = Vec::new();
        for (partition, queue) in &self.all {
            let Some(first) = queue.batches.front() else {
                continue;
            };
            if queue.is_sending {
                continue;
            }
            let is_full = first.size() >= self.batch_size || queue.batches.len() > 1;
            let due = if hurry || is_full {
                now
            } else {
                first.created + self.linger
            };
            let due = queue.retry_at.map_or(due, |at| due.max(at));
            if due <= now {
                ready.push((partition.clone(), first.size()));
            } else {
                *wake = (*wake).min(due);
            }
        }
        ready
    }

    /// The first batch of a partition for the wire; it is under way from here on.
    pub(super) fn take(
        &mut self,
        partition: &TopicPartition,
        codec: Codec,
        producer: ProducerId,
    ) -> Result<Bytes, (Owners, std::io::Error)> {
        self.sticky.remove(&partition.topic);
        let queue = self.all.entry(partition.clone()).or_default();
        if queue.producer.is_none() {
            queue.next_sequence = 0;
        }
        let producer = *queue.producer.get_or_insert(producer);
        let sequence = queue.next_sequence;
        let encoded = match queue.batches.front_mut() {
            Some(batch) => batch.encode(codec, producer, sequence),
            None => Ok(Bytes::new()),
        };
        queue.is_sending = true;
        encoded.map_err(|error| (self.give_up(partition), error))
    }

    /// The first batch was not written and is to be sent again.
    pub(super) fn put_back(&mut self, partition: &TopicPartition, at: Instant, is_in_doubt: bool) {
        if let Some(queue) = self.all.get_mut(partition) {
            queue.is_sending = false;
            queue.retry_at = Some(at);
            if let Some(batch) = queue.batches.front_mut() {
                batch.is_in_doubt |= is_in_doubt;
            }
        }
    }

    /// Nothing of the partition is tried before.
    pub(super) fn wait(&mut self, partition: &TopicPartition, until: Instant) {
        if let Some(queue) = self.all.get_mut(partition) {
            queue.retry_at = Some(until);
        }
    }

    /// The first batch is written.
    pub(super) fn finish(&mut self, partition: &TopicPartition) -> Owners {
        let Some(queue) = self.all.get_mut(partition) else {
            return Vec::new();
        };
        queue.is_sending = false;
        queue.retry_at = None;
        let Some(batch) = queue.batches.pop_front() else {
            return Vec::new();
        };
        // Sequence numbers go round after i32::MAX, past the negative ones.
        queue.next_sequence = queue.next_sequence.wrapping_add(batch.count()) & i32::MAX;
        batch.owners
    }

    /// The first batch will not be written, and has taken no sequence numbers.
    pub(super) fn give_up(&mut self, partition: &TopicPartition) -> Owners {
        let Some(queue) = self.all.get_mut(partition) else {
            return Vec::new();
        };
        queue.is_sending = false;
        queue.retry_at = None;
        queue
            .batches
            .pop_front()
            .map_or_else(Vec::new, |batch| batch.owners)
    }

    pub(super) fn give_up_all(&mut self) -> Vec<Owners> {
        self.all
            .drain()
            .flat_map(|(_, queue)| queue.batches)
            .map(|batch| batch.owners)
            .collect()
    }

    /// Takes out batches older than `limit` that are not under way, with the partitions where one may have been written.
    pub(super) fn expire(
        &mut self,
        now: Instant,
        limit: Duration,
        wake: &mut Instant,
    ) -> (Vec<(TopicPartition, Owners)>, Vec<TopicPartition>) {
        let mut expired = Vec::new();
        let mut in_doubt = Vec::new();
        for (partition, queue) in &mut self.all {
            while let Some(first) = queue.batches.front() {
                if queue.is_sending {
                    break;
                }
                if first.created + limit > now {
                    *wake = (*wake).min(first.created + limit);
                    break;
                }
                if let Some(batch) = queue.batches.pop_front() {
                    if batch.is_in_doubt {
                        in_doubt.push(partition.clone());
                    }
                    expired.push((partition.clone(), batch.owners));
                }
            }
        }
        (expired, in_doubt)
    }

    /// The partition goes on under a new identity; the old one is returned.
    pub(super) fn reset_producer_id(&mut self, partition: &TopicPartition) -> Option<ProducerId> {
        self.all.get_mut(partition)?.producer.take()
    }
}
