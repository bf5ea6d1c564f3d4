//! Place: where reading goes on, and whether the log still has what comes next there.

use std::ops::Range;

/// Where the next message to hand over is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nothing was read: at this offset, or the first later one that there is.
    Start(i64),
    /// Behind what was read. The log has a message at this offset or at the one before it, unless both are gone.
    After(i64),
}

/// What the first messages at a place tell of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing yet: all of them are from before it.
    Nothing,
    /// The log goes on there.
    Here,
    /// These offsets are gone from the log.
    Gap(Range<i64>),
}

impl Place {
    /// The offset to open a log at. A broker waits at an offset beyond its log's end without a word, and drops what comes below it;
    /// the message before the place shows that the log is the one that was read.
    pub(super) fn opens_at(self) -> i64 {
        match self {
            Place::Start(offset) => offset,
            Place::After(offset) => (offset - 1).max(0),
        }
    }

    /// The lowest offset that is handed over.
    pub(super) fn next(self) -> i64 {
        match self {
            Place::Start(offset) | Place::After(offset) => offset,
        }
    }

    /// `offsets`: those that a log that was opened there gives, rising.
    pub(super) fn found(self, offsets: impl IntoIterator<Item = i64>) -> Found {
        let opened_at = self.opens_at();
        let first = offsets.into_iter().find(|offset| *offset >= opened_at);
        match (self, first) {
            (_, None) => Found::Nothing,
            (Place::After(next), Some(first)) if first > next => Found::Gap(next..first),
            (Place::Start(_) | Place::After(_), Some(_)) => Found::Here,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_goes_on_where_the_message_before_is_there() {
        for (place, offsets, expected) in [
            (Place::Start(0), &[40, 41][..], Found::Here),
            (Place::Start(17), &[15, 16], Found::Nothing),
            (Place::Start(17), &[16, 20], Found::Here),
            (Place::After(9), &[8, 9], Found::Here),
            // What was read last is gone, and nothing else.
            (Place::After(9), &[9, 10], Found::Here),
            (Place::After(9), &[3, 7], Found::Nothing),
            (Place::After(9), &[3, 12], Found::Gap(9..12)),
            (Place::After(9), &[10], Found::Gap(9..10)),
            (Place::After(0), &[0], Found::Here),
            (Place::After(0), &[5], Found::Gap(0..5)),
            (Place::After(9), &[], Found::Nothing),
        ] {
            let found = place.found(offsets.iter().copied());
            assert_eq!(found, expected, "{place:?} {offsets:?}");
        }
    }
}
