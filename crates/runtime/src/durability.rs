//! Durability: what of a task's rows is done, which offsets may be committed, which have been, and when the next commit
//! is due.

use crate::metrics::PartitionLag;
use crate::offset_tracker::OffsetTracker;
use crate::stored::Stored;
use millstream_core::{Confirms, Extent, RejectedRow, TopicPartition};
use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;
use tokio::time::Instant;

#[derive(Debug)]
pub(crate) struct Durability {
    partitions: HashMap<TopicPartition, Partition>,
    confirms: Confirms,
    /// What is done and has not been told to a source that wants every range.
    finished: Vec<(TopicPartition, Range<i64>)>,
    /// Rows that were given to the sink and will not be stored: rejected late, or dropped by a stage it took over.
    lost: u64,
    interval: Duration,
    due: Instant,
}

#[derive(Debug, Default)]
struct Partition {
    tracker: OffsetTracker,
    stored: Stored,
    /// Where reading begins, if nothing is committed yet.
    start: Option<i64>,
    /// Never moves back, wherever the partition is read again from.
    durable: Option<i64>,
    committed: Option<i64>,
}

impl Partition {
    /// What may be committed.
    fn position(&self) -> Option<i64> {
        self.durable.or(self.start)
    }

    /// Learns how far the tracker has come; returns how many records more are stored.
    fn advance(&mut self) -> u64 {
        let durable = self.tracker.durable();
        if durable <= self.durable {
            return 0;
        }
        self.durable = durable;
        durable.map_or(0, |offset| self.stored.advance(offset))
    }
}

impl Durability {
    pub(crate) fn new(interval: Duration, confirms: Confirms, now: Instant) -> Self {
        Durability {
            partitions: HashMap::new(),
            confirms,
            finished: Vec::new(),
            lost: 0,
            interval,
            due: now + interval,
        }
    }

    /// Rows that are on their way.
    pub(crate) fn deliver(&mut self, partition: &TopicPartition, rows: Range<i64>) {
        self.partition(partition).tracker.deliver(rows);
    }

    /// The sink has taken a batch that ends before `next_offset`, with so many rows left in it.
    pub(crate) fn taken(&mut self, partition: &TopicPartition, next_offset: i64, rows: usize) {
        if let Some(partition) = self.partitions.get_mut(partition) {
            partition.stored.taken(next_offset, rows);
        }
    }

    /// Rows that the sink has and will not store.
    pub(crate) fn note_not_stored(&mut self, rows: usize) {
        self.lost += rows as u64;
    }

    /// Takes over what a sink says is done; returns how many records more are stored. Partitions that went to somebody
    /// else are not counted.
    pub(crate) fn complete(&mut self, done: &[(TopicPartition, Range<i64>)]) -> u64 {
        let mut rows = 0;
        for (name, range) in done {
            let Some(partition) = self.partitions.get_mut(name) else {
                continue;
            };
            let (finished, confirms) = (&mut self.finished, self.confirms);
            partition.tracker.complete(range.clone(), |range| {
                if confirms == Confirms::Ranges {
                    finished.push((name.clone(), range));
                }
            });
            rows += partition.advance();
        }
        self.without_lost(rows)
    }

    /// Rows that are not done before they are settled.
    pub(crate) fn reject(&mut self, rows: &[RejectedRow]) {
        for row in rows {
            if let Some(partition) = self.partitions.get_mut(&row.origin) {
                partition.tracker.reject(row.offset);
            }
        }
    }

    /// Rejected rows that are settled; returns how many records more are stored.
    pub(crate) fn settle(&mut self, rows: &[(TopicPartition, i64)]) -> u64 {
        let mut stored = 0;
        for (name, row) in rows {
            let Some(partition) = self.partitions.get_mut(name) else {
                continue;
            };
            if partition.tracker.settle(*row) && self.confirms == Confirms::Ranges {
                self.finished.push((name.clone(), *row..*row + 1));
            }
            stored += partition.advance();
        }
        self.without_lost(stored)
    }

    /// What lies behind an offset is read again.
    pub(crate) fn rewind(&mut self, partition: &TopicPartition, offset: i64) {
        if let Some(partition) = self.partitions.get_mut(partition) {
            partition.tracker.rewind(offset);
            partition.stored.rewind(offset);
        }
    }

    /// What was delivered of a partition and is not done is read again, which begins at the offset returned: `None` where
    /// nothing was delivered.
    pub(crate) fn start_over(&mut self, partition: &TopicPartition) -> Option<i64> {
        let from = self.partitions.get(partition)?.tracker.first_open()?;
        self.rewind(partition, from);
        Some(from)
    }

    /// Takes over where reading begins in partitions without a committed offset, and has it committed soon: it never
    /// goes before anything that is known already.
    pub(crate) fn begin(&mut self, positions: &[(TopicPartition, i64)], now: Instant) {
        for (partition, offset) in positions {
            self.partition(partition).start.get_or_insert(*offset);
        }
        self.due = self.due.min(now);
    }

    /// How far a partition is behind its end. Of one that nothing was delivered of, all before where reading began is done.
    pub(crate) fn lag(&self, partition: TopicPartition, extent: Extent) -> PartitionLag {
        let known = self.partitions.get(&partition);
        let begin = extent.begin;
        PartitionLag {
            end: extent.end,
            position: known.and_then(|p| p.tracker.delivered()).unwrap_or(begin),
            durable: known.and_then(Partition::position).unwrap_or(begin),
            committed: known.and_then(|p| p.committed.or(p.start)).unwrap_or(begin),
            partition,
        }
    }

