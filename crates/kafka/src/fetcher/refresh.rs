//! Metadata: when it is asked for, and what follows from it.

use super::{Backoff, Done, Fetcher, Source};
use crate::cluster::Metadata;
use crate::config::duration;
use crate::error::KafkaError;
use crate::limits::MISSING_TOPIC_REFRESH;
use std::sync::Arc;
use tokio::time::Instant;

/// When metadata is asked for.
pub(super) struct Refresh {
    is_running: bool,
    has_succeeded: bool,
    due: Instant,
    backoff: Backoff,
    /// Something happened after the question under way was asked that its answer may not know of.
    is_outdated: bool,
    succeeded_at: Option<Instant>,
}

impl Refresh {
    pub(super) fn new(backoff: Backoff) -> Self {
        Refresh {
            is_running: false,
            has_succeeded: false,
            due: Instant::now(),
            backoff,
            is_outdated: false,
            succeeded_at: None,
        }
    }

    /// Whether an answer has come since then.
    pub(super) fn has_succeeded_since(&self, since: Instant) -> bool {
        self.succeeded_at.is_some_and(|at| at > since)
    }
}

impl Fetcher {
    /// Whether metadata has ever been there.
    pub(crate) fn knows_metadata(&self) -> bool {
        self.refresh.has_succeeded
    }

    pub(super) fn start_refresh(&mut self, now: Instant) {
        if self.refresh.is_running {
            return;
        }
        if self.refresh.due > now {
            self.wake_at(self.refresh.due);
            return;
        }
        self.refresh.is_running = true;
        self.refresh.is_outdated = false;
        let topics = self.topics.clone();
        let may_create = self.config.allow_auto_create_topics;
        let cluster = self.cluster.clone();
        self.work.push(Box::pin(async move {
            Done::Metadata(cluster.refresh(&topics, may_create).await)
        }));
    }

    /// Something does not fit what is known: ask again soon.
    pub(super) fn want_metadata(&mut self, now: Instant) {
        self.refresh_by(now + duration(self.client().retry_backoff_ms));
    }

    pub(super) fn refresh_by(&mut self, at: Instant) {
        self.refresh.due = self.refresh.due.min(at);
        if !self.refresh.is_running {
            self.wake_at(self.refresh.due);
        }
    }

    /// Asks now; an answer that is on its way does not count.
    pub(super) fn refresh_now(&mut self) {
        self.refresh.is_outdated = self.refresh.is_running;
        self.refresh.due = Instant::now();
    }

    pub(super) fn on_metadata(
        &mut self,
        result: Result<Arc<Metadata>, KafkaError>,
    ) -> Option<Arc<Metadata>> {
        self.refresh.is_running = false;
        let now = Instant::now();
        let metadata = match result {
            Ok(metadata) => metadata,
            Err(error) => {
                let wait = self.refresh.backoff.next_pause();
                self.refresh.due = now + wait;
                self.note_failure(Source::Metadata, error, wait);
                return None;
            }
        };
        self.refresh.backoff.reset();
        self.refresh.has_succeeded = true;
        self.refresh.succeeded_at = Some(now);
        self.refresh.due = now + self.client().metadata_max_age();
        self.recovered(Source::Metadata);
        self.partitions.reroute();
        Some(metadata)
    }

    /// Tells of topics that are not there, and returns those that are others than before.
    pub(crate) fn note_topics(
        &mut self,
        topics: &[String],
        metadata: &Metadata,
        is_pattern: bool,
    ) -> Vec<Arc<str>> {
        let changes = self.known_topics.note(topics, metadata, is_pattern);
        match changes.missing_reason {
            Some(reason) => self.degraded(Source::Topics, reason, MISSING_TOPIC_REFRESH),
            None => self.recovered(Source::Topics),
        }
        changes.recreated
    }

    /// Takes the consequences of what metadata says of these topics. `false`: it was the end.
    pub(crate) fn settle_topics(&mut self, topics: &[String], metadata: &Metadata) -> bool {
        let now = Instant::now();
        self.restart_recreated(metadata);
        if self.refresh.is_outdated {
            self.refresh.due = now;
        } else {
            self.reset_out_of_range();
        }
        if topics.iter().any(|t| metadata.partition_count(t) == 0) {
            self.refresh.due = self.refresh.due.min(now + MISSING_TOPIC_REFRESH);
        }
        for (name, topic) in &metadata.topics {
            // Topic authorization failed, invalid topic: no retry helps.
            if matches!(topic.error, 29 | 17) {
                let error =
                    KafkaError::response(format!("metadata request for topic {name}"), topic.error);
                self.fail(error.into());
                return false;
            }
        }
        true
    }
}
