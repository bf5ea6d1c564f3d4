//! Outbox: what the task has for the owner, in order. A batch leaves only with its bytes taken from the budget:
//! that wait is the backpressure.

use millstream_core::{ByteBudget, BytePermit, Fetched, RecordBatch, TopicPartition};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use tokio::sync::mpsc;

/// Below this much smaller budgets would fetch record by record.
const SMALLEST_RESPONSE: usize = 64 << 10;

#[derive(Debug)]
pub(super) enum Item {
    Event(Fetched),
    Batch {
        epoch: u64,
        /// Bytes to take from the budget.
        weight: usize,
        batch: RecordBatch,
    },
}

pub(super) struct Outbox {
    queue: VecDeque<Item>,
    sender: mpsc::Sender<Item>,
    budget: ByteBudget,
    /// What responses are counted as of which batches are still to be made.
    unread: BytePermit,
    /// The wait for the first item's bytes, kept over interruptions so that it keeps its place in the line.
    waiting: Option<Pin<Box<dyn Future<Output = BytePermit> + Send>>>,
}

impl Outbox {
    pub(super) fn new(sender: mpsc::Sender<Item>, budget: ByteBudget) -> Self {
        Outbox {
            queue: VecDeque::new(),
            sender,
            unread: budget.nothing(),
            budget,
            waiting: None,
        }
    }

    /// The bytes of the largest response that is worth asking for: of two for each broker, one is being made into batches
    /// while the other comes, so it is kept to a part of what those who share the budget may have each.
    pub(super) fn largest_response(&self) -> usize {
        (self.budget.total() / (4 + 4 * self.budget.holders())).max(SMALLEST_RESPONSE)
    }

    pub(super) fn push(&mut self, event: Fetched) {
        self.queue.push_back(Item::Event(event));
    }

    /// Takes over what a response is counted as.
    pub(super) fn add_unread(&mut self, memory: Option<BytePermit>) {
        if let Some(memory) = memory {
            self.unread.merge(memory);
        }
    }

    /// All responses have been made into batches.
    pub(super) fn nothing_unread(&mut self) {
        self.unread.resize(0);
    }

    /// A batch is counted as part of the response that it comes from, as far as that goes.
    pub(super) fn push_batch(&mut self, epoch: u64, weight: usize, mut batch: RecordBatch) {
        let counted = weight.min(self.budget.total());
        if self.unread.bytes() >= counted {
            batch.permit = Some(self.unread.split(counted));
        }
        self.queue.push_back(Item::Batch {
            epoch,
            weight,
            batch,
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn has_batches(&self) -> bool {
        self.queue
            .iter()
            .any(|item| matches!(item, Item::Batch { .. }))
    }

    /// Takes back the batches of partitions that are going.
    pub(super) fn withdraw(&mut self, is_going: impl Fn(&TopicPartition) -> bool) {
        // The next first item may weigh something else; a fresh wait costs only the place in the line.
        self.waiting = None;
        self.queue.retain(|item| match item {
            Item::Batch { batch, .. } => !is_going(&batch.origin),
            Item::Event(_) => true,
        });
    }

    /// Hands the first item over. Cancel safe. `false` once nobody receives any more.
    pub(super) async fn send_first(&mut self) -> bool {
        let Some(first) = self.queue.front_mut() else {
            return true;
        };
        if let Item::Batch { weight, batch, .. } = first
            && batch.permit.is_none()
        {
            // Nobody may wait for what another one holds who waits: it would be in a circle.
            self.unread.resize(0);
            let (budget, weight) = (self.budget.clone(), *weight);
            let waiting = self
                .waiting
                .get_or_insert_with(|| Box::pin(async move { budget.acquire(weight).await }));
            batch.permit = Some(waiting.await);
            self.waiting = None;
        }
        match self.sender.reserve().await {
            Ok(slot) => {
                if let Some(item) = self.queue.pop_front() {
                    slot.send(item);
                }
                true
            }
            Err(_) => false,
        }
    }
}
