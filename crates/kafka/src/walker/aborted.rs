//! Which batches belong to aborted transactions, as the broker's list and the markers in the log say.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

/// A transaction of the fetched range that was aborted, from its first offset in this partition on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    pub producer_id: i64,
    pub first_offset: i64,
}

pub(super) struct AbortedTransactions {
    /// By first offset; the broker's list need not be in order.
    ahead: BinaryHeap<Reverse<(i64, i64)>>,
    open: HashSet<i64>,
}

impl AbortedTransactions {
    pub(super) fn new(list: Vec<AbortedTransaction>) -> Self {
        AbortedTransactions {
            ahead: list
                .into_iter()
                .map(|t| Reverse((t.first_offset, t.producer_id)))
                .collect(),
            open: HashSet::new(),
        }
    }

    /// Whether a batch of this producer that ends at `last_offset` is to be left out.
    pub(super) fn leaves_out(
        &mut self,
        producer_id: i64,
        last_offset: i64,
        is_transactional: bool,
        is_abort_marker: bool,
    ) -> bool {
        while let Some(&Reverse((first_offset, producer))) = self.ahead.peek() {
            if first_offset > last_offset {
                break;
            }
            self.ahead.pop();
            self.open.insert(producer);
        }
        if is_abort_marker {
            self.open.remove(&producer_id);
            return false;
        }
        is_transactional && self.open.contains(&producer_id)
    }
}
