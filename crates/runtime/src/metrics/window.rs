//! Window: a statistic of the last minute, as Kafka's clients keep it: two samples of 30 s, of which the older one is replaced
//! as a whole. So a rate is of 30 to 60 s, and costs nothing between two batches.

use std::time::Duration;
use tokio::time::Instant;

/// `metrics.sample.window.ms`, with `metrics.num.samples` of 2.
const SAMPLE: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
pub(super) struct Window {
    current: Sample,
    previous: Option<Sample>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    begun: Instant,
    sum: f64,
    count: u64,
    max: f64,
}

impl Sample {
    fn new(begun: Instant) -> Self {
        Sample {
            begun,
            sum: 0.0,
            count: 0,
            max: f64::NEG_INFINITY,
        }
    }

    fn is_obsolete(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.begun) >= 2 * SAMPLE
    }
}

impl Window {
    pub(super) fn new(now: Instant) -> Self {
        Window {
            current: Sample::new(now),
            previous: None,
        }
    }

    pub(super) fn record(&mut self, value: f64, now: Instant) {
        if now.saturating_duration_since(self.current.begun) >= SAMPLE {
            self.previous = Some(self.current);
            self.current = Sample::new(now);
        }
        self.current.sum += value;
        self.current.count += 1;
        self.current.max = self.current.max.max(value);
    }

    fn samples(&self, now: Instant) -> impl Iterator<Item = &Sample> {
        let both = [Some(&self.current), self.previous.as_ref()];
        both.into_iter()
            .flatten()
            .filter(move |sample| !sample.is_obsolete(now))
    }

    fn sum(&self, now: Instant) -> f64 {
        self.samples(now).map(|sample| sample.sum).sum()
    }

    fn count(&self, now: Instant) -> u64 {
        self.samples(now).map(|sample| sample.count).sum()
    }

    /// What was recorded per second. A first sample that is not over yet counts as if a full one had been before it.
    pub(super) fn rate(&self, now: Instant) -> f64 {
        let oldest = self.samples(now).map(|sample| sample.begun).min();
        let mut elapsed = now.saturating_duration_since(oldest.unwrap_or(now));
        if elapsed < SAMPLE {
            elapsed += SAMPLE;
        }
        self.sum(now) / elapsed.as_secs_f64()
    }

    /// Not a number where nothing was recorded, as in Java.
    pub(super) fn average(&self, now: Instant) -> f64 {
        self.sum(now) / self.count(now) as f64
    }

    /// Not a number where nothing was recorded, as in Java.
    pub(super) fn max(&self, now: Instant) -> f64 {
        if self.count(now) == 0 {
            return f64::NAN;
        }
        self.samples(now)
            .fold(f64::NEG_INFINITY, |max, sample| max.max(sample.max))
    }

    /// What part of the recorded ones was 1 and not 0, in percent; 0 where nothing was recorded, as in Java.
    pub(super) fn percentage(&self, of: f64, now: Instant) -> f64 {
        let count = self.count(now) as f64;
        if count == 0.0 {
            return 0.0;
        }
        let ones = self.sum(now);
        let matching = if of == 1.0 { ones } else { count - ones };
        100.0 * matching / count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(begun: Instant, seconds: u64) -> Instant {
        begun + Duration::from_secs(seconds)
    }

    #[test]
    fn a_rate_is_of_the_last_samples_as_javas() {
        let begun = Instant::now();
        let mut window = Window::new(begun);
        for second in 0..10 {
            window.record(30.0, after(begun, second));
        }
        // 300 in 10 s, and as if there had been 30 s of nothing before.
        assert_eq!(window.rate(after(begun, 10)), 7.5);
        assert_eq!(window.rate(after(begun, 30)), 10.0);
        window.record(60.0, after(begun, 40));
        assert_eq!(window.rate(after(begun, 50)), 360.0 / 50.0);
        // The first sample is gone.
        assert_eq!(window.rate(after(begun, 80)), 60.0 / 40.0);
        assert_eq!(window.rate(after(begun, 200)), 0.0);
    }

    #[test]
    fn what_nobody_recorded_has_neither_average_nor_maximum() {
        let begun = Instant::now();
        let mut window = Window::new(begun);
        assert!(window.average(begun).is_nan() && window.max(begun).is_nan());
        window.record(2.0, begun);
        window.record(6.0, after(begun, 40));
        let now = after(begun, 41);
        assert_eq!((window.average(now), window.max(now)), (4.0, 6.0));
        assert!(window.max(after(begun, 500)).is_nan());
    }

    #[test]
    fn a_percentage_is_of_what_was_recorded() {
        let begun = Instant::now();
        let mut window = Window::new(begun);
        assert_eq!(window.percentage(1.0, begun), 0.0);
        for outcome in [1.0, 1.0, 1.0, 0.0] {
            window.record(outcome, begun);
        }
        assert_eq!(window.percentage(1.0, begun), 75.0);
        assert_eq!(window.percentage(0.0, begun), 25.0);
    }
}
