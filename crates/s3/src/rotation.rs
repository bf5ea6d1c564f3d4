//! Rotation: when the open files of a partition are closed. Pure; the partition's state is in `partition.rs`.

use crate::compatibility::Compatibility;
use crate::config::{self, S3Config};
use crate::extensions::Extensions;
use crate::zone::Zone;
use std::fmt;
use tracing::warn;

#[derive(Clone, Debug)]
pub(crate) struct Rotation {
    /// Records of a topic partition, over all its open files.
    pub(crate) flush_size: usize,
    /// Bytes of the records of one file.
    pub(crate) bytes: Option<u64>,
    /// How long files wait for a further record by the wall clock, in milliseconds.
    pub(crate) idle: Option<i64>,
    /// Span of record time, in milliseconds, those for late records included.
    pub(crate) interval: Option<i64>,
    /// Those for late records.
    pub(crate) grace: Option<i64>,
    /// Whether each schema has files of its own.
    pub(crate) file_per_schema: bool,
    /// Whether a record of another folder closes the files, where there is an interval.
    pub(crate) on_folder_change: bool,
    pub(crate) compatibility: Compatibility,
    /// Files that may be open at a time.
    pub(crate) max_open_files: Option<usize>,
    schedule: Option<Schedule>,
}

/// By the wall clock, counted from midnight of a zone.
#[derive(Clone, Debug)]
struct Schedule {
    interval: i64,
    zone: Zone,
}

/// Why files are closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    FlushSize,
    Bytes,
    Idle,
    SchemaChange,
    Interval,
    FolderChange,
    Schedule,
    MaxOpenFiles,
    /// The source wants it.
    Flush,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::FlushSize => "flush size",
            Reason::Bytes => "file size",
            Reason::Idle => "idle",
            Reason::SchemaChange => "schema incompatibility",
            Reason::Interval => "periodic interval",
            Reason::FolderChange => "partition change",
            Reason::Schedule => "scheduled interval",
            Reason::MaxOpenFiles => "max open files",
            Reason::Flush => "flush",
        })
    }
}

impl Rotation {
    pub(crate) fn new(config: &S3Config, extensions: &Extensions) -> Result<Self, String> {
        let interval = config.rotate_schedule_interval;
        let schedule = (interval > 0)
            .then(|| Zone::parse(&config.timezone).map(|zone| Schedule { interval, zone }))
            .transpose()?;
        let is_time_based = config::is_time_based(&config.partitioner_class);
        if config.rotate_interval > 0 && !is_time_based {
            warn!(
                "property rotate.interval.ms is set but the partitioner is not time based, it is ignored"
            );
        }
        Ok(Rotation {
            flush_size: config.records_per_rotation(),
            bytes: extensions.rotate_bytes,
            idle: extensions.rotate_idle,
            interval: (is_time_based && config.rotate_interval > 0).then(|| {
                let grace = extensions.rotate_grace.unwrap_or(0);
                config.rotate_interval.saturating_add(grace)
            }),
            grace: extensions.rotate_grace,
            file_per_schema: extensions.file_per_schema,
            on_folder_change: config.rotate_file_on_partition_change,
            compatibility: Compatibility::new(&config.schema_compatibility),
            max_open_files: usize::try_from(config.partitioner_max_open_files).ok(),
            schedule,
        })
    }

    /// When files are closed next by the wall clock, if they are.
    pub(crate) fn next_scheduled(&self, now: i64) -> Option<i64> {
        self.schedule.as_ref().map(|schedule| schedule.next(now))
    }

    /// Whether a scheduled time lies further ahead than any that is reckoned from now.
    pub(crate) fn is_too_far_ahead(&self, due: i64, now: i64) -> bool {
        let schedule = self.schedule.as_ref();
        schedule.is_some_and(|schedule| due.saturating_sub(now) > schedule.interval)
    }

    /// The same of the first time at which the wall clock closes files.
    pub(crate) fn is_due_too_far_ahead(&self, due: i64, now: i64) -> bool {
        let is_beyond = |idle| due.saturating_sub(now) > idle;
        self.is_too_far_ahead(due, now) || self.idle.is_some_and(is_beyond)
    }
}

const DAY: i64 = 86_400_000;

impl Schedule {
    /// The next multiple of the interval in the local day, at most the start of the next day.
    fn next(&self, now: i64) -> i64 {
        let local = now + self.zone.offset_at(now);
        let day = local.div_euclid(DAY) * DAY;
        let utc = |local| self.zone.local_to_utc(local).unwrap_or(local);
        let (start, end) = (utc(day), utc(day + DAY));
        let periods = (now - start).div_euclid(self.interval) + 1;
        periods
            .checked_mul(self.interval)
            .and_then(|passed| start.checked_add(passed))
            .map_or(end, |next| next.min(end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(zone: &str, interval: i64, now: i64, next: i64) {
        let zone = Zone::parse(zone).expect("the zone exists");
        assert_eq!(Schedule { interval, zone }.next(now), next);
    }

    #[test]
    fn counts_from_local_midnight() {
        const HOUR: i64 = 3_600_000;
        check("UTC", 7 * HOUR, 0, 7 * HOUR);
        check("UTC", 7 * HOUR, 21 * HOUR, 24 * HOUR);
        check("UTC", 7 * HOUR, 7 * HOUR, 14 * HOUR);
        // 2019-11-03 has 25 hours in Los Angeles: 22:00 PST is 06:00Z.
        let evening = 1_572_847_200_000;
        check("America/Los_Angeles", HOUR, evening, evening + HOUR);
    }
}
