//! RestSubmitter: hands the settings of tasks to the leader, signed if the group has agreed on that.

use super::wire::StringMap;
use crate::cluster::{GroupProtocol, StoreError, TaskSubmitter};
use crate::forward::{Ask, Forwarder};
use crate::herder::View;
use crate::inter_worker::{InterWorkerConfig, Signature};
use async_trait::async_trait;
use axum::body::to_bytes;
use axum::http::{HeaderMap, Method, StatusCode};
use bytes::Bytes;
use millstream_core::Properties;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// What does not stand in a connector's name in a path as it is.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// How long the leader may know another session key than this worker before that is an error.
const KEY_ROTATION: Duration = Duration::from_secs(60);

/// Of an error's text.
const LARGEST_ANSWER: usize = 64 << 10;

pub(crate) struct RestSubmitter {
    forwarder: Forwarder,
    view: watch::Receiver<Arc<View>>,
    config: Arc<InterWorkerConfig>,
    /// Since when signatures have been refused without an exception.
    refused: Mutex<Option<Instant>>,
}

impl RestSubmitter {
    pub(crate) fn new(
        forwarder: Forwarder,
        view: watch::Receiver<Arc<View>>,
        config: Arc<InterWorkerConfig>,
    ) -> Self {
        RestSubmitter {
            forwarder,
            view,
            config,
            refused: Mutex::new(None),
        }
    }

    fn signature(&self, body: &[u8]) -> HeaderMap {
        let view = self.view.borrow();
        let is_signed = view.protocol() == GroupProtocol::Sessioned;
        match view.session_key().filter(|_| is_signed) {
            Some(key) => Signature::headers(&self.config.signature_algorithm, &key.key, body),
            None => HeaderMap::new(),
        }
    }

    /// Whether a refused signature is to be expected: a key that was replaced is not read by all at once.
    fn is_rotation(&self, status: Option<StatusCode>) -> bool {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if status != Some(StatusCode::FORBIDDEN) {
            *refused = None;
            return false;
        }
        refused.get_or_insert_with(Instant::now).elapsed() < KEY_ROTATION
    }

    async fn send(&self, url: String, body: Bytes) -> Result<(), (Option<StatusCode>, String)> {
        let ask = Ask {
            method: Method::POST,
            url,
            headers: self.signature(&body),
            body,
        };
        let answer = self.forwarder.send(ask).await;
        let (head, body) = answer
            .map_err(|error| (None, error.to_string()))?
            .into_parts();
        let body = to_bytes(body, LARGEST_ANSWER).await.unwrap_or_default();
        let is_json = || serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_ok();
        match head.status {
            StatusCode::NO_CONTENT => Ok(()),
            StatusCode::OK if is_json() => Ok(()),
            status => {
                let text = String::from_utf8_lossy(&body).into_owned();
                Err((Some(status), format!("the leader answers {status}: {text}")))
            }
        }
    }
}

#[async_trait]
impl TaskSubmitter for RestSubmitter {
    async fn submit(
        &self,
        leader_url: &str,
        name: &str,
        configs: &[Properties],
    ) -> Result<(), StoreError> {
        if leader_url.trim().is_empty() {
            return Err(StoreError("the URL of the leader is not known".to_owned()));
        }
        let configs: Vec<StringMap> = configs.iter().cloned().map(StringMap).collect();
        let body = serde_json::to_vec(&configs).map_err(|error| StoreError(error.to_string()))?;
        let name = utf8_percent_encode(name, ESCAPED);
        let base = leader_url.trim_end_matches('/');
        let sent = self.send(format!("{base}/connectors/{name}/tasks"), body.into());
        let outcome = sent.await;
        let is_rotation = self.is_rotation(outcome.as_ref().err().and_then(|(status, _)| *status));
        outcome.map_err(|(_, why)| {
            if is_rotation {
                tracing::debug!(connector = %name, error = why, "the leader has another session key");
            } else {
                tracing::warn!(connector = %name, error = why, "the leader did not take a connector's tasks; this is tried again");
            }
            StoreError(why)
        })
    }
}
