//! ByteBudget: one number of bytes that everything holding records shares; waiting on it is the backpressure.
//!
//! Each task's handle may have an allowance of its own beside what all share, so that a task whose server is away,
//! and which holds what it has for as long, cannot stop the others.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A shared allowance of memory. Cloning shares it.
#[derive(Clone, Debug)]
pub struct ByteBudget {
    free: Arc<Semaphore>,
    total: usize,
    own: Option<Own>,
}

/// Bytes that only the clones of one handle take.
#[derive(Clone, Debug)]
struct Own {
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
            own: None,
        }
    }

    /// A handle with an allowance of its own, which is used first. It is on top of the total.
    pub fn with_own(&self, bytes: usize) -> Self {
        let total = bytes.min(Semaphore::MAX_PERMITS);
        ByteBudget {
            own: Some(Own {
                free: Arc::new(Semaphore::new(total)),
                total,
            }),
            ..self.clone()
        }
    }

    /// Waits until `bytes` are free. A request beyond the whole budget takes all of it, so that one
    /// oversized batch can pass alone.
    pub async fn acquire(&self, bytes: usize) -> BytePermit {
        let own = self.own_free(bytes);
        let bytes = self.clamp(bytes);
        // The semaphores are never closed; without a permit the batch merely goes uncounted.
        let shared = Arc::clone(&self.free).acquire_many_owned(bytes);
        BytePermit(match own {
            None => shared.await.ok(),
            Some(own) => tokio::select! {
                biased;
                permit = own.acquire_many_owned(bytes) => permit.ok(),
                permit = shared => permit.ok(),
            },
        })
    }

    /// Takes the bytes if they are free now.
    pub fn try_acquire(&self, bytes: usize) -> Option<BytePermit> {
        let own = self.own_free(bytes);
        let bytes = self.clamp(bytes);
        let take = |free: Arc<Semaphore>| free.try_acquire_many_owned(bytes).ok();
        own.and_then(take)
            .or_else(|| take(Arc::clone(&self.free)))
            .map(|permit| BytePermit(Some(permit)))
    }

    pub fn total(&self) -> usize {
        self.total
    }

    pub fn available(&self) -> usize {
        self.free.available_permits()
    }

    /// The allowance, if it is large enough for so much at all.
    fn own_free(&self, bytes: usize) -> Option<Arc<Semaphore>> {
        let own = self.own.as_ref().filter(|own| bytes <= own.total)?;
        Some(Arc::clone(&own.free))
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    #[test]
    fn a_handle_with_an_allowance_goes_on_where_others_wait() {
        let shared = ByteBudget::new(10);
        let task = shared.with_own(4);
        let all = shared.try_acquire(10);
        assert!(all.is_some() && shared.try_acquire(1).is_none());
        let own = task.try_acquire(4);
        assert!(own.is_some() && task.try_acquire(1).is_none());
        assert!(task.clone().with_own(3).try_acquire(4).is_none());
        drop(own);
        assert!(task.clone().try_acquire(3).is_some());
    }

    #[test]
    fn waits_for_whichever_comes_first() {
        let shared = ByteBudget::new(10);
        let task = shared.with_own(4);
        let (all, own) = (shared.try_acquire(10), task.try_acquire(4));
        let mut context = Context::from_waker(Waker::noop());
        let mut waiting = pin!(task.acquire(3));
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        drop(all);
        assert!(waiting.as_mut().poll(&mut context).is_ready());
        drop(own);
        let mut oversized = pin!(task.acquire(99));
        let Poll::Ready(permit) = oversized.as_mut().poll(&mut context) else {
            panic!("nothing is taken")
        };
        assert_eq!(permit.bytes(), 10);
    }
}
