//! Creating, growing and deleting topics.

use std::collections::BTreeMap;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{
    CreatableTopicConfigs, CreatableTopicResult,
};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse,
    DeleteTopicsRequest, DeleteTopicsResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::call::Call;
use super::configs;

impl Call<'_> {
    pub(crate) fn create_topics(&self, request: CreateTopicsRequest) -> CreateTopicsResponse {
        let topics = request.topics.into_iter().map(|asked| {
            let answer = CreatableTopicResult::default().with_name(asked.name.clone());
            match self.create_topic(&asked, request.validate_only) {
                Ok((id, partitions, configs)) => {
                    let replicas = asked.replication_factor.max(1);
                    let answer = answer.with_topic_id(id).with_num_partitions(partitions);
                    answer
                        .with_replication_factor(replicas)
                        .with_configs(self.created_configs(&configs))
                }
                Err((error, message)) => answer
                    .with_error_code(error.code())
                    .with_error_message(Some(StrBytes::from_string(message)))
                    .with_num_partitions(-1)
                    .with_replication_factor(-1),
            }
        });
        CreateTopicsResponse::default().with_topics(topics.collect())
    }

    /// The texts are Kafka's: clients show them.
    fn create_topic(
        &self,
        asked: &CreatableTopic,
        validate_only: bool,
    ) -> Result<(Uuid, i32, BTreeMap<String, String>), (ResponseError, String)> {
        if let Some(forced) = self.forced(&asked.name) {
            return Err((forced, forced.to_string()));
        }
        let nodes = self.broker.nodes.up().len();
        let partitions = match (asked.assignments.len(), asked.num_partitions) {
            (0, -1) => self.broker.default_partitions,
            (0, partitions) => partitions,
            (assigned, _) => assigned as i32,
        };
        let replicas = asked.replication_factor;
        if asked.assignments.is_empty() && (replicas == 0 || replicas < -1) {
            return Err((
                ResponseError::InvalidReplicationFactor,
                "Replication factor must be larger than 0, or -1 to use the default value."
                    .to_owned(),
            ));
        }
        if replicas > nodes as i16 {
            let message = format!(
                "Unable to replicate the partition {replicas} time(s): The target replication factor of {replicas} cannot be reached because only {nodes} broker(s) are registered."
            );
            return Err((ResponseError::InvalidReplicationFactor, message));
        }
        let configs: BTreeMap<_, _> = asked
            .configs
            .iter()
            .filter_map(|config| {
                Some((config.name.to_string(), config.value.as_ref()?.to_string()))
            })
            .collect();
        let explain = |error: ResponseError| match error {
            ResponseError::TopicAlreadyExists => {
                (error, format!("Topic '{}' already exists.", *asked.name))
            }
            ResponseError::InvalidPartitions => (
                error,
                "Number of partitions was set to an invalid non-positive value.".to_owned(),
            ),
            _ => (error, error.to_string()),
        };
        if validate_only {
            self.broker
                .topics
                .check(&asked.name, partitions)
                .map_err(explain)?;
            return Ok((Uuid::nil(), partitions, configs));
        }
        let topic = self
            .broker
            .topics
            .create(&asked.name, partitions, configs.clone())
            .map_err(explain)?;
        Ok((topic.id, partitions, configs))
    }

    fn created_configs(
        &self,
        set: &BTreeMap<String, String>,
    ) -> Option<Vec<CreatableTopicConfigs>> {
        // The field came with version 5.
        (self.version >= 5).then(|| {
            let config = |shown: configs::Shown| {
                CreatableTopicConfigs::default()
                    .with_name(StrBytes::from_string(shown.name))
                    .with_value(Some(StrBytes::from_string(shown.value)))
                    .with_config_source(shown.source)
            };
            configs::of_topic(set).into_iter().map(config).collect()
        })
    }

    pub(crate) fn delete_topics(&self, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
        let by_name = request
            .topic_names
            .into_iter()
            .map(|name| DeleteTopicState::default().with_name(Some(name)));
        let results = by_name.chain(request.topics).map(|state| {
            let known = match &state.name {
                Some(name) => self
                    .broker
                    .topics
                    .get(name)
                    .ok_or(ResponseError::UnknownTopicOrPartition),
                None => self
                    .broker
                    .topics
                    .by_id(state.topic_id)
                    .ok_or(ResponseError::UnknownTopicId),
            };
            let deleted = match (self.forced_whole(), known) {
                (Some(error), _) | (None, Err(error)) => Err(error),
                (None, Ok(topic)) => self.broker.delete_topic(&topic.name).map(|()| topic),
            };
            let answer = DeletableTopicResult::default();
            match deleted {
                Ok(topic) => answer
                    .with_name(Some(TopicName(StrBytes::from_string(topic.name.clone()))))
                    .with_topic_id(topic.id),
                Err(error) => answer
                    .with_name(state.name)
                    .with_topic_id(state.topic_id)
                    .with_error_code(error.code())
                    .with_error_message(
                        (self.version >= 5).then(|| StrBytes::from_string(error.to_string())),
                    ),
            }
        });
        DeleteTopicsResponse::default().with_responses(results.collect())
    }

    pub(crate) fn create_partitions(
        &self,
        request: CreatePartitionsRequest,
    ) -> CreatePartitionsResponse {
        let results = request.topics.into_iter().map(|asked| {
            let grown = self.forced(&asked.name).map_or_else(
                || {
                    self.broker
                        .topics
                        .grow(&asked.name, asked.count, request.validate_only)
                },
                Err,
            );
            let message = grown
                .err()
                .map(|error| StrBytes::from_string(error.to_string()));
            CreatePartitionsTopicResult::default()
                .with_name(asked.name)
                .with_error_code(super::call::code(grown))
                .with_error_message(message)
        });
        CreatePartitionsResponse::default().with_results(results.collect())
    }
}
