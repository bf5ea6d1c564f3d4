//! Totals: instead of the records a collection holds, for each key and each window of time, how many records there were and
//! sums, extremes and last values of some of their fields. A record that is read again counts once.
//!
//! A document of totals knows for each partition how far its records are counted, `next`. What a batch adds to it is one
//! update for a range of offsets, which counts only where `next` is not beyond the first of them: so an update is whole or not
//! there, and a replay changes nothing. Where one does not count, `next` is read, and the rest is added. Beside the totals
//! stands one document for each partition, its *place*: how far all its records are counted, and what decides whether a record
//! is late. It is written when the totals are, before offsets are committed, and read when a partition is opened: what is
//! before it has been decided already, and what is behind it is decided as it was before.

pub(crate) mod fold;
pub(crate) mod id;
pub(crate) mod number;
pub(crate) mod place;
pub(crate) mod settings;
pub(crate) mod sift;
pub(crate) mod task;
#[cfg(test)]
mod tests;
pub(crate) mod write;

/// Why totals of a queue are refused.
pub(crate) const NEEDS_OFFSETS: &str = "millstream.mongo.aggregate.window.ms: a queue gives its messages no offsets that last, by which a record \
     that comes again would be told; read a topic";
