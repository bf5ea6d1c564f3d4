//! How long records took, counted in classes of some three percent: as many as there are, whatever the number of records.

use std::time::Duration;

/// Microseconds below this have a class each.
const EXACT: u64 = 64;
/// Classes of each power of two beyond.
const CLASSES: u64 = 32;
const ALL: usize = (EXACT + (64 - 6) * CLASSES) as usize;

#[derive(Clone, Debug)]
pub struct Latencies {
    counts: Vec<u64>,
    count: u64,
    sum: u128,
    longest: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        Latencies {
            counts: vec![0; ALL],
            count: 0,
            sum: 0,
            longest: 0,
        }
    }
}

impl Latencies {
    /// Notes that so many records took so long.
    pub fn note(&mut self, took: Duration, records: u64) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.counts[class(micros)] += records;
        self.count += records;
        self.sum += u128::from(micros) * u128::from(records);
        self.longest = self.longest.max(micros);
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn mean_ms(&self) -> f64 {
        match self.count {
            0 => 0.0,
            count => self.sum as f64 / count as f64 / 1000.0,
        }
    }

    pub fn longest_ms(&self) -> f64 {
        self.longest as f64 / 1000.0
    }

    /// In milliseconds, at most three percent too long.
    pub fn percentile_ms(&self, share: f64) -> f64 {
        let wanted = ((self.count as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (class, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return upper(class).min(self.longest) as f64 / 1000.0;
            }
        }
        0.0
    }
}

fn class(micros: u64) -> usize {
    if micros < EXACT {
        return micros as usize;
    }
    let power = u64::from(63 - micros.leading_zeros());
    let part = (micros >> (power - 5)) & (CLASSES - 1);
    (EXACT + (power - 6) * CLASSES + part) as usize
}

/// The longest of a class.
fn upper(class: usize) -> u64 {
    let class = class as u64;
    if class < EXACT {
        return class;
    }
    let power = (class - EXACT) / CLASSES + 6;
    let part = (class - EXACT) % CLASSES;
    let end = u128::from(CLASSES + part + 1) << (power - 5);
    u64::try_from(end - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn percentiles_are_of_what_was_noted() {
        let mut latencies = Latencies::default();
        for millis in 1..=100 {
            latencies.note(Duration::from_millis(millis), 1);
        }
        assert_eq!((latencies.count(), latencies.longest_ms()), (100, 100.0));
        assert!((latencies.mean_ms() - 50.5).abs() < 0.01);
        for (share, expected) in [(0.5, 50.0), (0.95, 95.0), (0.99, 99.0), (0.999, 100.0)] {
            let found = latencies.percentile_ms(share);
            assert!(
                found >= expected && found <= expected * 1.04,
                "{share}: {found}"
            );
        }
        assert_eq!(Latencies::default().percentile_ms(0.5), 0.0);
    }

    proptest! {
        #[test]
        fn a_class_holds_what_is_in_it(micros in any::<u64>()) {
            let end = upper(class(micros));
            prop_assert!(end >= micros);
            prop_assert!(u128::from(end) <= u128::from(micros) + u128::from(micros) / 32 + 1);
        }
    }
}
