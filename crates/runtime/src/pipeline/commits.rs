//! What is durable is told: commits on the interval, and each finished range to a source that wants to hear of it.

use super::Pipeline;
use crate::metrics::Commit;
use crate::outages::OutageSource;
use std::time::Duration;
use tokio::time::{Instant, timeout};

impl Pipeline {
    /// Tells a source that wants every range what is done; one that does not take it is told again later.
    pub(super) async fn confirm(&mut self) {
        let outcome = self.consumer.confirm(self.durability.finished()).await;
        match outcome {
            Ok(()) => {
                self.durability.confirmed();
                self.outage_reporter.recover(OutageSource::Confirm).await;
            }
            Err(error) => {
                let next_try = self.settings.commit_interval;
                self.confirm_due = Instant::now() + next_try;
                self.outage_reporter
                    .attempt_failed(OutageSource::Confirm, error.message, next_try)
                    .await;
            }
        }
    }

    /// Commits what is durable. A commit that fails or takes too long is tried again with the next one.
    pub(super) async fn commit(&mut self, limit: Duration) {
        self.durability.schedule(Instant::now());
        let pending = self.durability.pending();
        if pending.is_empty() {
            // What could not be committed has gone to somebody else.
            self.outage_reporter.recover(OutageSource::Commit).await;
            return;
        }
        let begun = Instant::now();
        let (outcome, counted) = match timeout(limit, self.consumer.commit(&pending)).await {
            Ok(Ok(())) => (Ok(()), Commit::Done),
            Ok(Err(error)) => (Err(error.message), Commit::Failed),
            Err(_) => {
                let why = "offset commit timed out: no response from the group coordinator";
                (Err(why.to_owned()), Commit::Late)
            }
        };
        let now = Instant::now();
        self.metrics.committed(counted, now - begun, now);
        match outcome {
            Ok(()) => {
                self.durability.committed(&pending);
                self.outage_reporter.recover(OutageSource::Commit).await;
            }
            Err(reason) => {
                let next_try = self.settings.commit_interval;
                self.outage_reporter
                    .attempt_failed(OutageSource::Commit, reason, next_try)
                    .await;
            }
        }
    }
}
