//! The rules about a sink's topics that concern several keys at once.

use super::Configs;
use crate::connector_config::TopicKeys;
use millstream_core::ConfigValue;
use millstream_core::config::{Parsed, Validator};
use millstream_java::regex::JavaRegex;

/// A sink reads from a list of topics or from a pattern. The list is checked here and not by its definition: one that
/// was stored before the check was made still starts.
pub(super) fn check(keys: &TopicKeys, values: &mut [ConfigValue]) {
    const LIST: Validator = Validator::List {
        may_be_empty: true,
        may_repeat: false,
    };
    let mut add = |key: &str, message: String| {
        if let Some(value) = values.iter_mut().find(|value| value.name == key) {
            value.errors.push(message);
        }
    };
    let items = Parsed::List(keys.topics.clone());
    if let Err(message) = LIST.check("topics", Some(&items)) {
        add("topics", message);
    }
    let both = match (keys.topics.is_empty(), keys.pattern.is_empty()) {
        (true, true) => Some("Must configure one of topics or topics.regex"),
        (false, false) => {
            Some("topics and topics.regex are mutually exclusive options, but both are set.")
        }
        _ => None,
    };
    for key in ["topics", "topics.regex"] {
        if let Some(message) = both {
            add(key, message.to_owned());
        }
    }
}

/// A sink must not read its own dead letters: each would make another. Looked at after the connector's own keys have
/// taken the place of the framework's, so that it holds for connectors that define their topics themselves.
pub(super) fn refuse_dead_letter_loop(keys: &TopicKeys, configs: &mut Configs) {
    let dead = &keys.dead_letters;
    if dead.is_empty() {
        return;
    }
    let mut add = |key: &str, message: String| {
        if let Some((_, value)) = configs.iter_mut().find(|(_, value)| value.name == key) {
            value.errors.push(message);
        }
    };
    if keys.topics.contains(dead) {
        let topics = keys.topics.join(", ");
        add(
            "topics",
            format!(
                "The DLQ topic '{dead}' may not be included in the list of topics ('topics=[{topics}]') consumed by the connector"
            ),
        );
    }
    if !keys.pattern.is_empty() {
        let regex = &keys.pattern;
        let is_match = JavaRegex::compile(regex).map(|pattern| pattern.is_full_match(dead));
        if let Ok(Ok(true)) = is_match {
            add(
                "topics.regex",
                format!(
                    "The DLQ topic '{dead}' may not be matched by the regex for the topics ('topics.regex={regex}') consumed by the connector"
                ),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_core::Key;
    use millstream_core::config::Kind;

    /// MongoDB's sink defines its topics itself, and its definitions take the place of the framework's.
    #[test]
    fn report_b6_holds_for_connectors_that_define_their_topics() {
        let named: &[&str] = &["orders-dlq", "x"];
        for (topics, pattern, named) in [(named, "", "topics"), (&[], "orders.*", "topics.regex")] {
            let keys = TopicKeys {
                topics: topics.iter().copied().map(str::to_owned).collect(),
                pattern: pattern.to_owned(),
                dead_letters: "orders-dlq".to_owned(),
            };
            let own = |name: &'static str| {
                let value = ConfigValue {
                    name: name.to_owned(),
                    value: None,
                    recommended: Vec::new(),
                    errors: Vec::new(),
                    visible: true,
                };
                (Some(Key::new(name, Kind::String, "")), value)
            };
            let mut configs = vec![own("topics"), own("topics.regex")];
            refuse_dead_letter_loop(&keys, &mut configs);
            for (_, value) in configs {
                assert_eq!(
                    value.errors.len(),
                    usize::from(value.name == named),
                    "{named}"
                );
            }
        }
    }
}
