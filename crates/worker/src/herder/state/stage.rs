//! Stage: what a request that is not answered waits for, in Java's words, which people look for in logs.

use super::*;

impl State {
    /// Publishes the stage. One that goes on keeps its beginning.
    pub(super) fn tell_stage(&mut self, now: i64) {
        let text = self.stage();
        let told = self.view.stage.as_ref().map(|stage| &*stage.text);
        if told != text.as_deref() {
            self.view.stage = text.map(|text| Stage {
                text: text.into(),
                since: now,
            });
        }
    }

    fn stage(&self) -> Option<String> {
        let flushes = |revocation: &Revocation| matches!(revocation, Revocation::Flushing(_));
        let is_flushing = self.revocations.values().any(flushes)
            || matches!(self.leaving, Some(Leaving::Flushing(_)));
        let text = if self.is_ending {
            "shutting down"
        } else if !self.is_caught_up {
            "initializing and reading to the end of internal topics"
        } else if is_flushing {
            "flushing updates to the status topic"
        } else if !self.revocations.is_empty() || self.leaving.is_some() {
            "halting tasks that have been revoked from this worker"
        } else if self.reading.is_some() {
            "reading to the end of the config topic"
        } else if self.is_rebalancing {
            "ensuring membership in the cluster"
        } else {
            return self.writes.values().next().map(Write::stage);
        };
        Some(text.to_owned())
    }
}
