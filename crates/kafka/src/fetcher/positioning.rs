//! Positioning: where reading begins in a partition, as its owner says: at an offset, or where its leader finds a time.

use super::{Asked, Done, Fetched, Fetcher, ResetPolicy, Source, Stage};
use crate::cluster::Metadata;
use crate::error::KafkaError;
use crate::positions;
use millstream_core::{ConsumerError, TopicPartition};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::Instant;

/// An offset to read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) offset: i64,
    /// Of the record before it; −1: unknown.
    pub(crate) leader_epoch: i32,
}

impl Fetcher {
    /// Whether the position of a partition is still to be told under this epoch.
    pub(crate) fn awaits_position(&self, partition: &TopicPartition, epoch: u64) -> bool {
        let state = self.partitions.all.get(partition);
        state.is_some_and(|state| state.epoch == epoch && state.stage == Stage::Pending)
    }

    /// Begins to read a partition at the position that was asked for; `None`: by a time. An answer to an older question counts
    /// for nothing.
    pub(crate) fn set_position(
        &mut self,
        partition: &TopicPartition,
        epoch: u64,
        position: Option<Position>,
    ) {
        if !self.awaits_position(partition, epoch) {
            return;
        }
        let Some(state) = self.partitions.change(partition) else {
            return;
        };
        state.is_uncommitted = position.is_none() || state.has_started_over;
        state.stage = match position {
            Some(_) if state.is_of_new_topic => Stage::AwaitReset,
            Some(position) => {
                state.read_epoch = position.leader_epoch;
                Stage::Fetching(position.offset)
            }
            None => Stage::AwaitReset,
        };
    }

    /// Reads no record of the partition at this offset or beyond it, and says when all others have been read.
    pub(crate) fn bound(&mut self, partition: &TopicPartition, until: Option<i64>) {
        if let Some(state) = self.partitions.change(partition) {
            state.until = until;
        }
    }

    /// Whether what was read of the partition at first counts for nothing.
    pub(crate) fn has_started_over(&self, partition: &TopicPartition) -> bool {
        let state = self.partitions.all.get(partition);
        state.is_some_and(|state| state.has_started_over)
    }

    /// Whether the partition came after reading had begun, so that nothing in it is from before.
    pub(crate) fn is_new(&self, partition: &TopicPartition, metadata: &Metadata) -> bool {
        self.known_topics.is_new(partition, metadata)
    }

    /// Asks leaders for the offsets at these times: milliseconds since the epoch, `EARLIEST` or `LATEST`.
    pub(crate) fn reset_positions(&mut self, lost: Vec<(TopicPartition, u64, i64)>, now: Instant) {
        let mut by_leader: BTreeMap<(i32, i64), Asked> = BTreeMap::new();
        let mut waiting = Vec::new();
        for (partition, epoch, time) in lost {
            let leader = self.partitions.all.get(&partition).map_or(-1, |p| p.leader);
            if leader < 0 {
                waiting.push((partition, epoch));
                continue;
            }
            let asked = by_leader.entry((leader, time)).or_default();
            asked.push((partition, epoch));
        }
        if !waiting.is_empty() {
            let pause = self.offsets_backoff.next_pause();
            self.put_back(&waiting, Stage::AwaitReset, now + pause);
            self.want_metadata(now);
        }
        let reads_committed = self.config.reads_committed();
        for ((leader, time), asked) in by_leader {
            let cluster = self.cluster.clone();
            self.work.push(Box::pin(async move {
                let partitions = asked.iter().map(|(p, _)| p.clone()).collect();
                let result =
                    positions::list(cluster, leader, partitions, time, reads_committed).await;
                Done::Listed { asked, result }
            }));
        }
    }

    /// Offsets that logs do not have, once the topics are known to be the same as before.
    pub(super) fn reset_out_of_range(&mut self) {
        let out_of_range: Vec<(TopicPartition, i64)> = self
            .partitions
            .all
            .iter()
            .filter_map(|(partition, state)| match state.stage {
                Stage::OutOfRange(offset) => Some((partition.clone(), offset)),
                _ => None,
            })
            .collect();
        for (partition, offset) in out_of_range {
            tracing::warn!(
                topic = %partition.topic,
                partition = partition.partition,
                offset,
                "offset is out of range, resetting"
            );
            if let Some(state) = self.partitions.change(&partition) {
                state.stage = Stage::AwaitReset;
            }
            if self.reset_policy == ResetPolicy::StartOver {
                self.restart(vec![partition]);
            }
        }
    }

