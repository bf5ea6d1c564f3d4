//! How much memory the process may use, and how much of it records: by the setting, by the limits of its cgroups, version 2
//! or 1, or by a fixed default.

use millstream_core::limits;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// What the program takes whatever it does: pages of its file, some 20 MiB idle and 32 once all of it has run.
const PROGRAM: usize = 32 * 1024 * 1024;

/// Of what is left one part in so many is for records: fetched, open and in flight. The rest is for clients, what is known of
/// each partition, responses that are being read, and what the allocator has not given back.
const RECORDS: usize = 2;

/// Bytes for records. `setting` is the memory of the process, or 0 where nobody has set it.
pub fn for_records(setting: i64) -> usize {
    let process = match usize::try_from(setting) {
        Ok(bytes) if bytes > 0 => bytes,
        _ => of_cgroups(),
    };
    process.saturating_sub(PROGRAM).max(process / 2) / RECORDS
}

/// Half of the limit: the other half absorbs what a cgroup is charged for beside the process, such as pages of files.
fn of_cgroups() -> usize {
    smallest_limit(Path::new("/")).map_or(limits::PROCESS_MEMORY, |limit| {
        usize::try_from(limit / 2).map_or(limits::PROCESS_MEMORY, |half| {
            half.min(limits::PROCESS_MEMORY)
        })
    })
}

/// The smallest limit among the process's cgroup and all those around it: a systemd unit, a slice or a container may set
/// one at any height, and each is enforced. `root` is the root of the file system.
fn smallest_limit(root: &Path) -> Option<u64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    groups
        .lines()
        .filter_map(|line| Hierarchy::of_line(root, line))
        .flat_map(|hierarchy| hierarchy.limits())
        .min()
}

/// One hierarchy of cgroups that may limit memory.
struct Hierarchy {
    mount: PathBuf,
    /// The process's place below the mount.
    group: PathBuf,
    files: &'static [&'static str],
}

impl Hierarchy {
    /// Reads a line of `/proc/self/cgroup`: `0::/path` in version 2, `number:controllers:/path` in version 1.
    fn of_line(root: &Path, line: &str) -> Option<Self> {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let cgroups = root.join("sys/fs/cgroup");
        let (mount, files): (_, &[_]) = match controllers {
            // Above `memory.high` the kernel slows a process down until it hardly works.
            "" => (cgroups, &["memory.max", "memory.high"]),
            _ if controllers.split(',').any(|name| name == "memory") => {
                (cgroups.join("memory"), &["memory.limit_in_bytes"])
            }
            _ => return None,
        };
        // In a container the path may be that of the host, or lead out of what is mounted.
        let inside = |part: &Component| matches!(part, Component::Normal(_));
        Some(Hierarchy {
            mount,
            group: Path::new(path).components().filter(inside).collect(),
            files,
        })
    }

    /// The limits from the process's cgroup up to the mount. A folder that is not there, as with a host's path in a
    /// container, has none.
    fn limits(&self) -> Vec<u64> {
        let folders = self.group.ancestors().map(|group| self.mount.join(group));
        folders
            .flat_map(|folder| self.files.iter().map(move |file| folder.join(file)))
            .filter_map(|file| parse_limit(&fs::read_to_string(file).ok()?))
            .collect()
    }
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
        assert_eq!(for_records(128 << 20), 48 << 20);
    }

    /// The limit found in a file system with these files.
    fn check(files: &[(&str, &str)], expected: Option<u64>) {
        let root = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let file = root.path().join(name);
            fs::create_dir_all(file.parent().expect("a parent")).expect("folders");
            fs::write(file, text).expect("a file");
        }
        assert_eq!(smallest_limit(root.path()), expected, "{files:?}");
    }

    #[test]
    fn report_c9_the_smallest_limit_around_the_process_counts() {
        let unit = ("proc/self/cgroup", "0::/system.slice/millstream.service\n");
        let cgroup = "sys/fs/cgroup";
        let in_unit = format!("{cgroup}/system.slice/millstream.service/memory.max");
        let in_slice = format!("{cgroup}/system.slice/memory.max");
        check(&[unit, (&in_unit, "100663296\n")], Some(100_663_296));
        check(&[unit, (&in_unit, "max\n"), (&in_slice, "7\n")], Some(7));
        check(&[unit, (&in_unit, "5\n"), (&in_slice, "7\n")], Some(5));
        check(&[unit, (&in_unit, "max\n")], None);
        let high = format!("{cgroup}/system.slice/memory.high");
        check(&[unit, (&in_unit, "5\n"), (&high, "3\n")], Some(3));
    }

    #[test]
    fn report_c9_a_container_is_found_by_whatever_path_it_is_named() {
        // A cgroup namespace, a host's path, and a path that leads out of the namespace.
        for path in ["/", "/docker/0123", "/../../other"] {
            let groups = format!("0::{path}\n");
            let files = [
                ("proc/self/cgroup", groups.as_str()),
                ("sys/fs/cgroup/memory.max", "9\n"),
            ];
            check(&files, Some(9));
        }
    }

    #[test]
    fn report_c9_version_1_has_a_hierarchy_of_its_own() {
        let groups = "11:cpu,cpuacct:/a\n4:blkio,memory:/a/b\n1:name=systemd:/a\n0::/a\n";
        let files = [
            ("proc/self/cgroup", groups),
            ("sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "80\n"),
            ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "40\n"),
            (
                "sys/fs/cgroup/memory/memory.limit_in_bytes",
                "9223372036854771712\n",
            ),
            ("sys/fs/cgroup/cpu/a/memory.limit_in_bytes", "1\n"),
        ];
        check(&files, Some(40));
        check(&[], None);
    }
}
