//! Ids of batches: ULIDs, which sort by the time at which their object was opened and are made by nobody else.

/// Crockford's digits.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Digits of an id.
const LEN: usize = 26;

/// Bits that are drawn; those before them are milliseconds.
const RANDOM_BITS: u32 = 80;

/// Ids that rise, whatever the clock does.
#[derive(Debug, Default)]
pub(crate) struct BatchIds {
    last: u128,
}

impl BatchIds {
    /// The next id. `now`: epoch milliseconds; `drawn`: any number, of which 80 bits count.
    pub(crate) fn next(&mut self, now: i64, drawn: u128) -> String {
        let id = first_of(now) | (drawn & ((1 << RANDOM_BITS) - 1));
        self.last = id.max(self.last + 1);
        text(self.last)
    }
}

/// The first id of a time, epoch milliseconds.
pub(crate) fn first_at(now: i64) -> String {
    text(first_of(now))
}

fn first_of(now: i64) -> u128 {
    u128::from(now.max(0).unsigned_abs()) << RANDOM_BITS
}

fn text(id: u128) -> String {
    let digit = |place: usize| (id >> (5 * place)) as usize & 31;
    let digits = (0..LEN).rev().map(|place| DIGITS[digit(place)]);
    digits.map(char::from).collect()
}

/// Whether a text is an id.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == LEN && text.bytes().all(|byte| DIGITS.contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_rise_where_it_does_not() {
        let mut ids = BatchIds::default();
        let first = ids.next(1_469_918_176_385, u128::MAX);
        assert_eq!(first, "01ARYZ6S41ZZZZZZZZZZZZZZZZ");
        assert!(is_id(&first) && !is_id("01ARYZ6S41") && !is_id(&first.to_lowercase()));
        assert_eq!(first_at(1_469_918_176_385), "01ARYZ6S410000000000000000");
        let same_time = ids.next(1_469_918_176_385, 0);
        let earlier = ids.next(7, 3);
        let later = ids.next(1_469_918_176_400, 0);
        assert!(first < same_time && same_time < earlier && earlier < later);
    }
}
