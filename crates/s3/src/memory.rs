//! Memory: what the open objects of a task hold. What the budget has no room for goes to the temporary file.

use crate::spill::Spill;
use millstream_core::{ByteBudget, BytePermit};

/// The budget is taken in steps of this size.
const STEP: usize = 1024 * 1024;

pub(crate) struct Memory {
    budget: ByteBudget,
    held: usize,
    permits: Vec<BytePermit>,
    pub(crate) spill: Spill,
}

impl Memory {
    pub(crate) fn new(budget: ByteBudget) -> Self {
        Memory {
            budget,
            held: 0,
            permits: Vec::new(),
            spill: Spill::default(),
        }
    }

    /// Notes that a holder's memory went from one size to another.
    pub(crate) fn change(&mut self, from: usize, to: usize) {
        self.held = self.held.saturating_sub(from) + to;
        let wanted = self.held.div_ceil(STEP);
        self.permits.truncate(wanted);
        while self.permits.len() < wanted {
            // Waiting here could wait for itself: it is for the caller to hold less.
            let Some(permit) = self.budget.try_acquire(STEP) else {
                break;
            };
            self.permits.push(permit);
        }
    }

    /// Whether open objects hold more than the budget has for them.
    pub(crate) fn is_over(&self) -> bool {
        self.held > self.permits.len() * STEP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_there_is_and_gives_it_back() {
        let budget = ByteBudget::new(4 * STEP);
        let mut memory = Memory::new(budget.clone());
        memory.change(0, 3 * STEP);
        assert_eq!(budget.available(), STEP);
        assert!(!memory.is_over());
        memory.change(0, 2 * STEP);
        assert_eq!(budget.available(), 0);
        assert!(memory.is_over());
        memory.change(4 * STEP, STEP / 2);
        assert_eq!(budget.available(), 2 * STEP);
        assert!(!memory.is_over());
    }
}
