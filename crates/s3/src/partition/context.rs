//! WriterContext: what the writers of a task share, and are given with each call.

use crate::memory::Memory;
use crate::settings::Settings;
use crate::upload::Uploads;
use millstream_core::Rejected;
use std::sync::Arc;

pub(crate) struct WriterContext {
    pub(crate) settings: Arc<Settings>,
    pub(crate) uploads: Uploads,
    pub(crate) memory: Memory,
    pub(crate) rejected: Rejected,
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
}
