//! Metadata: when it is asked for, and what follows from it.

use super::{
    Arc, Done, Duration, Instant, KafkaError, MISSING_TOPIC_REFRESH, Metadata, Source, Worker,
    membership,
};

impl Worker {
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
        let others = self.led.iter().flat_map(|led| led.topics.iter().cloned());
        let topics = self.subscription.wanted(others);
        let may_create = self.config.settings.allow_auto_create_topics;
        let cluster = self.cluster.clone();
        self.work.push(Box::pin(async move {
            Done::Metadata(cluster.refresh(&topics, may_create).await)
        }));
    }

    /// Something does not fit what is known: ask again soon.
    pub(super) fn want_metadata(&mut self, now: Instant) {
        let soon = now + Duration::from_millis(self.config.client.retry_backoff_ms.max(0) as u64);
        self.refresh.due = self.refresh.due.min(soon);
        if !self.refresh.is_running {
            self.wake_at(self.refresh.due);
        }
    }

    pub(super) fn on_metadata(&mut self, result: Result<Arc<Metadata>, KafkaError>) {
        self.refresh.is_running = false;
        let now = Instant::now();
        let metadata = match result {
            Ok(metadata) => metadata,
            Err(error) => {
                let wait = self.refresh.backoff.next_pause();
                self.refresh.due = now + wait;
                self.trouble(Source::Metadata, error, wait);
                return;
            }
        };
        self.refresh.backoff.reset();
        self.refresh.has_succeeded = true;
        self.refresh.succeeded_at = Some(now);
        self.refresh.due = now + self.config.client.metadata_max_age();
        let cleared = self.troubles.clear(Source::Metadata);
        self.outbox_extend(cleared);
        self.partitions.reroute();
        let topics = self.subscription.topics(&metadata);
        self.note_topics(&topics, &metadata);
        self.begin_again(&metadata);
        self.reset_astray(now);
        if topics.iter().any(|t| metadata.partition_count(t) == 0) {
            self.refresh.due = self.refresh.due.min(now + MISSING_TOPIC_REFRESH);
        }
        for (name, topic) in &metadata.topics {
            // Topic authorization failed, invalid topic: no retry helps.
            if matches!(topic.error, 29 | 17) {
                let error = KafkaError::refused(format!("read topic {name}"), topic.error);
                self.fail(error.into());
                return;
            }
        }
        if let Some(reply) = self.joining.take() {
            self.offer(reply);
        } else if topics != self.topics || self.sizes_changed(&metadata) {
            self.topics = topics;
            self.rejoin();
        }
    }

    /// Tells of topics that are not there, and of those that are others than before.
    pub(super) fn note_topics(&mut self, topics: &[String], metadata: &Metadata) {
        let is_pattern = self.subscription.is_pattern();
        let news = self.seen.note(topics, metadata, is_pattern);
        for topic in &news.made_again {
            tracing::warn!(
                group = %self.config.settings.group_id,
                topic = &**topic,
                "the topic was deleted and made again; the new one is read from its beginning unless settings say otherwise"
            );
        }
        let report = match news.waits_for {
            Some(reason) => self
                .troubles
                .add(Source::Topics, reason, MISSING_TOPIC_REFRESH),
            None => self.troubles.clear(Source::Topics),
        };
        self.outbox_extend(report);
    }

    /// Whether topics that this member shared out have grown, come or gone.
    fn sizes_changed(&self, metadata: &Metadata) -> bool {
        self.led
            .as_ref()
            .is_some_and(|led| led.sizes != membership::sizes(metadata, &led.topics))
    }
}
