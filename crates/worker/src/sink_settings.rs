//! SinkSettings: what a sink task reads and where its rejected records go, by its connector's configuration.

use crate::client_settings;
use crate::config::WorkerSettings;
use crate::connector_config::{SinkConfig, read};
use millstream_core::{Properties, TaskId};
use millstream_java::regex::JavaRegex;
use std::sync::Arc;

/// What a sink task reads, and where the framework puts what it rejects.
#[derive(Clone)]
pub struct SinkSettings {
    pub topics: Topics,
    pub dead_letters: Option<DeadLetterSettings>,
    /// Of the Kafka client that reads the records.
    pub consumer: Properties,
}

/// What a sink reads.
#[derive(Clone)]
pub enum Topics {
    Named(Vec<String>),
    Matching(Arc<JavaRegex>),
}

/// Where rejected records go.
#[derive(Clone, Debug)]
pub struct DeadLetterSettings {
    pub topic: String,
    pub replication: i16,
    /// Whether headers tell why.
    pub with_context: bool,
    /// Of the Kafka client that writes them.
    pub producer: Properties,
    /// Of the Kafka client that makes the topic.
    pub admin: Properties,
}

impl SinkSettings {
    /// Reads the settings of a task of this connector.
    ///
    /// # Errors
    /// The first error of any key, with Java's text.
    pub fn read(
        id: &TaskId,
        connector: &Properties,
        worker: &WorkerSettings,
    ) -> Result<Self, String> {
        let config = read(connector, SinkConfig::parse)?;
        let topic = config.dead_letter_topic.clone();
        Ok(SinkSettings {
            topics: Topics::new(&config, &id.connector)?,
            dead_letters: (!topic.is_empty()).then(|| DeadLetterSettings {
                topic,
                replication: config.dead_letter_replication,
                with_context: config.dead_letter_context,
                producer: client_settings::dead_letter_producer(worker, connector, id),
                admin: client_settings::dead_letter_admin(worker, connector, id),
            }),
            consumer: client_settings::consumer(worker, connector, id),
        })
    }
}

impl Topics {
    /// Topics named twice count once and empty names not at all: such a list is refused today, but may have been stored
    /// before.
    fn new(config: &SinkConfig, connector: &str) -> Result<Self, String> {
        let pattern = config.topics_regex.as_deref().unwrap_or_default();
        if !pattern.is_empty() {
            let pattern = JavaRegex::compile(pattern)?;
            return Ok(Topics::Matching(Arc::new(pattern)));
        }
        let mut named: Vec<String> = Vec::new();
        let mut dropped = 0;
        for topic in config.topics.iter().flatten() {
            if topic.is_empty() || named.contains(topic) {
                dropped += 1;
            } else {
                named.push(topic.clone());
            }
        }
        if dropped > 0 {
            tracing::warn!(
                connector,
                dropped,
                "topics names a topic twice or not at all; what is too many is dropped"
            );
        }
        Ok(Topics::Named(named))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> SinkSettings {
        let mut config =
            Properties::from_iter([("name", "s"), ("connector.class", "C"), ("topics", "t")]);
        for (key, value) in pairs {
            config.insert(*key, *value);
        }
        let worker = WorkerSettings::minimal(&[]);
        let worker = worker.expect("the settings are whole");
        let settings = SinkSettings::read(&TaskId::new("s", 0), &config, &worker);
        settings.expect("validation takes these")
    }

    #[test]
    fn report_a5_dead_letters_are_read_as_validation_reads_them() {
        let settings = settings(&[("errors.deadletterqueue.topic.name", " dlq ")]);
        let dead = settings.dead_letters.expect("a topic is named");
        assert_eq!((dead.topic.as_str(), dead.replication), ("dlq", 3));
    }

    #[test]
    fn report_a24_a_stored_list_with_a_topic_twice_still_starts() {
        match settings(&[("topics", "t,,u, t,")]).topics {
            Topics::Named(topics) => assert_eq!(topics, ["t", "u"]),
            Topics::Matching(_) => panic!("a list of topics"),
        }
    }
}
