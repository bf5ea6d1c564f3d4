//! Oversized: the one way through for what is larger than a budget. Of such requests one is granted at a time, whoever
//! asks, in the order in which they came; what it stands for goes through all stages before the next one is fetched.
//!
//! Nobody who has been granted one waits for memory that others hold, so that none can wait for another in a circle.

use crate::offsets::TopicPartition;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Where they wait. Cloning shares it.
#[derive(Clone, Debug)]
pub(crate) struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    place: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: usize,
    inside: Weak<Passage>,
}

/// Held by all that there is of an oversized record; with the last of them the next one may come.
#[derive(Debug)]
pub(crate) struct Passage {
    /// Whose it is.
    holder: usize,
    /// Where the record comes from, once that is known: its partition, and the offset to read from.
    source: OnceLock<(TopicPartition, i64)>,
    _place: OwnedSemaphorePermit,
}

/// One that waits, counted as long as it does.
struct Waiter<'a>(&'a Inner);

impl Gate {
    pub(crate) fn new() -> Self {
        Gate(Arc::new(Inner {
            place: Arc::new(Semaphore::new(1)),
            state: Mutex::default(),
        }))
    }

    /// Waits for its turn. Cancel safe but for the place in the line.
    pub(crate) async fn enter(&self, holder: usize) -> Arc<Passage> {
        if let Some(passage) = self.try_enter(holder) {
            return passage;
        }
        let _waiting = Waiter::new(&self.0);
        match Arc::clone(&self.0.place).acquire_owned().await {
            Ok(place) => self.0.let_in(holder, place),
            // It is never closed.
            Err(_) => std::future::pending().await,
        }
    }

    pub(crate) fn try_enter(&self, holder: usize) -> Option<Arc<Passage>> {
        let place = Arc::clone(&self.0.place).try_acquire_owned().ok()?;
        Some(self.0.let_in(holder, place))
    }

    /// Where the record comes from that this holder is asked to let go: others wait.
    pub(crate) fn asked_back(&self, holder: usize) -> Option<(TopicPartition, i64)> {
        let state = self.0.state();
        let passage = state.inside.upgrade().filter(|_| state.waiting > 0)?;
        drop(state);
        let is_own = passage.holder == holder;
        passage.source.get().filter(|_| is_own).cloned()
    }
}

impl Inner {
    fn let_in(&self, holder: usize, place: OwnedSemaphorePermit) -> Arc<Passage> {
        let passage = Arc::new(Passage {
            holder,
            source: OnceLock::new(),
            _place: place,
        });
        self.state().inside = Arc::downgrade(&passage);
        passage
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A count and a pointer are whole whatever a panicking holder did.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Passage {
    /// Notes where the record comes from, the first time.
    pub(crate) fn comes_from(&self, partition: &TopicPartition, offset: i64) {
        self.source.get_or_init(|| (partition.clone(), offset));
    }

    pub(crate) fn partition(&self) -> Option<&TopicPartition> {
        self.source.get().map(|(partition, _)| partition)
    }
}

impl<'a> Waiter<'a> {
    fn new(gate: &'a Inner) -> Self {
        gate.state().waiting += 1;
        Waiter(gate)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.state().waiting -= 1;
    }
}
