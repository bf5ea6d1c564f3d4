//! Window: how many messages a consumer is allowed to have unsettled. The broker bounds their number and not their bytes, and
//! sends what it may at once, so the number follows the sizes that are seen.
//!
//! An allowance cannot be changed under a consumer: another one takes its place on the channel, whose allowance counts what
//! it is given itself. That is worth it where the old one has used its allowance up, or where messages have become large.

use crate::input::WORN_ROOM;

/// Bytes that may be on their way from the broker and not read, as far as sizes so far tell.
const BYTES: usize = 32 << 20;

/// How much of the largest size is forgotten with each smaller message: one in so many.
const FADES: usize = 64;

/// How many times as many are allowed at most as there were before: what comes next may be larger than what came.
const GROWTH: usize = 16;

/// What a connection begins with at most, until it has seen whether messages are worn.
const FIRST: usize = WORN_ROOM;

#[derive(Debug)]
pub(super) struct Window {
    /// The most messages that may be unsettled, whoever got them.
    most: usize,
    /// Whether the allowance is what somebody has set, whatever the sizes.
    is_fixed: bool,
    /// The size of the largest message, fading.
    size: usize,
    /// What the consumer of now may have unsettled.
    allowed: usize,
    /// What it has.
    used: usize,
    /// What is left of those before it.
    older: usize,
    /// Whether the last message was worn.
    is_worn: bool,
}

impl Window {
    /// One whose allowance does not change.
    pub(super) fn fixed(allowed: u16) -> Self {
        let allowed = usize::from(allowed);
        Window {
            most: allowed,
            is_fixed: true,
            size: 0,
            allowed,
            used: 0,
            older: 0,
            is_worn: false,
        }
    }

    /// `size`: the largest of the last sizes of an earlier connection; 0 if nothing is known of them.
    pub(super) fn following(most: u16, size: usize) -> Self {
        let mut window = Window::fixed(most);
        window.is_fixed = false;
        window.size = size;
        window.allowed = if size == 0 {
            1
        } else {
            window.fitting().min(FIRST)
        };
        window
    }

    /// What the consumer of now may have unsettled.
    pub(super) fn allowed(&self) -> u16 {
        u16::try_from(self.allowed).unwrap_or(u16::MAX)
    }

    /// The largest of the last sizes.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// A message of this size was read, which its queue will not deliver much more often if it is worn.
    pub(super) fn delivered(&mut self, bytes: usize, is_worn: bool) {
        self.is_worn = is_worn;
        self.size = bytes.max(self.size - self.size / FADES).max(1);
        self.used += 1;
    }

    /// So many are settled or given back. The broker hears of them in their order, but for a few.
    pub(super) fn gone(&mut self, messages: usize) {
        let of_older = messages.min(self.older);
        self.older -= of_older;
        self.used = self.used.saturating_sub(messages - of_older);
    }

    /// What another consumer may have unsettled, if one is to take over.
    pub(super) fn change(&self) -> Option<u16> {
        if self.is_fixed {
            return None;
        }
        let unsettled = self.used + self.older;
        let most = if self.is_worn {
            self.most.min(WORN_ROOM)
        } else {
            self.most
        };
        let room = most.saturating_sub(unsettled);
        let next = self.fitting().min(GROWTH * self.allowed).min(room);
        // What comes without any more of ours being settled.
        let coming = self.allowed.saturating_sub(self.used);
        let is_used_up = coming == 0;
        let is_too_wide = coming > 2 * self.fitting();
        // Once nothing is held, all of it can be the allowance of one.
        let is_narrow = unsettled == 0 && next >= 2 * self.allowed;
        let is_due = next > 0 && (is_used_up || is_too_wide || is_narrow);
        is_due.then(|| u16::try_from(next).unwrap_or(u16::MAX))
    }

    /// A consumer with this allowance has taken over: what comes is its.
    pub(super) fn changed(&mut self, allowed: u16) {
        self.older += self.used;
        self.used = 0;
        self.allowed = allowed.into();
    }

