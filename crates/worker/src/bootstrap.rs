//! First connectors: those that a document names and that are created where they are not there yet, by any worker of a
//! cluster. What keeps one from being created is told and tried again; the worker runs all the same.

mod document;

pub use document::read_document;

use crate::config::{ConnectorFile, WorkerSettings};
use crate::creation::{CreateError, create};
use crate::forward::Ask;
use crate::herder::request::{HerderError, Request};
use crate::rest::Api;
use crate::validation::{ValidationError, Validator};
use crate::{PluginRegistry, cluster::TargetState};
use async_trait::async_trait;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Response, StatusCode};
use bytes::Bytes;
use millstream_core::Properties;
use millstream_core::config::ConfigValue;
use millstream_health::{Alarm, AlarmKind};
use serde_json::{Map, Value as Json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// First and longest pause after an attempt that left something to do. The longest is what a person waits at most who has
/// mended the cause.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Of a leader's answer: an error is a sentence or a page.
const LONGEST_REFUSAL: usize = 64 * 1024;

/// Where the document is read.
#[async_trait]
pub trait ConnectorsSource: Send + Sync {
    /// The document.
    ///
    /// # Errors
    /// Why it cannot be read now, and what to do if anything is to be done.
    async fn read(&self) -> Result<Vec<u8>, String>;
}

/// Connectors that are to be there.
pub struct BootstrapConnectors {
    /// What names the document, for people: the variable and the place.
    about: String,
    source: Box<dyn ConnectorsSource>,
    /// Of the document as it was read last, or why it could not be read.
    wanted: Result<Vec<ConnectorFile>, String>,
    settled: BTreeSet<String>,
    lacking: watch::Sender<Vec<Alarm>>,
}

/// Why a connector is not there yet.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    /// Nobody knows who leads, or the group is at something else: it passes by itself.
    NotNow(String),
    Told(String),
}

impl BootstrapConnectors {
    /// `wanted` is what `source` said before the start.
    pub fn new(
        about: impl Into<String>,
        source: Box<dyn ConnectorsSource>,
        wanted: Result<Vec<ConnectorFile>, String>,
    ) -> Self {
        let about = about.into();
        let unread = wanted.as_ref().err().map(|why| unread(&about, why));
        BootstrapConnectors {
            about,
            source,
            wanted,
            settled: BTreeSet::new(),
            lacking: watch::Sender::new(unread.into_iter().collect()),
        }
    }

    /// What is not there, and why.
    pub(crate) fn lacking(&self) -> watch::Receiver<Vec<Alarm>> {
        self.lacking.subscribe()
    }

    /// Returns once all connectors are there.
    pub(crate) async fn run(mut self, api: Api) {
        let mut failures = 0;
        loop {
            let lacking = self.attempt(&api).await;
            let is_done = lacking.is_empty();
            self.lacking.send_replace(lacking);
            if is_done {
                return;
            }
            let pause = pause_after(failures, rand::random_range(0.0..1.0));
            failures += 1;
            tokio::time::sleep(pause).await;
            self.read_again().await;
        }
    }

    /// Creates what is not there. Says what is left to do.
    async fn attempt(&mut self, api: &Api) -> Vec<Alarm> {
        let about = &self.about;
        let wanted = match &self.wanted {
            Ok(wanted) => wanted,
            Err(why) => {
                tracing::warn!("{about} cannot be read and is tried again: {why}");
                return vec![unread(about, why)];
            }
        };
        let mut lacking = Vec::new();
        for connector in wanted {
            let name = &connector.name;
            if self.settled.contains(name) {
                continue;
            }
            match ensure(api, connector).await {
                Ok(()) => {
                    self.settled.insert(name.clone());
                }
                Err(refusal) => {
                    let text = match refusal {
                        Refusal::NotNow(why) => {
                            tracing::info!(connector = name, "{about}: not created yet: {why}");
                            why
                        }
                        Refusal::Told(why) => {
                            tracing::warn!(
                                connector = name,
                                "{about}: cannot be created and is tried again: {why}"
                            );
                            why
                        }
                    };
                    lacking.push(Alarm {
                        connector: name.as_str().into(),
                        task: None,
                        kind: AlarmKind::NotCreated,
                        text,
                    });
                }
            }
        }
        lacking
    }

    /// Whoever has mended the document is heard. One that is away, or broken by now, leaves what was read before.
    async fn read_again(&mut self) {
        let read = match self.source.read().await {
            Ok(text) => read_document(&text).map_err(|errors| errors.join("\n")),
            Err(why) => Err(why),
        };
        match (&self.wanted, read) {
            (Ok(_), Err(why)) => {
                let about = &self.about;
                tracing::warn!("{about} cannot be read again, what was read before counts: {why}");
            }
            (_, read) => self.wanted = read,
        }
    }
}

fn unread(about: &str, why: &str) -> Alarm {
    Alarm {
        connector: "".into(),
        task: None,
        kind: AlarmKind::NotCreated,
        text: format!("{about} cannot be read: {why}"),
    }
}

/// Half of it and a part by chance, so that workers that were started together do not ask together. `dice` is from 0 to 1.
fn pause_after(failures: u32, dice: f64) -> Duration {
    let (first, longest) = PAUSES;
    let pause = first.saturating_mul(1 << failures.min(16)).min(longest);
    pause.mul_f64(0.5 + dice / 2.0)
}

