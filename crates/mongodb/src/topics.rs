//! Which topics a connector takes, and the settings of each: fixed in advance for a list, made when first
//! seen for a pattern.

use crate::classes::chain_that_asks_for_ids;
use crate::config::{MongoConfig, checks};
use crate::settings::{ID_STRATEGY, Problem, TopicSettings, with_overrides};
use millstream_core::config::{ConfigValue, Parsed};
use millstream_core::{ConnectorError, Properties, RecordError};
use millstream_java::regex::JavaRegex;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

pub(crate) struct Topics {
    properties: Properties,
    /// `None`: the topics are the listed ones.
    pattern: Option<JavaRegex>,
    known: HashMap<Arc<str>, Arc<TopicSettings>>,
    listed: Vec<String>,
}

/// Java's text where the settings of a topic do not parse or do not go together.
pub(crate) struct TopicsError {
    pub(crate) class: &'static str,
    pub(crate) message: String,
}

const CONFIG_EXCEPTION: &str = "org.apache.kafka.common.config.ConfigException";
/// What keys of overrides begin with, before the topic.
const OVERRIDE: &str = "topic.override.";

const CONNECT_CONFIG_EXCEPTION: &str = "com.mongodb.kafka.connect.util.ConnectConfigException";

impl Topics {
    pub(crate) fn new(properties: &Properties, config: &MongoConfig) -> Result<Self, TopicsError> {
        let pattern = match config.topics_regex.as_str() {
            "" => None,
            text => {
                let pattern = JavaRegex::compile(text).map_err(|message| TopicsError {
                    class: CONFIG_EXCEPTION,
                    message,
                })?;
                Some(pattern)
            }
        };
        let mut topics = Topics {
            properties: properties.clone(),
            pattern,
            known: HashMap::new(),
            listed: config.topics.clone(),
        };
        for topic in config.topics.clone() {
            topics.add(&topic)?;
        }
        Ok(topics)
    }

    /// The settings for a record's topic.
    pub(crate) fn get(&mut self, topic: &str) -> Result<Arc<TopicSettings>, RecordError> {
        if let Some(settings) = self.known.get(topic) {
            return Ok(Arc::clone(settings));
        }
        let unknown = |why: String| {
            Err(RecordError::new(
                CONFIG_EXCEPTION,
                format!("Unknown topic: {topic}, {why}"),
            ))
        };
        match &self.pattern {
            None => unknown(format!("must be one of: [{}]", self.listed.join(", "))),
            Some(pattern) => match pattern.is_full_match(topic) {
                Ok(true) => self
                    .add(topic)
                    .map_err(|error| RecordError::new(error.class, error.message)),
                Ok(false) => unknown(format!("does not match: {}", pattern.pattern())),
                Err(undecided) => Err(RecordError::new(undecided.class, undecided.message)),
            },
        }
    }

    /// Whether a test holds for every topic that may come.
    pub(crate) fn all(&self, test: impl Fn(&TopicSettings) -> bool) -> bool {
        if self.pattern.is_some() {
            // Without overrides all topics share their settings but for the collection's name.
            let has_overrides = !self.properties.with_prefix(OVERRIDE).is_empty();
            return !has_overrides
                && settings_for(&self.properties, "topic").is_ok_and(|settings| test(&settings));
        }
        self.known.values().all(|settings| test(settings))
    }

    fn add(&mut self, topic: &str) -> Result<Arc<TopicSettings>, TopicsError> {
        let settings = Arc::new(settings_for(&self.properties, topic)?);
        self.known.insert(topic.into(), Arc::clone(&settings));
        Ok(settings)
    }
}

/// The settings of all topics that are known before records come: those that are listed, or have settings of their own.
/// Where some are wrong, which validation tells, they are left out.
pub(crate) fn of_all(properties: &Properties) -> Vec<(String, TopicSettings)> {
    let topics: BTreeSet<String> = if is_set(properties, "topics") {
        listed(properties).map(str::to_owned).collect()
    } else {
        let overridden = overridden(properties);
        let shared = overridden.is_empty().then(|| "__default".to_owned());
        overridden.into_iter().chain(shared).collect()
    };
    topics
        .into_iter()
        .filter_map(|topic| {
            let settings = settings_for(properties, &topic).ok()?;
            Some((topic, settings))
        })
        .collect()
}

/// What is to be said of settings that are right, each with the key as it is spelt: for a topic or for all.
pub(crate) fn remarks(
    properties: &Properties,
    of_topic: impl Fn(&TopicSettings) -> Vec<(&'static str, &'static str)>,
) -> Vec<(String, String)> {
    let mut remarks = Vec::new();
    for (topic, settings) in of_all(properties) {
        for (key, text) in of_topic(&settings) {
            let remark = (spelled(properties, &topic, key), text.to_owned());
            if !remarks.contains(&remark) {
                remarks.push(remark);
            }
        }
    }
    remarks
}

