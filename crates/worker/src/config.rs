//! The worker's settings, by Java's keys, from the properties file that people already have.

mod connector_file;
mod properties_file;
mod providers;

pub use connector_file::{ConnectorFile, ConnectorFileError, read_connector_file};
pub use properties_file::{MalformedEscape, parse_properties};
pub(crate) use providers::has_reference;
pub use providers::{ConfigProviders, ProviderError};

use crate::client_settings::OverridePolicy;
use crate::rest::{Listener, ResponseHeaders};
use millstream_core::config::{Importance, Key, Kind};
use millstream_core::{Properties, config_def};
use std::time::Duration;

config_def! {
    /// What the worker itself reads. Everything else that the file holds feeds clients and plugins.
    pub struct WorkerSettings {
        /// Brokers that the worker's clients ask first.
        pub bootstrap_servers: Vec<String> = Key::new("bootstrap.servers", Kind::List, "localhost:9092").importance(Importance::High)
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
            .doc("Standalone only: where source offsets are kept. Sinks keep theirs in Kafka, so it is never written."),
        pub plugin_path: Option<Vec<String>> = Key::null("plugin.path", Kind::List).importance(Importance::Low)
            .doc("Taken and ignored: plugins are compiled in."),
        pub listeners: Vec<String> = Key::new("listeners", Kind::List, "http://:8083").importance(Importance::Low)
            .doc("Where the REST API listens, as http://host:port; an empty host is every interface."),
        pub admin_listeners: Option<Vec<String>> = Key::null("admin.listeners", Kind::List).importance(Importance::Low)
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
            .doc("Names of the providers that references such as ${name:path:key} ask."),
        pub override_policy: String = Key::new("connector.client.config.override.policy", Kind::String, "All").importance(Importance::Medium)
            .doc("Which client settings a connector may override: All, None or Principal."),
        pub topic_tracking: bool = Key::new("topic.tracking.enable", Kind::Boolean, "true").importance(Importance::Low)
            .doc("Whether the topics that a connector uses are remembered."),
        pub topic_tracking_reset: bool = Key::new("topic.tracking.allow.reset", Kind::Boolean, "true").importance(Importance::Low)
            .doc("Whether they may be forgotten on request."),
        pub self_healing: bool = Key::new("millstream.self.healing", Kind::Boolean, "true").importance(Importance::Low)
            .doc("Whether a task that failed for a transient reason is started again without being asked."),
        pub memory_bytes: i64 = Key::new("millstream.memory.bytes", Kind::Long, "0").importance(Importance::Low)
            .doc("Memory that the process is to stay below, at least 67108864; 0 takes half of the cgroup's limit and 268435456 at most."),
    }
}

/// With less there would be no room for a part of an object beside the program itself.
const LEAST_MEMORY: i64 = 64 << 20;

/// The worker's settings and the text they came from.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    pub settings: WorkerSettings,
    /// Everything in the file, for clients and plugins.
    pub properties: Properties,
    pub providers: ConfigProviders,
}

/// All that is wrong with a worker file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the worker's settings have {} error(s):\n{}", .0.len(), .0.join("\n"))]
pub struct WorkerConfigError(pub Vec<String>);

impl WorkerConfig {
    /// Reads a worker file.
    ///
    /// # Errors
    /// Every error of every key, not only the first.
    pub fn from_file(file: &[u8]) -> Result<Self, WorkerConfigError> {
        let properties =
            parse_properties(file).map_err(|error| WorkerConfigError(vec![error.to_string()]))?;
        WorkerConfig::new(properties)
    }

    /// Reads settings that were parsed before.
    ///
    /// # Errors
    /// As `from_file`.
    pub fn new(properties: Properties) -> Result<Self, WorkerConfigError> {
        let config = WorkerConfig::quiet(properties)?;
        if config.settings.listeners.is_empty() {
            let why = "Invalid value for listeners, at least one URL is expected, ex: http://localhost:8080,https://localhost:8443.";
            return Err(WorkerConfigError(vec![why.to_owned()]));
        }
        Ok(config)
    }

    /// Reads the settings of a worker that need not serve its API: with empty `listeners` no port is opened.
    ///
    /// # Errors
    /// As `from_file`.
    pub fn quiet(properties: Properties) -> Result<Self, WorkerConfigError> {
        let providers = ConfigProviders::new(&properties).map_err(WorkerConfigError)?;
        let properties = providers
            .resolve_now(&properties)
            .map_err(|error| WorkerConfigError(vec![error.to_string()]))?;
        let (settings, values) = WorkerSettings::parse(&properties);
        let mut errors: Vec<String> = values.into_iter().flat_map(|value| value.errors).collect();
        if let Some(settings) = &settings {
            settings.check(&mut errors);
        }
        match settings {
            Some(settings) if errors.is_empty() => Ok(WorkerConfig {
                settings,
                properties,
                providers,
            }),
            _ => Err(WorkerConfigError(errors)),
        }
    }

    pub fn shutdown_timeout(&self) -> Duration {
        millis(self.settings.shutdown_timeout_ms)
    }

    pub fn flush_interval(&self) -> Duration {
        millis(self.settings.flush_interval_ms)
    }

    pub fn flush_timeout(&self) -> Duration {
        millis(self.settings.flush_timeout_ms)
    }
}

impl WorkerSettings {
    /// What one key alone does not tell.
    fn check(&self, errors: &mut Vec<String>) {
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

/// A negative time is no time.
fn millis(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}
