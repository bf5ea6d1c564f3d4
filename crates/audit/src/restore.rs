//! Records out of objects: lines and separated bytes cut into records, and those put back into the bytes that Kafka had.

mod decode;
mod split;

pub use decode::{Encoding, Envelope, NotDecoded, headers, millis_of};
pub use split::{SplitError, Splitter};

use std::collections::BTreeMap;

/// How far a restore has come in each partition of its target, and what of it is there already.
///
/// The order of records is a function of the objects, so that the number of records that a partition has got since the
/// restore began is the position in it: nothing else has to be kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    there: BTreeMap<i32, u64>,
    seen: BTreeMap<i32, u64>,
}

/// What to do with the next record of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is there.
    Skip,
    /// It is the last one that is there: what the partition ends with has to be this.
    Compare,
    Write,
}

impl Position {
    /// `ends` are where partitions end now, `begun` where they ended when the restore began.
    ///
    /// # Errors
    /// The partition that has become shorter since.
    pub fn new(ends: &BTreeMap<i32, i64>, begun: &BTreeMap<i32, i64>) -> Result<Self, i32> {
        let mut there = BTreeMap::new();
        for (partition, end) in ends {
            let from = begun.get(partition).copied().unwrap_or(0);
            let records = u64::try_from(end - from).map_err(|_| *partition)?;
            there.insert(*partition, records);
        }
        Ok(Position {
            there,
            seen: BTreeMap::new(),
        })
    }

    /// Takes the next record of a partition.
    pub fn next(&mut self, partition: i32) -> Next {
        let seen = self.seen.entry(partition).or_default();
        *seen += 1;
        let there = self.there.get(&partition).copied().unwrap_or(0);
        match (*seen).cmp(&there) {
            std::cmp::Ordering::Less => Next::Skip,
            std::cmp::Ordering::Equal => Next::Compare,
            std::cmp::Ordering::Greater => Next::Write,
        }
    }

    /// Records that are in the target already.
    pub fn there(&self) -> u64 {
        self.there.values().sum()
    }

    /// Partitions that hold more than the objects have.
    pub fn beyond(&self) -> Vec<i32> {
        let seen = |partition: &i32| self.seen.get(partition).copied().unwrap_or(0);
        self.there
            .iter()
            .filter(|(partition, there)| seen(partition) < **there)
            .map(|(partition, _)| *partition)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_number_of_records_is_the_position() {
        let ends = BTreeMap::from([(0, 12), (1, 5)]);
        let begun = BTreeMap::from([(0, 10), (1, 5)]);
        let mut position = Position::new(&ends, &begun).unwrap();
        assert_eq!(position.there(), 2);
        let taken: Vec<Next> = (0..3).map(|_| position.next(0)).collect();
        assert_eq!(taken, [Next::Skip, Next::Compare, Next::Write]);
        assert_eq!(position.next(1), Next::Write);
        assert_eq!(position.beyond(), Vec::<i32>::new());
        assert_eq!(Position::new(&begun, &ends), Err(0));
        assert_eq!(Position::new(&ends, &begun).unwrap().beyond(), [0]);
    }
}
