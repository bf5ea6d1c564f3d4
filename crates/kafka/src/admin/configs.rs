//! Settings of topics and brokers, asked for and changed.

use super::Admin;
use crate::cluster::{Lane, Topics};
use crate::connection::Connection;
use crate::error::KafkaError;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::DescribeConfigsResourceResult;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::{
    AlterConfigsRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest,
    alter_configs_request,
};
use kafka_protocol::protocol::StrBytes;
use std::collections::BTreeMap;

/// Kinds of resources, in Kafka's numbers.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// The operations that set a value and that take it back, in Kafka's numbers.
const SET: i8 = 0;
const DELETE: i8 = 1;

/// Where a value comes from, in Kafka's numbers: the topic itself, or nobody.
const OF_TOPIC: i8 = 1;
const BY_DEFAULT: i8 = 5;

/// A setting of a topic, as it is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSetting {
    pub name: String,
    /// `None`: it is hidden.
    pub value: Option<String>,
    /// Nobody has set it, neither for the topic nor for the brokers.
    pub is_default: bool,
    is_of_topic: bool,
}

impl Admin {
    /// A topic's value of a setting, as it is in force; `None` if the brokers know no such setting or hide it.
    pub async fn topic_config(
        &self,
        topic: &str,
        setting: &str,
    ) -> Result<Option<String>, KafkaError> {
        self.retry(|| async {
            let connection = self.cluster.any().await?;
            let mut known = describe(&connection, TOPIC, topic, &[setting]).await?;
            Ok(known.remove(setting))
        })
        .await
    }

    /// All settings of these topics, in the brokers' order.
    pub async fn topic_settings(
        &self,
        topics: &[String],
    ) -> Result<BTreeMap<String, Vec<TopicSetting>>, KafkaError> {
        self.retry(|| async {
            let connection = self.cluster.any().await?;
            let resources = topics.iter().map(|topic| {
                DescribeConfigsResource::default()
                    .with_resource_type(TOPIC)
                    .with_resource_name(text(topic))
                    .with_configuration_keys(None)
            });
            let request = DescribeConfigsRequest::default().with_resources(resources.collect());
            let response = connection.request(|_| request).await?;
            let mut found = BTreeMap::new();
            for result in response.results {
                let name = result.resource_name.to_string();
                let operation = format!("describe configs of {name}");
                check(&operation, result.error_code, result.error_message.as_ref())?;
                found.insert(name, result.configs.into_iter().map(setting).collect());
            }
            Ok(found)
        })
        .await
    }

    /// Sets one setting of a topic and leaves the others as they are.
    pub async fn set_topic_config(
        &self,
        topic: &str,
        setting: &str,
        value: &str,
    ) -> Result<(), KafkaError> {
        let change = [(setting.to_owned(), Some(value.to_owned()))];
        self.alter_topic_configs(topic, &change).await
    }

    /// Sets settings of a topic, or with `None` takes them back to the default, and leaves the others as they are.
    /// Brokers before 2.3 replace all settings of a topic at once: there the others are read first, and what somebody
    /// else changes between is lost.
    pub async fn alter_topic_configs(
        &self,
        topic: &str,
        changes: &[(String, Option<String>)],
    ) -> Result<(), KafkaError> {
        let names: Vec<&str> = changes.iter().map(|(name, _)| name.as_str()).collect();
        let operation = format!("alter config {} of topic {topic}", names.join(", "));
        self.retry(|| async {
            let connection = self.controller().await?;
            if connection
                .version_of::<IncrementalAlterConfigsRequest>()
                .is_err()
            {
                return self
                    .replace_configs(&connection, topic, changes, &operation)
                    .await;
            }
            let configs = changes.iter().map(|(name, value)| {
                AlterableConfig::default()
                    .with_name(text(name))
                    .with_config_operation(if value.is_some() { SET } else { DELETE })
                    .with_value(value.as_deref().map(text))
            });
            let resource = AlterConfigsResource::default()
                .with_resource_type(TOPIC)
                .with_resource_name(text(topic))
                .with_configs(configs.collect());
            let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
            let response = connection.request(|_| request).await?;
            let mut results = response.responses.iter();
            results.try_for_each(|result| {
                check(&operation, result.error_code, result.error_message.as_ref())
            })
        })
        .await
    }

    async fn replace_configs(
        &self,
        connection: &Connection,
        topic: &str,
        changes: &[(String, Option<String>)],
        operation: &str,
    ) -> Result<(), KafkaError> {
        let name = topic.to_owned();
        let known = self.topic_settings(std::slice::from_ref(&name)).await?;
        let mut wanted: BTreeMap<String, Option<String>> = known
            .into_values()
            .flatten()
            .filter(|setting| setting.is_of_topic)
            .map(|setting| (setting.name, setting.value))
            .collect();
        wanted.extend(changes.iter().cloned());
        let configs = wanted.iter().filter_map(|(name, value)| {
            let value = value.as_deref()?;
            Some(
                alter_configs_request::AlterableConfig::default()
                    .with_name(text(name))
                    .with_value(Some(text(value))),
            )
        });
        let resource = alter_configs_request::AlterConfigsResource::default()
            .with_resource_type(TOPIC)
            .with_resource_name(text(topic))
            .with_configs(configs.collect());
        let request = AlterConfigsRequest::default().with_resources(vec![resource]);
        let response = connection.request(|_| request).await?;
        let mut results = response.responses.iter();
        results.try_for_each(|result| {
            check(operation, result.error_code, result.error_message.as_ref())
        })
    }

    /// How many partitions and replicas a topic has by default, as far as the controller tells.
    pub(super) async fn defaults(&self) -> Result<(Option<i32>, Option<i16>), KafkaError> {
        let nobody = Topics::Named(Vec::new());
        let controller = self.cluster.refresh(&nobody, false).await?.controller;
        let connection = self.cluster.node(controller, Lane::Control).await?;
        let (partitions, replicas) = ("num.partitions", "default.replication.factor");
        let wanted = [partitions, replicas];
        let known = describe(&connection, BROKER, &controller.to_string(), &wanted).await?;
        Ok((
            known.get(partitions).and_then(|value| value.parse().ok()),
            known.get(replicas).and_then(|value| value.parse().ok()),
        ))
    }
}

/// The values of these settings that are told.
async fn describe(
    connection: &Connection,
    kind: i8,
    name: &str,
    settings: &[&str],
) -> Result<BTreeMap<String, String>, KafkaError> {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configuration_keys(Some(settings.iter().map(|key| text(key)).collect()));
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let response = connection.request(|_| request).await?;
    let mut known = BTreeMap::new();
    for result in response.results {
        let operation = format!("describe configs of {name}");
        check(&operation, result.error_code, result.error_message.as_ref())?;
        let told = result.configs.into_iter();
        known.extend(told.filter_map(|one| Some((one.name.to_string(), one.value?.to_string()))));
    }
    Ok(known)
}

fn setting(told: DescribeConfigsResourceResult) -> TopicSetting {
    TopicSetting {
        name: told.name.to_string(),
        value: told.value.map(|value| value.to_string()),
        is_default: told.config_source == BY_DEFAULT,
        is_of_topic: told.config_source == OF_TOPIC,
    }
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn check(operation: &str, code: i16, message: Option<&StrBytes>) -> Result<(), KafkaError> {
    match code {
        0 => Ok(()),
        _ => Err(KafkaError::response_with_message(operation, code, message)),
    }
}
