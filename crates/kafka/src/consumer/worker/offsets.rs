//! Where to begin: the group's committed offsets, or `auto.offset.reset`.

use super::{Asked, Backoff, Done, HashMap, Instant, KafkaError, Source, TopicPartition, Worker};
use crate::cluster::Metadata;
use crate::fetcher::Position;
use crate::group::Committed;
use crate::positions;
use millstream_core::ConsumerError;

impl Worker {
    /// Asks for committed offsets.
    pub(super) fn fetch_committed(&mut self, asked: Asked) {
        let offsets = self.offsets.clone();
        let limit = self.settings.client.api_timeout();
        let backoff = Backoff::new(self.settings.client.retry_backoff());
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
            Err(error) => return self.fetcher.retry_positions(asked, error),
        };
        self.fetcher.recovered(Source::Offsets);
        let is_none = self.settings.config.auto_offset_reset == "none";
        let mut undefined = Vec::new();
        for (partition, epoch) in asked {
            let known = committed.get(partition).filter(|one| one.offset >= 0);
            let position = known.map(|one| Position {
                offset: one.offset,
                leader_epoch: one.leader_epoch,
            });
            if position.is_none() && is_none && self.fetcher.awaits_position(partition, *epoch) {
                undefined.push(partition.to_string());
            } else {
                self.fetcher.set_position(partition, *epoch, position);
            }
        }
        if !undefined.is_empty() {
            self.fetcher.fail(ConsumerError {
                is_transient: false,
                message: format!(
                    "Undefined offset with no reset policy for partitions: [{}]",
                    undefined.join(", ")
                ),
                source: None,
            });
        }
    }

    /// Asks leaders where `auto.offset.reset` points.
    pub(super) fn reset_by_time(&mut self, lost: Asked, now: Instant) {
        let metadata = self.cluster.metadata();
        let lost = lost.into_iter().map(|(partition, epoch)| {
            let time = self.reset_timestamp(&partition, &metadata);
            (partition, epoch, time)
        });
        let lost = lost.collect();
        self.fetcher.reset_positions(lost, now);
    }

    /// Where `auto.offset.reset` points. All of a partition that came while this consumer ran is for it to read.
    fn reset_timestamp(&self, partition: &TopicPartition, metadata: &Metadata) -> i64 {
        let config = &self.settings.config;
        let is_earliest = config.auto_offset_reset == "earliest"
            || (config.reads_new_partitions_whole && self.fetcher.is_new(partition, metadata));
        if is_earliest {
            positions::EARLIEST
        } else {
            positions::LATEST
        }
    }
}
