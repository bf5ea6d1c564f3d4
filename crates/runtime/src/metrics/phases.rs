//! Phases: what part of its time a task has been running or paused, and how long it has been degraded.

use std::time::Duration;
use tokio::time::Instant;

/// What a task is doing. Its owner knows more; this is what its time is shared out among.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Its servers are being connected to.
    Starting,
    Running,
    Paused,
    Failed,
    Ended,
}

const PHASES: usize = 5;

#[derive(Debug)]
pub(super) struct Phases {
    current: Phase,
    since: Instant,
    spent: [Duration; PHASES],
    degraded_since: Option<Instant>,
    degraded: Duration,
}

impl Phases {
    pub(super) fn new(now: Instant) -> Self {
        Phases {
            current: Phase::Starting,
            since: now,
            spent: [Duration::ZERO; PHASES],
            degraded_since: None,
            degraded: Duration::ZERO,
        }
    }

    /// Takes note of a change. Each start begins a new account, as in Java; how long it was degraded goes on.
    pub(super) fn change(&mut self, phase: Phase, now: Instant) {
        if phase == Phase::Starting {
            self.spent = [Duration::ZERO; PHASES];
        } else {
            self.spent[self.current as usize] += now.saturating_duration_since(self.since);
        }
        (self.current, self.since) = (phase, now);
        if matches!(phase, Phase::Starting | Phase::Failed | Phase::Ended) {
            self.degrade(false, now);
        }
    }

    pub(super) fn degrade(&mut self, is_degraded: bool, now: Instant) {
        if is_degraded {
            self.degraded_since.get_or_insert(now);
        } else if let Some(since) = self.degraded_since.take() {
            self.degraded += now.saturating_duration_since(since);
        }
    }

    pub(super) fn current(&self) -> Phase {
        self.current
    }

    pub(super) fn is_degraded(&self) -> bool {
        self.degraded_since.is_some()
    }

    /// How long it has been degraded, this time included.
    pub(super) fn degraded(&self, now: Instant) -> Duration {
        let since = self.degraded_since;
        let current = since.map(|since| now.saturating_duration_since(since));
        self.degraded + current.unwrap_or_default()
    }

    /// The part of the time since the start that was spent so.
    pub(super) fn ratio(&self, phase: Phase, now: Instant) -> f64 {
        let current = now.saturating_duration_since(self.since);
        let mut spent = self.spent;
        spent[self.current as usize] += current;
        let total = spent.iter().sum::<Duration>();
        if total.is_zero() {
            // As in Java, where the time so far is all of the current state's.
            return if self.current == phase { 1.0 } else { 0.0 };
        }
        spent[phase as usize].as_secs_f64() / total.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_shared_out_among_phases_since_the_start() {
        let begun = Instant::now();
        let after = |seconds| begun + Duration::from_secs(seconds);
        let mut phases = Phases::new(begun);
        phases.change(Phase::Running, after(10));
        phases.change(Phase::Paused, after(40));
        let ratios = |phases: &Phases, now| {
            [Phase::Running, Phase::Paused].map(|phase| phases.ratio(phase, now))
        };
        assert_eq!(ratios(&phases, after(50)), [0.6, 0.2]);
        phases.change(Phase::Failed, after(50));
        phases.change(Phase::Starting, after(60));
        phases.change(Phase::Running, after(60));
        assert_eq!(ratios(&phases, after(60)), [1.0, 0.0]);
        assert_eq!(ratios(&phases, after(70)), [1.0, 0.0]);
    }

    #[test]
    fn degraded_seconds_go_on_over_restarts() {
        let begun = Instant::now();
        let after = |seconds| begun + Duration::from_secs(seconds);
        let mut phases = Phases::new(begun);
        phases.degrade(true, after(1));
        phases.degrade(true, after(2));
        assert_eq!(phases.degraded(after(4)), Duration::from_secs(3));
        phases.change(Phase::Failed, after(5));
        assert!(!phases.is_degraded());
        phases.degrade(true, after(10));
        phases.degrade(false, after(11));
        assert_eq!(phases.degraded(after(99)), Duration::from_secs(5));
    }
}
