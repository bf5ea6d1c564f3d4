//! The keys that every connector has, every sink and every source, with Java's definitions and texts. Validation and the
//! starts of connectors and tasks read them by this one definition, so that they never understand a text differently.

use millstream_core::chain::unique_aliases;
use millstream_core::config::validator::invalid;
use millstream_core::config::{FromParsed, Importance, Key, Kind, Parsed, Validator, Width};
use millstream_core::{ConfigValue, ConnectorKind, Properties, config_def};
use millstream_java::regex::check_pattern;

config_def! {
    /// The keys of every connector, in Java's order. Versions and converters get their defaults from the worker. A null that
    /// validation lets through is as good as no setting.
    pub struct ConnectorConfig {
        pub name: Option<String> = Key::required("name", Kind::String)
            .importance(Importance::High)
            .group("Common", 1, Width::Medium, "Connector name")
            .doc("Globally unique name to use for this connector.")
            .validator(Validator::Check(check_name)),
        pub connector_class: Option<String> = Key::required("connector.class", Kind::String)
            .importance(Importance::High)
            .group("Common", 2, Width::Long, "Connector class")
            .doc("Name or alias of the class for this connector. Must be a subclass of org.apache.kafka.connect.connector.Connector. If the connector is org.apache.kafka.connect.file.FileStreamSinkConnector, you can either specify this full name,  or use \"FileStreamSink\" or \"FileStreamSinkConnector\" to make the configuration a bit shorter"),
        pub connector_version: Option<String> = Key::null("connector.plugin.version", Kind::String)
            .importance(Importance::Medium)
            .group("Common", 3, Width::Medium, "Connector version")
            .doc("Version of the connector."),
        pub tasks_max: i32 = Key::new("tasks.max", Kind::Int, "1")
            .importance(Importance::High)
            .group("Common", 4, Width::Short, "Tasks max")
            .doc("Maximum number of tasks to use for this connector.")
            .validator(Validator::AtLeast(1)),
        pub enforces_tasks_max: bool = Key::new("tasks.max.enforce", Kind::Boolean, "true")
            .importance(Importance::Low)
            .group("Common", 5, Width::Short, "Enforce tasks max")
            .doc("(Deprecated) Whether to enforce that the tasks.max property is respected by the connector. By default, connectors that generate too many tasks will fail, and existing sets of tasks that exceed the tasks.max property will also be failed. If this property is set to false, then connectors will be allowed to generate more than the maximum number of tasks, and existing sets of tasks that exceed the tasks.max property will be allowed to run. This property is deprecated and will be removed in an upcoming major release."),
        pub key_converter: Option<String> = Key::null("key.converter", Kind::Class)
            .importance(Importance::Low)
            .group("Common", 6, Width::Short, "Key converter class")
            .doc("Converter class used to convert between Kafka Connect format and the serialized form that is written to Kafka. This controls the format of the keys in messages written to or read from Kafka, and since this is independent of connectors it allows any connector to work with any serialization format. Examples of common formats include JSON and Avro."),
        pub key_converter_version: Option<String> = Key::null("key.converter.plugin.version", Kind::String)
            .importance(Importance::Low)
            .group("Common", 7, Width::Short, "Key converter version")
            .doc("Version of the key converter."),
        pub value_converter: Option<String> = Key::null("value.converter", Kind::Class)
            .importance(Importance::Low)
            .group("Common", 8, Width::Short, "Value converter class")
            .doc("Converter class used to convert between Kafka Connect format and the serialized form that is written to Kafka. This controls the format of the values in messages written to or read from Kafka, and since this is independent of connectors it allows any connector to work with any serialization format. Examples of common formats include JSON and Avro."),
        pub value_converter_version: Option<String> = Key::null("value.converter.plugin.version", Kind::String)
            .importance(Importance::Low)
            .group("Common", 9, Width::Short, "Value converter version")
            .doc("Version of the value converter."),
        pub header_converter: Option<String> = Key::null("header.converter", Kind::Class)
            .importance(Importance::Low)
            .group("Common", 10, Width::Short, "Header converter class")
            .doc("HeaderConverter class used to convert between Kafka Connect format and the serialized form that is written to Kafka. This controls the format of the header values in messages written to or read from Kafka, and since this is independent of connectors it allows any connector to work with any serialization format. Examples of common formats include JSON and Avro. By default, the SimpleHeaderConverter is used to serialize header values to strings and deserialize them by inferring the schemas."),
        pub header_converter_version: Option<String> = Key::null("header.converter.plugin.version", Kind::String)
            .importance(Importance::Low)
            .group("Common", 11, Width::Short, "Header converter version")
            .doc("Version of the header converter."),
        pub transforms: Option<Vec<String>> = Key::new("transforms", Kind::List, "")
            .importance(Importance::Low)
            .group("Transforms", 12, Width::Long, "Transforms")
            .doc("Aliases for the transformations to be applied to records.")
            .validator(Validator::Check(unique_aliases)),
        pub predicates: Option<Vec<String>> = Key::new("predicates", Kind::List, "")
            .importance(Importance::Low)
            .group("Predicates", 13, Width::Long, "Predicates")
            .doc("Aliases for the predicates used by transformations.")
            .validator(Validator::Check(unique_aliases)),
        pub reload_action: Option<String> = Key::new("config.action.reload", Kind::String, "restart")
            .importance(Importance::Low)
            .group("Common", 14, Width::Medium, "Reload Action")
            .doc("The action that Connect should take on the connector when changes in external configuration providers result in a change in the connector's configuration properties. A value of 'none' indicates that Connect will do nothing. A value of 'restart' indicates that Connect should restart/reload the connector with the updated configuration properties.The restart may actually be scheduled in the future if the external configuration provider indicates that a configuration value will expire in the future.")
            .validator(Validator::OneOf(&["none", "restart"])),
        pub retry_timeout_ms: Option<i64> = Key::new("errors.retry.timeout", Kind::Long, "0")
            .importance(Importance::Medium)
            .group("Error Handling", 1, Width::Medium, "Retry Timeout for Errors")
            .doc("The maximum duration in milliseconds that a failed operation will be reattempted. The default is 0, which means no retries will be attempted. Use -1 for infinite retries."),
        pub retry_delay_max_ms: Option<i64> = Key::new("errors.retry.delay.max.ms", Kind::Long, "60000")
            .importance(Importance::Medium)
            .group("Error Handling", 2, Width::Medium, "Maximum Delay Between Retries for Errors")
            .doc("The maximum duration in milliseconds between consecutive retry attempts. Jitter will be added to the delay once this limit is reached to prevent thundering herd issues."),
        pub tolerance: String = Key::new("errors.tolerance", Kind::String, "none")
            .importance(Importance::Medium)
            .group("Error Handling", 3, Width::Short, "Error Tolerance")
            .doc("Behavior for tolerating errors during connector operation. 'none' is the default value and signals that any error will result in an immediate connector task failure; 'all' changes the behavior to skip over problematic records.")
            .validator(Validator::OneOf(&["none", "all"])),
        pub logs_errors: bool = Key::new("errors.log.enable", Kind::Boolean, "false")
            .importance(Importance::Medium)
            .group("Error Handling", 4, Width::Short, "Log Errors")
            .doc("If true, write each error and the details of the failed operation and problematic record to the Connect application log. This is 'false' by default, so that only errors that are not tolerated are reported."),
        pub logs_records: bool = Key::new("errors.log.include.messages", Kind::Boolean, "false")
            .importance(Importance::Medium)
            .group("Error Handling", 5, Width::Short, "Log Error Details")
            .doc("Whether to include in the log the Connect record that resulted in a failure. For sink records, the topic, partition, offset, and timestamp will be logged. For source records, the key and value (and their schemas), all headers, and the timestamp, Kafka topic, Kafka partition, source partition, and source offset will be logged. This is 'false' by default, which will prevent record keys, values, and headers from being written to log files."),
    }
}

