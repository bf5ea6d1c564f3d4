//! Fetching, and reading what came.

use super::fetch::{self, Answer, Limits};
use super::partitions::Partition;
use super::positioning::no_policy;
use super::{Fetcher, ResetPolicy, Source, Stage, Unread};
use crate::error::KafkaError;
use crate::limits::LATE_FETCH;
use crate::walker::{CorruptRecords, WalkOptions, Walker};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use millstream_core::{ConsumerError, RecordBatch, RowMask, TopicPartition};
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

impl Fetcher {
    /// Starts a fetch from every broker that has partitions to read and nothing under way or unread.
    pub(super) fn start_fetches(&mut self, now: Instant) {
        let reading: HashSet<i32> = self
            .unread
            .iter()
            .filter(|unread| !unread.answers.is_empty())
            .map(|unread| unread.broker)
            .collect();
        let mut wake: Option<Instant> = None;
        let partitions = &self.partitions.all;
        for (&id, broker) in &mut self.brokers {
            if broker.is_fetching || reading.contains(&id) {
                continue;
            }
            if let Some(at) = broker.retry_at
                && at > now
            {
                if broker.session.is_used() {
                    wake = wake.min(Some(at)).or(Some(at));
                }
                continue;
            }
            let plan = broker.session.plan(|partition| {
                let state = partitions.get(partition)?;
                state.wanted(now).filter(|_| state.source(now) == id)
            });
            let Some(plan) = plan else { continue };
            broker.is_fetching = true;
            broker.late_at = now + self.config.fetch_max_wait() + LATE_FETCH;
            let cluster = self.cluster.clone();
            let limits = Limits::new(&self.config, self.buffer.largest_response());
            self.fetches.push(Box::pin(async move {
                (id, fetch::fetch(cluster, id, plan, limits).await)
            }));
        }
        if let Some(at) = wake {
            self.wake_at(at);
        }
    }

    /// A broker that does not answer may have lost its partitions to others, who can be asked at once.
    pub(super) fn check_late_brokers(&mut self, now: Instant) {
        let mut wake: Option<Instant> = None;
        let mut is_late = false;
        for broker in self.brokers.values_mut().filter(|b| b.is_fetching) {
            if broker.late_at <= now {
                is_late = true;
                broker.late_at = now + LATE_FETCH;
            }
            wake = wake.min(Some(broker.late_at)).or(Some(broker.late_at));
        }
        if is_late {
            self.want_metadata(now);
        }
        if let Some(at) = wake {
            self.wake_at(at);
        }
    }

    pub(super) fn on_fetched(&mut self, id: i32, result: Result<fetch::Response, KafkaError>) {
        let now = Instant::now();
        let broker = self.broker(id);
        broker.is_fetching = false;
        match result {
            Ok(response) => {
                broker.backoff.reset();
                // Since 2.0 a broker that throttles answers at once and asks the client to wait.
                broker.retry_at =
                    (response.throttle > Duration::ZERO).then(|| now + response.throttle);
                let session_id = response.session_id;
                let answers = self.answers(id, response.topics);
                let largest = answers.iter().max_by_key(|answer| answer.records.len());
                if let (Some(memory), Some(largest)) = (&response.memory, largest) {
                    memory.comes_from(&largest.partition, largest.wanted.offset);
                }
                self.buffer.add_unread(response.memory);
                self.note_recovered_partitions(id, &answers);
                let broker = self.broker(id);
                broker.session.answered(session_id, answers.len());
                if session_id == 0 {
                    broker.session.reset();
                }
                self.recovered(Source::Broker(id));
                self.unread.push_back(Unread {
                    broker: id,
                    answers,
                });
            }
            Err(error) => {
                broker.session.reset();
                let is_session_gone = matches!(
                    error.response_error(),
                    Some(
                        ResponseError::FetchSessionIdNotFound
                            | ResponseError::InvalidFetchSessionEpoch
                            | ResponseError::FetchSessionTopicIdError
                    )
                );
                // The broker has dropped the session for others; a full request makes a new one.
                if !is_session_gone {
                    let pause = broker.backoff.next_pause();
                    broker.retry_at = Some(now + pause);
                    self.want_metadata(now);
                    self.note_failure(Source::Broker(id), error, pause);
                }
            }
        }
        let brokers = &self.brokers;
        let report = self
            .outages
            .keep_brokers(|id| brokers.get(&id).is_some_and(|b| b.session.is_used()));
        self.emit(report);
    }

