//! Lookup: what a task's references stand for, at its start. Who keeps it may be away; that is waited for as a start waits for
//! every other server, and the task is running and degraded meanwhile.

use super::{Starting, TaskTarget, Values, next_target, refused};
use crate::config::{ProviderError, Redactor};
use crate::herder::now;
use crate::herder::state::InstanceStart;
use crate::task::{TaskEvent, TaskEvents};
use millstream_core::backoff::Backoff;
use millstream_core::{Degraded, RecordError, limits};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// Between two lookups, the first and the longest: those of a start.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), limits::MAX_BACKOFF);

/// How long a lookup may go without a word.
const FIRST_WORD: Duration = Duration::from_secs(5);

impl Starting {
    /// As `values`. Where tasks ride out outages, so does this; `targets` says whether the task is to run or to pause.
    pub(super) async fn values_in_the_end(
        &self,
        start: &InstanceStart,
        mut targets: watch::Receiver<TaskTarget>,
        events: &TaskEvents,
    ) -> Result<(Values, Redactor), RecordError> {
        if !self.worker.config.self_healing {
            return self.values(start).await.map_err(|error| refused(&error));
        }
        let mut wait = Wait::new(events);
        let mut backoff = Backoff::new(PAUSES);
        loop {
            let target = *targets.borrow_and_update();
            let lookup = wait.for_a_word(target, self.values(start));
            let error = match lookup.await {
                Err(error) if error.is_transient => error.to_string(),
                outcome => {
                    wait.end().await;
                    return outcome.map_err(|error| refused(&error));
                }
            };
            if wait.is_news(&error) {
                tracing::warn!(
                    connector = &*start.id.connector,
                    task = start.id.task,
                    error,
                    "the task's references cannot be looked up yet; the start is tried again"
                );
            }
            let pause = backoff.next_pause();
            wait.tell(target, error, pause).await;
            tokio::select! {
                () = sleep(pause) => {}
                _ = next_target(&mut targets) => {}
            }
        }
    }
}

/// A start that waits, and what has been said of it.
struct Wait<'a> {
    events: &'a TaskEvents,
    /// Epoch milliseconds.
    since: i64,
    said: Option<TaskTarget>,
    logged: String,
}

impl<'a> Wait<'a> {
    fn new(events: &'a TaskEvents) -> Self {
        Wait {
            events,
            since: now(),
            said: None,
            logged: String::new(),
        }
    }

    /// Waits for a lookup; after a while the status says so, long before the attempt has failed.
    async fn for_a_word<T>(
        &mut self,
        target: TaskTarget,
        lookup: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        let mut lookup = std::pin::pin!(lookup);
        if let Ok(done) = timeout(FIRST_WORD, &mut lookup).await {
            return done;
        }
        let reason = "starting: no response yet from who keeps what the references stand for";
        self.tell(target, reason.to_owned(), Duration::ZERO).await;
        lookup.await
    }

    /// Each reason is one line of the log.
    fn is_news(&mut self, reason: &str) -> bool {
        let is_news = self.logged != reason;
        self.logged = reason.to_owned();
        is_news
    }

    async fn tell(&mut self, target: TaskTarget, reason: String, next_try: Duration) {
        if self.said != Some(target) {
            self.said = Some(target);
            let state = match target {
                TaskTarget::Pause => TaskEvent::Paused,
                TaskTarget::Run | TaskTarget::Stop => TaskEvent::Running,
            };
            self.events.send(state).await;
        }
        let degraded = Degraded {
            reason,
            since: self.since,
            next_try,
        };
        self.events.send(TaskEvent::Degraded(degraded)).await;
    }

    async fn end(self) {
        if self.said.is_some() {
            self.events.send(TaskEvent::Recovered).await;
        }
    }
}
