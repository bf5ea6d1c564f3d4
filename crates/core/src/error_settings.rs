//! ErrorSettings: the `errors.*` settings of a connector, as the worker reads them and the data plane follows them.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tolerance {
    /// The first rejected row fails the task.
    None,
    /// Rejected rows are skipped and counted.
    All,
}

/// What becomes of records that cannot be converted, transformed or written, beside the dead-letter topic.
#[derive(Clone, Copy, Debug)]
pub struct ErrorSettings {
    pub tolerance: Tolerance,
    pub log: bool,
    /// Whether such a log line names the record.
    pub log_records: bool,
    /// Whether a failed task's trace may repeat what its record holds.
    pub shows_content: bool,
}
