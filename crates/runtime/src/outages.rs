//! Outages: what a task retries at the moment, and when the log is told of it.

use crate::log_throttle::LogThrottle;
use millstream_core::Degraded;
use std::collections::BTreeMap;
use tokio::time::Instant;

/// Whose outage it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum OutageSource {
    Consumer,
    Converter,
    Sink,
    Commit,
    Confirm,
    DeadLetters,
    Source,
    Producer,
}

#[derive(Debug, Default)]
pub(crate) struct Outages {
    /// Since when each lasts, epoch milliseconds.
    since: BTreeMap<OutageSource, i64>,
    /// An outage that comes and goes has one line a minute, too.
    lines: BTreeMap<OutageSource, LogThrottle>,
    /// Whether the log knows of what is going on.
    is_logged: bool,
}

/// What the log is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Failed attempts since the last line.
    pub(crate) attempts: u64,
    /// When the outage began, epoch milliseconds.
    pub(crate) since: i64,
}

/// What an end of an outage means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// There was none, or another one goes on.
    No,
    /// All is well; whether the log is to be told.
    Yes { is_logged: bool },
}

impl Outages {
    /// Notes a failed attempt. An outage that is known began when it was told of first, and the task is degraded since the
    /// first of those that last: `degraded` is told so.
    pub(crate) fn add(
        &mut self,
        source: OutageSource,
        degraded: &mut Degraded,
        now: Instant,
    ) -> Option<Line> {
        let since = *self.since.entry(source).or_insert(degraded.since);
        degraded.since = self.since.values().copied().min().unwrap_or(since);
        let attempts = self.lines.entry(source).or_default().count(1, now)?;
        self.is_logged = true;
        Some(Line { attempts, since })
    }

    /// Whether such an outage goes on.
    pub(crate) fn has(&self, source: OutageSource) -> bool {
        self.since.contains_key(&source)
    }

    /// Notes that an outage, if it was one, is over.
    pub(crate) fn remove(&mut self, source: OutageSource) -> Recovery {
        if self.since.remove(&source).is_none() || !self.since.is_empty() {
            return Recovery::No;
        }
        Recovery::Yes {
            is_logged: std::mem::take(&mut self.is_logged),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn report_c17_an_outage_has_a_line_a_minute_with_its_attempts() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let line = |attempts, since| Some(Line { attempts, since });
        let mut outages = Outages::default();
        let add = |outages: &mut Outages, source, second: u64| {
            let mut degraded = Degraded {
                reason: "away".to_owned(),
                since: second as i64 * 1000,
                next_try: Duration::ZERO,
            };
            let line = outages.add(source, &mut degraded, at(second));
            (line, degraded.since)
        };
        assert_eq!(add(&mut outages, OutageSource::Sink, 0), (line(1, 0), 0));
        for second in 1..60 {
            assert_eq!(add(&mut outages, OutageSource::Sink, second), (None, 0));
        }
        assert_eq!(add(&mut outages, OutageSource::Sink, 60), (line(60, 0), 0));
        // The task has been degraded for as long as the first of its outages.
        assert_eq!(
            add(&mut outages, OutageSource::DeadLetters, 60),
            (line(1, 60_000), 0)
        );
        assert_eq!(outages.remove(OutageSource::DeadLetters), Recovery::No);
        assert_eq!(outages.remove(OutageSource::Commit), Recovery::No);
        assert_eq!(
            outages.remove(OutageSource::Sink),
            Recovery::Yes { is_logged: true }
        );
        // It comes and goes: the status follows, the log does not.
        assert_eq!(add(&mut outages, OutageSource::Sink, 61), (None, 61_000));
        assert_eq!(
            outages.remove(OutageSource::Sink),
            Recovery::Yes { is_logged: false }
        );
        assert_eq!(
            add(&mut outages, OutageSource::Consumer, 62),
            (line(1, 62_000), 62_000)
        );
    }
}
