//! Budgets: the memory for records of all tasks, by what holds them.

use millstream_core::ByteBudget;

/// What a task is by itself, in each of its three budgets: clients, connections, what it knows of its partitions. An idle
/// connector was measured at some 0.2 MiB.
const OWN_BYTES: usize = 64 * 1024;

/// Three shares that all tasks take from: were one to take all memory, nothing would ever go on to the next and be freed. A
/// record larger than its share is fetched when it is the only one of its kind, in any of the shares and of any task.
#[derive(Clone, Debug)]
pub struct Budgets {
    pub fetched: ByteBudget,
    pub open: ByteBudget,
    pub in_flight: ByteBudget,
}

impl Budgets {
    /// Shares out so many bytes.
    pub fn new(total: usize) -> Self {
        Budgets {
            fetched: ByteBudget::one_by_one(total / 10 * 3, OWN_BYTES),
            open: ByteBudget::keeping_back(total / 10 * 4, OWN_BYTES),
            in_flight: ByteBudget::keeping_back(total / 10 * 3, OWN_BYTES),
        }
    }
}
