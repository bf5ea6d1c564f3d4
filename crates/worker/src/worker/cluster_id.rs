//! The id of the Kafka cluster, learned beside everything else: a worker answers before its brokers do.

use crate::client_settings;
use crate::config::WorkerSettings;
use crate::kafka_admin::KafkaAdmin;
use millstream_core::Properties;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Pauses between attempts to learn the cluster's id.
const FIRST_CLUSTER_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_CLUSTER_PAUSE: Duration = Duration::from_secs(30);

/// Asks the brokers for the cluster's id until they tell it.
pub(super) async fn learn_cluster_id(
    kafka: Arc<dyn KafkaAdmin>,
    worker: Arc<WorkerSettings>,
    id: watch::Sender<Option<String>>,
    shutdown: CancellationToken,
) {
    let client = client_settings::admin(&worker, &Properties::new(), "millstream-worker");
    let mut pause = FIRST_CLUSTER_PAUSE;
    let mut last_error = String::new();
    // A question that nobody waits for any more may be dropped: it changes nothing.
    while let Some(answer) = shutdown
        .run_until_cancelled(kafka.cluster_id(&client))
        .await
    {
        match answer {
            Ok(known) => {
                id.send_replace(Some(known));
                return;
            }
            Err(error) => {
                // What is said once stays true until something else is.
                let error = error.to_string();
                if error != last_error {
                    tracing::warn!(
                        error,
                        "Failed to connect to and describe Kafka cluster. Check worker's broker connection and security properties."
                    );
                }
                last_error = error;
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_CLUSTER_PAUSE),
            () = shutdown.cancelled() => return,
        }
    }
}
