//! Stored: how many records of a partition have become durable, told from offsets alone, whatever the sink makes of them.

use std::collections::VecDeque;

/// Batches of one partition that are told apart while they are not durable. Further ones join the last: they are
/// counted a little later, and a task that holds millions of small batches open costs no more than this.
const BATCHES: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Stored(VecDeque<Given>);

/// Rows that a sink has, up to an offset.
#[derive(Clone, Copy, Debug)]
struct Given {
    next_offset: i64,
    rows: u64,
}

impl Stored {
    /// The sink has taken a batch.
    pub(crate) fn taken(&mut self, next_offset: i64, rows: usize) {
        if rows == 0 {
            return;
        }
        let rows = rows as u64;
        let is_full = self.0.len() >= BATCHES;
        match self.0.back_mut().filter(|_| is_full) {
            Some(last) => {
                last.next_offset = next_offset;
                last.rows += rows;
            }
            None => self.0.push_back(Given { next_offset, rows }),
        }
    }

    /// Everything before an offset is done; returns how many records more that makes.
    pub(crate) fn advance(&mut self, offset: i64) -> u64 {
        let mut rows = 0;
        while let Some(given) = self.0.front().filter(|given| given.next_offset <= offset) {
            rows += given.rows;
            self.0.pop_front();
        }
        rows
    }

    /// What lies behind an offset is read again.
    pub(crate) fn rewind(&mut self, offset: i64) {
        self.0.retain(|given| given.next_offset <= offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_again_is_counted_once() {
        let mut stored = Stored::default();
        stored.taken(10, 10);
        stored.taken(20, 5);
        assert_eq!(stored.advance(10), 10);
        stored.rewind(10);
        stored.taken(20, 5);
        assert_eq!(stored.advance(20), 5);
    }

    #[test]
    fn report_c5_many_small_batches_cost_no_more_than_a_few() {
        let mut stored = Stored::default();
        for number in 1..=1000 {
            stored.taken(number, 1);
        }
        assert_eq!(stored.0.len(), BATCHES);
        assert_eq!(stored.advance(1000), 1000);
    }
}