config_def! {
    /// The keys that sink connectors have beside these.
    pub struct SinkConfig {
        pub topics: Option<Vec<String>> = Key::new("topics", Kind::List, "")
            .importance(Importance::High)
            .group("Common", 4, Width::Long, "Topics")
            .doc("List of topics to consume, separated by commas"),
        pub topics_regex: Option<String> = Key::new("topics.regex", Kind::String, "")
            .importance(Importance::High)
            .group("Common", 4, Width::Long, "Topics regex")
            .doc("Regular expression giving topics to consume. Under the hood, the regex is compiled to a <code>java.util.regex.Pattern</code>. Only one of topics or topics.regex should be specified.")
            .validator(Validator::Check(check_pattern_if_any)),
        pub dead_letter_topic: String = Key::new("errors.deadletterqueue.topic.name", Kind::String, "")
            .importance(Importance::Medium)
            .group("Error Handling", 6, Width::Medium, "Dead Letter Queue Topic Name")
            .doc("The name of the topic to be used as the dead letter queue (DLQ) for messages that result in an error when processed by this sink connector, or its transformations or converters. The topic name is blank by default, which means that no messages are to be recorded in the DLQ."),
        pub dead_letter_replication: i16 = Key::new("errors.deadletterqueue.topic.replication.factor", Kind::Short, "3")
            .importance(Importance::Medium)
            .group("Error Handling", 7, Width::Medium, "Dead Letter Queue Topic Replication Factor")
            .doc("Replication factor used to create the dead letter queue topic when it doesn't already exist."),
        pub dead_letter_context: bool = Key::new("errors.deadletterqueue.context.headers.enable", Kind::Boolean, "false")
            .importance(Importance::Medium)
            .group("Error Handling", 8, Width::Medium, "Enable Error Context Headers")
            .doc("If true, add headers containing error context to the messages written to the dead letter queue. To avoid clashing with headers from the original record, all error context header keys, all error context header keys will start with <code>__connect.errors.</code>"),
    }
}