    pub(super) fn on_listed(
        &mut self,
        asked: &[(TopicPartition, u64)],
        result: Result<Vec<(TopicPartition, Result<i64, i16>)>, KafkaError>,
    ) {
        let listed = match result {
            Ok(listed) => listed,
            Err(error) => return self.retry_offsets(asked, Stage::AwaitReset, error),
        };
        let mut failed = Vec::new();
        let mut begun = Vec::new();
        let mut set: BTreeMap<Arc<str>, Vec<(i32, i64)>> = BTreeMap::new();
        for ((partition, answer), (_, epoch)) in listed.into_iter().zip(asked) {
            let Some(state) = self.partitions.change(&partition) else {
                continue;
            };
            if state.epoch != *epoch || state.stage != Stage::Pending {
                continue;
            }
            match answer {
                Ok(offset) => {
                    let of_topic = set.entry(partition.topic.clone()).or_default();
                    of_topic.push((partition.partition, offset));
                    let offset = offset.max(0);
                    state.stage = Stage::Fetching(offset);
                    if std::mem::take(&mut state.is_uncommitted) {
                        begun.push((partition, offset));
                    }
                }
                Err(code) => failed.push((partition, *epoch, code)),
            }
        }
        for (topic, positions) in &set {
            tell_positions(topic, positions);
        }
        if !begun.is_empty() {
            self.emit(Fetched::Positioned(begun));
        }
        let Some((partition, _, code)) = failed.first() else {
            self.offsets_backoff.reset();
            self.recovered(Source::Offsets);
            return;
        };
        let error = KafkaError::response(format!("list offsets of {partition}"), *code);
        let asked: Asked = failed.into_iter().map(|(p, epoch, _)| (p, epoch)).collect();
        self.retry_offsets(&asked, Stage::AwaitReset, error);
    }

    /// Asks the owner again later for positions that it could not find.
    pub(crate) fn retry_positions(&mut self, asked: &[(TopicPartition, u64)], error: KafkaError) {
        self.retry_offsets(asked, Stage::Initializing, error);
    }

    /// Tries again later; a position that was being checked goes back to waiting for its validation.
    pub(super) fn retry_offsets(
        &mut self,
        asked: &[(TopicPartition, u64)],
        stage: Stage,
        error: KafkaError,
    ) {
        let now = Instant::now();
        let pause = self.offsets_backoff.next_pause();
        self.put_back(asked, stage, now + pause);
        self.want_metadata(now);
        // An answer that no longer matters is no outage: the group may have gone on meanwhile.
        let is_wanted = asked.iter().any(|(p, epoch)| {
            self.partitions
                .all
                .get(p)
                .is_some_and(|s| s.epoch == *epoch)
        });
        if is_wanted {
            self.note_failure(Source::Offsets, error, pause);
        }
    }

    fn put_back(&mut self, asked: &[(TopicPartition, u64)], stage: Stage, retry_at: Instant) {
        for (partition, epoch) in asked {
            if let Some(state) = self.partitions.change(partition)
                && state.epoch == *epoch
                && matches!(state.stage, Stage::Pending | Stage::Validating(_))
            {
                state.stage = match state.stage {
                    Stage::Validating(offset) => Stage::AwaitValidation(offset),
                    _ => stage,
                };
                state.retry_at = Some(retry_at);
            }
        }
        self.wake_at(retry_at);
    }
}

/// One line for what is set of a topic at a time, however many partitions it has.
fn tell_positions(topic: &str, positions: &[(i32, i64)]) {
    const TEXT: &str = "position set by auto.offset.reset";
    if let [(partition, offset)] = *positions {
        tracing::info!(topic, partition, offset, "{TEXT}");
        return;
    }
    tracing::info!(topic, partitions = positions.len(), "{TEXT}");
    for (partition, offset) in positions {
        tracing::debug!(topic, partition, offset, "{TEXT}");
    }
}

pub(super) fn no_policy(message: String) -> ConsumerError {
    ConsumerError {
        is_transient: false,
        message,
        source: None,
    }
}
