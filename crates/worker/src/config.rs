//! The worker's settings, by Java's keys, from the properties file that people already have.

mod connector_file;
mod distributed;
mod listener;
mod override_policy;
mod properties_file;
mod providers;
mod redactor;
mod reference;
mod response_headers;

pub use connector_file::{ConnectorFile, ConnectorFileError, read_connector_file};
pub use distributed::{DistributedConfig, ExactlyOnce};
pub(crate) use listener::Listener;
pub use override_policy::OverridePolicy;
pub use properties_file::{MalformedEscape, parse_properties};
pub use providers::{
    ConfigProviders, ProviderError, RemoteError, RemoteValue, RemoteValues, Resolved, SharedValues,
};
pub use redactor::Redactor;
pub(crate) use reference::has_reference;
pub(crate) use response_headers::ResponseHeaders;

use millstream_core::config::{Importance, Key, Kind, Validator, list_items};
use millstream_core::{Properties, config_def};
use std::time::Duration;

/// Kafka's rule for lists of which one item at least is needed. What is named twice counts once.
const FILLED: Validator = Validator::List {
    may_be_empty: false,
    may_repeat: true,
};

/// Kafka's rule for lists that may be empty, but have no empty item.
const WITHOUT_GAPS: Validator = Validator::List {
    may_be_empty: true,
    may_repeat: true,
};

/// Lists in which an item that stands there twice is dropped with a warning.
const WITHOUT_REPEATS: [&str; 5] = [
    "bootstrap.servers",
    "admin.listeners",
    "config.providers",
    "plugin.path",
    "rest.extension.classes",
];

