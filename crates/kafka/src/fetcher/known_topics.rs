//! What the consumer knows of its topics since it began: which partitions have come later, so that a reader of what
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
pub(crate) struct KnownTopics {
    topics: HashMap<Arc<str>, KnownTopic>,
    /// Metadata has been there, so that topics which a pattern finds from now on are new.
    has_begun: bool,
}

#[derive(Debug)]
struct KnownTopic {
    /// When it was first seen; zero where brokers do not say, or where the topic was not there.
    id: Uuid,
    partitions: usize,
    /// When it was last seen.
    last_id: Uuid,
}

/// What there is to say of the topics that a subscription asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct TopicChanges {
    /// Topics that were deleted and created again.
    pub(crate) recreated: Vec<Arc<str>>,
    /// What the consumer waits for, as a sentence.
    pub(crate) missing_reason: Option<String>,
}

pub(crate) fn is_missing(topic: Option<&Topic>) -> bool {
    topic.is_none_or(|topic| topic.error == UNKNOWN_TOPIC)
}

impl KnownTopics {
    /// Takes note of what metadata says of the topics subscribed to.
    pub(crate) fn note(
        &mut self,
        topics: &[String],
        metadata: &Metadata,
        is_pattern: bool,
    ) -> TopicChanges {
        let is_late = is_pattern && self.has_begun;
        self.has_begun = true;
        let mut changes = TopicChanges::default();
        let mut missing = Vec::new();
        for name in topics {
            let topic = metadata.topics.get(name.as_str());
            let found = topic.filter(|topic| topic.error == 0 && !topic.partitions.is_empty());
            if is_missing(topic) {
                missing.push(name.as_str());
            } else if found.is_none() {
                // Being made, or out for a reason that has a name of its own.
                continue;
            }
            let (id, partitions) =
                found.map_or((Uuid::nil(), 0), |topic| (topic.id, topic.partitions.len()));
            let Some(known) = self.topics.get_mut(name.as_str()) else {
                let known = KnownTopic {
                    id,
                    partitions: if is_late { 0 } else { partitions },
                    last_id: id,
                };
                self.topics.insert(Arc::from(name.as_str()), known);
                continue;
            };
            if id.is_nil() {
                continue;
            }
            if !known.last_id.is_nil() && known.last_id != id {
                changes.recreated.push(Arc::from(name.as_str()));
            }
            known.last_id = id;
        }
        changes.missing_reason = if is_pattern && topics.is_empty() {
            Some("no topic matches topics.regex, waiting for one".to_owned())
        } else {
            self.missing_reason(&missing)
        };
        changes
    }

    fn missing_reason(&self, missing: &[&str]) -> Option<String> {
        let first = missing.first()?;
        if let [topic] = missing {
            let was_there = self.topics.get(*first).is_some_and(|s| !s.last_id.is_nil());
            let why = if was_there {
                "was deleted, waiting for it to be created again"
            } else {
                "does not exist, waiting for it"
            };
            return Some(format!("topic {topic} {why}"));
        }
        let named = missing[..missing.len().min(NAMED)].join(", ");
        let more = match missing.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Some(format!(
            "topics {named}{more} do not exist, waiting for them"
        ))
    }

    /// Whether the partition came after this consumer had begun, so that nothing in it is from before.
    pub(crate) fn is_new(&self, partition: &TopicPartition, metadata: &Metadata) -> bool {
        let Some(known) = self.topics.get(&partition.topic) else {
            return false;
        };
        let id = metadata.topics.get(&partition.topic).map(|topic| topic.id);
        let is_another = id.is_some_and(|id| !id.is_nil() && !known.id.is_nil() && known.id != id);
        is_another || usize::try_from(partition.partition).is_ok_and(|p| p >= known.partitions)
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
        let mut seen = KnownTopics::default();
        let waits = |seen: &mut KnownTopics, topics: &[&str], found| {
            seen.note(&names(topics), &metadata(found), false)
                .missing_reason
        };
        let missing = waits(&mut seen, &["a", "b"], &[("a", 1, 1)]);
        assert_eq!(
            missing.as_deref(),
            Some("topic b does not exist, waiting for it")
        );
        let missing = waits(&mut seen, &["a", "b"], &[("b", 0, 0)]);
        assert_eq!(
            missing.as_deref(),
            Some("topics a, b do not exist, waiting for them")
        );
        let gone = waits(&mut seen, &["a"], &[]);
        assert_eq!(
            gone.as_deref(),
            Some("topic a was deleted, waiting for it to be created again")
        );
        assert_eq!(waits(&mut seen, &["a"], &[("a", 2, 1)]), None);
        let mut seen = KnownTopics::default();
        let none = seen.note(&[], &Metadata::default(), true).missing_reason;
        assert!(none.is_some_and(|text| text.contains("topics.regex")));
    }

    #[test]
    fn report_b17_what_came_later_is_new() {
        let mut seen = KnownTopics::default();
        let first = metadata(&[("a", 1, 2)]);
        seen.note(&names(&["a", "b"]), &first, false);
        let is_new = |seen: &KnownTopics, topic: &str, partition, metadata: &Metadata| {
            seen.is_new(&TopicPartition::new(topic, partition), metadata)
        };
        assert!(!is_new(&seen, "a", 1, &first));
        // Enlarged, made, made again.
        assert!(is_new(&seen, "a", 2, &metadata(&[("a", 1, 3)])));
        assert!(is_new(&seen, "b", 0, &metadata(&[("b", 7, 1)])));
        let again = metadata(&[("a", 2, 2), ("b", 7, 1)]);
        assert!(is_new(&seen, "a", 1, &again));
        let changes = seen.note(&names(&["a", "b"]), &again, false);
        assert_eq!(changes.recreated, [Arc::from("a")]);
        let changes = seen.note(&names(&["a", "b"]), &again, false);
        assert_eq!(changes, TopicChanges::default(), "each is told once");
        // A pattern's topics are new when it finds them later.
        let mut seen = KnownTopics::default();
        seen.note(&names(&["a"]), &first, true);
        seen.note(
            &names(&["a", "c"]),
            &metadata(&[("a", 1, 2), ("c", 3, 1)]),
            true,
        );
        assert!(is_new(&seen, "c", 0, &metadata(&[("c", 3, 1)])));
    }
}
