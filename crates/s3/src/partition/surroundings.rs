//! Surroundings: what a partition's writer is given besides the records.

use crate::settings::Settings;
use crate::spill::Spill;
use crate::upload::Uploads;
use millstream_core::Rejected;

pub(crate) struct Surroundings<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) uploads: &'a mut Uploads,
    pub(crate) spill: &'a mut Spill,
    pub(crate) rejected: &'a mut Rejected,
    /// Whether somebody hears of rejected rows; if not, bad rows are errors.
    pub(crate) has_reporter: bool,
    /// Whether the task goes on after one.
    pub(crate) goes_on_after_rejected: bool,
}

impl Surroundings<'_> {
    /// Whether the task ends with a row that has been rejected, so that nothing more is to be written.
    pub(super) fn is_at_its_end(&self) -> bool {
        !self.goes_on_after_rejected && !self.rejected.is_empty()
    }
}
