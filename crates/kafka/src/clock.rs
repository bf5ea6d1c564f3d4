//! The wall clock, for what is told to people or written into records. Pauses and deadlines are Tokio's.

use std::time::SystemTime;

/// Epoch milliseconds.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as i64)
}
