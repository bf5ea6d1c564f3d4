//! Keys whose value is null, which JSON has and files of properties have not.

use super::Configs;
use millstream_core::config::ConfigDef;
use millstream_core::{ConfigValue, Properties};

/// A null is an error for a key of the framework or of nobody; of its own keys the connector itself says what it does without.
pub(super) fn refuse(config: &Properties, own: &ConfigDef, configs: &mut Configs) {
    const REFUSED: &str = "Null value can not be supplied as the configuration value.";
    let mut unknown = Vec::new();
    for (name, _) in config.entries().filter(|(_, value)| value.is_none()) {
        match configs.iter_mut().find(|(_, value)| value.name == name) {
            Some(_) if own.key(name).is_some() => {}
            Some((_, value)) => {
                value.errors.splice(0..0, refused_as_list(name));
                value.errors.push(REFUSED.to_owned());
            }
            None => unknown.push((
                None,
                ConfigValue {
                    name: name.to_owned(),
                    value: None,
                    recommended: Vec::new(),
                    errors: vec![REFUSED.to_owned()],
                    visible: true,
                },
            )),
        }
    }
    configs.splice(0..0, unknown);
}

/// What Java's check of a list says of a null. A start can do without; only who validates is told.
fn refused_as_list(name: &str) -> Option<String> {
    match name {
        "transforms" | "predicates" | "topic.creation.groups" => Some(format!(
            "Invalid value null for configuration {name}: entry must be non null"
        )),
        "topics" => Some(format!("Configuration '{name}' values must not be null.")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector_config::framework_keys;
    use millstream_core::ConnectorKind;
    use millstream_core::config::{Key, Kind, Validator};

    /// The errors of a key of the framework that is null.
    fn errors(kind: ConnectorKind, name: &str) -> Vec<String> {
        let framework = ConfigDef::new(framework_keys(kind));
        let mut config = Properties::new();
        config.insert_null(name);
        let keys = framework.keys().iter().cloned().map(Some);
        let mut configs: Configs = keys.zip(framework.validate(&config)).collect();
        refuse(&config, &ConfigDef::new(Vec::new()), &mut configs);
        let found = configs.into_iter().find(|(_, value)| value.name == name);
        found.map(|(_, value)| value.errors).unwrap_or_default()
    }

    #[test]
    fn a_null_for_topics_is_told_by_the_check_of_the_list_first() {
        assert_eq!(
            errors(ConnectorKind::Sink, "topics"),
            [
                "Configuration 'topics' values must not be null.",
                "Null value can not be supplied as the configuration value."
            ]
        );
    }

    /// Java's workers answer 500.
    #[test]
    fn a_null_that_ends_javas_validation_is_an_error_of_its_key() {
        for (kind, name) in [
            (ConnectorKind::Sink, "errors.deadletterqueue.topic.name"),
            (ConnectorKind::Source, "offsets.storage.topic"),
        ] {
            assert_eq!(
                errors(kind, name),
                ["Null value can not be supplied as the configuration value."],
                "{name}"
            );
        }
    }

    /// As Java's worker answers for its own connectors, and for those of Confluent and MongoDB.
    #[test]
    fn a_null_of_the_connectors_own_is_judged_by_the_connector_alone() {
        let own = ConfigDef::new(vec![
            Key::null("own", Kind::String),
            Key::null("own.size", Kind::Int).validator(Validator::AtLeast(1)),
        ]);
        let framework = ConfigDef::new(vec![
            Key::null("version", Kind::String),
            Key::new("transforms", Kind::List, ""),
        ]);
        let mut config = Properties::new();
        for key in ["own", "own.size", "version", "transforms", "nobody"] {
            config.insert_null(key);
        }
        let mut configs: Configs = Vec::new();
        for definition in [&framework, &own] {
            let keys = definition.keys().iter().cloned().map(Some);
            configs.extend(keys.zip(definition.validate(&config)));
        }
        refuse(&config, &own, &mut configs);
        let errors: Vec<(&str, bool, usize)> = configs
            .iter()
            .map(|(key, value)| (value.name.as_str(), key.is_some(), value.errors.len()))
            .collect();
        assert_eq!(
            errors,
            [
                ("nobody", false, 1),
                ("version", true, 1),
                ("transforms", true, 2),
                ("own", true, 0),
                ("own.size", true, 1),
            ]
        );
        assert_eq!(
            configs[4].1.errors,
            ["Invalid value null for configuration own.size: Value must be non-null"]
        );
    }
}
