//! What the jobs of a task share.

use super::outage::Outage;
use super::settings::UploadSettings;
use crate::clock::Clock;
use crate::store::{Store, StoreError};
use millstream_core::SinkMeters;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
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
    pub(super) meters: Arc<SinkMeters>,
}

impl Shared {
    /// Takes note of a request that failed and is sent again after a pause, milliseconds.
    pub(super) fn note_failure(&self, operation: &str, key: &str, error: &StoreError, pause: i64) {
        let bucket = self.store.bucket();
        self.meters.retried();
        let reason = format!("{operation} failed for bucket {bucket}: {error}");
        self.note(reason, "request failed, retrying", key, pause);
    }

    /// Takes note of a request that has been on its way for so long.
    pub(super) fn note_slow(&self, operation: &str, key: &str, after: Duration) {
        let (bucket, store) = (self.store.bucket(), self.store.name());
        let reason = format!(
            "{operation} is slow for bucket {bucket}: no response from {store} for {} s",
            after.as_secs()
        );
        self.note(reason, "request is slow, waiting", key, 0);
    }

    /// A line tells of it, unless one did a short while ago.
    fn note(&self, reason: String, what: &str, key: &str, pause: i64) {
        let told = lock(&self.outage).failed(reason.clone(), pause, self.clock.now());
        if let Some(told) = told {
            warn!(
                connector = &*self.connector,
                task = self.task,
                key,
                failures = told.failures,
                since_s = told.lasting / 1000,
                error = reason,
                "{what}"
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
