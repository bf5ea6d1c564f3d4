//! Secrets and parameters for the references in connectors' settings.

use super::Aws;
use millstream_aws::services::{ask, secrets, ssm};
use millstream_aws::{CallError, Class, Client, Environment};
use millstream_worker::config::{RemoteValue, RemoteValues};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::OnceCell;

/// For one value: the attempts of one call, and the metadata of a task before the first.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks on a runtime of its own choice, so that whoever waits for a value may block its thread.
pub(crate) struct AwsValues {
    runtime: Handle,
    /// Made by the first who asks: without references no key is needed.
    client: Arc<OnceCell<Arc<Client>>>,
}

impl AwsValues {
    pub(crate) fn new(runtime: Handle) -> Self {
        AwsValues {
            runtime,
            client: Arc::default(),
        }
    }
}

impl RemoteValues for AwsValues {
    fn get(&self, value: &RemoteValue) -> Result<Option<String>, String> {
        let (answer, answered) = sync_channel(1);
        let (client, wanted) = (Arc::clone(&self.client), value.clone());
        self.runtime.spawn(async move {
            let value = tokio::time::timeout(PATIENCE, look_up(&client, &wanted)).await;
            // Nobody waits any more where the process ends.
            let _ = answer.send(value.unwrap_or_else(|_| Err(late())));
        });
        // The task above ends in time by itself.
        let outcome = answered.recv_timeout(PATIENCE + Duration::from_secs(1));
        let outcome = outcome.unwrap_or_else(|_| Err(late()));
        outcome.map_err(|why| match value {
            RemoteValue::Secret { id, .. } => format!("secret {id}: {why}"),
            RemoteValue::Parameter(name) => format!("parameter {name}: {why}"),
        })
    }
}

fn late() -> String {
    format!("AWS did not answer within {} s", PATIENCE.as_secs())
}

async fn look_up(
    client: &OnceCell<Arc<Client>>,
    value: &RemoteValue,
) -> Result<Option<String>, String> {
    let made = client.get_or_try_init(|| async {
        let aws = Aws::new(Environment::of_process()).await;
        let client = aws.and_then(|aws| aws.client());
        client.map_err(|exit| exit.to_string())
    });
    let client = made.await?;
    let found = match value {
        RemoteValue::Secret { id, member } => {
            let secret = ask(client, secrets::get_secret_value(id), secrets::parse_secret).await;
            match (secret, member) {
                (Ok(secret), Some(member)) => Ok(secrets::member(&secret, member)),
                (secret, _) => secret.map(Some),
            }
        }
        RemoteValue::Parameter(name) => {
            let parameter = ask(client, ssm::get_parameter(name), ssm::parse_parameter).await;
            parameter.map(Some)
        }
    };
    match found {
        Ok(value) => Ok(value.map(|value| value.reveal().to_owned())),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// Whether the service has nothing of that name.
fn is_missing(error: &CallError) -> bool {
    let names = ["ResourceNotFoundException", "ParameterNotFound"];
    error.class == Class::Permanent
        && error
            .name
            .as_deref()
            .is_some_and(|name| names.contains(&name))
}