config_def! {
    /// The keys that source connectors have beside those of every connector.
    pub struct SourceConfig {
        pub topic_creation_groups: Option<Vec<String>> = Key::new("topic.creation.groups", Kind::List, "")
            .importance(Importance::Low)
            .group("Topic Creation", 1, Width::Long, "Topic Creation Groups")
            .doc("Groups of configurations for topics created by source connectors")
            .validator(Validator::Check(unique_aliases)),
        pub exactly_once: String = Key::new("exactly.once.support", Kind::String, "requested")
            .importance(Importance::Medium)
            .group("Exactly Once Support", 2, Width::Short, "Exactly once support")
            .doc("Permitted values are requested, required. If set to \"required\", forces a preflight check for the connector to ensure that it can provide exactly-once semantics with the given configuration. Some connectors may be capable of providing exactly-once semantics but not signal to Connect that they support this; in that case, documentation for the connector should be consulted carefully before creating it, and the value for this property should be set to \"requested\". Additionally, if the value is set to \"required\" but the worker that performs preflight validation does not have exactly-once support enabled for source connectors, requests to create or validate the connector will fail.")
            .validator(Validator::Check(check_exactly_once)),
        pub transaction_boundary: String = Key::new("transaction.boundary", Kind::String, "poll")
            .importance(Importance::Medium)
            .group("Exactly Once Support", 3, Width::Short, "Transaction Boundary")
            .doc("Permitted values are: poll, interval, connector. If set to 'poll', a new producer transaction will be started and committed for every batch of records that each task from this connector provides to Connect. If set to 'connector', relies on connector-defined transaction boundaries; note that not all connectors are capable of defining their own transaction boundaries, and in that case, attempts to instantiate a connector with this value will fail. Finally, if set to 'interval', commits transactions only after a user-defined time interval has passed.")
            .validator(Validator::Check(check_boundary)),
        pub transaction_interval_ms: Option<i64> = Key::null("transaction.boundary.interval.ms", Kind::Long)
            .importance(Importance::Low)
            .group("Exactly Once Support", 4, Width::Short, "Transaction boundary interval")
            .doc("If 'transaction.boundary' is set to 'interval', determines the interval for producer transaction commits by connector tasks. If unset, defaults to the value of the worker-level 'offset.flush.interval.ms' property. It has no effect if a different transaction.boundary is specified.")
            .validator(Validator::Check(check_interval)),
        pub offsets_topic: Option<String> = Key::null("offsets.storage.topic", Kind::String)
            .importance(Importance::Low)
            .group("offsets.topic", 1, Width::Long, "Offsets topic")
            .doc("The name of a separate offsets topic to use for this connector. If empty or not specified, the worker’s global offsets topic name will be used. If specified, the offsets topic will be created if it does not already exist on the Kafka cluster targeted by this connector (which may be different from the one used for the worker's global offsets topic if the bootstrap.servers property of the connector's producer has been overridden from the worker's). Only applicable in distributed mode; in standalone mode, setting this property will have no effect.")
            .validator(Validator::NonEmpty),
    }
}

/// The framework's keys of a connector, in Java's order.
pub(crate) fn framework_keys(kind: ConnectorKind) -> Vec<Key> {
    let mut keys = ConnectorConfig::keys();
    keys.extend(match kind {
        ConnectorKind::Sink => SinkConfig::keys(),
        ConnectorKind::Source => SourceConfig::keys(),
    });
    keys
}

