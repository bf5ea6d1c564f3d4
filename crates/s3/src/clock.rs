//! Clock: the time that the task was told last. Pauses between attempts are counted by it, so that they end
//! when the task's owner says that it is time, in tests as in production.

use std::sync::Mutex;
use tokio::sync::watch;

pub(crate) struct Clock {
    now: watch::Sender<i64>,
    /// The end of the shortest pause, if anything waits.
    next_due: Mutex<Option<i64>>,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Clock {
            now: watch::Sender::new(0),
            next_due: Mutex::new(None),
        }
    }

    /// Tells the time, in epoch milliseconds. Those who wait look whether it is theirs.
    pub(crate) fn set(&self, now: i64) {
        if self.next_due().is_some_and(|due| due <= now) {
            // Whoever is not due yet notes its end again.
            *self.lock() = None;
        }
        self.now.send_replace(now);
    }

    pub(crate) fn now(&self) -> i64 {
        *self.now.borrow()
    }

    /// When somebody should be woken.
    pub(crate) fn next_due(&self) -> Option<i64> {
        *self.lock()
    }

    /// Returns once `millis` have passed.
    pub(crate) async fn pause(&self, millis: i64) {
        let mut now = self.now.subscribe();
        let end = now.borrow_and_update().saturating_add(millis);
        loop {
            if *now.borrow_and_update() >= end {
                return;
            }
            {
                let mut next = self.lock();
                *next = Some(next.map_or(end, |due| due.min(end)));
            }
            if now.changed().await.is_err() {
                return;
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<i64>> {
        // A number is whole whatever a panicking holder did.
        self.next_due
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test]
    async fn wakes_who_is_due() {
        let clock = Arc::new(Clock::new());
        clock.set(100);
        let waiting = |millis| {
            let clock = clock.clone();
            tokio::spawn(async move { clock.pause(millis).await })
        };
        let (short, long) = (waiting(5), waiting(50));
        while clock.next_due() != Some(105) {
            tokio::task::yield_now().await;
        }
        clock.set(105);
        short.await.expect("it ends");
        while clock.next_due() != Some(150) {
            tokio::task::yield_now().await;
        }
        assert!(!long.is_finished());
        clock.set(151);
        long.await.expect("it ends");
        assert_eq!(clock.next_due(), None);
    }
}
