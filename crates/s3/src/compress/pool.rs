//! Pool: compressors that are done with, for the next object: where memory is short each write begins a new one.

use millstream_core::{ByteBudget, BytePermit};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Cloning shares it.
pub(super) struct Pool<T>(Arc<Mutex<Idle<T>>>);

struct Idle<T> {
    compressors: Vec<(T, BytePermit)>,
    /// As many are kept.
    spare: usize,
    /// Without room in it none is kept.
    budget: Option<ByteBudget>,
}

impl<T> Clone for Pool<T> {
    fn clone(&self) -> Self {
        Pool(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Pool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pool")
    }
}

impl<T> Pool<T> {
    /// Keeps so many, once there is a budget.
    pub(super) fn new(spare: usize) -> Self {
        Pool(Arc::new(Mutex::new(Idle {
            compressors: Vec::new(),
            spare,
            budget: None,
        })))
    }

    /// Counts those that are kept as memory of this budget.
    pub(super) fn keep_within(&self, budget: ByteBudget) {
        self.lock().budget = Some(budget);
    }

    pub(super) fn clear(&self) {
        self.lock().compressors.clear();
    }

    pub(super) fn take(&self) -> Option<T> {
        self.lock().compressors.pop().map(|(one, _)| one)
    }

    /// Memory for one that is at work beside its owner; none without a budget.
    pub(super) fn reserve(&self, memory: usize) -> Option<BytePermit> {
        let budget = self.lock().budget.clone();
        budget?.try_acquire(memory)
    }

    /// Takes one back that has so many bytes.
    pub(super) fn give_back(&self, compressor: T, memory: usize) {
        let mut idle = self.lock();
        if idle.compressors.len() < idle.spare
            && let Some(budget) = &idle.budget
            && let Some(permit) = budget.try_acquire(memory)
        {
            idle.compressors.push((compressor, permit));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Idle<T>> {
        // A list is whole whatever a panicking holder did.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
