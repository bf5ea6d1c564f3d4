//! What only workers ask of each other: to write the settings of a connector's tasks, and to shut out former tasks. Signed,
//! if the group has agreed on that.

use super::Api;
use super::body::Body;
use super::error::RestError;
use super::relay::Relay;
use super::wire::Name;
use crate::cluster::GroupProtocol;
use crate::herder::request::Request;
use crate::herder::state::WorkerMode;
use crate::inter_worker::Signature;
use crate::json_text::string_maps;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;

pub(super) async fn set_tasks(
    State(api): State<Api>,
    Path(Name(name)): Path<Name>,
    relay: Relay,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, RestError> {
    if api.mode == WorkerMode::Standalone {
        let text = "Kafka Connect in standalone mode does not support externally setting task configurations.";
        return Err(RestError::Failed(text.to_owned()));
    }
    let configs = string_maps(&body)?;
    check_signature(&api, &headers, &body)?;
    let request = Request::SetTasks { name, configs };
    let relayed = relay.change(&api, request, body.bytes()).await?;
    Ok(relayed.or(|_| StatusCode::NO_CONTENT))
}

pub(super) async fn fence(
    State(api): State<Api>,
    Path(Name(name)): Path<Name>,
    relay: Relay,
    headers: HeaderMap,
) -> Result<Response, RestError> {
    if api.mode == WorkerMode::Standalone {
        let text =
            "Kafka Connect in standalone mode does not support exactly-once source connectors.";
        return Err(RestError::Failed(text.to_owned()));
    }
    check_signature(&api, &headers, b"")?;
    let relayed = relay
        .change(&api, Request::Fence(name), Bytes::new())
        .await?;
    Ok(relayed.or(|_| StatusCode::NO_CONTENT))
}

/// Whether the request comes from a worker of this cluster, by the last session key that was read.
fn check_signature(api: &Api, headers: &HeaderMap, body: &[u8]) -> Result<(), RestError> {
    let bad = |text: String| Err(RestError::BadRequest(text));
    let signature = match Signature::of(headers) {
        Ok(signature) => signature,
        Err(error) => return bad(error.to_string()),
    };
    let view = api.herder.view();
    if view.protocol() != GroupProtocol::Sessioned {
        return Ok(());
    }
    let Some(signature) = signature else {
        return bad("Internal request missing required signature".to_owned());
    };
    let accepted = &api.inter_worker.verification_algorithms;
    if !accepted.contains(&signature.algorithm_name) {
        return bad(format!(
            "This worker does not support the '{}' key signing algorithm used by other workers. This worker is currently configured to use: [{}]. Check that all workers' configuration files permit the same set of signature algorithms, and correct any misconfigured worker and restart it.",
            signature.algorithm_name,
            accepted.join(", ")
        ));
    }
    let Some(key) = view.session_key() else {
        return Err(RestError::Unavailable(
            "This worker is still starting up and has not been able to read a session key from the config topic yet",
        ));
    };
    if !signature.is_valid(&key.key, body) {
        let text = "Internal request contained invalid signature.";
        return Err(RestError::Forbidden(text.to_owned()));
    }
    Ok(())
}
