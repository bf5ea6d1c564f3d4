//! Preparing: what a converter needs is being fetched, or is fetched again after a pause.

use millstream_core::backoff::Backoff;
use millstream_core::{Preparation, Unavailable, limits};
use std::time::Duration;
use tokio::time::Instant;

/// First pause: a registry that restarts is back within seconds.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

pub(crate) struct Preparing {
    /// `None` between two attempts.
    attempt: Option<Preparation>,
    again_at: Instant,
    backoff: Backoff,
}

impl Preparing {
    pub(crate) fn new(preparation: Preparation) -> Self {
        Preparing {
            attempt: Some(preparation),
            again_at: Instant::now(),
            backoff: Backoff::new((FIRST_PAUSE, limits::MAX_BACKOFF)),
        }
    }

    /// What came of the attempt under way; nothing at once if there is none.
    pub(crate) async fn outcome(&mut self) -> Option<Result<(), Unavailable>> {
        Some(self.attempt.as_mut()?.await)
    }

    /// The attempt has failed: the pause until the next.
    pub(crate) fn failed(&mut self) -> Duration {
        self.attempt = None;
        let pause = self.backoff.next_pause();
        self.again_at = Instant::now() + pause;
        pause
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        self.attempt.is_none().then_some(self.again_at)
    }

    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.due().is_some_and(|due| due <= now)
    }

    pub(crate) fn again(&mut self, preparation: Preparation) {
        self.attempt = Some(preparation);
    }
}
