//! Troubles: what a task is riding out at the moment, and when the log is told of it.

use crate::quiet::Quiet;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// Whose outage it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trouble {
    Consumer,
    Sink,
    Commit,
    Confirm,
    DeadLetters,
}

#[derive(Debug, Default)]
pub(crate) struct Troubles {
    /// Since when each lasts.
    since: BTreeMap<Trouble, Instant>,
    /// An outage that comes and goes has one line a minute, too.
    lines: BTreeMap<Trouble, Quiet>,
    /// Whether the log knows of what is going on.
    is_told: bool,
}

/// What the log is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Failed attempts since the last line.
    pub(crate) attempts: u64,
    /// How long the outage has lasted.
    pub(crate) lasting: Duration,
}

/// What an end of an outage means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// There was none, or another one goes on.
    No,
    /// All is well; whether the log is to be told.
    Yes { is_told: bool },
}

impl Troubles {
    /// Notes a failed attempt.
    pub(crate) fn add(&mut self, trouble: Trouble, now: Instant) -> Option<Line> {
        let since = *self.since.entry(trouble).or_insert(now);
        let attempts = self.lines.entry(trouble).or_default().speak(1, now)?;
        self.is_told = true;
        Some(Line {
            attempts,
            lasting: now - since,
        })
    }

    /// Notes that an outage, if it was one, is over.
    pub(crate) fn remove(&mut self, trouble: Trouble) -> Over {
        if self.since.remove(&trouble).is_none() || !self.since.is_empty() {
            return Over::No;
        }
        Over::Yes {
            is_told: std::mem::take(&mut self.is_told),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_c17_an_outage_has_a_line_a_minute_with_its_attempts() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let line = |attempts, seconds| {
            Some(Line {
                attempts,
                lasting: Duration::from_secs(seconds),
            })
        };
        let mut troubles = Troubles::default();
        assert_eq!(troubles.add(Trouble::Sink, at(0)), line(1, 0));
        for second in 1..60 {
            assert_eq!(troubles.add(Trouble::Sink, at(second)), None);
        }
        assert_eq!(troubles.add(Trouble::Sink, at(60)), line(60, 60));
        assert_eq!(troubles.remove(Trouble::Commit), Over::No);
        assert_eq!(troubles.remove(Trouble::Sink), Over::Yes { is_told: true });
        // It comes and goes: the status follows, the log does not.
        assert_eq!(troubles.add(Trouble::Sink, at(61)), None);
        assert_eq!(troubles.remove(Trouble::Sink), Over::Yes { is_told: false });
        assert_eq!(troubles.add(Trouble::Consumer, at(62)), line(1, 0));
    }
}
