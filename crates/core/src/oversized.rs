//! Oversized: the one way through for what is larger than a budget. Of such requests one is granted at a time, whoever
//! asks, in the order in which they came; what it stands for goes through all stages before the next one is fetched.
//!
//! Nobody who has been granted one waits for memory that others hold, so that none can wait for another in a circle.

use crate::offsets::TopicPartition;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Where they wait. Cloning shares it.
#[derive(Clone, Debug)]
pub(crate) struct OversizedQueue(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    place: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: usize,
    granted: Weak<OversizedPermit>,
}

/// Held by all that there is of an oversized record; with the last of them the next one may come.
#[derive(Debug)]
pub(crate) struct OversizedPermit {
    /// Whose it is.
    holder: usize,
    /// Where the record comes from, once that is known: its partition, and the offset to read from.
    source: OnceLock<(TopicPartition, i64)>,
    _place: OwnedSemaphorePermit,
}

/// One that waits, counted as long as it does.
struct Waiter<'a>(&'a Inner);

impl OversizedQueue {
    pub(crate) fn new() -> Self {
        OversizedQueue(Arc::new(Inner {
            place: Arc::new(Semaphore::new(1)),
            state: Mutex::default(),
        }))
    }

    /// Waits for its turn. Cancel safe but for the place in the line.
    pub(crate) async fn acquire(&self, holder: usize) -> Arc<OversizedPermit> {
        if let Some(permit) = self.try_acquire(holder) {
            return permit;
        }
        let _waiting = Waiter::new(&self.0);
        match Arc::clone(&self.0.place).acquire_owned().await {
            Ok(place) => self.0.grant(holder, place),
            // It is never closed.
            Err(_) => std::future::pending().await,
        }
    }

    pub(crate) fn try_acquire(&self, holder: usize) -> Option<Arc<OversizedPermit>> {
        let place = Arc::clone(&self.0.place).try_acquire_owned().ok()?;
        Some(self.0.grant(holder, place))
    }

    /// Where the record comes from that this holder is asked to let go: others wait.
    pub(crate) fn asked_back(&self, holder: usize) -> Option<(TopicPartition, i64)> {
        let state = self.0.state();
        let permit = state.granted.upgrade().filter(|_| state.waiting > 0)?;
        drop(state);
        let is_own = permit.holder == holder;
        permit.source.get().filter(|_| is_own).cloned()
    }
}

impl Inner {
    fn grant(&self, holder: usize, place: OwnedSemaphorePermit) -> Arc<OversizedPermit> {
        let permit = Arc::new(OversizedPermit {
            holder,
            source: OnceLock::new(),
            _place: place,
        });
        self.state().granted = Arc::downgrade(&permit);
        permit
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A count and a pointer are whole whatever a panicking holder did.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OversizedPermit {
    /// Notes where the record comes from, the first time.
    pub(crate) fn comes_from(&self, partition: &TopicPartition, offset: i64) {
        self.source.get_or_init(|| (partition.clone(), offset));
    }

    pub(crate) fn partition(&self) -> Option<&TopicPartition> {
        self.source.get().map(|(partition, _)| partition)
    }
}

impl<'a> Waiter<'a> {
    fn new(queue: &'a Inner) -> Self {
        queue.state().waiting += 1;
        Waiter(queue)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.state().waiting -= 1;
    }
}