config_def! {
    /// What the worker itself reads. Everything else that the file holds feeds clients and plugins.
    pub struct WorkerConfig {
        /// Brokers that the worker's clients ask first.
        pub bootstrap_servers: Vec<String> = Key::required("bootstrap.servers", Kind::List).importance(Importance::High)
            .validator(FILLED)
            .doc("Brokers to ask first, as host:port, separated by commas."),
        pub key_converter: String = Key::required("key.converter", Kind::Class).importance(Importance::High)
            .doc("Converter of record keys where the connector names none."),
        pub value_converter: String = Key::required("value.converter", Kind::Class).importance(Importance::High)
            .doc("Converter of record values where the connector names none."),
        pub header_converter: String = Key::new("header.converter", Kind::Class, "org.apache.kafka.connect.storage.SimpleHeaderConverter").importance(Importance::Low)
            .doc("Converter of record headers where the connector names none."),
        pub shutdown_timeout_ms: i64 = Key::new("task.shutdown.graceful.timeout.ms", Kind::Long, "5000").importance(Importance::Low)
            .doc("Time for all tasks that stop together to finish what is in flight."),
        pub flush_interval_ms: i64 = Key::new("offset.flush.interval.ms", Kind::Long, "60000").importance(Importance::Low)
            .doc("Time between commits of a task's offsets."),
        pub flush_timeout_ms: i64 = Key::new("offset.flush.timeout.ms", Kind::Long, "5000").importance(Importance::Low)
            .doc("Time after which an unanswered commit counts as failed."),
        pub offset_file: Option<String> = Key::null("offset.storage.file.filename", Kind::String).importance(Importance::High)
            .doc("Standalone only: the file with the offsets of source connectors, in the format of Java's worker, whose file may be taken over. Without it they are gone with the process."),
        pub plugin_path: Option<Vec<String>> = Key::null("plugin.path", Kind::List).importance(Importance::Low)
            .validator(FILLED)
            .doc("Taken and ignored: plugins are compiled in."),
        pub listeners: Vec<String> = Key::new("listeners", Kind::List, "http://:8083").importance(Importance::Low)
            .doc("Where the REST API listens, as http://host:port; an empty host is every interface."),
        pub admin_listeners: Option<Vec<String>> = Key::null("admin.listeners", Kind::List).importance(Importance::Low)
            .validator(WITHOUT_GAPS)
            .doc("Where the admin endpoints listen, if not beside the others; an empty text turns them off."),
        pub advertised_host: Option<String> = Key::null("rest.advertised.host.name", Kind::String).importance(Importance::Low)
            .doc("The host by which others reach this worker."),
        pub advertised_port: Option<i32> = Key::null("rest.advertised.port", Kind::Int).importance(Importance::Low)
            .doc("The port by which others reach this worker."),
        pub advertised_listener: Option<String> = Key::null("rest.advertised.listener", Kind::String).importance(Importance::Low)
            .doc("The protocol by which others reach this worker: http or https."),
        pub allow_origin: String = Key::new("access.control.allow.origin", Kind::String, "").importance(Importance::Low)
            .doc("Origins whose pages may call the REST API; * is every one."),
        pub allow_methods: String = Key::new("access.control.allow.methods", Kind::String, "").importance(Importance::Low)
            .doc("Methods that such pages may use."),
        pub response_headers: String = Key::new("response.http.headers.config", Kind::String, "").importance(Importance::Low)
            .doc("Headers for every response, as [action] [name]:[value], separated by commas."),
        pub config_providers: Vec<String> = Key::new("config.providers", Kind::List, "").importance(Importance::Low)
            .validator(WITHOUT_GAPS)
            .doc("Names of the providers that references such as ${name:path:key} ask."),
        pub rest_extensions: Vec<String> = Key::new("rest.extension.classes", Kind::List, "").importance(Importance::Low)
            .validator(WITHOUT_GAPS)
            .doc("Of Java's extensions there is BasicAuthSecurityRestExtension, by its full name; others are ignored."),
        pub login_config: Option<String> = Key::null("millstream.rest.login.config", Kind::String).importance(Importance::Medium)
            .doc("The JAAS file of the basic-auth extension, whose section KafkaConnect names the file with the users; without it, the file that KAFKA_OPTS names with -Djava.security.auth.login.config."),
        pub bearer_tokens: Option<String> = Key::null("millstream.rest.bearer.tokens.file", Kind::String).importance(Importance::Medium)
            .doc("A properties file with tokens by the names of who has them. With it the REST API answers those alone who send one (Authorization: Bearer ...), or are known to the basic-auth extension."),
        pub override_policy: String = Key::new("connector.client.config.override.policy", Kind::String, "All").importance(Importance::Medium)
            .doc("Which client settings a connector may override: All, None or Principal."),
        pub topic_tracking: bool = Key::new("topic.tracking.enable", Kind::Boolean, "true").importance(Importance::Low)
            .doc("Whether the topics that a connector uses are remembered."),
        pub topic_tracking_reset: bool = Key::new("topic.tracking.allow.reset", Kind::Boolean, "true").importance(Importance::Low)
            .doc("Whether they may be forgotten on request."),
        pub topic_creation: bool = Key::new("topic.creation.enable", Kind::Boolean, "true").importance(Importance::Low)
            .doc("Whether source connectors with topic.creation settings make their topics; otherwise that is left to the brokers."),
        pub plugins_include: Vec<String> = Key::new("millstream.plugins.include", Kind::List, "").importance(Importance::Low)
            .validator(WITHOUT_GAPS)
            .doc("Classes of the plugins that are offered, connectors and all others, by their full names; a name that ends in * stands for all that begin so. Without any all are offered that are compiled in, but for the connectors of Kafka's system tests (org.apache.kafka.connect.tools.*)."),
        pub self_healing: bool = Key::new("millstream.self.healing", Kind::Boolean, "true").importance(Importance::Low)
            .doc("Whether a task that failed for a transient reason is started again without being asked."),
        pub read_only: bool = Key::new("millstream.rest.read.only", Kind::Boolean, "false").importance(Importance::Low)
            .doc("Whether the REST API only shows: whatever would change something is answered with 403."),
        pub memory_bytes: i64 = Key::new("millstream.memory.bytes", Kind::Long, "0").importance(Importance::Low)
            .doc("Memory that the process is to stay below, at least 67108864; 0 takes half of the cgroup's limit and 268435456 at most."),
        pub metrics_names: String = Key::new("millstream.metrics.names", Kind::String, "confluent").importance(Importance::Low)
            .validator(Validator::OneOf(&["confluent", "strimzi", "both"]))
            .doc("By whose names /metrics calls what Java's worker counts too: those that Confluent's dashboards chart, those that Strimzi's chart, or both, which makes the answer almost twice as long."),
        pub metrics_emf: bool = Key::new("millstream.metrics.emf", Kind::Boolean, "false").importance(Importance::Low)
            .doc("Whether a line in CloudWatch's embedded metric format is written to the standard output for the worker and for each task that runs, as often as millstream.metrics.emf.interval.ms says."),
        pub metrics_emf_interval_ms: i64 = Key::new("millstream.metrics.emf.interval.ms", Kind::Long, "60000").importance(Importance::Low)
            .validator(Validator::AtLeast(1000))
            .doc("Time between two such lines. CloudWatch keeps one value a minute, unless asked for more."),
    }
}

