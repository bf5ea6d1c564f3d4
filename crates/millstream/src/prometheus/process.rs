//! Process: what the operating system counts of this process, under the names that every Prometheus client uses.

use std::fs;

/// Linux reports times in hundredths of a second to every program, whatever it counts in itself.
const TICKS: f64 = 100.0;

/// What is not known is left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Process {
    pub(crate) cpu_seconds: Option<f64>,
    pub(crate) resident_bytes: Option<f64>,
    pub(crate) virtual_bytes: Option<f64>,
    pub(crate) threads: Option<f64>,
    pub(crate) open_fds: Option<f64>,
    pub(crate) max_fds: Option<f64>,
    pub(crate) start_seconds: Option<f64>,
}

impl Process {
    /// Looks it up; a few small files of `/proc`, where there is such a thing.
    pub(crate) fn now() -> Self {
        let read = |name: &str| fs::read_to_string(format!("/proc/self/{name}"));
        let mut process = Process::default();
        if let (Ok(stat), Ok(status)) = (read("stat"), read("status")) {
            process.take(&stat, &status);
        }
        process.open_fds = fs::read_dir("/proc/self/fd")
            .ok()
            // One of them is for the reading itself.
            .map(|entries| entries.count().saturating_sub(1) as f64);
        if let Ok(limits) = read("limits") {
            process.max_fds = max_fds(&limits);
        }
        let booted = fs::read_to_string("/proc/stat").ok();
        let booted = booted.as_deref().and_then(boot_time);
        process.start_seconds = process.start_seconds.zip(booted).map(|(s, b)| s + b);
        process
    }

    fn take(&mut self, stat: &str, status: &str) {
        // The program's name is in brackets and may hold anything.
        let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number)?.parse::<f64>().ok();
        self.cpu_seconds = field(11).zip(field(12)).map(|(u, s)| (u + s) / TICKS);
        self.threads = field(17);
        // Since the boot.
        self.start_seconds = field(19).map(|ticks| ticks / TICKS);
        self.virtual_bytes = field(20);
        self.resident_bytes = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<f64>().ok())
            .map(|kib| kib * 1024.0);
    }
}

fn max_fds(limits: &str) -> Option<f64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// Seconds since the epoch.
fn boot_time(stat: &str) -> Option<f64> {
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        let stat = "7 (a) b)) S 1 7 7 0 -1 4194304 1 2 3 4 250 150 0 0 20 0 9 0 500 4096000 321 18446744073709551615";
        let status = "Name:\ta\nVmPeak:\t  9 kB\nVmRSS:\t    2048 kB\nThreads:\t9\n";
        let mut process = Process::default();
        process.take(stat, status);
        let expected = Process {
            cpu_seconds: Some(4.0),
            resident_bytes: Some(2_097_152.0),
            virtual_bytes: Some(4_096_000.0),
            threads: Some(9.0),
            start_seconds: Some(5.0),
            ..Process::default()
        };
        assert_eq!(process, expected);
        let limits =
            "Limit Soft Hard Units\nMax open files            1024                 4096 files\n";
        assert_eq!(max_fds(limits), Some(1024.0));
        assert_eq!(boot_time("cpu 1 2\nbtime 1700000000\n"), Some(1.7e9));
    }

    #[test]
    fn nothing_is_made_up() {
        let mut process = Process::default();
        process.take("", "VmRSS: many kB");
        assert_eq!(process, Process::default());
        assert_eq!(
            (max_fds("Max open files unlimited"), boot_time("btime")),
            (None, None)
        );
    }
}
