//! How often something is tried that may fail for all of a topic.

/// The most that is left without a try, after some that failed.
const MAX_REST: u32 = 64;

/// After a failure one is left out, after the next one three, then seven and so on; after a success none.
#[derive(Clone, Copy, Default)]
pub(super) struct Tries {
    /// What is still left without a try, and how much was the last time.
    rest: u32,
    last_rest: u32,
}

impl Tries {
    /// Whether the next one is to be tried. What came of it is told to `ended`.
    #[inline]
    pub(super) fn is_due(&mut self) -> bool {
        let is_due = self.rest == 0;
        self.rest = self.rest.saturating_sub(1);
        is_due
    }

    #[inline]
    pub(super) fn ended(&mut self, succeeded: bool) {
        self.last_rest = match succeeded {
            true => 0,
            false => (2 * self.last_rest + 1).min(MAX_REST),
        };
        self.rest = self.last_rest;
    }

    #[cfg(test)]
    pub(super) fn begin_anew(&mut self) {
        *self = Tries::default();
    }

    #[cfg(test)]
    pub(super) fn rests(self) -> bool {
        self.rest > 0
    }
}
