//! Lag: how far a task is behind the ends of its partitions, by what it has read and by what it has committed; and since when
//! it has come no further although there is something to read.

use millstream_core::{TopicPartition, limits};
use std::time::Duration;
use tokio::time::Instant;

/// A partition of a task: the end, and the offsets before which everything has been read, is durable, is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionLag {
    pub partition: TopicPartition,
    pub end: i64,
    pub position: i64,
    pub durable: i64,
    pub committed: i64,
}

/// Records behind the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Behind {
    /// That have not been read.
    pub position: u64,
    /// That are not durable.
    pub durable: u64,
    /// That are not committed.
    pub committed: u64,
    /// That were read and are not committed.
    pub active: u64,
}

impl PartitionLag {
    pub fn behind(&self) -> Behind {
        let records = |from: i64, to: i64| to.saturating_sub(from).max(0) as u64;
        Behind {
            position: records(self.position, self.end),
            durable: records(self.durable, self.end),
            committed: records(self.committed, self.end),
            active: records(self.committed, self.position),
        }
    }
}

impl std::ops::AddAssign for Behind {
    fn add_assign(&mut self, other: Self) {
        self.position += other.position;
        self.durable += other.durable;
        self.committed += other.committed;
        self.active += other.active;
    }
}

/// How far a task is behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// By partition, for the first `limits::SHOWN_PARTITIONS`.
    pub partitions: Vec<PartitionLag>,
    /// Of those beyond, if there are any.
    pub others: Option<Behind>,
    /// Of all.
    pub total: Behind,
}

impl Lag {
    /// Made of all partitions, in order.
    pub fn of(mut partitions: Vec<PartitionLag>) -> Self {
        partitions.sort_by(|a, b| a.partition.cmp(&b.partition));
        let sum = |partitions: &[PartitionLag]| {
            let mut sum = Behind::default();
            for partition in partitions {
                sum += partition.behind();
            }
            sum
        };
        let total = sum(&partitions);
        let shown = partitions.len().min(limits::SHOWN_PARTITIONS);
        let others = &partitions[shown..];
        let others = (!others.is_empty()).then(|| sum(others));
        partitions.truncate(shown);
        // It is replaced as a whole, and mostly by as many.
        partitions.shrink_to_fit();
        Lag {
            partitions,
            others,
            total,
        }
    }
}

/// When a task came further last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    moved: Instant,
    /// Since when there has been something to read.
    behind_since: Option<Instant>,
}

impl Progress {
    pub(super) fn new(now: Instant) -> Self {
        Progress {
            moved: now,
            behind_since: None,
        }
    }

    /// Records were read, or have become durable.
    pub(super) fn moved(&mut self, now: Instant) {
        self.moved = now;
    }

    pub(super) fn behind(&mut self, is_behind: bool, now: Instant) {
        self.behind_since = is_behind.then(|| self.behind_since.unwrap_or(now));
    }

    /// How long there has been something to read and nothing came further; `None` while there is nothing to read.
    pub(super) fn stalled_for(&self, now: Instant) -> Option<Duration> {
        let since = self.behind_since?.max(self.moved);
        Some(now.saturating_duration_since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(number: i32, end: i64) -> PartitionLag {
        PartitionLag {
            partition: TopicPartition::new("t", number),
            end,
            position: 8,
            durable: 6,
            committed: 5,
        }
    }

    #[test]
    fn partitions_beyond_the_bound_are_one_sum() {
        let shown = limits::SHOWN_PARTITIONS;
        let all = (0..shown as i32 + 2).rev();
        let lag = Lag::of(all.map(|number| partition(number, 10)).collect());
        assert_eq!(lag.partitions.len(), shown);
        assert_eq!(lag.partitions[1].partition.partition, 1);
        let two = Behind {
            position: 4,
            durable: 8,
            committed: 10,
            active: 6,
        };
        assert_eq!(lag.others, Some(two));
        assert_eq!(lag.total.position, 2 * (shown as u64 + 2));
        assert_eq!(Lag::of(vec![partition(0, 10)]).others, None);
    }

    #[test]
    fn an_end_that_is_older_than_the_position_is_no_lag() {
        assert_eq!(partition(0, 7).behind().position, 0);
        assert_eq!(partition(0, i64::MIN).behind().committed, 0);
    }

    #[test]
    fn an_idle_task_is_not_stalled_when_records_come() {
        let begun = Instant::now();
        let after = |seconds| begun + Duration::from_secs(seconds);
        let mut progress = Progress::new(begun);
        progress.behind(false, after(3600));
        assert_eq!(progress.stalled_for(after(3600)), None);
        progress.behind(true, after(3601));
        progress.behind(true, after(3602));
        assert_eq!(
            progress.stalled_for(after(3611)),
            Some(Duration::from_secs(10))
        );
        progress.moved(after(3612));
        assert_eq!(
            progress.stalled_for(after(3613)),
            Some(Duration::from_secs(1))
        );
        progress.behind(false, after(3614));
        assert_eq!(progress.stalled_for(after(3620)), None);
    }
}
