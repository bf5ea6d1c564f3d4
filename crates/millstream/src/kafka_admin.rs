//! The worker's questions to Kafka, asked with our client.

use async_trait::async_trait;
use millstream_core::{Properties, TopicPartition};
use millstream_kafka::{Admin, Bootstrap, ClientSettings, KafkaError, ResponseError};
use millstream_worker::{AdminError, KafkaAdmin};
use std::collections::BTreeMap;

/// Opens a client for each question: they are few, and each connector may ask with settings of its own.
#[derive(Default)]
pub(crate) struct AdminClient {
    /// Brokers that may become others while the worker runs.
    pub(crate) bootstrap: Option<Bootstrap>,
}

impl AdminClient {
    fn open(&self, client: &Properties) -> Result<Admin, AdminError> {
        let settings = ClientSettings::from_properties(client)
            .map_err(|error| AdminError::Failed(error.to_string()))?;
        Ok(Admin::new(settings.following(self.bootstrap.as_ref())))
    }
}

#[async_trait]
impl KafkaAdmin for AdminClient {
    async fn cluster_id(&self, client: &Properties) -> Result<String, AdminError> {
        let id = self.open(client)?.cluster_id().await.map_err(translate)?;
        id.ok_or_else(|| {
            AdminError::Failed("the brokers do not tell their cluster's id".to_owned())
        })
    }

    async fn partition_counts(
        &self,
        client: &Properties,
        topics: &[&str],
    ) -> Result<BTreeMap<String, i32>, AdminError> {
        let known = self.open(client)?.list_topics().await.map_err(translate)?;
        let counts = topics.iter().filter_map(|topic| {
            let info = known.get(*topic)?;
            Some(((*topic).to_owned(), info.partitions))
        });
        Ok(counts.collect())
    }

    async fn group_offsets(
        &self,
        client: &Properties,
        group: &str,
    ) -> Result<Vec<(TopicPartition, i64)>, AdminError> {
        self.open(client)?
            .group_offsets(group)
            .await
            .map_err(translate)
    }

    async fn alter_group_offsets(
        &self,
        client: &Properties,
        group: &str,
        offsets: &[(TopicPartition, i64)],
    ) -> Result<(), AdminError> {
        self.open(client)?
            .set_group_offsets(group, offsets)
            .await
            .map_err(translate)
    }

    async fn fence_producers(&self, client: &Properties, ids: &[String]) -> Result<(), AdminError> {
        let admin = self.open(client)?;
        for id in ids {
            admin.fence_producers(id).await.map_err(translate)?;
        }
        Ok(())
    }

    async fn delete_group_offsets(
        &self,
        client: &Properties,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<(), AdminError> {
        self.open(client)?
            .delete_group_offsets(group, partitions)
            .await
            .map_err(translate)
    }

    async fn delete_group(&self, client: &Properties, group: &str) -> Result<(), AdminError> {
        match self.open(client)?.delete_group(group).await {
            Err(error) if error.response_error() == Some(ResponseError::GroupIdNotFound) => Ok(()),
            outcome => outcome.map_err(translate),
        }
    }
}

fn translate(error: KafkaError) -> AdminError {
    match error.response_error() {
        Some(
            ResponseError::NonEmptyGroup
            | ResponseError::UnknownMemberId
            | ResponseError::GroupSubscribedToTopic,
        ) => AdminError::GroupInUse(error.to_string()),
        Some(_) | None => AdminError::Failed(error.to_string()),
    }
}
