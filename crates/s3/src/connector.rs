//! S3SinkConnector: validates settings as the Java original does and starts tasks.

use crate::config::{self, S3Config};
use crate::settings::Settings;
use crate::start_error::no_such_constructor;
use crate::store::Store;
use crate::task::S3Task;
use crate::unsupported;
use async_trait::async_trait;
use millstream_core::{
    ConfigDef, ConfigValue, Connector, ConnectorError, Properties, Role, SinkConnector, SinkError,
    SinkTask, TaskContext,
};
use std::time::Duration;

/// `io.confluent.connect.s3.S3SinkConnector`.
#[derive(Clone, Copy, Debug, Default)]
pub struct S3SinkConnector;

#[async_trait]
impl Connector for S3SinkConnector {
    fn class_name(&self) -> &'static str {
        "io.confluent.connect.s3.S3SinkConnector"
    }

    fn role(&self) -> Role<'_> {
        Role::Sink(self)
    }

    fn version(&self) -> &'static str {
        "12.1.9"
    }

    fn config_def(&self) -> &ConfigDef {
        config::definition()
    }

    /// The AWS SDK refuses a region without a name, which the original does not expect.
    fn throws(&self, properties: &Properties) -> Option<ConnectorError> {
        let is_blank = properties
            .get("s3.region")
            .is_some_and(|region| region.trim().is_empty());
        is_blank.then(|| ConnectorError {
            class: "java.lang.IllegalArgumentException",
            message: "region must not be blank or empty.".to_owned(),
        })
    }

    fn extensions(&self) -> &ConfigDef {
        config::extensions()
    }

    fn classes(&self) -> Vec<String> {
        config::all_classes().map(str::to_owned).collect()
    }

    /// The storage library's Hive integration reads it; each published example has it.
    fn without_effect(&self) -> &'static [&'static str] {
        &["schema.generator.class"]
    }

    fn validate(&self, properties: &Properties) -> Vec<ConfigValue> {
        let mut values = config::definition().validate(properties);
        let config = S3Config::from_values(&values);
        config::set_visibility(&mut values);
        config::check_across(config.as_ref(), &mut values);
        config::refuse_nulls(properties, &mut values);
        config::check_own(&mut values);
        if let Some(config) = &config {
            unsupported::refuse_unsupported(config, &mut values);
        }
        unsupported::refuse_credentials_class(properties, &mut values);
        let extensions = config::extensions().validate(properties);
        values.extend(
            extensions
                .into_iter()
                .filter(|value| properties.contains(&value.name)),
        );
        config::check_extensions(config.as_ref(), &mut values);
        values
    }

    fn check_start(&self, properties: &Properties) -> Result<(), ConnectorError> {
        let refuse = |message: String| ConnectorError {
            class: config::CONFIG_EXCEPTION,
            message,
        };
        config::check_start(&parse(properties).map_err(refuse)?).map_err(refuse)
    }
}

#[async_trait]
impl SinkConnector for S3SinkConnector {
    async fn start_task(
        &self,
        properties: &Properties,
        context: TaskContext,
    ) -> Result<Box<dyn SinkTask>, SinkError> {
        let config = parse(properties).map_err(config_error)?;
        if config.storage_class != config::S3_STORAGE {
            let takes = "io.confluent.connect.s3.S3SinkConnectorConfig,java.lang.String";
            let cause = no_such_constructor(&config.storage_class, takes);
            let message = format!("{}: {}", cause.class, cause.message);
            return Err(SinkError::fatal(message).with_source(cause));
        }
        let settings = Settings::new(&config, properties)?;
        let store = Store::new(
            &config,
            properties,
            settings.signs_payload,
            settings.checksums,
        )
        .await
        .map_err(config_error)?;
        let found = store.bucket_exists().await.map_err(|error| {
            // The whole cause is in the sentence: as a link of its own it would be told twice.
            let bucket = &config.bucket_name;
            let message = format!("HeadBucket failed for bucket {bucket}: {error}");
            if error.is_transient() {
                let after = Duration::from_millis(settings.uploads.retry_backoff as u64);
                SinkError::retriable(message, after)
            } else {
                SinkError::fatal(message)
            }
        })?;
        if !found {
            return Err(SinkError::fatal(format!(
                "Non-existent S3 bucket: {}",
                config.bucket_name
            )));
        }
        let mut task = S3Task::new(settings, store, &context);
        task.check(&context).await;
        task.read_ledger().await?;
        Ok(Box::new(task))
    }
}

/// The settings, or the first error of any key.
pub(crate) fn parse(properties: &Properties) -> Result<S3Config, String> {
    let mut values = config::definition().validate(properties);
    let config = S3Config::from_values(&values);
    config::refuse_nulls(properties, &mut values);
    config::check_own(&mut values);
    let values = values
        .into_iter()
        .chain(config::start_only().validate(properties));
    let error = values.flat_map(|value| value.errors).next();
    match (config, error) {
        (Some(config), None) => Ok(config),
        (_, error) => Err(error.unwrap_or_default()),
    }
}

fn config_error(message: String) -> SinkError {
    SinkError {
        class: config::CONFIG_EXCEPTION,
        ..SinkError::fatal(message)
    }
}
