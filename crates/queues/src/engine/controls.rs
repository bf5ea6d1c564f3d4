//! Controls: what the consumer's owner wants of the worker, kept until it looks, so that no call has to wait for a queue.

use std::ops::Range;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::time::Instant;

/// Shared between a consumer and its worker.
#[derive(Debug)]
pub(crate) struct Controls {
    wishes: Mutex<Wishes>,
    changed: Notify,
    /// The offset behind all that was received and all that waits in the queue, as it last said.
    end: AtomicI64,
}

/// What is wanted since the worker last looked.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    pub(crate) is_paused: bool,
    /// What was sent in an earlier epoch is not delivered.
    pub(crate) epoch: u64,
    pub(crate) take_back: Option<TakeBack>,
    /// What is done. There are no more ranges than messages that were delivered.
    pub(crate) done: Vec<Range<i64>>,
    /// By when everything has to have come to its end.
    pub(crate) deadline: Option<Instant>,
}

/// Messages from an offset on are given back to the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TakeBack {
    pub(crate) from: i64,
    /// Whether the sink waits for that offset, and is to hear that nothing comes under it.
    pub(crate) is_awaited: bool,
}

impl Controls {
    pub(crate) fn new(first: i64) -> Self {
        Controls {
            wishes: Mutex::default(),
            changed: Notify::new(),
            end: AtomicI64::new(first),
        }
    }

    /// Pauses delivery behind `handed`, or goes on; returns the new epoch.
    pub(crate) fn set_paused(&self, is_paused: bool, handed: i64) -> u64 {
        self.change(|wishes| {
            if is_paused && !wishes.is_paused {
                wishes.epoch += 1;
                wishes.merge(TakeBack {
                    from: handed,
                    is_awaited: false,
                });
            }
            wishes.is_paused = is_paused;
            wishes.epoch
        })
    }

    /// Has messages given back from an offset on; returns the new epoch.
    pub(crate) fn seek(&self, from: i64) -> u64 {
        self.change(|wishes| {
            wishes.epoch += 1;
            wishes.merge(TakeBack {
                from,
                is_awaited: true,
            });
            wishes.epoch
        })
    }

    pub(crate) fn done(&self, ranges: impl Iterator<Item = Range<i64>>) {
        self.change(|wishes| {
            for range in ranges {
                match wishes.done.last_mut() {
                    Some(last) if last.end == range.start => last.end = range.end,
                    _ => wishes.done.push(range),
                }
            }
        });
    }

    pub(crate) fn end_by(&self, deadline: Instant) {
        self.change(|wishes| wishes.deadline = Some(deadline));
    }

    /// Returns once something may have changed. Cancel safe.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// What is wanted; what is to be done once is taken.
    pub(crate) fn take(&self) -> Wishes {
        let mut wishes = self.lock();
        Wishes {
            take_back: wishes.take_back.take(),
            done: std::mem::take(&mut wishes.done),
            ..*wishes
        }
    }

    pub(crate) fn set_end(&self, end: i64) {
        self.end.store(end, Ordering::Relaxed);
    }

    pub(crate) fn end(&self) -> i64 {
        self.end.load(Ordering::Relaxed)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Wishes) -> T) -> T {
        let outcome = change(&mut self.lock());
        self.changed.notify_one();
        outcome
    }

    fn lock(&self) -> MutexGuard<'_, Wishes> {
        // Each change is whole or not made.
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wishes {
    fn merge(&mut self, other: TakeBack) {
        let before = self.take_back.get_or_insert(other);
        before.from = before.from.min(other.from);
        before.is_awaited |= other.is_awaited;
    }
}
