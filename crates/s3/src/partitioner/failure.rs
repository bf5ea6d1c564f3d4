//! Why a row has no folder.

use millstream_core::RecordError;

pub(crate) const PARTITION_EXCEPTION: &str =
    "io.confluent.connect.storage.errors.PartitionException";

/// The failure that says no more than that.
pub(super) fn cannot_encode() -> RecordError {
    RecordError::new(PARTITION_EXCEPTION, "Error encoding partition.")
}