    /// Partitions that the broker was asked for and has no error for are well.
    fn note_recovered_partitions(&mut self, id: i32, answers: &VecDeque<Answer>) {
        let Some(broker) = self.brokers.get(&id) else {
            return;
        };
        let report = self.outages.keep_partitions(|partition| {
            broker.session.asked(partition).is_none()
                || answers
                    .iter()
                    .any(|answer| answer.partition == *partition && answer.error != 0)
        });
        self.emit(report);
    }

    /// What a response holds for partitions that its broker was asked for.
    fn answers(&mut self, id: i32, topics: Vec<FetchableTopicResponse>) -> VecDeque<Answer> {
        let metadata = self.cluster.metadata();
        let reads_committed = self.config.reads_committed();
        let controls = Arc::clone(&self.controls);
        let session = &self.broker(id).session;
        let mut answers = VecDeque::new();
        for topic in topics {
            let Some((name, _)) = metadata.topics.get_key_value(topic.topic.as_str()) else {
                continue;
            };
            for data in topic.partitions {
                let partition = TopicPartition::new(name.clone(), data.partition_index);
                if let Some((partition, wanted)) = session.asked(&partition) {
                    if data.error_code == 0 {
                        let end = end_of(&data, reads_committed);
                        controls.note_end(partition, wanted.offset, end);
                    }
                    answers.extend(Answer::new(partition, wanted, data, reads_committed));
                }
            }
        }
        answers
    }

