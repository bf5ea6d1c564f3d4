//! The connector: what it is called, how its settings are checked, how its tasks start.

use crate::authentication;
use crate::classes;
use crate::config::MongoConfig;
use crate::extensions::{self, Extensions};
use crate::store::{Store, Unreachable};
use crate::task::{MongoTask, TaskParts};
use crate::topics::{self, Topics};
use crate::uri::{self, ConnectionString};
use async_trait::async_trait;
use millstream_core::config::ConfigValue;
use millstream_core::rejected::CONNECT_EXCEPTION;
use millstream_core::{
    ConfigDef, Connector, ConnectorError, Properties, RecordError, Role, SinkConnector, SinkError,
    SinkErrorKind, SinkTask, TaskContext,
};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

pub const CLASS: &str = "com.mongodb.kafka.connect.MongoSinkConnector";

/// The release whose behaviour is matched.
const VERSION: &str = "3.0.1";

const URI: &str = "connection.uri";

/// How long the connection test waits when the string does not say; Java's default, and its grace.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_GRACE: Duration = Duration::from_millis(500);

static DEFINITION: LazyLock<ConfigDef> = LazyLock::new(MongoConfig::definition);

#[derive(Clone, Copy, Debug, Default)]
pub struct MongoSinkConnector;

#[async_trait]
impl Connector for MongoSinkConnector {
    fn class_name(&self) -> &'static str {
        CLASS
    }

    fn role(&self) -> Role<'_> {
        Role::Sink(self)
    }

    fn version(&self) -> &'static str {
        VERSION
    }

    fn config_def(&self) -> &ConfigDef {
        &DEFINITION
    }

    fn classes(&self) -> Vec<String> {
        classes::all().collect()
    }

    fn extensions(&self) -> &ConfigDef {
        extensions::definition()
    }

    fn validate(&self, properties: &Properties) -> Vec<ConfigValue> {
        let mut values = topics::values(properties);
        topics::validate(properties, &mut values);
        if let Some(why) = connection(properties).and_then(|uri| uri.unsupported()) {
            topics::add_error(&mut values, URI, why);
        }
        values.extend(extensions::validate(properties));
        values
    }

    fn throws(&self, properties: &Properties) -> Option<ConnectorError> {
        topics::throws(properties)
    }

    async fn probe(&self, properties: &Properties, values: &mut Vec<ConfigValue>) {
        if !extensions::validates_connect(properties)
            || authentication::is_custom(properties)
            || topics::stops_probe(properties)
            || extensions::validate(properties)
                .iter()
                .any(|value| !value.errors.is_empty())
        {
            return;
        }
        let Some(uri) = connection(properties).filter(|uri| uri.unsupported().is_none()) else {
            return;
        };
        match try_connection(&uri, properties).await {
            Ok(()) => check_time_series(properties, values),
            Err(message) => topics::add_error(values, URI, message),
        }
    }
}

#[async_trait]
impl SinkConnector for MongoSinkConnector {
    async fn start_task(
        &self,
        properties: &Properties,
        context: TaskContext,
    ) -> Result<Box<dyn SinkTask>, SinkError> {
        let refuse = |class: &'static str, message: String| SinkError {
            kind: SinkErrorKind::Fatal,
            class: CONNECT_EXCEPTION,
            message: "Failed to start MongoDB sink task".to_owned(),
            source: Some(Box::new(RecordError::new(class, message))),
        };
        const CONFIG_EXCEPTION: &str = "org.apache.kafka.common.config.ConfigException";
        if let Some(why) = authentication::refusal(properties) {
            return Err(refuse(CONFIG_EXCEPTION, why));
        }
        let mut values = topics::values(properties);
        check_topics(properties, &mut values);
        let config = MongoConfig::parse(&properties.iter().collect()).0;
        let is_right = values.iter().all(|value| value.errors.is_empty());
        let Some(config) = config.filter(|_| is_right) else {
            return Err(refuse(CONFIG_EXCEPTION, topics::first_error(&values)));
        };
        let topics =
            Topics::new(properties, &config).map_err(|error| refuse(error.class, error.message))?;
        let uri = ConnectionString::parse(config.connection_uri.reveal())
            .map_err(|error| refuse(CONFIG_EXCEPTION, error.message))?;
        if let Some(why) = uri.unsupported() {
            return Err(refuse(CONFIG_EXCEPTION, why));
        }
        let extensions = Extensions::parse(properties, context.retries_outages)
            .map_err(|error| refuse(CONFIG_EXCEPTION, error))?;
        let api = uri::server_api(
            &config.server_api_version,
            config.server_api_strict,
            config.server_api_deprecation_errors,
        );
        let options = uri
            .client_options(api)
            .await
            .map_err(|error| refuse(CONFIG_EXCEPTION, error.message))?;
        let meters = Arc::clone(&context.meters);
        let store = Store::new(options, uri.first_host(), uri.answer_timeout(), meters);
        let store = store.map_err(|error| {
            refuse(
                "com.mongodb.MongoClientException",
                format!("connection.uri: {}", error.kind),
            )
        })?;
        Ok(Box::new(MongoTask::new(TaskParts {
            context,
            topics,
            store: Arc::new(store),
            policy: extensions.policy,
            in_flight: extensions.in_flight,
        })))
    }
}

