//! Outage: what keeps a task's uploads from succeeding, and when to say so. With thousands of objects on their way a line
//! for each failure would bury the log, so there is one a minute, with a count.

use millstream_core::Degraded;
use std::time::Duration;

/// How often an outage is told of while it lasts, milliseconds.
const TOLD_EVERY: i64 = 60_000;

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// Failures since the line before.
    pub(super) failures: u64,
    /// How long there has been no success, milliseconds.
    pub(super) lasting: i64,
}

#[derive(Debug, Default)]
pub(super) struct Outage {
    current: Option<Failing>,
    /// Failures that no line has told of.
    failures: u64,
    /// When the last line was told.
    told: Option<i64>,
}

/// What keeps uploads from succeeding. Times are epoch milliseconds.
#[derive(Debug)]
struct Failing {
    reason: String,
    since: i64,
    next_try: i64,
}

impl Outage {
    /// Takes note of a failure after which there is a pause; a line is due with the first one, and once a minute. Times
    /// are milliseconds.
    pub(super) fn failed(&mut self, reason: String, pause: i64, now: i64) -> Option<Told> {
        let since = self.current.as_ref().map_or(now, |current| current.since);
        self.current = Some(Failing {
            reason,
            since,
            next_try: now.saturating_add(pause),
        });
        self.failures += 1;
        if self.told.is_some_and(|told| now - told < TOLD_EVERY) {
            return None;
        }
        self.told = Some(now);
        Some(Told {
            failures: std::mem::take(&mut self.failures),
            lasting: now - since,
        })
    }

    /// A store that refuses every other request is told of as often as one that is away.
    pub(super) fn succeeded(&mut self) {
        self.current = None;
    }

    pub(super) fn degraded(&self, now: i64) -> Option<Degraded> {
        let current = self.current.as_ref()?;
        let wait = current.next_try.saturating_sub(now).max(1);
        Some(Degraded {
            reason: current.reason.clone(),
            since: current.since,
            next_try: Duration::from_millis(wait.unsigned_abs()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_c17_one_line_a_minute_with_a_count() {
        let start = 1_700_000_000_000;
        let mut outage = Outage::default();
        let mut lines = Vec::new();
        // 40 failures a second for two and a half minutes, and now and then a success.
        for failure in 0..150 * 40 {
            let now = start + 25 * failure;
            lines.extend(outage.failed("SlowDown".to_owned(), 100, now));
            if failure == 1000 {
                outage.succeeded();
                assert!(outage.degraded(now).is_none());
            }
        }
        let counts: Vec<u64> = lines.iter().map(|line| line.failures).collect();
        assert_eq!(counts, [1, 2400, 2400]);
        let lasting: Vec<i64> = lines.iter().map(|line| line.lasting / 1000).collect();
        assert_eq!(lasting, [0, 34, 94]);
        let told = outage.degraded(start + 150_000).expect("it goes on");
        assert_eq!((told.since - start) / 1000, 25);
        assert_eq!(told.next_try, Duration::from_millis(75));
    }
}
