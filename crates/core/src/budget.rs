//! ByteBudget: one number of bytes that everything holding records shares; waiting on it is the backpressure.
//!
//! Those who share it are *holders*, one for each task. None may take all of it: a task whose server is away holds what it
//! has for as long, and must not stop the others. So a holder gets no more once it has a few times what is left, which
//! leaves something however many are stuck; and a holder that has nothing may go beyond the total, one at a time, so that
//! a request larger than what is left gets through as well.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// A holder may have so many times what is left.
const SHARE_OF_THE_REST: i64 = 4;

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
}

#[derive(Debug)]
struct Pool {
    total: usize,
    /// What is kept back for each holder.
    own: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Less than nothing while somebody is beyond the total.
    free: i64,
    holders: usize,
    /// What is kept back for what holders are by themselves.
    kept_back: i64,
    /// In the order in which they came.
    waiting: VecDeque<Waiting>,
}

/// One that shares a pool.
#[derive(Debug)]
struct Holder {
    pool: Arc<Pool>,
    /// Bytes; changed under the pool's lock alone.
    held: AtomicUsize,
    is_counted: bool,
}

#[derive(Debug)]
struct Waiting {
    holder: Arc<Holder>,
    bytes: usize,
    reply: oneshot::Sender<BytePermit>,
}

/// Whether a request may be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Granted,
    /// There is too little for anybody.
    NoRoom,
    /// Its holder has enough.
    HasEnough,
}

impl ByteBudget {
    pub fn new(total: usize) -> Self {
        ByteBudget::keeping_back(total, 0)
    }

    /// A budget that keeps back `own` bytes for each holder, what it needs beside its records, up to half of the whole: a
    /// request for all of it gets through when nobody has anything.
    pub fn keeping_back(total: usize, own: usize) -> Self {
        let pool = Pool {
            total,
            own,
            state: Mutex::new(State {
                free: signed(total),
                holders: 0,
                kept_back: 0,
                waiting: VecDeque::new(),
            }),
        };
        ByteBudget {
            holder: Arc::new(Holder {
                pool: Arc::new(pool),
                held: AtomicUsize::new(0),
                is_counted: false,
            }),
        }
    }

    /// A handle for another one to share it.
    pub fn for_holder(&self) -> Self {
        let pool = Arc::clone(&self.holder.pool);
        pool.lock().change_holders(1, &pool);
        ByteBudget {
            holder: Arc::new(Holder {
                pool,
                held: AtomicUsize::new(0),
                is_counted: true,
            }),
        }
    }

    /// Waits until `bytes` are free for this holder. A request beyond the whole budget takes all of it, so that one
    /// oversized batch can pass alone.
    pub async fn acquire(&self, bytes: usize) -> BytePermit {
        let bytes = bytes.min(self.total());
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
        // The pool lives as long as this handle and answers everybody.
        granted.await.unwrap_or_else(|_| self.nothing())
    }

    /// Takes the bytes if they are free now.
    pub fn try_acquire(&self, bytes: usize) -> Option<BytePermit> {
        let bytes = bytes.min(self.total());
        let mut state = self.holder.pool.lock();
        let verdict = state.verdict_behind_others(&self.holder, bytes);
        (verdict == Verdict::Granted).then(|| state.grant(&self.holder, bytes))
    }

    /// A permit for no bytes, to be resized.
    pub fn nothing(&self) -> BytePermit {
        BytePermit {
            holder: Arc::clone(&self.holder),
            bytes: 0,
        }
    }

    pub fn total(&self) -> usize {
        self.holder.pool.total
    }

    pub fn available(&self) -> usize {
        usize::try_from(self.holder.pool.lock().free).unwrap_or(0)
    }

    /// How many share it.
    pub fn holders(&self) -> usize {
        self.holder.pool.lock().holders.max(1)
    }
}

impl BytePermit {
    /// Splits off a permit for `bytes` (at most all that are held), to travel with a part of the data.
    pub fn split(&mut self, bytes: usize) -> BytePermit {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        BytePermit {
            holder: Arc::clone(&self.holder),
            bytes,
        }
    }

    /// Takes another one's bytes over. One of another holder is given back instead.
    pub fn merge(&mut self, mut other: BytePermit) {
        if Arc::ptr_eq(&self.holder, &other.holder) {
            self.bytes += std::mem::take(&mut other.bytes);
        }
    }

