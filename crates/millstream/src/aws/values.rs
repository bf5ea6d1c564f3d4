//! Secrets and parameters for the references in connectors' settings.

use super::SharedAws;
use millstream_aws::services::{ask, secrets, ssm};
use millstream_aws::{CallError, Class, Client};
use millstream_core::Password;
use millstream_worker::config::{RemoteValue, RemoteValues};
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
    /// Questions that somebody waits for.
    open: Mutex<HashMap<Question, Turn>>,
}

/// Held by who asks, and by the others in turn.
type Turn = Arc<tokio::sync::Mutex<Option<Told>>>;

/// What is asked of a service; of a secret the whole, whichever member is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Question {
    Secret(String),
    Parameter(String),
}

/// An answer: nothing, if there is nothing of that name.
type Outcome = Result<Option<Password>, String>;

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
    fn get(&self, value: &RemoteValue) -> Result<Option<String>, String> {
        let (question, member) = match value {
            RemoteValue::Secret { id, member } => (Question::Secret(id.clone()), member.as_deref()),
            RemoteValue::Parameter(name) => (Question::Parameter(name.clone()), None),
        };
        let (answer, answered) = sync_channel(1);
        let (shared, asked) = (Arc::clone(&self.shared), question.clone());
        self.runtime.spawn(async move {
            let value = tokio::time::timeout(PATIENCE, shared.value(&asked)).await;
            // Nobody waits any more where the process ends.
            let _ = answer.send(value.unwrap_or_else(|_| Err(late())));
        });
        // The task above ends in time by itself.
        let outcome = answered.recv_timeout(PATIENCE + Duration::from_secs(1));
        let outcome = outcome.unwrap_or_else(|_| Err(late()));
        let found = outcome.map_err(|why| match question {
            Question::Secret(id) => format!("secret {id}: {why}"),
            Question::Parameter(name) => format!("parameter {name}: {why}"),
        })?;
        let wanted = found.and_then(|whole| match member {
            Some(member) => secrets::member(&whole, member),
            None => Some(whole),
        });
        Ok(wanted.map(|value| value.reveal().to_owned()))
    }
}

fn late() -> String {
    format!("AWS did not answer within {} s", PATIENCE.as_secs())
}

impl Shared {
    async fn value(&self, question: &Question) -> Outcome {
        let asked = Instant::now();
        let turn = Arc::clone(self.open().entry(question.clone()).or_default());
        let mut told = turn.lock().await;
        let outcome = match &*told {
            Some(told) if told.at > asked => told.outcome.clone(),
            _ => {
                let outcome = self.ask(question).await;
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
            open.remove(question);
        }
        outcome
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Question, Turn>> {
        // The table is whole after every step.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, question: &Question) -> Outcome {
        let made = self.client.get_or_try_init(|| async {
            let aws = self.aws.get().await;
            let client = aws.and_then(|aws| aws.client());
            client.map_err(|exit| exit.to_string())
        });
        let client = made.await?;
        let found = match question {
            Question::Secret(id) => {
                ask(client, secrets::get_secret_value(id), secrets::parse_secret).await
            }
            Question::Parameter(name) => {
                ask(client, ssm::get_parameter(name), ssm::parse_parameter).await
            }
        };
        match found {
            Ok(value) => Ok(Some(value)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use millstream_aws::Environment;
    use millstream_embedded::aws::{ControlPlane, Step};
    use std::net::SocketAddr;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_asks_for_the_same_at_the_same_time_is_one_call_and_nothing_is_kept() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let plane = ControlPlane::start(any, "AKID", "SECRET").await.unwrap();
        plane.set_secret("db", r#"{"user":"u","password":"old"}"#);
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
        let values = Arc::new(values);
        let get = async |members: &[&'static str]| {
            let asked = members.iter().map(|member| {
                let values = Arc::clone(&values);
                let value = RemoteValue::Secret {
                    id: "db".to_owned(),
                    member: Some((*member).to_owned()),
                };
                tokio::task::spawn_blocking(move || values.get(&value).unwrap().unwrap())
            });
            let got = futures::future::join_all(asked).await.into_iter();
            got.map(Result::unwrap).collect::<Vec<_>>()
        };
        // While the first waits for its answer, all others come.
        plane.script("GetSecretValue", [Step::Late(Duration::from_secs(1))]);
        let members = [["user", "password"]; 20].concat();
        assert_eq!(get(&members).await, [["u", "old"]; 20].concat());
        assert_eq!(plane.calls("GetSecretValue"), 1);
        assert!(values.shared.open().is_empty());
        plane.set_secret("db", r#"{"password":"new"}"#);
        assert_eq!(get(&["password"]).await, ["new"]);
    }
}
