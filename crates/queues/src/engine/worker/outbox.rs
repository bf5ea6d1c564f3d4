//! Outbox: what has been received and not been delivered, and the room that its delivery waits for: a place in the
//! consumer's queue, and memory.

use crate::input::Message;
use crate::record::size;
use futures::future::BoxFuture;
use millstream_core::{ByteBudget, BytePermit, ConsumerError, FlushReason, RecordBatch};
use std::collections::VecDeque;
use std::future::Future;
use tokio::sync::mpsc;

/// Records of one batch at most, in number and in bytes: enough that what is done once for a batch does not count.
const BATCH_ROWS: usize = 2_000;
const BATCH_BYTES: usize = 1 << 20;

/// With so many bytes undelivered nothing more is asked for.
const WAITING_BYTES: usize = 4 << 20;

/// What goes to the consumer, in order.
#[derive(Debug)]
// Nearly every item is a batch, so boxing it would only cost.
#[allow(clippy::large_enum_variant)]
pub(crate) enum Item {
    Batch {
        epoch: u64,
        batch: RecordBatch,
    },
    Flush(FlushReason),
    /// The end.
    Failed(ConsumerError),
}

pub(super) type Place = mpsc::OwnedPermit<Item>;

/// Something that is waited for across other events.
enum Wait<T> {
    Idle,
    Waiting(BoxFuture<'static, T>),
    Here(T),
}

impl<T> Wait<T> {
    fn on(future: impl Future<Output = T> + Send + 'static) -> Self {
        Wait::Waiting(Box::pin(future))
    }

    /// Returns when it has come; never if it is not waited for. Cancel safe.
    async fn come(&mut self) {
        match self {
            Wait::Waiting(future) => {
                let here = future.await;
                *self = Wait::Here(here);
            }
            Wait::Idle | Wait::Here(_) => std::future::pending().await,
        }
    }

    fn take(&mut self) -> Option<T> {
        match std::mem::replace(self, Wait::Idle) {
            Wait::Here(here) => Some(here),
            other => {
                *self = other;
                None
            }
        }
    }
}

pub(super) struct Outbox {
    items: mpsc::Sender<Item>,
    budget: ByteBudget,
    waiting: VecDeque<(i64, Message)>,
    bytes: usize,
    /// `None` where nobody takes anything any more.
    place: Wait<Option<Place>>,
    memory: Wait<BytePermit>,
}

impl Outbox {
    pub(super) fn new(items: mpsc::Sender<Item>, budget: ByteBudget) -> Self {
        Outbox {
            items,
            budget,
            waiting: VecDeque::new(),
            bytes: 0,
            place: Wait::Idle,
            memory: Wait::Idle,
        }
    }

    pub(super) fn push(&mut self, offset: i64, message: Message) {
        self.bytes += size(&message);
        self.waiting.push_back((offset, message));
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes >= WAITING_BYTES
    }

    /// Drops what is not to be delivered.
    pub(super) fn retain(&mut self, keep: impl Fn(i64) -> bool) {
        self.waiting.retain(|(offset, _)| keep(*offset));
        self.bytes = self.waiting.iter().map(|(_, message)| size(message)).sum();
    }

    /// Begins to wait for what a delivery needs: a place, and for messages memory too.
    pub(super) fn prepare(&mut self, has_more: bool) {
        let has_messages = !self.waiting.is_empty();
        if (has_more || has_messages) && matches!(self.place, Wait::Idle) {
            let items = self.items.clone();
            self.place = Wait::on(async move { items.reserve_owned().await.ok() });
        }
        if !has_messages {
            self.memory = Wait::Idle;
        } else if matches!(self.memory, Wait::Idle) {
            let (budget, bytes) = (self.budget.clone(), self.next_batch().1);
            self.memory = Wait::on(async move { budget.acquire(bytes).await });
        }
    }

    /// Returns when something has come that was waited for. Cancel safe.
    pub(super) async fn progressed(&mut self) {
        tokio::select! {
            () = self.place.come() => {}
            () = self.memory.come() => {}
        }
    }

    /// A place for an item, if there is one.
    pub(super) fn take_place(&mut self) -> Option<Place> {
        self.place.take().flatten()
    }

    /// The messages of the next batch with their memory, and a place for them, if both are here.
    pub(super) fn take_batch(&mut self) -> Option<(Place, Vec<(i64, Message)>, BytePermit)> {
        if self.waiting.is_empty()
            || !matches!(
                (&self.place, &self.memory),
                (Wait::Here(Some(_)), Wait::Here(_))
            )
        {
            return None;
        }
        let (place, mut permit) = self.take_place().zip(self.memory.take())?;
        let (mut rows, mut bytes) = self.next_batch();
        // What was asked for may have been for other messages, which are not to be delivered any more.
        while rows > 1 && !permit.resize(bytes) {
            rows -= 1;
            bytes = self.bytes_of(rows);
        }
        let messages: Vec<(i64, Message)> = self.waiting.drain(..rows).collect();
        self.bytes -= bytes;
        Some((place, messages, permit))
    }

    /// The rows and bytes of the next batch: one row at least, if there are any.
    fn next_batch(&self) -> (usize, usize) {
        let (mut rows, mut bytes) = (0, 0);
        for (_, message) in self.waiting.iter().take(BATCH_ROWS) {
            let more = size(message);
            if rows > 0 && bytes + more > BATCH_BYTES {
                break;
            }
            rows += 1;
            bytes += more;
        }
        (rows, bytes)
    }

    fn bytes_of(&self, rows: usize) -> usize {
        let first = self.waiting.iter().take(rows);
        first.map(|(_, message)| size(message)).sum()
    }

    /// Sends the end, behind all that was sent; gives up where nobody listens.
    pub(super) async fn fail(&mut self, error: ConsumerError) {
        // A consumer that is gone needs no end.
        let _ = self.items.send(Item::Failed(error)).await;
    }
}