    /// Makes it one for so many bytes; false, and nothing changed, if so many more are not free.
    pub fn resize(&mut self, bytes: usize) -> bool {
        let Some(more) = bytes.checked_sub(self.bytes) else {
            drop(self.split(self.bytes - bytes));
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

impl Drop for Holder {
    fn drop(&mut self) {
        if !self.is_counted {
            return;
        }
        let mut state = self.pool.lock();
        state.change_holders(-1, &self.pool);
        let served = state.serve();
        drop(state);
        drop(served);
    }
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Numbers are whole whatever a panicking holder did.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn change_holders(&mut self, by: isize, pool: &Pool) {
        self.holders = self.holders.saturating_add_signed(by);
        let kept_back = signed((self.holders * pool.own).min(pool.total / 2));
        self.free += self.kept_back - kept_back;
        self.kept_back = kept_back;
    }

    /// While an older request waits for room, others get no more than a small share each: it would never come.
    fn verdict_behind_others(&self, holder: &Arc<Holder>, bytes: usize) -> Verdict {
        let is_behind = self.waiting.iter().any(|older| {
            !older.reply.is_closed()
                && self.verdict(&older.holder, older.bytes, false) == Verdict::NoRoom
        });
        self.verdict(holder, bytes, is_behind)
    }

    fn verdict(&self, holder: &Arc<Holder>, bytes: usize, is_behind: bool) -> Verdict {
        let (bytes, free) = (signed(bytes), self.free);
        let held = signed(holder.held.load(Ordering::Relaxed));
        if is_behind {
            let share = signed(holder.pool.total) / (2 * signed(self.holders.max(1)));
            return if bytes <= free && held + bytes <= share {
                Verdict::Granted
            } else {
                Verdict::NoRoom
            };
        }
        if bytes > free {
            let may_exceed = held == 0 && bytes <= 2 * free;
            return if may_exceed {
                Verdict::Granted
            } else {
                Verdict::NoRoom
            };
        }
        let is_within_share = held + bytes <= SHARE_OF_THE_REST * (free - bytes);
        if held == 0 || self.holders <= 1 || is_within_share {
            Verdict::Granted
        } else {
            Verdict::HasEnough
        }
    }

    fn take(&mut self, holder: &Arc<Holder>, bytes: usize) {
        self.free -= signed(bytes);
        holder.held.fetch_add(bytes, Ordering::Relaxed);
    }

    fn give_back(&mut self, holder: &Arc<Holder>, bytes: usize) {
        self.free += signed(bytes);
        holder.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn grant(&mut self, holder: &Arc<Holder>, bytes: usize) -> BytePermit {
        self.take(holder, bytes);
        BytePermit {
            holder: Arc::clone(holder),
            bytes,
        }
    }

    /// Takes those out of the line who wait no more. Their holders may end here, which needs the lock.
    fn forget_gone(&mut self) -> Vec<Waiting> {
        let mut gone = Vec::new();
        for _ in 0..self.waiting.len() {
            match self.waiting.pop_front() {
                Some(next) if next.reply.is_closed() => gone.push(next),
                Some(next) => self.waiting.push_back(next),
                None => break,
            }
        }
        gone
    }

    /// Grants what can be granted now. Returns the holders that waited, to be let go without the lock.
    fn serve(&mut self) -> Vec<Arc<Holder>> {
        let mut served = Vec::new();
        let (mut at, mut is_behind) = (0, false);
        while let Some(next) = self.waiting.get(at) {
            let verdict = if next.reply.is_closed() {
                Verdict::Granted
            } else {
                self.verdict(&next.holder, next.bytes, is_behind)
            };
            if verdict != Verdict::Granted {
                is_behind |= verdict == Verdict::NoRoom;
                at += 1;
                continue;
            }
            let Some(next) = self.waiting.remove(at) else {
                break;
            };
            let permit = self.grant(&next.holder, next.bytes);
            if let Err(mut unwanted) = next.reply.send(permit) {
                // Nobody waits any more.
                self.give_back(&next.holder, unwanted.bytes);
                unwanted.bytes = 0;
            }
            served.push(next.holder);
        }
        served
    }
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes)
        .unwrap_or(i64::MAX / 8)
        .min(i64::MAX / 8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    #[test]
    fn what_holders_need_by_themselves_is_kept_back() {
        let budget = ByteBudget::keeping_back(100, 10);
        let holders = [budget.for_holder(), budget.for_holder()];
        assert_eq!(budget.available(), 80);
        let more: Vec<ByteBudget> = (0..50).map(|_| budget.for_holder()).collect();
        assert_eq!(budget.available(), 50);
        // One that nobody could grant would wait for ever.
        assert!(holders[0].try_acquire(100).is_some());
        drop(more);
        drop(holders);
        assert_eq!(budget.available(), 100);
    }

    #[test]
    fn one_holder_may_have_it_all() {
        let budget = ByteBudget::new(10);
        let task = budget.for_holder();
        let mut all = task.try_acquire(10).expect("all is free");
        assert!(task.try_acquire(1).is_none());
        let part = all.split(4);
        assert_eq!((all.bytes(), part.bytes(), budget.available()), (6, 4, 0));
        drop(part);
        assert_eq!(budget.available(), 4);
        let mut sum = task.nothing();
        sum.merge(all.split(3));
        sum.merge(all.split(1));
        assert_eq!((all.bytes(), sum.bytes(), budget.available()), (2, 4, 4));
        all.merge(sum);
        all.merge(budget.try_acquire(1).expect("it is free"));
        assert_eq!((all.bytes(), budget.available()), (6, 4));
        assert!(all.resize(9));
        assert!(!all.resize(11));
        assert!(all.resize(0));
        assert_eq!(budget.available(), 10);
    }

    /// However many are stuck with all that they could get, the next one gets something.
    #[test]
    fn those_who_are_stuck_leave_something_for_others() {
        let budget = ByteBudget::new(1 << 20);
        let tasks: Vec<ByteBudget> = (0..5).map(|_| budget.for_holder()).collect();
        let mut stuck = Vec::new();
        for task in &tasks {
            while let Some(permit) = task.try_acquire(16) {
                stuck.push(permit);
            }
        }
        assert!(budget.available() > 300, "{} are left", budget.available());
        let next = budget.for_holder();
        assert!(next.try_acquire(200).is_some());
    }

    /// A request larger than what is left passes, but only one at a time.
    #[test]
    fn a_holder_of_nothing_may_go_beyond() {
        let budget = ByteBudget::new(10);
        let [a, b, c] = [(); 3].map(|()| budget.for_holder());
        let first = a.try_acquire(6).expect("it is free");
        let second = b.try_acquire(6).expect("b holds nothing");
        assert_eq!(budget.available(), 0);
        assert!(c.try_acquire(1).is_none());
        drop(first);
        assert!(c.try_acquire(1).is_some());
        drop(second);
        assert_eq!(budget.available(), 10);
    }

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn an_oversized_request_gets_its_turn() {
        let budget = ByteBudget::new(100);
        let [a, b, c] = [(); 3].map(|()| budget.for_holder());
        let first = a.try_acquire(60).expect("it is free");
        let mut oversized = pin!(b.acquire(999));
        assert!(poll(oversized.as_mut()).is_pending());
        // Others go on with little, so that there will be room.
        assert!(c.try_acquire(20).is_none());
        let little = c.try_acquire(16).expect("a small share");
        drop(first);
        let Poll::Ready(permit) = poll(oversized.as_mut()) else {
            panic!("there is room")
        };
        assert_eq!(permit.bytes(), 100);
        assert!(c.try_acquire(1).is_none());
        drop((permit, little));
        assert_eq!(budget.available(), 100);
    }

    #[test]
    fn who_stops_waiting_holds_nobody_up() {
        let budget = ByteBudget::new(10);
        let [a, b, c] = [(); 3].map(|()| budget.for_holder());
        let first = a.try_acquire(10).expect("it is free");
        {
            let mut waiting = Box::pin(b.acquire(10));
            assert!(poll(waiting.as_mut()).is_pending());
        }
        drop(b);
        for _ in 0..99 {
            let mut waiting = Box::pin(c.acquire(5));
            assert!(poll(waiting.as_mut()).is_pending());
        }
        assert!(budget.holder.pool.lock().waiting.len() <= 1);
        let mut waiting = pin!(c.acquire(5));
        assert!(poll(waiting.as_mut()).is_pending());
        drop(first);
        assert!(poll(waiting.as_mut()).is_ready());
    }

    proptest! {
        /// Whatever is taken and given back, nothing is lost, nobody is forgotten, and no more than half of the total
        /// is ever beyond it.
        #[test]
        fn report_c1_nothing_is_lost_and_nobody_forgotten(steps in proptest::collection::vec((0..4usize, 0..3usize, 0..150usize), 0..200)) {
            let budget = ByteBudget::new(100);
            let tasks: Vec<ByteBudget> = (0..4).map(|_| budget.for_holder()).collect();
            let mut held: Vec<Vec<BytePermit>> = (0..4).map(|_| Vec::new()).collect();
            let mut waiting = Vec::new();
            for (task, what, bytes) in steps {
                match what {
                    0 => held[task].extend(tasks[task].try_acquire(bytes)),
                    1 => {
                        let own = tasks[task].clone();
                        waiting.push((task, Box::pin(async move { own.acquire(bytes).await })));
                    }
                    _ => drop(held[task].pop()),
                }
                let mut still = Vec::new();
                for (task, mut future) in waiting {
                    match poll(future.as_mut()) {
                        Poll::Ready(permit) => held[task].push(permit),
                        Poll::Pending => still.push((task, future)),
                    }
                }
                waiting = still;
                let taken: usize = held.iter().flatten().map(BytePermit::bytes).sum();
                prop_assert!(taken <= 150, "{taken} are taken");
            }
            held.clear();
            // All that wait get their turn, one after the other.
            let mut rounds = 0;
            while !waiting.is_empty() {
                rounds += 1;
                prop_assert!(rounds < 400, "{} wait for ever", waiting.len());
                waiting.retain_mut(|(_, future)| poll(future.as_mut()).is_pending());
            }
            prop_assert_eq!(budget.available(), 100);
        }
    }
}
