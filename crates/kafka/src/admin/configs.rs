//! Settings of topics and brokers, asked for and changed.

use super::Admin;
use crate::cluster::{Lane, Topics};
use crate::connection::Connection;
use crate::error::KafkaError;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::{DescribeConfigsRequest, IncrementalAlterConfigsRequest};
use kafka_protocol::protocol::StrBytes;
use std::collections::BTreeMap;

/// Kinds of resources, in Kafka's numbers.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// The operation that sets a value, in Kafka's numbers.
const SET: i8 = 0;

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

    /// Sets one setting of a topic and leaves the others as they are. Brokers before 2.3 cannot do that.
    pub async fn set_topic_config(
        &self,
        topic: &str,
        setting: &str,
        value: &str,
    ) -> Result<(), KafkaError> {
        let operation = format!("alter config {setting} of topic {topic}");
        self.retry(|| async {
            let config = AlterableConfig::default()
                .with_name(text(setting))
                .with_config_operation(SET)
                .with_value(Some(text(value)));
            let resource = AlterConfigsResource::default()
                .with_resource_type(TOPIC)
                .with_resource_name(text(topic))
                .with_configs(vec![config]);
            let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
            let response = self.controller().await?.request(|_| request).await?;
            let mut results = response.responses.iter();
            results.try_for_each(|result| {
                check(&operation, result.error_code, result.error_message.as_ref())
            })
        })
        .await
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

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn check(operation: &str, code: i16, message: Option<&StrBytes>) -> Result<(), KafkaError> {
    match code {
        0 => Ok(()),
        _ => Err(KafkaError::response_with_message(operation, code, message)),
    }
}
