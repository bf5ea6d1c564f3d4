//! Backoff: pauses that double up to a bound, each up to a fifth longer or shorter, so that clients do not march in step.

use std::time::Duration;

/// The pauses between attempts at one thing.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// The first pause and the longest.
    pub fn new((first, longest): (Duration, Duration)) -> Self {
        Backoff {
            first,
            longest: longest.max(first),
            failures: 0,
        }
    }

    /// The pause after one more failure.
    pub fn next_pause(&mut self) -> Duration {
        let doubled = self.first.saturating_mul(1 << self.failures.min(20));
        self.failures = self.failures.saturating_add(1);
        doubled
            .min(self.longest)
            .mul_f64(rand::random_range(0.8..1.2))
    }

    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_bound() {
        let mut backoff = Backoff::new((Duration::from_millis(100), Duration::from_millis(1000)));
        let pauses: Vec<u128> = (0..6).map(|_| backoff.next_pause().as_millis()).collect();
        for (pause, expected) in pauses.iter().zip([100, 200, 400, 800, 1000, 1000]) {
            assert!(
                (expected * 79 / 100..=expected * 121 / 100).contains(pause),
                "{pauses:?}"
            );
        }
        backoff.reset();
        assert!(backoff.next_pause().as_millis() <= 120);
    }
}