/// A topic's key as whoever set it has spelt it.
fn spelled(properties: &Properties, topic: &str, key: &str) -> String {
    let full = format!("{OVERRIDE}{topic}.{key}");
    if properties.contains(&full) {
        full
    } else {
        key.to_owned()
    }
}

fn settings_for(properties: &Properties, topic: &str) -> Result<TopicSettings, TopicsError> {
    let merged = with_overrides(properties, topic);
    let (config, values) = MongoConfig::parse(&merged);
    let Some(config) = config else {
        return Err(TopicsError {
            class: CONFIG_EXCEPTION,
            message: first_error(&values),
        });
    };
    TopicSettings::resolve(&config, topic, &merged).map_err(|problems| TopicsError {
        class: CONNECT_CONFIG_EXCEPTION,
        message: problems
            .into_iter()
            .next()
            .map(|problem| problem.message)
            .unwrap_or_default(),
    })
}

pub(crate) fn first_error(values: &[ConfigValue]) -> String {
    values
        .iter()
        .find_map(|value| value.errors.first().cloned())
        .unwrap_or_default()
}

/// The values of the single settings. A null among them that has no error is as good as no setting.
pub(crate) fn values(properties: &Properties) -> Vec<ConfigValue> {
    let mut values = MongoConfig::definition().validate(properties);
    checks::refuse_nulls(properties, &mut values);
    values
}

/// The part of validation that looks at settings together, put into the values of the single ones.
pub(crate) fn validate(properties: &Properties, values: &mut Vec<ConfigValue>) {
    for value in values
        .iter_mut()
        .filter(|v| v.name == checks::OVERRIDE_PLACEHOLDER)
    {
        value.visible = false;
    }
    if values.iter().any(|value| !value.errors.is_empty()) {
        return;
    }
    let (has_topics, has_pattern) = (
        is_set(properties, "topics"),
        is_set(properties, "topics.regex"),
    );
    if has_topics == has_pattern {
        let message = if has_topics {
            "topics and topics.regex are mutually exclusive options, but both are set."
        } else {
            "Must configure one of topics or topics.regex"
        };
        add_error(values, "topics", message.to_owned());
    }
    if has_topics {
        for topic in listed(properties) {
            validate_topic(properties, topic, values);
        }
    } else if has_pattern {
        let mut overridden = overridden(properties);
        if overridden.is_empty() {
            // Settings that all topics share are seen under any name.
            overridden.insert("topic".to_owned());
        }
        for topic in overridden {
            validate_topic(properties, &topic, values);
        }
    }
}

pub(crate) fn is_set(properties: &Properties, key: &str) -> bool {
    let text = properties.get(key);
    text.is_some_and(|text| !text.trim().is_empty())
}

fn listed(properties: &Properties) -> impl Iterator<Item = &str> {
    let listed = properties.get("topics").unwrap_or_default().split(',');
    listed.map(str::trim)
}

/// The topics that have settings of their own.
fn overridden(properties: &Properties) -> BTreeSet<String> {
    let overrides = properties.with_prefix(OVERRIDE);
    let overrides = overrides.iter();
    overrides
        .filter_map(|(key, _)| Some(key.split_once('.')?.0.to_owned()))
        .collect()
}

/// Whether something is wrong that keeps the original from trying the connection. With a pattern it makes the settings of
/// those topics alone that have their own and match; what else is wrong is told beside the connection.
pub(crate) fn stops_probe(properties: &Properties) -> bool {
    let mut values = values(properties);
    let has_errors = |values: &[ConfigValue]| values.iter().any(|value| !value.errors.is_empty());
    if has_errors(&values) {
        return true;
    }
    let pattern = match (is_set(properties, "topics"), properties.get("topics.regex")) {
        (true, _) => {
            validate(properties, &mut values);
            return has_errors(&values);
        }
        (false, pattern) => pattern.filter(|text| !text.trim().is_empty()),
    };
    let Some(pattern) = pattern.map(str::trim).map(JavaRegex::compile) else {
        return true;
    };
    let matches = |topic: &str| {
        pattern
            .as_ref()
            .is_ok_and(|one| one.is_full_match(topic) == Ok(true))
    };
    for topic in overridden(properties) {
        if matches(&topic) {
            validate_topic(properties, &topic, &mut values);
        }
    }
    has_errors(&values)
}

