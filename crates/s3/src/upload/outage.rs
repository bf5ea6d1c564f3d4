//! Outage: what keeps a task's uploads from succeeding, and when to say so. With thousands of objects on their way a line
//! for each failure would bury the log, so there is one a minute, with a count.

use std::time::Duration;
use tokio::time::Instant;

/// How often an outage is told of while it lasts.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// What keeps uploads from succeeding.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    pub(crate) reason: String,
    /// Epoch milliseconds.
    pub(crate) next_try: i64,
}

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// Failures since the line before.
    pub(super) failures: u64,
    /// Since when there has been no success.
    pub(super) since: Duration,
}

#[derive(Debug, Default)]
pub(super) struct Outage {
    trouble: Option<Trouble>,
    since: Option<Instant>,
    /// Failures that no line has told of.
    failures: u64,
    told: Option<Instant>,
}

impl Outage {
    /// Takes note of a failure; a line is due with the first one, and once a minute.
    pub(super) fn failed(&mut self, trouble: Trouble, now: Instant) -> Option<Told> {
        self.trouble = Some(trouble);
        let since = *self.since.get_or_insert(now);
        self.failures += 1;
        if self.told.is_some_and(|told| now - told < TOLD_EVERY) {
            return None;
        }
        self.told = Some(now);
        Some(Told {
            failures: std::mem::take(&mut self.failures),
            since: now - since,
        })
    }

    /// A store that refuses every other request is told of as often as one that is away.
    pub(super) fn succeeded(&mut self) {
        self.trouble = None;
        self.since = None;
    }

    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.trouble.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_c17_one_line_a_minute_with_a_count() {
        let start = Instant::now();
        let mut outage = Outage::default();
        let mut lines = Vec::new();
        // 40 failures a second for two and a half minutes, and now and then a success.
        for failure in 0..150 * 40 {
            let now = start + Duration::from_millis(25 * failure);
            let trouble = Trouble {
                reason: "SlowDown".to_owned(),
                next_try: 0,
            };
            lines.extend(outage.failed(trouble, now));
            if failure == 1000 {
                outage.succeeded();
                assert!(outage.trouble().is_none());
            }
        }
        let counts: Vec<u64> = lines.iter().map(|line| line.failures).collect();
        assert_eq!(counts, [1, 2400, 2400]);
        let since: Vec<u64> = lines.iter().map(|line| line.since.as_secs()).collect();
        assert_eq!(since, [0, 34, 94]);
        assert!(outage.trouble().is_some());
    }
}
