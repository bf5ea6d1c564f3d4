//! ByteBudget: one number of bytes that everything holding records shares; waiting on it is the backpressure.
//!
//! Those who share it are *holders*, one for each task. None may take all of it: a task whose server is away holds what it
//! has for as long, and must not stop the others. So a holder gets no more once it has a few times what is left, which
//! leaves something however many are stuck; and a holder that has nothing may go beyond the total, one at a time, so that
//! a request larger than what is left gets through as well.
//!
//! What is larger than the whole budget can never be counted in full. Where such requests pass one by one
//! (`ByteBudget::one_by_one`) the permit for one is held until nothing is left of it, and counts as a part of the budget, so
//! that others go on beside it however long that takes. It waits for that part to be free, but not for long: those who hold
//! it may be stuck.

mod pool;

use crate::offsets::TopicPartition;
use crate::oversized::{OversizedPermit, OversizedQueue};
use pool::{Holder, Pool, State, Verdict, Waiting, signed};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

/// An oversized request counts as so much of three parts of the whole.
const OVERSIZED_THIRDS: usize = 2;

/// How long one waits for that to be free; mostly others are done with theirs much sooner.
const OVERSIZED_WAIT: Duration = Duration::from_secs(1);

/// A shared allowance of memory. Cloning shares it, and the place of its holder.
#[derive(Clone, Debug)]
pub struct ByteBudget {
    holder: Arc<Holder>,
}

/// Bytes taken from a budget; dropping it gives them back.
#[derive(Debug)]
pub struct BytePermit {
    holder: Arc<Holder>,
    bytes: usize,
    /// Held where it stands for what is larger than the budget.
    oversized: Option<Arc<OversizedPermit>>,
}

/// How much of a budget is taken, and what waits for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BudgetUse {
    pub total: usize,
    pub used: usize,
    /// Those that wait now.
    pub waiting: usize,
    /// Those that have had to wait, and for how long together.
    pub waits: u64,
    pub waited: Duration,
}

/// Counts the time of one that waits, however that ends.
struct Wait<'a> {
    pool: &'a Pool,
    begun: Instant,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let micros = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.pool.waited.fetch_add(micros, Ordering::Relaxed);
    }
}

impl ByteBudget {
    pub fn new(total: usize) -> Self {
        ByteBudget::keeping_back(total, 0)
    }

    /// A budget that keeps back `own` bytes for each holder, what it needs beside its records, up to half of the whole: a
    /// request for all of it gets through when nobody has anything.
    pub fn keeping_back(total: usize, own: usize) -> Self {
        ByteBudget::of_pool(total, own, None)
    }

    /// The same where of all requests beyond the whole budget one is granted at a time.
    pub fn one_by_one(total: usize, own: usize) -> Self {
        ByteBudget::of_pool(total, own, Some(OversizedQueue::new()))
    }

    fn of_pool(total: usize, own: usize, oversized_queue: Option<OversizedQueue>) -> Self {
        let pool = Pool {
            total,
            own,
            oversized_queue,
            state: Mutex::new(State {
                free: signed(total),
                holders: 0,
                last_holder: 0,
                kept_back: 0,
                waiting: VecDeque::new(),
            }),
            waits: AtomicU64::new(0),
            waited: AtomicU64::new(0),
        };
        ByteBudget {
            holder: Arc::new(Holder {
                pool: Arc::new(pool),
                number: 0,
                held: AtomicUsize::new(0),
                is_counted: false,
            }),
        }
    }

    /// A handle for another one to share it.
    pub fn for_holder(&self) -> Self {
        let pool = Arc::clone(&self.holder.pool);
        let number = {
            let mut state = pool.lock();
            state.change_holders(1, &pool);
            state.last_holder += 1;
            state.last_holder
        };
        ByteBudget {
            holder: Arc::new(Holder {
                pool,
                number,
                held: AtomicUsize::new(0),
                is_counted: true,
            }),
        }
    }

