//! SinkSettings: what a sink connector's configuration says to the framework. It is read here alone and by the
//! definitions that validation checks, so that the two never understand a text differently.

use crate::config::WorkerConfig;
use crate::validation::framework_definition;
use millstream_core::config::{FromParsed, java_trim, list_items};
use millstream_core::{ConfigValue, Properties};
use millstream_java::regex::JavaRegex;

/// The framework's settings of a sink connector.
#[derive(Clone, Debug)]
pub struct SinkSettings {
    pub tasks_max: usize,
    pub enforces_tasks_max: bool,
    /// Rows that cannot be converted or transformed are skipped instead of failing the task.
    pub tolerates_errors: bool,
    pub logs_errors: bool,
    /// Whether such a log line names the record.
    pub logs_records: bool,
    pub dead_letters: Option<DeadLetterSettings>,
}

/// Where rejected records go.
#[derive(Clone, Debug)]
pub struct DeadLetterSettings {
    pub topic: String,
    pub replication: i16,
    /// Whether headers tell why.
    pub with_context: bool,
}

/// What a sink reads.
pub enum Topics {
    Named(Vec<String>),
    Matching(Box<JavaRegex>),
}

impl SinkSettings {
    /// Reads the settings of a connector.
    ///
    /// # Errors
    /// The first error of any key, with Java's text.
    pub fn read(config: &Properties) -> Result<Self, String> {
        let values = framework_definition().validate(config);
        if let Some(error) = values.iter().flat_map(|value| &value.errors).next() {
            return Err(error.clone());
        }
        let values = Values(&values);
        let topic: String = values.get("errors.deadletterqueue.topic.name")?;
        let tolerance: String = values.get("errors.tolerance")?;
        let tasks_max: i32 = values.get("tasks.max")?;
        let dead_letters = if topic.is_empty() {
            None
        } else {
            Some(DeadLetterSettings {
                topic,
                replication: values.get("errors.deadletterqueue.topic.replication.factor")?,
                with_context: values.get("errors.deadletterqueue.context.headers.enable")?,
            })
        };
        Ok(SinkSettings {
            tasks_max: usize::try_from(tasks_max).unwrap_or(1),
            enforces_tasks_max: values.get("tasks.max.enforce")?,
            tolerates_errors: tolerance == "all",
            logs_errors: values.get("errors.log.enable")?,
            logs_records: values.get("errors.log.include.messages")?,
            dead_letters,
        })
    }
}

impl Topics {
    /// Reads `topics` or `topics.regex`. Topics named twice count once and empty names not at all: such a list is
    /// refused today, but may have been stored before.
    ///
    /// # Errors
    /// If the pattern is none, with Java's text.
    pub fn read(connector: &str, config: &Properties) -> Result<Self, String> {
        let pattern = java_trim(config.get("topics.regex").unwrap_or_default());
        if !pattern.is_empty() {
            let pattern = JavaRegex::compile(pattern)?;
            return Ok(Topics::Matching(Box::new(pattern)));
        }
        let mut named: Vec<String> = Vec::new();
        let mut dropped = 0;
        for topic in list_items(config.get("topics").unwrap_or_default()) {
            if topic.is_empty() || named.iter().any(|known| known == topic) {
                dropped += 1;
            } else {
                named.push(topic.to_owned());
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

/// The class and the settings of a converter in one of the roles `key.converter`, `value.converter` and
/// `header.converter`: the connector's if it names one, else the worker's.
pub fn converter(
    worker: &WorkerConfig,
    connector: &Properties,
    role: &str,
) -> (String, Properties) {
    let prefix = format!("{role}.");
    if let Some(class) = connector.get(role) {
        return (class.to_owned(), connector.with_prefix(&prefix));
    }
    let defaults = &worker.settings;
    let class = match role {
        "key.converter" => &defaults.key_converter,
        "header.converter" => &defaults.header_converter,
        _ => &defaults.value_converter,
    };
    (class.clone(), worker.properties.with_prefix(&prefix))
}

struct Values<'a>(&'a [ConfigValue]);

impl Values<'_> {
    fn get<T: FromParsed>(&self, key: &str) -> Result<T, String> {
        let value = self.0.iter().find(|value| value.name == key);
        T::from_parsed(value.and_then(|value| value.value.as_ref()))
            .ok_or_else(|| format!("Invalid value null for configuration {key}"))
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
        SinkSettings::read(&config)
    }

    #[test]
    fn report_a5_start_reads_what_validation_reads() {
        let settings = read(&[
            ("errors.tolerance", " all "),
            ("errors.log.enable", " TRUE"),
            ("tasks.max", "+3"),
            ("tasks.max.enforce", "FALSE"),
            ("errors.deadletterqueue.topic.name", " dlq "),
        ]);
        let settings = settings.expect("validation takes these");
        assert!(settings.tolerates_errors && settings.logs_errors);
        assert_eq!(
            (settings.tasks_max, settings.enforces_tasks_max),
            (3, false)
        );
        let dead = settings.dead_letters.expect("a topic is named");
        assert_eq!((dead.topic.as_str(), dead.replication), ("dlq", 3));
        let refused = read(&[("errors.tolerance", "ALL")]);
        assert_eq!(
            refused.expect_err("validation refuses this"),
            "Invalid value ALL for configuration errors.tolerance: String must be one of: none, all"
        );
    }

    #[test]
    fn report_a24_a_stored_list_with_a_topic_twice_still_starts() {
        let config = Properties::from_iter([("topics", "t,,u, t,")]);
        match Topics::read("s", &config) {
            Ok(Topics::Named(topics)) => assert_eq!(topics, ["t", "u"]),
            Ok(Topics::Matching(_)) | Err(_) => panic!("a list of topics"),
        }
    }
}
