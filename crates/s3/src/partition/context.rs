//! WriterContext: what the writers of a task share, and are given with each call.

use crate::batch_id::BatchIds;
use crate::ledger::Ledger;
use crate::memory::Memory;
use crate::settings::Settings;
use crate::upload::Uploads;
use millstream_core::{Rejected, RowMask};
use std::sync::Arc;

pub(crate) struct WriterContext {
    pub(crate) settings: Arc<Settings>,
    pub(crate) uploads: Uploads,
    pub(crate) memory: Memory,
    pub(crate) rejected: Rejected,
    /// Names of batches of a queue's messages.
    pub(crate) batch_ids: BatchIds,
    /// Which of them are stored, where somebody wants that known.
    pub(crate) ledger: Option<Ledger>,
    /// The rows of the batch in hand that are in other objects already.
    pub(crate) durable: Option<RowMask>,
    /// Whether somebody hears of rejected rows; if not, bad rows are errors.
    pub(crate) has_reporter: bool,
    /// Whether the task goes on after one.
    pub(crate) goes_on_after_rejected: bool,
}

impl WriterContext {
    /// Whether the task ends with a row that has been rejected, so that nothing more is to be written.
    pub(super) fn is_at_its_end(&self) -> bool {
        !self.goes_on_after_rejected && !self.rejected.is_empty()
    }

    /// Whether a row is not to be written, since it is in another object.
    pub(super) fn is_durable(&self, row: usize) -> bool {
        self.durable.as_ref().is_some_and(|rows| rows.get(row))
    }

    /// How many of so many rows from `row` on are to be written together.
    pub(super) fn until_durable(&self, row: usize, rows: usize) -> usize {
        match &self.durable {
            None => rows,
            Some(durable) => (row..row + rows)
                .take_while(|row| !durable.get(*row))
                .count(),
        }
    }
}
