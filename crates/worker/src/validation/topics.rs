//! The rules about a sink's topics that concern several keys at once.

use super::Configs;
use millstream_core::config::{Validator, java_trim, list_items};
use millstream_core::{ConfigValue, Properties, config::Parsed};
use millstream_java::regex::JavaRegex;

/// A sink reads from a list of topics or from a pattern. The list is checked here and not by its definition: one that
/// was stored before the check was made still starts.
pub(super) fn check(config: &Properties, values: &mut [ConfigValue]) {
    const LIST: Validator = Validator::List {
        may_be_empty: true,
        may_repeat: false,
    };
    let mut add = |key: &str, message: String| {
        if let Some(value) = values.iter_mut().find(|value| value.name == key) {
            value.errors.push(message);
        }
    };
    let items = list_items(config.get("topics").unwrap_or_default());
    let items = items.map(str::to_owned).collect();
    if let Err(message) = LIST.check("topics", Some(&Parsed::List(items))) {
        add("topics", message);
    }
    let both = match (given(config, "topics"), given(config, "topics.regex")) {
        (None, None) => Some("Must configure one of topics or topics.regex"),
        (Some(_), Some(_)) => {
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
pub(super) fn refuse_dead_letter_loop(config: &Properties, configs: &mut Configs) {
    let Some(dead) = given(config, "errors.deadletterqueue.topic.name") else {
        return;
    };
    let mut add = |key: &str, message: String| {
        if let Some((_, value)) = configs.iter_mut().find(|(_, value)| value.name == key) {
            value.errors.push(message);
        }
    };
    if let Some(topics) = given(config, "topics") {
        let topics: Vec<&str> = list_items(topics).collect();
        if topics.contains(&dead) {
            let topics = topics.join(", ");
            add(
                "topics",
                format!(
                    "The DLQ topic '{dead}' may not be included in the list of topics ('topics=[{topics}]') consumed by the connector"
                ),
            );
        }
    }
    if let Some(regex) = given(config, "topics.regex") {
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

fn given<'a>(config: &'a Properties, key: &str) -> Option<&'a str> {
    let text = config.get(key).map(java_trim);
    text.filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_core::Key;
    use millstream_core::config::Kind;

    /// MongoDB's sink defines its topics itself, and its definitions take the place of the framework's.
    #[test]
    fn report_b6_holds_for_connectors_that_define_their_topics() {
        for (topics, regex, named) in [
            ("orders-dlq,x", "", "topics"),
            ("", "orders.*", "topics.regex"),
        ] {
            let config = Properties::from_iter([
                ("topics", topics),
                ("topics.regex", regex),
                ("errors.deadletterqueue.topic.name", "orders-dlq"),
            ]);
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
            refuse_dead_letter_loop(&config, &mut configs);
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
