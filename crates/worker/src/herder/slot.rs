//! Slot: a place that the instances of a task take one after another, so that none runs twice.

use super::request::Outage;
use crate::cluster::RunState;

/// The first pause before a failed task starts again; it doubles up to the longest.
const FIRST_HEALING_PAUSE_MS: i64 = 5_000;
const LONGEST_HEALING_PAUSE_MS: i64 = 300_000;
/// A task that ran this long was healthy; the pauses begin anew.
const HEALTHY_AFTER_MS: i64 = 600_000;

#[derive(Clone, Debug, Default)]
pub(super) struct Slot {
    pub(super) instance: u64,
    /// Told to stop and not yet gone.
    pub(super) is_stopping: bool,
    /// Whether another instance starts once this one is gone.
    pub(super) starts_again: bool,
    /// Whether a restart was asked for that is told as such.
    pub(super) is_restarting: bool,
    pub(super) outage: Option<Outage>,
    /// The last status, with its trace.
    pub(super) said: Option<(RunState, Option<String>)>,
    restarts: u32,
    pub(super) running_since: Option<i64>,
}

/// The pause before what has failed so many times in a row starts again, in milliseconds.
pub(super) fn healing_pause(failures: u32) -> i64 {
    let doubled = FIRST_HEALING_PAUSE_MS << failures.saturating_sub(1).min(16);
    doubled.min(LONGEST_HEALING_PAUSE_MS)
}

impl Slot {
    pub(super) fn is_live(&self) -> bool {
        !self.is_stopping
    }

    /// Whether the instance has ended before it was told to.
    pub(super) fn has_failed(&self) -> bool {
        matches!(self.said, Some((RunState::Failed, _)))
    }

    pub(super) fn outage(&self) -> Option<Outage> {
        self.outage.clone()
    }

    /// The instance that takes the place now.
    pub(super) fn take(&mut self, instance: u64) {
        self.instance = instance;
        self.is_stopping = false;
        self.starts_again = false;
        self.is_restarting = false;
        self.outage = None;
        self.said = None;
    }

    pub(super) fn fail(&mut self, heals: bool, now: i64) {
        let ran = self.running_since.take().map_or(0, |since| now - since);
        if ran >= HEALTHY_AFTER_MS {
            self.restarts = 0;
        }
        self.outage = None;
        if heals {
            self.restarts += 1;
            self.outage = Some(Outage::Restarting {
                restarts: self.restarts,
                next_try: now + healing_pause(self.restarts),
            });
        }
    }

    /// When a failed task starts again.
    pub(super) fn due(&self) -> Option<i64> {
        match &self.outage {
            Some(Outage::Restarting { next_try, .. }) => Some(*next_try),
            Some(Outage::Degraded(_)) | None => None,
        }
    }
}
