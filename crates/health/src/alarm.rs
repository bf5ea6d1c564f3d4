//! Alarms: what is wrong with tasks of this worker and does not make the worker itself unhealthy. Whoever restarted it for
//! them would only move them elsewhere.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Lags that are compared with each other; one more than rises of it make a trend.
const TREND: usize = 6;

/// A task at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskSample {
    pub connector: Arc<str>,
    pub task: u32,
    /// Grows with whatever the task gets done.
    pub done: u64,
    /// Records that the task has not read yet, as last heard.
    pub lag: u64,
}

/// How long something lasts before there is an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlarmThresholds {
    /// Without progress while there is lag; zero: it is not looked at.
    pub stalled: Duration,
    /// Over which the lag has grown with each look; zero: it is not looked at.
    pub growing: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlarmKind {
    TaskFailed,
    Stalled,
    Degraded,
    LagGrowing,
    /// It is to be there and is not.
    NotCreated,
}

impl AlarmKind {
    pub const ALL: [AlarmKind; 4] = [
        AlarmKind::TaskFailed,
        AlarmKind::Stalled,
        AlarmKind::Degraded,
        AlarmKind::LagGrowing,
    ];

    pub fn name(self) -> &'static str {
        match self {
            AlarmKind::TaskFailed => "task_failed",
            AlarmKind::Stalled => "stalled",
            AlarmKind::Degraded => "degraded",
            AlarmKind::LagGrowing => "lag_growing",
            AlarmKind::NotCreated => "not_created",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Alarm {
    pub connector: Arc<str>,
    /// None: the connector itself.
    pub task: Option<u32>,
    pub kind: AlarmKind,
    pub text: String,
}

/// Remembers what is needed to see that nothing moves, for the tasks of the last look and no others.
#[derive(Debug, Default)]
pub struct AlarmMonitor {
    tasks: BTreeMap<(Arc<str>, u32), Seen>,
}

#[derive(Debug)]
struct Seen {
    done: u64,
    lag: u64,
    /// Of the last progress, or of the last moment without lag.
    moved: Duration,
    /// Lags at times a part of the threshold apart, the last one last.
    trend: Vec<(Duration, u64)>,
}

impl AlarmMonitor {
    /// Takes a look. `now` is the time since any fixed moment.
    pub fn look(&mut self, now: Duration, thresholds: AlarmThresholds, samples: &[TaskSample]) {
        let mut tasks = BTreeMap::new();
        for sample in samples {
            let key = (sample.connector.clone(), sample.task);
            let before = self.tasks.remove(&key);
            tasks.insert(key, Seen::after(before, now, thresholds, sample));
        }
        self.tasks = tasks;
    }

    /// What is to be told of the tasks that were seen.
    pub fn alarms(&self, now: Duration, thresholds: AlarmThresholds) -> Vec<Alarm> {
        let mut alarms = Vec::new();
        for ((connector, task), seen) in &self.tasks {
            let mut tell = |kind, text| {
                alarms.push(Alarm {
                    connector: connector.clone(),
                    task: Some(*task),
                    kind,
                    text,
                });
            };
            let (still, lag) = (now.saturating_sub(seen.moved), seen.lag);
            if lag > 0 && !thresholds.stalled.is_zero() && still >= thresholds.stalled {
                let seconds = still.as_secs();
                tell(
                    AlarmKind::Stalled,
                    format!("no progress for {seconds} s with {lag} records to read"),
                );
            }
            if let Some((since, first)) = seen.growing(thresholds) {
                let seconds = now.saturating_sub(since).as_secs();
                tell(
                    AlarmKind::LagGrowing,
                    format!("the lag has grown from {first} to {lag} records within {seconds} s"),
                );
            }
        }
        alarms
    }
}

impl Seen {
    fn after(
        before: Option<Seen>,
        now: Duration,
        thresholds: AlarmThresholds,
        sample: &TaskSample,
    ) -> Self {
        let TaskSample { done, lag, .. } = *sample;
        let Some(mut seen) = before else {
            return Seen {
                done,
                lag,
                moved: now,
                trend: vec![(now, lag)],
            };
        };
        if done != seen.done || lag == 0 {
            seen.moved = now;
        }
        (seen.done, seen.lag) = (done, lag);
        let between = thresholds.growing / (TREND as u32 - 1);
        let is_due = seen
            .trend
            .last()
            .is_none_or(|(at, _)| now.saturating_sub(*at) >= between);
        if is_due {
            if seen.trend.len() == TREND {
                seen.trend.remove(0);
            }
            seen.trend.push((now, lag));
        }
        seen
    }

    /// Since when, and from what, if each of the lags is more than the one before.
    fn growing(&self, thresholds: AlarmThresholds) -> Option<(Duration, u64)> {
        let is_full = self.trend.len() == TREND && !thresholds.growing.is_zero();
        let grows = self.trend.windows(2).all(|pair| pair[0].1 < pair[1].1);
        (is_full && grows).then(|| self.trend[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THRESHOLDS: AlarmThresholds = AlarmThresholds {
        stalled: Duration::from_secs(60),
        growing: Duration::from_secs(50),
    };

    /// The alarms after looks ten seconds apart at (done, lag).
    fn after(looks: &[(u64, u64)]) -> Vec<AlarmKind> {
        let mut monitor = AlarmMonitor::default();
        let mut now = Duration::from_secs(1);
        for (done, lag) in looks {
            now += Duration::from_secs(10);
            let sample = TaskSample {
                connector: "c".into(),
                task: 0,
                done: *done,
                lag: *lag,
            };
            monitor.look(now, THRESHOLDS, &[sample]);
        }
        let alarms = monitor.alarms(now, THRESHOLDS);
        alarms.into_iter().map(|alarm| alarm.kind).collect()
    }

    #[test]
    fn a_task_that_has_work_and_does_none_is_stalled() {
        assert_eq!(after(&[(5, 9); 7]), [AlarmKind::Stalled]);
        assert_eq!(after(&[(5, 9); 6]), []);
        assert_eq!(after(&[(5, 0); 9]), [], "nothing to do");
        let working: Vec<_> = (0..9).map(|n| (n, 9)).collect();
        assert_eq!(after(&working), []);
        // Work came at last.
        assert_eq!(
            after(&[
                (5, 0),
                (5, 0),
                (5, 0),
                (5, 0),
                (5, 0),
                (5, 0),
                (5, 0),
                (5, 3)
            ]),
            []
        );
    }

    #[test]
    fn a_lag_that_grows_each_time_is_told() {
        let looks = |lags: &[u64]| -> Vec<(u64, u64)> {
            let lags = lags.iter().enumerate();
            lags.map(|(done, lag)| (done as u64, *lag)).collect()
        };
        assert_eq!(after(&looks(&[1, 2, 3, 4, 5, 6])), [AlarmKind::LagGrowing]);
        assert_eq!(
            after(&looks(&[0, 9, 2, 3, 4, 5, 6, 7])),
            [AlarmKind::LagGrowing]
        );
        assert_eq!(after(&looks(&[1, 2, 3, 3, 5, 6])), []);
        assert_eq!(after(&looks(&[1, 2, 3, 4, 5])), []);
    }

    #[test]
    fn who_is_gone_is_forgotten() {
        let mut monitor = AlarmMonitor::default();
        let sample = |lag| TaskSample {
            connector: "c".into(),
            task: 0,
            done: 1,
            lag,
        };
        monitor.look(Duration::ZERO, THRESHOLDS, &[sample(1)]);
        monitor.look(Duration::from_secs(90), THRESHOLDS, &[]);
        assert!(monitor.tasks.is_empty());
        monitor.look(Duration::from_secs(100), THRESHOLDS, &[sample(1)]);
        assert_eq!(monitor.alarms(Duration::from_secs(100), THRESHOLDS), []);
    }
}
