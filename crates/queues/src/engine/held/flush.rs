//! When what is open in the sink has to be closed for the queue's sake.

use super::{Entry, Held};
use millstream_core::FlushReason;
use std::time::Duration;
use tokio::time::Instant;

/// Of the time for which a queue lets a message be held so much is used: the rest is for the write itself.
const HOLD_SHARE: f64 = 0.8;

impl Held {
    /// The first message that is delivered, not done, and not told to be closed.
    fn first_open(&self) -> Option<&Entry> {
        let open = self.entries.range(self.flushed_to..self.delivered_to);
        open.map(|(_, entry)| entry).find(|entry| !entry.is_done)
    }

    /// Why what is open has to be closed now, if it has to; `flushed` is to follow.
    pub(in crate::engine) fn flush_due(&self, now: Instant) -> Option<FlushReason> {
        let first = self.first_open()?;
        if self.worn_to > self.flushed_to && self.delivered_to >= self.worn_to {
            return Some(FlushReason::Worn);
        }
        if now >= first.received + self.hold() {
            return Some(FlushReason::Hold);
        }
        if self.runs_out(now) {
            return Some(FlushReason::Expiry);
        }
        let is_starved = self.is_paused || self.starving_until().is_some_and(|until| now >= until);
        is_starved.then_some(FlushReason::Starved)
    }

    /// Whether the lease of something that is open has come so near to its end that extending it does not seem to work.
    fn runs_out(&self, now: Instant) -> bool {
        let Some(lease) = self.facts.lease else {
            return false;
        };
        let open = self.flushed_to..self.delivered_to;
        let near = self.leases.iter();
        let mut near = near.take_while(|(at, _)| *at <= now + lease / 4);
        near.any(|(_, offset)| {
            let entry = self.entries.get(offset);
            open.contains(offset) && entry.is_some_and(|entry| !entry.is_done)
        })
    }

    fn hold(&self) -> Duration {
        let longest = self.facts.longest_hold;
        let longest = longest.map(|longest| longest.mul_f64(HOLD_SHARE));
        longest.map_or(self.rules.hold, |longest| longest.min(self.rules.hold))
    }

    /// What has been delivered is told to be closed.
    pub(in crate::engine) fn flushed(&mut self) {
        self.flushed_to = self.delivered_to;
    }

    /// When what is open is to be closed because nothing more came.
    fn starving_until(&self) -> Option<Instant> {
        let has_waiting = self.entries.range(self.delivered_to..).next().is_some();
        let idle = self.rules.idle.filter(|_| !has_waiting);
        idle.map(|idle| self.last_movement + idle)
    }

    /// When `flush_due` is to be asked, as far as the clock alone decides. A lease comes near its end only where extending it
    /// fails, which is looked at as often as that is tried.
    pub(in crate::engine) fn next_flush(&self) -> Option<Instant> {
        let hold = self.first_open()?.received + self.hold();
        Some(self.starving_until().map_or(hold, |until| until.min(hold)))
    }
}
