//! Clock: the time that the task was told last. Pauses between attempts are counted by it, so that they end
//! when the task's owner says that it is time, in tests as in production.

use std::sync::Mutex;
use tokio::sync::watch;

pub(crate) struct Clock {
    now: watch::Sender<Time>,
    /// The end of the shortest pause, in `passed`, if anything waits.
    next_due: Mutex<Option<i64>>,
}

#[derive(Clone, Copy, Default)]
struct Time {
    /// Epoch milliseconds.
    now: i64,
    /// What has passed since the beginning: a clock that is put back stops it, so that no pause lasts until a time that
    /// was never right.
    passed: i64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Clock {
            now: watch::Sender::new(Time::default()),
            next_due: Mutex::new(None),
        }
    }

    /// Tells the time, in epoch milliseconds. Those who wait look whether it is theirs.
    pub(crate) fn set(&self, now: i64) {
        let before = *self.now.borrow();
        let since = now.saturating_sub(before.now).max(0);
        let passed = before.passed.saturating_add(since);
        let mut next_due = self.lock();
        if next_due.is_some_and(|due| due <= passed) {
            // Whoever is not due yet notes its end again.
            *next_due = None;
        }
        drop(next_due);
        self.now.send_replace(Time { now, passed });
    }

    pub(crate) fn now(&self) -> i64 {
        self.now.borrow().now
    }

    /// When somebody should be woken, in epoch milliseconds.
    pub(crate) fn next_due(&self) -> Option<i64> {
        let due = (*self.lock())?;
        let time = *self.now.borrow();
        Some(time.now.saturating_add(due - time.passed))
    }

    /// Returns once `millis` have passed.
    pub(crate) async fn pause(&self, millis: i64) {
        let mut time = self.now.subscribe();
        let end = time.borrow_and_update().passed.saturating_add(millis);
        loop {
            if time.borrow_and_update().passed >= end {
                return;
            }
            {
                let mut next = self.lock();
                *next = Some(next.map_or(end, |due| due.min(end)));
            }
            if time.changed().await.is_err() {
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

    #[tokio::test]
    async fn report_c18_a_clock_that_went_ahead_once_prolongs_no_pause() {
        let clock = Arc::new(Clock::new());
        clock.set(1_000_000_000);
        let waiting = clock.clone();
        let waiting = tokio::spawn(async move { waiting.pause(50).await });
        while clock.next_due() != Some(1_000_000_050) {
            tokio::task::yield_now().await;
        }
        clock.set(100);
        assert_eq!(clock.next_due(), Some(150));
        clock.set(150);
        waiting.await.expect("it ends");
    }
}
