//! Rejected rows are settled, before their offsets count as done. Nothing is given to the sink meanwhile.

use super::Pipeline;
use crate::failure::TaskFailure;
use crate::outages::OutageSource;
use futures::future::BoxFuture;
use millstream_core::{Rejected, TopicPartition};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long the dead-letter topic may take for a write before that is an outage.
const SLOW_DEAD_LETTERS: Duration = Duration::from_secs(2);

/// Rejected rows on their way to those who are to hear of them. Nothing is given to the sink meanwhile.
pub(super) struct Settling {
    pub(super) outcome: BoxFuture<'static, Result<(), TaskFailure>>,
    pub(super) rows: Vec<(TopicPartition, i64)>,
    pub(super) slow_at: Instant,
}

impl Pipeline {
    /// Has rejected rows settled, behind those that are being settled. Their offsets do not count as done until then.
    pub(super) fn settle(&mut self, rejected: Rejected) {
        self.durability.reject(&rejected.rows);
        self.rejected.rows.extend(rejected.rows);
        if self.rejected.is_empty() || self.settling.is_some() {
            return;
        }
        let mut rejected = std::mem::take(&mut self.rejected);
        let rows = rejected.rows.iter();
        let rows = rows.map(|row| (row.origin.clone(), row.offset)).collect();
        let (errors, metrics) = (Arc::clone(&self.errors), Arc::clone(&self.metrics));
        let now = (self.settings.clock)();
        self.settling = Some(Settling {
            outcome: Box::pin(async move { errors.settle(&mut rejected, &metrics, now).await }),
            rows,
            slow_at: Instant::now() + SLOW_DEAD_LETTERS,
        });
    }

    /// Rejected rows are settled, or have ended the task.
    pub(super) async fn on_settled(
        &mut self,
        outcome: Result<(), TaskFailure>,
    ) -> Result<(), TaskFailure> {
        self.note_settled(outcome)?;
        if self.settling.is_none() {
            self.outage_reporter
                .recover(OutageSource::DeadLetters)
                .await;
        }
        self.put_current(false).await
    }

    pub(super) fn note_settled(
        &mut self,
        outcome: Result<(), TaskFailure>,
    ) -> Result<(), TaskFailure> {
        let rows = self
            .settling
            .take()
            .map_or_else(Vec::new, |settling| settling.rows);
        outcome?;
        let stored = self.durability.settle(&rows);
        self.metrics.stored(stored, 0, Instant::now());
        self.settle(Rejected::default());
        Ok(())
    }

    pub(super) async fn note_slow_dead_letters(&mut self) {
        let now = Instant::now();
        let Some(settling) = self.settling.as_mut().filter(|s| s.slow_at <= now) else {
            return;
        };
        settling.slow_at = now + SLOW_DEAD_LETTERS;
        let reason = "dead letter queue write is not acknowledged yet, retrying".to_owned();
        self.outage_reporter
            .attempt_failed(OutageSource::DeadLetters, reason, SLOW_DEAD_LETTERS)
            .await;
    }
}
