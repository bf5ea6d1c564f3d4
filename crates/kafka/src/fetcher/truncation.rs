//! Logs that were cut short (KIP-320): a new leader may lack what an old one served. Before reading from it, a
//! position is checked against where the epoch read last ends in the new leader's log. And topics made anew.

use super::positioning::no_policy;
use super::{Asked, Done, Fetcher, ResetPolicy, Stage};
use crate::cluster::Metadata;
use crate::error::KafkaError;
use crate::positions::{self, EpochEnd};
use millstream_core::{Fetched, TopicPartition};
use std::collections::BTreeMap;

impl Fetcher {
    /// Asks leaders how far the epochs read last reach.
    pub(super) fn validate_positions(&mut self, unvalidated: Vec<(TopicPartition, u64, i32)>) {
        let mut by_leader: BTreeMap<i32, Vec<(TopicPartition, u64, i32)>> = BTreeMap::new();
        for one in unvalidated {
            let leader = self.partitions.all.get(&one.0).map_or(-1, |p| p.leader);
            by_leader.entry(leader).or_default().push(one);
        }
        for (leader, partitions) in by_leader {
            let cluster = self.cluster.clone();
            self.work.push(Box::pin(async move {
                let asked: Asked = partitions.iter().map(|(p, e, _)| (p.clone(), *e)).collect();
                let epochs = partitions
                    .into_iter()
                    .map(|(p, _, read)| (p, read))
                    .collect();
                let result = positions::epoch_ends(cluster, leader, epochs).await;
                Done::Validated { asked, result }
            }));
        }
    }

    pub(super) fn on_validated(
        &mut self,
        asked: &[(TopicPartition, u64)],
        result: Result<Option<Vec<(TopicPartition, Result<EpochEnd, i16>)>>, KafkaError>,
    ) {
        let answers = match result {
            Ok(Some(answers)) => answers,
            // Without an answer the position is as good as it ever was on such brokers.
            Ok(None) => {
                for (partition, epoch) in asked {
                    self.validated(partition, *epoch, None);
                }
                return;
            }
            Err(error) => return self.retry_offsets(asked, Stage::Initializing, error),
        };
        for ((partition, answer), (_, epoch)) in answers.into_iter().zip(asked) {
            match answer {
                Ok(end) => self.validated(&partition, *epoch, Some(end)),
                Err(code) => {
                    let error =
                        KafkaError::response(format!("position validation of {partition}"), code);
                    self.retry_offsets(&[(partition, *epoch)], Stage::Initializing, error);
                }
            }
        }
    }

    /// Goes on from the position, or from where the logs part if that comes before it.
    fn validated(&mut self, partition: &TopicPartition, epoch: u64, end: Option<EpochEnd>) {
        let Some(state) = self.partitions.change(partition) else {
            return;
        };
        let Stage::Validating(offset) = state.stage else {
            return;
        };
        if state.epoch != epoch {
            return;
        }
        state.stage = Stage::Fetching(offset);
        let Some(end) = end.filter(|end| end.offset < offset) else {
            return;
        };
        if self.reset_policy == ResetPolicy::Fail {
            self.fail(no_policy(format!(
                "Detected log truncation with diverging offsets {{{partition}={}}} (position {offset})",
                end.offset
            )));
            return;
        }
        tracing::warn!(
            topic = %partition.topic,
            partition = partition.partition,
            offset,
            diverging = end.offset,
            "log truncation detected after a leader change, resetting to the first diverging offset"
        );
        state.stage = if end.offset < 0 || self.reset_policy == ResetPolicy::StartOver {
            Stage::AwaitReset
        } else {
            Stage::Fetching(end.offset)
        };
        self.restart(vec![partition.clone()]);
    }

    /// A topic that was deleted and made again is another one: its partitions are given up and begun anew.
    pub(super) fn restart_recreated(&mut self, metadata: &Metadata) {
        let recreated = self.partitions.of_recreated_topics(metadata);
        if recreated.is_empty() {
            return;
        }
        // Without a policy it is the group's committed offset or the end, as for any other partition.
        let has_policy = self.reset_policy != ResetPolicy::Fail;
        for partition in &recreated {
            self.partitions.remove(|p| p == partition);
            self.partitions.add(partition.clone(), 0);
            if let Some(state) = self.partitions.change(partition) {
                state.is_of_new_topic = has_policy;
            }
        }
        self.restart(recreated);
    }

    /// The owner drops what it holds of these partitions and begins anew, as their offsets go back.
    pub(super) fn restart(&mut self, partitions: Vec<TopicPartition>) {
        self.buffer.withdraw(|p| partitions.contains(p));
        for partition in &partitions {
            let epoch = self.controls.assign(partition);
            if let Some(state) = self.partitions.change(partition) {
                state.epoch = epoch;
                state.is_paused = false;
                // Where it begins again is to be told.
                state.has_started_over = self.reset_policy == ResetPolicy::StartOver;
                state.is_uncommitted |= state.has_started_over;
            }
        }
        self.emit(Fetched::Lost(partitions.clone()));
        self.emit(Fetched::Assigned(partitions));
    }
}