/// Reads keys by what a definition's `parse` gives of them.
///
/// # Errors
/// The first error of any key, with Java's text.
pub(crate) fn read<T>(
    properties: &Properties,
    parse: fn(&Properties) -> (Option<T>, Vec<ConfigValue>),
) -> Result<T, String> {
    let (config, values) = parse(properties);
    if let Some(config) = config {
        return Ok(config);
    }
    let errors = values.iter().flat_map(|value| &value.errors).cloned();
    let nulls = values
        .iter()
        .filter(|value| properties.entry(&value.name) == Some(None));
    let nulls = nulls.map(|null| format!("Invalid value null for configuration {}", null.name));
    Err(errors.chain(nulls).next().unwrap_or_default())
}

/// What several keys decide together: which topics are read, and where dead letters go. What is not set is empty.
pub(crate) struct TopicKeys {
    pub(crate) topics: Vec<String>,
    pub(crate) pattern: String,
    pub(crate) dead_letters: String,
}

impl TopicKeys {
    /// From what the keys came to, whatever errors the others have.
    pub(crate) fn of(values: &[ConfigValue]) -> Self {
        TopicKeys {
            topics: parsed(values, "topics"),
            pattern: parsed(values, "topics.regex"),
            dead_letters: parsed(values, "errors.deadletterqueue.topic.name"),
        }
    }
}

fn parsed<T: FromParsed + Default>(values: &[ConfigValue], key: &str) -> T {
    let value = values.iter().find(|value| value.name == key);
    T::from_parsed(value.and_then(|value| value.value.as_ref())).unwrap_or_default()
}

/// The pattern of topics may be missing.
fn check_pattern_if_any(key: &str, value: Option<&Parsed>) -> Result<(), String> {
    match value {
        Some(Parsed::String(pattern)) if pattern.is_empty() => Ok(()),
        value => check_pattern(key, value),
    }
}

/// Java prints the names that such a key takes in the order of a set.
fn check_exactly_once(key: &str, value: Option<&Parsed>) -> Result<(), String> {
    one_of_in_any_case(key, value, &["requested", "required"])
}

fn check_boundary(key: &str, value: Option<&Parsed>) -> Result<(), String> {
    one_of_in_any_case(key, value, &["poll", "interval", "connector"])
}

fn one_of_in_any_case(key: &str, value: Option<&Parsed>, names: &[&str]) -> Result<(), String> {
    match value {
        Some(Parsed::String(text)) if names.iter().any(|name| text.eq_ignore_ascii_case(name)) => {
            Ok(())
        }
        value => {
            let names: Vec<String> = names.iter().map(|name| name.to_uppercase()).collect();
            let why = format!(
                "String must be one of (case insensitive): {}",
                names.join(", ")
            );
            Err(invalid(key, value, &why))
        }
    }
}

/// An interval may be missing.
fn check_interval(key: &str, value: Option<&Parsed>) -> Result<(), String> {
    match value {
        None => Ok(()),
        value => Validator::AtLeast(0).check(key, value),
    }
}

/// Names may hold anything but control characters.
fn check_name(key: &str, value: Option<&Parsed>) -> Result<(), String> {
    let Some(Parsed::String(name)) = value else {
        return Ok(());
    };
    if name.is_empty() {
        return Err(invalid(key, value, "String may not be empty"));
    }
    let controls: Vec<String> = name
        .chars()
        .filter(|c| c.is_control())
        .map(|c| (c as u32).to_string())
        .collect();
    if controls.is_empty() {
        return Ok(());
    }
    let why = format!(
        "String may not contain control sequences but had the following ASCII chars: {}",
        controls.join(", ")
    );
    Err(invalid(key, value, &why))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Validation takes a null where a key has no validator; what then cannot do without is told by name.
    #[test]
    fn a_null_is_as_good_as_no_setting_where_the_start_can_do_without() {
        let with_null = |key: &str| {
            let mut config =
                Properties::from_iter([("name", "s"), ("connector.class", "C"), ("topics", "t")]);
            config.insert_null(key);
            read(&config, ConnectorConfig::parse)?;
            read(&config, SinkConfig::parse).map(|_| ())
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
        let config = read(&config, ConnectorConfig::parse).expect("validation takes these");
        assert_eq!((config.tasks_max, config.enforces_tasks_max), (3, false));
    }
}
