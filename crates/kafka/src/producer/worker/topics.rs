//! The topics that records go to: found, waited for, given up.

use super::{Arc, Done, Instant, KafkaError, Metadata, ProducerRecord, Topics, Worker};

impl Worker {
    pub(super) fn expire_awaiting_metadata(&mut self, now: Instant) {
        let max_block = self.settings.max_block();
        let (late, waiting) = std::mem::take(&mut self.awaiting_metadata)
            .into_iter()
            .partition(|(_, _, give_up)| *give_up <= now);
        self.awaiting_metadata = waiting;
        let late: Vec<(ProducerRecord, (u64, usize), Instant)> = late;
        for (record, owner, _) in late {
            let error = KafkaError::Failed {
                operation: format!("produce to {}", record.topic),
                why: format!(
                    "the topic is not present in metadata after {} ms (max.block.ms)",
                    max_block.as_millis()
                ),
            };
            self.deliveries.fail([owner], &Arc::new(error));
        }
        if let Some(first) = self.awaiting_metadata.iter().map(|(_, _, at)| *at).min() {
            self.wake = self.wake.min(first);
        }
    }

    pub(super) fn start_refresh(&mut self, now: Instant) {
        if self.is_refreshing || self.topics.is_empty() {
            return;
        }
        if self.refresh_due > now {
            self.wake = self.wake.min(self.refresh_due);
            return;
        }
        self.is_refreshing = true;
        let topics = Topics::Named(self.topics.iter().map(ToString::to_string).collect());
        let cluster = self.cluster.clone();
        self.work.push(Box::pin(async move {
            Done::Metadata(cluster.refresh(&topics, true).await)
        }));
    }

    pub(super) fn on_metadata(&mut self, result: Result<Arc<Metadata>, KafkaError>, now: Instant) {
        self.is_refreshing = false;
        let metadata = match result {
            Ok(metadata) => metadata,
            Err(error) if error.is_transient() => {
                tracing::debug!(%error, "metadata request failed, retrying");
                self.refresh_due = now + self.backoff.next_pause();
                return;
            }
            Err(error) => return self.fail_all(error),
        };
        self.refresh_due = now + self.settings.client.metadata_max_age();
        self.redirect(&metadata);
        for (record, owner, give_up) in std::mem::take(&mut self.awaiting_metadata) {
            let topic = metadata.topics.get(&record.topic);
            match topic.map(|topic| topic.error) {
                // Topic authorization failed, invalid topic: no retry helps.
                Some(code @ (29 | 17)) => {
                    let error = KafkaError::response(format!("produce to {}", record.topic), code);
                    self.deliveries.fail([owner], &Arc::new(error));
                }
                Some(0) if metadata.partition_count(&record.topic) > 0 => {
                    self.append(record, owner, now, &metadata);
                }
                Some(_) | None => {
                    self.awaiting_metadata.push((record, owner, give_up));
                    self.refresh_due = now + self.backoff.clone().next_pause();
                }
            }
        }
    }
}