/// Both or neither of the two topic settings is refused before anything else is built.
fn check_topics(properties: &Properties, values: &mut Vec<ConfigValue>) {
    if topics::is_set(properties, "topics") == topics::is_set(properties, "topics.regex") {
        topics::validate(properties, values);
    }
}

fn connection(properties: &Properties) -> Option<ConnectionString> {
    let key = DEFINITION.key(URI)?;
    let text = properties
        .get(URI)
        .map(str::to_owned)
        .or_else(|| match &key.default {
            millstream_core::config::Default::Text(text) => Some(text.to_string()),
            _ => None,
        })?;
    ConnectionString::parse(text.trim()).ok()
}

/// What the original finds once it is connected: settings that mean nothing without the one that turns them on.
fn check_time_series(properties: &Properties, values: &mut Vec<ConfigValue>) {
    const EXPIRY: &str = "timeseries.expire.after.seconds";
    let text_of = |key: &str| properties.get(key).map_or("", str::trim);
    if !text_of("timeseries.timefield").is_empty() {
        return;
    }
    for key in ["timeseries.metafield", EXPIRY, "timeseries.granularity"] {
        let text = text_of(key);
        let is_set = match key {
            EXPIRY => text.parse::<i64>().is_ok_and(|seconds| seconds > 0),
            _ => !text.is_empty(),
        };
        if is_set {
            const MISSING: &str = "Missing timeseries configuration: `timeseries.timefield`";
            topics::add_error(values, key, MISSING.to_owned());
        }
    }
}

/// Connects as a task would and says Java's text if that fails, and why it does.
async fn try_connection(uri: &ConnectionString, properties: &Properties) -> Result<(), String> {
    let unreachable = |why: &str| format!("Unable to connect to the server. {why}");
    let mut options = uri
        .client_options(None)
        .await
        .map_err(|error| unreachable(&error.message))?;
    let timeout = options.connect_timeout.unwrap_or(CONNECT_TIMEOUT) + CONNECT_GRACE;
    options.server_selection_timeout = Some(timeout);
    let database = properties.get("database").unwrap_or("admin").to_owned();
    let store = Store::new(
        options,
        uri.first_host(),
        uri.answer_timeout(),
        Arc::default(),
    )
    .map_err(|error| unreachable(&error.kind.to_string()))?;
    let database = if uri.has_credentials() {
        "admin".to_owned()
    } else {
        database
    };
    match store.ping(&database, timeout).await {
        // A server that answers is there, whatever it thinks of the command.
        Ok(()) | Err(Unreachable::Responds) => Ok(()),
        Err(Unreachable::AuthenticationFailed(why)) => Err(format!(
            "Invalid user permissions authentication failed. {why}"
        )),
        Err(Unreachable::Unavailable(why)) => Err(unreachable(&why)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_time_series_mean_nothing_without_the_field_of_times() {
        for (key, text, is_wrong) in [
            ("timeseries.metafield", "0", true),
            ("timeseries.metafield", " ", false),
            ("timeseries.expire.after.seconds", "0", false),
            ("timeseries.expire.after.seconds", "9", true),
            ("timeseries.granularity", "hours", true),
        ] {
            let mut values = Vec::new();
            check_time_series(&Properties::from_iter([(key, text)]), &mut values);
            let wrong: Vec<&str> = values.iter().map(|value| value.name.as_str()).collect();
            assert_eq!(wrong, vec![key; usize::from(is_wrong)], "{key}={text}");
        }
    }
}