/// The connector is there when this returns well: it was, or was created by this worker or by the leader.
async fn ensure(api: &Api, connector: &ConnectorFile) -> Result<(), Refusal> {
    // Answered once everything has been read that the cluster shares, and nothing is being shared out anew.
    let leader = match api.herder.change(Request::Lead { waits: true }).await {
        Ok(_) => None,
        Err(HerderError::NotHere { url: Some(url), .. }) => Some(url),
        Err(error) => return Err(Refusal::NotNow(error.to_string())),
    };
    let name = &connector.name;
    if let Some(there) = api.herder.view().info(name) {
        let differing = match differing(&there.config, &connector.config) {
            0 => String::new(),
            count => format!(
                "; {count} of its settings differ from the document's, PUT /connectors/{name}/config changes them"
            ),
        };
        tracing::info!(
            connector = name,
            "is there already and left as it is{differing}"
        );
        return Ok(());
    }
    let Some(url) = leader else {
        return created(create(api, connector.clone()).await);
    };
    let answer = api.forwarder.send(request_of(&url, connector)).await;
    let answer = answer.map_err(|error| Refusal::Told(format!("the leader, {url}: {error}")))?;
    let (status, message) = read_answer(answer).await;
    answered(status, &message).map_err(|why| Refusal::Told(format!("the leader, {url}, {why}")))?;
    tracing::info!(connector = name, leader = %url, "connector created by the leader");
    Ok(())
}

fn created(outcome: Result<(), CreateError>) -> Result<(), Refusal> {
    let error = match outcome {
        Ok(()) | Err(CreateError::Herder(HerderError::AlreadyExists(_))) => return Ok(()),
        Err(error) => error,
    };
    Err(match error {
        CreateError::Herder(error) => Refusal::NotNow(error.to_string()),
        CreateError::Invalid(invalid) => Refusal::Told(invalid.messages().to_owned()),
        CreateError::Validation(error) => Refusal::Told(error.to_string()),
    })
}

/// How many settings one of the two has otherwise.
fn differing(there: &Properties, wanted: &Properties) -> usize {
    let keys = there.entries().chain(wanted.entries()).map(|(key, _)| key);
    let keys: BTreeSet<&str> = keys.collect();
    let differ = |key: &&str| there.entry(key) != wanted.entry(key);
    keys.into_iter().filter(differ).count()
}

/// As a client would send it, but that the leader must not pass it on.
fn request_of(leader: &str, connector: &ConnectorFile) -> Ask {
    let config = connector.config.entries();
    let config: Map<String, Json> = config
        .map(|(key, value)| (key.to_owned(), value.into()))
        .collect();
    let mut body = Map::new();
    body.insert("name".to_owned(), connector.name.as_str().into());
    body.insert("config".to_owned(), Json::Object(config));
    let state = connector.initial_state.map(|state| match state {
        TargetState::Started => "RUNNING",
        TargetState::Paused => "PAUSED",
        TargetState::Stopped => "STOPPED",
    });
    if let Some(state) = state {
        body.insert("initial_state".to_owned(), state.into());
    }
    Ask {
        method: Method::POST,
        url: format!("{}/connectors?forward=false", leader.trim_end_matches('/')),
        headers: HeaderMap::new(),
        body: Bytes::from(Json::Object(body).to_string()),
    }
}

/// The status and what an error says.
async fn read_answer(answer: Response<Body>) -> (StatusCode, String) {
    let (head, body) = answer.into_parts();
    let body = to_bytes(body, LONGEST_REFUSAL).await.unwrap_or_default();
    let error: Json = serde_json::from_slice(&body).unwrap_or_default();
    let message = error["message"].as_str().unwrap_or_default();
    (head.status, message.to_owned())
}

/// What the leader's answer comes to: there is such a connector, or why not.
fn answered(status: StatusCode, message: &str) -> Result<(), String> {
    let exists = status == StatusCode::CONFLICT && message.ends_with("already exists");
    if status.is_success() || exists {
        return Ok(());
    }
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return Err(format!(
            "asks who it is ({}); give every worker the same document, and the one that leads creates them",
            status.as_u16()
        ));
    }
    Err(format!("answers {}: {message}", status.as_u16()))
}

/// What is wrong with connectors as far as it can be known before anything has started and without asking anybody: a
/// sentence each, with the connector, the key and what to do.
pub async fn examine(
    settings: &WorkerSettings,
    registry: PluginRegistry,
    group: Option<&str>,
    connectors: &[ConnectorFile],
) -> Vec<String> {
    let validator = Validator {
        registry: Arc::new(registry.limited_to(&settings.config.plugins_include)),
        worker: Arc::new(settings.clone()),
        group: group.map(str::to_owned),
    };
    let mut problems = Vec::new();
    for connector in connectors {
        let name = &connector.name;
        match validator.examine(&connector.config).await {
            Ok(validated) => {
                let values = validated.configs.iter().map(|(_, value)| value);
                problems.extend(values.flat_map(|value| sentences(connector, value)));
            }
            Err(error) => problems.push(refused(name, &error)),
        }
    }
    problems
}

fn sentences(connector: &ConnectorFile, value: &ConfigValue) -> Vec<String> {
    let (name, key) = (&connector.name, &value.name);
    let remedy = match connector.config.contains(key) {
        true => "correct",
        false => "set",
    };
    let errors = value.errors.iter();
    errors
        .map(|error| {
            let error = error.trim_end_matches('.');
            format!("connector {name}: {key}: {error}; {remedy} {key}")
        })
        .collect()
}

fn refused(name: &str, error: &ValidationError) -> String {
    let remedy = match error {
        ValidationError::BadRequest(_) => "; set connector.class to one of docs/configuration",
        ValidationError::Config(_) | ValidationError::Thrown(_) => "",
    };
    // Java's own sentence repeats all settings.
    let text = match error {
        ValidationError::BadRequest(text) if text.ends_with("contains no connector type") => {
            "connector.class is missing".to_owned()
        }
        error => error.to_string(),
    };
    format!("connector {name}: {text}{remedy}")
}

#[cfg(test)]
mod tests;
