//! Throttle: when the next message is due at a given rate. As `ThroughputThrottler` of Kafka's tools.

use std::time::Duration;
use tokio::time::Instant;

/// How long a rate of nothing waits before it looks again.
const NEVER: Duration = Duration::from_secs(3600);

/// Messages a second, counted from the start.
#[derive(Debug)]
pub(super) struct Throttle {
    /// Negative: as many as there are.
    rate: i64,
    start: Instant,
}

impl Throttle {
    pub(super) fn new(rate: i64, start: Instant) -> Self {
        Throttle { rate, start }
    }

    /// When the message after `sent` others is due.
    pub(super) fn due(&self, sent: u64) -> Instant {
        match self.rate {
            ..0 => self.start,
            0 => Instant::now() + NEVER,
            rate => self.start + Duration::from_secs_f64(sent as f64 / rate as f64),
        }
    }
}
