//! Cells: what objects give of records, and why they do not.

use millstream_core::Value;
use millstream_s3::ArchiveError;

/// How often a connection may break off before an object is given up.
pub(super) const ATTEMPTS: u32 = 4;

/// Why an object's records do not come.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error("{key}: {source}")]
    Store { key: String, source: ArchiveError },
    #[error("{key}: {why}")]
    Content { key: String, why: String },
}

/// What an object gives of a record.
#[derive(Debug)]
pub(super) enum Cell {
    /// As it stands on its line.
    Text(Vec<u8>),
    /// What Kafka had, and the value that it was made of.
    Row {
        bytes: Option<Vec<u8>>,
        value: Value,
    },
    Headers(Vec<(String, Option<String>)>),
}
