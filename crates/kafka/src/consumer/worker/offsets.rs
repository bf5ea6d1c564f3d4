//! Where to begin: the group's committed offsets, or `auto.offset.reset`.

use super::{
    Asked, Backoff, Done, Fetched, HashMap, Instant, KafkaError, Metadata, Source, Stage,
    TopicPartition, Worker, positions,
};
use crate::group::Committed;
use millstream_core::ConsumerError;
use std::collections::BTreeMap;

impl Worker {
    /// Asks for committed offsets.
    pub(super) fn ask_group(&mut self, asked: Asked) {
        let offsets = self.offsets.clone();
        let limit = self.config.client.api_timeout();
        let backoff = Backoff::new(self.config.client.retry_backoff());
        self.work.push(Box::pin(async move {
            let partitions: Vec<TopicPartition> = asked.iter().map(|(p, _)| p.clone()).collect();
            let result = offsets.fetch(&partitions, limit, backoff).await;
            Done::Committed { asked, result }
        }));
    }

    pub(super) fn on_committed(
        &mut self,
        asked: &[(TopicPartition, u64)],
        result: Result<HashMap<TopicPartition, Committed>, KafkaError>,
    ) {
        let committed = match result {
            Ok(committed) => committed,
            Err(error) => return self.retry_offsets(asked, Stage::Unknown, error),
        };
        let report = self.troubles.clear(Source::Offsets);
        self.outbox_extend(report);
        let mut undefined = Vec::new();
        let is_none = self.config.settings.auto_offset_reset == "none";
        for (partition, epoch) in asked {
            let Some(state) = self.partitions.change(partition) else {
                continue;
            };
            if state.epoch != *epoch || state.stage != Stage::Asking {
                continue;
            }
            let committed = committed.get(partition).filter(|one| one.offset >= 0);
            state.is_uncommitted = committed.is_none();
            state.stage = match committed {
                Some(_) if state.is_of_new_topic => Stage::Reset,
                Some(committed) => {
                    state.read_epoch = committed.leader_epoch;
                    Stage::At(committed.offset)
                }
                None if is_none => {
                    undefined.push(partition.to_string());
                    continue;
                }
                None => Stage::Reset,
            };
        }
        if !undefined.is_empty() {
            self.fail(no_policy(format!(
                "Undefined offset with no reset policy for partitions: [{}]",
                undefined.join(", ")
            )));
        }
    }

    /// Asks leaders where `auto.offset.reset` points.
    pub(super) fn ask_leaders(&mut self, lost: Asked, now: Instant) {
        let metadata = self.cluster.metadata();
        let mut by_leader: BTreeMap<(i32, i64), Asked> = BTreeMap::new();
        let mut waiting = Vec::new();
        for (partition, epoch) in lost {
            let leader = self.partitions.all.get(&partition).map_or(-1, |p| p.leader);
            if leader < 0 {
                waiting.push((partition, epoch));
                continue;
            }
            let time = self.begins_at(&partition, &metadata);
            let asked = by_leader.entry((leader, time)).or_default();
            asked.push((partition, epoch));
        }
        if !waiting.is_empty() {
            let pause = self.offsets_backoff.next_pause();
            self.put_back(&waiting, Stage::Reset, now + pause);
            self.want_metadata(now);
        }
        let reads_committed = self.config.settings.reads_committed();
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

    /// Where `auto.offset.reset` points. All of a partition that came while this consumer ran is for it to read.
    fn begins_at(&self, partition: &TopicPartition, metadata: &Metadata) -> i64 {
        let settings = &self.config.settings;
        let is_earliest = settings.auto_offset_reset == "earliest"
            || (settings.reads_new_partitions_whole && self.seen.is_new(partition, metadata));
        if is_earliest {
            positions::EARLIEST
        } else {
            positions::LATEST
        }
    }

    /// Offsets that logs do not have, once the topics are known to be the same as before.
    pub(super) fn reset_astray(&mut self, now: Instant) {
        if self.refresh.is_outdated {
            self.refresh.due = now;
            return;
        }
        let astray: Vec<(TopicPartition, i64)> = self
            .partitions
            .all
            .iter()
            .filter_map(|(partition, state)| match state.stage {
                Stage::Astray(offset) => Some((partition.clone(), offset)),
                _ => None,
            })
            .collect();
        for (partition, offset) in astray {
            tracing::warn!(
                topic = %partition.topic,
                partition = partition.partition,
                offset,
                "offset is out of range, resetting"
            );
            if let Some(state) = self.partitions.change(&partition) {
                state.stage = Stage::Reset;
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
            Err(error) => return self.retry_offsets(asked, Stage::Reset, error),
        };
        let mut failed = Vec::new();
        let mut begun = Vec::new();
        for ((partition, answer), (_, epoch)) in listed.into_iter().zip(asked) {
            let Some(state) = self.partitions.change(&partition) else {
                continue;
            };
            if state.epoch != *epoch || state.stage != Stage::Asking {
                continue;
            }
            match answer {
                Ok(offset) => {
                    tracing::info!(topic = %partition.topic, partition = partition.partition, offset, "position set by auto.offset.reset");
                    let offset = offset.max(0);
                    state.stage = Stage::At(offset);
                    if std::mem::take(&mut state.is_uncommitted) {
                        begun.push((partition, offset));
                    }
                }
                Err(code) => failed.push((partition, *epoch, code)),
            }
        }
        if !begun.is_empty() {
            self.outbox.push(Fetched::Positioned(begun));
        }
        let Some((partition, _, code)) = failed.first() else {
            self.offsets_backoff.reset();
            let report = self.troubles.clear(Source::Offsets);
            self.outbox_extend(report);
            return;
        };
        let error = KafkaError::refused(format!("find where {partition} begins"), *code);
        let asked: Asked = failed.into_iter().map(|(p, epoch, _)| (p, epoch)).collect();
        self.retry_offsets(&asked, Stage::Reset, error);
    }

    /// Tries again later; a position that was being checked goes back to being doubtful.
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
        // An answer that no longer matters is no trouble: the group may have gone on meanwhile.
        let is_wanted = asked.iter().any(|(p, epoch)| {
            self.partitions
                .all
                .get(p)
                .is_some_and(|s| s.epoch == *epoch)
        });
        if is_wanted {
            self.trouble(Source::Offsets, error, pause);
        }
    }

    fn put_back(&mut self, asked: &[(TopicPartition, u64)], stage: Stage, retry_at: Instant) {
        for (partition, epoch) in asked {
            if let Some(state) = self.partitions.change(partition)
                && state.epoch == *epoch
                && matches!(state.stage, Stage::Asking | Stage::Checking(_))
            {
                state.stage = match state.stage {
                    Stage::Checking(offset) => Stage::Doubtful(offset),
                    _ => stage,
                };
                state.retry_at = Some(retry_at);
            }
        }
        self.wake_at(retry_at);
    }
}

pub(super) fn no_policy(message: String) -> ConsumerError {
    ConsumerError {
        is_transient: false,
        message,
        source: None,
    }
}
