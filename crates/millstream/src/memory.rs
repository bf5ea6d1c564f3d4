//! How much memory the process may use: its cgroup's limit, version 2 or 1, or a fixed default.

use millstream_core::limits;
use std::fs;

/// The part of the cgroup's limit that records may take; the rest is code, clients and the allocator's slack.
const SHARE: f64 = 0.5;

/// Bytes for records: fetched, open and in flight.
pub(crate) fn record_budget() -> usize {
    let limit = [
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ]
    .iter()
    .find_map(|path| parse_limit(&fs::read_to_string(path).ok()?));
    limit.map_or(limits::DEFAULT_BYTE_BUDGET, |limit| {
        ((limit as f64 * SHARE) as usize).min(limits::DEFAULT_BYTE_BUDGET)
    })
}

/// A limit in bytes; "max", and version 1's huge number, mean there is none.
fn parse_limit(text: &str) -> Option<u64> {
    const NO_LIMIT: u64 = 1 << 60;
    text.trim().parse().ok().filter(|limit| *limit < NO_LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_versions_of_a_limit() {
        assert_eq!(parse_limit("536870912\n"), Some(536_870_912));
        assert_eq!(parse_limit("max\n"), None);
        assert_eq!(parse_limit("9223372036854771712\n"), None);
    }
}
