//! Inputs: sinks whose records come from elsewhere than Kafka, as `input.type` says. The sink itself is the same: it is told
//! of one topic, which stands for the input.

use crate::registry::PluginRegistry;
use millstream_core::config::{ConfigDef, ConfigValue, Importance, Key, Kind, Width};
use millstream_core::message::{INPUT_IS_LOG, INPUT_TYPE};
use millstream_core::{InputPlugin, Properties};

/// Stands for the topic of an input whose settings do not say which it is.
const NO_TOPIC: &str = "input";

/// The input of a sink's configuration.
pub(crate) struct Input<'a> {
    name: &'a str,
    plugin: Option<&'a InputPlugin>,
    names: Vec<&'static str>,
}

impl<'a> Input<'a> {
    /// `None` where the records come from Kafka.
    pub(crate) fn of(registry: &'a PluginRegistry, config: &'a Properties) -> Option<Self> {
        let name = config.get(INPUT_TYPE)?;
        let inputs = registry.inputs.iter();
        Some(Input {
            name,
            plugin: inputs.clone().find(|plugin| plugin.name == name),
            names: inputs.map(|plugin| plugin.name).collect(),
        })
    }

    /// The configuration as the sink reads it: with the input's topic for those of Kafka.
    pub(crate) fn as_sink_reads(&self, config: &Properties) -> Properties {
        let topic = self.plugin.and_then(|plugin| (plugin.topic)(config));
        let mut config = config.clone();
        config.remove("topics.regex");
        config.insert("topics", topic.as_deref().unwrap_or(NO_TOPIC));
        // Nobody else says so.
        config.remove(INPUT_IS_LOG);
        if self.plugin.is_some_and(|plugin| (plugin.is_log)(&config)) {
            config.insert(INPUT_IS_LOG, "true");
        }
        config
    }

    /// Its keys with what they come to and all their errors; then errors of keys of others, without a definition.
    pub(crate) fn validate(&self, config: &Properties) -> Vec<(Option<Key>, ConfigValue)> {
        let mut own = Key::required(INPUT_TYPE, Kind::String)
            .importance(Importance::High)
            .group("Queue", 1, Width::Short, "Input")
            .doc("Where records come from, in place of ``topics``.");
        own.recommended = self.names.iter().map(|name| (*name).into()).collect();
        let mut value = ConfigDef::new(vec![own.clone()]).validate(config).remove(0);
        if self.plugin.is_none() {
            value.errors.push(format!(
                "{INPUT_TYPE}: there is no input {}; write {}, or remove it to read from Kafka",
                self.name,
                self.names.join(" or ")
            ));
        }
        let mut found = vec![(Some(own), value)];
        for key in ["topics", "topics.regex"] {
            if config.get(key).is_some_and(|text| !text.trim().is_empty()) {
                let why = format!(
                    "{key}: records come from {INPUT_TYPE}, which is {}; remove one of the two",
                    self.name
                );
                found.push((None, error_value(key, why)));
            }
        }
        if let Some(plugin) = self.plugin {
            let definition = (plugin.config_def)();
            let values = (plugin.validate)(config).into_iter();
            found.extend(values.map(|value| (definition.key(&value.name).cloned(), value)));
        }
        found
    }

    /// What is no error and should be known, by the keys that it is about.
    pub(crate) fn remarks(&self, config: &Properties) -> Vec<(&'static str, String)> {
        self.plugin
            .map_or_else(Vec::new, |plugin| (plugin.remarks)(config))
    }
}

fn error_value(key: &str, why: String) -> ConfigValue {
    ConfigValue {
        name: key.to_owned(),
        value: None,
        recommended: Vec::new(),
        errors: vec![why],
        visible: true,
    }
}

/// The configuration of a task as its sink reads it, if its records come from an input.
pub fn task_of_input(registry: &PluginRegistry, config: &Properties) -> Option<Properties> {
    Some(Input::of(registry, config)?.as_sink_reads(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry() -> PluginRegistry {
        let key = || ConfigDef::new(vec![Key::required("pond.name", Kind::String)]);
        PluginRegistry {
            inputs: vec![InputPlugin {
                name: "pond",
                config_def: key,
                validate: |config| {
                    let key = ConfigDef::new(vec![Key::required("pond.name", Kind::String)]);
                    let mut values = key.validate(config);
                    values.push(error_value(
                        "flush.size",
                        "flush.size: too large".to_owned(),
                    ));
                    values
                },
                topic: |config| config.get("pond.name").map(str::to_owned),
                is_log: |config| config.contains("pond.log"),
                remarks: |_| vec![("input.type", "ducks come twice".to_owned())],
            }],
            ..PluginRegistry::default()
        }
    }

    fn errors(settings: &[(&str, &str)]) -> Vec<String> {
        let config = Properties::from_iter(settings.iter().copied());
        let registry = registry();
        let found = Input::of(&registry, &config).map(|input| input.validate(&config));
        let values = found.into_iter().flatten().map(|(_, value)| value);
        values.flat_map(|value| value.errors).collect()
    }

    #[test]
    fn an_input_is_named_and_takes_the_place_of_topics() {
        assert!(errors(&[("topics", "t")]).is_empty());
        assert_eq!(
            errors(&[(INPUT_TYPE, "pond"), ("pond.name", "p")]),
            ["flush.size: too large"]
        );
        let unknown = errors(&[(INPUT_TYPE, "sea"), ("topics", "t")]);
        assert_eq!(
            unknown,
            [
                "input.type: there is no input sea; write pond, or remove it to read from Kafka",
                "topics: records come from input.type, which is sea; remove one of the two"
            ]
        );
    }

    #[test]
    fn a_sink_reads_one_topic() {
        let topics = |settings: &[(&str, &str)]| {
            let config = Properties::from_iter(settings.iter().copied());
            let config = task_of_input(&registry(), &config)?;
            assert!(!config.contains("topics.regex"));
            config.get("topics").map(str::to_owned)
        };
        assert_eq!(topics(&[("topics", "t")]), None);
        let pond = [
            (INPUT_TYPE, "pond"),
            ("topics.regex", "t.*"),
            ("pond.name", "p"),
        ];
        assert_eq!(topics(&pond).as_deref(), Some("p"));
        assert_eq!(topics(&pond[..1]).as_deref(), Some(NO_TOPIC));
    }

    #[test]
    fn a_sink_is_told_that_its_input_is_a_log() {
        let is_log = |more: &[(&str, &str)]| {
            let pond = [(INPUT_TYPE, "pond"), ("pond.name", "p")];
            let config = Properties::from_iter(pond.into_iter().chain(more.iter().copied()));
            let config = task_of_input(&registry(), &config).expect("it has an input");
            config.contains(INPUT_IS_LOG)
        };
        assert!(is_log(&[("pond.log", "1")]));
        assert!(!is_log(&[]) && !is_log(&[(INPUT_IS_LOG, "true")]));
    }
}
