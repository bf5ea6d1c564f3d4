//! Stored: how many records have become durable, told from offsets alone, whatever the sink makes of them.

use millstream_core::TopicPartition;
use std::collections::{HashMap, VecDeque};

/// Batches of one partition that are told apart while they are not durable. Further ones join the last: they are
/// counted a little later, and a task that holds millions of small batches open costs no more than this.
const BATCHES: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Stored {
    partitions: HashMap<TopicPartition, VecDeque<Given>>,
    /// Rows that were given to the sink and will not be stored: rejected late, or dropped by a stage it took over.
    lost: u64,
}

/// Rows that a sink has, up to an offset.
#[derive(Clone, Copy, Debug)]
struct Given {
    next_offset: i64,
    rows: u64,
}

impl Stored {
    /// The sink has taken a batch.
    pub(crate) fn give(&mut self, partition: &TopicPartition, next_offset: i64, rows: usize) {
        if rows == 0 {
            return;
        }
        let given = Given {
            next_offset,
            rows: rows as u64,
        };
        let Some(batches) = self.partitions.get_mut(partition) else {
            self.partitions
                .insert(partition.clone(), VecDeque::from([given]));
            return;
        };
        let is_full = batches.len() >= BATCHES;
        match batches.back_mut().filter(|_| is_full) {
            Some(last) => {
                last.next_offset = given.next_offset;
                last.rows += given.rows;
            }
            None => batches.push_back(given),
        }
    }

    /// Rows that the sink has, and will not store.
    pub(crate) fn lose(&mut self, rows: usize) {
        self.lost += rows as u64;
    }

    /// Everything before an offset is durable; returns how many records more that makes.
    pub(crate) fn advance(&mut self, partition: &TopicPartition, offset: i64) -> u64 {
        let Some(batches) = self.partitions.get_mut(partition) else {
            return 0;
        };
        let mut rows = 0;
        while let Some(given) = batches.front().filter(|given| given.next_offset <= offset) {
            rows += given.rows;
            batches.pop_front();
        }
        let lost = self.lost.min(rows);
        self.lost -= lost;
        rows - lost
    }

    /// What lies behind an offset is read again.
    pub(crate) fn rewind(&mut self, partition: &TopicPartition, offset: i64) {
        if let Some(batches) = self.partitions.get_mut(partition) {
            batches.retain(|given| given.next_offset <= offset);
        }
    }

    /// Forgets partitions that went to somebody else.
    pub(crate) fn forget(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            self.partitions.remove(partition);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_c5_counts_what_is_durable() {
        let t = TopicPartition::new("t", 0);
        let mut stored = Stored::default();
        stored.give(&t, 10, 10);
        stored.give(&t, 20, 5);
        assert_eq!(stored.advance(&t, 9), 0);
        assert_eq!(stored.advance(&t, 10), 10);
        // One of the five was rejected by the sink.
        stored.lose(1);
        assert_eq!(stored.advance(&t, 20), 4);
        stored.give(&t, 30, 10);
        stored.rewind(&t, 20);
        stored.give(&t, 30, 10);
        assert_eq!(stored.advance(&t, 30), 10);
    }

    #[test]
    fn report_c5_many_small_batches_cost_no_more_than_a_few() {
        let t = TopicPartition::new("t", 0);
        let mut stored = Stored::default();
        for number in 1..=1000 {
            stored.give(&t, number, 1);
        }
        assert_eq!(stored.partitions[&t].len(), BATCHES);
        assert_eq!(stored.advance(&t, 1000), 1000);
    }
}