/// What the original throws at an override of a topic without a key: it looks for the dot between them.
pub(crate) fn throws(properties: &Properties) -> Option<ConnectorError> {
    let overrides = properties.with_prefix(OVERRIDE);
    let (topic, _) = overrides.iter().find(|(topic, _)| !topic.contains('.'))?;
    if values(properties)
        .iter()
        .any(|value| !value.errors.is_empty())
    {
        return None;
    }
    let length = OVERRIDE.len() + topic.encode_utf16().count();
    Some(ConnectorError {
        class: "java.lang.StringIndexOutOfBoundsException",
        message: format!("begin {}, end -1, length {length}", OVERRIDE.len()),
    })
}

fn validate_topic(properties: &Properties, topic: &str, values: &mut Vec<ConfigValue>) {
    let merged = with_overrides(properties, topic);
    let (config, topic_values) = MongoConfig::parse(&merged);
    let spelled = |key: &str| spelled(properties, topic, key);
    // Overrides are listed with their values, right or wrong; what comes before the database is the connector's alone.
    let of_topic = topic_values
        .into_iter()
        .skip_while(|value| value.name != "database");
    for value in of_topic {
        let name = spelled(&value.name);
        if values.iter().all(|known| known.name != name) {
            values.push(ConfigValue { name, ..value });
        }
    }
    let Some(config) = config else { return };
    if let Err(problems) = TopicSettings::resolve(&config, topic, &merged) {
        for Problem { key, mut message } in problems {
            let name = spelled(key);
            if name == ID_STRATEGY
                && let Some(chain) = chain_that_asks_for_ids(&config)
            {
                let own = format!("Invalid value {} ", config.document_id_strategy);
                message = message.replacen(&own, &format!("Invalid value {chain} "), 1);
                let shown = values.iter_mut().find(|value| value.name == name);
                if let Some(value) = shown.filter(|_| properties.contains("topics")) {
                    value.value = Some(Parsed::String(chain));
                }
            }
            add_error(values, &name, message);
        }
    }
    if config.csfle_enabled {
        for (key, is_empty) in [
            (
                "csfle.key.vault.namespace",
                config.csfle_key_vault_namespace.is_empty(),
            ),
            (
                "csfle.local.master.key",
                config.csfle_local_master_key.reveal().is_empty(),
            ),
        ] {
            if is_empty {
                add_error(
                    values,
                    key,
                    format!("{key} must be set when csfle.enabled=true"),
                );
            }
        }
    }
}

