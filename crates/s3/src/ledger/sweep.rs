//! Sweep: entries that are to go are deleted beside the task, some at a time.

use crate::store::{Store, StoreError};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Entries of one round.
const AT_A_TIME: usize = 100;

/// Milliseconds until the next round after one that failed.
const PAUSE: i64 = 30_000;

/// What is left of a round, and why.
type Left = (Vec<String>, Option<StoreError>);

pub(super) struct Sweep {
    store: Arc<Store>,
    /// No more than there were entries.
    waiting: VecDeque<String>,
    /// One round at most.
    running: JoinSet<Left>,
    /// Epoch milliseconds.
    next: i64,
}

impl Sweep {
    pub(super) fn new(store: Arc<Store>) -> Self {
        Sweep {
            store,
            waiting: VecDeque::new(),
            running: JoinSet::new(),
            next: 0,
        }
    }

    pub(super) fn add(&mut self, key: String) {
        self.waiting.push_back(key);
    }

    /// Begins the next round if it is due; why the last one failed.
    pub(super) fn poll(&mut self, now: i64) -> Option<StoreError> {
        let mut failure = None;
        while let Some(ended) = self.running.try_join_next() {
            failure = ended.ok().and_then(|left| self.note(left));
        }
        if failure.is_some() {
            self.next = now + PAUSE;
        }
        // A clock that went ahead once holds nothing up.
        self.next = self.next.min(now + PAUSE);
        if self.next <= now {
            self.begin();
        }
        failure
    }

    fn note(&mut self, (keys, failure): Left) -> Option<StoreError> {
        self.waiting.extend(keys);
        failure
    }

    fn begin(&mut self) {
        if !self.running.is_empty() || self.waiting.is_empty() {
            return;
        }
        let most = self.waiting.len().min(AT_A_TIME);
        let mut keys: Vec<String> = self.waiting.drain(..most).collect();
        let store = Arc::clone(&self.store);
        self.running.spawn(async move {
            while let Some(key) = keys.pop() {
                if let Err(error) = store.delete(&key).await {
                    keys.push(key);
                    return (keys, Some(error));
                }
            }
            (keys, None)
        });
    }

    /// Deletes what waits, until something fails. Cancel safe: what is left is read at the next start.
    pub(super) async fn finish(&mut self) {
        loop {
            self.begin();
            let Some(ended) = self.running.join_next().await else {
                return;
            };
            if ended.ok().and_then(|left| self.note(left)).is_some() {
                return;
            }
        }
    }
}
