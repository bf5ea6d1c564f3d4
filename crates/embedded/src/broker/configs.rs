//! Settings of topics and brokers: stored as strings, shown with Kafka's defaults. Only the few that `log.rs` and `produce.rs`
//! read have an effect.

use std::collections::BTreeMap;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::alter_configs_response::AlterConfigsResourceResponse as Altered;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult,
};
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse as IncrementallyAltered;
use kafka_protocol::messages::{
    AlterConfigsRequest, AlterConfigsResponse, DescribeConfigsRequest, DescribeConfigsResponse,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
use kafka_protocol::protocol::StrBytes;

use super::call::{Call, code};
use super::lock;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

const SET_ON_TOPIC: i8 = 1;
const SET_ON_BROKER: i8 = 2;
const DEFAULT: i8 = 5;

/// Name, default, and Kafka's number for the type: boolean 1, string 2, int 3, long 5, double 6, list 7.
const TOPIC_DEFAULTS: &[(&str, &str, i8)] = &[
    ("cleanup.policy", "delete", 7),
    ("compression.type", "producer", 2),
    ("delete.retention.ms", "86400000", 5),
    ("file.delete.delay.ms", "60000", 5),
    ("flush.messages", "9223372036854775807", 5),
    ("flush.ms", "9223372036854775807", 5),
    ("max.compaction.lag.ms", "9223372036854775807", 5),
    ("max.message.bytes", "1048588", 3),
    ("message.timestamp.type", "CreateTime", 2),
    ("min.cleanable.dirty.ratio", "0.5", 6),
    ("min.compaction.lag.ms", "0", 5),
    ("min.insync.replicas", "1", 3),
    ("retention.bytes", "-1", 5),
    ("retention.ms", "604800000", 5),
    ("segment.bytes", "1073741824", 3),
    ("segment.ms", "604800000", 5),
    ("unclean.leader.election.enable", "false", 1),
];

/// A setting as it is shown.
pub(crate) struct Shown {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) source: i8,
    kind: i8,
}

/// The settings of a topic: what was set, and the defaults of the rest.
pub(crate) fn of_topic(set: &BTreeMap<String, String>) -> Vec<Shown> {
    let mut shown: Vec<_> = TOPIC_DEFAULTS
        .iter()
        .map(|(name, default, kind)| match set.get(*name) {
            Some(value) => Shown {
                name: (*name).to_owned(),
                value: value.clone(),
                source: SET_ON_TOPIC,
                kind: *kind,
            },
            None => Shown {
                name: (*name).to_owned(),
                value: (*default).to_owned(),
                source: DEFAULT,
                kind: *kind,
            },
        })
        .collect();
    let others = set
        .iter()
        .filter(|(name, _)| !TOPIC_DEFAULTS.iter().any(|(known, ..)| known == name));
    shown.extend(others.map(|(name, value)| Shown {
        name: name.clone(),
        value: value.clone(),
        source: SET_ON_TOPIC,
        kind: 2,
    }));
    shown
}