    /// When the next commit is due.
    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// Puts the next commit one interval away.
    pub(crate) fn schedule(&mut self, now: Instant) {
        self.due = now + self.interval;
    }

    /// Offsets that may be committed and have not been, by partition.
    pub(crate) fn pending(&self) -> Vec<(TopicPartition, i64, String)> {
        let mut pending: Vec<_> = self
            .partitions
            .iter()
            .filter(|(_, partition)| partition.committed != partition.position())
            .filter_map(|(name, partition)| {
                Some((name.clone(), partition.position()?, String::new()))
            })
            .collect();
        pending.sort();
        pending
    }

    /// Notes offsets as committed.
    pub(crate) fn committed(&mut self, offsets: &[(TopicPartition, i64, String)]) {
        for (partition, offset, _) in offsets {
            if let Some(partition) = self.partitions.get_mut(partition) {
                partition.committed = Some(*offset);
            }
        }
    }

    /// What is to be told to a source that wants every range.
    pub(crate) fn finished(&self) -> &[(TopicPartition, Range<i64>)] {
        &self.finished
    }

    /// What was finished has been told.
    pub(crate) fn confirmed(&mut self) {
        self.finished.clear();
    }

    /// Forgets partitions that went to somebody else.
    pub(crate) fn forget(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            self.partitions.remove(partition);
        }
        self.finished
            .retain(|(partition, _)| self.partitions.contains_key(partition));
    }

    fn partition(&mut self, name: &TopicPartition) -> &mut Partition {
        self.partitions.entry(name.clone()).or_default()
    }

    fn without_lost(&mut self, rows: u64) -> u64 {
        let lost = self.lost.min(rows);
        self.lost -= lost;
        rows - lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(number: i32) -> TopicPartition {
        TopicPartition::new("t", number)
    }

    fn durability() -> Durability {
        let interval = Duration::from_secs(60);
        Durability::new(interval, Confirms::Ranges, Instant::now())
    }

    #[test]
    fn offers_each_offset_once_and_never_moves_back() {
        let t = partition(0);
        let mut durability = durability();
        durability.deliver(&t, 0..9);
        durability.complete(&[(t.clone(), 0..5)]);
        let pending = durability.pending();
        assert_eq!(pending, [(t.clone(), 5, String::new())]);
        durability.committed(&pending);
        durability.rewind(&t, 3);
        durability.deliver(&t, 3..5);
        durability.complete(&[(t.clone(), 3..4)]);
        assert!(durability.pending().is_empty());
        durability.forget(&[t]);
        assert!(durability.pending().is_empty());
    }

    #[test]
    fn report_b3_a_start_position_is_committed_once_and_moves_nothing_back() {
        let (idle, busy) = (partition(0), partition(1));
        let now = Instant::now();
        let mut durability = durability();
        durability.deliver(&busy, 0..9);
        durability.complete(&[(busy.clone(), 0..9)]);
        durability.begin(&[(idle.clone(), 5), (busy.clone(), 4)], now);
        assert!(durability.due() <= now, "it is committed at once");
        let pending = durability.pending();
        assert_eq!(
            pending,
            [
                (idle.clone(), 5, String::new()),
                (busy.clone(), 9, String::new())
            ]
        );
        durability.committed(&pending);
        durability.begin(&[(idle.clone(), 5)], now);
        assert!(durability.pending().is_empty());
        durability.deliver(&idle, 5..6);
        durability.complete(&[(idle.clone(), 5..6)]);
        assert_eq!(durability.pending(), [(idle, 6, String::new())]);
    }

    #[test]
    fn a_partition_is_behind_by_what_is_read_done_and_committed() {
        let t = partition(0);
        let mut durability = durability();
        let extent = Extent { begin: 3, end: 30 };
        let offsets = |durability: &Durability| {
            let lag = durability.lag(t.clone(), extent);
            [lag.position, lag.durable, lag.committed]
        };
        assert_eq!(offsets(&durability), [3, 3, 3]);
        durability.deliver(&t, 3..20);
        assert_eq!(offsets(&durability), [20, 3, 3]);
        durability.complete(&[(t.clone(), 3..10)]);
        let pending = durability.pending();
        durability.committed(&pending);
        durability.complete(&[(t.clone(), 10..12)]);
        assert_eq!(offsets(&durability), [20, 12, 10]);
        durability.rewind(&t, 14);
        assert_eq!(offsets(&durability), [14, 12, 10]);
    }

    #[test]
    fn report_c5_counts_what_is_durable() {
        let t = partition(0);
        let mut durability = durability();
        durability.deliver(&t, 0..20);
        durability.taken(&t, 10, 10);
        durability.taken(&t, 20, 5);
        assert_eq!(durability.complete(&[(t.clone(), 0..9)]), 0);
        assert_eq!(durability.complete(&[(t.clone(), 9..10)]), 10);
        // One of the five was rejected by the sink.
        durability.note_not_stored(1);
        assert_eq!(durability.complete(&[(t, 10..20)]), 4);
    }
}