    fn fitting(&self) -> usize {
        (BYTES / self.size.max(1)).clamp(1, self.most.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIB: usize = 1 << 20;

    /// Reads all that may come, each of this size, with a consumer after another; the allowances that there were.
    fn fill(window: &mut Window, bytes: usize) -> Vec<u16> {
        let mut allowances = vec![window.allowed()];
        for _ in 0..100_000 {
            while window.used < window.allowed {
                window.delivered(bytes, false);
            }
            match window.change() {
                None => return allowances,
                Some(allowed) => {
                    window.changed(allowed);
                    allowances.push(allowed);
                }
            }
        }
        panic!("without end: {window:?}");
    }

    #[test]
    fn small_messages_come_by_the_thousand_after_a_few_steps() {
        let mut window = Window::following(5_000, 0);
        assert_eq!(fill(&mut window, 100), [1, 16, 256, 4096, 631]);
        // Once all is settled, one consumer has the whole.
        window.gone(5_000);
        assert_eq!(window.change(), Some(5_000));
        window.changed(5_000);
        assert_eq!(window.change(), None);
        assert_eq!(window.allowed(), 5_000);
    }

    #[test]
    fn large_messages_come_a_few_at_a_time_and_may_be_held_all_the_same() {
        let mut window = Window::following(10, 0);
        assert_eq!(fill(&mut window, 10 * MIB), [1, 3, 3, 3]);
        let mut window = Window::following(3, 0);
        assert_eq!(fill(&mut window, 128 * MIB), [1, 1, 1]);
    }

    #[test]
    fn messages_that_become_large_narrow_it_before_it_is_used_up() {
        let mut window = Window::following(5_000, 100);
        assert_eq!(fill(&mut window, 100), [256, 4096, 648]);
        window.gone(5_000);
        window.changed(5_000);
        window.delivered(4 * MIB, false);
        assert_eq!(window.change(), Some(8));
        // Small ones widen it again, if slowly.
        window.changed(8);
        for _ in 0..1_000 {
            window.delivered(100, false);
            window.gone(1);
        }
        window.gone(1);
        assert!(window.change() >= Some(100), "{window:?}");
    }

    #[test]
    fn worn_messages_come_a_few_at_a_time() {
        let mut window = Window::following(5_000, 0);
        for allowed in [16, 240] {
            while window.used < window.allowed {
                window.delivered(100, true);
            }
            let most = usize::from(window.change().unwrap());
            assert!(most <= allowed, "{window:?}");
            window.changed(window.change().unwrap());
        }
        while window.used < window.allowed {
            window.delivered(100, true);
        }
        assert_eq!(window.used + window.older, WORN_ROOM);
        assert_eq!(window.change(), None, "{window:?}");
        // What is stored makes place for as many, which come without being asked for; fresh ones widen it again.
        window.gone(100);
        assert_eq!(window.change(), None, "{window:?}");
        while window.used < window.allowed {
            window.delivered(100, false);
        }
        assert!(window.change() > Some(1_000), "{window:?}");
    }

    #[test]
    fn what_somebody_has_set_stays() {
        let mut window = Window::fixed(50);
        assert_eq!(fill(&mut window, 128 * MIB), [50]);
        assert_eq!(window.allowed(), 50);
    }

    proptest! {
        #[test]
        fn no_more_is_held_than_may_be_and_no_more_comes_than_fits(
            most in 1u16..200,
            steps in proptest::collection::vec((0u8..3, 1usize..40), 0..300),
        ) {
            let mut window = Window::following(most, 0);
            for (step, number) in steps {
                match step {
                    0 if window.used < window.allowed => window.delivered(number * MIB, number % 3 == 0),
                    1 => window.gone(number.min(window.used + window.older)),
                    _ => {
                        if let Some(allowed) = window.change() {
                            window.changed(allowed);
                            let comes = usize::from(allowed);
                            prop_assert!(comes == 1 || comes * window.size <= BYTES);
                        }
                    }
                }
                prop_assert!(window.used + window.older <= usize::from(most));
            }
        }
    }
}