impl Call<'_> {
    fn of_broker(&self) -> Vec<Shown> {
        let shown = |name: &str, value: String, source| Shown {
            name: name.to_owned(),
            value,
            source,
            kind: 2,
        };
        let mut list = vec![
            shown(
                "auto.create.topics.enable",
                self.broker.auto_create.to_string(),
                DEFAULT,
            ),
            shown("default.replication.factor", "1".to_owned(), DEFAULT),
            shown(
                "num.partitions",
                self.broker.default_partitions.to_string(),
                DEFAULT,
            ),
        ];
        list.extend(
            lock(&self.broker.configs)
                .iter()
                .map(|(name, value)| shown(name, value.clone(), SET_ON_BROKER)),
        );
        list
    }

    pub(crate) fn describe_configs(
        &self,
        request: DescribeConfigsRequest,
    ) -> DescribeConfigsResponse {
        let results = request
            .resources
            .into_iter()
            .map(|resource| self.describe_resource(resource));
        DescribeConfigsResponse::default().with_results(results.collect())
    }

    fn describe_resource(&self, resource: DescribeConfigsResource) -> DescribeConfigsResult {
        let shown = match (self.forced_whole(), resource.resource_type) {
            (Some(forced), _) => Err(forced),
            (None, TOPIC) => {
                let topic = self.broker.topics.get(&resource.resource_name);
                topic
                    .map(|topic| of_topic(&topic.configs()))
                    .ok_or(ResponseError::UnknownTopicOrPartition)
            }
            (None, BROKER) => Ok(self.of_broker()),
            (None, _) => Err(ResponseError::InvalidRequest),
        };
        let answer = DescribeConfigsResult::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name);
        let wanted = resource.configuration_keys;
        let is_wanted = |shown: &Shown| {
            wanted
                .as_ref()
                .is_none_or(|keys| keys.iter().any(|key| key.as_str() == shown.name))
        };
        match shown {
            Err(error) => answer
                .with_error_code(error.code())
                .with_error_message(Some(StrBytes::from_string(error.to_string()))),
            Ok(list) => {
                answer.with_configs(list.into_iter().filter(is_wanted).map(result).collect())
            }
        }
    }

    pub(crate) fn alter_configs(&self, request: AlterConfigsRequest) -> AlterConfigsResponse {
        let responses = request.resources.into_iter().map(|resource| {
            let value = |value: Option<StrBytes>| value.map(|value| value.to_string());
            let set = resource
                .configs
                .into_iter()
                .filter_map(|c| Some((c.name.to_string(), value(c.value)?)))
                .collect();
            let altered = self.alter(
                resource.resource_type,
                &resource.resource_name,
                request.validate_only,
                |_| Ok(set),
            );
            Altered::default()
                .with_error_code(code(altered))
                .with_resource_type(resource.resource_type)
                .with_resource_name(resource.resource_name)
        });
        AlterConfigsResponse::default().with_responses(responses.collect())
    }

    pub(crate) fn incremental_alter_configs(
        &self,
        request: IncrementalAlterConfigsRequest,
    ) -> IncrementalAlterConfigsResponse {
        let responses = request.resources.into_iter().map(|resource| {
            let ops: Vec<_> = resource
                .configs
                .into_iter()
                .map(|config| {
                    (
                        config.name.to_string(),
                        config.config_operation,
                        config.value.map(|value| value.to_string()),
                    )
                })
                .collect();
            let altered = self.alter(
                resource.resource_type,
                &resource.resource_name,
                request.validate_only,
                |old| apply(old, ops),
            );
            IncrementallyAltered::default()
                .with_error_code(code(altered))
                .with_resource_type(resource.resource_type)
                .with_resource_name(resource.resource_name)
        });
        IncrementalAlterConfigsResponse::default().with_responses(responses.collect())
    }

    fn alter(
        &self,
        kind: i8,
        name: &str,
        validate_only: bool,
        change: impl FnOnce(BTreeMap<String, String>) -> Result<BTreeMap<String, String>, ResponseError>,
    ) -> Result<(), ResponseError> {
        if let Some(forced) = self.forced_whole() {
            return Err(forced);
        }
        match kind {
            TOPIC => {
                let topic = self
                    .broker
                    .topics
                    .get(name)
                    .ok_or(ResponseError::UnknownTopicOrPartition)?;
                let changed = change(topic.configs())?;
                if validate_only {
                    Ok(())
                } else {
                    self.broker.topics.configure(name, changed)
                }
            }
            BROKER => {
                let mut configs = lock(&self.broker.configs);
                let changed = change(configs.clone())?;
                if !validate_only {
                    *configs = changed;
                }
                Ok(())
            }
            _ => Err(ResponseError::InvalidRequest),
        }
    }
}

/// Set, delete, append and subtract, in Kafka's numbers; the last two work on lists.
fn apply(
    mut configs: BTreeMap<String, String>,
    ops: Vec<(String, i8, Option<String>)>,
) -> Result<BTreeMap<String, String>, ResponseError> {
    for (name, op, value) in ops {
        let parts = |text: &str| {
            text.split(',')
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let old = configs.get(&name).map(|old| parts(old)).unwrap_or_default();
        let new = value.as_deref().map(parts).unwrap_or_default();
        match (op, value) {
            (0, Some(value)) => drop(configs.insert(name, value)),
            (1, _) => drop(configs.remove(&name)),
            (2, Some(_)) => drop(configs.insert(name, [old, new].concat().join(","))),
            (3, Some(_)) => {
                let left: Vec<_> = old.into_iter().filter(|part| !new.contains(part)).collect();
                configs.insert(name, left.join(","));
            }
            _ => return Err(ResponseError::InvalidConfig),
        }
    }
    Ok(configs)
}

fn result(shown: Shown) -> DescribeConfigsResourceResult {
    DescribeConfigsResourceResult::default()
        .with_name(StrBytes::from_string(shown.name))
        .with_value(Some(StrBytes::from_string(shown.value)))
        .with_config_source(shown.source)
        .with_config_type(shown.kind)
}
