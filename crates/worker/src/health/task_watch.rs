//! TaskWatch: who looks at the tasks now and then, and knows which of them stand still or fall behind.

use millstream_health::{Alarm, AlarmMonitor, AlarmThresholds, TaskSample};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Cloning shares it.
#[derive(Clone, Debug)]
pub struct TaskWatch {
    thresholds: AlarmThresholds,
    begun: Instant,
    monitor: Arc<Mutex<AlarmMonitor>>,
}

impl TaskWatch {
    pub(super) fn new(thresholds: AlarmThresholds, begun: Instant) -> Self {
        TaskWatch {
            thresholds,
            begun,
            monitor: Arc::default(),
        }
    }

    pub(super) fn look(&self, samples: &[TaskSample]) {
        let now = self.begun.elapsed();
        self.monitor().look(now, self.thresholds, samples);
    }

    /// Between two looks.
    pub(super) fn pause(&self) -> Duration {
        between_looks(self.thresholds)
    }

    /// What is to be told of the tasks that were seen last.
    pub fn alarms(&self) -> Vec<Alarm> {
        let now = self.begun.elapsed();
        self.monitor().alarms(now, self.thresholds)
    }

    fn monitor(&self) -> MutexGuard<'_, AlarmMonitor> {
        // Nothing between lock and unlock leaves it half changed.
        self.monitor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Less where less is waited for.
const LOOK_EVERY: Duration = Duration::from_secs(10);
const LOOK_AT_MOST_EVERY: Duration = Duration::from_millis(100);

/// A trend takes six looks.
fn between_looks(thresholds: AlarmThresholds) -> Duration {
    let waits = [thresholds.stalled / 4, thresholds.growing / 10];
    let waits = waits.into_iter().filter(|wait| !wait.is_zero());
    let shortest = waits.min().unwrap_or(LOOK_EVERY);
    shortest.clamp(LOOK_AT_MOST_EVERY, LOOK_EVERY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_are_looked_at_often_enough() {
        let between = |stalled, growing| {
            let (stalled, growing) = (
                Duration::from_millis(stalled),
                Duration::from_millis(growing),
            );
            between_looks(AlarmThresholds { stalled, growing }).as_millis()
        };
        assert_eq!(between(300_000, 600_000), 10_000);
        assert_eq!(between(0, 0), 10_000);
        assert_eq!(between(20_000, 0), 5_000);
        assert_eq!(between(0, 2_000), 200);
        assert_eq!(between(1, 1), 100);
    }
}
