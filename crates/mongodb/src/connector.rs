//! The connector: what it is called, how its settings are checked, how its tasks start.

use crate::aggregate;
use crate::aggregate::task::{AggregateParts, AggregateTask};
use crate::authentication;
use crate::classes;
use crate::config::MongoConfig;
use crate::extensions::{self, Extensions};
use crate::key_stores;
use crate::probe;
use crate::replay;
use crate::store::Store;
use crate::task::{MongoTask, TaskParts};
use crate::topics::{self, Topics};
use crate::uri::{self, ConnectionString, URI};
use async_trait::async_trait;
use millstream_core::config::ConfigValue;
use millstream_core::rejected::CONNECT_EXCEPTION;
use millstream_core::{
    ConfigDef, Connector, ConnectorError, Properties, RecordError, Role, SinkConnector, SinkError,
    SinkErrorKind, SinkTask, TaskContext,
};
use std::sync::{Arc, LazyLock};

pub const CLASS: &str = "com.mongodb.kafka.connect.MongoSinkConnector";

/// The release whose behaviour is matched.
const VERSION: &str = "3.0.1";

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
        if let Some(uri) = connection(properties) {
            if let Some(why) = uri.unsupported() {
                topics::add_error(&mut values, URI, why);
            }
            probe::check_product(&uri, properties, &mut values);
        }
        values.extend(extensions::validate(properties));
        values
    }

    fn remarks(&self, properties: &Properties) -> Vec<(String, String)> {
        let Ok(extensions) = Extensions::parse(properties, true) else {
            return Vec::new();
        };
        if extensions.totals.is_some() {
            return Vec::new();
        }
        let duplicates = extensions.policy.duplicates;
        topics::remarks(properties, |settings| replay::hazards(settings, duplicates))
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
        match probe::connection(&uri, properties).await {
            Ok(store) => {
                probe::privileges(&store, &uri, properties, values).await;
                probe::time_series(&store, properties, values).await;
            }
            Err(problem) => topics::add_error(values, problem.key, problem.message),
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
        let mut options = uri
            .client_options(api)
            .await
            .map_err(|error| refuse(CONFIG_EXCEPTION, error.message))?;
        let trusted = key_stores::apply(&config, &mut options)
            .map_err(|problem| refuse(CONFIG_EXCEPTION, problem.message))?;
        let meters = Arc::clone(&context.meters);
        let store = Store::new(
            options,
            uri.first_host(),
            uri.answer_timeout(),
            meters,
            trusted,
        );
        let store = store.map_err(|error| {
            refuse(
                "com.mongodb.MongoClientException",
                format!("connection.uri: {}", error.kind),
            )
        })?;
        let store = Arc::new(store);
        let Extensions {
            policy,
            in_flight,
            totals,
        } = extensions;
        let Some(totals) = totals else {
            return Ok(Box::new(MongoTask::new(TaskParts {
                context,
                topics,
                store,
                policy,
                in_flight,
            })));
        };
        if context.queue.is_some() {
            return Err(refuse(
                CONFIG_EXCEPTION,
                aggregate::NEEDS_OFFSETS.to_owned(),
            ));
        }
        Ok(Box::new(AggregateTask::new(AggregateParts {
            context,
            topics,
            store,
            policy,
            in_flight,
            settings: Arc::new(totals),
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
