//! OffsetTracker: which rows of one partition are not done yet, and so how far its offsets may be committed.
//! This is the proof that nothing is committed before everything below it is durable, filtered out or settled.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Rows are delivered in offset order and done in any order, by ranges or one by one.
#[derive(Debug, Default)]
pub(crate) struct OffsetTracker {
    /// Offsets that were delivered and are not done: ranges that neither overlap nor touch, by their start. There are
    /// no more of them than pieces of work on their way.
    outstanding: BTreeMap<i64, i64>,
    /// Rejected rows that are not settled yet: whatever a sink says of what lies around them, they are not done.
    unsettled: BTreeSet<i64>,
    /// Where delivery began, and the offset after the last row delivered.
    delivered: Option<Range<i64>>,
}

impl OffsetTracker {
    /// Notes rows that are on their way to the sink. Holes between them were never there: they count as done with what
    /// lies around them.
    pub(crate) fn deliver(&mut self, rows: Range<i64>) {
        let delivered = self.delivered.get_or_insert(rows.start..rows.start);
        delivered.end = rows.end;
        if rows.is_empty() {
            return;
        }
        let mut joined = rows;
        // What is delivered again joins what is still outstanding of it.
        while let Some((&start, &end)) = self.outstanding.range(..=joined.end).next_back()
            && end >= joined.start
        {
            self.outstanding.remove(&start);
            joined = start.min(joined.start)..end.max(joined.end);
        }
        self.outstanding.insert(joined.start, joined.end);
    }

    /// Notes rows as durable, filtered out, or settled by the sink itself; `each` is told of those that were outstanding
    /// and wait for nothing else. Saying so twice changes nothing.
    pub(crate) fn complete(&mut self, rows: Range<i64>, mut each: impl FnMut(Range<i64>)) {
        while let Some((&start, &end)) = self.outstanding.range(..rows.end).next_back()
            && end > rows.start
        {
            self.outstanding.remove(&start);
            if start < rows.start {
                self.outstanding.insert(start, rows.start);
            }
            if end > rows.end {
                self.outstanding.insert(rows.end, end);
            }
            let mut from = start.max(rows.start);
            let to = end.min(rows.end);
            for &row in self.unsettled.range(from..to) {
                if from < row {
                    each(from..row);
                }
                from = row + 1;
            }
            if from < to {
                each(from..to);
            }
        }
    }

    /// Notes a rejected row: it is not done before it is settled.
    pub(crate) fn reject(&mut self, row: i64) {
        self.unsettled.insert(row);
    }

    /// Notes a rejected row as settled; whether that is all that it waited for.
    pub(crate) fn settle(&mut self, row: i64) -> bool {
        self.unsettled.remove(&row) && !self.is_outstanding(row)
    }

    /// Rows from `offset` on are read again.
    pub(crate) fn rewind(&mut self, offset: i64) {
        let behind = self.outstanding.split_off(&offset);
        drop(behind);
        if let Some(mut last) = self.outstanding.last_entry() {
            let end = (*last.get()).min(offset);
            last.insert(end);
        }
        if let Some(delivered) = &mut self.delivered {
            delivered.end = offset.max(delivered.start);
        }
    }

    /// The offset to commit: the next one to read, everything before it being done. `None` before anything is.
    pub(crate) fn durable(&self) -> Option<i64> {
        let delivered = self.delivered.as_ref()?;
        self.first_open().filter(|open| *open > delivered.start)
    }

    /// The next offset to be delivered. `None` before any was.
    pub(crate) fn delivered(&self) -> Option<i64> {
        self.delivered.as_ref().map(|delivered| delivered.end)
    }

    /// The first row that is not done, or the next one to come. `None` before any has come.
    pub(crate) fn first_open(&self) -> Option<i64> {
        let delivered = self.delivered.as_ref()?;
        let first = self.outstanding.keys().next().copied();
        let rejected = self.unsettled.first().copied();
        let open = first.into_iter().chain(rejected).min();
        Some(open.unwrap_or(delivered.end))
    }

    fn is_outstanding(&self, row: i64) -> bool {
        let before = self.outstanding.range(..=row).next_back();
        before.is_some_and(|(_, end)| *end > row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ROWS: i64 = 60;

    #[derive(Clone, Debug)]
    enum Step {
        Deliver(i64),
        Complete(i64, i64),
        Reject(i64),
        Settle(i64),
        Rewind(i64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0..9i64).prop_map(Step::Deliver),
            4 => (0..ROWS, 0..9i64).prop_map(|(from, rows)| Step::Complete(from, rows)),
            1 => (0..ROWS).prop_map(Step::Reject),
            2 => (0..ROWS).prop_map(Step::Settle),
            1 => (0..ROWS).prop_map(Step::Rewind),
        ]
    }

    /// One flag a row.
    #[derive(Default)]
    struct Model {
        outstanding: BTreeSet<i64>,
        unsettled: BTreeSet<i64>,
        next: i64,
    }

    proptest! {
        /// What is committed, and what is told as finished, agrees with a set of single rows.
        #[test]
        fn agrees_with_a_naive_model(steps in prop::collection::vec(step(), 1..80)) {
            let (mut tracker, mut model) = (OffsetTracker::default(), Model::default());
            tracker.deliver(0..0);
            for step in steps {
                let mut told = BTreeSet::new();
                let mut expected = BTreeSet::new();
                match step {
                    Step::Deliver(rows) => {
                        let rows = model.next..model.next + rows;
                        tracker.deliver(rows.clone());
                        model.next = rows.end;
                        model.outstanding.extend(rows);
                    }
                    Step::Complete(from, rows) => {
                        tracker.complete(from..from + rows, |range| told.extend(range));
                        for row in from..from + rows {
                            if model.outstanding.remove(&row) && !model.unsettled.contains(&row) {
                                expected.insert(row);
                            }
                        }
                    }
                    Step::Reject(row) if model.outstanding.contains(&row) => {
                        tracker.reject(row);
                        model.unsettled.insert(row);
                    }
                    Step::Reject(_) => {}
                    Step::Settle(row) => {
                        if tracker.settle(row) {
                            told.insert(row);
                        }
                        if model.unsettled.remove(&row) && !model.outstanding.contains(&row) {
                            expected.insert(row);
                        }
                    }
                    Step::Rewind(offset) if offset <= model.next => {
                        tracker.rewind(offset);
                        model.outstanding.split_off(&offset);
                        model.next = offset;
                    }
                    Step::Rewind(_) => {}
                }
                prop_assert_eq!(told, expected);
                let open = model.outstanding.union(&model.unsettled).min().copied();
                let durable = open.unwrap_or(model.next);
                prop_assert_eq!(tracker.durable(), (durable > 0).then_some(durable));
                prop_assert!(tracker.outstanding.len() <= model.outstanding.len());
            }
        }
    }
}
