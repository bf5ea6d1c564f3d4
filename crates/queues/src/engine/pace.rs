//! Pace: pauses between attempts to reach a queue, drawn from all that lies between the shortest and a bound that doubles,
//! so that tasks that lost the same broker do not come back together.

use std::time::Duration;

const SHORTEST: Duration = Duration::from_millis(200);

const LONGEST: Duration = Duration::from_secs(30);

/// The pauses of one outage.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    failures: u32,
}

impl Pace {
    /// The pause after one more failure.
    pub(crate) fn next_pause(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let bound = SHORTEST.saturating_mul(1 << self.failures.min(16));
        rand::random_range(SHORTEST..=bound.min(LONGEST))
    }

    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_lie_between_the_shortest_and_a_bound_that_doubles() {
        for _ in 0..100 {
            let mut pace = Pace::default();
            for bound in [400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000] {
                let pause = pace.next_pause();
                assert!((200..=bound).contains(&pause.as_millis()), "{pause:?}");
            }
            pace.reset();
            assert!(pace.next_pause() <= Duration::from_millis(400));
        }
    }
}
