//! Keys whose value is null, which JSON has and files of properties have not.

use super::Configs;
use millstream_core::config::ConfigDef;
use millstream_core::{ConfigValue, Properties};

/// A null is an error for a key of the framework or of nobody; of its own keys the connector itself says what it does without.
pub(super) fn refuse(config: &Properties, own: &ConfigDef, configs: &mut Configs) {
    const REFUSED: &str = "Null value can not be supplied as the configuration value.";
    const LISTS_OF_NAMES: [&str; 3] = ["transforms", "predicates", "topic.creation.groups"];
    let mut unknown = Vec::new();
    for (name, _) in config.entries().filter(|(_, value)| value.is_none()) {
        match configs.iter_mut().find(|(_, value)| value.name == name) {
            Some(_) if own.key(name).is_some() => {}
            Some((_, value)) => {
                // A start can do without; only who validates is told.
                if LISTS_OF_NAMES.contains(&name) {
                    let why = format!(
                        "Invalid value null for configuration {name}: entry must be non null"
                    );
                    value.errors.push(why);
                }
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

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_core::config::{Key, Kind, Validator};

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
