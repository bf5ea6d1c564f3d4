//! Fetching, and reading what came.

use super::offsets::no_policy;
use super::{
    Answer, Asked, Backoff, Broker, HashSet, Instant, KafkaError, Limits, Metadata, Source, Stage,
    TopicPartition, Unread, Worker, fetch,
};
use crate::walker::{CorruptRecords, WalkOptions, Walker};
use kafka_protocol::error::ResponseError;
use millstream_core::ConsumerError;
use std::time::Duration;

impl Worker {
    /// Starts a fetch from every broker that has partitions to read and nothing under way or unread.
    pub(super) fn start_fetches(&mut self, now: Instant, metadata: &Metadata) {
        let reading: HashSet<i32> = self
            .unread
            .iter()
            .filter(|unread| !unread.answers.is_empty())
            .map(|unread| unread.broker)
            .collect();
        for broker in self.partitions.brokers() {
            let state = self.brokers.entry(broker).or_insert_with(|| Broker {
                is_fetching: false,
                retry_at: None,
                backoff: Backoff::new(self.config.client.reconnect_backoff()),
            });
            if state.is_fetching || reading.contains(&broker) {
                continue;
            }
            if let Some(at) = state.retry_at
                && at > now
            {
                self.wake_at(at);
                continue;
            }
            let asked = self.to_ask(broker, now, metadata);
            if asked.is_empty() {
                continue;
            }
            if let Some(state) = self.brokers.get_mut(&broker) {
                state.is_fetching = true;
            }
            let cluster = self.cluster.clone();
            let limits = Limits::new(&self.config.settings);
            self.fetches.push(Box::pin(async move {
                (broker, fetch::fetch(cluster, broker, asked, limits).await)
            }));
        }
    }

    fn to_ask(&mut self, broker: i32, now: Instant, metadata: &Metadata) -> Vec<Asked> {
        let mut asked = Vec::new();
        let mut wake: Option<Instant> = None;
        for partition in self.partitions.of_broker(broker) {
            let Some(state) = self.partitions.all.get(partition) else {
                continue;
            };
            let Stage::At(offset) = state.stage else {
                continue;
            };
            if state.is_paused {
                continue;
            }
            if !state.is_due(now) {
                wake = wake.min(state.retry_at).or(state.retry_at);
                continue;
            }
            asked.push(Asked {
                partition: partition.clone(),
                epoch: state.epoch,
                offset,
                leader_epoch: metadata
                    .partition(partition)
                    .map_or(-1, |known| known.leader_epoch),
            });
        }
        if let Some(at) = wake {
            self.wake_at(at);
        }
        asked
    }

    pub(super) fn on_fetched(&mut self, broker: i32, result: Result<fetch::Response, KafkaError>) {
        let now = Instant::now();
        let Some(state) = self.brokers.get_mut(&broker) else {
            return;
        };
        state.is_fetching = false;
        match result {
            Ok(response) => {
                state.backoff.reset();
                // A broker that throttles has already delayed its answer; from 2.0 on it asks the client to wait instead.
                state.retry_at =
                    (response.throttle > Duration::ZERO).then(|| now + response.throttle);
                let report = self.troubles.clear(Source::Broker(broker));
                self.outbox_extend(report);
                let full = response.answers.len();
                self.partitions.rotate(broker, full);
                self.unread.push_back(Unread {
                    broker,
                    answers: response.answers,
                });
            }
            Err(error) => {
                let pause = state.backoff.next();
                state.retry_at = Some(now + pause);
                self.want_metadata(now);
                self.trouble(Source::Broker(broker), error, pause);
            }
        }
        let used: HashSet<i32> = self.partitions.brokers().into_iter().collect();
        let report = self.troubles.keep_brokers(|id| used.contains(&id));
        self.outbox_extend(report);
    }

    /// Reads partition by partition, and no further than to the next batches: what is not read costs no memory
    /// beyond the response itself.
    pub(super) fn read_on(&mut self) {
        while !self.outbox.has_batches() && !self.has_failed {
            let Some(unread) = self.unread.front_mut() else {
                return;
            };
            match unread.answers.pop_front() {
                Some(answer) => self.read(answer),
                None => {
                    self.unread.pop_front();
                }
            }
        }
    }

    fn read(&mut self, answer: Answer) {
        let asked = &answer.asked;
        let is_wanted = self
            .partitions
            .all
            .get(&asked.partition)
            .is_some_and(|s| s.epoch == asked.epoch && s.stage == Stage::At(asked.offset));
        if !is_wanted {
            return;
        }
        if answer.error != 0 {
            self.on_partition_error(asked, answer.error);
            return;
        }
        let had_bytes = answer.records.len();
        let mut walker = Walker::new(
            answer.records,
            asked.partition.clone(),
            WalkOptions {
                fetch_offset: asked.offset,
                check_crcs: self.config.settings.check_crcs,
                aborted: answer.aborted,
            },
        );
        let mut failure = None;
        while let Some(item) = walker.next() {
            match item {
                Ok(batch) => self.outbox.push_batch(asked.epoch, walker.weight(), batch),
                Err(error) => failure = Some(error),
            }
        }
        let position = walker.position();
        if let Some(state) = self.partitions.all.get_mut(&asked.partition) {
            state.stage = Stage::At(position);
            if walker.leader_epoch() >= 0 {
                state.read_epoch = walker.leader_epoch();
            }
        }
        if let Some(error) = failure {
            self.fail(corrupt(error));
        } else if position == asked.offset {
            // Not even one whole batch: old brokers cut at the limit.
            self.fail(ConsumerError {
                is_transient: false,
                message: format!(
                    "the batch of {} at offset {} does not fit into the {had_bytes} bytes that max.partition.fetch.bytes or fetch.max.bytes allow",
                    asked.partition, asked.offset
                ),
                source: None,
            });
        }
    }

    fn on_partition_error(&mut self, asked: &Asked, code: i16) {
        let now = Instant::now();
        let error = KafkaError::refused(format!("fetch from {}", asked.partition), code);
        match error.response_error() {
            Some(ResponseError::OffsetOutOfRange) => self.on_out_of_range(asked),
            Some(ResponseError::UnknownServerError) => self.retry_later(&asked.partition, now),
            _ if error.is_transient() => {
                tracing::debug!(%error, "will look for the leader");
                self.retry_later(&asked.partition, now);
                self.want_metadata(now);
            }
            _ => self.fail(error.into()),
        }
    }

    fn on_out_of_range(&mut self, asked: &Asked) {
        if self.config.settings.auto_offset_reset == "none" {
            self.fail(no_policy(format!(
                "Offsets out of range with no configured reset policy for partitions: {{{}={}}}",
                asked.partition, asked.offset
            )));
            return;
        }
        tracing::warn!(
            topic = %asked.partition.topic,
            partition = asked.partition.partition,
            offset = asked.offset,
            "offset is out of range, resetting"
        );
        if let Some(state) = self.partitions.all.get_mut(&asked.partition) {
            state.stage = Stage::Reset;
        }
    }

    fn retry_later(&mut self, partition: &TopicPartition, now: Instant) {
        let pause = Duration::from_millis(self.config.client.retry_backoff_ms.max(0) as u64);
        if let Some(state) = self.partitions.all.get_mut(partition) {
            state.retry_at = Some(now + pause);
        }
    }
}

fn corrupt(error: CorruptRecords) -> ConsumerError {
    ConsumerError {
        is_transient: false,
        message: format!(
            "received exception when fetching the next record from {}; if needed, seek past the record to continue consumption",
            error.partition
        ),
        source: Some(Box::new(error)),
    }
}
