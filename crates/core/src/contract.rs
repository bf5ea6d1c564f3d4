//! The contract of a sink, for the tests of every sink: what it has said of the rows that it was given, row by row, and
//! scenarios that drive it through replays, rebalances, refusals, late rejections and crashes between any two requests.

mod scenarios;

pub use scenarios::{
    Store, Subject, crashes, flushes, late_rejections, rebalances, refusals, replays,
};

use crate::batch::RecordBatch;
use crate::offsets::TopicPartition;
use crate::sink::Progress;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// The rows of each partition that are not done: the slow and simple counterpart of what the runtime keeps.
#[derive(Debug, Default)]
pub struct Ledger {
    partitions: BTreeMap<TopicPartition, Rows>,
}

#[derive(Debug, Default)]
struct Rows {
    outstanding: BTreeSet<i64>,
    /// The offset after the last row.
    next: i64,
    /// Where ranges end that are done.
    ends: BTreeSet<i64>,
}

impl Ledger {
    /// Notes a batch that the sink is given. One that comes again is noted once.
    pub fn deliver(&mut self, batch: &RecordBatch) {
        let rows = self.partitions.entry(batch.origin.clone()).or_default();
        let new = batch.offsets.iter().filter(|row| **row >= rows.next);
        rows.outstanding.extend(new);
        rows.next = rows.next.max(batch.next_offset);
    }

    /// Notes what the sink says is done; returns the rows that were not yet.
    pub fn complete(&mut self, progress: &Progress) -> Vec<(TopicPartition, i64)> {
        let mut fresh = Vec::new();
        for (partition, range) in &progress.done {
            let Some(rows) = self.partitions.get_mut(partition) else {
                continue;
            };
            rows.ends.insert(range.end);
            let mut kept = rows.outstanding.split_off(&range.start);
            let behind = kept.split_off(&range.end);
            fresh.extend(kept.into_iter().map(|row| (partition.clone(), row)));
            rows.outstanding.extend(behind);
        }
        fresh
    }

    /// A partition is read again from an offset on.
    pub fn rewind(&mut self, partition: &TopicPartition, offset: i64) {
        if let Some(rows) = self.partitions.get_mut(partition) {
            rows.outstanding.split_off(&offset);
            rows.next = offset;
            rows.ends.split_off(&(offset + 1));
        }
    }

    pub fn forget(&mut self, partition: &TopicPartition) {
        self.partitions.remove(partition);
    }

    /// The offset that may be committed; `None` before anything is done.
    pub fn position(&self, partition: &TopicPartition) -> Option<i64> {
        let rows = self.partitions.get(partition)?;
        let open = rows.outstanding.first().copied().unwrap_or(rows.next);
        rows.ends.range(..=open).next_back().copied()
    }
}

/// How far each partition is done without a gap, counted from the first of these ranges on.
pub fn done_to(done: &[(TopicPartition, Range<i64>)]) -> Vec<(TopicPartition, i64)> {
    let mut sorted = done.to_vec();
    sorted.sort_by_key(|(partition, rows)| (partition.clone(), rows.start));
    let mut ends: BTreeMap<TopicPartition, i64> = BTreeMap::new();
    for (partition, rows) in sorted {
        let end = ends.entry(partition).or_insert(rows.start);
        if rows.start <= *end {
            *end = rows.end.max(*end);
        }
    }
    ends.into_iter().collect()
}
