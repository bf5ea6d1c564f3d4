//! Told: what every task of the sink tells its pipeline, and how often it looks whether it has to tell of a degraded store.

use crate::store::Store;
use millstream_core::rejected::{RejectedRow, Stage};
use millstream_core::{Progress, RecordBatch, RecordError, Rejected, SinkError, TopicPartition};
use std::ops::Range;
use std::time::Duration;

/// How often a task that waits looks whether the store is degraded.
pub(crate) const TICK: Duration = Duration::from_millis(200);

/// The class that Connect names where a task reports a record.
pub(crate) const REPORTER: &str = "org.apache.kafka.connect.sink.SinkTask";

/// What a task has to tell since it was asked last.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) done: Vec<(TopicPartition, Range<i64>)>,
    pub(crate) rejected: Vec<RejectedRow>,
    pub(crate) filtered: usize,
}

impl Told {
    /// Reports a row; `logged` is what the log says of it, if anything. Where there is no reporter the pipeline counts it and
    /// drops it, as the original does.
    pub(crate) fn report(
        &mut self,
        batch: &RecordBatch,
        row: usize,
        (stage, class): (Stage, &str),
        error: RecordError,
        logged: Option<&'static str>,
    ) {
        if let Some(logged) = logged {
            tracing::error!(
                topic = &*batch.origin.topic,
                partition = batch.origin.partition,
                offset = batch.offsets[row],
                error = error.class,
                "{logged}"
            );
        }
        let mut rejected = Rejected::default();
        rejected.push(batch, row, stage, class, error);
        self.rejected.append(&mut rejected.rows);
    }

    /// Hands over what there is. With nothing done and nothing rejected a degraded store is told instead.
    pub(crate) fn progress(&mut self, store: &Store) -> Result<Progress, SinkError> {
        match store.degraded() {
            Some(degraded) if self.done.is_empty() && self.rejected.is_empty() => {
                Err(degraded.into())
            }
            _ => {
                let told = std::mem::take(self);
                Ok(Progress {
                    done: told.done,
                    rejected: told.rejected,
                    filtered: told.filtered,
                    ..Progress::default()
                })
            }
        }
    }

    /// Forgets partitions that somebody else has now.
    pub(crate) fn forget(&mut self, partitions: &[TopicPartition]) {
        self.done.retain(|(origin, _)| !partitions.contains(origin));
        self.rejected
            .retain(|row| !partitions.contains(&row.origin));
    }
}
