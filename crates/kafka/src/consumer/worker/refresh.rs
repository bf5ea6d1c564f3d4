//! Metadata: what follows from it for the subscription and the group.

use super::{Worker, membership};
use crate::cluster::Metadata;

impl Worker {
    pub(super) fn on_metadata(&mut self, metadata: &Metadata) {
        let topics = self.subscription.topics(metadata);
        self.note_topics(&topics, metadata);
        if !self.fetcher.settle_topics(&topics, metadata) {
            return;
        }
        if let Some(reply) = self.joining.take() {
            self.offer(reply);
        } else if topics != self.topics || self.sizes_changed(metadata) {
            self.topics = topics;
            self.rejoin();
        }
    }

    /// Tells of topics that are not there, and of those that are others than before.
    pub(super) fn note_topics(&mut self, topics: &[String], metadata: &Metadata) {
        let is_pattern = self.subscription.is_pattern();
        for topic in self.fetcher.note_topics(topics, metadata, is_pattern) {
            tracing::warn!(
                group = %self.settings.config.group_id,
                topic = &*topic,
                "topic was deleted and recreated; the new one is read from its beginning unless settings say otherwise"
            );
        }
    }

    /// Whether topics that this member shared out have grown, come or gone.
    fn sizes_changed(&self, metadata: &Metadata) -> bool {
        self.leader_snapshot
            .as_ref()
            .is_some_and(|snapshot| snapshot.sizes != membership::sizes(metadata, &snapshot.topics))
    }
}
