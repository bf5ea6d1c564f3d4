//! `/` and `/health`.

use super::wire::{Health, ServerInfo};
use super::{Api, resource};
use crate::KAFKA_VERSION;
use crate::herder::request::Request;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use std::time::Duration;

/// The commit of the version above; clients show it.
const COMMIT: &str = "26b251db2a452df5";

/// How long a question about the cluster may wait for brokers that have not answered yet.
const CLUSTER_ID_WAIT: Duration = Duration::from_secs(2);

/// How long Java's worker waits for its herder before it calls itself ill.
const HEALTH_WAIT: Duration = Duration::from_secs(10);

pub(super) fn router() -> Router<Api> {
    Router::new()
        .merge(resource("/", get(root), "HEAD,GET,OPTIONS"))
        .merge(resource("/health", get(health), "HEAD,GET,OPTIONS"))
}

async fn root(State(api): State<Api>) -> Json<ServerInfo> {
    let kafka_cluster_id = api.cluster_id.within(CLUSTER_ID_WAIT).await;
    Json(ServerInfo {
        version: KAFKA_VERSION,
        commit: COMMIT,
        kafka_cluster_id,
    })
}

async fn health(State(api): State<Api>) -> (StatusCode, Json<Health>) {
    let asked = api.herder.change(Request::Health);
    let answered = tokio::time::timeout(HEALTH_WAIT, asked).await;
    let view = api.herder.view();
    let group_error = api.herder.group_error();
    // That which waiting does not help is no start.
    let is_starting = !view.has_started() && group_error.is_none();
    let (code, status, message) = match answered {
        Ok(Ok(_)) => (
            StatusCode::OK,
            "healthy",
            "Worker has completed startup and is ready to handle requests.",
        ),
        Ok(Err(_)) | Err(_) if is_starting => (
            StatusCode::SERVICE_UNAVAILABLE,
            "starting",
            "Worker is still starting up.",
        ),
        Ok(Err(_)) | Err(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "unhealthy",
            "Worker was unable to handle this request and may be unable to handle other requests.",
        ),
    };
    let mut message = message.to_owned();
    if let Some(stage) = view.stage().filter(|_| code != StatusCode::OK) {
        message.push(' ');
        message.push_str(&stage.sentence());
    }
    let group_error = group_error.map(|why| format!("The group cannot work: {why}."));
    for remark in group_error.into_iter().chain(view.unsigned()) {
        message.push(' ');
        message.push_str(&remark);
    }
    (code, Json(Health { status, message }))
}
