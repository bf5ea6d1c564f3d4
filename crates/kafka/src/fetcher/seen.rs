//! What the consumer has seen of its topics since it began: which partitions have come later, so that a reader of what
//! is `latest` misses nothing of them, and whether a topic is still the one that it was.

use crate::cluster::{Metadata, Topic};
use millstream_core::TopicPartition;
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;

/// The broker's code for a topic that is not there.
const UNKNOWN_TOPIC: i16 = 3;

/// Topics that one message names; the others are counted.
const NAMED: usize = 5;

#[derive(Debug, Default)]
pub(crate) struct Seen {
    topics: HashMap<Arc<str>, Sight>,
    /// Metadata has been there, so that topics which a pattern finds from now on are new.
    has_begun: bool,
}

#[derive(Debug)]
struct Sight {
    /// At first sight; zero where brokers do not say, or where the topic was not there.
    id: Uuid,
    partitions: usize,
    /// At the last sight of it.
    last_id: Uuid,
}

/// What there is to say of the topics that a subscription asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct News {
    /// Topics that were deleted and made again.
    pub(crate) made_again: Vec<Arc<str>>,
    /// What the consumer waits for, as a sentence.
    pub(crate) waits_for: Option<String>,
}

pub(crate) fn is_missing(topic: Option<&Topic>) -> bool {
    topic.is_none_or(|topic| topic.error == UNKNOWN_TOPIC)
}

impl Seen {
    /// Takes note of what metadata says of the topics subscribed to.
    pub(crate) fn note(
        &mut self,
        topics: &[String],
        metadata: &Metadata,
        is_pattern: bool,
    ) -> News {
        let is_late = is_pattern && self.has_begun;
        self.has_begun = true;
        let mut news = News::default();
        let mut missing = Vec::new();
        for name in topics {
            let topic = metadata.topics.get(name.as_str());
            let found = topic.filter(|topic| topic.error == 0 && !topic.partitions.is_empty());
            if is_missing(topic) {
                missing.push(name.as_str());
            } else if found.is_none() {
                // Being made, or in a trouble that has a name of its own.
                continue;
            }
            let (id, partitions) =
                found.map_or((Uuid::nil(), 0), |topic| (topic.id, topic.partitions.len()));
            let Some(sight) = self.topics.get_mut(name.as_str()) else {
                let sight = Sight {
                    id,
                    partitions: if is_late { 0 } else { partitions },
                    last_id: id,
                };
                self.topics.insert(Arc::from(name.as_str()), sight);
                continue;
            };
            if id.is_nil() {
                continue;
            }
            if !sight.last_id.is_nil() && sight.last_id != id {
                news.made_again.push(Arc::from(name.as_str()));
            }
            sight.last_id = id;
        }
        news.waits_for = if is_pattern && topics.is_empty() {
            Some("waits for a topic that matches the pattern (topics.regex)".to_owned())
        } else {
            self.waits_for(&missing)
        };
        news
    }

    fn waits_for(&self, missing: &[&str]) -> Option<String> {
        let first = missing.first()?;
        if let [topic] = missing {
            let was_there = self.topics.get(*first).is_some_and(|s| !s.last_id.is_nil());
            let why = if was_there {
                "was deleted"
            } else {
                "does not exist"
            };
            return Some(format!("waits for topic {topic}, which {why}"));
        }
        let named = missing[..missing.len().min(NAMED)].join(", ");
        let more = match missing.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Some(format!(
            "waits for topics {named}{more}, which do not exist"
        ))
    }

    /// Whether the partition came after this consumer had begun, so that nothing in it is from before.
    pub(crate) fn is_new(&self, partition: &TopicPartition, metadata: &Metadata) -> bool {
        let Some(sight) = self.topics.get(&partition.topic) else {
            return false;
        };
        let id = metadata.topics.get(&partition.topic).map(|topic| topic.id);
        let is_another = id.is_some_and(|id| !id.is_nil() && !sight.id.is_nil() && sight.id != id);
        is_another || usize::try_from(partition.partition).is_ok_and(|p| p >= sight.partitions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Partition;
    use std::collections::BTreeMap;

    fn metadata(topics: &[(&str, u128, i32)]) -> Metadata {
        let partition = Partition {
            leader: 1,
            leader_epoch: 0,
            replicas: vec![1],
        };
        let topics = topics.iter().map(|(name, id, partitions)| {
            let topic = Topic {
                id: Uuid::from_u128(*id),
                error: if *partitions == 0 { UNKNOWN_TOPIC } else { 0 },
                is_internal: false,
                partitions: (0..*partitions).map(|n| (n, partition.clone())).collect(),
            };
            (Arc::from(*name), topic)
        });
        Metadata {
            topics: topics.collect::<BTreeMap<_, _>>(),
            ..Metadata::default()
        }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn report_a16_topics_that_do_not_exist_are_named() {
        let mut seen = Seen::default();
        let waits = |seen: &mut Seen, topics: &[&str], known| {
            seen.note(&names(topics), &metadata(known), false).waits_for
        };
        let missing = waits(&mut seen, &["a", "b"], &[("a", 1, 1)]);
        assert_eq!(
            missing.as_deref(),
            Some("waits for topic b, which does not exist")
        );
        let missing = waits(&mut seen, &["a", "b"], &[("b", 0, 0)]);
        assert_eq!(
            missing.as_deref(),
            Some("waits for topics a, b, which do not exist")
        );
        let gone = waits(&mut seen, &["a"], &[]);
        assert_eq!(
            gone.as_deref(),
            Some("waits for topic a, which was deleted")
        );
        assert_eq!(waits(&mut seen, &["a"], &[("a", 2, 1)]), None);
        let mut seen = Seen::default();
        let none = seen.note(&[], &Metadata::default(), true).waits_for;
        assert!(none.is_some_and(|text| text.contains("topics.regex")));
    }

    #[test]
    fn report_b17_what_came_later_is_new() {
        let mut seen = Seen::default();
        let first = metadata(&[("a", 1, 2)]);
        seen.note(&names(&["a", "b"]), &first, false);
        let is_new = |seen: &Seen, topic: &str, partition, metadata: &Metadata| {
            seen.is_new(&TopicPartition::new(topic, partition), metadata)
        };
        assert!(!is_new(&seen, "a", 1, &first));
        // Enlarged, made, made again.
        assert!(is_new(&seen, "a", 2, &metadata(&[("a", 1, 3)])));
        assert!(is_new(&seen, "b", 0, &metadata(&[("b", 7, 1)])));
        let again = metadata(&[("a", 2, 2), ("b", 7, 1)]);
        assert!(is_new(&seen, "a", 1, &again));
        let news = seen.note(&names(&["a", "b"]), &again, false);
        assert_eq!(news.made_again, [Arc::from("a")]);
        let news = seen.note(&names(&["a", "b"]), &again, false);
        assert_eq!(news, News::default(), "each is told once");
        // A pattern's topics are new when it finds them later.
        let mut seen = Seen::default();
        seen.note(&names(&["a"]), &first, true);
        seen.note(
            &names(&["a", "c"]),
            &metadata(&[("a", 1, 2), ("c", 3, 1)]),
            true,
        );
        assert!(is_new(&seen, "c", 0, &metadata(&[("c", 3, 1)])));
    }
}
