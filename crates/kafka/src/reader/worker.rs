//! The task behind a reader: it tells the fetcher from where and how far to read.

use super::{ReadRange, ReadUpTo, StartAt, WhenLost};
use crate::admin::Admin;
use crate::cluster::{Cluster, Metadata, Topics};
use crate::config::ReaderSettings;
use crate::error::KafkaError;
use crate::fetcher::{
    Asked, Controls, FetchBuffer, Fetcher, Needs, Position, ResetPolicy, Source, Step,
};
use crate::positions::{EARLIEST, LATEST};
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use millstream_core::TopicPartition;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(super) struct Worker {
    fetcher: Fetcher,
    /// Asks where logs end.
    admin: Admin,
    reads_committed: bool,
    topics: Vec<String>,
    ranges: HashMap<TopicPartition, ReadRange>,
    work: FuturesUnordered<BoxFuture<'static, Ends>>,
}

/// Where the logs of partitions end that are read up to there.
struct Ends {
    asked: Asked,
    result: Result<HashMap<TopicPartition, i64>, KafkaError>,
}

impl Worker {
    pub(super) fn new(
        cluster: Cluster,
        settings: ReaderSettings,
        ranges: Vec<ReadRange>,
        when_lost: WhenLost,
        controls: Arc<Controls>,
        buffer: FetchBuffer,
    ) -> Self {
        let mut topics: Vec<String> = ranges
            .iter()
            .map(|range| range.partition.topic.to_string())
            .collect();
        topics.sort();
        topics.dedup();
        let reset_policy = match when_lost {
            WhenLost::Fail => ResetPolicy::Fail,
            WhenLost::StartOver => ResetPolicy::StartOver,
        };
        let reads_committed = settings.fetch.reads_committed();
        let wanted = Topics::Named(topics.clone());
        let mut fetcher = Fetcher::new(
            cluster,
            settings.fetch,
            reset_policy,
            wanted,
            controls,
            buffer,
        );
        for range in &ranges {
            fetcher.assign(&range.partition);
        }
        let ranges = ranges.into_iter();
        Worker {
            fetcher,
            // Of its own cluster, as each question about some topics replaces what was known of others.
            admin: Admin::new(settings.client),
            reads_committed,
            topics,
            ranges: ranges.map(|r| (r.partition.clone(), r)).collect(),
            work: FuturesUnordered::new(),
        }
    }

    pub(super) async fn run(mut self, token: CancellationToken) {
        loop {
            self.advance();
            if self.fetcher.is_over() {
                break;
            }
            tokio::select! {
                () = token.cancelled() => break,
                Some(ends) = self.work.next(), if !self.work.is_empty() => self.on_ends(ends),
                step = self.fetcher.step() => match step {
                    Step::Nothing => {}
                    Step::Metadata(metadata) => self.on_metadata(&metadata),
                    Step::Closed => break,
                },
            }
        }
    }

    fn advance(&mut self) {
        let now = Instant::now();
        loop {
            let needs = self.fetcher.advance(now);
            if needs.positions.is_empty() && needs.resets.is_empty() {
                return;
            }
            self.answer_needs(needs, now);
        }
    }

    /// Says where to begin and to end.
    fn answer_needs(&mut self, needs: Needs, now: Instant) {
        let is_up_to_end = |(partition, _): &(TopicPartition, u64)| {
            let range = self.ranges.get(partition);
            range.is_some_and(|range| range.up_to == ReadUpTo::EndAsOfNow)
        };
        let (to_end, others): (Asked, Asked) = needs.positions.into_iter().partition(is_up_to_end);
        for (partition, epoch) in others {
            self.set_position(&partition, epoch, None);
        }
        if !to_end.is_empty() {
            self.ask_ends(to_end);
        }
        let resets = needs.resets.into_iter().map(|(partition, epoch)| {
            let from = self.ranges.get(&partition).map(|range| range.from);
            let time = match from {
                Some(StartAt::Latest) if !self.fetcher.has_started_over(&partition) => LATEST,
                _ => EARLIEST,
            };
            (partition, epoch, time)
        });
        let resets: Vec<_> = resets.collect();
        if !resets.is_empty() {
            self.fetcher.reset_positions(resets, now);
        }
    }

    fn ask_ends(&mut self, asked: Asked) {
        let (admin, reads_committed) = (self.admin.clone(), self.reads_committed);
        self.work.push(Box::pin(async move {
            let partitions: Vec<TopicPartition> = asked.iter().map(|(p, _)| p.clone()).collect();
            let result = admin
                .list_offsets_as(&partitions, LATEST, reads_committed)
                .await;
            Ends { asked, result }
        }));
    }

    fn on_ends(&mut self, Ends { asked, result }: Ends) {
        match result {
            Ok(ends) => {
                self.fetcher.recovered(Source::Offsets);
                for (partition, epoch) in asked {
                    let end = ends.get(&partition).copied();
                    self.set_position(&partition, epoch, end);
                }
            }
            Err(error) => self.fetcher.retry_positions(&asked, error),
        }
    }

    fn set_position(&mut self, partition: &TopicPartition, epoch: u64, end: Option<i64>) {
        let Some(range) = self.ranges.get(partition) else {
            return;
        };
        let until = match range.up_to {
            ReadUpTo::Offset(offset) => Some(offset),
            ReadUpTo::EndAsOfNow => end,
            ReadUpTo::Follow => None,
        };
        let position = match range.from {
            StartAt::Earliest | StartAt::Latest => None,
            StartAt::Offset(offset) => Some(Position {
                offset,
                leader_epoch: -1,
            }),
        };
        self.fetcher.bound(partition, until);
        self.fetcher.set_position(partition, epoch, position);
    }

    fn on_metadata(&mut self, metadata: &Metadata) {
        for topic in self.fetcher.note_topics(&self.topics, metadata, false) {
            tracing::warn!(topic = &*topic, "topic was deleted and recreated");
        }
        self.fetcher.settle_topics(&self.topics, metadata);
    }
}