    /// Waits until `bytes` are free for this holder. A request beyond the whole budget takes all of it, so that one
    /// oversized batch can pass alone, or waits for its turn, where such pass one by one.
    pub async fn acquire(&self, bytes: usize) -> BytePermit {
        if let Some(oversized_queue) = self.oversized_queue_for(bytes) {
            let oversized = oversized_queue.acquire(self.holder.number).await;
            return self.acquire_oversized(oversized).await;
        }
        self.acquire_counted(bytes.min(self.total())).await
    }

    async fn acquire_counted(&self, bytes: usize) -> BytePermit {
        let (granted, gone) = {
            let mut state = self.holder.pool.lock();
            if state.verdict_behind_others(&self.holder, bytes) == Verdict::Granted {
                return state.grant(&self.holder, bytes);
            }
            let gone = state.forget_gone();
            let (reply, granted) = oneshot::channel();
            state.waiting.push_back(Waiting {
                holder: Arc::clone(&self.holder),
                bytes,
                reply,
            });
            (granted, gone)
        };
        drop(gone);
        let pool = &*self.holder.pool;
        pool.waits.fetch_add(1, Ordering::Relaxed);
        let _wait = Wait {
            pool,
            begun: Instant::now(),
        };
        // The pool lives as long as this handle and answers everybody.
        granted.await.unwrap_or_else(|_| self.nothing())
    }

    /// Takes the bytes if they are free now.
    pub fn try_acquire(&self, bytes: usize) -> Option<BytePermit> {
        if let Some(oversized_queue) = self.oversized_queue_for(bytes) {
            let oversized = oversized_queue.try_acquire(self.holder.number)?;
            let mut permit = self.try_acquire_counted(self.oversized_bytes())?;
            permit.oversized = Some(oversized);
            return Some(permit);
        }
        self.try_acquire_counted(bytes.min(self.total()))
    }

    fn try_acquire_counted(&self, bytes: usize) -> Option<BytePermit> {
        let mut state = self.holder.pool.lock();
        let verdict = state.verdict_behind_others(&self.holder, bytes);
        (verdict == Verdict::Granted).then(|| state.grant(&self.holder, bytes))
    }

    /// As `acquire`, for what is made of something that has a permit already: where that is oversized, so is this, and
    /// it has had its turn.
    pub async fn acquire_beside(&self, bytes: usize, made_of: Option<&BytePermit>) -> BytePermit {
        match made_of.and_then(|permit| permit.oversized.as_ref()) {
            Some(oversized) => self.acquire_oversized(Arc::clone(oversized)).await,
            None => self.acquire(bytes).await,
        }
    }

    /// Where this holder's oversized record comes from, its partition and the offset to read from, if others wait for it
    /// to be gone.
    pub fn asked_back(&self) -> Option<(TopicPartition, i64)> {
        let oversized_queue = self.holder.pool.oversized_queue.as_ref()?;
        oversized_queue.asked_back(self.holder.number)
    }

    fn oversized_queue_for(&self, bytes: usize) -> Option<&OversizedQueue> {
        let oversized_queue = self.holder.pool.oversized_queue.as_ref();
        oversized_queue.filter(|_| bytes > self.total())
    }

    fn oversized_bytes(&self) -> usize {
        self.total() / 3 * OVERSIZED_THIRDS
    }

    /// Gets what it is counted as in any case: nobody who has been granted it may wait for ever, while others wait for that.
    async fn acquire_oversized(&self, oversized: Arc<OversizedPermit>) -> BytePermit {
        let bytes = self.oversized_bytes();
        let permit = match self.try_acquire_counted(bytes) {
            Some(permit) => Ok(permit),
            None => timeout(OVERSIZED_WAIT, self.acquire_counted(bytes)).await,
        };
        let mut permit =
            permit.unwrap_or_else(|_| self.holder.pool.lock().grant(&self.holder, bytes));
        permit.oversized = Some(oversized);
        permit
    }