    /// Reads partition by partition, and no further than to the next batches: what is not read costs no memory
    /// beyond the response itself.
    pub(super) fn read_on(&mut self) {
        while !self.buffer.has_batches() && !self.has_failed {
            let Some(unread) = self.unread.front_mut() else {
                self.buffer.nothing_unread();
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
        let (partition, wanted) = (answer.partition, answer.wanted);
        let state = self.partitions.all.get(&partition);
        let is_wanted =
            |s: &&Partition| s.epoch == wanted.epoch && s.stage == Stage::Fetching(wanted.offset);
        let Some(state) = state.filter(is_wanted) else {
            return;
        };
        let until = state.until;
        if answer.error != 0 {
            self.on_partition_error(&partition, wanted.offset, answer.error);
            return;
        }
        if let Some(replica) = answer.replica {
            self.prefer(&partition, replica);
        }
        if answer.records.is_empty() {
            return;
        }
        let had_bytes = answer.records.len();
        let mut walker = Walker::new(
            answer.records,
            partition.clone(),
            WalkOptions {
                fetch_offset: wanted.offset,
                check_crcs: self.config.check_crcs,
                aborted: answer.aborted,
            },
        );
        let mut failure = None;
        while let Some(item) = walker.next() {
            match item {
                Ok(mut batch) => {
                    if let Some(until) = until.filter(|until| batch.next_offset > *until) {
                        cut(&mut batch, until);
                    }
                    self.buffer.push_batch(wanted.epoch, walker.weight(), batch);
                }
                Err(error) => failure = Some(error),
            }
        }
        let position = walker.position();
        if let Some(state) = self.partitions.change(&partition) {
            state.stage = Stage::Fetching(position);
            state.unknown_since = None;
            if walker.leader_epoch() >= 0 {
                state.read_epoch = walker.leader_epoch();
            }
        }
        if let Some(error) = failure {
            self.fail(corrupt(error));
        } else if position == wanted.offset {
            // Not even one whole batch: old brokers cut at the limit.
            self.fail(ConsumerError {
                is_transient: false,
                message: format!(
                    "the record batch of {} at offset {} is larger than the fetch size ({had_bytes} bytes); raise max.partition.fetch.bytes and fetch.max.bytes",
                    partition, wanted.offset
                ),
                source: None,
            });
        }
    }

    /// The leader knows a replica nearer to us (`client.rack`).
    fn prefer(&mut self, partition: &TopicPartition, replica: i32) {
        let until = Instant::now() + self.client().metadata_max_age();
        let metadata = self.cluster.metadata();
        if let Some(state) = self.partitions.change(partition)
            && metadata.brokers.contains_key(&replica)
        {
            state.replica = Some((replica, until));
            let leader = state.leader;
            self.broker(leader).session.touch(partition.clone());
        }
    }

    fn on_partition_error(&mut self, partition: &TopicPartition, offset: i64, code: i16) {
        let now = Instant::now();
        let error = KafkaError::response(format!("fetch from {partition}"), code);
        // A replica may lag or be gone; the leader decides.
        if let Some(state) = self.partitions.change(partition)
            && let Some((replica, _)) = state.replica.take()
        {
            self.broker(replica).session.touch(partition.clone());
            self.retry_later(partition, now);
            return;
        }
        match error.response_error() {
            Some(ResponseError::OffsetOutOfRange) => self.on_out_of_range(partition, offset),
            Some(ResponseError::UnknownTopicOrPartition | ResponseError::UnknownTopicId) => {
                self.on_unknown(partition, &error, now);
            }
            Some(ResponseError::UnknownServerError) => {
                self.note_partition_failure(partition, &error);
                self.retry_later(partition, now);
            }
            _ if error.is_transient() => {
                tracing::debug!(%error, "fetch failed, refreshing metadata");
                self.note_partition_failure(partition, &error);
                self.retry_later(partition, now);
                self.want_metadata(now);
            }
            _ => self.fail(error.into()),
        }
    }

    /// Usually the topic was deleted, which is told of by its name once metadata says so, too. Only where metadata has
    /// it still is it the partition that fails.
    fn on_unknown(&mut self, partition: &TopicPartition, error: &KafkaError, now: Instant) {
        if let Some(state) = self.partitions.change(partition) {
            let since = *state.unknown_since.get_or_insert(now);
            if self.refresh.has_succeeded_since(since) {
                self.note_partition_failure(partition, error);
            }
        }
        self.retry_later(partition, now);
        self.want_metadata(now);
    }

    fn note_partition_failure(&mut self, partition: &TopicPartition, error: &KafkaError) {
        let pause = Duration::from_millis(self.client().retry_backoff_ms.max(0) as u64);
        let source = Source::Partition(partition.clone());
        self.degraded(source, error.to_string(), pause);
    }

    fn on_out_of_range(&mut self, partition: &TopicPartition, offset: i64) {
        if self.reset_policy == ResetPolicy::Fail {
            self.fail(no_policy(format!(
                "Offsets out of range with no configured reset policy for partitions: {{{partition}={offset}}}"
            )));
            return;
        }
        // A topic that was made again begins anew, which only its identity tells.
        if let Some(state) = self.partitions.change(partition) {
            state.stage = Stage::OutOfRange(offset);
        }
        self.refresh_now();
    }

    fn retry_later(&mut self, partition: &TopicPartition, now: Instant) {
        let pause = Duration::from_millis(self.client().retry_backoff_ms.max(0) as u64);
        if let Some(state) = self.partitions.change(partition) {
            state.retry_at = Some(now + pause);
        }
    }
}

/// Leaves out what is at this offset or beyond it.
fn cut(batch: &mut RecordBatch, until: i64) {
    let mask = RowMask::from_fn(batch.len(), |row| batch.offsets[row] < until);
    batch.retain(&mask);
    batch.next_offset = until;
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

/// Where the records that this reader may have end at the moment.
fn end_of(data: &PartitionData, reads_committed: bool) -> i64 {
    if reads_committed && data.last_stable_offset >= 0 {
        data.last_stable_offset
    } else {
        data.high_watermark
    }
}
