//! The rules about a sink's topics that concern several keys at once.

use millstream_core::java_regex::JavaRegex;
use millstream_core::{ConfigValue, Properties};

/// A sink reads from a list of topics or from a pattern, and never from its own dead letters.
pub(super) fn check(config: &Properties, values: &mut [ConfigValue]) {
    let given = |key| {
        config
            .get(key)
            .map(str::trim)
            .filter(|text| !text.is_empty())
    };
    let (topics, regex) = (given("topics"), given("topics.regex"));
    let mut add = |key: &str, message: String| {
        if let Some(value) = values.iter_mut().find(|value| value.name == key) {
            value.errors.push(message);
        }
    };
    let both = match (topics, regex) {
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
    let Some(dead) = given("errors.deadletterqueue.topic.name") else {
        return;
    };
    if let Some(topics) = topics {
        let topics: Vec<&str> = topics.split(',').map(str::trim).collect();
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
    if let Some(regex) = regex {
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
