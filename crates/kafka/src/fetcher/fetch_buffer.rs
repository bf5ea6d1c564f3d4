//! Fetch buffer: what the fetcher has for its owner, as in Java's client. Batches leave in order, and only with their bytes
//! taken from the budget: that wait is the backpressure. Events have a queue of their own, so that they reach an owner that
//! takes no batches.

use millstream_core::{
    ByteBudget, BytePermit, ConsumerError, Fetched, RecordBatch, TopicPartition,
};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use tokio::sync::mpsc;

/// Below this much smaller budgets would fetch record by record.
const SMALLEST_RESPONSE: usize = 64 << 10;

/// What must keep its place among the batches.
// Nearly every item is a batch, so boxing it would only cost.
#[allow(clippy::large_enum_variant)]
#[derive(Debug)]
pub(crate) enum Item {
    Batch {
        epoch: u64,
        /// Bytes to take from the budget.
        weight: usize,
        batch: RecordBatch,
    },
    /// All that is wanted of the partition comes before it.
    Reached {
        epoch: u64,
        partition: TopicPartition,
        /// Where reading stands.
        offset: i64,
    },
    /// The end; what was read before it comes first.
    Failed(ConsumerError),
}

pub(crate) struct FetchBuffer {
    events: Queue<Fetched>,
    items: Queue<Item>,
    memory: BatchMemory,
}

/// A queue in front of a channel that may be full.
struct Queue<T> {
    queue: VecDeque<T>,
    sender: mpsc::Sender<T>,
}

impl<T> Queue<T> {
    fn new(sender: mpsc::Sender<T>) -> Self {
        Queue {
            queue: VecDeque::new(),
            sender,
        }
    }

    /// Hands the first over. Cancel safe. `false` once nobody receives any more.
    async fn send_first(&mut self) -> bool {
        match self.sender.reserve().await {
            Ok(slot) => {
                if let Some(first) = self.queue.pop_front() {
                    slot.send(first);
                }
                true
            }
            Err(_) => false,
        }
    }
}

/// The bytes that batches take with them.
struct BatchMemory {
    budget: ByteBudget,
    /// What responses are counted as of which batches are still to be made.
    unread: BytePermit,
    /// The wait for the first item's bytes, kept over interruptions so that it keeps its place in the line.
    waiting: Option<Pin<Box<dyn Future<Output = BytePermit> + Send>>>,
}

impl BatchMemory {
    /// Sees that an item has its bytes. Cancel safe.
    async fn reserve_for(&mut self, item: Option<&mut Item>) {
        let Some(Item::Batch { weight, batch, .. }) = item else {
            return;
        };
        if batch.permit.is_some() {
            return;
        }
        // Nobody may wait for what another one holds who waits: it would be in a circle.
        self.unread.resize(0);
        let (budget, weight) = (self.budget.clone(), *weight);
        // Beside what is oversized and unread nothing else can be so.
        let made_of = (weight > budget.total()).then(|| self.unread.beside());
        let waiting = self.waiting.get_or_insert_with(|| {
            Box::pin(async move { budget.acquire_beside(weight, made_of.as_ref()).await })
        });
        batch.permit = Some(waiting.await);
        self.waiting = None;
    }
}

impl FetchBuffer {
    pub(crate) fn new(
        events: mpsc::Sender<Fetched>,
        items: mpsc::Sender<Item>,
        budget: ByteBudget,
    ) -> Self {
        FetchBuffer {
            events: Queue::new(events),
            items: Queue::new(items),
            memory: BatchMemory {
                unread: budget.nothing(),
                budget,
                waiting: None,
            },
        }
    }

    /// The bytes of the largest response that is worth asking for: of two for each broker, one is being made into batches
    /// while the other comes, so it is kept to a part of what those who share the budget may have each.
    pub(crate) fn largest_response(&self) -> usize {
        let budget = &self.memory.budget;
        (budget.total() / (4 + 4 * budget.holders())).max(SMALLEST_RESPONSE)
    }

    /// Takes an event. One may overtake batches: those of partitions that it takes away are stale by their epoch.
    pub(crate) fn push(&mut self, event: Fetched) {
        self.events.queue.push_back(event);
    }

    pub(crate) fn push_reached(&mut self, epoch: u64, partition: TopicPartition, offset: i64) {
        self.items.queue.push_back(Item::Reached {
            epoch,
            partition,
            offset,
        });
    }

    pub(crate) fn push_end(&mut self, error: ConsumerError) {
        self.items.queue.push_back(Item::Failed(error));
    }

    /// Takes over what a response is counted as.
    pub(crate) fn add_unread(&mut self, memory: Option<BytePermit>) {
        if let Some(memory) = memory {
            self.memory.unread.merge(memory);
        }
    }

    /// All responses have been made into batches.
    pub(crate) fn nothing_unread(&mut self) {
        self.memory.unread = self.memory.budget.nothing();
    }

    /// A batch is counted as part of the response that it comes from, as far as that goes.
    pub(crate) fn push_batch(&mut self, epoch: u64, weight: usize, mut batch: RecordBatch) {
        let BatchMemory { budget, unread, .. } = &mut self.memory;
        batch.permit = unread.split(weight.min(budget.total()));
        self.items.queue.push_back(Item::Batch {
            epoch,
            weight,
            batch,
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events.queue.is_empty() && self.items.queue.is_empty()
    }

    pub(crate) fn has_batches(&self) -> bool {
        !self.items.queue.is_empty()
    }

    /// Takes back the batches of partitions that are going.
    pub(crate) fn withdraw(&mut self, is_going: impl Fn(&TopicPartition) -> bool) {
        // The next first item may weigh something else; a fresh wait costs only the place in the line.
        self.memory.waiting = None;
        if self.memory.unread.oversized_from().is_some_and(&is_going) {
            self.nothing_unread();
        }
        self.items.queue.retain(|item| match item {
            Item::Batch { batch, .. } => !is_going(&batch.origin),
            Item::Reached { partition, .. } => !is_going(partition),
            Item::Failed(_) => true,
        });
    }

    /// Hands over the first event or the first item, whichever the owner has room for. Cancel safe. `false` once nobody
    /// receives any more.
    pub(crate) async fn send_some(&mut self) -> bool {
        let FetchBuffer {
            events,
            items,
            memory,
        } = self;
        let has_items = !items.queue.is_empty();
        tokio::select! {
            biased;
            is_open = events.send_first(), if !events.queue.is_empty() => is_open,
            is_open = async {
                memory.reserve_for(items.queue.front_mut()).await;
                items.send_first().await
            }, if has_items => is_open,
            else => true,
        }
    }
}
