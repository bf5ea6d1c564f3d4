//! The id of the Kafka cluster, learned beside everything else: a worker answers before its brokers do. They are asked once
//! somebody needs them, so that a worker whose connectors all read queues does without.

use crate::client_settings;
use crate::config::WorkerSettings;
use crate::kafka_admin::KafkaAdmin;
use millstream_core::Properties;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// Pauses between attempts to learn the cluster's id.
const FIRST_CLUSTER_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_CLUSTER_PAUSE: Duration = Duration::from_secs(30);

/// The id, as it becomes known.
#[derive(Clone)]
pub(crate) struct ClusterId {
    known: watch::Receiver<Option<String>>,
    asked: Arc<Notify>,
}

/// Where the id is told.
pub(crate) struct ClusterIdTeller {
    known: watch::Sender<Option<String>>,
    asked: Arc<Notify>,
}

impl ClusterId {
    pub(crate) fn new() -> (Self, ClusterIdTeller) {
        let (known_in, known) = watch::channel(None);
        let asked = Arc::<Notify>::default();
        let teller = ClusterIdTeller {
            known: known_in,
            asked: Arc::clone(&asked),
        };
        (ClusterId { known, asked }, teller)
    }

    /// The id, if it is known in this time; the brokers are asked from now on, if they were not.
    pub(crate) async fn within(&self, wait: Duration) -> Option<String> {
        self.asked.notify_one();
        let mut known = self.known.clone();
        let known = tokio::time::timeout(wait, known.wait_for(Option::is_some)).await;
        known.ok().and_then(Result::ok).and_then(|id| id.clone())
    }
}

/// Asks the brokers for the cluster's id until they tell it: from the time on at which they are `needed`, or somebody asks.
pub(crate) async fn learn_cluster_id(
    kafka: Arc<dyn KafkaAdmin>,
    worker: Arc<WorkerSettings>,
    id: ClusterIdTeller,
    needed: impl Future<Output = ()>,
    shutdown: CancellationToken,
) {
    let begins = async {
        tokio::select! {
            () = needed => {}
            () = id.asked.notified() => {}
        }
    };
    if shutdown.run_until_cancelled(begins).await.is_none() {
        return;
    }
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
                id.known.send_replace(Some(known));
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
