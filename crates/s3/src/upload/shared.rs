//! What the jobs of a task share.

use super::outage::{Outage, Trouble};
use super::settings::UploadSettings;
use crate::clock::Clock;
use crate::store::Store;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::warn;

pub(super) struct Shared {
    /// Whose objects these are, for the log.
    pub(super) connector: Arc<str>,
    pub(super) task: u32,
    pub(super) store: Arc<Store>,
    pub(super) clock: Arc<Clock>,
    pub(super) settings: Arc<UploadSettings>,
    pub(super) requests: Semaphore,
    pub(super) outage: Mutex<Outage>,
}

impl Shared {
    /// Takes note of a request that failed, and says so unless that was done a short while ago.
    pub(super) fn note_trouble(&self, what: &str, key: &str, reason: String, pause: i64) {
        let next_try = self.clock.now().saturating_add(pause);
        let trouble = Trouble { reason, next_try };
        let told = lock(&self.outage).failed(trouble.clone(), Instant::now());
        if let Some(told) = told {
            warn!(
                connector = &*self.connector,
                task = self.task,
                key,
                failures = told.failures,
                since_s = told.since.as_secs(),
                error = trouble.reason,
                "cannot {what} the object, trying again"
            );
        }
    }

    pub(super) fn note_success(&self) {
        lock(&self.outage).succeeded();
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What these hold is whole whatever a panicking holder did.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
