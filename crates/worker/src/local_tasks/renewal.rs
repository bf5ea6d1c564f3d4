//! Renewal: what services keep may change while a task runs, as a password that is rotated. The task finds out by being refused or
//! getting nowhere: that is when its references are looked up again, now and then, for as long as it is so.

use crate::task::Trouble;
use millstream_core::backoff::Backoff;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Between two lookups, the first and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(300));

/// How often a task that has failed is looked after: a rotation is over within some minutes.
const LOOKUPS_OF_FAILED: u32 = 4;

/// When to look.
pub(super) struct Renewal {
    troubles: watch::Receiver<Trouble>,
    backoff: Backoff,
    next: Instant,
    /// Since the task has failed.
    lookups: u32,
}

impl Renewal {
    pub(super) fn new(troubles: watch::Receiver<Trouble>) -> Self {
        Renewal {
            troubles,
            backoff: Backoff::new(PAUSES),
            next: Instant::now(),
            lookups: 0,
        }
    }

    /// Returns when it is time for a lookup. May be dropped and called again.
    pub(super) async fn due(&mut self) {
        loop {
            let trouble = *self.troubles.borrow_and_update();
            let is_due = match trouble {
                Trouble::None => {
                    self.backoff.reset();
                    self.lookups = 0;
                    false
                }
                Trouble::Waits => true,
                Trouble::Failed => self.lookups < LOOKUPS_OF_FAILED,
            };
            let changed = self.troubles.changed();
            tokio::select! {
                () = sleep_until(self.next), if is_due => {
                    self.next = Instant::now() + self.backoff.next_pause();
                    self.lookups += u32::from(trouble == Trouble::Failed);
                    return;
                }
                // Who tells of troubles lives as long as the task.
                changed = changed => if changed.is_err() {
                    return std::future::pending().await;
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seconds at which lookups are due within an hour of a trouble.
    async fn lookups(trouble: Trouble) -> Vec<u64> {
        let (tell, troubles) = watch::channel(Trouble::None);
        let mut renewal = Renewal::new(troubles);
        let began = Instant::now();
        let mut seen = Vec::new();
        tell.send_replace(trouble);
        let hour = tokio::time::timeout(Duration::from_secs(3600), async {
            loop {
                renewal.due().await;
                seen.push(began.elapsed().as_secs());
            }
        });
        assert!(hour.await.is_err());
        seen
    }

    #[tokio::test(start_paused = true)]
    async fn looks_at_once_and_then_less_and_less_often() {
        assert_eq!(lookups(Trouble::None).await, [0; 0]);
        let failed = lookups(Trouble::Failed).await;
        assert_eq!((failed.len(), failed[0]), (4, 0), "{failed:?}");
        let waits = lookups(Trouble::Waits).await;
        assert!(waits.len() > 10 && waits.len() < 25, "{waits:?}");
        assert_eq!(waits[0], 0);
    }
}
