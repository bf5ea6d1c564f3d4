//! What the jobs of a task share.

use super::outage::Outage;
use super::settings::UploadSettings;
use crate::clock::Clock;
use crate::store::Store;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Semaphore;
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
    pub(super) fn note_failure(&self, what: &str, key: &str, reason: String, pause: i64) {
        let told = lock(&self.outage).failed(reason.clone(), pause, self.clock.now());
        if let Some(told) = told {
            warn!(
                connector = &*self.connector,
                task = self.task,
                key,
                failures = told.failures,
                since_s = told.lasting / 1000,
                error = reason,
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
