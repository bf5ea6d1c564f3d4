//! Quiet: one line a minute for what could be one line a record or a try, with how often it happened.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The least time between two lines about the same thing.
const SILENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet {
    said_at: Option<Instant>,
    unsaid: u64,
}

impl Quiet {
    /// Counts `times` more; gives all that nobody has been told of if it is time for a line.
    pub fn speak(&mut self, times: u64, now: Instant) -> Option<u64> {
        self.unsaid += times;
        let is_silent = self.said_at.is_some_and(|at| now < at + SILENCE);
        if is_silent {
            return None;
        }
        self.said_at = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }
}

/// The same for those who share it.
#[derive(Debug, Default)]
pub struct SharedQuiet(Mutex<Quiet>);

impl SharedQuiet {
    /// Counts `times` more; gives all that nobody has been told of if it is time for a line.
    pub fn speak(&self, times: u64) -> Option<u64> {
        // Each change is whole, whatever a panicking holder did.
        let mut quiet = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        quiet.speak(times, Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_c17_says_once_a_minute_how_often() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut quiet = Quiet::default();
        assert_eq!(quiet.speak(1, at(0)), Some(1));
        assert_eq!(quiet.speak(1, at(1)), None);
        assert_eq!(quiet.speak(5, at(59)), None);
        assert_eq!(quiet.speak(1, at(60)), Some(7));
        assert_eq!(quiet.speak(1, at(61)), None);
    }
}
