//! SinkSettings: what a sink task is to do by its connector's configuration, read once for each start.

use crate::client_settings;
use crate::config::WorkerSettings;
use crate::sink_config::SinkConfig;
use millstream_core::rejected::shows_content;
use millstream_core::{ErrorSettings, Properties, TaskId, Tolerance};
use millstream_java::regex::JavaRegex;
use std::sync::Arc;

/// What the framework does with a task's records before and after its sink.
#[derive(Clone)]
pub struct SinkSettings {
    pub topics: Topics,
    pub key_converter: ConverterSettings,
    pub value_converter: ConverterSettings,
    pub header_converter: ConverterSettings,
    pub errors: ErrorSettings,
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

/// A converter's class and its own settings: the connector's if it names one, else the worker's.
#[derive(Clone, Debug)]
pub struct ConverterSettings {
    pub class: String,
    pub properties: Properties,
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
        let config = SinkConfig::read(connector)?;
        let defaults = &worker.config;
        let converter =
            |role: &str, class: &str| ConverterSettings::read(role, class, connector, worker);
        let topic = config.dead_letter_topic.clone();
        Ok(SinkSettings {
            topics: Topics::new(&config, &id.connector)?,
            key_converter: converter("key.converter", &defaults.key_converter),
            value_converter: converter("value.converter", &defaults.value_converter),
            header_converter: converter("header.converter", &defaults.header_converter),
            errors: ErrorSettings {
                tolerance: match &*config.tolerance {
                    "all" => Tolerance::All,
                    _ => Tolerance::None,
                },
                log: config.logs_errors,
                log_records: config.logs_records,
                shows_content: shows_content(connector),
            },
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

impl ConverterSettings {
    /// The class is the one that the connector wrote, blanks and all: under it the plugin is looked up.
    fn read(role: &str, class: &str, connector: &Properties, worker: &WorkerSettings) -> Self {
        let prefix = format!("{role}.");
        match connector.get(role) {
            Some(own) => ConverterSettings {
                class: own.to_owned(),
                properties: connector.with_prefix(&prefix),
            },
            None => ConverterSettings {
                class: class.to_owned(),
                properties: worker.properties.with_prefix(&prefix),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<SinkSettings, String> {
        let mut config =
            Properties::from_iter([("name", "s"), ("connector.class", "C"), ("topics", "t")]);
        for (key, value) in pairs {
            config.insert(*key, *value);
        }
        let worker = WorkerSettings::new(Properties::from_iter([
            ("bootstrap.servers", "a:1"),
            ("key.converter", "k"),
            ("value.converter", "v"),
            ("value.converter.x", "1"),
        ]));
        let worker = worker.expect("the settings are whole");
        SinkSettings::read(&TaskId::new("s", 0), &config, &worker)
    }

    #[test]
    fn report_a5_start_reads_what_validation_reads() {
        let settings = read(&[
            ("errors.tolerance", " all "),
            ("errors.log.enable", " TRUE"),
            ("errors.deadletterqueue.topic.name", " dlq "),
        ]);
        let settings = settings.expect("validation takes these");
        assert!(settings.errors.tolerance == Tolerance::All && settings.errors.log);
        let dead = settings.dead_letters.expect("a topic is named");
        assert_eq!((dead.topic.as_str(), dead.replication), ("dlq", 3));
        let refused = read(&[("errors.tolerance", "ALL")]);
        assert_eq!(
            refused.map(|_| ()).expect_err("validation refuses this"),
            "Invalid value ALL for configuration errors.tolerance: String must be one of: none, all"
        );
    }

    #[test]
    fn report_a24_a_stored_list_with_a_topic_twice_still_starts() {
        let settings = read(&[("topics", "t,,u, t,")]).expect("it was taken once");
        match settings.topics {
            Topics::Named(topics) => assert_eq!(topics, ["t", "u"]),
            Topics::Matching(_) => panic!("a list of topics"),
        }
    }

    #[test]
    fn a_converter_that_the_connector_names_has_none_of_the_worker_s_settings() {
        let own = [("key.converter", " K "), ("key.converter.y", "2")];
        let settings = read(&own).expect("all is in order");
        let key = settings.key_converter;
        assert_eq!((&*key.class, key.properties.get("y")), (" K ", Some("2")));
        let value = settings.value_converter;
        assert_eq!((&*value.class, value.properties.get("x")), ("v", Some("1")));
    }

    /// Validation takes a null where a key has no validator; what then cannot do without is told by name.
    #[test]
    fn a_null_is_as_good_as_no_setting_where_the_start_can_do_without() {
        let with_null = |key: &str| {
            let mut config =
                Properties::from_iter([("name", "s"), ("connector.class", "C"), ("topics", "t")]);
            config.insert_null(key);
            SinkConfig::read(&config).map(|_| ())
        };
        for key in ["transforms", "topics", "errors.retry.timeout"] {
            assert_eq!(with_null(key), Ok(()), "{key}");
        }
        let refused = "Invalid value null for configuration errors.log.enable";
        assert_eq!(with_null("errors.log.enable"), Err(refused.to_owned()));
    }

    #[test]
    fn tasks_are_counted_as_java_reads_numbers() {
        let config = Properties::from_iter([
            ("name", "s"),
            ("connector.class", "C"),
            ("tasks.max", "+3"),
            ("tasks.max.enforce", "FALSE"),
        ]);
        let config = SinkConfig::read(&config).expect("validation takes these");
        assert_eq!((config.tasks_max, config.enforces_tasks_max), (3, false));
    }
}
