//! Memory: what the open objects of a task hold. What the budget has no room for goes to the temporary file.

use crate::spill::Spill;
use millstream_core::{ByteBudget, BytePermit, TaskContext};
use tracing::warn;

/// The budget is taken in steps of this size.
const STEP: usize = 64 * 1024;

/// As much goes to the temporary file before it must.
const MOST_IN_ADVANCE: usize = 1024 * 1024;

pub(crate) struct Memory {
    held: usize,
    permit: BytePermit,
    /// Of an oversized record for which there was neither memory nor a temporary file.
    oversized: Option<BytePermit>,
    /// Of the budget that tasks share.
    total: usize,
    pub(crate) spill: Spill,
}

impl Memory {
    pub(crate) fn new(budget: &ByteBudget, spill: Spill) -> Self {
        Memory {
            held: 0,
            permit: budget.for_holder().nothing(),
            oversized: None,
            total: budget.total(),
            spill,
        }
    }

    /// Says at the start what would stop the task later: that only a temporary file has room for a part, and there is none.
    pub(crate) async fn check(&self, context: &TaskContext, part_size: usize) {
        if let Err(error) = self.spill.check().await {
            let folder = self.spill.folder().display();
            let is_needed = part_size > self.total;
            warn!(
                connector = &*context.connector,
                task = context.task,
                %folder, %error, is_needed,
                "cannot write to the temporary folder: open objects have only memory, and when that is full no records \
                 are taken; set millstream.s3.temp.dir, or TMPDIR, to a folder that can be written to"
            );
        }
    }

    /// Notes that a holder's memory went from one size to another.
    pub(crate) fn change(&mut self, from: usize, to: usize) {
        self.held = self.held.saturating_sub(from) + to;
        let wanted = self.held.div_ceil(STEP) * STEP;
        // Waiting here could wait for itself: it is for the caller to hold less.
        self.permit.resize(wanted);
        if !self.is_over() {
            self.oversized = None;
        }
    }

    /// Holds the next oversized record up as long as there is no room for what has come of this one.
    pub(crate) fn hold(&mut self, record: Option<&BytePermit>) {
        if self.is_over()
            && let Some(record) = record.filter(|record| record.is_oversized())
        {
            self.oversized = Some(record.beside());
        }
    }

    /// Whether open objects hold more than the budget has for them.
    pub(crate) fn is_over(&self) -> bool {
        self.held > self.permit.bytes()
    }

    /// How much is to go to the temporary file where open objects hold more than there is memory for: some more than that,
    /// so that it is done for many at a time.
    pub(crate) fn excess(&self) -> usize {
        let there_is = self.permit.bytes();
        self.held.saturating_sub(there_is) + (there_is / 8).min(MOST_IN_ADVANCE)
    }

    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Why no batch can be taken.
    pub(crate) fn shortage(&self, failure: &str) -> String {
        let folder = self.spill.folder().display();
        format!(
            "open objects need more memory than there is ({} of {} MiB are theirs), and the temporary folder {folder} takes \
             nothing ({failure}); make room there, set millstream.s3.temp.dir to another folder, or give the worker more \
             memory (millstream.memory.bytes)",
            self.held >> 20,
            self.total >> 20,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_there_is_and_gives_it_back() {
        let budget = ByteBudget::new(4 * STEP);
        let mut memory = Memory::new(&budget, Spill::new(std::env::temp_dir()));
        memory.change(0, 3 * STEP);
        assert_eq!(budget.available(), STEP);
        assert!(!memory.is_over());
        memory.change(0, 2 * STEP);
        assert!(memory.is_over());
        memory.change(4 * STEP, STEP / 2);
        assert_eq!(budget.available(), 2 * STEP);
        assert!(!memory.is_over());
    }
}