pub(crate) fn add_error(values: &mut Vec<ConfigValue>, key: &str, message: String) {
    match values.iter_mut().find(|value| value.name == key) {
        Some(value) if value.errors.contains(&message) => {}
        Some(value) => value.errors.push(message),
        None => values.push(ConfigValue {
            name: key.to_owned(),
            value: None,
            recommended: Vec::new(),
            errors: vec![message],
            visible: true,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The errors of a key, its value and whether it is visible, as validation shows them.
    fn shown(more: &[(&str, &str)], key: &str) -> Option<(Vec<String>, Option<String>, bool)> {
        let mut properties = Properties::from_iter([("topics", "t"), ("database", "d")]);
        for (key, value) in more {
            properties.insert(*key, *value);
        }
        let mut values = MongoConfig::definition().validate(&properties);
        validate(&properties, &mut values);
        let value = values.into_iter().find(|value| value.name == key)?;
        let text = value.value.map(|value| value.to_text());
        Some((value.errors, text, value.visible))
    }

    fn right(value: &str, visible: bool) -> Option<(Vec<String>, Option<String>, bool)> {
        Some((Vec::new(), Some(value.to_owned()), visible))
    }

    #[test]
    fn overrides_are_listed_and_their_placeholder_is_not_visible() {
        assert_eq!(shown(&[], "topic.override.%s.%s"), right("", false));
        let key = "topic.override.t.max.batch.size";
        assert_eq!(shown(&[(key, " 3 ")], key), right("3", true));
        assert_eq!(shown(&[(key, "3")], "max.batch.size"), right("0", true));
        let (errors, value, _) = shown(&[(key, "x")], key).expect("an override");
        assert_eq!(value, None);
        assert_eq!(
            errors,
            [
                "Invalid value x for configuration max.batch.size: Not a number of type INT",
                "Invalid value null for configuration max.batch.size: Value must be non-null"
            ]
        );
        for unknown in ["topic.override.t.zork", "topic.override.t.connection.uri"] {
            assert_eq!(shown(&[(unknown, "x")], unknown), None);
        }
    }

    #[test]
    fn a_topic_without_a_name_is_an_error_of_its_key() {
        for mapper in ["DefaultNamespaceMapper", "FieldPathNamespaceMapper"] {
            let mapper = format!("com.mongodb.kafka.connect.sink.namespace.mapping.{mapper}");
            let settings = [
                ("topics", "a,,b"),
                ("namespace.mapper", mapper.as_str()),
                ("namespace.mapper.value.collection.field", "x"),
            ];
            let (errors, ..) = shown(&settings, "topics").expect("the key");
            assert_eq!(errors.len(), 1, "{errors:?}");
        }
    }

    /// Java's own answers.
    #[test]
    fn a_strategy_of_ids_that_is_not_there_is_shown_as_the_chain_that_asks_for_it() {
        const IDS: &str = "document.id.strategy";
        const ADDER: &str = "com.mongodb.kafka.connect.sink.processor.DocumentIdAdder";
        const OTHER: &str = "com.mongodb.kafka.connect.sink.processor.KafkaMetaAdder";
        let both = format!("{OTHER},{ADDER}");
        for (more, told) in [
            (&[][..], format!("[{ADDER}]")),
            (
                &[("post.processor.chain", both.as_str())],
                format!("[{OTHER}, {ADDER}]"),
            ),
            (&[("post.processor.chain", OTHER)], "x".to_owned()),
            (&[("delete.on.null.values", "true")], "x".to_owned()),
        ] {
            let settings: Vec<(&str, &str)> = more.iter().copied().chain([(IDS, "x")]).collect();
            let error = format!("Invalid value {told} for configuration {IDS}: Class not found: x");
            assert_eq!(shown(&settings, IDS), Some((vec![error], Some(told), true)));
        }
        // Under the key that is to be mended.
        let key = "topic.override.t.document.id.strategy";
        let error = format!("Invalid value x for configuration {IDS}: Class not found: x");
        assert_eq!(
            shown(&[(key, "x")], key),
            Some((vec![error], Some("x".to_owned()), true))
        );
    }

    fn with_pattern(more: &[(&str, &str)]) -> Properties {
        let mut properties = Properties::from_iter([("topics.regex", "t.*"), ("database", "d")]);
        for (key, value) in more {
            properties.insert(*key, *value);
        }
        properties
    }

    /// Java's own answers: which keys have errors, and whether the connection is tried all the same.
    #[test]
    fn report_c10_a_pattern_with_overrides_is_validated_as_the_original_does() {
        const MAPPER: &str =
            "com.mongodb.kafka.connect.sink.namespace.mapping.DefaultNamespaceMapper";
        let size = "topic.override.t1.max.batch.size";
        let mapper = "topic.override.t1.namespace.mapper";
        for (more, wrong, stops) in [
            (&[][..], &[][..], false),
            (&[(size, " 3 ")], &[], false),
            (&[(size, "x")], &[size], true),
            // Beside a topic that the pattern does not match, and one without a name, the connection is tried.
            (
                &[("topic.override.u1.max.batch.size", "x")],
                &["topic.override.u1.max.batch.size"],
                false,
            ),
            (
                &[("topic.override..max.batch.size", "x")],
                &["topic.override..max.batch.size"],
                false,
            ),
            (&[(mapper, "x")], &[mapper], true),
            (&[("topic.override.t1.zork", "x")], &[], false),
            (&[("topic.override.t.1.max.batch.size", "x")], &[], false),
            // What all topics share is looked at where none has its own, and does not stop anything then.
            (&[("namespace.mapper", "x")], &["namespace.mapper"], false),
            (
                &[("namespace.mapper", "x"), (size, "3")],
                &["namespace.mapper"],
                true,
            ),
            (&[("namespace.mapper", "x"), (mapper, MAPPER)], &[], false),
            (&[("database", "")], &["database"], true),
        ] {
            let properties = with_pattern(more);
            let mut values = MongoConfig::definition().validate(&properties);
            validate(&properties, &mut values);
            let shown: Vec<&str> = values
                .iter()
                .filter(|value| !value.errors.is_empty())
                .map(|value| value.name.as_str())
                .collect();
            assert_eq!(shown, wrong, "{more:?}");
            assert_eq!(stops_probe(&properties), stops, "{more:?}");
        }
    }

    #[test]
    fn report_c10_an_override_without_a_key_is_thrown_at() {
        let error = throws(&with_pattern(&[("topic.override.t1", "x")])).expect("an error");
        assert_eq!(error.class, "java.lang.StringIndexOutOfBoundsException");
        assert_eq!(error.message, "begin 15, end -1, length 17");
        assert!(throws(&with_pattern(&[("topic.override.t1.", "x")])).is_none());
    }
}
