//! Topic-partitions, and the tracker that turns completions in any order into a durable prefix.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    pub topic: Arc<str>,
    pub partition: i32,
}

impl TopicPartition {
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        TopicPartition {
            topic: topic.into(),
            partition,
        }
    }
}

/// Kafka's own form: `topic-partition`.
impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// A piece of work that `OffsetTracker::begin` handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// The frontier of one partition: pieces of work begin in offset order and complete in any order;
/// `durable` moves only over a prefix without gaps.
#[derive(Debug, Default)]
pub struct OffsetTracker {
    /// The offset after each piece, in order; `true` once it is done.
    pieces: VecDeque<(i64, bool)>,
    /// The ticket of `pieces[0]`.
    first: u64,
    durable: Option<i64>,
}

impl OffsetTracker {
    pub fn new() -> Self {
        OffsetTracker::default()
    }

    /// Begins a piece that ends before `next_offset`; pieces begin in ascending order.
    pub fn begin(&mut self, next_offset: i64) -> Ticket {
        debug_assert!(
            self.pieces
                .back()
                .is_none_or(|(last, _)| *last <= next_offset)
        );
        self.pieces.push_back((next_offset, false));
        Ticket(self.first + self.pieces.len() as u64 - 1)
    }

    /// Marks a piece as durable, filtered out or settled. Doing so twice changes nothing.
    pub fn complete(&mut self, ticket: Ticket) {
        if let Some(index) = ticket.0.checked_sub(self.first)
            && let Some(piece) = self.pieces.get_mut(index as usize)
        {
            piece.1 = true;
        }
        while let Some(&(next_offset, true)) = self.pieces.front() {
            self.pieces.pop_front();
            self.first += 1;
            self.durable = Some(next_offset);
        }
    }

    /// The offset to commit: the next one to read, everything before it being done. `None` before the first completion.
    pub fn durable(&self) -> Option<i64> {
        self.durable
    }

    /// Pieces begun and not yet behind the frontier.
    pub fn pending(&self) -> usize {
        self.pieces.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_a_naive_model(order in Just((0..40usize).collect::<Vec<_>>()).prop_shuffle()) {
            let mut tracker = OffsetTracker::new();
            let tickets: Vec<Ticket> = (0..40).map(|i| tracker.begin((i + 1) * 10)).collect();
            let mut done = [false; 40];
            for piece in order {
                tracker.complete(tickets[piece]);
                done[piece] = true;
                let prefix = done.iter().take_while(|d| **d).count() as i64;
                prop_assert_eq!(tracker.durable(), (prefix > 0).then_some(prefix * 10));
                prop_assert_eq!(tracker.pending(), 40 - prefix as usize);
            }
        }
    }
}
