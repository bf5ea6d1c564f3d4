//! How much memory the process may use, and how much of it records: by the setting, by the limit of its cgroup, version 2
//! or 1, or by a fixed default.

use millstream_core::limits;
use std::fs;

/// One part in so many is for records: fetched, open and in flight. The rest is for the program, its clients, what it knows
/// of each partition, responses that are being read, and what the allocator has not given back.
const RECORDS: usize = 2;

/// Bytes for records. `setting` is the memory of the process, or 0 where nobody has set it.
pub(crate) fn for_records(setting: i64) -> usize {
    let process = match usize::try_from(setting) {
        Ok(bytes) if bytes > 0 => bytes,
        _ => of_cgroup(),
    };
    process / RECORDS
}

/// Half of the cgroup's limit: the other half absorbs what a container is charged for beside the process, such as
/// pages of files.
fn of_cgroup() -> usize {
    let limit = [
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ]
    .iter()
    .find_map(|path| parse_limit(&fs::read_to_string(path).ok()?));
    limit.map_or(limits::PROCESS_MEMORY, |limit| {
        usize::try_from(limit / 2).map_or(limits::PROCESS_MEMORY, |half| {
            half.min(limits::PROCESS_MEMORY)
        })
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

    #[test]
    fn leaves_room_for_the_program() {
        assert_eq!(for_records(128 << 20), 64 << 20);
    }
}
