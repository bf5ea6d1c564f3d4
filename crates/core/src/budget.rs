//! ByteBudget: one number of bytes that everything holding records shares; waiting on it is the backpressure.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A shared allowance of memory. Cloning shares it.
#[derive(Clone, Debug)]
pub struct ByteBudget {
    free: Arc<Semaphore>,
    total: usize,
}

/// Bytes taken from a budget; dropping it gives them back.
#[derive(Debug)]
pub struct BytePermit(Option<OwnedSemaphorePermit>);

impl ByteBudget {
    pub fn new(total: usize) -> Self {
        let total = total.min(Semaphore::MAX_PERMITS);
        ByteBudget {
            free: Arc::new(Semaphore::new(total)),
            total,
        }
    }

    /// Waits until `bytes` are free. A request beyond the whole budget takes all of it, so that one
    /// oversized batch can pass alone.
    pub async fn acquire(&self, bytes: usize) -> BytePermit {
        let bytes = self.clamp(bytes);
        // The semaphore is never closed; without a permit the batch merely goes uncounted.
        BytePermit(Arc::clone(&self.free).acquire_many_owned(bytes).await.ok())
    }

    /// Takes the bytes if they are free now.
    pub fn try_acquire(&self, bytes: usize) -> Option<BytePermit> {
        let bytes = self.clamp(bytes);
        Arc::clone(&self.free)
            .try_acquire_many_owned(bytes)
            .ok()
            .map(|p| BytePermit(Some(p)))
    }

    pub fn total(&self) -> usize {
        self.total
    }

    pub fn available(&self) -> usize {
        self.free.available_permits()
    }

    fn clamp(&self, bytes: usize) -> u32 {
        bytes.min(self.total).min(u32::MAX as usize) as u32
    }
}

impl BytePermit {
    /// Splits off permits for `bytes` (at most all that are held), to travel with a part of the data.
    pub fn split(&mut self, bytes: usize) -> BytePermit {
        let part = self.0.as_mut().and_then(|permit| {
            let bytes = bytes.min(permit.num_permits());
            permit.split(bytes)
        });
        BytePermit(part)
    }

    pub fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }
}