/// With less there would be no room for a part of an object beside the program itself.
const LEAST_MEMORY: i64 = 64 << 20;

/// What the worker works with: its own keys, checked, and what the file holds beside them.
#[derive(Clone, Debug)]
pub struct WorkerSettings {
    pub config: WorkerConfig,
    /// Everything in the file, for clients and plugins.
    pub properties: Properties,
    pub providers: ConfigProviders,
}

/// All that is wrong with a worker file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the worker's settings have {} error(s):\n{}", .0.len(), .0.join("\n"))]
pub struct WorkerConfigError(pub Vec<String>);

impl WorkerSettings {
    /// Reads a worker file.
    ///
    /// # Errors
    /// Every error of every key, not only the first.
    pub fn from_file(file: &[u8]) -> Result<Self, WorkerConfigError> {
        WorkerSettings::new(read_properties(file)?)
    }

    /// Reads the file of a worker of a cluster.
    ///
    /// # Errors
    /// As `from_file`.
    pub fn of_cluster(file: &[u8]) -> Result<(Self, DistributedConfig), WorkerConfigError> {
        WorkerSettings::of_cluster_properties(read_properties(file)?)
    }

    /// Reads the settings of a worker of a cluster that were parsed before.
    ///
    /// # Errors
    /// As `from_file`.
    pub fn of_cluster_properties(
        properties: Properties,
    ) -> Result<(Self, DistributedConfig), WorkerConfigError> {
        let read = WorkerSettings::read(properties, DistributedConfig::read)?;
        read.0.check_serves()?;
        Ok(read)
    }

    /// Reads settings that were parsed before.
    ///
    /// # Errors
    /// As `from_file`.
    pub fn new(properties: Properties) -> Result<Self, WorkerConfigError> {
        let settings = WorkerSettings::quiet(properties)?;
        settings.check_serves()?;
        Ok(settings)
    }

    fn check_serves(&self) -> Result<(), WorkerConfigError> {
        if self.config.listeners.is_empty() {
            let why = "Invalid value for listeners, at least one URL is expected, ex: http://localhost:8080,https://localhost:8443.";
            return Err(WorkerConfigError(vec![why.to_owned()]));
        }
        Ok(())
    }

    /// Reads the settings of a worker that need not serve its API: with empty `listeners` no port is opened.
    ///
    /// # Errors
    /// As `from_file`.
    pub fn quiet(properties: Properties) -> Result<Self, WorkerConfigError> {
        WorkerSettings::read(properties, |_| Ok(())).map(|(settings, ())| settings)
    }

    /// Reads the settings, and `more` of the same text.
    fn read<T>(
        properties: Properties,
        more: impl FnOnce(&Properties) -> Result<T, WorkerConfigError>,
    ) -> Result<(Self, T), WorkerConfigError> {
        let providers = ConfigProviders::new(&properties).map_err(WorkerConfigError)?;
        let resolved = providers
            .resolve_now(&properties)
            .map_err(|error| WorkerConfigError(vec![error.to_string()]))?;
        let redactor = resolved.redactor;
        let mut properties = resolved.properties;
        for key in WITHOUT_REPEATS {
            let kept = properties.get(key).and_then(without_repeats);
            if let Some(kept) = kept {
                tracing::warn!(key, "an item stands there twice; it counts once");
                properties.insert(key, kept);
            }
        }
        let (config, mut values) = WorkerConfig::parse(&properties);
        for value in &mut values {
            redactor.value(value);
        }
        let mut errors: Vec<String> = values.into_iter().flat_map(|value| value.errors).collect();
        if let Some(config) = &config {
            config.check(&mut errors);
        }
        let more = more(&properties).map_err(|more| errors.extend(more.0)).ok();
        match (config, more) {
            (Some(config), Some(more)) if errors.is_empty() => {
                let settings = WorkerSettings {
                    config,
                    properties,
                    providers,
                };
                Ok((settings, more))
            }
            _ => Err(WorkerConfigError(
                errors.iter().map(|error| redactor.text(error)).collect(),
            )),
        }
    }

