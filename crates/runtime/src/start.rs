//! Start: has a task's parts made, through outages if it may, and tells what the start waits for.

use crate::failure::TaskFailure;
use crate::log_throttle::{LogThrottle, SharedLogThrottle};
use crate::task::{TaskEvent, TaskParts, TaskSettings, report};
use async_trait::async_trait;
use millstream_core::backoff::Backoff;
use millstream_core::{Degraded, limits};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// The pause after the first failed start; it doubles up to `limits::MAX_BACKOFF`.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// How long a start may go without a word.
const FIRST_WORD: Duration = Duration::from_secs(5);

/// Makes the parts of a task.
#[async_trait]
pub trait Assemble: Send + Sync {
    /// One attempt. What connects is awaited through `start`, which tells of a wait that is long.
    async fn assemble(&self, start: &Start) -> Result<TaskParts, TaskFailure>;
}

/// One start of a task, over all its attempts.
pub struct Start {
    settings: TaskSettings,
    events: mpsc::Sender<TaskEvent>,
    /// When the first attempt began, epoch milliseconds.
    since: i64,
    slow: SharedLogThrottle,
}

impl Start {
    /// Makes the parts. If the task rides out outages, it is running and degraded while a server that the start needs is
    /// out of reach; if not, the first failure is the end.
    pub async fn run(
        settings: TaskSettings,
        events: mpsc::Sender<TaskEvent>,
        assembler: impl Assemble,
    ) -> Result<TaskParts, TaskFailure> {
        let start = Start {
            // A task that is paused is made when it is resumed.
            since: (settings.clock)(),
            settings,
            events,
            slow: SharedLogThrottle::default(),
        };
        start.attempt(assembler).await
    }

    async fn attempt(&self, assembler: impl Assemble) -> Result<TaskParts, TaskFailure> {
        let mut backoff = Backoff::new((FIRST_PAUSE, limits::MAX_BACKOFF));
        let mut told = LogThrottle::default();
        let mut is_degraded = false;
        loop {
            let failure = match assembler.assemble(self).await {
                Err(failure) if failure.is_transient && self.settings.retries_outages => failure,
                outcome => {
                    if is_degraded {
                        report(&self.events, TaskEvent::Recovered).await;
                    }
                    return outcome;
                }
            };
            if !is_degraded {
                report(&self.events, TaskEvent::Running).await;
            }
            is_degraded = true;
            if let Some(attempts) = told.count(1, Instant::now()) {
                tracing::warn!(
                    connector = &*self.settings.id.connector,
                    task = self.settings.id.task,
                    error = failure.reason,
                    attempts,
                    seconds = ((self.settings.clock)() - self.since) / 1000,
                    "task start failed, retrying"
                );
            }
            let wait = backoff.next_pause();
            self.report_degraded(failure.reason, wait).await;
            tokio::time::sleep(wait).await;
        }
    }

    /// Waits for a part; after a while the status and the log say whom for, long before the attempt has failed.
    pub async fn wait_for<T>(&self, whom: &str, part: impl Future<Output = T>) -> T {
        let mut part = std::pin::pin!(part);
        if let Ok(done) = tokio::time::timeout(FIRST_WORD, &mut part).await {
            return done;
        }
        let reason = format!("starting: no response yet from {whom}");
        if let Some(attempts) = self.slow.count(1) {
            tracing::warn!(
                connector = &*self.settings.id.connector,
                task = self.settings.id.task,
                attempts,
                seconds = FIRST_WORD.as_secs(),
                "{reason}"
            );
        }
        if self.settings.retries_outages {
            report(&self.events, TaskEvent::Running).await;
            self.report_degraded(reason, Duration::ZERO).await;
        }
        part.await
    }

    async fn report_degraded(&self, reason: String, next_try: Duration) {
        let degraded = Degraded {
            reason,
            since: self.since,
            next_try,
        };
        report(&self.events, TaskEvent::Degraded(degraded)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_core::TaskId;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::time::sleep;

    /// Fails so many times for a reason that passes, then for good; each attempt takes so long.
    struct Failing {
        times: usize,
        attempts: AtomicUsize,
        takes: Duration,
    }

    #[async_trait]
    impl Assemble for Failing {
        async fn assemble(&self, start: &Start) -> Result<TaskParts, TaskFailure> {
            start.wait_for("a server", sleep(self.takes)).await;
            let attempt = self.attempts.fetch_add(1, Ordering::Relaxed);
            Err(TaskFailure {
                is_transient: attempt < self.times,
                ..TaskFailure::new("E", &format!("attempt {attempt}"))
            })
        }
    }

    /// How the start ends, and what is told meanwhile.
    async fn check(retries_outages: bool, times: usize, takes: Duration, end: &str, told: &[&str]) {
        let settings = TaskSettings {
            id: TaskId::new("c", 0),
            commit_interval: Duration::from_secs(60),
            finish_deadline: Duration::from_secs(3),
            retries_outages,
            clock: || 7,
        };
        let (events, mut reported) = mpsc::channel(16);
        let failing = Failing {
            times,
            attempts: AtomicUsize::new(0),
            takes,
        };
        let outcome = Start::run(settings, events, failing).await;
        let failure = outcome.map(|_| ()).expect_err("it never succeeds");
        assert_eq!(failure.reason, end);
        let mut seen = Vec::new();
        while let Some(event) = reported.recv().await {
            seen.push(match event {
                TaskEvent::Degraded(degraded) => {
                    assert_eq!(degraded.since, 7, "an outage begins once");
                    format!("{} ({} ms)", degraded.reason, degraded.next_try.as_millis())
                }
                event => format!("{event:?}"),
            });
        }
        // A pause is drawn from a range, so it is only said whether there is one.
        let pauses = seen.iter().map(|line| match line.split_once(" (") {
            Some((reason, "0 ms)")) => format!("{reason}, under way"),
            Some((reason, _)) => format!("{reason}, then again"),
            None => line.clone(),
        });
        assert_eq!(pauses.collect::<Vec<_>>(), told);
    }

    #[tokio::test(start_paused = true)]
    async fn a_start_is_tried_again_through_an_outage() {
        let told = [
            "Running",
            "attempt 0, then again",
            "attempt 1, then again",
            "Recovered",
        ];
        check(true, 2, Duration::ZERO, "attempt 2", &told).await;
        check(true, 0, Duration::ZERO, "attempt 0", &[]).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_retries_no_outage_ends_with_the_first_failure() {
        check(false, 2, Duration::from_secs(9), "attempt 0", &[]).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_start_says_whom_it_waits_for() {
        let told = [
            "Running",
            "starting: no response yet from a server, under way",
        ];
        check(true, 0, Duration::from_secs(9), "attempt 0", &told).await;
        check(true, 0, Duration::from_secs(4), "attempt 0", &[]).await;
    }
}
