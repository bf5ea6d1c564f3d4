//! TopicNameMatches: whether the pattern matches the record's whole topic.

use crate::settings::checked;
use millstream_core::config::validator::invalid;
use millstream_core::config::{Key, Kind, Parsed, Validator};
use millstream_core::converter::RowErrors;
use millstream_core::{
    Destination, Needs, PluginError, Predicate, PredicatePlugin, Properties, RecordBatch,
    RecordError, RowMask, config_def,
};
use millstream_java::regex::{JavaRegex, check_pattern};

pub(crate) const PLUGIN: PredicatePlugin = PredicatePlugin {
    class: "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
    config_def: TopicNameMatchesConfig::definition,
    make: |properties| Ok(Box::new(TopicNameMatches::new(properties)?)),
};

config_def! {
    struct TopicNameMatchesConfig {
        pattern: String = Key::required("pattern", Kind::String)
            .doc("A Java regular expression for matching against the name of a record's topic.")
            .validator(Validator::Check(check_non_empty_pattern)),
    }
}

fn check_non_empty_pattern(name: &str, value: Option<&Parsed>) -> Result<(), String> {
    match value {
        Some(Parsed::String(pattern)) if pattern.is_empty() => {
            Err(invalid(name, value, "String must be non-empty"))
        }
        _ => check_pattern(name, value),
    }
}

struct TopicNameMatches {
    pattern: JavaRegex,
}

impl TopicNameMatches {
    fn new(properties: &Properties) -> Result<Self, PluginError> {
        let config = checked(TopicNameMatchesConfig::parse(properties))?;
        Ok(TopicNameMatches {
            pattern: JavaRegex::compile(&config.pattern).map_err(PluginError::config)?,
        })
    }
}

impl Predicate for TopicNameMatches {
    fn class_name(&self) -> &str {
        PLUGIN.class
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn test(&self, batch: &RecordBatch, errors: &mut RowErrors) -> RowMask {
        let rows = batch.len();
        let matches = |topic: &str| {
            self.pattern
                .is_full_match(topic)
                .map_err(|failure| RecordError::new(failure.class, failure.message))
        };
        match &batch.destination {
            Destination::Uniform(topic) => match matches(topic) {
                Ok(matching) => RowMask::from_fn(rows, |_| matching),
                Err(error) => {
                    errors.extend((0..rows).map(|row| (row, error.clone())));
                    RowMask::from_fn(rows, |_| false)
                }
            },
            Destination::PerRow(topics) => RowMask::from_fn(rows, |row| {
                matches(&topics[row]).unwrap_or_else(|error| {
                    errors.push((row, error));
                    false
                })
            }),
        }
    }
}
