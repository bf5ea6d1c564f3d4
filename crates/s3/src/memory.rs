//! Memory: what the open objects of a task hold, as a share of the budget that fetched records are taken from too.

use crate::spill::Spill;
use millstream_core::{ByteBudget, BytePermit};

/// The budget is taken in steps of this size.
const STEP: usize = 1024 * 1024;

pub(crate) struct Memory {
    budget: ByteBudget,
    /// Open objects may hold this much; what is beyond goes to the temporary file. The rest of the budget is for
    /// records on their way, without which no object would ever be closed.
    share: usize,
    held: usize,
    permits: Vec<BytePermit>,
    pub(crate) spill: Spill,
}

impl Memory {
    pub(crate) fn new(budget: ByteBudget) -> Self {
        Memory {
            share: budget.total() / 2,
            budget,
            held: 0,
            permits: Vec::new(),
            spill: Spill::default(),
        }
    }

    /// Notes that a holder's memory went from one size to another.
    pub(crate) fn change(&mut self, from: usize, to: usize) {
        self.held = self.held.saturating_sub(from) + to;
        let wanted = self.held.min(self.share) / STEP;
        self.permits.truncate(wanted);
        while self.permits.len() < wanted {
            // Where the budget is used up the bytes go uncounted: waiting here could wait for itself.
            let Some(permit) = self.budget.try_acquire(STEP) else {
                break;
            };
            self.permits.push(permit);
        }
    }

    /// Whether open objects hold more than their share.
    pub(crate) fn is_over(&self) -> bool {
        self.held > self.share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_its_share_and_gives_it_back() {
        let budget = ByteBudget::new(8 * STEP);
        let mut memory = Memory::new(budget.clone());
        memory.change(0, 3 * STEP);
        assert_eq!(budget.available(), 5 * STEP);
        assert!(!memory.is_over());
        memory.change(0, 9 * STEP);
        assert_eq!(budget.available(), 4 * STEP);
        assert!(memory.is_over());
        memory.change(12 * STEP, STEP);
        assert_eq!(budget.available(), 7 * STEP);
    }
}