    /// With values that references such as `${provider:key}` stand for, so that answers show the reference in their place.
    #[must_use]
    pub fn with_values(mut self, provider: &str, values: impl Into<SharedValues>) -> Self {
        self.providers = self.providers.with_values(provider, values.into());
        self
    }

    /// With the JAAS file of `KAFKA_OPTS`, unless the settings name one.
    #[must_use]
    pub fn with_kafka_opts(mut self, options: Option<&str>) -> Self {
        const FILE: &str = "-Djava.security.auth.login.config=";
        let options = options.unwrap_or_default().split_whitespace();
        // Of several the JVM takes the last.
        let mut files = options.filter_map(|option| option.strip_prefix(FILE));
        let file = files.next_back();
        let file = file.map(|file| file.trim_matches(['"', '\'']).to_owned());
        self.config.login_config = self.config.login_config.or(file);
        self
    }

    pub fn shutdown_timeout(&self) -> Duration {
        millis(self.config.shutdown_timeout_ms)
    }

    pub fn flush_interval(&self) -> Duration {
        millis(self.config.flush_interval_ms)
    }

    pub fn flush_timeout(&self) -> Duration {
        millis(self.config.flush_timeout_ms)
    }
}

impl WorkerConfig {
    /// What one key alone does not tell.
    fn check(&self, errors: &mut Vec<String>) {
        for server in &self.bootstrap_servers {
            if let Err(why) = check_server(server) {
                errors.push(format!("Invalid url in bootstrap.servers: {server}; {why}"));
            }
        }
        let admin = self.admin_listeners.as_deref().unwrap_or_default();
        for (key, listeners) in [("listeners", &*self.listeners), ("admin.listeners", admin)] {
            for listener in listeners {
                match listener.parse::<Listener>() {
                    Ok(_) => {}
                    Err(_) if listener.is_empty() => {
                        errors.push(format!("Empty URL found when parsing {key} list."));
                    }
                    Err(why) => errors.push(format!(
                        "Invalid value {listener} for configuration {key}: {why}"
                    )),
                }
            }
        }
        if let Err(why) = ResponseHeaders::parse(&self.response_headers) {
            errors.push(why);
        }
        let memory = self.memory_bytes;
        if memory != 0 && memory < LEAST_MEMORY {
            errors.push(format!("Invalid value {memory} for configuration millstream.memory.bytes: 0, which takes half of the cgroup's limit, or at least {LEAST_MEMORY}"));
        }
        if OverridePolicy::find(&self.override_policy).is_none() {
            let policy = &self.override_policy;
            errors.push(format!("Invalid value {policy} for configuration connector.client.config.override.policy: Class {policy} could not be found; there are All, None and Principal"));
        }
    }
}

/// The pairs of a worker file.
fn read_properties(file: &[u8]) -> Result<Properties, WorkerConfigError> {
    let text = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    if text.trim_ascii_start().starts_with(b"{") {
        let why = "it is JSON; the first argument is the worker's properties file, connector files come after it";
        return Err(WorkerConfigError(vec![why.to_owned()]));
    }
    parse_properties(file).map_err(|error| WorkerConfigError(vec![error.to_string()]))
}

/// The list without what is named twice, if anything is.
fn without_repeats(text: &str) -> Option<String> {
    let items: Vec<&str> = list_items(text).collect();
    let mut kept: Vec<&str> = Vec::with_capacity(items.len());
    for item in &items {
        // What is empty is an error of the list, and stays.
        if item.is_empty() || !kept.contains(item) {
            kept.push(item);
        }
    }
    (kept.len() < items.len()).then(|| kept.join(","))
}

