//! Metadata, DescribeCluster and FindCoordinator: who is there and who is responsible.

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{
    BrokerId, DescribeClusterRequest, DescribeClusterResponse, FindCoordinatorRequest,
    FindCoordinatorResponse, MetadataRequest, MetadataResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use super::call::Call;
use super::topics::Topic;

impl Call<'_> {
    pub(crate) fn metadata(&self, request: MetadataRequest) -> MetadataResponse {
        let brokers = self.broker.nodes.up().into_iter().map(|node| {
            let host = StrBytes::from_string(node.host);
            MetadataResponseBroker::default()
                .with_node_id(BrokerId(node.id))
                .with_host(host)
                .with_port(node.port.into())
        });
        let may_create =
            self.broker.auto_create && (self.version < 4 || request.allow_auto_topic_creation);
        let topics = match request.topics {
            Some(topics) if !(topics.is_empty() && self.version == 0) => topics
                .into_iter()
                .map(|asked| self.asked_topic(asked, may_create))
                .collect(),
            _ => self
                .broker
                .topics
                .all()
                .iter()
                .map(|topic| self.known_topic(topic))
                .collect(),
        };
        MetadataResponse::default()
            .with_brokers(brokers.collect())
            .with_cluster_id(Some(StrBytes::from_string(self.broker.cluster_id.clone())))
            .with_controller_id(self.controller())
            .with_topics(topics)
    }

    fn controller(&self) -> BrokerId {
        BrokerId(self.broker.nodes.up().first().map_or(-1, |node| node.id))
    }

    fn asked_topic(&self, asked: MetadataRequestTopic, may_create: bool) -> MetadataResponseTopic {
        let Some(name) = asked.name else {
            return match self.broker.topics.by_id(asked.topic_id) {
                Some(topic) => self.known_topic(&topic),
                None => MetadataResponseTopic::default()
                    .with_topic_id(asked.topic_id)
                    .with_name(if self.version >= 12 {
                        None
                    } else {
                        Some(TopicName::default())
                    })
                    .with_error_code(ResponseError::UnknownTopicId.code()),
            };
        };
        match self.find_or_create(&name, may_create) {
            Ok(topic) => self.known_topic(&topic),
            Err(error) => MetadataResponseTopic::default()
                .with_name(Some(name))
                .with_error_code(error.code()),
        }
    }

    fn find_or_create(&self, name: &str, may_create: bool) -> Result<Arc<Topic>, ResponseError> {
        if let Some(forced) = self.forced(name) {
            return Err(forced);
        }
        let topics = &self.broker.topics;
        match topics.get(name) {
            Some(topic) => Ok(topic),
            None if may_create => {
                match topics.create(name, self.broker.default_partitions, BTreeMap::new()) {
                    // Another connection may have been faster.
                    Err(ResponseError::TopicAlreadyExists) => topics
                        .get(name)
                        .ok_or(ResponseError::UnknownTopicOrPartition),
                    created => created,
                }
            }
            None => {
                topics.check(name, 1)?;
                Err(ResponseError::UnknownTopicOrPartition)
            }
        }
    }

    fn known_topic(&self, topic: &Topic) -> MetadataResponseTopic {
        let up: Vec<i32> = self.broker.nodes.up().iter().map(|node| node.id).collect();
        let partitions = topic
            .partitions()
            .into_iter()
            .enumerate()
            .map(|(index, partition)| {
                let log = partition.log();
                let is_led = up.contains(&log.leader);
                let error = if is_led {
                    0
                } else {
                    ResponseError::LeaderNotAvailable.code()
                };
                MetadataResponsePartition::default()
                    .with_error_code(error)
                    .with_partition_index(index as i32)
                    .with_leader_id(BrokerId(if is_led { log.leader } else { -1 }))
                    .with_leader_epoch(log.leader_epoch())
                    .with_replica_nodes(vec![BrokerId(log.leader)])
                    .with_isr_nodes(vec![BrokerId(log.leader)])
            });
        MetadataResponseTopic::default()
            .with_name(Some(name_of(topic)))
            .with_topic_id(topic.id)
            .with_is_internal(topic.name.starts_with("__"))
            .with_partitions(partitions.collect())
    }

    pub(crate) fn describe_cluster(
        &self,
        request: DescribeClusterRequest,
    ) -> DescribeClusterResponse {
        let brokers = self.broker.nodes.up().into_iter().map(|node| {
            let host = StrBytes::from_string(node.host);
            DescribeClusterBroker::default()
                .with_broker_id(BrokerId(node.id))
                .with_host(host)
                .with_port(node.port.into())
        });
        DescribeClusterResponse::default()
            .with_cluster_id(StrBytes::from_string(self.broker.cluster_id.clone()))
            .with_endpoint_type(request.endpoint_type)
            .with_controller_id(self.controller())
            .with_brokers(brokers.collect())
    }

    pub(crate) fn find_coordinator(
        &self,
        request: FindCoordinatorRequest,
    ) -> FindCoordinatorResponse {
        if self.version >= 4 {
            let found = request.coordinator_keys.into_iter().map(|key| {
                let answer = Coordinator::default().with_key(key.clone());
                match self.coordinator_of(&key, request.key_type) {
                    Ok((node, host, port)) => {
                        answer.with_node_id(node).with_host(host).with_port(port)
                    }
                    Err(error) => answer
                        .with_node_id(BrokerId(-1))
                        .with_port(-1)
                        .with_error_code(error.code()),
                }
            });
            return FindCoordinatorResponse::default().with_coordinators(found.collect());
        }
        match self.coordinator_of(&request.key, request.key_type) {
            Ok((node, host, port)) => FindCoordinatorResponse::default()
                .with_node_id(node)
                .with_host(host)
                .with_port(port),
            Err(error) => FindCoordinatorResponse::default()
                .with_node_id(BrokerId(-1))
                .with_port(-1)
                .with_error_code(error.code()),
        }
    }

    /// Groups are keys of type 0, transactions of type 1.
    fn coordinator_of(
        &self,
        key: &str,
        key_type: i8,
    ) -> Result<(BrokerId, StrBytes, i32), ResponseError> {
        if let Some(forced) = self.forced_whole() {
            return Err(forced);
        }
        if !(0..=1).contains(&key_type) {
            return Err(ResponseError::InvalidRequest);
        }
        let id = self
            .broker
            .nodes
            .coordinator(key)
            .ok_or(ResponseError::CoordinatorNotAvailable)?;
        let node = self
            .broker
            .nodes
            .up()
            .into_iter()
            .find(|node| node.id == id);
        let node = node.ok_or(ResponseError::CoordinatorNotAvailable)?;
        Ok((
            BrokerId(node.id),
            StrBytes::from_string(node.host),
            node.port.into(),
        ))
    }
}

fn name_of(topic: &Topic) -> TopicName {
    TopicName(StrBytes::from_string(topic.name.clone()))
}
