//! Logs that were cut short (KIP-320): a new leader may lack what an old one served. Before reading from it, a
//! position is checked against where the epoch read last ends in the new leader's log. And topics made anew.

use super::placing::no_policy;
use super::{Asked, Done, Fetcher, OnLoss, Stage};
use crate::cluster::Metadata;
use crate::error::KafkaError;
use crate::positions::{self, EpochEnd};
use millstream_core::{Fetched, TopicPartition};
use std::collections::BTreeMap;

impl Fetcher {
    /// Asks leaders how far the epochs read last reach.
    pub(super) fn check(&mut self, doubtful: Vec<(TopicPartition, u64, i32)>) {
        let mut by_leader: BTreeMap<i32, Vec<(TopicPartition, u64, i32)>> = BTreeMap::new();
        for one in doubtful {
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
                Done::Checked { asked, result }
            }));
        }
    }

    pub(super) fn on_checked(
        &mut self,
        asked: &[(TopicPartition, u64)],
        result: Result<Option<Vec<(TopicPartition, Result<EpochEnd, i16>)>>, KafkaError>,
    ) {
        let answers = match result {
            Ok(Some(answers)) => answers,
            // Without an answer the position is as good as it ever was on such brokers.
            Ok(None) => {
                for (partition, epoch) in asked {
                    self.trust(partition, *epoch, None);
                }
                return;
            }
            Err(error) => return self.retry_offsets(asked, Stage::Unknown, error),
        };
        for ((partition, answer), (_, epoch)) in answers.into_iter().zip(asked) {
            match answer {
                Ok(end) => self.trust(&partition, *epoch, Some(end)),
                Err(code) => {
                    let error =
                        KafkaError::refused(format!("check the position in {partition}"), code);
                    self.retry_offsets(&[(partition, *epoch)], Stage::Unknown, error);
                }
            }
        }
    }

    /// Goes on from the position, or from where the logs part if that comes before it.
    fn trust(&mut self, partition: &TopicPartition, epoch: u64, end: Option<EpochEnd>) {
        let Some(state) = self.partitions.change(partition) else {
            return;
        };
        let Stage::Checking(offset) = state.stage else {
            return;
        };
        if state.epoch != epoch {
            return;
        }
        state.stage = Stage::At(offset);
        let Some(end) = end.filter(|end| end.offset < offset) else {
            return;
        };
        if self.on_loss == OnLoss::Fail {
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
            "the log was cut short by a change of leader, going back to where it parts"
        );
        state.stage = if end.offset < 0 || self.on_loss == OnLoss::StartOver {
            Stage::Reset
        } else {
            Stage::At(end.offset)
        };
        self.restart(vec![partition.clone()]);
    }

    /// A topic that was deleted and made again is another one: its partitions are given up and begun anew.
    pub(super) fn begin_again(&mut self, metadata: &Metadata) {
        let strangers = self.partitions.of_other_topics(metadata);
        if strangers.is_empty() {
            return;
        }
        // Without a policy it is the group's committed offset or the end, as for any other partition.
        let has_policy = self.on_loss != OnLoss::Fail;
        for partition in &strangers {
            self.partitions.remove(|p| p == partition);
            self.partitions.add(partition.clone(), 0);
            if let Some(state) = self.partitions.change(partition) {
                state.is_of_new_topic = has_policy;
            }
        }
        self.restart(strangers);
    }

    /// The owner drops what it holds of these partitions and begins anew, as their offsets go back.
    pub(super) fn restart(&mut self, partitions: Vec<TopicPartition>) {
        self.outbox.withdraw(|p| partitions.contains(p));
        for partition in &partitions {
            let epoch = self.controls.assign(partition);
            if let Some(state) = self.partitions.change(partition) {
                state.epoch = epoch;
                state.is_paused = false;
                // Where it begins again is to be told.
                state.has_started_over = self.on_loss == OnLoss::StartOver;
                state.is_uncommitted |= state.has_started_over;
            }
        }
        self.tell(Fetched::Lost(partitions.clone()));
        self.tell(Fetched::Assigned(partitions));
    }
}
