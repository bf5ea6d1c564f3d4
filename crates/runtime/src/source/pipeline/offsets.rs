//! What is acknowledged is stored as the source's offsets, on the interval and at the end of the task.

use super::SourcePipeline;
use crate::metrics::Commit;
use crate::outages::OutageSource;
use crate::source::progress::Offset;
use futures::future::BoxFuture;
use millstream_core::{OffsetError, SourceMap};
use std::sync::Arc;
use tokio::time::{Instant, timeout};

/// Offsets on their way into the store.
pub(super) struct Flush {
    begun: Instant,
    pub(super) outcome: BoxFuture<'static, Result<(), OffsetError>>,
    offsets: Vec<(Arc<SourceMap>, Offset)>,
}

impl SourcePipeline {
    /// Begins to store what is acknowledged, unless that is under way.
    pub(super) fn begin_flush(&mut self) {
        self.flush_due = Instant::now() + self.settings.commit_interval;
        if self.flush.is_some() {
            return;
        }
        let offsets = self.progress.pending();
        if offsets.is_empty() {
            return;
        }
        let entries: Vec<_> = offsets
            .iter()
            .map(|(partition, offset)| {
                let stands = SourceMap::from_iter([(offset.name, offset.value)]);
                ((**partition).clone(), Some(stands))
            })
            .collect();
        let store = Arc::clone(&self.parts.offsets);
        let connector = Arc::clone(&self.settings.id.connector);
        let flush_timeout = self.parts.flush_timeout;
        let outcome = async move {
            match timeout(flush_timeout, store.write(&connector, &entries)).await {
                Ok(outcome) => outcome,
                Err(_) => Err(OffsetError {
                    message: format!(
                        "the source's offsets were not stored within {} ms (offset.flush.timeout.ms)",
                        flush_timeout.as_millis()
                    ),
                }),
            }
        };
        self.flush = Some(Flush {
            begun: Instant::now(),
            outcome: Box::pin(outcome),
            offsets,
        });
    }

    pub(super) async fn flushed(&mut self, outcome: Result<(), OffsetError>) {
        let Some(flush) = self.flush.take() else {
            return;
        };
        let counted = match &outcome {
            Ok(()) => Commit::Done,
            Err(_) => Commit::Failed,
        };
        let now = Instant::now();
        self.metrics.committed(counted, now - flush.begun, now);
        match outcome {
            Ok(()) => {
                self.progress.stored(&flush.offsets);
                self.outage_reporter.recover(OutageSource::Commit).await;
            }
            Err(error) => {
                let next_try = self.settings.commit_interval;
                self.outage_reporter
                    .attempt_failed(OutageSource::Commit, error.message, next_try)
                    .await;
            }
        }
    }

    /// Stores how far everything is acknowledged. What is under way is older, and must not come later.
    pub(super) async fn flush_all(&mut self) {
        if let Some(flush) = &mut self.flush {
            let outcome = (&mut flush.outcome).await;
            self.flushed(outcome).await;
        }
        self.begin_flush();
        if let Some(flush) = &mut self.flush {
            let outcome = (&mut flush.outcome).await;
            self.flushed(outcome).await;
        }
    }
}
