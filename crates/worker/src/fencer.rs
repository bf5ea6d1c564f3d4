//! Fencer: shuts out the producers of an exactly-once source's former tasks.

use crate::client_settings;
use crate::cluster::StoreError;
use crate::config::WorkerSettings;
use crate::kafka_admin::KafkaAdmin;
use millstream_core::Properties;
use std::sync::Arc;

/// Cloning shares it.
#[derive(Clone)]
pub(crate) struct Fencer {
    pub(crate) kafka: Option<Arc<dyn KafkaAdmin>>,
    pub(crate) worker: Arc<WorkerSettings>,
}

impl Fencer {
    /// Those of the first so many tasks, which are named as Java's worker names them.
    pub(crate) fn fence(
        &self,
        name: Arc<str>,
        config: Properties,
        tasks: u32,
    ) -> impl Future<Output = Result<(), StoreError>> + use<> {
        let Fencer { kafka, worker } = self.clone();
        async move {
            let failed = |why: String| {
                tracing::error!(connector = %name, error = why, "cannot fence the producers of former tasks");
                StoreError(format!(
                    "Failed to fence out previous tasks of connector {name}: {why}"
                ))
            };
            let kafka = kafka.ok_or_else(|| failed("no admin client is available".to_owned()))?;
            let config = worker.providers.resolve(&config).await;
            let config = config.map_err(|error| failed(error.to_string()))?;
            let client_id = format!("connector-worker-adminclient-{name}");
            let client = client_settings::admin(&worker, &config.properties, &client_id);
            let group = worker.properties.get("group.id").unwrap_or_default();
            let ids: Vec<String> = (0..tasks)
                .map(|task| format!("{group}-{name}-{task}"))
                .collect();
            let fenced = kafka.fence_producers(&client, &ids).await;
            fenced.map_err(|error| failed(error.to_string()))
        }
    }
}
