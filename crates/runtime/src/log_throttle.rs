//! LogThrottle: one line a minute for what could be one line a record or a try, with how often it happened.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The least time between two lines about the same thing.
const INTERVAL: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, Default)]
pub struct LogThrottle {
    logged_at: Option<Instant>,
    unlogged: u64,
}

impl LogThrottle {
    /// Counts `times` more; gives all that nobody has been told of if it is time for a line.
    pub fn count(&mut self, times: u64, now: Instant) -> Option<u64> {
        self.unlogged += times;
        let is_early = self.logged_at.is_some_and(|at| now < at + INTERVAL);
        if is_early {
            return None;
        }
        self.logged_at = Some(now);
        Some(std::mem::take(&mut self.unlogged))
    }
}

/// The same for those who share it.
#[derive(Debug, Default)]
pub struct SharedLogThrottle(Mutex<LogThrottle>);

impl SharedLogThrottle {
    /// Counts `times` more; gives all that nobody has been told of if it is time for a line.
    pub fn count(&self, times: u64) -> Option<u64> {
        // Each change is whole, whatever a panicking holder did.
        let mut throttle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        throttle.count(times, Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_c17_says_once_a_minute_how_often() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut throttle = LogThrottle::default();
        assert_eq!(throttle.count(1, at(0)), Some(1));
        assert_eq!(throttle.count(1, at(1)), None);
        assert_eq!(throttle.count(5, at(59)), None);
        assert_eq!(throttle.count(1, at(60)), Some(7));
        assert_eq!(throttle.count(1, at(61)), None);
    }
}
