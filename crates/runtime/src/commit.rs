//! Commits: which offsets may be committed, which have been, and when the next commit is due.

use millstream_core::TopicPartition;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

#[derive(Debug)]
pub struct Commits {
    partitions: BTreeMap<TopicPartition, Position>,
    interval: Duration,
    due: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Position {
    durable: i64,
    committed: Option<i64>,
}

impl Commits {
    pub fn new(interval: Duration, now: Instant) -> Self {
        Commits {
            partitions: BTreeMap::new(),
            interval,
            due: now + interval,
        }
    }

    /// Takes over what a sink reports as durable: partitions with the next offset to read.
    pub fn advance(&mut self, durable: &[(TopicPartition, i64)]) {
        for (partition, offset) in durable {
            match self.partitions.get_mut(partition) {
                Some(position) => position.durable = position.durable.max(*offset),
                None => {
                    let position = Position {
                        durable: *offset,
                        committed: None,
                    };
                    self.partitions.insert(partition.clone(), position);
                }
            }
        }
    }

    /// The next offset that is not durable yet; `None` while nothing of the partition is.
    pub fn durable(&self, partition: &TopicPartition) -> Option<i64> {
        let position = self.partitions.get(partition)?;
        Some(position.durable)
    }

    /// Takes over where reading begins in partitions without a committed offset, and has it committed soon: it never
    /// goes before anything that is known already.
    pub fn begin(&mut self, positions: &[(TopicPartition, i64)], now: Instant) {
        for (partition, offset) in positions {
            self.partitions
                .entry(partition.clone())
                .or_insert(Position {
                    durable: *offset,
                    committed: None,
                });
        }
        self.due = self.due.min(now);
    }

    /// When the next commit is due.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// Puts the next commit one interval away.
    pub fn schedule(&mut self, now: Instant) {
        self.due = now + self.interval;
    }

    /// Offsets that are durable and not committed yet.
    pub fn pending(&self) -> Vec<(TopicPartition, i64, String)> {
        self.partitions
            .iter()
            .filter(|(_, position)| position.committed != Some(position.durable))
            .map(|(partition, position)| (partition.clone(), position.durable, String::new()))
            .collect()
    }

    /// Notes offsets as committed.
    pub fn committed(&mut self, offsets: &[(TopicPartition, i64, String)]) {
        for (partition, offset, _) in offsets {
            if let Some(position) = self.partitions.get_mut(partition) {
                position.committed = Some(*offset);
            }
        }
    }

    /// Forgets partitions that went to somebody else.
    pub fn forget(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            self.partitions.remove(partition);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_each_offset_once_and_never_moves_back() {
        let partition = TopicPartition::new("t", 0);
        let mut commits = Commits::new(Duration::from_secs(1), Instant::now());
        commits.advance(&[(partition.clone(), 5)]);
        let pending = commits.pending();
        assert_eq!(pending, [(partition.clone(), 5, String::new())]);
        commits.committed(&pending);
        commits.advance(&[(partition.clone(), 3)]);
        assert!(commits.pending().is_empty());
        commits.forget(&[partition]);
        assert!(commits.pending().is_empty());
    }

    #[test]
    fn report_b3_a_start_position_is_committed_once_and_moves_nothing_back() {
        let (idle, busy) = (TopicPartition::new("t", 0), TopicPartition::new("t", 1));
        let now = Instant::now();
        let mut commits = Commits::new(Duration::from_secs(60), now);
        commits.advance(&[(busy.clone(), 9)]);
        commits.begin(&[(idle.clone(), 5), (busy.clone(), 4)], now);
        assert!(commits.due() <= now, "it is committed at once");
        let pending = commits.pending();
        assert_eq!(
            pending,
            [
                (idle.clone(), 5, String::new()),
                (busy.clone(), 9, String::new())
            ]
        );
        commits.committed(&pending);
        commits.begin(&[(idle.clone(), 5)], now);
        assert!(commits.pending().is_empty());
        commits.advance(&[(idle.clone(), 6)]);
        assert_eq!(commits.pending(), [(idle, 6, String::new())]);
    }
}
