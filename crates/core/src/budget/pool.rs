//! The pool behind a budget: who may have how much of it, and who waits.

use super::BytePermit;
use crate::oversized::OversizedQueue;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// A holder may have so many times what is left.
const SHARE_OF_THE_REST: i64 = 4;

#[derive(Debug)]
pub(super) struct Pool {
    pub(super) total: usize,
    /// What is kept back for each holder.
    pub(super) own: usize,
    /// Where oversized requests pass one by one.
    pub(super) oversized_queue: Option<OversizedQueue>,
    pub(super) state: Mutex<State>,
    /// How many have had to wait, and for how long together, in microseconds.
    pub(super) waits: AtomicU64,
    pub(super) waited: AtomicU64,
}

#[derive(Debug)]
pub(super) struct State {
    /// Less than nothing while somebody is beyond the total.
    pub(super) free: i64,
    pub(super) holders: usize,
    /// How many there have been.
    pub(super) last_holder: usize,
    /// What is kept back for what holders are by themselves.
    pub(super) kept_back: i64,
    /// In the order in which they came.
    pub(super) waiting: VecDeque<Waiting>,
}

/// One that shares a pool.
#[derive(Debug)]
pub(super) struct Holder {
    pub(super) pool: Arc<Pool>,
    /// Which one of its pool it is.
    pub(super) number: usize,
    /// Bytes; changed under the pool's lock alone.
    pub(super) held: AtomicUsize,
    pub(super) is_counted: bool,
}

#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) holder: Arc<Holder>,
    pub(super) bytes: usize,
    pub(super) reply: oneshot::Sender<BytePermit>,
}

/// Whether a request may be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Granted,
    /// There is too little for anybody.
    NoRoom,
    /// Its holder has enough.
    HasEnough,
}

impl Pool {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Numbers are whole whatever a panicking holder did.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub(super) fn change_holders(&mut self, by: isize, pool: &Pool) {
        self.holders = self.holders.saturating_add_signed(by);
        let kept_back = signed((self.holders * pool.own).min(pool.total / 2));
        self.free += self.kept_back - kept_back;
        self.kept_back = kept_back;
    }

    /// While an older request waits for room, others get no more than a small share each: it would never come.
    pub(super) fn verdict_behind_others(&self, holder: &Arc<Holder>, bytes: usize) -> Verdict {
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

    pub(super) fn take(&mut self, holder: &Arc<Holder>, bytes: usize) {
        self.free -= signed(bytes);
        holder.held.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn give_back(&mut self, holder: &Arc<Holder>, bytes: usize) {
        self.free += signed(bytes);
        holder.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(super) fn grant(&mut self, holder: &Arc<Holder>, bytes: usize) -> BytePermit {
        self.take(holder, bytes);
        BytePermit {
            holder: Arc::clone(holder),
            bytes,
            oversized: None,
        }
    }

    /// Takes those out of the line who wait no more. Their holders may end here, which needs the lock.
    pub(super) fn forget_gone(&mut self) -> Vec<Waiting> {
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
    pub(super) fn serve(&mut self) -> Vec<Arc<Holder>> {
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

pub(super) fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes)
        .unwrap_or(i64::MAX / 8)
        .min(i64::MAX / 8)
}
