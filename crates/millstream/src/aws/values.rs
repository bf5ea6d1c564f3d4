//! Secrets and parameters for the references in connectors' settings.

use super::SharedAws;
use millstream_aws::discovery::remedy;
use millstream_aws::services::{secrets, ssm};
use millstream_aws::{CallError, Class, Client};
use millstream_core::Password;
use millstream_worker::config::{RemoteError, RemoteValue, RemoteValues};
use std::collections::HashMap;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::OnceCell;
use tokio::time::Instant;

/// For one value: the attempts of one call, and the metadata of a task before the first.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks on a runtime of its own choice, so that whoever waits for a value may block its thread. Who asks for the same while
/// an answer is on its way gets that answer: all tasks of a connector start together.
pub(crate) struct AwsValues {
    runtime: Handle,
    shared: Arc<Shared>,
}

struct Shared {
    aws: SharedAws,
    /// Made by the first who asks: without references no key is needed.
    client: OnceCell<Arc<Client>>,
    /// What somebody waits for.
    open: Mutex<HashMap<RemoteValue, Turn>>,
}

/// Held by who asks, and by the others in turn.
type Turn = Arc<tokio::sync::Mutex<Option<Told>>>;

/// An answer: nothing, if there is nothing of that name.
type Outcome = Result<Option<Password>, RemoteError>;

/// An answer, and when it came.
struct Told {
    at: Instant,
    outcome: Outcome,
}

impl AwsValues {
    pub(crate) fn new(runtime: Handle, aws: SharedAws) -> Self {
        let shared = Shared {
            aws,
            client: OnceCell::new(),
            open: Mutex::default(),
        };
        AwsValues {
            runtime,
            shared: Arc::new(shared),
        }
    }
}

impl RemoteValues for AwsValues {
    fn get(&self, value: &RemoteValue) -> Result<Option<String>, RemoteError> {
        let (answer, answered) = sync_channel(1);
        let (shared, asked) = (Arc::clone(&self.shared), value.clone());
        self.runtime.spawn(async move {
            let value = tokio::time::timeout(PATIENCE, shared.value(&asked)).await;
            // Nobody waits any more where the process ends.
            let _ = answer.send(value.unwrap_or_else(|_| Err(late())));
        });
        // The task above ends in time by itself.
        let outcome = answered.recv_timeout(PATIENCE + Duration::from_secs(1));
        let outcome = outcome.unwrap_or_else(|_| Err(late()));
        let text = outcome.map_err(|why| RemoteError {
            message: match value {
                RemoteValue::Secret(id) => format!("secret {id}: {why}"),
                RemoteValue::Parameter(name) => format!("parameter {name}: {why}"),
            },
            ..why
        })?;
        Ok(text.map(|text| text.reveal().to_owned()))
    }
}

fn late() -> RemoteError {
    RemoteError {
        message: format!("AWS did not answer within {} s", PATIENCE.as_secs()),
        is_transient: true,
    }
}

fn lasting(why: impl ToString) -> RemoteError {
    RemoteError {
        message: why.to_string(),
        is_transient: false,
    }
}

impl Shared {
    async fn value(&self, value: &RemoteValue) -> Outcome {
        let asked = Instant::now();
        let turn = Arc::clone(self.open().entry(value.clone()).or_default());
        let mut told = turn.lock().await;
        let outcome = match &*told {
            Some(told) if told.at > asked => told.outcome.clone(),
            _ => {
                let outcome = self.ask(value).await;
                let at = Instant::now();
                *told = Some(Told {
                    at,
                    outcome: outcome.clone(),
                });
                outcome
            }
        };
        drop(told);
        // No secret is kept once nobody waits for it: this one and the table are the last to have it.
        let mut open = self.open();
        if Arc::strong_count(&turn) == 2 {
            open.remove(value);
        }
        outcome
    }

