//! Where to begin: the group's committed offsets, or `auto.offset.reset`.

use super::{
    Asked, Backoff, Done, HashMap, Instant, KafkaError, Source, Stage, TopicPartition, Worker,
    positions,
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
            state.stage = match committed.get(partition) {
                Some(committed) if committed.offset >= 0 => {
                    state.read_epoch = committed.leader_epoch;
                    Stage::At(committed.offset)
                }
                Some(_) | None if is_none => {
                    undefined.push(partition.to_string());
                    continue;
                }
                Some(_) | None => Stage::Reset,
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
        let mut by_leader: BTreeMap<i32, Asked> = BTreeMap::new();
        for (partition, epoch) in lost {
            let leader = self.partitions.all.get(&partition).map_or(-1, |p| p.leader);
            by_leader
                .entry(leader)
                .or_default()
                .push((partition, epoch));
        }
        if let Some(waiting) = by_leader.remove(&-1) {
            let pause = self.offsets_backoff.next_pause();
            self.put_back(&waiting, Stage::Reset, now + pause);
            self.want_metadata(now);
        }
        let time = match self.config.settings.auto_offset_reset.as_str() {
            "earliest" => positions::EARLIEST,
            _ => positions::LATEST,
        };
        let reads_committed = self.config.settings.reads_committed();
        for (leader, asked) in by_leader {
            let cluster = self.cluster.clone();
            self.work.push(Box::pin(async move {
                let partitions = asked.iter().map(|(p, _)| p.clone()).collect();
                let result =
                    positions::list(cluster, leader, partitions, time, reads_committed).await;
                Done::Listed { asked, result }
            }));
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
                    state.stage = Stage::At(offset.max(0));
                }
                Err(code) => failed.push((partition, *epoch, code)),
            }
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