    /// A permit for no bytes, to be resized.
    pub fn nothing(&self) -> BytePermit {
        BytePermit {
            holder: Arc::clone(&self.holder),
            bytes: 0,
            oversized: None,
        }
    }

    pub fn total(&self) -> usize {
        self.holder.pool.total
    }

    pub fn available(&self) -> usize {
        usize::try_from(self.holder.pool.lock().free).unwrap_or(0)
    }

    /// What of it is taken, and what is waited for.
    pub fn usage(&self) -> BudgetUse {
        let pool = &self.holder.pool;
        let (free, kept_back, waiting) = {
            let state = pool.lock();
            let waiting = state.waiting.iter().filter(|one| !one.reply.is_closed());
            (state.free, state.kept_back, waiting.count())
        };
        let used = signed(pool.total) - kept_back - free;
        BudgetUse {
            total: pool.total,
            used: usize::try_from(used).unwrap_or(0),
            waiting,
            waits: pool.waits.load(Ordering::Relaxed),
            waited: Duration::from_micros(pool.waited.load(Ordering::Relaxed)),
        }
    }

    /// How many share it.
    pub fn holders(&self) -> usize {
        self.holder.pool.lock().holders.max(1)
    }
}

impl BytePermit {
    /// Splits off a permit for `bytes`, to travel with a part of the data, if so many are held. An oversized one goes as a
    /// whole, whatever is asked for.
    pub fn split(&mut self, bytes: usize) -> Option<BytePermit> {
        let oversized = self.oversized.take();
        let bytes = if oversized.is_some() {
            self.bytes
        } else {
            bytes
        };
        self.bytes = self.bytes.checked_sub(bytes)?;
        Some(BytePermit {
            holder: Arc::clone(&self.holder),
            bytes,
            oversized,
        })
    }

    /// Takes another one's bytes over. One of another holder is given back instead.
    pub fn merge(&mut self, mut other: BytePermit) {
        if Arc::ptr_eq(&self.holder, &other.holder) {
            self.bytes += std::mem::take(&mut other.bytes);
            self.oversized = other.oversized.take().or(self.oversized.take());
        }
    }

    /// A permit for no bytes, for what is left of this one's data: where that is oversized, so is this.
    pub fn beside(&self) -> BytePermit {
        BytePermit {
            holder: Arc::clone(&self.holder),
            bytes: 0,
            oversized: self.oversized.clone(),
        }
    }

    /// Whether it stands for what is larger than the budget, which is alone of its kind as long as it is held.
    pub fn is_oversized(&self) -> bool {
        self.oversized.is_some()
    }

    /// Notes where an oversized record comes from, and the offset to read it from again.
    pub fn comes_from(&self, partition: &TopicPartition, offset: i64) {
        if let Some(oversized) = &self.oversized {
            oversized.comes_from(partition, offset);
        }
    }

    /// The partition that an oversized record comes from.
    pub fn oversized_from(&self) -> Option<&TopicPartition> {
        self.oversized.as_ref()?.partition()
    }

    /// Makes it one for so many bytes; false, and nothing changed, if so many more are not free.
    pub fn resize(&mut self, bytes: usize) -> bool {
        let Some(more) = bytes.checked_sub(self.bytes) else {
            let less = self.bytes - bytes;
            self.bytes = bytes;
            drop(BytePermit {
                holder: Arc::clone(&self.holder),
                bytes: less,
                oversized: None,
            });
            return true;
        };
        let mut state = self.holder.pool.lock();
        if more > 0 && state.verdict_behind_others(&self.holder, more) != Verdict::Granted {
            return false;
        }
        state.take(&self.holder, more);
        self.bytes = bytes;
        true
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for BytePermit {
    fn drop(&mut self) {
        if self.bytes == 0 {
            return;
        }
        let mut state = self.holder.pool.lock();
        state.give_back(&self.holder, self.bytes);
        let served = state.serve();
        // Their holders may end here, which needs the lock.
        drop(state);
        drop(served);
    }
}

#[cfg(test)]
mod tests;