    fn open(&self) -> MutexGuard<'_, HashMap<RemoteValue, Turn>> {
        // The table is whole after every step.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, value: &RemoteValue) -> Outcome {
        let made = self.client.get_or_try_init(|| async {
            let aws = self.aws.get().await;
            aws.and_then(|aws| aws.client()).map_err(lasting)
        });
        let client = made.await?;
        let call = match value {
            RemoteValue::Secret(id) => secrets::get_secret_value(id),
            RemoteValue::Parameter(name) => ssm::get_parameter(name),
        };
        let answer = match client.call(&call).await {
            Ok(answer) => answer,
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) => {
                return Err(RemoteError {
                    is_transient: may_pass(error.class),
                    message: format!("{error}{}", remedy(&error)),
                });
            }
        };
        let text = match value {
            RemoteValue::Secret(_) => secrets::parse_secret(&answer),
            RemoteValue::Parameter(_) => ssm::parse_parameter(&answer),
        };
        let unfit =
            |what: String| lasting(CallError::malformed(call.service, call.operation, &what));
        text.map(Some).map_err(unfit)
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

/// Whether the same question may be answered later, though nobody changes anything.
fn may_pass(class: Class) -> bool {
    match class {
        Class::Throttled | Class::Transient | Class::NotReady | Class::Expired => true,
        Class::Skewed | Class::NoCredentials | Class::Denied | Class::Permanent => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use millstream_aws::Environment;
    use millstream_embedded::aws::{ControlPlane, Step};
    use std::net::SocketAddr;

    async fn plane() -> (ControlPlane, Arc<AwsValues>) {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let plane = ControlPlane::start(any, "AKID", "SECRET").await.unwrap();
        let variables = [
            ("AWS_ENDPOINT_URL", plane.endpoint()),
            ("AWS_ACCESS_KEY_ID", "AKID".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "SECRET".to_owned()),
            ("REGION", "eu-west-1".to_owned()),
        ];
        let variables = variables.into_iter();
        let environment: Environment = variables
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        let values = AwsValues::new(Handle::current(), SharedAws::new(environment));
        (plane, Arc::new(values))
    }

    async fn get(values: &Arc<AwsValues>) -> Result<Option<String>, RemoteError> {
        let values = Arc::clone(values);
        let secret = RemoteValue::Secret("db".to_owned());
        let asked = tokio::task::spawn_blocking(move || values.get(&secret));
        asked.await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_asks_for_the_same_at_the_same_time_is_one_call_and_nothing_is_kept() {
        let (plane, values) = plane().await;
        plane.set_secret("db", "old");
        // While the first waits for its answer, all others come.
        plane.script("GetSecretValue", [Step::Late(Duration::from_secs(1))]);
        let asked = (0..40).map(|_| get(&values));
        for got in futures::future::join_all(asked).await {
            assert_eq!(got.unwrap().as_deref(), Some("old"));
        }
        assert_eq!(plane.calls("GetSecretValue"), 1);
        assert!(values.shared.open().is_empty());
        plane.set_secret("db", "new");
        assert_eq!(get(&values).await.unwrap().as_deref(), Some("new"));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_service_that_is_away_is_another_matter_than_one_that_refuses() {
        let (plane, values) = plane().await;
        // As often as one call is tried.
        let error = Step::error(500, "InternalServiceError", "");
        plane.script("GetSecretValue", vec![error; 5]);
        let away = get(&values).await.unwrap_err();
        assert!(away.is_transient, "{away}");
        let answer = |body: &str| Step::Answer {
            status: 200,
            headers: Vec::new(),
            body: body.to_owned(),
        };
        for (step, told) in [
            (
                Step::error(403, "AccessDeniedException", "no"),
                "AccessDenied",
            ),
            (
                answer(r#"{"SecretBinary":"/w=="}"#),
                "SecretBinary is no text",
            ),
        ] {
            plane.script("GetSecretValue", [step]);
            let refused = get(&values).await.unwrap_err();
            assert!(!refused.is_transient, "{refused}");
            assert!(refused.message.starts_with("secret db: "), "{refused}");
            assert!(refused.message.contains(told), "{refused}");
        }
        assert_eq!(get(&values).await, Ok(None));
        plane.stop().await;
        assert!(get(&values).await.unwrap_err().is_transient);
    }
}
