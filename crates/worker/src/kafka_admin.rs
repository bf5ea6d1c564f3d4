//! The seam to the cluster that the connectors read from: its id, and the offsets of consumer groups.

use async_trait::async_trait;
use millstream_core::{Properties, TopicPartition};
use std::collections::BTreeMap;

/// Administers a Kafka cluster. `client` are the settings of the client to use, see `client_settings::admin`.
#[async_trait]
pub trait KafkaAdmin: Send + Sync {
    async fn cluster_id(&self, client: &Properties) -> Result<String, AdminError>;

    /// How many partitions each of the topics has; those that do not exist are left out.
    async fn partition_counts(
        &self,
        client: &Properties,
        topics: &[&str],
    ) -> Result<BTreeMap<String, i32>, AdminError>;

    /// The group's committed offsets; none if there is no such group.
    async fn group_offsets(
        &self,
        client: &Properties,
        group: &str,
    ) -> Result<Vec<(TopicPartition, i64)>, AdminError>;

    /// Sets the group's offsets.
    async fn alter_group_offsets(
        &self,
        client: &Properties,
        group: &str,
        offsets: &[(TopicPartition, i64)],
    ) -> Result<(), AdminError>;

    /// Removes the group's offsets of some partitions.
    async fn delete_group_offsets(
        &self,
        client: &Properties,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<(), AdminError>;

    /// Removes the group; one that does not exist is a success.
    /// Shuts out whoever produces under one of these transactional ids. Answers once nobody can any more.
    async fn fence_producers(
        &self,
        _client: &Properties,
        _ids: &[String],
    ) -> Result<(), AdminError> {
        let why = "producers of former tasks cannot be fenced here";
        Err(AdminError::Failed(why.to_owned()))
    }

    async fn delete_group(&self, client: &Properties, group: &str) -> Result<(), AdminError>;
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum AdminError {
    /// The group still has members.
    #[error("{0}")]
    GroupInUse(String),
    #[error("{0}")]
    Failed(String),
}