/// Whether a text is host:port. A name that cannot be resolved is an outage, which may pass; this never does.
fn check_server(server: &str) -> Result<(), String> {
    let Some((host, port)) = server.rsplit_once(':') else {
        return Err(format!("it has no port; write {server}:9092"));
    };
    if host.is_empty() {
        return Err("it has no host".to_owned());
    }
    match port.parse::<u16>() {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("{port} is no port")),
    }
}

/// A negative time is no time.
fn millis(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

#[cfg(test)]
impl WorkerSettings {
    /// As few settings as a worker can have, and some more.
    pub(crate) fn minimal(more: &[(&str, &str)]) -> Result<Self, WorkerConfigError> {
        let needed = [
            ("bootstrap.servers", "a:1"),
            ("key.converter", "k"),
            ("value.converter", "v"),
        ];
        WorkerSettings::new(Properties::from_iter(needed.iter().chain(more).copied()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(more: &[(&str, &str)], expected: &[&str]) {
        let errors = WorkerSettings::minimal(more).map_or_else(|error| error.0, |_| Vec::new());
        assert_eq!(errors, expected, "{more:?}");
    }

    /// The texts are those with which Java's worker ends.
    #[test]
    fn report_a23_a_permanently_wrong_setting_ends_the_start() {
        let missing = Properties::from_iter([("key.converter", "k"), ("value.converter", "v")]);
        assert_eq!(
            WorkerSettings::new(missing).map_or_else(|error| error.0, |_| Vec::new()),
            ["Missing required configuration \"bootstrap.servers\" which has no default value."]
        );
        check(&[], &[]);
        for blank in ["", "  "] {
            check(
                &[("bootstrap.servers", blank)],
                &[
                    "Configuration 'bootstrap.servers' must not be empty. Valid values include: any non-empty value",
                ],
            );
        }
        check(
            &[("plugin.path", "")],
            &[
                "Configuration 'plugin.path' must not be empty. Valid values include: any non-empty value",
            ],
        );
        for (key, value) in [
            ("bootstrap.servers", "a:1,"),
            ("plugin.path", "/a,,/b"),
            ("rest.extension.classes", "x,"),
            ("rest.extension.classes", ","),
            ("config.providers", "file,"),
            ("admin.listeners", "http://:8084,"),
        ] {
            let error = format!("Configuration '{key}' values must not be empty.");
            let settings =
                WorkerSettings::minimal(&[("config.providers.file.class", "File"), (key, value)]);
            let errors = settings.map_or_else(|error| error.0, |_| Vec::new());
            assert_eq!(errors.first(), Some(&error), "{key}={value}: {errors:?}");
        }
        for (key, value) in [
            ("bootstrap.servers", "a:1,a:1"),
            ("admin.listeners", ""),
            ("config.providers", ""),
            ("rest.extension.classes", ""),
        ] {
            check(&[(key, value)], &[]);
        }
    }

    #[test]
    fn report_a18_a_server_without_a_port_is_no_outage() {
        for (server, why) in [
            ("localhost", "it has no port; write localhost:9092"),
            ("localhost:x", "x is no port"),
            ("localhost:99999", "99999 is no port"),
            (":9092", "it has no host"),
        ] {
            let error = format!("Invalid url in bootstrap.servers: {server}; {why}");
            check(&[("bootstrap.servers", server)], &[&error]);
        }
        check(&[("bootstrap.servers", "PLAINTEXT://h:1,[::1]:9092")], &[]);
    }

    #[test]
    fn a_worker_of_a_cluster_is_told_of_all_errors_at_once() {
        let file = b"bootstrap.servers=a\nkey.converter=k\nvalue.converter=v\ngroup.id=g\nconfig.storage.topic=c\noffset.storage.topic=o\n";
        let errors = WorkerSettings::of_cluster(file).map_or_else(|error| error.0, |_| Vec::new());
        assert_eq!(
            errors,
            [
                "Invalid url in bootstrap.servers: a; it has no port; write a:9092",
                "Missing required configuration \"status.storage.topic\" which has no default value.",
            ]
        );
    }

    #[test]
    fn report_message_13_a_worker_file_that_is_json_says_so() {
        let error = WorkerSettings::from_file(b" {\"name\": \"s3-sink\"}").map(|_| ());
        let error = error.expect_err("it is no properties file").to_string();
        assert!(
            error.contains("the first argument is the worker's properties file"),
            "{error}"
        );
    }
}
