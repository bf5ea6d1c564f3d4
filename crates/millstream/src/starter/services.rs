//! What this process gives to every task beside its settings.

use crate::progress::Board;
use millstream_kafka::Bootstrap;
use millstream_runtime::Budgets;

#[derive(Clone)]
pub(crate) struct TaskServices {
    /// Memory for records.
    pub(crate) budgets: Budgets,
    /// Where tasks count.
    pub(crate) board: Board,
    /// Brokers that may become others while tasks run.
    pub(crate) bootstrap: Option<Bootstrap>,
}
