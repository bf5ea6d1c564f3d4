//! What a consumer reads: topics by name, or all that a test lets through.

use crate::cluster::{Metadata, Topics};

pub enum Subscription {
    Topics(Vec<String>),
    /// Matches against every topic but Kafka's internal ones; new topics join when metadata is refreshed.
    Pattern(Box<dyn Fn(&str) -> bool + Send + Sync>),
}

impl Subscription {
    /// The topics in order; a pattern's matches among those that the cluster has.
    pub(super) fn topics(&self, metadata: &Metadata) -> Vec<String> {
        match self {
            Subscription::Topics(topics) => {
                let mut topics = topics.clone();
                topics.sort();
                topics.dedup();
                topics
            }
            Subscription::Pattern(matches) => metadata
                .topics
                .iter()
                .filter(|(name, topic)| !topic.is_internal && matches(name))
                .map(|(name, _)| name.to_string())
                .collect(),
        }
    }

    /// What to ask metadata for: these, and what else the caller must know.
    pub(super) fn wanted(&self, others: impl Iterator<Item = String>) -> Topics {
        match self {
            Subscription::Topics(topics) => {
                let mut all: Vec<String> = topics.iter().cloned().chain(others).collect();
                all.sort();
                all.dedup();
                Topics::Named(all)
            }
            Subscription::Pattern(_) => Topics::All,
        }
    }

    pub(super) fn is_pattern(&self) -> bool {
        matches!(self, Subscription::Pattern(_))
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Subscription::Topics(topics) => f.debug_tuple("Topics").field(topics).finish(),
            Subscription::Pattern(_) => f.write_str("Pattern"),
        }
    }
}
