//! Which offsets of a partition exist. Between them are those that compaction has removed, and those that never were records:
//! markers of transactions, and records of transactions that were aborted.

/// Runs of offsets without records that are kept of a partition. A log that is compacted has one for each record that went, so
/// more are possible; they cost 16 bytes each.
pub const MOST_HOLES: usize = 4_000_000;

/// The holes of one partition, in ascending order.
#[derive(Clone, Debug, Default)]
pub struct Existing {
    /// Begin and end (exclusive), neither touching nor overlapping.
    holes: Vec<(i64, i64)>,
    next: Option<i64>,
}

impl Existing {
    /// Notes that a record is at `offset`; they come in ascending order.
    ///
    /// # Errors
    /// If there are more holes than are kept.
    pub fn record(&mut self, offset: i64) -> Result<(), TooManyHoles> {
        self.reach(offset)?;
        self.next = Some(offset.saturating_add(1));
        Ok(())
    }

    /// Notes that no record is below `offset` that was not told.
    ///
    /// # Errors
    /// If there are more holes than are kept.
    pub fn reach(&mut self, offset: i64) -> Result<(), TooManyHoles> {
        let Some(next) = self.next else {
            self.next = Some(offset);
            return Ok(());
        };
        if offset <= next {
            return Ok(());
        }
        let is_full = self.holes.len() >= MOST_HOLES;
        match self.holes.last_mut() {
            Some(last) if last.1 == next => last.1 = offset,
            _ if is_full => return Err(TooManyHoles),
            _ => self.holes.push((next, offset)),
        }
        self.next = Some(offset);
        Ok(())
    }

    /// The first offset at `offset` or after it that exists, as far as is known.
    pub fn at(&self, offset: i64) -> i64 {
        match self.hole_at(offset) {
            Some((_, end)) => end,
            None => offset,
        }
    }

    /// The first existing offset after `count` existing ones from `start` on.
    pub fn after(&self, start: i64, count: i64) -> i64 {
        let mut at = self.at(start);
        let mut left = count;
        let mut next = self.holes.partition_point(|hole| hole.0 < at);
        while let Some((begin, end)) = self.holes.get(next) {
            let run = begin - at;
            if left < run {
                break;
            }
            left -= run;
            at = *end;
            next += 1;
        }
        at.saturating_add(left)
    }

    /// How many of the offsets from `from` to `to` (exclusive) exist.
    pub fn between(&self, from: i64, to: i64) -> i64 {
        let first = self.holes.partition_point(|hole| hole.1 <= from);
        let holes = self.holes[first..].iter().take_while(|hole| hole.0 < to);
        let gone: i64 = holes.map(|hole| hole.1.min(to) - hole.0.max(from)).sum();
        (to - from).max(0) - gone
    }

    /// How many offsets have no record.
    pub fn holes(&self) -> i64 {
        self.holes.iter().map(|hole| hole.1 - hole.0).sum()
    }

    fn hole_at(&self, offset: i64) -> Option<(i64, i64)> {
        let at = self.holes.partition_point(|hole| hole.1 <= offset);
        let hole = self.holes.get(at)?;
        (hole.0 <= offset).then_some(*hole)
    }
}

/// A partition with more holes than are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "more than {MOST_HOLES} runs of its offsets have no records: audit it in ranges (--from, --to)"
)]
pub struct TooManyHoles;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn of(records: &[i64], end: i64) -> Existing {
        let mut existing = Existing::default();
        existing.reach(0).unwrap();
        for offset in records {
            existing.record(*offset).unwrap();
        }
        existing.reach(end).unwrap();
        existing
    }

    #[test]
    fn offsets_without_records_are_passed_over() {
        let existing = of(&[2, 3, 6], 9);
        assert_eq!((existing.at(0), existing.at(2), existing.at(4)), (2, 2, 6));
        assert_eq!(
            (
                existing.after(2, 1),
                existing.after(2, 2),
                existing.after(0, 3)
            ),
            (3, 6, 9)
        );
        assert_eq!((existing.between(0, 9), existing.between(3, 6)), (3, 1));
        assert_eq!(existing.holes(), 6);
    }

    proptest! {
        #[test]
        fn is_what_counting_one_by_one_gives(records in proptest::collection::btree_set(0i64..40, 0..30),
                                             start in 0i64..40, count in 0i64..30) {
            let listed: Vec<i64> = records.iter().copied().collect();
            let existing = of(&listed, 40);
            let from: Vec<i64> = listed.iter().copied().filter(|offset| *offset >= start).chain(40..).take(31).collect();
            prop_assert_eq!(existing.after(start, count), from[count as usize]);
            prop_assert_eq!(existing.at(start), from[0]);
            let end = start + count;
            let within = (start..end).filter(|offset| records.contains(offset) || *offset >= 40).count();
            prop_assert_eq!(existing.between(start, end), within as i64);
        }
    }
}
